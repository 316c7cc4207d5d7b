# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Frames that the node keeps as files: what is in them, what is refused, what is repeated."""

import io
import json
import zipfile
from array import array
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from vision_msgs.msg import Detection2D, ObjectHypothesis, ObjectHypothesisWithPose

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.msg import InstanceMask, InstanceMasks
from genpose_ros.ros.accounting import Drop
from genpose_ros.ros.camera_info import calibration_from_info
from genpose_ros.ros.compressed_images import CompressedDepth
from genpose_ros.ros.estimate_mode import Estimating
from genpose_ros.ros.frame_files import KeptFrame, read_frame_file, write_frame_file
from genpose_ros.ros.frame_keeper import FrameKeeper
from genpose_ros.ros.matching import DepthMessage, MaskInput, Matched
from genpose_ros.ros.model_loader import ModelLoader
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.published import PublishedFrame
from genpose_ros.ros.replay.kept_frame import repeat_frame
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.transform_queue import LocatedFrame
from genpose_ros.tracking.settings import TrackerSettings

STAMP_NS = 1_700_000_000_123_456_789


def settings(**node):
    return Settings(
        EstimatorSettings(candidates=6, seed=3, device="cpu"),
        NodeSettings(default_category="mug", **node),
        TrackerSettings(),
    )


@pytest.fixture
def located(ros):
    depth_mm = np.full((48, 64), 1500, dtype=np.uint16)
    depth_mm[10:30, 10:30] = 800 + np.arange(20)[:, None] // 4
    labels = np.zeros((48, 64), dtype=np.uint8)
    labels[10:30, 10:30] = 3
    header = ros.header(STAMP_NS)
    masks = MaskInput(labels, header=header, label_names={3: "cup"})
    depth = DepthMessage(header, depth_mm)
    matched = Matched(depth, masks, calibration_from_info(ros.camera_info(fx=240.0, fy=240.0)))
    return LocatedFrame(matched, {"base": np.diag([1.0, -1.0, -1.0, 1.0])})


def kept(path, frame):
    write_frame_file(path, frame)
    return read_frame_file(path)


def test_a_frame_comes_back_as_it_was(located, tmp_path):
    frame = kept(tmp_path / "a.npz", KeptFrame(located, settings(), {"device": "cpu"}, "asked"))
    was, now = located.matched, frame.located.matched
    np.testing.assert_array_equal(now.depth.pixels, was.depth.pixels)
    assert now.depth.pixels.dtype == np.uint16
    np.testing.assert_array_equal(now.masks.content, was.masks.content)
    assert now.masks.label_names == {3: "cup"}
    assert replace(now.calibration, d=()) == replace(was.calibration, d=())
    stamp = now.depth.header.stamp
    assert (stamp.sec, stamp.nanosec) == (1_700_000_000, 123_456_789)
    assert now.depth.header.frame_id == was.depth.header.frame_id
    np.testing.assert_array_equal(frame.located.T_frame_cam["base"], np.diag([1.0, -1, -1, 1]))
    assert frame.settings == settings()
    assert (frame.about, frame.why) == ({"device": "cpu"}, "asked")


def test_the_file_holds_numbers_and_one_text_alone(located, tmp_path):
    write_frame_file(tmp_path / "a.npz", KeptFrame(located, settings()))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as content:
        kinds = {name: content[name].dtype.kind for name in content.files}
        json.loads(content["frame"].item())
    assert kinds.pop("frame") == "U"
    assert set(kinds.values()) <= set("biuf")
    assert kinds


def test_detections_polygons_and_masks_of_other_packages_come_back(ros, located, tmp_path):
    hypothesis = ObjectHypothesis(class_id="cup", score=0.6)
    detection = Detection2D(id="7", results=[ObjectHypothesisWithPose(hypothesis=hypothesis)])
    item = InstanceMask(id=4, class_name="mug", score=0.5, mask=array("B", [0, 1] * 8))
    message = InstanceMasks(header=ros.header(5), height=4, width=4, instances=[item])
    other = SimpleNamespace(detections=[SimpleNamespace(score=float("inf"), mask=[])])
    for content in (message, other):
        masks = MaskInput(content, header=ros.header(5))
        matched = replace(located.matched, masks=masks, detections=(detection,))
        frame = kept(tmp_path / "a.npz", KeptFrame(replace(located, matched=matched), settings()))
        (now,) = frame.located.matched.detections
        assert (now.id, now.results[0].hypothesis.class_id) == ("7", "cup")
        assert now.results[0].hypothesis.score == 0.6
        found = frame.located.matched.masks.content
        assert type(found).__name__ == type(content).__name__
        if content is message:
            assert (found.instances[0].id, found.instances[0].class_name) == (4, "mug")
            np.testing.assert_array_equal(found.instances[0].mask, [0, 1] * 8)
        else:
            assert found.detections[0].score == float("inf")


def test_compressed_depth_stays_compressed(located, tmp_path):
    packed = CompressedDepth(b"\x89PNG and so on", (48, 64), quantization=(1.5, 0.25))
    depth = replace(located.matched.depth, pixels=packed)
    frame = replace(located, matched=replace(located.matched, depth=depth))
    frame = kept(tmp_path / "a.npz", KeptFrame(frame, settings()))
    assert frame.located.matched.depth.pixels == packed


def npz(path, **arrays):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in arrays.items():
            stream = io.BytesIO()
            np.lib.format.write_array(stream, np.asarray(content), allow_pickle=True)
            archive.writestr(f"{name}.npy", stream.getvalue())


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"depth": np.zeros((4, 4))},
        {"frame": "no JSON"},
        {"frame": "[1]"},
        {"frame": '{"KeptFrame": {"located": 3, "settings": null}}'},
        {"frame": '{"os.system": {"command": "true"}}'},
        {"frame": '{"array": "array_7"}'},
        {"frame": '{"list": [' * 5000},
        {"frame": np.array([{"a": 1}], dtype=object)},
        {"frame": np.zeros(3, dtype=np.int64)},
    ],
)
def test_other_and_hostile_files_are_refused_by_name(tmp_path, content):
    npz(tmp_path / "a.npz", **content)
    with pytest.raises(ValueError, match=r"a\.npz is not a frame that was kept"):
        read_frame_file(tmp_path / "a.npz")


def test_files_that_claim_or_unpack_to_more_than_they_hold_are_refused(tmp_path, monkeypatch):
    stream = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    np.lib.format.write_array_header_1_0(stream, header)
    with zipfile.ZipFile(tmp_path / "claim.npz", "w") as archive:
        archive.writestr("frame.npy", stream.getvalue())
    with pytest.raises(ValueError, match="more than it holds"):
        read_frame_file(tmp_path / "claim.npz")
    for limit in ("_MOST_BYTES", "_MOST_TEXT"):
        monkeypatch.setattr(f"genpose_ros.ros.frame_files.{limit}", 2**18)
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("array_0.npy", bytes(2**21))
    assert (tmp_path / "bomb.npz").stat().st_size < 2**13
    with pytest.raises(ValueError, match="unpacked"):
        read_frame_file(tmp_path / "bomb.npz")


def test_a_frame_is_repeated_with_the_same_poses_to_the_bit(located, tmp_path):
    node_settings, make = settings(), ModelLoader()
    result = Estimating(make, node_settings).process(located)
    keeper = FrameKeeper(NodeSettings(dump_folder=str(tmp_path)), lambda: make.about, print)
    keeper.note(located, node_settings, result)
    assert keeper.keep_last() == (
        True, f"{tmp_path}/frame_{STAMP_NS}_asked.npz is being written"
    )  # fmt: skip
    keeper.close()
    again = repeat_frame(tmp_path / f"frame_{STAMP_NS}_asked.npz", {})
    (was,), (now,) = result.objects, again.result.objects
    np.testing.assert_array_equal(now.estimate.T_cam_obj, was.estimate.T_cam_obj)
    np.testing.assert_array_equal(now.estimate.T_cam_candidates, was.estimate.T_cam_candidates)
    np.testing.assert_array_equal(now.estimate.covariance, was.estimate.covariance)
    assert again.notes == ("all 1 poses are the node's, to the bit",)
    assert len(again.kept.about["checkpoint SHA-256"]) == 64
    other = repeat_frame(tmp_path / f"frame_{STAMP_NS}_asked.npz", {"sampling.seed": 4})
    assert "changed: sampling.seed" in other.notes
    assert other.notes[-1].startswith("the poses differ from the node's by up to")


class TestKeeper:
    @pytest.fixture
    def lines(self):
        return []

    @pytest.fixture
    def keeper(self, tmp_path, lines):
        made = FrameKeeper(
            NodeSettings(dump_folder=str(tmp_path / "kept"), dump_refused=True, dump_limit=4),
            dict,
            lines.append,
        )
        yield made
        made.close()

    def at(self, ros, located, number):
        depth = DepthMessage(ros.header(number), located.matched.depth.pixels)
        return replace(located, matched=replace(located.matched, depth=depth))

    def names(self, tmp_path):
        return sorted(path.name for path in (tmp_path / "kept").glob("*"))

    def wait(self, keeper, count, tmp_path):
        """Wait until the writer is done: the queue is drained by its end."""
        keeper.close()
        assert len(self.names(tmp_path)) == count

    def refused(self, reason=Reason.SIZE_MISMATCH):
        return Rejection(reason, "so it is")

    def test_nothing_is_written_of_frames_that_were_well(self, keeper, located, tmp_path):
        header = located.matched.depth.header
        keeper.note(located, settings(), PublishedFrame((), (), header))
        self.wait(keeper, 0, tmp_path)
        assert self.names(tmp_path) == []

    def test_a_refused_frame_is_kept_with_its_reason(self, keeper, located, tmp_path, lines):
        keeper.note(located, settings(), self.refused())
        self.wait(keeper, 1, tmp_path)
        assert self.names(tmp_path) == [f"frame_{STAMP_NS}_size_mismatch.npz"]
        frame = read_frame_file(tmp_path / "kept" / self.names(tmp_path)[0])
        assert frame.why == "size_mismatch: so it is"
        assert "genpose replay repeats it" in lines[0]

    def test_of_one_reason_three_frames_are_kept_and_of_all_no_more_than_the_limit(
        self, ros, located, tmp_path, lines
    ):
        given = NodeSettings(dump_folder=str(tmp_path / "kept"), dump_refused=True, dump_limit=4)
        reasons = (Reason.SIZE_MISMATCH, Reason.BAD_INTRINSICS)
        for number in range(1, 12):
            # A keeper each, closed at once: no frame is left out because the writer is slow.
            keeper = FrameKeeper(given, dict, lines.append)
            keeper.note(self.at(ros, located, number), settings(), self.refused(reasons[0]))
            keeper.close()
        assert len(self.names(tmp_path)) == 4
        keeper = FrameKeeper(given, dict, lines.append)
        keeper.note(located, settings(), Drop.NO_TRACKS)
        done, why = keeper.keep_last()
        assert not done
        assert "holds 4 frames, as many as dump.limit allows: move them away" in why
        for path in (tmp_path / "kept").iterdir():
            path.unlink()
        assert keeper.keep_last()[0]
        keeper.close()
        assert len(self.names(tmp_path)) == 1

    def test_of_one_reason_only_three_frames_take_places(self, ros, located, tmp_path, monkeypatch):
        written = []
        monkeypatch.setattr(
            "genpose_ros.ros.frame_keeper.write_frame_file", lambda path, _: written.append(path)
        )
        given = NodeSettings(dump_folder=str(tmp_path), dump_refused=True, dump_limit=100)
        keeper = FrameKeeper(given, dict, print)
        for number in range(1, 500):
            keeper.note(self.at(ros, located, number), settings(), self.refused())
        keeper.close()
        assert len(written) == 3

    def test_without_a_folder_nothing_is_kept_and_it_says_how(self, located):
        keeper = FrameKeeper(NodeSettings(dump_refused=True), dict, print)
        keeper.note(located, settings(), self.refused())
        assert keeper.keep_last() == (
            False, "no frame is kept: start the node with the parameter dump.folder"
        )  # fmt: skip
        keeper.close()

    def test_a_folder_that_cannot_be_written_is_told_and_ends_nothing(
        self, located, tmp_path, lines
    ):
        (tmp_path / "file").touch()
        keeper = FrameKeeper(
            NodeSettings(dump_folder=str(tmp_path / "file"), dump_refused=True), dict, lines.append
        )
        keeper.note(located, settings(), self.refused())
        keeper.close()
        assert lines[0].startswith("frame not kept in ")

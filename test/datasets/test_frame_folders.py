# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Recorded frames: what is read, and what is said of damaged ones."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genpose_ros.datasets import Truth, find_frames, load_frame

POSE = {"R": [[1, 0, 0], [0, -1, 0], [0, 0, -1]], "t": [0.1, 0.2, 0.9]}


class TestLoadFrame:
    def test_a_frame_folder_is_read_with_all_its_files(self, write_frame, tmp_path):
        instances = [
            {"id": 3, "category": "mug", **POSE, "size_m": [0.1, 0.2, 0.3], "gt": "by hand"},
            {"id": 7, "category": "bowl", **POSE, "gt": "PSEUDO: by another estimator"},
            {"id": 9, "category": "can", "R": None, "t": None, "gt": "none"},
        ]
        frame = load_frame(write_frame(tmp_path / "a", {"frame": "first"}, instances))
        assert frame.name == "first"
        assert frame.depth_m[10, 10] == np.float32(0.8)
        assert frame.depth_m[0, 0] == 0
        assert (frame.camera.fx, frame.camera.cx, frame.camera.width) == (60.0, 31.5, 64)
        assert frame.color is not None
        assert frame.color[20, 20] == pytest.approx([200, 0, 0], abs=3)  # RGB, by way of JPEG
        mug, _, can = frame.instances
        assert mug.mask.sum() == 225
        assert mug.T_cam_obj.tolist() == [
            [1, 0, 0, 0.1],
            [0, -1, 0, 0.2],
            [0, 0, -1, 0.9],
            [0, 0, 0, 1],
        ]
        assert mug.size_m.tolist() == [0.1, 0.2, 0.3]
        assert [i.truth for i in frame.instances] == [Truth.DATASET, Truth.PSEUDO, Truth.NONE]
        assert can.T_cam_obj is None
        assert not can.mask.any()

    def test_a_recorded_frame_becomes_an_estimator_s_frame(self, write_frame, tmp_path):
        recorded = load_frame(write_frame(tmp_path / "a"))
        frame = recorded.to_frame()
        assert frame.frame_id == "a"
        assert [(i.id, i.category) for i in frame.instances] == [(3, "mug"), (7, "bowl")]
        assert frame.depth_m is recorded.depth_m

    @pytest.mark.parametrize("quarters", [1, 2, 3, 5])
    def test_a_turned_frame_shows_the_same_objects_in_the_same_places(
        self, write_frame, tmp_path, quarters
    ):
        instances = [{"id": 3, "category": "mug", **POSE}, {"id": 7, "category": "bowl", **POSE}]
        upright = load_frame(write_frame(tmp_path / "a", {}, instances))
        turned = upright.turned(quarters)
        assert turned.turned(-quarters).camera == upright.camera
        assert turned.color.shape[:2] == turned.depth_m.shape == turned.instances[0].mask.shape
        for seen, before in zip(turned.instances, upright.instances, strict=True):
            assert (seen.id, seen.category) == (before.id, before.category)
            # An object's own axes see its points where they saw them before.
            points, known = (
                (frame.camera.back_project(frame.depth_m, i.mask) - i.T_cam_obj[:3, 3])
                @ i.T_cam_obj[:3, :3]
                for frame, i in ((turned, seen), (upright, before))
            )
            for along in np.random.default_rng(0).normal(size=(5, 3)):
                np.testing.assert_allclose(
                    np.sort(points @ along), np.sort(known @ along), atol=1e-5
                )

    def test_the_frame_of_the_present_folder_has_the_folder_s_name(
        self, write_frame, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(write_frame(tmp_path / "a"))
        assert load_frame(Path()).name == "a"

    def test_the_colour_image_is_optional(self, write_frame, tmp_path):
        folder = write_frame(tmp_path / "a")
        (folder / "color.jpg").unlink()
        assert load_frame(folder).color is None

    @pytest.mark.parametrize("name", ["depth.png", "mask.png", "label.json"])
    def test_a_missing_file_of_a_frame_is_named(self, write_frame, tmp_path, name):
        folder = write_frame(tmp_path / "a")
        (folder / name).unlink()
        with pytest.raises(FileNotFoundError, match=name):
            load_frame(folder)

    @pytest.mark.parametrize("name", ["depth.png", "mask.png", "label.json"])
    def test_a_damaged_file_of_a_frame_is_named(self, write_frame, tmp_path, name):
        folder = write_frame(tmp_path / "a")
        (folder / name).write_bytes(b"\x00\x01 not what it says")
        with pytest.raises(ValueError, match=name):
            load_frame(folder)

    @pytest.mark.parametrize(
        ("label", "instances", "message"),
        [
            ({}, [{"id": 3}], "category"),
            ({}, [{"id": "x", "category": "mug"}], "lacks"),
            ({}, [{"id": 3, "category": "spoon"}], "spoon"),
            ({}, [{"id": 3, "category": "mug", "R": [1, 2], "t": [0, 0, 1]}], r"R .*\(3, 3\)"),
            ({}, [{"id": 3, "category": "mug", **POSE, "t": [0, None, 1]}], r"t .*\(3,\)"),
            ({}, [{"id": 3, "category": "mug", **POSE, "size_m": 0.1}], r"size_m .*\(3,\)"),
            ({"instances": 5}, None, "instances"),
            ({"K": None}, None, "intrinsic"),
            ({"K": [[0, 0, 0]] * 3}, None, "K must be"),
            ({"width": 640}, None, "640.* 64"),
        ],
    )
    def test_a_wrong_label_is_refused(self, write_frame, tmp_path, label, instances, message):
        folder = write_frame(tmp_path / "a", label, instances)
        with pytest.raises(ValueError, match=message):
            load_frame(folder)

    def test_images_of_different_sizes_are_refused(self, write_frame, tmp_path):
        folder = write_frame(tmp_path / "a")
        Image.fromarray(np.zeros((24, 32), np.uint8)).save(folder / "mask.png")
        with pytest.raises(ValueError, match=r"\(24, 32\).*\(48, 64\)"):
            load_frame(folder)


class TestFindFrames:
    def test_frames_are_found_at_any_depth_and_sorted(self, write_frame, tmp_path):
        paths = [write_frame(tmp_path / name) for name in ("z/b", "a", "z/a/x")]
        assert find_frames(tmp_path) == sorted(paths)
        assert find_frames(paths[0]) == [paths[0]]

    def test_a_folder_without_frames_is_refused(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no recorded frame"):
            find_frames(tmp_path)
        with pytest.raises(FileNotFoundError, match="not a folder"):
            find_frames(tmp_path / "nowhere")


@pytest.mark.parametrize("source", ["simulated_frames", "recorded_frames"])
def test_pixels_with_depth_are_as_many_as_the_label_says(request, source):
    for folder in find_frames(request.getfixturevalue(source)):
        frame = load_frame(folder)
        label = json.loads((folder / "label.json").read_text())
        assert frame.name == folder.name
        assert len(frame.instances) == len(label["instances"])
        for instance, item in zip(frame.instances, label["instances"], strict=True):
            valid = (frame.depth_m > 0) & instance.mask
            assert valid.sum() == item["depth_px"]

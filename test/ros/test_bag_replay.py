# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Replay of bags: topics that are found, masks of every kind, transforms, damaged bags, poses."""

import dataclasses
import sqlite3

import numpy as np
import pytest
import recorded_bags as rec
from fake_estimator import FakeEstimator, FakeTracker, make_estimate
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.msg import ObjectPose
from genpose_ros.ros.builders import object_array, pose_array, posed_objects, transforms
from genpose_ros.ros.published import PublishedFrame, PublishedObject, published_estimate
from genpose_ros.ros.replay.bag import Bag, known_types
from genpose_ros.ros.replay.bag_replay import BagReplay
from genpose_ros.ros.replay.pose_bag import PoseBag, pose_messages_of
from genpose_ros.ros.replay.settings import settings_of, typed_changes
from genpose_ros.ros.replay.topics import BagTopics, WantedTopics, choose_topics
from genpose_ros.ros.transform_tree import TransformTree

#: Means of the boxes' pixels, back-projected by hand: focal length 60, centre (32, 24).
CENTRES = {"mug": [-0.2, -0.12667, 0.8], "bowl": [0.2625, 0.1575, 0.9]}
THIRD_S = 33_000_000


def replayed(path, wanted=WantedTopics(), make_tracker=FakeTracker, **values):  # noqa: B008
    """The frames of a replay, and the replay itself."""
    settings = settings_of("fast", values)
    with BagReplay.open(path, wanted, settings, FakeEstimator, make_tracker) as played:
        frames = [frame for frame in played.frames() if frame is not None]
        return frames, played


def objects(frame):
    return {o.estimate.category: o.estimate.T_cam_obj[:3, 3] for o in frame.objects}


def check_objects(frame, atol=1e-4):
    found = objects(frame)
    assert set(found) == set(CENTRES)
    for category, centre in CENTRES.items():
        np.testing.assert_allclose(found[category], centre, atol=atol)


def reasons(frames):
    return [r.reason for frame in frames for r in frame.rejections]


@pytest.fixture
def table(tmp_path):
    frames = [rec.frame(rec.BEGIN_NS + n * THIRD_S) for n in range(3)]
    return rec.write_bag(tmp_path / "table", [m for frame in frames for m in frame])


@pytest.mark.parametrize("plugin", list(StoragePlugin))
def test_every_frame_of_a_bag_is_estimated_with_the_classes_of_its_detections(tmp_path, plugin):
    frames = [rec.frame(rec.BEGIN_NS + n * THIRD_S) for n in range(3)]
    bag = rec.write_bag(tmp_path / "table", [m for frame in frames for m in frame], plugin)
    found, played = replayed(bag)
    assert played.topics == BagTopics(
        rec.DEPTH, rec.INFO, rec.LABELS, "label_image", rec.DETECTIONS
    )
    assert (played.messages, played.done, played.notes) == (12, 12, [])
    assert [f.header.stamp.nanosec for f in found] == [0, THIRD_S, 2 * THIRD_S]
    for frame in found:
        check_objects(frame)
    (file,) = [f for f in bag.iterdir() if f.suffix in (".db3", ".mcap")]
    assert len(replayed(file)[0]) == 3  # the file alone, too


def test_a_bag_without_definitions_as_humble_records_them_is_read(table):
    (file,) = table.glob("*.db3")
    with sqlite3.connect(file) as content:
        content.execute("DROP TABLE message_definitions")
        content.execute("UPDATE schema SET schema_version = 3")
    check_objects(replayed(table)[0][0])


@pytest.mark.parametrize(
    ("source", "topic", "message"),
    [
        ("instance_masks", "/segmenter/instances", rec.instance_masks),
        ("mask_array", "/mask_rcnn/result", rec.mask_array),
        ("yolo", "/yolo/detections", rec.polygons),
        ("boxes", "/detector/boxes", rec.detections),
    ],
)
def test_masks_of_every_kind_are_found_by_their_type(tmp_path, source, topic, message):
    stamp = rec.BEGIN_NS
    messages = [*rec.frame(stamp)[:2], (stamp + 1, topic, message(stamp))]
    (frame,), played = replayed(rec.write_bag(tmp_path / "bag", messages))
    assert (played.topics.mask_source, played.topics.masks) == (source, topic)
    check_objects(frame)
    assert [o.estimate.detection_score for o in frame.objects] == [0.75, 0.75]
    assert any("masks are guessed" in note for note in played.notes) == (source == "boxes")


def test_parts_of_a_class_image_are_objects_of_the_class_that_label_info_names(tmp_path):
    stamp = rec.BEGIN_NS
    classes = np.where(rec.labels() > 0, 41, 0).astype(np.uint8)
    names = [rec.make("vision_msgs/msg/VisionClass", class_id=41, class_name="coffee mug")]
    info = rec.make("vision_msgs/msg/LabelInfo", header=rec.header(stamp), class_map=names)
    messages = [
        *rec.frame(stamp)[:2],
        (stamp, "/segmentation/info", info),
        (stamp + 1, "/segmentation/mask", rec.image(classes, stamp)),
    ]
    bag = rec.write_bag(tmp_path / "bag", messages)
    (frame,), played = replayed(bag, WantedTopics(mask_source="semantic"))
    assert (played.topics.masks, played.topics.label_info) == (
        "/segmentation/mask",
        "/segmentation/info",
    )
    assert [o.estimate.category for o in frame.objects] == ["mug", "mug"]
    for item, centre in zip(frame.objects, CENTRES.values(), strict=True):
        np.testing.assert_allclose(item.estimate.T_cam_obj[:3, 3], centre, atol=1e-4)


class TestRawDepth:
    """Depth that is not aligned to the image that was segmented."""

    def bag(self, path, *others, info=rec.colour_info):
        stamp = rec.BEGIN_NS
        messages = [
            (stamp, rec.RAW_INFO, rec.camera_info(stamp)),
            (stamp, rec.COLOUR_INFO, info(stamp)),
            (stamp, rec.RAW_DEPTH, rec.image(rec.depth_mm(), stamp)),
            (stamp + 1, rec.LABELS, rec.image(rec.colour_labels(), stamp)),
            (stamp + 1, rec.DETECTIONS, rec.detections(stamp)),
            *others,
        ]
        return rec.write_bag(path / "bag", messages)

    @pytest.mark.parametrize("by", ["extrinsics", "tf"])
    def test_masks_are_carried_over_by_extrinsics_or_by_the_transforms_of_the_bag(
        self, tmp_path, by
    ):
        beside = rec.transform(0, -0.06, parent=rec.COLOUR_FRAME, child=rec.FRAME)
        told = {
            "extrinsics": (rec.BEGIN_NS, rec.EXTRINSICS, rec.extrinsics()),
            "tf": (rec.BEGIN_NS + 5, "/tf_static", rec.tf(beside)),
        }
        values = {"depth.aligned": False}
        (frame,), played = replayed(self.bag(tmp_path, told[by]), **values)
        check_objects(frame, atol=0.015)  # a pixel along the masks' borders
        topics = played.topics
        assert (topics.depth, topics.camera_info) == (rec.RAW_DEPTH, rec.RAW_INFO)
        assert topics.mask_camera_info == rec.COLOUR_INFO
        assert topics.extrinsics == (rec.EXTRINSICS if by == "extrinsics" else "")

    def test_what_is_missing_is_the_refusal_of_its_frame(self, tmp_path):
        frames, _ = replayed(self.bag(tmp_path), **{"depth.aligned": False})
        assert reasons(frames) == [Reason.NO_TRANSFORM]
        assert "depth_to_color" in frames[0].rejections[0].detail

    def test_a_bag_without_the_other_camera_info_is_refused(self, table):
        with pytest.raises(ValueError, match=r"segmented image .*--mask-camera-info-topic"):
            replayed(table, **{"depth.aligned": False})


class TestUp:
    """Which way is up, by the bag's transforms and IMU."""

    def up(self, tmp_path, *others, **values):
        bag = rec.write_bag(tmp_path / "bag", [*rec.frame(rec.BEGIN_NS), *others])
        (frame,), played = replayed(bag, **values)
        return frame.up_cam, played.topics

    def imus(self, up):
        stamps = [rec.BEGIN_NS + (n - 99) * 5_000_000 for n in range(100)]
        return [(stamp, rec.IMU, rec.imu(stamp, up)) for stamp in stamps]

    def test_the_z_axis_of_the_named_frame_is_up(self, tmp_path):
        base = (rec.BEGIN_NS, "/tf_static", rec.tf(rec.transform(0, 1.0)))
        up_cam, topics = self.up(tmp_path, base, *self.imus((0.0, -1.0, 0.0)), up_frame="base")
        assert (up_cam.source, topics.imu) == ("tf", "")
        np.testing.assert_allclose(up_cam.direction_cam, [0, 0, 1], atol=1e-12)

    def test_an_imu_tells_it(self, tmp_path):
        up_cam, topics = self.up(tmp_path, *self.imus((0.0, -0.8, -0.6)))
        assert (up_cam.source, topics.imu) == ("imu", rec.IMU)
        np.testing.assert_allclose(up_cam.direction_cam, [0, -0.8, -0.6], atol=1e-9)

    def test_an_imu_that_is_not_asked_is_not_read(self, tmp_path):
        up_cam, topics = self.up(
            tmp_path, *self.imus((0.0, -0.8, -0.6)), **typed_changes(["up_source=none"])
        )
        assert (up_cam, topics.imu) == (None, "")

    def test_one_of_several_imus_is_the_one_of_the_usual_name_or_none(self):
        types = dict.fromkeys(("/a/imu", "/b/data"), "sensor_msgs/msg/Imu")
        types |= {"/depth": "sensor_msgs/msg/Image", "/info": "sensor_msgs/msg/CameraInfo"}
        types |= {"/i": "genpose_ros/msg/InstanceMasks"}
        assert choose_topics(types, WantedTopics(), asks_imu=True).imu == "/a/imu"
        types["/b/imu"] = "sensor_msgs/msg/Imu"
        assert choose_topics(types, WantedTopics(), asks_imu=True).imu == ""
        assert choose_topics(types, WantedTopics(imu="/b/imu")).imu == "/b/imu"


class TestCompression:
    """Bags that are compressed as whole files, or message by message."""

    @pytest.fixture(params=[CompressionMode.FILE, CompressionMode.MESSAGE])
    def packed(self, request, tmp_path):
        frames = [rec.frame(rec.BEGIN_NS + n * THIRD_S) for n in range(2)]
        messages = [m for frame in frames for m in frame]
        return rec.write_bag(tmp_path / "packed", messages, compression=request.param)

    def test_they_are_read_like_others_and_leave_nothing_behind(
        self, packed, tmp_path, monkeypatch
    ):
        place = tmp_path / "temporary"
        place.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(place))
        frames, played = replayed(packed)
        assert len(frames) == 2
        assert played.notes == []
        for frame in frames:
            check_objects(frame)
        assert list(place.iterdir()) == []

    def test_nothing_is_unpacked_beyond_the_limits(self, packed, tmp_path, monkeypatch):
        place = tmp_path / "temporary"
        place.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(place))
        monkeypatch.setattr("genpose_ros.ros.replay.compressed.MOST_FILES", 1000)
        monkeypatch.setattr("genpose_ros.ros.replay.bag._MOST_MESSAGE", 1000)
        if next(packed.glob("*.db3*")).suffix == ".zstd":
            with pytest.raises(ValueError, match="more than 1000 bytes unpacked"):
                replayed(packed)
        else:
            frames, played = replayed(packed)
            assert frames == []
            assert any("more than 1000 bytes unpacked" in note for note in played.notes)
        assert list(place.iterdir()) == []

    def test_what_is_cut_off_is_told(self, packed):
        file = next(packed.glob("*.db3*"))
        if file.suffix == ".zstd":
            file.write_bytes(file.read_bytes()[:-20])
            with pytest.raises(ValueError, match="not a bag, or damaged"):
                replayed(packed)
            return
        with sqlite3.connect(file) as content:
            content.execute("UPDATE messages SET data = substr(data, 1, 20) WHERE id = 1")
        frames, played = replayed(packed)
        assert len(frames) == 2
        assert [note for note in played.notes if "ends before it is unpacked" in note]

    def test_another_compression_is_named(self, packed):
        metadata = packed / "metadata.yaml"
        metadata.write_text(metadata.read_text().replace("zstd", "lz4"))
        with pytest.raises(ValueError, match=r"lz4.*expected zstd of files or messages"):
            replayed(packed)


def test_masks_are_matched_within_the_slop_and_no_farther(tmp_path):
    late = [
        m for n in range(3) for m in rec.frame(rec.BEGIN_NS + n * THIRD_S, masks_late_ns=12_000_000)
    ]
    bag = rec.write_bag(tmp_path / "bag", late)
    frames, _ = replayed(bag)
    assert reasons(frames) == [Reason.NO_DEPTH_FOR_MASKS] * 3
    assert "12.0 ms earlier (sync.slop_s is 0.01 s)" in frames[0].rejections[0].detail
    frames, _ = replayed(bag, **typed_changes(["sync.slop_s=0.013"]))
    assert reasons(frames) == []
    assert len(frames) == 3


def test_poses_are_given_in_another_frame_by_the_transforms_of_the_bag(tmp_path):
    stamp = rec.BEGIN_NS
    messages = [
        *rec.frame(stamp),
        *rec.frame(stamp + 2 * THIRD_S),
        # A moving base, twice, recorded after the image; a static one above it.
        (stamp + THIRD_S, "/tf", rec.tf(rec.transform(stamp + THIRD_S, 3.0))),
        (stamp, "/tf", rec.tf(rec.transform(stamp - THIRD_S, 1.0))),
        (stamp, "/tf_static", rec.tf(rec.transform(0, 10.0, parent="world", child="base"))),
    ]
    bag = rec.write_bag(tmp_path / "bag", messages)
    (frame, beyond), _ = replayed(bag, target_frame="world")
    assert frame.header.frame_id == "world"
    np.testing.assert_allclose(frame.T_out_cam[:3, 3], [12.0, 0, 0])  # half-way, and 10 m on
    assert reasons([beyond]) == [Reason.NO_TRANSFORM]
    assert "known from" in beyond.rejections[0].detail
    frames, _ = replayed(bag, target_frame="moon")
    assert reasons(frames) == [Reason.NO_TRANSFORM] * 2
    assert "nothing recorded connects them" in frames[0].rejections[0].detail


def test_a_loop_of_transforms_ends():
    tree = TransformTree()
    for parent, child in ("ab", "ba"):
        tree.add([rec.transform(0, 1.0, parent=parent, child=child)], static=True)
    assert tree.camera_in("c", rec.header(1, "a")).reason is Reason.NO_TRANSFORM


def test_in_mode_track_images_between_masks_are_followed(tmp_path):
    messages = []
    for n in range(6):
        messages += rec.frame(rec.BEGIN_NS + n * THIRD_S)[: 4 if n % 3 == 0 else 2]
        stamp = rec.BEGIN_NS + n * THIRD_S
        messages.append((stamp, "/tf", rec.tf(rec.transform(stamp, 0.1 * n))))
    trackers = []

    def make_tracker(*given):
        trackers.append(FakeTracker(*given))
        return trackers[-1]

    frames, _ = replayed(
        rec.write_bag(tmp_path / "bag", messages),
        make_tracker=make_tracker,
        mode="track",
        fixed_frame="base",
    )
    kinds = [call.kind for call in trackers[0].calls]
    assert kinds.count("masks") == 2
    assert kinds.count("depth") >= 3
    assert {o.frame for frame in frames for o in frame.objects} == {"mug_3", "bowl_7"}
    for call in trackers[0].calls:
        number = (call.stamp_ns - rec.BEGIN_NS) / THIRD_S
        np.testing.assert_allclose(call.T_fixed_cam[0, 3], 0.1 * number, atol=1e-9)


class TestRefusals:
    def refused(self, path, wanted=WantedTopics()):  # noqa: B008
        with pytest.raises((ValueError, FileNotFoundError)) as error:
            replayed(path, wanted)
        return str(error.value)

    def test_what_is_no_bag_is_named_with_what_is_one(self, tmp_path):
        assert "No such file" in self.refused(tmp_path / "nothing")
        assert "has no metadata.yaml" in self.refused(tmp_path)
        (tmp_path / "a.txt").write_text("a")
        assert "a.txt is no bag: give the folder of a bag" in self.refused(tmp_path / "a.txt")
        (tmp_path / "a.bag").write_text("#ROSBAG V2.0")
        assert "a bag of ROS 1: convert it" in self.refused(tmp_path / "a.bag")
        (tmp_path / "a.mcap").write_bytes(b"\x89MCAP0\r\n")
        assert "a.mcap is not a bag, or damaged" in self.refused(tmp_path / "a.mcap")
        (tmp_path / "a.db3").write_bytes(bytes(100))
        assert "a.db3 is not a bag, or damaged" in self.refused(tmp_path / "a.db3")
        (tmp_path / "metadata.yaml").write_text("{")
        assert "is not a bag, or damaged" in self.refused(tmp_path)

    def test_a_bag_without_depth_lists_what_there_is(self, tmp_path):
        messages = [m for m in rec.frame(rec.BEGIN_NS) if m[1] != rec.DEPTH]
        line = self.refused(rec.write_bag(tmp_path / "bag", messages))
        assert "no depth image that is known by its name and type; choose by --depth-topic" in line
        assert f"{rec.LABELS} (sensor_msgs/msg/Image)" in line

    def test_a_bag_without_masks_lists_what_there_is(self, tmp_path):
        line = self.refused(rec.write_bag(tmp_path / "bag", rec.frame(rec.BEGIN_NS)[:2]))
        assert "no topic with masks" in line
        assert "--masks-topic and --mask-source" in line
        assert rec.INFO in line

    def test_topics_that_are_named_wrongly(self, table):
        assert "the bag has no topic /x; there are" in self.refused(table, WantedTopics(depth="/x"))
        line = self.refused(table, WantedTopics(depth=rec.INFO))
        assert "is sensor_msgs/msg/CameraInfo, expected sensor_msgs/msg/Image or" in line

    def test_an_mcap_that_was_cut_off_is_refused_and_a_damaged_message_is_told(
        self, tmp_path, table, monkeypatch
    ):
        bag = rec.write_bag(tmp_path / "mcap", rec.frame(rec.BEGIN_NS), StoragePlugin.MCAP)
        (file,) = bag.glob("*.mcap")
        file.write_bytes(file.read_bytes()[:-2000])
        assert "damaged" in self.refused(bag)
        (file,) = table.glob("*.db3")
        with sqlite3.connect(file) as content:
            content.execute("UPDATE messages SET data = x'0001000001' WHERE id = 1")
        frames, played = replayed(table)
        assert len(frames) == 3
        assert len(played.notes) == 1
        assert played.notes[0].startswith("a message on /")
        monkeypatch.setattr("genpose_ros.ros.replay.bag._MOST_MESSAGE", 100)
        frames, played = replayed(table)
        assert frames == []
        assert "expected 100 at most" in played.notes[-1]


@pytest.mark.parametrize(
    ("topics", "expected"),
    [
        (["/camera/aligned_depth_to_color/image_raw", "/camera/depth/image_rect_raw"], 0),
        (["/left/depth/image", "/left/depth/image/compressedDepth"], 0),
        (["/zed/depth/depth_registered"], 0),
        (["/a/depth", "/robot/aligned_depth_to_color/image_raw"], 1),
        (["/a/depth", "/b/depth"], "more than one depth image: /a/depth, /b/depth"),
        (["/camera/color/image_raw"], "no depth image"),
        (["/depth_mask"], "no depth image"),
    ],
)
def test_the_depth_topic_is_the_usual_one_or_the_only_one(topics, expected):
    types = {
        n: "sensor_msgs/msg/CompressedImage" if "compressed" in n else "sensor_msgs/msg/Image"
        for n in topics
    }
    types |= {"/info": "sensor_msgs/msg/CameraInfo", "/i": "genpose_ros/msg/InstanceMasks"}
    if isinstance(expected, int):
        assert choose_topics(types, WantedTopics()).depth == topics[expected]
    else:
        with pytest.raises(ValueError, match=expected):
            choose_topics(types, WantedTopics())


def test_parameters_are_given_by_their_names_and_mistakes_are_named():
    assert typed_changes(["tracking.max_tracks=3", "depth.unit=0.5"]) == {
        "tracking.max_tracks": 3,
        "depth.unit": 0.5,
    }
    for text, words in [
        ("sync.slop", "expects name=value"),
        ("slop_s=1", "parameter slop_s"),
        ("sync.slop_s=a", "expects float"),
    ]:
        with pytest.raises(ValueError, match=words):
            typed_changes([text])


def published(ros):
    """A frame with all that a message can hold."""
    tracked = PublishedObject(
        make_estimate(4, "bowl", energy_rotation=None, energy_translation=None),
        id="bowl_9",
        frame="bowl_9",
        number=9,
        state=ObjectPose.STATE_NEW,
        trusted=False,
        velocity=np.arange(6.0),
        age_s=1.25,
        unseen_s=0.5,
    )
    T_out_cam = np.array([[0.0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])
    rejections = (Rejection(Reason.SIZE_MISMATCH, "so"), Rejection(Reason.MASK_EMPTY, "s", 3))
    return PublishedFrame(
        [tracked, published_estimate(make_estimate(1, "drill"))],
        rejections,
        ros.header(rec.BEGIN_NS + 5, "world"),
        {"clouds": 1.5},
        T_out_cam,
    )


def same(one, other):
    """Whether two messages of a typestore are equal, arrays by their numbers."""
    if dataclasses.is_dataclass(one):
        names = [f.name for f in dataclasses.fields(one) if f.name != "__msgtype__"]
        return all(same(getattr(one, n), getattr(other, n)) for n in names)
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_the_messages_of_a_bag_of_poses_are_those_of_the_node(ros):
    frame, types = published(ros), known_types()
    posed = posed_objects(frame.objects, frame.T_out_cam)
    trusted = [p for p in posed if p.item.trusted]
    others = [p for p in posed if not p.item.trusted]
    header = frame.header
    (transform,) = transforms(trusted, header, "cell_")
    expected = {
        "/genpose/poses": pose_array(trusted, header),
        "/genpose/objects": object_array(
            [*trusted, *others], frame.rejections, header, frame.timings_ms
        ),
    }
    made = pose_messages_of(frame, types, "cell_")
    for topic, message in expected.items():
        kind = made[topic].__msgtype__
        of_node = types.deserialize_cdr(serialize_message(message), kind)
        again = types.deserialize_cdr(types.serialize_cdr(made[topic], kind), kind)
        assert same(of_node, again), topic
    (sent,) = made["/tf"].transforms
    kind = "geometry_msgs/msg/TransformStamped"
    assert sent.child_frame_id == "cell_drill_1"
    assert same(types.deserialize_cdr(serialize_message(transform), kind), sent)


def test_a_bag_of_poses_is_there_whole_or_not_at_all(ros, tmp_path):
    with PoseBag(tmp_path / "poses") as bag:
        bag.write(published(ros))
        assert not (tmp_path / "poses").exists()
    with Bag.open(tmp_path / "poses") as read:
        assert read.counts == {"/genpose/poses": 1, "/genpose/objects": 1, "/tf": 1}
        ((_, time_ns, message),) = read.messages(["/genpose/objects"])
    assert time_ns == rec.BEGIN_NS + 5
    assert [o.id for o in message.objects] == ["", "bowl_9"]
    names = sorted(p.name for p in (tmp_path / "poses").iterdir())
    assert names == ["metadata.yaml", "poses_0.db3"]
    with pytest.raises(ValueError, match="is there already"):
        PoseBag(tmp_path / "poses")
    with pytest.raises(KeyError), PoseBag(tmp_path / "other"):
        raise KeyError
    assert [p.name for p in tmp_path.iterdir()] == ["poses"]


def test_states_have_the_numbers_of_the_message():
    from genpose_ros.ros.published import _STATES, _UNTRACKED

    assert _UNTRACKED == ObjectPose.STATE_UNTRACKED
    for state, number in _STATES.items():
        assert number == getattr(ObjectPose, f"STATE_{state.name}")

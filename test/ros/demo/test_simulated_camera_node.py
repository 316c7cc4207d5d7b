# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The simulated camera over DDS: realsense-ros's names, encodings, stamps and order."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import PoseStamped
from PIL import Image as PillowImage
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray, Detection3DArray

from genpose_ros.msg import InstanceMasks
from genpose_ros.ros.demo.simulated_camera_node import SimulatedCameraNode
from genpose_ros.ros.demo.still_frames import simulated_frame

pytestmark = pytest.mark.ros

TOPICS = {
    "/camera/camera/color/image_raw": Image,
    "/camera/camera/color/camera_info": CameraInfo,
    "/camera/camera/aligned_depth_to_color/image_raw": Image,
    "/camera/camera/aligned_depth_to_color/camera_info": CameraInfo,
    "/segmentation/label_image": Image,
    "/segmentation/detections": Detection2DArray,
    "/segmentation/instance_masks": InstanceMasks,
}
DEPTH = "/camera/camera/aligned_depth_to_color/image_raw"
INFO = "/camera/camera/aligned_depth_to_color/camera_info"
LABEL = "/segmentation/label_image"
BEST_EFFORT = QoSProfile(depth=20, reliability=ReliabilityPolicy.BEST_EFFORT)


class Listener:
    """A bench around a camera with the messages of each topic, in order of arrival."""

    def __init__(self, benches, **parameters) -> None:
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.bench = benches(lambda: None)
        self.camera = SimulatedCameraNode(context=self.bench.context, parameter_overrides=overrides)
        self.bench.node = self.camera
        self.bench.executor.add_node(self.camera)
        self.received: dict[str, list] = {}
        self.order: list[tuple[str, Any]] = []
        self.transforms: list[TFMessage] = []
        self.truth: list[Detection3DArray] = []
        for topic, kind in TOPICS.items():
            self.received[topic] = []
            self.bench.peer.create_subscription(
                kind, topic, lambda message, t=topic: self._take(t, message), BEST_EFFORT
            )

    def _take(self, topic, message) -> None:
        self.received[topic].append(message)
        self.order.append((topic, message))

    def wait(self, count: int = 1, topics=tuple(TOPICS)) -> None:
        assert self.bench.spin_until(
            lambda: all(len(self.received[t]) >= count for t in topics), 20.0
        ), {t: len(m) for t, m in self.received.items()}


def stamp(message) -> float:
    return message.header.stamp.sec + 1e-9 * message.header.stamp.nanosec


def write_frame(folder, *, depth_mm: int, fx: float, instance_id: int = 1) -> None:
    folder.mkdir(parents=True)
    mask = np.zeros((12, 16), dtype=np.uint8)
    mask[3:9, 4:12] = instance_id
    PillowImage.fromarray(np.full((12, 16), depth_mm, dtype=np.uint16)).save(folder / "depth.png")
    PillowImage.fromarray(mask).save(folder / "mask.png")
    label = {
        "frame": folder.name,
        "K": [[fx, 0, 8], [0, fx, 6], [0, 0, 1]],
        "instances": [{"id": instance_id, "category": "can"}],
    }
    (folder / "label.json").write_text(json.dumps(label))


@pytest.fixture
def recordings(tmp_path):
    write_frame(tmp_path / "a", depth_mm=700, fx=60.0)
    write_frame(tmp_path / "b" / "deeper", depth_mm=900, fx=80.0)
    return tmp_path


def test_topics_are_those_of_realsense_ros(benches):
    listener = Listener(benches, seed=3, rate_hz=10.0)
    listener.wait(3)
    scene = simulated_frame(3)
    depth, label = listener.received[DEPTH][1], listener.received[LABEL][1]
    color = listener.received["/camera/camera/color/image_raw"][1]
    assert (depth.encoding, label.encoding, color.encoding) == ("16UC1", "mono8", "rgb8")
    assert {m.header.frame_id for m in (depth, label, color)} == {"camera_color_optical_frame"}
    assert (color.width, color.height) == (depth.width, depth.height) == (640, 480)
    sent = np.frombuffer(depth.data, dtype="<u2").reshape(480, 640)
    np.testing.assert_array_equal(sent, np.round(scene.depth_m * 1000).astype(np.uint16))
    ids = {
        int(d.id): d.results[0].hypothesis.class_id
        for d in listener.received["/segmentation/detections"][1].detections
    }
    assert ids == {i.id: i.category for i in scene.instances}
    masks = listener.received["/segmentation/instance_masks"][1]
    assert {i.id: i.class_name for i in masks.instances} == ids
    info = listener.received[INFO][1]
    assert (info.k[0], info.p[0]) == (scene.camera.fx, scene.camera.fx)


def test_one_frame_has_one_stamp_and_it_is_now(benches):
    listener = Listener(benches, rate_hz=10.0)
    listener.wait(3)
    now = listener.camera.get_clock().now().nanoseconds * 1e-9
    common = set.intersection(*({stamp(m) for m in ms} for ms in listener.received.values()))
    assert len(common) >= 2
    assert all(0 <= now - s < 10 for s in common)
    stamps = [stamp(m) for m in listener.received[DEPTH]]
    assert stamps == sorted(set(stamps))


def test_ground_truth_is_latched(benches):
    listener = Listener(benches, seed=3, rate_hz=5.0)
    listener.wait()
    latched = QoSProfile(
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )
    truth: list[Detection3DArray] = []
    listener.bench.peer.create_subscription(
        Detection3DArray, "/camera/camera/ground_truth", truth.append, latched
    )
    assert listener.bench.spin_until(lambda: truth)
    assert {d.results[0].hypothesis.class_id for d in truth[0].detections} == {
        "bottle", "bowl", "camera", "can", "laptop", "mug"
    }  # fmt: skip


def test_masks_come_late_with_the_stamp_of_their_image(benches, recordings):
    listener = Listener(
        benches, frames=str(recordings), rate_hz=10.0, mask_delay_s=0.4, cycle=False
    )
    arrivals: dict[tuple[str, float], float] = {}
    clock = listener.camera.get_clock()

    def note() -> bool:
        for topic, message in listener.order[len(arrivals) :]:
            key = (topic, stamp(message))
            arrivals.setdefault(key, clock.now().nanoseconds * 1e-9)
        return len(listener.received[LABEL]) >= 3

    listener.order.clear()
    assert listener.bench.spin_until(note, 20.0)
    for message in listener.received[LABEL][:2]:
        mine = stamp(message)
        assert mine in {stamp(m) for m in listener.received[DEPTH]}
        position = [i for i, (t, m) in enumerate(listener.order) if stamp(m) == mine]
        assert listener.order[position[-1]][0].startswith("/segmentation/")
    newest = max(stamp(m) for m in listener.received[DEPTH])
    assert newest - stamp(listener.received[LABEL][-1]) > 0.25


def test_recorded_frames_take_turns_each_with_its_own_camera(benches, recordings):
    listener = Listener(benches, frames=str(recordings), rate_hz=10.0)
    listener.wait(5, (DEPTH, LABEL))
    depths = [np.frombuffer(m.data, "<u2")[0] for m in listener.received[DEPTH]]
    assert {700, 900} == set(depths)
    assert all(a != b for a, b in pairwise(depths))
    focal = {700: 60.0, 900: 80.0}
    # Whoever takes the newest intrinsics when masks arrive has those of the right camera.
    newest = None
    of_stamp = {stamp(m): np.frombuffer(m.data, "<u2")[0] for m in listener.received[DEPTH]}
    for topic, message in listener.order:
        if topic == INFO:
            newest = message.k[0]
        if topic == LABEL and newest is not None and stamp(message) in of_stamp:
            assert newest == focal[of_stamp[stamp(message)]]


def test_the_service_next_shows_the_next_frame(benches, recordings):
    listener = Listener(benches, frames=str(recordings), rate_hz=10.0, cycle=False)
    listener.wait(3)
    assert {np.frombuffer(m.data, "<u2")[0] for m in listener.received[DEPTH]} == {700}
    client = listener.bench.peer.create_client(Trigger, "/camera/camera/next")
    future = client.call_async(Trigger.Request())
    assert listener.bench.spin_until(future.done)
    asked = listener.camera.get_clock().now().nanoseconds * 1e-9
    assert (future.result().success, future.result().message) == (True, "deeper")

    def later() -> list:
        return [m for m in listener.received[DEPTH] if stamp(m) >= asked]

    assert listener.bench.spin_until(lambda: len(later()) >= 2)
    assert {np.frombuffer(m.data, "<u2")[0] for m in later()} == {900}


class TestMotion:
    @pytest.fixture
    def listener(self, benches):
        listener = Listener(
            benches, motion="sweep", motion_s=0.5, rate_hz=10.0, mask_rate_hz=2.5, mask_delay_s=0.1
        )
        listener.transforms = listener.bench.collect(TFMessage, "/tf")
        listener.truth = listener.bench.collect(Detection3DArray, "/camera/camera/ground_truth")
        return listener

    def test_each_image_is_another_one_with_its_camera_in_the_world(self, listener):
        listener.wait(12, (DEPTH,))
        depths = [bytes(m.data) for m in listener.received[DEPTH]]
        assert all(a != b for a, b in pairwise(depths))
        cameras = {stamp(t): t for m in listener.transforms for t in m.transforms}
        known = [cameras[stamp(m)] for m in listener.received[DEPTH] if stamp(m) in cameras]
        assert len(known) >= 8
        ends = {(t.header.frame_id, t.child_frame_id) for t in known}
        assert ends == {("world", "camera_color_optical_frame")}
        assert len({round(t.transform.translation.x, 6) for t in known}) >= 3

    def test_objects_stay_the_same_and_where_they_are_in_the_world(self, listener):
        listener.wait(8, (DEPTH,))
        cameras = {stamp(t): t.transform for m in listener.transforms for t in m.transforms}
        ids = {tuple(d.id for d in m.detections) for m in listener.truth}
        assert len(ids) == 1
        places = [
            placed(cameras[stamp(m)], m.detections[0].results[0].pose.pose)
            for m in listener.truth
            if stamp(m) in cameras
        ]
        assert len(places) >= 5
        assert np.ptp(places, axis=0).max() < 1e-6

    def test_masks_come_now_and_then_with_the_stamp_of_their_image(self, listener):
        listener.wait(3, (LABEL,))
        images = [stamp(m) for m in listener.received[DEPTH]]
        masks = [stamp(m) for m in listener.received[LABEL]]
        assert set(masks) <= set(images)
        assert all(b - a > 0.35 for a, b in pairwise(masks))
        assert len(images) >= 2 * len(masks)

    def test_transforms_may_have_a_rate_of_their_own_and_come_late(self, benches):
        listener = Listener(
            benches, motion="arm", motion_s=0.5, rate_hz=10.0, tf_rate_hz=20.0, tf_delay_s=0.3
        )
        clock, ages = listener.camera.get_clock(), []

        def note(message) -> None:
            listener.transforms.append(message)
            ages.append(clock.now().nanoseconds * 1e-9 - stamp(message.transforms[0]))

        listener.bench.peer.create_subscription(TFMessage, "/tf", note, 10)
        truth = listener.bench.collect(PoseStamped, "/camera/camera/ground_truth_camera")
        assert listener.bench.spin_until(lambda: len(listener.transforms) > 15)
        assert min(ages) >= 0.3
        # Between the images around, the camera is on the straight line between their poses.
        images = {stamp(m): place(m.pose.position) for m in truth}
        checked = 0
        for message in listener.transforms:
            at = stamp(message.transforms[0])
            if min(images) < at < max(images):
                expected = [
                    np.interp(at, list(images), c) for c in zip(*images.values(), strict=True)
                ]
                found = place(message.transforms[0].transform.translation)
                np.testing.assert_allclose(found, expected, atol=1e-6)
                checked += 1
        assert checked >= 5

    def test_colour_is_made_only_for_subscribers(self, listener):
        listener.wait(2, ("/camera/camera/color/image_raw",))
        color = listener.received["/camera/camera/color/image_raw"][0]
        assert (color.encoding, color.width, color.height) == ("rgb8", 640, 480)


def place(vector) -> list[float]:
    return [vector.x, vector.y, vector.z]


def placed(transform, pose) -> np.ndarray:
    """A pose's position, (3,), in the parent of a transform."""
    q, t, p = transform.rotation, transform.translation, pose.position
    turn = Rotation.from_quat([q.x, q.y, q.z, q.w])
    return turn.apply([p.x, p.y, p.z]) + np.array([t.x, t.y, t.z])


@pytest.mark.parametrize(
    "bad",
    [
        {"frames": "/nowhere"},
        {"seed": -1},
        {"rate_hz": 0.0},
        {"motion": "jump"},
        {"motion": "sweep", "frames": "/nowhere"},
    ],
)
def test_bad_parameters_are_refused_at_start(benches, bad):
    with pytest.raises((ValueError, OSError)) as caught:
        Listener(benches, **bad)
    assert str(next(iter(bad))) in str(caught.value) or "/nowhere" in str(caught.value)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from scipy.spatial.transform import Rotation
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.transforms import TransformBuffer, header_in

S = 1_000_000_000
QUARTER = Rotation.from_euler("z", 90, degrees=True)


def transform(ros, stamp_ns: int, x: float) -> TransformStamped:
    result = TransformStamped(header=ros.header(stamp_ns, "world"), child_frame_id=ros.frame)
    result.transform.translation.x = x
    rotation = result.transform.rotation
    rotation.x, rotation.y, rotation.z, rotation.w = QUARTER.as_quat().tolist()
    return result


def listening(bench) -> TransformBuffer:
    transforms = TransformBuffer()
    transforms.listen(bench.peer, lambda: None)
    return transforms


@pytest.mark.ros
class TestTransformBuffer:
    @pytest.fixture
    def bench(self, benches):
        return benches(lambda: None)

    def spin(self, bench, transforms, ros, stamp_ns):
        """Spin until a look-up succeeds."""
        found = []

        def look() -> bool:
            result = transforms.camera_in("world", ros.header(stamp_ns))
            found.append(result)
            return not isinstance(result, Rejection)

        bench.spin_until(look, 5.0)
        return found[-1]

    def test_the_camera_is_looked_up_where_it_was_at_the_image(self, bench, ros):
        transforms = listening(bench)
        sender = Node("sender", context=bench.context)
        broadcaster = TransformBroadcaster(sender)
        bench.spin_until(lambda: sender.count_subscribers("/tf") > 0)
        bench.spin_for(0.2)
        for i in range(3):
            broadcaster.sendTransform(transform(ros, (100 + i) * S, float(i)))
        matrix = self.spin(bench, transforms, ros, 101 * S + S // 2)
        np.testing.assert_allclose(matrix[:3, 3], [1.5, 0, 0], atol=1e-9)
        np.testing.assert_allclose(matrix[:3, :3], QUARTER.as_matrix(), atol=1e-9)
        late = transforms.camera_in("world", ros.header(200 * S))
        assert (late.reason, late.instance_id) == (Reason.NO_TRANSFORM, None)
        assert "world" in late.detail
        sender.destroy_node()

    def test_what_is_known_grows_with_the_transforms_and_each_message_is_told(self, bench, ros):
        transforms, told = TransformBuffer(), []
        transforms.listen(bench.peer, lambda: told.append(transforms.newest_ns("world", ros.frame)))
        assert transforms.newest_ns("world", ros.frame) is None
        sender = Node("sender", context=bench.context)
        broadcaster = TransformBroadcaster(sender)
        bench.spin_until(lambda: sender.count_subscribers("/tf") > 0)
        bench.spin_for(0.2)
        for i in range(3):
            broadcaster.sendTransform(transform(ros, (100 + i) * S, float(i)))
        assert bench.spin_until(lambda: len(told) == 3)
        assert told == [100 * S, 101 * S, 102 * S]
        sender.destroy_node()

    def test_static_transforms_are_known_at_all_times_and_told_too(self, bench, ros):
        transforms, told = TransformBuffer(), []
        transforms.listen(bench.peer, lambda: told.append(transforms.newest_ns("world", ros.frame)))
        sender = Node("sender", context=bench.context)
        StaticTransformBroadcaster(sender).sendTransform(transform(ros, S, 1.0))
        assert bench.spin_until(lambda: told)
        assert told == [0]
        sender.destroy_node()

    def test_frames_that_the_node_sends_itself_are_neither_kept_nor_told(self, bench, ros):
        transforms, told = TransformBuffer(lambda name: name == "mug_1"), []
        transforms.listen(bench.peer, lambda: told.append(transforms.newest_ns("world", ros.frame)))
        sender = Node("sender", context=bench.context)
        broadcaster = TransformBroadcaster(sender)
        bench.spin_until(lambda: sender.count_subscribers("/tf") > 0)
        bench.spin_for(0.2)
        for i in range(3):
            own = transform(ros, (100 + i) * S, float(i))
            own.child_frame_id = "mug_1"
            broadcaster.sendTransform(own)
        broadcaster.sendTransform(transform(ros, 103 * S, 3.0))
        assert bench.spin_until(lambda: told)
        assert told == [103 * S]
        assert transforms.newest_ns("world", "mug_1") is None
        lost = transforms.camera_in("mug_1", ros.header(103 * S))
        assert "mug_1 is an object's frame of this node: see tf_prefix" in lost.detail
        assert "tf_prefix" not in transforms.camera_in("nowhere", ros.header(103 * S)).detail
        sender.destroy_node()

    def test_an_image_without_a_stamp_does_not_get_the_newest_transform(self, bench, ros):
        transforms = listening(bench)
        sender = Node("sender", context=bench.context)
        StaticTransformBroadcaster(sender).sendTransform(transform(ros, S, 1.0))
        assert not isinstance(self.spin(bench, transforms, ros, 5 * S), Rejection)
        assert isinstance(transforms.camera_in("world", ros.header(0)), Rejection)
        sender.destroy_node()

    @pytest.mark.parametrize("frame", ["", "nowhere", "/odd", "x" * 1000])
    def test_a_frame_that_nobody_knows_is_named(self, bench, ros, frame):
        transforms = listening(bench)
        header = ros.header(5 * S, frame)
        assert transforms.camera_in("world", header).reason is Reason.NO_TRANSFORM

    @pytest.mark.parametrize("value", [float("inf"), 1e300])
    def test_a_transform_that_is_garbage_is_named(self, bench, ros, value):
        transforms = listening(bench)
        transforms.buffer.set_transform_static(transform(ros, S, value), "test")
        assert transforms.camera_in("world", ros.header(5 * S)).reason is Reason.NO_TRANSFORM

    def test_a_stamp_that_is_garbage_is_named(self, bench, ros):
        transforms = listening(bench)
        header = ros.header(5 * S)
        header.stamp.sec = -(2**31)
        assert transforms.camera_in("world", header).reason is Reason.NO_TRANSFORM


def test_the_header_of_the_outputs_keeps_the_stamp(ros):
    header = header_in("world", ros.header(5 * S + 7))
    assert (header.frame_id, header.stamp.sec, header.stamp.nanosec) == ("world", 5, 7)

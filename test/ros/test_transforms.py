# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from scipy.spatial.transform import Rotation
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.transforms import TransformBuffer, TransformLookup, header_in

S = 1_000_000_000
QUARTER = Rotation.from_euler("z", 90, degrees=True)


def transform(ros, stamp_ns: int, x: float) -> TransformStamped:
    result = TransformStamped(header=ros.header(stamp_ns, "world"), child_frame_id=ros.frame)
    result.transform.translation.x = x
    rotation = result.transform.rotation
    rotation.x, rotation.y, rotation.z, rotation.w = QUARTER.as_quat().tolist()
    return result


@pytest.mark.ros
class TestTransformBuffer:
    @pytest.fixture
    def bench(self, benches):
        return benches(lambda: None)

    def spin(self, bench, transforms, ros, stamp_ns):
        """Spin until a look-up succeeds; the executor runs in this thread, so never wait."""
        found = []

        def look() -> bool:
            result = transforms.camera_in("world", ros.header(stamp_ns), 0.0)
            found.append(result)
            return not isinstance(result, Rejection)

        bench.spin_until(look, 5.0)
        return found[-1]

    def test_the_camera_is_looked_up_where_it_was_at_the_image(self, bench, ros):
        transforms = TransformBuffer(bench.peer)
        sender = Node("sender", context=bench.context)
        broadcaster = TransformBroadcaster(sender)
        bench.spin_until(lambda: sender.count_subscribers("/tf") > 0)
        bench.spin_for(0.2)
        for i in range(3):
            broadcaster.sendTransform(transform(ros, (100 + i) * S, float(i)))
        matrix = self.spin(bench, transforms, ros, 101 * S + S // 2)
        np.testing.assert_allclose(matrix[:3, 3], [1.5, 0, 0], atol=1e-9)
        np.testing.assert_allclose(matrix[:3, :3], QUARTER.as_matrix(), atol=1e-9)
        late = transforms.camera_in("world", ros.header(200 * S), 0.0)
        assert (late.reason, late.instance_id) == (Reason.NO_TRANSFORM, None)
        assert "world" in late.detail
        sender.destroy_node()

    def test_an_image_without_a_stamp_does_not_get_the_newest_transform(self, bench, ros):
        transforms = TransformBuffer(bench.peer)
        sender = Node("sender", context=bench.context)
        StaticTransformBroadcaster(sender).sendTransform(transform(ros, S, 1.0))
        assert not isinstance(self.spin(bench, transforms, ros, 5 * S), Rejection)
        assert isinstance(transforms.camera_in("world", ros.header(0), 0.0), Rejection)
        sender.destroy_node()

    @pytest.mark.parametrize("frame", ["", "nowhere", "/odd", "x" * 1000])
    def test_a_frame_that_nobody_knows_is_named(self, bench, ros, frame):
        transforms = TransformBuffer(bench.peer)
        header = ros.header(5 * S, frame)
        assert transforms.camera_in("world", header, 0.0).reason is Reason.NO_TRANSFORM

    @pytest.mark.parametrize("value", [float("inf"), 1e300])
    def test_a_transform_that_is_garbage_is_named(self, bench, ros, value):
        transforms = TransformBuffer(bench.peer)
        transforms.buffer.set_transform_static(transform(ros, S, value), "test")
        assert transforms.camera_in("world", ros.header(5 * S), 0.0).reason is Reason.NO_TRANSFORM

    def test_a_stamp_that_is_garbage_is_named(self, bench, ros):
        transforms = TransformBuffer(bench.peer)
        header = ros.header(5 * S)
        header.stamp.sec = -(2**31)
        assert transforms.camera_in("world", header, 0.0).reason is Reason.NO_TRANSFORM


def test_the_header_of_the_outputs_keeps_the_stamp(ros):
    header = header_in("world", ros.header(5 * S + 7))
    assert (header.frame_id, header.stamp.sec, header.stamp.nanosec) == ("world", 5, 7)


class Transforms:
    """Stands in for the buffer; None: there is no transform."""

    def __init__(self):
        self.known = np.eye(4)
        self.waits = []

    def camera_in(self, frame, header, wait_s):
        self.waits.append(wait_s)
        missing = Rejection(Reason.NO_TRANSFORM, f"no {frame}")
        return missing if self.known is None else self.known


class DelayedTransforms:
    """Stands in for the buffer: the transform of each image arrives at a time of its own.

    A wait moves the clock, to the arrival or to the wait's end.
    """

    def __init__(self, clock):
        self.arrivals_s = {}
        self.vain_waits = 0
        self._clock = clock

    def camera_in(self, frame, header, wait_s):
        arrival_s = self.arrivals_s[header.stamp.sec * S + header.stamp.nanosec]
        if arrival_s <= self._clock[0] + wait_s:
            self._clock[0] = max(self._clock[0], arrival_s)
            return np.eye(4)
        self._clock[0] += wait_s
        self.vain_waits += wait_s > 0
        return Rejection(Reason.NO_TRANSFORM, f"no {frame}")


class TestTransformLookup:
    @pytest.fixture
    def transforms(self):
        return Transforms()

    @pytest.fixture
    def clock(self):
        return [0.0]

    @pytest.fixture
    def world(self, transforms, clock):
        return TransformLookup(transforms, "world", clock=lambda: clock[0])

    def test_a_transform_that_is_found_is_returned_and_counted(self, world, transforms, ros):
        assert world.lookup(ros.header(5), 0.05) is transforms.known
        assert (world.found, world.missing, world.problem) == (1, 0, "")

    def test_a_missing_transform_is_counted_with_its_reason_until_it_is_back(
        self, world, transforms, ros
    ):
        found, transforms.known = transforms.known, None
        assert world.lookup(ros.header(5), 0.05) == Rejection(Reason.NO_TRANSFORM, "no world")
        assert (world.found, world.missing, world.problem) == (0, 1, "no world")
        transforms.known = found
        world.lookup(ros.header(5), 0.05)
        assert (world.found, world.missing, world.problem) == (1, 1, "")

    def test_a_transform_that_is_missing_for_good_costs_one_wait_a_second(
        self, world, transforms, clock, ros
    ):
        transforms.known = None
        for step in range(60):  # two seconds of a camera at 30 Hz
            clock[0] = step / 30
            world.lookup(ros.header(5), 0.05)
        assert sum(wait > 0 for wait in transforms.waits) == 2
        transforms.known = np.eye(4)
        world.lookup(ros.header(5), 0.05)
        world.lookup(ros.header(5), 0.05)
        assert transforms.waits[-1] == 0.05

    @pytest.fixture
    def images(self, ros, clock):
        """Looks up the images of a camera at 30 Hz, whose transforms have given delays."""

        def run(delays_s, wait_s):
            transforms = DelayedTransforms(clock)
            world = TransformLookup(transforms, "world", clock=lambda: clock[0])
            stamps = [step * S // 30 for step in range(len(delays_s))]
            arrival_s = 0.0
            for stamp, delay_s in zip(stamps, delays_s, strict=True):
                arrival_s = max(arrival_s, stamp / S + delay_s)  # one overtakes no other
                transforms.arrivals_s[stamp] = arrival_s
            for stamp in stamps:
                clock[0] = max(clock[0], stamp / S)
                world.lookup(ros.header(stamp), wait_s)
            return world.missing, transforms.vain_waits

        return run

    @pytest.mark.parametrize(("late_s", "wait_s"), [(0.12, 0.05), (0.25, 0.2), (0.5, 0.05)])
    def test_after_a_late_transform_images_wait_again_as_soon_as_it_has_come(
        self, images, late_s, wait_s
    ):
        delays_s = [late_s if step % 60 == 20 else 0.003 for step in range(180)]
        missing, vain_waits = images(delays_s, wait_s)
        assert vain_waits == 3
        assert missing <= 3 * (1 + 30 * late_s)

    def test_transforms_that_always_come_too_late_cost_one_wait_a_second_and_one_more(self, images):
        missing, vain_waits = images([0.06] * 180, 0.05)
        assert (missing, vain_waits) == (180, 7)

import numpy as np
import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from scipy.spatial.transform import Rotation
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.camera_pose import CameraPose, header_in

S = 1_000_000_000
QUARTER = Rotation.from_euler("z", 90, degrees=True)


def transform(ros, stamp_ns: int, x: float) -> TransformStamped:
    result = TransformStamped(header=ros.header(stamp_ns, "world"), child_frame_id=ros.frame)
    result.transform.translation.x = x
    rotation = result.transform.rotation
    rotation.x, rotation.y, rotation.z, rotation.w = QUARTER.as_quat().tolist()
    return result


@pytest.mark.ros
class TestLookup:
    @pytest.fixture
    def bench(self, benches):
        return benches(lambda: None)

    def spin(self, bench, poses, ros, stamp_ns):
        """Spin until a look-up succeeds; the executor runs in this thread, so never wait."""
        found = []

        def look() -> bool:
            result = poses.lookup("world", ros.header(stamp_ns), 0.0)
            found.append(result)
            return not isinstance(result, Rejection)

        bench.spin_until(look, 5.0)
        return found[-1]

    def test_the_camera_is_looked_up_where_it_was_at_the_image(self, bench, ros):
        poses = CameraPose(bench.peer)
        sender = Node("sender", context=bench.context)
        broadcaster = TransformBroadcaster(sender)
        bench.spin_until(lambda: sender.count_subscribers("/tf") > 0)
        bench.spin_for(0.2)
        for i in range(3):
            broadcaster.sendTransform(transform(ros, (100 + i) * S, float(i)))
        matrix = self.spin(bench, poses, ros, 101 * S + S // 2)
        np.testing.assert_allclose(matrix[:3, 3], [1.5, 0, 0], atol=1e-9)
        np.testing.assert_allclose(matrix[:3, :3], QUARTER.as_matrix(), atol=1e-9)
        late = poses.lookup("world", ros.header(200 * S), 0.0)
        assert (late.reason, late.instance_id) == (Reason.NO_TRANSFORM, None)
        assert "world" in late.detail
        sender.destroy_node()

    def test_an_image_without_a_stamp_does_not_get_the_newest_transform(self, bench, ros):
        poses = CameraPose(bench.peer)
        sender = Node("sender", context=bench.context)
        StaticTransformBroadcaster(sender).sendTransform(transform(ros, S, 1.0))
        assert not isinstance(self.spin(bench, poses, ros, 5 * S), Rejection)
        assert isinstance(poses.lookup("world", ros.header(0), 0.0), Rejection)
        sender.destroy_node()

    @pytest.mark.parametrize("frame", ["", "nowhere", "/odd", "x" * 1000])
    def test_a_frame_that_nobody_knows_is_named(self, bench, ros, frame):
        poses = CameraPose(bench.peer)
        header = ros.header(5 * S, frame)
        assert poses.lookup("world", header, 0.0).reason is Reason.NO_TRANSFORM

    @pytest.mark.parametrize("value", [float("inf"), 1e300])
    def test_a_transform_that_is_garbage_is_named(self, bench, ros, value):
        poses = CameraPose(bench.peer)
        poses._buffer.set_transform_static(transform(ros, S, value), "test")
        assert poses.lookup("world", ros.header(5 * S), 0.0).reason is Reason.NO_TRANSFORM

    def test_a_stamp_that_is_garbage_is_named(self, bench, ros):
        poses = CameraPose(bench.peer)
        header = ros.header(5 * S)
        header.stamp.sec = -(2**31)
        assert poses.lookup("world", header, 0.0).reason is Reason.NO_TRANSFORM

    def test_the_outputs_keep_the_stamp(self, ros):
        header = header_in("world", ros.header(5 * S + 7))
        assert (header.frame_id, header.stamp.sec, header.stamp.nanosec) == ("world", 5, 7)

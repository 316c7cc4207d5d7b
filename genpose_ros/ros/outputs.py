"""The node's publishers, and what goes out on them for each frame."""

from collections.abc import Mapping, Sequence

from geometry_msgs.msg import PoseArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from tf2_ros import TransformBroadcaster
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import MarkerArray

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.builders import (
    candidate_array,
    detection_array,
    object_array,
    point_cloud,
    pose_array,
    transforms,
)
from genpose_ros.ros.markers import marker_array
from genpose_ros.ros.node_settings import NodeSettings

__all__ = ["Outputs"]

_QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)


class Outputs:
    """Publishes the results of a frame on all topics, empty ones too."""

    def __init__(self, node: Node) -> None:
        kinds = {
            "poses": PoseArray,
            "detections": Detection3DArray,
            "objects": ObjectPoseArray,
            "markers": MarkerArray,
            "points": PointCloud2,
            "candidates": PoseArray,
        }
        self._publishers = {
            name: node.create_publisher(
                kind,
                f"~/{name}",
                _QOS,
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            for name, kind in kinds.items()
        }
        self._broadcaster = TransformBroadcaster(node)
        self._marked: frozenset[int] = frozenset()

    def publish(
        self,
        estimates: Sequence[ObjectEstimate],
        rejections: Sequence[Rejection],
        header: Header,
        settings: NodeSettings,
        timings_ms: Mapping[str, float] | None = None,
    ) -> None:
        """Publish the estimates of one frame under the given header."""
        self._send("poses", pose_array(estimates, header))
        self._send("detections", detection_array(estimates, header))
        self._send("objects", object_array(estimates, rejections, header, timings_ms))
        if settings.publish_tf and estimates:
            self._broadcaster.sendTransform(transforms(estimates, header, settings.tf_prefix))
        self._send_markers(estimates, header, settings.marker_seconds)
        if self._heard("points"):
            self._send("points", point_cloud(estimates, header))
        if self._heard("candidates"):
            self._send("candidates", candidate_array(estimates, header))

    def publish_rejected(self, rejection: Rejection, header: Header) -> None:
        """Tell on `~/objects` that a frame was refused; nothing is known for `~/poses`."""
        self._send("objects", object_array((), (rejection,), header))

    def _send_markers(
        self, estimates: Sequence[ObjectEstimate], header: Header, lifetime_s: float
    ) -> None:
        now = frozenset(e.instance_id for e in estimates)
        gone = self._marked - now
        self._send("markers", marker_array(estimates, header, gone=gone, lifetime_s=lifetime_s))
        self._marked = now

    def _heard(self, name: str) -> bool:
        return bool(self._publishers[name].get_subscription_count() > 0)

    def _send(self, name: str, message: object) -> None:
        self._publishers[name].publish(message)

"""The node's publishers, and what goes out on them for each frame."""

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
from genpose_ros.msg import ObjectPose, ObjectPoseArray
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
from genpose_ros.ros.published import PublishedFrame

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

    def publish(self, frame: PublishedFrame, settings: NodeSettings) -> None:
        """Publish one frame; what is not trusted goes to `~/objects` and `~/markers` alone."""
        header = frame.header
        trusted = [item for item in frame.objects if item.trusted]
        others = [item for item in frame.objects if not item.trusted]
        everything = object_array([*trusted, *others], frame.rejections, header, frame.timings_ms)
        self._send("poses", pose_array(trusted, header))
        self._send("detections", detection_array(trusted, header))
        self._send("objects", everything)
        if settings.publish_tf and trusted:
            self._broadcaster.sendTransform(transforms(trusted, header, settings.tf_prefix))
        if self._heard("markers"):  # the dearest message of all
            self._send_markers(frame, settings.marker_lifetime_s)
        seen = [item for item in frame.objects if item.seen]
        if self._heard("points"):
            self._send("points", point_cloud(seen, header))
        if self._heard("candidates"):
            self._send("candidates", candidate_array(seen, header))

    def publish_rejected(self, rejection: Rejection, header: Header) -> None:
        """Tell on `~/objects` that a frame was refused; nothing is known for `~/poses`."""
        self._send("objects", object_array((), (rejection,), header))

    def _send_markers(self, frame: PublishedFrame, lifetime_s: float) -> None:
        """Show what is trusted and what is new; the rest is not where it was."""
        shown = [o for o in frame.objects if o.trusted or o.state == ObjectPose.STATE_NEW]
        now = frozenset(item.number for item in shown)
        markers = marker_array(shown, frame.header, gone=self._marked - now, lifetime_s=lifetime_s)
        self._send("markers", markers)
        self._marked = now

    def _heard(self, name: str) -> bool:
        return bool(self._publishers[name].get_subscription_count() > 0)

    def _send(self, name: str, message: object) -> None:
        self._publishers[name].publish(message)

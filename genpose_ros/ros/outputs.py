# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Publishers of the node's results, on all topics and /tf."""

from collections.abc import Sequence

from geometry_msgs.msg import PoseArray
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from tf2_ros import TransformBroadcaster
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import MarkerArray

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.msg import CategoryArray, ObjectPose, ObjectPoseArray
from genpose_ros.ros.builders import (
    PosedObject,
    candidate_array,
    detection_array,
    object_array,
    point_cloud,
    pose_array,
    posed_objects,
    transforms,
    up_message,
)
from genpose_ros.ros.markers import marker_array
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.published import PublishedFrame

__all__ = ["Outputs"]

_QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
#: Kept for those who subscribe later.
_LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class Outputs:
    """Publishes the results of a frame on all topics, empty ones too.

    Args:
        node: owns the publishers.
    """

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
        self._categories = node.create_publisher(
            CategoryArray,
            "~/categories",
            _LATCHED,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._broadcaster = TransformBroadcaster(node)
        self._marked: frozenset[int] = frozenset()

    def publish(self, frame: PublishedFrame, settings: NodeSettings) -> None:
        """Publish one frame; objects that are not trusted only on `~/objects` and `~/markers`."""
        header = frame.header
        objects = posed_objects(frame.objects, frame.T_out_cam)
        trusted = [posed for posed in objects if posed.item.trusted]
        others = [posed for posed in objects if not posed.item.trusted]
        everything = object_array(
            [*trusted, *others],
            frame.rejections,
            header,
            frame.timings_ms,
            up_message(frame.up_cam, frame.T_out_cam),
        )
        self._send("poses", pose_array(trusted, header))
        self._send("detections", detection_array(trusted, header))
        self._send("objects", everything)
        if settings.publish_tf and trusted:
            self._broadcaster.sendTransform(transforms(trusted, header, settings.tf_prefix))
        # These take long to build or are large, and few subscribe to them.
        if self._has_subscribers("markers"):
            self._send_markers(objects, header, settings.marker_lifetime_s)
        seen = [item for item in frame.objects if item.seen]
        if self._has_subscribers("points"):
            self._send("points", point_cloud(seen, header, frame.T_out_cam))
        if self._has_subscribers("candidates"):
            self._send("candidates", candidate_array(seen, header, frame.T_out_cam))

    def publish_categories(self, message: CategoryArray) -> None:
        """Publish what the models know, for all who subscribe from now on."""
        self._categories.publish(message)

    def publish_rejected(self, rejection: Rejection, header: Header) -> None:
        """Publish on `~/objects` that a frame was refused; nothing goes to the other topics."""
        self._send("objects", object_array((), (rejection,), header))

    def _send_markers(
        self, objects: Sequence[PosedObject], header: Header, lifetime_s: float
    ) -> None:
        """Show trusted and new objects, and delete the markers of those shown before."""
        shown = [o for o in objects if o.item.trusted or o.item.state == ObjectPose.STATE_NEW]
        numbers = frozenset(posed.item.number for posed in shown)
        gone = self._marked - numbers
        self._send("markers", marker_array(shown, header, gone=gone, lifetime_s=lifetime_s))
        self._marked = numbers

    def _has_subscribers(self, name: str) -> bool:
        return bool(self._publishers[name].get_subscription_count() > 0)

    def _send(self, name: str, message: object) -> None:
        self._publishers[name].publish(message)

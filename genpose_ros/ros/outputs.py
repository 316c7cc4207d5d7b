# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Publishers of the node's results, on all topics and /tf."""

from collections.abc import Callable, Sequence
from typing import Any

from geometry_msgs.msg import PoseArray, TransformStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection3DArray, LabelInfo, VisionInfo
from visualization_msgs.msg import MarkerArray

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.msg import CategoryArray, ObjectPose, ObjectPoseArray
from genpose_ros.ros.builders import (
    PosedObject,
    candidate_array,
    candidate_energies,
    detection_array,
    object_array,
    point_cloud,
    pose_array,
    posed_objects,
    transforms,
    up_message,
)
from genpose_ros.ros.category_messages import label_info, vision_info
from genpose_ros.ros.child_frames import ChildFrames
from genpose_ros.ros.markers import marker_array
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.published import PublishedFrame

__all__ = ["Outputs", "objects_message"]

_QOS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
#: Kept for those who subscribe later.
_LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
#: The prefix of the objects' frames that stands for the namespace.
_PREFIX_OF_NAMESPACE = "auto"


def objects_message(frame: PublishedFrame, objects: Sequence[PosedObject]) -> ObjectPoseArray:
    """Return all about a frame and its objects: first those that are published everywhere."""
    ordered = sorted(objects, key=lambda posed: not posed.item.trusted)
    up = up_message(frame.up_cam, frame.T_out_cam)
    return object_array(ordered, frame.rejections, frame.header, frame.timings_ms, up)


class Outputs:
    """Publishes the results of a frame on all topics that somebody listens to, empty ones too.

    Args:
        node: owns the publishers.
        warn: called with a subject and a line about it.
    """

    def __init__(self, node: Node, warn: Callable[[str, str], None]) -> None:
        kinds = {
            "poses": PoseArray,
            "detections": Detection3DArray,
            "objects": ObjectPoseArray,
            "markers": MarkerArray,
            "points": PointCloud2,
            "candidates": PoseArray,
            "candidate_energies": PointCloud2,
        }
        latched = {"categories": CategoryArray, "label_info": LabelInfo, "vision_info": VisionInfo}

        def publisher(kind: Any, topic: str, profile: QoSProfile) -> Any:
            options = QoSOverridingOptions.with_default_policies()
            return node.create_publisher(kind, topic, profile, qos_overriding_options=options)

        self._publishers = {n: publisher(kind, f"~/{n}", _QOS) for n, kind in kinds.items()}
        self._publishers |= {n: publisher(kind, f"~/{n}", _LATCHED) for n, kind in latched.items()}
        # tf2_ros has a broadcaster for it, whose quality of service no parameter overrides.
        self._transforms = publisher(TFMessage, "/tf", QoSProfile(depth=100))
        self._children, self._warn = ChildFrames(node, warn), warn
        namespace = node.get_namespace().strip("/")
        self._prefix = f"{namespace}/" if namespace else ""
        self._marked: frozenset[int] = frozenset()

    def is_own_frame(self, name: str) -> bool:
        """Return whether a frame on /tf is one that this node broadcasts; in any thread."""
        return self._children.is_own(name)

    def publish(self, frame: PublishedFrame, settings: NodeSettings) -> ObjectPoseArray:
        """Publish one frame; returns what goes to `~/objects`.

        Objects that are not trusted only go there and to `~/markers`.
        """
        header = frame.header
        objects = posed_objects(frame.objects, frame.T_out_cam)
        trusted = [posed for posed in objects if posed.item.trusted]
        everything = objects_message(frame, objects)
        self._send("objects", everything)
        # What nobody listens to is not built: that takes longer than all the rest.
        if self._has_subscribers("poses"):
            self._send("poses", pose_array(trusted, header))
        if self._has_subscribers("detections"):
            self._send("detections", detection_array(trusted, header))
        if settings.publish_tf and trusted:
            automatic = settings.tf_prefix == _PREFIX_OF_NAMESPACE
            prefix = self._prefix if automatic else settings.tf_prefix
            self._send_transforms(transforms(trusted, header, prefix))
        if self._has_subscribers("markers"):
            self._send_markers(objects, header, settings.marker_lifetime_s)
        seen = [item for item in frame.objects if item.seen]
        if self._has_subscribers("points"):
            self._send("points", point_cloud(seen, header, frame.T_out_cam))
        if self._has_subscribers("candidates"):
            self._send("candidates", candidate_array(seen, header, frame.T_out_cam))
        if self._has_subscribers("candidate_energies"):
            energies = candidate_energies(seen, header, frame.T_out_cam)
            self._send("candidate_energies", energies)
        return everything

    def publish_categories(self, message: CategoryArray) -> None:
        """Publish what the models know, for all who subscribe from now on."""
        self._send("categories", message)
        self._send("label_info", label_info(message))
        topic = str(self._publishers["label_info"].topic_name)
        self._send("vision_info", vision_info(message.header, topic))

    def publish_rejected(self, rejection: Rejection, header: Header) -> None:
        """Publish on `~/objects` that a frame was refused; nothing goes to the other topics."""
        self._send("objects", object_array((), (rejection,), header))

    def _send_transforms(self, found: Sequence[TransformStamped]) -> None:
        """Broadcast the objects' frames but one that would be its own parent."""
        sent = [item for item in found if item.child_frame_id != item.header.frame_id]
        if len(sent) < len(found):
            frame = found[0].header.frame_id[:64]
            self._warn(
                "tf",
                f"the frame {frame} of the outputs has the name of an object's, which is not "
                "broadcast: give this node another tf_prefix",
            )
        self._children.note_sent(sent)
        self._transforms.publish(TFMessage(transforms=sent))

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

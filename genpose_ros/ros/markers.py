# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Markers of objects for RViz: axes, box, label and covariance, in the colours of their states."""

from collections.abc import Iterable, Sequence

import numpy as np
from geometry_msgs.msg import Point, Vector3
from rclpy.duration import Duration
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.geometry.boxes import BOX_CORNERS, BOX_EDGES
from genpose_ros.msg import ObjectPose
from genpose_ros.ros.builders import PosedObject, pose_messages
from genpose_ros.ros.published import PublishedObject

__all__ = ["NAMESPACES", "marker_array"]

#: The marker namespaces; a marker's id is the object's number.
NAMESPACES = ("axes", "box", "label", "covariance")

_LINE_M = 0.004
_TEXT_M = 0.03
_AXIS_COLORS = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
#: Colours of boxes, and texts of labels in place of the score, by state.
_BOX_COLORS = {
    ObjectPose.STATE_UNTRACKED: (1.0, 0.8, 0.1),
    ObjectPose.STATE_NEW: (0.3, 0.7, 1.0),
    ObjectPose.STATE_CONFIRMED: (0.2, 0.9, 0.3),
    ObjectPose.STATE_COASTING: (1.0, 0.5, 0.0),
    ObjectPose.STATE_LOST: (0.6, 0.6, 0.6),
}
_STATE_TEXTS = {
    ObjectPose.STATE_NEW: "new",
    ObjectPose.STATE_COASTING: "coasting",
    ObjectPose.STATE_LOST: "lost",
}
_TEXT_COLOR = (1.0, 1.0, 1.0)
_COVARIANCE_COLOR, _COVARIANCE_ALPHA = (0.8, 0.3, 0.9), 0.4
#: Standard deviations from the centre of a covariance's ellipsoid to its surface.
_DEVIATIONS = 2.0
#: RViz draws nothing that is thinner.
_THINNEST_M = 1e-4
#: Ends of the box's edges in their order, in its edge lengths.
_ENDS = BOX_CORNERS[BOX_EDGES.flatten()].tolist()


def marker_array(
    objects: Sequence[PosedObject],
    header: Header,
    *,
    gone: Iterable[int] = (),
    lifetime_s: float = 0.0,
) -> MarkerArray:
    """Return the markers of each object, and deletions of those of the objects `gone`.

    They are its axes, its box, its label, and the ellipsoid of two standard deviations of its
    position.

    Args:
        objects: their poses are in the frame of `header`.
        header: of the outputs.
        gone: numbers whose markers are to be deleted.
        lifetime_s: seconds until the markers vanish by themselves; 0: never.
    """
    markers = [
        Marker(header=header, ns=ns, id=number, action=Marker.DELETE)
        for number in sorted(gone)
        for ns in NAMESPACES
    ]
    lifetime = Duration(seconds=lifetime_s).to_msg()
    for posed in objects:
        item = posed.item
        here = [_axes(item.estimate), _box(item), _label(item)]
        for marker in here:
            marker.pose = posed.pose.pose
        for marker in (*here, _covariance(posed)):
            marker.header, marker.id, marker.lifetime = header, item.number, lifetime
            marker.action = Marker.ADD
            markers.append(marker)
    return MarkerArray(markers=markers)


def _axes(estimate: ObjectEstimate) -> Marker:
    length = 0.5 * float(max(estimate.size_m))
    marker = Marker(ns="axes", type=Marker.LINE_LIST, scale=Vector3(x=_LINE_M))
    for axis, color in enumerate(_AXIS_COLORS):
        tip = [0.0, 0.0, 0.0]
        tip[axis] = length
        marker.points += [Point(), Point(x=tip[0], y=tip[1], z=tip[2])]
        marker.colors += [_color(color), _color(color)]
    return marker


def _box(item: PublishedObject) -> Marker:
    color = _color(_BOX_COLORS[item.state])
    marker = Marker(ns="box", type=Marker.LINE_LIST, scale=Vector3(x=_LINE_M / 2), color=color)
    for end in _ENDS:
        x, y, z = (
            share * float(size) for share, size in zip(end, item.estimate.size_m, strict=True)
        )
        marker.points.append(Point(x=x, y=y, z=z))
    return marker


def _label(item: PublishedObject) -> Marker:
    name = item.frame.replace("_", " ")
    remark = _STATE_TEXTS.get(item.state, f"{item.estimate.score:.2f}")
    return Marker(
        ns="label",
        type=Marker.TEXT_VIEW_FACING,
        scale=Vector3(z=_TEXT_M),
        color=_color(_TEXT_COLOR),
        text=f"{name} ({remark})",
    )


def _covariance(posed: PosedObject) -> Marker:
    """The ellipsoid of the position's covariance, along its main axes."""
    variances, axes = np.linalg.eigh(np.reshape(posed.pose.covariance, (6, 6))[:3, :3])
    T_out_ellipsoid = np.eye(4)
    T_out_ellipsoid[:3, :3] = axes * np.sign(np.linalg.det(axes))
    position = posed.pose.pose.position
    T_out_ellipsoid[:3, 3] = (position.x, position.y, position.z)
    diameters = 2 * _DEVIATIONS * np.sqrt(variances.clip(min=0))
    x, y, z = diameters.clip(min=_THINNEST_M).tolist()
    return Marker(
        ns="covariance",
        type=Marker.SPHERE,
        pose=pose_messages(T_out_ellipsoid[None])[0],
        scale=Vector3(x=x, y=y, z=z),
        color=_color(_COVARIANCE_COLOR, _COVARIANCE_ALPHA),
    )


def _color(rgb: tuple[float, float, float], alpha: float = 1.0) -> ColorRGBA:
    return ColorRGBA(r=rgb[0], g=rgb[1], b=rgb[2], a=alpha)

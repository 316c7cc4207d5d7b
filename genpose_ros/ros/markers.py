"""Estimates to markers for RViz: axes, box and label of each object."""

from collections.abc import Iterable, Sequence
from itertools import product

from geometry_msgs.msg import Point, Pose, Vector3
from rclpy.duration import Duration
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.ros.builders import pose_array

__all__ = ["NAMESPACES", "marker_array"]

#: The marker namespaces; a marker's id is the object's instance id.
NAMESPACES = ("axes", "box", "label")

_LINE_M = 0.004
_TEXT_M = 0.03
_AXIS_COLORS = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_BOX_COLOR = (1.0, 0.8, 0.1)
_TEXT_COLOR = (1.0, 1.0, 1.0)
#: The box's corners as signs, and its edges: the pairs of corners that differ in one sign.
_CORNERS = tuple(product((-0.5, 0.5), repeat=3))
_EDGES = tuple(
    (a, b)
    for i, a in enumerate(_CORNERS)
    for b in _CORNERS[i + 1 :]
    if sum(p != q for p, q in zip(a, b, strict=True)) == 1
)


def marker_array(
    estimates: Sequence[ObjectEstimate],
    header: Header,
    *,
    gone: Iterable[int] = (),
    lifetime_s: float = 0.0,
) -> MarkerArray:
    """Return axes, box and label of each object, and deletions of the objects `gone`.

    Args:
        estimates: the objects, in the frame of `header`.
        header: of the depth image.
        gone: instance ids whose markers are to be deleted.
        lifetime_s: seconds until the markers vanish by themselves; 0: never.
    """
    markers = [
        Marker(header=header, ns=ns, id=instance_id, action=Marker.DELETE)
        for instance_id in sorted(gone)
        for ns in NAMESPACES
    ]
    lifetime = Duration(seconds=lifetime_s).to_msg()
    for estimate, pose in zip(estimates, pose_array(estimates, header).poses, strict=True):
        for marker in (_axes(estimate), _box(estimate), _label(estimate)):
            marker.header, marker.id, marker.lifetime = header, estimate.instance_id, lifetime
            marker.action, marker.pose = Marker.ADD, pose
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


def _box(estimate: ObjectEstimate) -> Marker:
    marker = Marker(
        ns="box", type=Marker.LINE_LIST, scale=Vector3(x=_LINE_M / 2), color=_color(_BOX_COLOR)
    )
    for edge in _EDGES:
        for corner in edge:
            x, y, z = (
                sign * float(size) for sign, size in zip(corner, estimate.size_m, strict=True)
            )
            marker.points.append(Point(x=x, y=y, z=z))
    return marker


def _label(estimate: ObjectEstimate) -> Marker:
    return Marker(
        ns="label",
        type=Marker.TEXT_VIEW_FACING,
        scale=Vector3(z=_TEXT_M),
        color=_color(_TEXT_COLOR),
        text=f"{estimate.category} {estimate.instance_id} ({estimate.score:.2f})",
        pose=Pose(),
    )


def _color(rgb: tuple[float, float, float]) -> ColorRGBA:
    return ColorRGBA(r=rgb[0], g=rgb[1], b=rgb[2], a=1.0)

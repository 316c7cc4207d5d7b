# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Collision objects of MoveIt's planning scene, from objects that are seen, moved and gone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion
from moveit_msgs.msg import CollisionObject
from scipy.optimize import linear_sum_assignment
from shape_msgs.msg import Mesh, MeshTriangle, SolidPrimitive
from std_msgs.msg import Header

from genpose_ros.geometry.categories import NOCS
from genpose_ros.ros.robot.seen_objects import pose_matrix

__all__ = ["SHAPES", "PlacedObject", "PlanningScene"]

#: What stands for an object.
SHAPES = ("auto", "box", "cylinder", "mesh")
#: A new shape is made where an edge is so many times as long as that of the one that MoveIt has:
#: sooner where the object seems larger, since sizes of what is half hidden come and go.
_GROWN, _SHRUNK = 1.05, 0.8
#: Moves by less, metres and as the cosine of half the angle, are not told.
_MOVED_M, _TURNED = 0.001, 1.0 - 1e-5
#: An object that nobody tracks is what MoveIt holds only so near, metres, to where that was seen.
_HELD_M = 0.2
#: byte fields of a message are of one byte each.
_ADD, _REMOVE, _MOVE = CollisionObject.ADD, CollisionObject.REMOVE, CollisionObject.MOVE


@dataclass(frozen=True)
class PlacedObject:
    """Object to be put into the scene.

    Attributes:
        id: stays the same as long as the object is followed.
        category: decides its shape.
        pose: in the frame of the message it came with.
        size_m: (3,) edges of its box, metres.
        tracked: whether the id does stay with it. Where it does not, such as one by the order of
            a message, it is the nearest of its category that is known.
    """

    id: str
    category: str
    pose: Pose
    size_m: tuple[float, float, float]
    tracked: bool = True


@dataclass
class _Known:
    """What MoveIt was told of an object last, and when and where it was seen.

    One that MoveIt has held since (`let_go`) is where the link let go of it.
    """

    category: str
    pose: Pose
    size_m: tuple[float, float, float]
    frame_id: str
    seen_s: float
    seen_m: np.ndarray
    let_go: bool = False


@dataclass
class PlanningScene:
    """What was told to MoveIt, and what has to be told next.

    Attributes:
        shape: of `SHAPES`; auto is a cylinder for round categories and else a box.
        live_s: an object that was not seen for so long is removed.
        padding_m: added on all sides.
        prefix: before the ids.
        meshes: category -> (vertices (V, 3) of a box of edge 1, faces (F, 3)), for shape mesh.
    """

    shape: str = "auto"
    live_s: float = 2.0
    padding_m: float = 0.0
    prefix: str = "genpose/"
    meshes: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    _known: dict[str, _Known] = field(default_factory=dict)
    _attached: dict[str, str] = field(default_factory=dict)

    def attach(self, object_id: str, attached: bool, link: str = "") -> None:
        """Note that MoveIt holds an object at a link, or no longer: held ones are left alone.

        Args:
            object_id: of the object; where it is empty, all at the link are let go.
            attached: whether it is held from now on.
            link: that holds it, or lets go; empty: any.
        """
        if attached:
            self._attached[object_id] = link
            return
        held = [i for i, holds in self._attached.items() if link in ("", holds)]
        for name in [object_id] if object_id else held:
            self._attached.pop(name, None)
            # It is put back at the link's place: the next sighting adds it where it is.
            if name in self._known:
                self._known[name].let_go = True

    def update(
        self, objects: Sequence[PlacedObject], header: Header, now_s: float
    ) -> list[CollisionObject]:
        """Return what MoveIt is to be told of objects that were seen, and of those that were not.

        Args:
            objects: that are seen.
            header: of their poses.
            now_s: seconds, of a clock that does not go back.
        """
        messages = []
        for item in self._named([item for item in objects if _is_sound(item)], header.frame_id):
            name, place_m = f"{self.prefix}{item.id}", _place_m(item.pose)
            told = self._known.get(name)
            if told is not None:
                told.seen_m = place_m
            if name in self._attached:
                continue
            if told is None or _outdated(told, item, header):
                self._known[name] = _Known(
                    item.category, item.pose, item.size_m, header.frame_id, now_s, place_m
                )
                messages.append(self._added(name, item, header))
                continue
            told.seen_s = now_s  # pose and size stay what was told: small changes add up
            if _moved(told.pose, item.pose):
                told.pose = item.pose
                messages.append(_message(name, header, _MOVE, item.pose))
        return messages + self.expired(now_s)

    def expired(self, now_s: float) -> list[CollisionObject]:
        """Return the removals of what was neither seen nor held for `live_s`."""
        for name in self._attached.keys() & self._known.keys():
            self._known[name].seen_s = now_s
        gone = [name for name, known in self._known.items() if now_s - known.seen_s > self.live_s]
        return self._removed(gone)

    def clear(self) -> list[CollisionObject]:
        """Return the removals of everything that is not attached, such as when the node ends."""
        return self._removed([name for name in self._known if name not in self._attached])

    def _named(self, objects: Sequence[PlacedObject], frame_id: str) -> list[PlacedObject]:
        """The objects by the names that they are known by, those that nobody tracks by place.

        All of a category at once, by the least sum of distances; the others get numbers that are
        free, their own where these are.
        """
        named = [item for item in objects if item.tracked]
        used = {item.id for item in named}
        for category in sorted({item.category for item in objects if not item.tracked}):
            items = [i for i in objects if not i.tracked and i.category == category]
            known = {
                name.removeprefix(self.prefix): (item.seen_m, name in self._attached)
                for name, item in self._known.items()
                if item.category == category and item.frame_id == frame_id
            }
            names = [name for name in known if name not in used]
            pairs = _nearest(items, [known[name] for name in names])
            used |= {names[j] for j in pairs.values()}
            for i, item in enumerate(items):
                if i in pairs:
                    named.append(replace(item, id=names[pairs[i]]))
                    continue
                taken = used | {name.removeprefix(self.prefix) for name in self._known}
                ids = (item.id, *(f"{category}_{n}" for n in range(len(taken) + 1)))
                name = next(name for name in ids if name not in taken)
                used.add(name)
                named.append(replace(item, id=name))
        return named

    def _removed(self, names: Iterable[str]) -> list[CollisionObject]:
        messages = []
        for name in list(names):
            known = self._known.pop(name)
            messages.append(_message(name, Header(frame_id=known.frame_id), _REMOVE, Pose()))
        return messages

    def _added(self, name: str, item: PlacedObject, header: Header) -> CollisionObject:
        message = _message(name, header, _ADD, item.pose)
        size = [edge + 2 * self.padding_m for edge in item.size_m]
        mesh = self.meshes.get(item.category) if self.shape == "mesh" else None
        round_one = item.category in NOCS and NOCS[item.category].symmetry.free_axis
        if mesh is not None:
            message.meshes, message.mesh_poses = [_mesh(*mesh, size)], [_unit_pose()]
        elif self.shape == "cylinder" or (self.shape in ("auto", "mesh") and round_one):
            message.primitives = [
                SolidPrimitive(
                    type=SolidPrimitive.CYLINDER, dimensions=[size[1], max(size[0], size[2]) / 2]
                )
            ]
            # A cylinder's axis is z, the object's y.
            half = float(np.sqrt(0.5))
            message.primitive_poses = [Pose(orientation=Quaternion(x=half, w=half))]
        else:
            message.primitives = [SolidPrimitive(type=SolidPrimitive.BOX, dimensions=size)]
            message.primitive_poses = [_unit_pose()]
        return message


def _message(name: str, header: Header, operation: bytes, pose: Pose) -> CollisionObject:
    return CollisionObject(header=header, id=name, operation=operation, pose=pose)


def _unit_pose() -> Pose:
    return Pose(orientation=Quaternion(w=1.0))


def _mesh(vertices: np.ndarray, faces: np.ndarray, size: Sequence[float]) -> Mesh:
    return Mesh(
        triangles=[MeshTriangle(vertex_indices=row.astype(np.uint32)) for row in faces],
        vertices=[Point(x=x, y=y, z=z) for x, y, z in (vertices * size).tolist()],
    )


def _place_m(pose: Pose) -> np.ndarray:
    return np.array([pose.position.x, pose.position.y, pose.position.z])


def _nearest(
    items: Sequence[PlacedObject], known: Sequence[tuple[np.ndarray, bool]]
) -> dict[int, int]:
    """Which object is which known one, of places (3,) and whether they are held by MoveIt."""
    if not items or not known:
        return {}
    seen_m = np.stack([_place_m(item.pose) for item in items])
    distance_m = np.linalg.norm(seen_m[:, None] - np.stack([place for place, _ in known]), axis=2)
    elsewhere = np.array([held for _, held in known]) & (distance_m > _HELD_M)
    # Not to be the one that is held costs no more than to be it at the most.
    rows, columns = linear_sum_assignment(np.where(elsewhere, _HELD_M, distance_m))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {i: j for i, j in pairs if not elsewhere[i, j]}


def _is_sound(item: PlacedObject) -> bool:
    """Whether pose and size are those of a body: MoveIt would keep whatever it is given."""
    try:
        pose_matrix(item.pose)
    except ValueError:
        return False
    return all(np.isfinite(edge) and edge > 0 for edge in item.size_m)


def _outdated(told: _Known, item: PlacedObject, header: Header) -> bool:
    """Whether MoveIt has to be given an object anew, as it has another frame, place or size."""
    return told.let_go or told.frame_id != header.frame_id or _resized(told, item)


def _resized(before: _Known, item: PlacedObject) -> bool:
    pairs = zip(before.size_m, item.size_m, strict=True)
    return any(now > _GROWN * then or now < _SHRUNK * then for then, now in pairs)


def _moved(before: Pose, after: Pose) -> bool:
    a, b = pose_matrix(before), pose_matrix(after)
    half_cosine = np.sqrt(max(np.trace(a[:3, :3].T @ b[:3, :3]) + 1, 0)) / 2
    return bool(np.linalg.norm(a[:3, 3] - b[:3, 3]) > _MOVED_M or half_cosine < _TURNED)

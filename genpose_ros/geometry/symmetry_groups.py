# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Symmetry groups: a free axis, finite groups of rotations, and batches of objects with both."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from genpose_ros.geometry.rotations import axis_angle_rad, geodesic_angle

__all__ = [
    "ASYMMETRIC",
    "AXISYMMETRIC",
    "MAX_MEMBERS",
    "Symmetry",
    "SymmetryBatch",
]

#: Rotations that a group may have: as many as map a cube onto itself.
MAX_MEMBERS = 24

_AXES = ("x", "y", "z")
#: Words for how often a shape looks the same in one turn about an axis.
_FOLDS = {"half": 2, "quarter": 4}
#: Entries of two rotation matrices that differ by less are the same rotation.
_SAME = 1e-6


@dataclass(frozen=True)
class Symmetry:
    """Proper rotations that map a shape onto itself, in the object's own frame.

    Attributes:
        free_axis: axisymmetric about y: every rotation about it is one of them, and the yaw is
            unobservable.
        folds: for x, y and z, how often the shape looks the same in one turn about the axis; these
            turns generate the finite group. With a free axis, half turns about x or z only.

    Raises:
        ValueError: the turns do not make a group of at most 24 rotations, or do not go with a free
            axis.

    Example:
        >>> Symmetry.parse({"x": "half", "y": "half"}).rotations.shape
        (4, 3, 3)
        >>> Symmetry.parse({"y": "any"}).free_axis
        True
    """

    free_axis: bool = False
    folds: tuple[int, int, int] = (1, 1, 1)

    def __post_init__(self) -> None:
        if len(self.folds) != 3 or any(type(n) is not int or n < 1 for n in self.folds):
            raise ValueError(f"expected three counts of 1 or more as folds, got {self.folds!r}")
        x, y, z = self.folds
        if self.free_axis and (y != 1 or x not in (1, 2) or z not in (1, 2)):
            raise ValueError(
                "beside a free y axis a shape can have half turns about x or z, and no others; "
                f"got {x}, {y} and {z} folds about x, y and z"
            )
        _generated(self.free_axis, self.folds)

    @classmethod
    def parse(cls, words: Mapping[str, object]) -> "Symmetry":
        """Return the symmetry of words such as `{"y": "any"}` or `{"x": "half", "y": "quarter"}`.

        Args:
            words: by axis (x, y or z): any, half, quarter, or a count of 2 or more; no axis: none.

        Raises:
            ValueError: another axis or word, a free axis other than y, or no such group.

        Example:
            >>> Symmetry.parse({"y": "quarter"}) == Symmetry(folds=(1, 4, 1))
            True
        """
        if not isinstance(words, Mapping):
            raise ValueError(f"a symmetry is a table such as {{y: half}}, got {words!r}")
        unknown = [axis for axis in words if axis not in _AXES]
        if unknown:
            raise ValueError(f"unknown axis {unknown[0]!r} in a symmetry; expected x, y or z")
        free = [axis for axis, word in words.items() if word == "any"]
        if free not in ([], ["y"]):
            raise ValueError(f"only y can be a free axis, got {', '.join(free)}: turn the meshes")
        x, y, z = (_fold(axis, words.get(axis)) for axis in _AXES)
        return cls(bool(free), (x, y, z))

    @property
    def words(self) -> dict[str, str | int]:
        """The words that `parse` takes for this symmetry."""
        names: dict[int, str] = {count: word for word, count in _FOLDS.items()}
        turns = zip(_AXES, self.folds, strict=True)
        words: dict[str, str | int] = {a: names.get(n, n) for a, n in turns if n > 1}
        return words | ({"y": "any"} if self.free_axis else {})

    @property
    def order(self) -> int:
        """Number of rotations in the finite group."""
        return len(_generated(self.free_axis, self.folds))

    @property
    def rotations(self) -> np.ndarray:
        """The finite group, (G, 3, 3), the identity first; beside a free axis modulo it."""
        return _generated(self.free_axis, self.folds).copy()


@dataclass(frozen=True)
class SymmetryBatch:
    """Symmetries of B objects as tensors of one shape.

    A pose R of an object is the same as R S for each member S of its group, and as every other
    rotation with the same y axis where that is free.

    Attributes:
        free: (B,) bool, objects with a free y axis.
        rotations: (B, G, 3, 3), the members of each group, the identity first; smaller groups are
            filled up with the identity, which changes no minimum over the members.

    Example:
        >>> batch = SymmetryBatch.of([AXISYMMETRIC, Symmetry.parse({"y": "half"})])
        >>> batch.free.tolist(), tuple(batch.rotations.shape)
        ([True, False], (2, 2, 3, 3))
    """

    free: Tensor
    rotations: Tensor

    @classmethod
    def of(
        cls,
        symmetries: Sequence[Symmetry],
        *,
        members: int = 1,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
    ) -> "SymmetryBatch":
        """Return the batch of some symmetries, one per object.

        Args:
            symmetries: of the B objects.
            members: G at least, so that batches of other objects have the same shapes.
            device: of the tensors.
            dtype: of the rotations.
        """
        groups = [symmetry.rotations for symmetry in symmetries]
        count = max([members, *map(len, groups)])
        filled = np.broadcast_to(np.eye(3), (len(groups), count, 3, 3)).copy()
        for row, group in zip(filled, groups, strict=True):
            row[: len(group)] = group
        free = torch.tensor([s.free_axis for s in symmetries], dtype=torch.bool, device=device)
        return cls(free, torch.from_numpy(filled).to(device, dtype))

    def __len__(self) -> int:
        return len(self.free)

    @property
    def is_trivial(self) -> bool:
        """Whether no object has a member but the identity (its axis may be free)."""
        return self.rotations.shape[1] == 1

    @property
    def without_yaw(self) -> "SymmetryBatch":
        """The same symmetries with every y axis free: angles are those of the y axes alone.

        Example:
            >>> mug = SymmetryBatch.of([ASYMMETRIC])
            >>> turned = torch.tensor([[[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]])  # about y
            >>> angles = (batch.angle_rad(turned, torch.eye(3)) for batch in (mug, mug.without_yaw))
            >>> [round(math.degrees(angle)) for angle in angles]
            [90, 0]
        """
        return SymmetryBatch(torch.ones_like(self.free), self.rotations)

    def equivalents(self, rotation: Tensor) -> Tensor:
        """Return the G equivalent forms of rotations, themselves first.

        Args:
            rotation: (B, ..., 3, 3), object to camera.

        Returns:
            (B, G, ..., 3, 3).
        """
        if self.is_trivial:
            return rotation[:, None]
        members = self.rotations.to(rotation)
        members = members.view(*members.shape[:2], *[1] * (rotation.ndim - 3), 3, 3)
        return rotation[:, None] @ members

    def nearest(self, rotation: Tensor, reference: Tensor) -> Tensor:
        """Return the equivalent form of each rotation that is nearest to a reference.

        By the angle between them, where y is free by that between the y axes; the yaw about a free
        axis stays as it is. Of equally near ones the first member of the group is taken.

        Args:
            rotation: (B, ..., 3, 3), object to camera.
            reference: broadcasts against (B, ..., 3, 3).

        Returns:
            (B, ..., 3, 3).

        Example:
            >>> box = SymmetryBatch.of([Symmetry.parse({"y": "half"})])
            >>> turned = torch.diag(torch.tensor([-1.0, 1.0, -1.0]))
            >>> torch.equal(box.nearest(turned[None], torch.eye(3)), torch.eye(3)[None])
            True
        """
        if self.is_trivial:
            return rotation
        members = self.rotations.to(rotation)
        # The trace of a relative rotation falls with its angle, and so does the product of two y
        # axes: both are sums over entries of R^T R_reference times entries of the member.
        counted = members * self.entries.to(members)[:, None]
        between = rotation.mT @ reference.to(rotation)
        closeness = between.reshape(len(self), -1, 9) @ counted.flatten(2).mT
        # Forms that only rounding tells apart are equally near.
        near = closeness > closeness.amax(dim=-1, keepdim=True) - _SAME
        index = near.to(torch.uint8).argmax(dim=-1)
        chosen = members.flatten(2).gather(1, index[..., None].expand(-1, -1, 9))
        return rotation @ chosen.view(rotation.shape)

    def angle_rad(self, rotation: Tensor, reference: Tensor) -> Tensor:
        """Return the angle to a reference, the smallest over the group, radians.

        That of the relative rotation; where y is free, between the y axes.

        Args:
            rotation: (B, ..., 3, 3), object to camera.
            reference: broadcasts against (B, ..., 3, 3).

        Returns:
            (B, ...).

        Example:
            >>> box = SymmetryBatch.of([Symmetry.parse({"y": "half"})])
            >>> quarter = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
            >>> round(math.degrees(box.angle_rad(quarter[None], torch.eye(3))), 4)
            90.0
            >>> round(math.degrees(box.angle_rad((quarter @ quarter)[None], torch.eye(3))), 4)
            0.0
        """
        near = self.nearest(rotation, reference)
        turn = geodesic_angle(near, reference)
        return torch.where(self._per_object(turn), _tilt_rad(near, reference), turn)

    def angle_and_tilt_rad(self, rotation: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """Return the angles to a reference and those of the y axes alone, radians, (B, ...) each.

        The same as `angle_rad` of this batch and of the one `without_yaw`, for less.

        Args:
            rotation: (B, ..., 3, 3), object to camera.
            reference: broadcasts against (B, ..., 3, 3).
        """
        near = self.nearest(rotation, reference)
        turn, tilt = geodesic_angle(near, reference), _tilt_rad(near, reference)
        angle = torch.where(self._per_object(turn), tilt, turn)
        if self.is_trivial:
            return angle, tilt
        # The member that suits the whole rotation best need not be the best for its axis.
        return angle, _tilt_rad(self.without_yaw.nearest(rotation, reference), reference)

    def repeated(self, times: int) -> "SymmetryBatch":
        """Return the symmetries of so many batches of the same objects, one after the other."""
        return SymmetryBatch(self.free.repeat(times), self.rotations.repeat(times, 1, 1, 1))

    @property
    def entries(self) -> Tensor:
        """(B, 3, 3) float64, 1 at the entries of a rotation that matter: where y is free, its axis.

        The sum of the products of such entries of two rotations grows as the angle between them
        falls.
        """
        y_axis = torch.eye(3, dtype=torch.float64, device=self.free.device)[1].expand(3, 3)
        return torch.where(self.free[:, None, None], y_axis, 1.0)

    def _per_object(self, values: Tensor) -> Tensor:
        """`free` in a shape that broadcasts against (B, ...)."""
        return self.free.view(-1, *[1] * (values.ndim - 1))


def _tilt_rad(rotation: Tensor, reference: Tensor) -> Tensor:
    """Angles between the y axes, radians."""
    return axis_angle_rad(*torch.broadcast_tensors(rotation[..., 1], reference[..., 1]))


def _fold(axis: str, word: object) -> int:
    """How often a shape looks the same in one turn, of a word; a free axis counts as once."""
    if word is None or word == "any":
        return 1
    if isinstance(word, str) and word in _FOLDS:
        return _FOLDS[word]
    if isinstance(word, int) and not isinstance(word, bool) and word >= 2:
        return word
    raise ValueError(
        f"unknown symmetry {word!r} about {axis}; expected any, half, quarter or a count from 2 on"
    )


@lru_cache(maxsize=256)
def _generated(free_axis: bool, folds: tuple[int, int, int]) -> np.ndarray:
    """Return the group (G, 3, 3) that the turns generate, the identity first.

    Raises:
        ValueError: it has more than `MAX_MEMBERS` rotations.
    """
    if free_axis:
        flips = [np.eye(3), np.diag([1.0, -1.0, -1.0])]  # about z the same, but for a yaw
        return np.array(flips if max(folds) > 1 else flips[:1])
    turns = [
        Rotation.from_rotvec(2 * math.pi / count * np.eye(3)[axis]).as_matrix()
        for axis, count in enumerate(folds)
        if count > 1
    ]
    members = [np.eye(3)]
    untried = [(members[0], turn) for turn in turns]
    while untried:
        member, turn = untried.pop(0)
        product = _exact(member @ turn)
        if np.abs(np.array(members) - product).max(axis=(1, 2)).min() < _SAME:
            continue
        members.append(product)
        untried += [(product, turn) for turn in turns]
        if len(members) > MAX_MEMBERS:
            raise ValueError(
                f"turns with {', '.join(map(str, folds))} folds about x, y and z make more than "
                f"{MAX_MEMBERS} rotations; a shape as round as that has a free axis"
            )
    return np.array(members)


def _exact(rotation: np.ndarray) -> np.ndarray:
    """The rotation, with entries that only rounding keeps from 0, 1 and -1 put there."""
    whole = np.rint(rotation)
    exact: np.ndarray = np.where(np.abs(rotation - whole) < 1e-12, whole + 0.0, rotation)
    return exact


#: No rotation but the identity maps the shape onto itself.
ASYMMETRIC = Symmetry()
#: Every rotation about y maps the shape onto itself.
AXISYMMETRIC = Symmetry(free_axis=True)

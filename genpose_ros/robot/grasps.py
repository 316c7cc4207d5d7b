# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Grasp and task frames of the categories, as a YAML file declares them in object axes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.settings import nearest_name
from genpose_ros.yaml_files import read_yaml

__all__ = ["SHIPPED_GRASPS", "FrameSpec", "GraspTable", "Gripper", "Trust"]

#: The table that comes with the package.
SHIPPED_GRASPS = Path(__file__).with_name("grasps.yaml")
_SPANS = ("x", "y", "z", "wall")
_AXES = ("centre", "body")
#: Axes may be this far from perpendicular, as the cosine between them.
_SQUARE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Gripper:
    """Gripper that the grasps are for.

    Attributes:
        opening_m: what its fingers span when they are open, metres.
        spare_m: how much narrower an object has to be.
        wall_m: opening that a vessel's wall takes.
    """

    opening_m: float = 0.085
    spare_m: float = 0.006
    wall_m: float = 0.015


@dataclass(frozen=True, kw_only=True)
class Trust:
    """How sure a pose has to be before it has task frames.

    Attributes:
        score: least score, or score of the axis where the frame needs no yaw.
        second_mode: largest share of the candidates in another mode that matters.
        second_mode_deg: a mode matters that is turned by more than this.
        second_mode_m: or moved by more than this.
        stale_s: an object seen longer ago is stale.
    """

    score: float = 0.6
    second_mode: float = 0.25
    second_mode_deg: float = 20.0
    second_mode_m: float = 0.02
    stale_s: float = 0.5


@dataclass(frozen=True, kw_only=True)
class FrameSpec:
    """Frame of a category as declared, for objects of any size.

    Attributes:
        name: such as `grasp_side`.
        at: (3,) origin in halves of the box's edges.
        offset_m: (3,) added to it, metres along the object's axes.
        z: (3,) unit z axis; of grasps the way that the gripper goes in.
        y: (3,) unit y axis; of grasps the one along which the fingers close.
        spans: edge of the box between the fingers: x, y, z or wall; empty: no grasp.
        before_m: distance of the frame before the grasp.
        around: angles about the axis, degrees.
        axis: centre or body.
        yaw: whether the object's yaw has to be known.
        hand: whether it is away from a hand that holds the object.

    Raises:
        ValueError: axes that are not perpendicular, or a value that is none of the known.
    """

    name: str
    at: tuple[float, float, float]
    z: tuple[float, float, float]
    y: tuple[float, float, float]
    offset_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    spans: str = ""
    before_m: float = 0.0
    around: tuple[float, ...] = (0.0,)
    axis: str = "centre"
    yaw: bool = False
    hand: bool = False

    def __post_init__(self) -> None:
        for key in ("z", "y"):
            length = float(np.linalg.norm(getattr(self, key)))
            if not 0.999 < length < 1.001:
                raise ValueError(f"{self.name}: {key} must be a unit vector, its length {length:g}")
        cosine = float(np.dot(self.z, self.y))
        if abs(cosine) > _SQUARE:
            raise ValueError(f"{self.name}: z and y must be perpendicular, {self.z} and {self.y}")
        for key, known in (("spans", ("", *_SPANS)), ("axis", _AXES)):
            if getattr(self, key) not in known:
                raise ValueError(f"{self.name}: {key} is one of {', '.join(filter(None, known))}")

    @property
    def is_grasp(self) -> bool:
        """Whether the gripper goes there; other frames are parts of the object."""
        return bool(self.spans)

    @property
    def R_obj_frame(self) -> np.ndarray:
        """(3, 3) of the declared axes."""
        z, y = np.array(self.z), np.array(self.y)
        return np.stack([np.cross(y, z), y, z], -1)

    def axis_point(self, size_m: np.ndarray) -> np.ndarray:
        """Return a point (3,) of the axis that frames are turned about, metres, object frame.

        Args:
            size_m: (3,) edges of the box, metres.
        """
        x = -(size_m[0] - size_m[2]) / 2 if self.axis == "body" else 0.0
        return np.array([min(float(x), 0.0), 0.0, 0.0])

    def origin(self, size_m: np.ndarray) -> np.ndarray:
        """Return the frame's origin (3,), metres, object frame, on an object of a size.

        Args:
            size_m: (3,) edges of the box, metres.
        """
        half = size_m / 2
        if self.axis == "body":  # as wide along x as along z, whatever the handle adds
            half = np.array([min(half[0], half[2]), half[1], half[2]])
        return np.asarray(self.axis_point(size_m) + half * self.at + self.offset_m)

    def width_m(self, size_m: np.ndarray, gripper: Gripper) -> float:
        """Return what the fingers span, metres; 0 of frames that are no grasps."""
        if not self.spans:
            return 0.0
        if self.spans == "wall":
            return gripper.wall_m
        return float(size_m["xyz".index(self.spans)])


@dataclass(frozen=True, kw_only=True)
class GraspTable:
    """Frames of the categories, the gripper they are for, and how sure poses have to be.

    Attributes:
        categories: category -> its frames.
        gripper: its width.
        trust: limits of the poses.
        ring: frames around a round object.

    Example:
        >>> table = GraspTable.shipped()
        >>> [spec.name for spec in table.frames_of("can")]
        ['grasp_side', 'grasp_top', 'handover', 'pour', 'stack']
    """

    categories: Mapping[str, tuple[FrameSpec, ...]] = field(default_factory=dict)
    gripper: Gripper = field(default_factory=Gripper)
    trust: Trust = field(default_factory=Trust)
    ring: int = 16

    @classmethod
    def shipped(cls) -> "GraspTable":
        """Return the table that comes with the package, `grasps.yaml` beside this module."""
        return cls.read(SHIPPED_GRASPS)

    @classmethod
    def read(cls, path: Path | str) -> "GraspTable":
        """Return the table of a YAML file.

        Args:
            path: of the file; empty: the shipped table.

        Raises:
            FileNotFoundError: no such file.
            ValueError: it is no such table; says which entry and why.
        """
        where = Path(path) if str(path) else SHIPPED_GRASPS
        values = read_yaml(where)
        try:
            return _table(values)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: {error}") from error

    def frames_of(self, category: str) -> tuple[FrameSpec, ...]:
        """Return the frames of a category; none where the table does not name it."""
        return self.categories.get(category, ())


def _table(values: object) -> GraspTable:
    known = ("categories", "gripper", "trust", "ring")
    content = _mapping("the file", values, known)
    ring = content.get("ring", 16)
    if type(ring) is not int or not 1 <= ring <= 64:
        raise ValueError(f"ring is a number from 1 to 64, got {ring!r}")
    categories = _mapping("categories", content.get("categories") or {})
    return GraspTable(
        categories={
            name: tuple(_spec(name, key, v) for key, v in _mapping(name, frames or {}).items())
            for name, frames in categories.items()
        },
        gripper=Gripper(**_numbers("gripper", content.get("gripper") or {}, Gripper)),
        trust=Trust(**_numbers("trust", content.get("trust") or {}, Trust)),
        ring=ring,
    )


def _spec(category: str, name: str, values: object) -> FrameSpec:
    where = f"{category}: {name}"
    known = tuple(item.name for item in fields(FrameSpec) if item.name != "name")
    given = dict(_mapping(where, values, known))
    for key in ("at", "offset_m", "z", "y"):
        if key in given:
            given[key] = _vector(f"{where}: {key}", given[key])
    missing = [key for key in ("at", "z", "y") if key not in given]
    if missing:
        raise ValueError(f"{where} needs {', '.join(missing)}")
    if "around" in given:
        given["around"] = _vector(f"{where}: around", given["around"], count=None)
    if "before_m" in given:
        (given["before_m"],) = _vector(f"{where}: before_m", [given["before_m"]], count=1)
    for key in ("yaw", "hand"):
        if type(given.get(key, False)) is not bool:
            raise ValueError(f"{where}: {key} is true or false, got {given[key]!r}")
    try:
        return FrameSpec(name=name, **given)
    except ValueError as error:
        raise ValueError(f"{category}: {error}") from error


def _mapping(where: str, values: object, known: tuple[str, ...] = ()) -> Mapping[str, Any]:
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ValueError(f"{where} is a table, got {values!r}")
    strange = [key for key in values if known and key not in known]
    if strange:
        near = nearest_name(strange[0], known)
        raise ValueError(f"{where} has no entry {strange[0]!r}" + (f"; {near}?" if near else ""))
    return values


def _numbers(where: str, values: object, kind: type) -> dict[str, float]:
    names = tuple(item.name for item in fields(kind))
    found = _mapping(where, values, names)
    return {key: _vector(f"{where}: {key}", [value], count=1)[0] for key, value in found.items()}


def _vector(where: str, values: object, *, count: int | None = 3) -> tuple[float, ...]:
    numbers = values if isinstance(values, list) else []
    good = [v for v in numbers if type(v) in (int, float) and np.isfinite(v)]
    if len(good) != len(numbers) or not numbers or (count is not None and len(numbers) != count):
        expected = "a number" if count == 1 else f"{count or 'some'} numbers"
        shown = numbers[0] if count == 1 and numbers else values
        raise ValueError(f"{where} is {expected}, got {shown!r}")
    return tuple(float(v) for v in good)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Findings about a category's meshes: sizes, frames, symmetries and mirror planes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import combinations
from typing import Any

import numpy as np

from genpose_ros.geometry.categories import Category
from genpose_ros.geometry.symmetry_groups import Symmetry
from genpose_ros.own_categories.manifest import UNITS_M, FileFrame, Manifest
from genpose_ros.own_categories.measure import (
    ANY,
    AXES,
    CLEARLY,
    Deviations,
    common_fold,
    is_mirrored,
    symmetry_words,
)
from genpose_ros.synthesis.meshes import METRIC_DIAGONAL_M, Mesh

__all__ = [
    "CheckedMesh",
    "Finding",
    "Level",
    "declared_folds",
    "declared_words",
    "findings_of",
]

#: Diagonals that differ by more have different units.
_OTHER_UNIT = 20.0
#: Edges that differ by less are equally long.
_LONGER = 1.1
#: A centre this many diagonals from the file's origin is told.
_FAR_OFF = 1.0
#: Fewer meshes than this teach a category badly.
_FEW = 4
#: Sizes of things on tables, metres, to guess a unit by.
_USUAL_M = (0.05, 0.6)


class Level(str, Enum):
    """Weight of a finding.

    Attributes:
        REFUSAL: to be cured before training.
        WARNING: training works, though worse than it could, or not as meant.
        REMARK: good to know.
    """

    REFUSAL = "refusal"
    WARNING = "warning"
    REMARK = "remark"


@dataclass(frozen=True)
class Finding:
    """Something about a category's folder.

    Attributes:
        level: its weight.
        text: what was found and what to write or do, in a sentence.
        mesh: the mesh file's name that it is about; empty: the whole folder.
    """

    level: Level
    text: str
    mesh: str = ""

    def to_json(self) -> dict[str, str]:
        """The finding as plain values."""
        return {"level": self.level.value, "text": self.text, "mesh": self.mesh}


@dataclass(frozen=True)
class CheckedMesh:
    """A mesh and what is measured of it.

    Attributes:
        mesh: with all its triangles.
        split: train, test, or both.
        deviations: of its surface under turns and mirrors.
        off_centre: distance of its box's centre from the file's origin, in diagonals.
        digest: of its vertices and triangles.
    """

    mesh: Mesh
    split: str
    deviations: Deviations
    off_centre: float
    digest: str

    @property
    def size(self) -> np.ndarray:
        """(3,) edges of its box, metres, or of a diagonal of 1."""
        size: np.ndarray = np.ptp(self.mesh.vertices, axis=0)
        return size

    @property
    def symmetry(self) -> str:
        """Its measured symmetry in the fewest words of a manifest."""
        return _shortest([common_fold([self.deviations], axis) for axis in AXES])

    @property
    def mirror_planes(self) -> tuple[str, ...]:
        """The axes across its measured mirror planes."""
        return tuple(axis for axis in AXES if is_mirrored([self.deviations], axis))

    def to_json(self) -> dict[str, Any]:
        """The measurements as plain values."""
        return {
            "name": self.mesh.name,
            "split": self.split,
            "size_m" if self.mesh.metric else "size": [round(float(x), 5) for x in self.size],
            "triangles": len(self.mesh.faces),
            "closed": self.mesh.closed,
            "symmetry": self.symmetry,
            "mirror_planes": list(self.mirror_planes),
        }


def findings_of(
    manifest: Manifest, category: Category, meshes: Sequence[CheckedMesh]
) -> list[Finding]:
    """Return where the meshes of a category differ from what its manifest declares.

    Args:
        manifest: of the folder.
        category: as it declares it.
        meshes: those that can be read, at least one.
    """
    scales = _scale_findings(manifest, category, meshes)
    # Where the frame is wrong, its symmetries are the wrong ones to compare.
    frames = _frame_findings(manifest, category, meshes)
    shapes = frames or [
        *_symmetry_findings(manifest, category, meshes),
        *_mirror_findings(category, meshes),
    ]
    return [
        *scales,
        *shapes,
        *_order_findings(meshes),
        *_count_findings(manifest, meshes),
        *_single_findings(meshes),
    ]


def _scale_findings(
    manifest: Manifest, category: Category, meshes: Sequence[CheckedMesh]
) -> list[Finding]:
    """Units that cannot be right, and sizes outside the declared ones."""
    if manifest.frame.scale_m is None:
        return []
    diagonals = np.array([one.mesh.diagonal for one in meshes])
    usual = float(np.median(diagonals))
    strange = [
        Finding(
            Level.REFUSAL,
            f"{_cm(one.mesh.diagonal)} from corner to corner of its box, while the median is "
            f"{_cm(usual)}: it has another unit than the others, export it anew",
            one.mesh.name,
        )
        for one in meshes
        if not 1 / _OTHER_UNIT < one.mesh.diagonal / usual < _OTHER_UNIT
    ]
    low, high = METRIC_DIAGONAL_M
    if not low <= usual <= high:
        return [
            *strange,
            Finding(
                Level.REFUSAL,
                f"objects of {_cm(usual)} from corner to corner of their boxes with frame.unit "
                f"{manifest.frame.unit}: {_better_unit(manifest, usual)}",
            ),
        ]
    if strange or "size_m" not in manifest.fields:
        return strange
    low, high = category.size_m
    outside = [one.mesh.name for one in meshes if not low <= one.mesh.diagonal <= high]
    if not outside:
        return []
    wide = [math.floor(diagonals.min() * 90) / 100, math.ceil(diagonals.max() * 110) / 100]
    return [
        Finding(
            Level.WARNING,
            f"size_m is [{low:g}, {high:g}], but the diagonals are {diagonals.min():.3f} to "
            f"{diagonals.max():.3f} m ({_list(outside)} outside): write size_m: "
            f"[{min(low, wide[0]):g}, {max(high, wide[1]):g}]",
        )
    ]


def _better_unit(manifest: Manifest, diagonal_m: float) -> str:
    own = diagonal_m / (manifest.frame.scale_m or 1.0)
    low, high = manifest.fields.get("size_m") or _USUAL_M
    fitting = [f"{unit} ({_cm(own * m)})" for unit, m in UNITS_M.items() if low <= own * m <= high]
    if fitting:
        return f"write unit: {' or '.join(fitting)}"
    return f"write the unit the files have, one of {', '.join(UNITS_M)}"


def _frame_findings(
    manifest: Manifest, category: Category, meshes: Sequence[CheckedMesh]
) -> list[Finding]:
    """An up or front that is another one, as the symmetry or the mirror plane shows."""
    measured = [one.deviations for one in meshes]
    declared = declared_folds(category.symmetry)
    folds = [common_fold(measured, axis) for axis in AXES]
    y = declared[1]
    if y != 1 and not _includes(folds[1], y) and _clear([m.turns["y", y] for m in measured]):
        other = next((i for i in (2, 0) if _includes(folds[i], y) and declared[i] != y), None)
        if other is not None:
            words = symmetry_words((1, y, 1))
            return [
                Finding(
                    Level.REFUSAL,
                    f"symmetry {words} is declared, but measured about {AXES[other]}: up is "
                    f"another axis of the files, write frame: {_with_up(manifest.frame, other)}",
                )
            ]
    planes = {axis: is_mirrored(measured, axis) for axis in AXES}
    if not category.mirror or planes["z"] or not _clear([m.mirrors["z"] for m in measured]):
        return []
    if planes["x"] and not planes["y"]:
        return [
            Finding(
                Level.REFUSAL,
                "mirror is true, but the objects' mirror plane is x = 0 instead of z = 0: their "
                f"front lies along z, write frame: {_with_front(manifest.frame, 2)}, or mirror: "
                "false",
            )
        ]
    if planes["y"] and not planes["x"]:
        return [
            Finding(
                Level.REFUSAL,
                "mirror is true, but the objects' mirror plane is y = 0 instead of z = 0: up is "
                f"another axis of the files, write frame: {_with_up(manifest.frame, 2)}, or "
                "mirror: false",
            )
        ]
    return []


def _symmetry_findings(
    manifest: Manifest, category: Category, meshes: Sequence[CheckedMesh]
) -> list[Finding]:
    """Symmetries that are declared but not there, or there but not declared."""
    measured = [one.deviations for one in meshes]
    declared = declared_folds(category.symmetry)
    folds = [common_fold(measured, axis) for axis in AXES]
    found = []
    for axis, fold in zip(AXES, declared, strict=True):
        off = [m.turns.get((axis, fold), 0.0) for m in measured] if fold != 1 else []
        without = [one.mesh.name for one, o in zip(meshes, off, strict=False) if o > CLEARLY]
        if without:
            words = symmetry_words([fold if a == axis else 1 for a in AXES])
            found.append(
                Finding(
                    Level.WARNING,
                    f"symmetry {words} is declared, but such a turn changes {_list(without)}: take "
                    f"{axis} out of symmetry (measured: {_shortest(folds)}), unless that turn "
                    "shall not matter",
                )
            )
    round_aside = [i for i in (0, 2) if folds[i] == ANY and folds[1] != ANY]
    if round_aside:
        axis = AXES[round_aside[0]]
        frame = _with_up(manifest.frame, round_aside[0])
        text = f"round about {axis}, which only y can be in symmetry: write frame: {frame}"
        return [*found, Finding(Level.WARNING, f"the objects are {text} and symmetry: {{y: any}}")]
    extra = [i for i in range(3) if folds[i] != 1 and not _includes(declared[i], folds[i])]
    if extra:
        together = [f if _includes(f, d) else d for f, d in zip(folds, declared, strict=True)]
        found.append(
            Finding(
                Level.WARNING,
                f"the objects look the same after a turn that symmetry does not declare (measured: "
                f"{_shortest(folds)}), so poses that cannot be told apart count as wrong: "
                f"write symmetry: {_shortest(together)}, unless small details that the camera "
                "resolves tell them apart",
            )
        )
    return found


def _mirror_findings(category: Category, meshes: Sequence[CheckedMesh]) -> list[Finding]:
    measured = [one.deviations for one in meshes]
    if category.mirror and _clear([m.mirrors["z"] for m in measured]):
        without = [one.mesh.name for one in meshes if one.deviations.mirrors["z"] > CLEARLY]
        text = (
            f"mirror is true, but the plane z = 0 does not map {_list(without)} onto itself: write "
            "mirror: false, or training mixes up left and right"
        )
        return [Finding(Level.WARNING, text)]
    if not category.mirror and is_mirrored(measured, "z"):
        text = (
            "the plane z = 0 maps the objects onto themselves: write mirror: true, and training "
            "learns twice as much from each mesh"
        )
        return [Finding(Level.REMARK, text)]
    return []


def _order_findings(meshes: Sequence[CheckedMesh]) -> list[Finding]:
    """A frame that nothing defines: boxes whose edges come in any order."""
    folds = [common_fold([one.deviations for one in meshes], axis) for axis in AXES]
    for a, b in combinations(range(3), 2):
        # Half turns about both: nothing but their lengths tells the two axes apart.
        if folds[a] != 2 or folds[b] != 2:
            continue
        longer = [one.mesh.name for one in meshes if one.size[a] > _LONGER * one.size[b]]
        shorter = [one.mesh.name for one in meshes if one.size[b] > _LONGER * one.size[a]]
        if longer and shorter:
            text = (
                f"the frame is not defined: the edge along {AXES[a]} is longer than that along "
                f"{AXES[b]} in {_list(longer)} and shorter in {_list(shorter)}: turn the files so "
                "that the edges come in the same order in each, such as y the longest and x the "
                "shortest"
            )
            return [Finding(Level.REFUSAL, text)]
    return []


def _count_findings(manifest: Manifest, meshes: Sequence[CheckedMesh]) -> list[Finding]:
    count = len(manifest.files)
    found = []
    if count == 1:
        text = (
            "a single mesh: it becomes an instance, not a category, and other objects of its kind "
            "are not recognised: add meshes of others"
        )
        found.append(Finding(Level.WARNING, text))
    elif count < _FEW:
        text = (
            f"{count} meshes, {len(manifest.train)} of them to train with: accuracy on other "
            f"objects will be poor, add meshes until there are {_FEW} or more to train with"
        )
        found.append(Finding(Level.WARNING, text))
    by_digest: dict[str, CheckedMesh] = {}
    for one in meshes:
        same = by_digest.setdefault(one.digest, one)
        if same is not one:
            text = f"the same mesh as {same.mesh.name}: it adds nothing, replace it"
            if same.split != one.split:
                text = (
                    f"the same mesh as {same.mesh.name}, one of them held out: what is held out "
                    "must not be trained, replace it"
                )
            found.append(Finding(Level.WARNING, text, one.mesh.name))
    return found


def _single_findings(meshes: Sequence[CheckedMesh]) -> list[Finding]:
    found = []
    for one in meshes:
        if one.off_centre > _FAR_OFF:
            text = (
                f"its box's centre is {one.off_centre:.1f} diagonals from the file's origin: poses "
                "are those of the centre"
            )
            found.append(Finding(Level.REMARK, text, one.mesh.name))
    border = [one.mesh.name for one in meshes if not one.mesh.closed]
    if border:
        text = f"not closed: {_list(border)}; drawn from both sides, which is fine for vessels"
        found.append(Finding(Level.REMARK, text))
    return found


def declared_folds(symmetry: Symmetry) -> tuple[int, int, int]:
    """Return how often a declared shape looks the same in a turn about x, y and z.

    Turns that follow from the declared ones are counted: half turns about x and y make one about z.
    """
    if symmetry.free_axis:
        return (symmetry.order, ANY, symmetry.order)
    axes = np.einsum("gij,kj->gki", symmetry.rotations, np.eye(3))
    kept = np.isclose(np.einsum("gkk->gk", axes), 1).sum(axis=0)
    x, y, z = (int(n) for n in kept)
    return x, y, z


def declared_words(symmetry: Symmetry) -> str:
    """Return a symmetry as a manifest has it, such as `{y: quarter}`."""
    return "{" + ", ".join(f"{axis}: {word}" for axis, word in symmetry.words.items()) + "}"


def _includes(fold: int, other: int) -> bool:
    """Whether a shape with one fold has the other one, too."""
    return fold == ANY or (other != ANY and fold % other == 0)


def _clear(deviations: Sequence[float]) -> bool:
    return float(np.median(deviations)) > CLEARLY


def _shortest(folds: Sequence[int]) -> str:
    """Words of the fewest turns that make the others."""
    best = list(folds)
    for axis in (2, 0):
        fewer = [1 if i == axis else fold for i, fold in enumerate(best)]
        try:
            made = declared_folds(Symmetry(fewer[1] == ANY, _counts(fewer)))
        except ValueError:
            continue
        if all(_includes(m, f) for m, f in zip(made, folds, strict=True)):
            best = fewer
    return symmetry_words(best)


def _counts(folds: Sequence[int]) -> tuple[int, int, int]:
    x, y, z = (fold or 1 for fold in folds)
    return x, y, z


def _with_up(frame: FileFrame, axis: int) -> str:
    """The frame with up along what is now another axis of the category's frame."""
    up = _file_axis(frame, axis)
    front = frame.front if axis != 0 else frame.up
    return FileFrame(up, front, frame.unit).words


def _with_front(frame: FileFrame, axis: int) -> str:
    return FileFrame(frame.up, _file_axis(frame, axis), frame.unit).words


def _file_axis(frame: FileFrame, axis: int) -> str:
    """The positive axis of the files along an axis of the category's frame."""
    return "+" + AXES[int(np.abs(frame.R_obj_file[axis]).argmax())]


def _cm(length_m: float) -> str:
    return f"{100 * length_m:.3g} cm" if length_m < 2 else f"{length_m:.3g} m"


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"

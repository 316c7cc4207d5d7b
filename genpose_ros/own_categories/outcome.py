# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Outcome of a fine-tuning: accuracy of new and kept categories, and the verdict on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from genpose_ros.evaluation.metrics import summarise
from genpose_ros.evaluation.synthetic import SyntheticReport, ViewReport
from genpose_ros.own_categories.plan import Plan
from genpose_ros.own_categories.validation import CurvePoint
from genpose_ros.synthesis.clouds import CloudBatch

__all__ = [
    "USABLE_5D2CM",
    "USABLE_10D5CM",
    "Outcome",
    "Verdict",
    "accuracy_rows",
    "by_category",
    "verdict",
]

#: Shares of the standing views of a usable category within 5 degrees 2 cm and 10 degrees 5 cm.
USABLE_5D2CM, USABLE_10D5CM = 0.70, 0.90

#: Points that a kept category may lose.
_MAY_LOSE = 0.05
#: A gap between meshes trained on and held-out ones, and a rise at the end, that are told.
_GAP, _RISE = 0.10, 3.0
#: Clouds with which the tried categories were usable, kept ones among them.
_ENOUGH_CLOUDS = 20_000
#: Meshes that make a category, and how far from half a turn an error is taken for one, degrees.
_ENOUGH_MESHES, _TURN_DEG = 4, 15.0
#: Share of the views that are half a turn off where a symmetry is not declared.
_TURNED = 0.12


@dataclass(frozen=True)
class Outcome:
    """Outcome of a fine-tuning.

    Attributes:
        plan: what was trained.
        new: new categories on held-out meshes (of an instance: on fresh views of its mesh).
        new_on_table: the same views, where the direction up and the table are known.
        views: the views of `new`, in the same order.
        trained_on: new categories on the meshes that were trained on.
        kept_before, kept_after: kept categories by the start and by the result; None: none kept.
        curve: validation on the way.
        rendered: clouds made for the training.
        stages: of score and energy: clouds seen, minutes and settings.
    """

    plan: Plan
    new: SyntheticReport
    new_on_table: SyntheticReport
    views: CloudBatch
    trained_on: SyntheticReport
    kept_before: SyntheticReport | None
    kept_after: SyntheticReport | None
    curve: tuple[CurvePoint, ...]
    rendered: int
    stages: dict[str, dict[str, Any]]

    def accuracy(self) -> dict[str, Any]:
        """Return what is recorded in the weights: by category, `standing` and `all`, as shares."""
        result = by_category(self.new)
        if self.kept_after is not None:
            result |= by_category(self.kept_after)
        return result


@dataclass(frozen=True)
class Verdict:
    """Verdict on the new categories.

    Attributes:
        usable: all of them are accurate enough.
        sentence: which are and which are not.
        advice: what to add or change, most promising first; remarks where all are usable.
    """

    usable: bool
    sentence: str
    advice: tuple[str, ...]


def by_category(report: SyntheticReport) -> dict[str, Any]:
    """Return counts, medians and shares of a report's views: category, then standing and all."""
    result = {}
    for name in report.categories.names:
        mine = [view for view in report.views if view.category == name]
        standing = [view for view in mine if view.standing]
        result[name] = {"standing": _summary(standing), "all": _summary(mine)}
    return result


def accuracy_rows(outcome: Outcome) -> tuple[list[str], list[list[str]]]:
    """Return heads and rows of the table of all categories, those that are kept also before."""
    heads = ["category", "", "views", "standing 5°2cm", "10°5cm", "all 5°2cm", "10°5cm", "median"]
    on_table = by_category(outcome.new_on_table)
    rows = []
    for name, row in by_category(outcome.new).items():
        rows += [_row(name, "new", row), _row(name, "table seen", on_table[name])]
    if outcome.kept_before is not None and outcome.kept_after is not None:
        before, after = by_category(outcome.kept_before), by_category(outcome.kept_after)
        for name in after:
            rows += [_row(name, "before", before[name]), _row(name, "after", after[name])]
        rows += [
            _row(
                "all that are kept", when, {"standing": _summary(standing), "all": _summary(views)}
            )
            for when, views, standing in (
                (when, report.views, [view for view in report.views if view.standing])
                for when, report in (("before", outcome.kept_before), ("after", outcome.kept_after))
            )
        ]
    return heads, rows


def _row(name: str, when: str, row: dict[str, Any]) -> list[str]:
    shares = [
        _percent(row[stance][limit])
        for stance in ("standing", "all")
        for limit in ("share_5deg2cm", "share_10deg5cm")
    ]
    degrees = row["all"]["median_rotation_error_deg"]
    centimetres = row["all"]["median_translation_error_cm"]
    median = "-" if degrees is None else f"{degrees:.1f}° / {centimetres:.1f} cm"
    counts = f"{row['standing']['instances']} / {row['all']['instances']}"
    return [name, when, counts, *shares, median]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def verdict(outcome: Outcome) -> Verdict:
    """Judge the new categories by their standing held-out views, with and without their table."""
    accuracy, on_table = by_category(outcome.new), by_category(outcome.new_on_table)
    good = [name for name, row in accuracy.items() if _is_usable(row["standing"])]
    less = [name for name in accuracy if name not in good]
    placed = [name for name in less if _is_usable(on_table[name]["standing"])]
    poor = [name for name in less if name not in placed]
    words = [
        f"{', '.join(names)}: {word}"
        for names, word in (
            (good, "usable"),
            (placed, "usable where the table is seen or the direction up is known"),
            (poor, "not yet usable"),
        )
        if names
    ]
    advice = [line for name in accuracy for line in _advice(outcome, name, name in less)]
    advice += _time_advice(outcome, bool(less)) + _kept_advice(outcome)
    return Verdict(not poor, "; ".join(words), tuple(advice))


def _summary(views: Sequence[ViewReport]) -> dict[str, Any]:
    return summarise([view.errors for view in views])


def _is_usable(row: dict[str, Any]) -> bool:
    near, wide = row["share_5deg2cm"] or 0.0, row["share_10deg5cm"] or 0.0
    return near >= USABLE_5D2CM and wide >= USABLE_10D5CM


def _advice(outcome: Outcome, name: str, poor: bool) -> list[str]:
    """What would help one of the new categories."""
    lines = []
    views = [view for view in outcome.new.views if view.category == name]
    for axis in "xyz":
        share = _turned_share(views, axis)
        if share >= _TURNED:
            lines.append(
                f"{name}: {100 * share:.0f} % of the poses are half a turn about {axis} off. If "
                f"the objects look the same after it, declare symmetry {{{axis}: half}}; if a "
                "detail tells them apart, the meshes must show it larger than 5 mm"
            )
    lines += _mesh_advice(outcome, name, poor)
    return lines


def _mesh_advice(outcome: Outcome, name: str, poor: bool) -> list[str]:
    number = outcome.new.categories.names.index(name)
    folder = outcome.plan.folders[number]
    if folder.is_instance:
        line = f"{name} is one object, not a category: others of its kind were never seen; "
        return [line + f"add {_ENOUGH_MESHES} or more meshes for those"]
    held_out = by_category(outcome.new)[name]["standing"]["share_5deg2cm"] or 0.0
    seen = by_category(outcome.trained_on)[name]["standing"]["share_5deg2cm"] or 0.0
    count = len(folder.train)
    if seen - held_out > _GAP:
        line = (
            f"{name}: {100 * seen:.0f} % of the standing views of meshes that were trained on come "
            f"within 5°2cm, of held-out ones {100 * held_out:.0f} %: add meshes that differ as "
            f"much as your objects do ({count} to train now, {2 * count} would be better)"
        )
        return [line]
    if poor and count < _ENOUGH_MESHES:
        return [f"{name}: only {count} meshes to train: add some, {_ENOUGH_MESHES} at least"]
    return []


def _time_advice(outcome: Outcome, poor: bool) -> list[str]:
    """More time, where that was short or accuracy was still rising."""
    curve, budget = outcome.curve, outcome.plan.budget
    if len(curve) < 4 or not poor:
        return []
    if curve[-1].clouds < _ENOUGH_CLOUDS:
        more = f"--clouds {_ENOUGH_CLOUDS}"
        if not budget.clouds:
            more = f"--minutes {budget.minutes * _ENOUGH_CLOUDS / curve[-1].clouds:.0f}"
        seen = f"trained on {curve[-1].clouds:,} clouds"
        return [f"{seen}; a category takes some {_ENOUGH_CLOUDS:,}: try {more}"]
    rise = curve[-1].new_5d2cm - curve[len(curve) // 2].new_5d2cm
    if rise < _RISE:
        gain = f"the second half of the training gave {rise:+.0f} points within 5°2cm"
        return [f"more minutes will hardly help: {gain}"]
    more = f"--clouds {2 * budget.clouds}" if budget.clouds else f"--minutes {2 * budget.minutes:g}"
    return [f"accuracy was still rising ({rise:+.0f} points in the second half): try {more}"]


def _kept_advice(outcome: Outcome) -> list[str]:
    if outcome.kept_before is None or outcome.kept_after is None:
        return []
    before, after = (_mean_share(r) for r in (outcome.kept_before, outcome.kept_after))
    lines = []
    if before - after > _MAY_LOSE:
        lines.append(
            f"the kept categories fell from {100 * before:.0f} to {100 * after:.0f} % within "
            "5°2cm: give more --minutes, --keep fewer, or run two models side by side: "
            "weights:=genpose-base.safetensors,yours.safetensors with --keep none"
        )
    return lines


def _mean_share(report: SyntheticReport) -> float:
    return float(_summary(report.views)["share_5deg2cm"] or 0.0)


def _turned_share(views: Sequence[ViewReport], axis: str) -> float:
    """Share of the views that are half a turn about an axis off, modulo the symmetry."""
    turned = 0
    half = Rotation.from_euler(axis, 180, degrees=True)
    for view in views:
        # The error is taken modulo the symmetry: what is near the truth is not half a turn off.
        if view.errors is None or view.errors[0] < 180 - 3 * _TURN_DEG:
            continue
        off = Rotation.from_matrix(view.T_true[:3, :3].T @ view.T_cam_obj[:3, :3])
        turned += np.degrees((off * half).magnitude()) < _TURN_DEG
    return turned / max(len(views), 1)

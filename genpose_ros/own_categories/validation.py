# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Validation of a fine-tuning on its way: held-out meshes and kept categories apart."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from genpose_ros.networks.interface import PoseModel
from genpose_ros.own_categories.plan import Plan
from genpose_ros.training.curves import Curves
from genpose_ros.training.validation import Validation, Validator

__all__ = ["CurvePoint", "HeldOutValidation", "read_curve"]

#: Views of each group.
_VIEWS = 96

_COLUMNS = ("step", "clouds", "new_5d2cm", "new_10d5cm", "kept_5d2cm", "kept_10d5cm")


@dataclass(frozen=True)
class CurvePoint:
    """Shares of the validation views within both limits, per cent, after so many clouds.

    Attributes:
        clouds: that the score had been trained on.
        new_5d2cm, new_10d5cm: of the new categories.
        kept_5d2cm, kept_10d5cm: of the kept ones; None: there are none.
    """

    clouds: int
    new_5d2cm: float
    new_10d5cm: float
    kept_5d2cm: float | None
    kept_10d5cm: float | None


class HeldOutValidation:
    """Validation that keeps a curve of both groups in a file, and returns the new ones' errors.

    Args:
        plan: the categories.
        file: the curve, a CSV; rows of a run that goes on stay.
    """

    def __init__(self, plan: Plan, file: Path) -> None:
        self.file = file
        self._plan = plan
        self._validators: list[Validator] = []

    def at(self, batch: int) -> Callable[[PoseModel, int], Validation]:
        """Return what validates a model at a step of so many clouds."""

        def validate(model: PoseModel, step: int) -> Validation:
            if not self._validators:
                self._validators = [
                    Validator(_VIEWS, energy=False, library=library)
                    for library in (self._plan.held_out, self._plan.kept_library)
                    if library is not None
                ]
            results = [validator(model) for validator in self._validators]
            row = {"step": float(step), "clouds": float(step * batch)}
            for group, result in zip(("new", "kept"), results, strict=False):
                row |= {f"{group}_5d2cm": result.share_5d2cm}
                row |= {f"{group}_10d5cm": result.share_10d5cm}
            # Rows after the state that a killed run goes on from are dropped.
            Curves(self.file, _COLUMNS, step - 1).write(row)
            return results[0]

        return validate

    def latest_text(self) -> str:
        """The latest shares in words for a progress bar; empty: none yet."""
        curve = read_curve(self.file)
        if not curve:
            return ""
        now = curve[-1]
        text = f"new {now.new_5d2cm:.0f} / {now.new_10d5cm:.0f} %"
        if now.kept_5d2cm is not None:
            text += f", kept {now.kept_5d2cm:.0f} / {now.kept_10d5cm:.0f} %"
        return text


def read_curve(file: Path) -> tuple[CurvePoint, ...]:
    """Return the points of a curve's file, in order; none where there is no file."""
    if not file.exists():
        return ()
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return tuple(
        CurvePoint(
            int(float(row["clouds"])),
            float(row["new_5d2cm"]),
            float(row["new_10d5cm"]),
            float(row["kept_5d2cm"]) if row["kept_5d2cm"] else None,
            float(row["kept_10d5cm"]) if row["kept_10d5cm"] else None,
        )
        for row in rows
    )

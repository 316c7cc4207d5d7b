# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Calibration of scores: from what an estimate shows of itself to the probability that it holds."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["ScoreCalibration", "SizeSpread", "probabilities"]

#: Bounds of the numbers in a file.
_LARGEST, _MOST_FEATURES = 1e6, 64
#: Probabilities keep this distance from 0 and 1: no number of views shows more.
_MARGIN = 0.005


@dataclass(frozen=True)
class SizeSpread:
    """Sizes that the objects of a category have.

    Attributes:
        mean: (3,) of the logarithms of the box's edges in metres.
        precision: (3, 3) inverse of their covariance, row by row.
    """

    mean: tuple[float, float, float]
    precision: tuple[float, ...]


@dataclass(frozen=True)
class ScoreCalibration:
    """Logistic regression of whether poses hold, one for estimates from nothing, one for tracking.

    Attributes:
        features: names of the evidence that it takes, in their order.
        fresh: (2, F + 1) coefficients and offset for estimates that know of none before; of the
            pose (within 10 degrees and 5 cm), and of its y axis and place alone.
        tracked: (2, F + 1) the same for estimates that start around a known pose.
        sizes: of the objects, by category.

    Raises:
        ValueError: not as many coefficients as features, or a number is not finite or absurd.

    Example:
        >>> calibration = ScoreCalibration(
        ...     ("agreement",), ((4.0, -2.0), (4.0, -1.0)), ((4.0, 0.0), (4.0, 0.0)), {}
        ... )
        >>> agreement = torch.tensor([[0.5], [1.0]]).double()
        >>> calibration.probabilities(agreement).round(decimals=2).tolist()
        [[0.5, 0.73], [0.88, 0.95]]
    """

    features: tuple[str, ...]
    fresh: tuple[tuple[float, ...], tuple[float, ...]]
    tracked: tuple[tuple[float, ...], tuple[float, ...]]
    sizes: Mapping[str, SizeSpread]

    def __post_init__(self) -> None:
        if not 1 <= len(self.features) <= _MOST_FEATURES:
            raise ValueError(f"expected 1 to {_MOST_FEATURES} features, got {len(self.features)}")
        for rows in (self.fresh, self.tracked):
            if len(rows) != 2 or any(len(row) != len(self.features) + 1 for row in rows):
                raise ValueError(
                    f"expected two rows of {len(self.features) + 1} coefficients, got "
                    f"{[len(row) for row in rows]}"
                )
            _check_numbers([value for row in rows for value in row])
        for name, spread in self.sizes.items():
            if len(spread.mean) != 3 or len(spread.precision) != 9:
                raise ValueError(f"expected 3 means and 9 precisions of the sizes of {name}")
            _check_numbers([*spread.mean, *spread.precision])

    def probabilities(self, evidence: Tensor, *, tracked: bool = False) -> Tensor:
        """Return the probabilities (B, 2) that poses hold, and that their y axes and places do.

        Args:
            evidence: (B, F), finite.
            tracked: whether the candidates started around known poses.
        """
        return probabilities(evidence, self.table(tracked=tracked).to(evidence))

    def table(self, *, tracked: bool = False) -> Tensor:
        """Return the coefficients and offsets (2, F + 1) float64."""
        return torch.tensor(self.tracked if tracked else self.fresh, dtype=torch.float64)

    def to_text(self) -> str:
        """Return it as JSON, for `from_text`."""
        sizes = {name: [list(s.mean), list(s.precision)] for name, s in self.sizes.items()}
        return json.dumps(
            {
                "features": list(self.features),
                "fresh": [list(row) for row in self.fresh],
                "tracked": [list(row) for row in self.tracked],
                "sizes": sizes,
            }
        )

    @classmethod
    def from_text(cls, text: str) -> "ScoreCalibration":
        """Return the calibration that `to_text` wrote.

        Raises:
            ValueError: damaged.
        """
        try:
            values = json.loads(text)
            sizes = {
                str(name): SizeSpread(_row(mean), _row(precision))  # type: ignore[arg-type]
                for name, (mean, precision) in values["sizes"].items()
            }
            fresh, tracked = (tuple(map(_row, values[key])) for key in ("fresh", "tracked"))
            features = tuple(map(str, values["features"]))
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"no calibration of scores: {str(error)[:100]}") from error
        return cls(features, fresh, tracked, sizes)  # type: ignore[arg-type]


def probabilities(evidence: Tensor, table: Tensor) -> Tensor:
    """Return the probabilities (B, 2) that poses hold, and that their y axes and places do.

    Args:
        evidence: (B, F), finite.
        table: (2, F + 1) as of `ScoreCalibration.table`, of the evidence's type and on its device.
    """
    logit = evidence @ table[:, :-1].mT + table[:, -1]
    pose, axis = logit.sigmoid().clamp(_MARGIN, 1 - _MARGIN).unbind(-1)
    return torch.stack((pose, torch.maximum(pose, axis)), -1)


def _row(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _check_numbers(values: Sequence[float]) -> None:
    if not all(math.isfinite(value) and abs(value) <= _LARGEST for value in values):
        raise ValueError(f"a number of the calibration is not finite or above {_LARGEST:g}")

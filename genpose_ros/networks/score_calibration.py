# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Calibration of scores: from what an estimate shows of itself to the probability that it holds."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ["Inflation", "ScoreCalibration", "SizeSpread", "probabilities"]

#: Bounds of the numbers in a file.
_LARGEST, _MOST_FEATURES = 1e6, 64
#: Probabilities keep this distance from 0 and 1: no number of views shows more.
_MARGIN = 0.005
#: Covariances are enlarged by no more than this.
_MOST_INFLATED = 100.0


@dataclass(frozen=True)
class Inflation:
    """Factors of covariances, at least 1, that grow or shrink with the probability of a pose.

    The logarithm of a factor goes with the logit of the probability that the y axis and the place
    are right. Poses that are far off are another mode's, of which no covariance speaks; what is
    left errs more than its candidates show where all of them agree.

    Attributes:
        position: offset and slope for the position.
        rotation: offset and slope for the rotation.

    Raises:
        ValueError: not two numbers each, or one is not finite or absurd.

    Example:
        >>> Inflation((math.log(2), 0.5), (-1.0, 0.0)).factors(0.5)
        (2.0, 1.0)
        >>> Inflation().factors(0.9)
        (1.0, 1.0)
    """

    position: tuple[float, float] = (0.0, 0.0)
    rotation: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if len(self.position) != 2 or len(self.rotation) != 2:
            raise ValueError("expected an offset and a slope of each inflation of covariances")
        _check_numbers([*self.position, *self.rotation])

    def factors(self, probability: float) -> tuple[float, float]:
        """Return the factors of the variances of a position and of a rotation.

        Args:
            probability: that the pose's y axis and place are right, 0 to 1.
        """
        logit = _logit(probability)
        position, rotation = (a + b * logit for a, b in (self.position, self.rotation))
        most = math.log(_MOST_INFLATED)
        return math.exp(min(max(position, 0.0), most)), math.exp(min(max(rotation, 0.0), most))


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
        inflation: of the covariances of estimates that know of none before.

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
    inflation: Inflation = field(default_factory=Inflation)

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
        values: dict[str, object] = {
            "features": list(self.features),
            "fresh": [list(row) for row in self.fresh],
            "tracked": [list(row) for row in self.tracked],
            "sizes": sizes,
        }
        if self.inflation != Inflation():
            values["inflation"] = [list(self.inflation.position), list(self.inflation.rotation)]
        return json.dumps(values)

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
            position, rotation = map(_row, values.get("inflation", ((0.0, 0.0), (0.0, 0.0))))
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"no calibration of scores: {str(error)[:100]}") from error
        inflation = Inflation(position, rotation)  # type: ignore[arg-type]
        return cls(features, fresh, tracked, sizes, inflation)  # type: ignore[arg-type]


def probabilities(evidence: Tensor, table: Tensor) -> Tensor:
    """Return the probabilities (B, 2) that poses hold, and that their y axes and places do.

    Args:
        evidence: (B, F), finite.
        table: (2, F + 1) as of `ScoreCalibration.table`, of the evidence's type and on its device.
    """
    logit = evidence @ table[:, :-1].mT + table[:, -1]
    pose, axis = logit.sigmoid().clamp(_MARGIN, 1 - _MARGIN).unbind(-1)
    return torch.stack((pose, torch.maximum(pose, axis)), -1)


def _logit(probability: float) -> float:
    """The logit of a probability, of those that scores can have."""
    probability = min(max(probability, _MARGIN), 1 - _MARGIN)
    return math.log(probability / (1 - probability))


def _row(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _check_numbers(values: Sequence[float]) -> None:
    if not all(math.isfinite(value) and abs(value) <= _LARGEST for value in values):
        raise ValueError(f"a number of the calibration is not finite or above {_LARGEST:g}")

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Description of a checkpoint: its network, its categories, and what it records of itself."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genpose_ros.geometry.categories import CategorySet
from genpose_ros.networks.checkpoints import default_weights, describe_checkpoint, load_model
from genpose_ros.networks.interface import PoseModel
from genpose_ros.networks.score_calibration import Inflation, ScoreCalibration

__all__ = ["WeightsDescription", "describe_weights"]

#: Entries that a description has as something else, or that are long tables of numbers.
_SAID_ANYWAY = ("architecture", "categories", "score_calibration")


@dataclass(frozen=True)
class WeightsDescription:
    """Description of a checkpoint whose tensors are whole.

    Attributes:
        file: the checkpoint.
        file_bytes: its size.
        file_sha256: hash of the whole file.
        architecture: of the network.
        parameters: how many numbers it has learnt.
        has_energy: whether candidates can be ranked by an energy.
        calibrated: what of its results is calibrated: scores, covariances.
        categories: that it estimates.
        released: whether its tensors are those of the released weights.
        accuracy: by category, as recorded in the file; empty where it is not.
        recorded: everything else that the file says of itself, by name.
    """

    file: Path
    file_bytes: int
    file_sha256: str
    architecture: str
    parameters: int
    has_energy: bool
    calibrated: tuple[str, ...]
    categories: CategorySet
    released: bool
    accuracy: dict[str, Any]
    recorded: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            **vars(self),
            "file": str(self.file),
            "categories": [category.to_dict() for category in self.categories],
        }


def describe_weights(path: Path | str | None = None) -> WeightsDescription:
    """Load a checkpoint, which checks its tensors, and describe it.

    Args:
        path: one of our files, or the authors' score checkpoint; None or empty: the released
            weights.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no checkpoint, damaged, or holds an energy network alone.

    Example:
        >>> described = describe_weights()
        >>> described.released, described.architecture, described.categories.names[0]
        (True, 'genpose-light', 'bottle')
    """
    model = load_model(path)
    file = Path(path or default_weights()).expanduser()
    recorded = _recorded(file)
    trained = _table(recorded.pop("has_trained_energy", "true"))
    digest = recorded.get("tensor_sha256")
    accuracy = _table(recorded.pop("accuracy", "{}"))
    return WeightsDescription(
        file=file,
        file_bytes=file.stat().st_size,
        file_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        architecture=model.architecture,
        parameters=_parameters(model),
        has_energy=model.has_energy and bool(trained),
        calibrated=_calibrated(model.score_calibration),
        categories=model.categories,
        released=digest is not None and digest == _released_digest(),
        accuracy=accuracy if isinstance(accuracy, dict) else {},
        recorded={name: _table(text) for name, text in sorted(recorded.items())},
    )


def _recorded(file: Path) -> dict[str, str]:
    """Metadata but for what the description says anyway; an authors' file has none."""
    try:
        known = describe_checkpoint(file)
    except ValueError:
        return {}
    return {name: text for name, text in known.items() if name not in _SAID_ANYWAY}


def _calibrated(calibration: ScoreCalibration | None) -> tuple[str, ...]:
    if calibration is None:
        return ()
    return ("scores",) if calibration.inflation == Inflation() else ("scores", "covariances")


def _parameters(model: PoseModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _released_digest() -> str | None:
    try:
        return describe_checkpoint(default_weights())["tensor_sha256"]
    except FileNotFoundError:
        return None


def _table(text: str) -> Any:
    """The value of a JSON text; another text as it is."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text

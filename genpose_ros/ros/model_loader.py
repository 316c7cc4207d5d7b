# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Loading of the networks, once for all settings, and what diagnostics say of them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.estimation.stop_flag import StopFlag
from genpose_ros.networks.model_set import ModelSet

__all__ = ["CheckpointFile", "ModelLoader"]


@dataclass(frozen=True)
class CheckpointFile:
    """Checkpoint that a model was loaded from: file name and SHA-256; empty: it is not known."""

    name: str = ""
    sha256: str = ""

    @classmethod
    def of(cls, file: Path) -> "CheckpointFile":
        """Return what is known of a file.

        Raises:
            OSError: it cannot be read.
        """
        return cls(file.name, hashlib.sha256(file.read_bytes()).hexdigest())


class ModelLoader:
    """Maker of estimators that loads the networks with the first one and shares them.

    Attributes:
        about: device, architectures, and the checkpoints' file names and SHA-256; empty before the
            first estimator.
        checkpoints: the file that estimates each category, by its name; empty before that too.
    """

    def __init__(self) -> None:
        self.about: dict[str, str] = {}
        self.checkpoints: Mapping[str, CheckpointFile] = {}
        self._models: ModelSet | None = None
        # One for all: the worker may still be at a frame with the estimator before.
        self._stop = StopFlag()

    def free(self) -> None:
        """Forget the networks; the next estimator loads them again."""
        self._models = None
        self.about, self.checkpoints = {}, {}

    def __call__(self, settings: EstimatorSettings) -> PoseEstimator:
        """Return an estimator; its settings that need other networks are not looked at again.

        Raises:
            FileNotFoundError: there is no such checkpoint.
            ValueError: a checkpoint or the device cannot be used, or two know the same class.
        """
        if self._models is not None:
            return PoseEstimator(self._models, settings, self._stop)
        first = PoseEstimator.from_settings(settings, self._stop)
        self._models = first.models
        files = [CheckpointFile.of(file) for file in first.models.files]
        self.checkpoints = {
            name: file
            for file, model in zip(files, first.models.models, strict=True)
            for name in model.categories.names
        }
        self.about = {
            "device": str(first.device),
            "architecture": ", ".join(model.architecture for model in first.models.models),
            "categories": ", ".join(first.categories.names),
            "checkpoint": ", ".join(file.name for file in files),
            "checkpoint SHA-256": ", ".join(file.sha256 for file in files),
        }
        return first

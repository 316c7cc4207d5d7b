# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Loading of the network, once for all settings, and what diagnostics say of it."""

import hashlib
from pathlib import Path

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.networks.checkpoints import default_weights
from genpose_ros.networks.interface import PoseModel

__all__ = ["ModelLoader"]


class ModelLoader:
    """Maker of estimators that loads the network with the first one and shares it.

    Attributes:
        about: device, architecture, and the checkpoint's file name and SHA-256; empty before the
            first estimator.
    """

    def __init__(self) -> None:
        self.about: dict[str, str] = {}
        self._model: PoseModel | None = None

    def __call__(self, settings: EstimatorSettings) -> PoseEstimator:
        """Return an estimator; its settings that need another network are not looked at again.

        Raises:
            FileNotFoundError: there is no such checkpoint.
            ValueError: the checkpoint or the device cannot be used.
        """
        if self._model is not None:
            return PoseEstimator(self._model, settings)
        first = PoseEstimator.from_settings(settings)
        self._model = first.model
        file = Path(settings.weights or default_weights())
        self.about = {
            "device": str(first.model.device),
            "architecture": first.model.architecture,
            "checkpoint": file.name,
            "checkpoint SHA-256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
        return first

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Files of the small models that studies train: weights, and a record of their cost."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from genpose_ros.files import whole_file
from genpose_ros.networks.checkpoints import load_model, save_model
from genpose_ros.networks.light import LightConfig, LightPoseModel
from genpose_ros.networks.regression import PoseRegression

__all__ = [
    "RECORD",
    "load_small_diffusion",
    "load_small_regression",
    "read_record",
    "save_small",
    "small_file",
]

#: File name of the record in a run's folder.
RECORD = "training.json"


def read_record(run: Path) -> dict[str, Any]:
    """Return what `train_missing` wrote down: settings, and CPU seconds and loss per model.

    Raises:
        FileNotFoundError: nothing has been trained in this folder.
        ValueError: the record is damaged.
    """
    path = run / RECORD
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: genpose study train DATA {run} makes it")
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {**record, "settings": dict(record["settings"])}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def small_file(run: Path, name: str) -> Path:
    """Where a small model's weights are in the folder of a run."""
    return run / f"{name}.safetensors"


def save_small(model: nn.Module, path: Path) -> None:
    """Write the weights of a small model of either kind; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(model, LightPoseModel):
        save_model(model, path, {"training_data": "a study"})
    elif isinstance(model, PoseRegression):
        weights = {name: value.contiguous() for name, value in model.state_dict().items()}
        with whole_file(path) as partial:
            save_file(weights, partial, {"config": json.dumps(model.config())})


def load_small_diffusion(run: Path, name: str = "diffusion") -> LightPoseModel:
    """Load a small diffusion model from the folder of a run.

    Raises:
        FileNotFoundError: it has not been trained.
        ValueError: the file is something else.
    """
    model = load_model(_trained(run, name))
    if not isinstance(model, LightPoseModel):
        raise ValueError(f"{small_file(run, name)} is {model.architecture}")
    return model


def load_small_regression(run: Path, name: str) -> PoseRegression:
    """Load a small regression network from the folder of a run.

    Raises:
        FileNotFoundError: it has not been trained.
        ValueError: the file is something else.
    """
    path = _trained(run, name)
    try:
        with safe_open(path, framework="pt") as archive:
            config = json.loads((archive.metadata() or {})["config"])
        model = PoseRegression(LightConfig(**config))
        model.load_state_dict(load_file(path))
    except (KeyError, RuntimeError, TypeError, SafetensorError) as error:
        raise ValueError(f"{path} holds no regression network: {error}") from error
    return model.eval().requires_grad_(False)


def _trained(run: Path, name: str) -> Path:
    path = small_file(run, name)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: genpose study train DATA {run} makes it")
    return path

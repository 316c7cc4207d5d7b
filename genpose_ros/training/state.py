# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""State of a training on disk: written in one move, read with errors that say what is wrong."""

from pathlib import Path
from typing import Any

import torch

from genpose_ros.files import whole_file
from genpose_ros.networks.interface import PoseModel
from genpose_ros.networks.light import LightPoseModel
from genpose_ros.networks.reference import ReferencePoseModel
from genpose_ros.networks.torch_files import load_torch_file

__all__ = ["build_model", "read_state", "write_state"]

_MODELS: tuple[type[PoseModel], ...] = (LightPoseModel, ReferencePoseModel)

#: What a state file holds at least.
_STATE = {"config", "model", "averaged", "optimizer", "step", "elapsed"}


def build_model(architecture: str, config: dict[str, Any], seed: int = 0) -> PoseModel:
    """A model with fresh weights, ready to train; the global generator stays as it was.

    Args:
        architecture: genpose-light or genpose-reference.
        config: see the architecture's `from_config`.
        seed: decides the weights.

    Raises:
        ValueError: an unknown architecture, or a config that does not fit it.
    """
    for kind in _MODELS:
        if kind.architecture == architecture:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                try:
                    return kind.from_config(config)
                except (KeyError, TypeError) as error:
                    raise ValueError(f"no config of {architecture}: {error}") from error
    names = " or ".join(kind.architecture for kind in _MODELS)
    raise ValueError(f"architecture must be {names}, got {architecture!r}")


def read_state(state_file: Path) -> dict[str, Any]:
    """Read a training state: architecture, config, model, averaged, optimizer, step, elapsed, best.

    Raises:
        ValueError: the file is damaged or no training state.
    """
    state = load_torch_file(state_file)
    if not isinstance(state, dict) or not set(state) >= _STATE:
        raise ValueError(f"{state_file} is no state of a training run")
    # States of the first version were of the light model, and had no validation; later ones no
    # auxiliary heads.
    return {"architecture": LightPoseModel.architecture, "best": None, "auxiliary": {}, **state}


def write_state(state: dict[str, Any], state_file: Path) -> None:
    """Write a training state in one move.

    Raises:
        OSError: it cannot be written; the state written before stays.
    """
    try:
        with whole_file(state_file) as partial:
            torch.save(state, partial)
    except RuntimeError as error:  # PyTorch's word for a full disk
        raise OSError(f"cannot write {state_file}: is the disk full? ({error})") from error

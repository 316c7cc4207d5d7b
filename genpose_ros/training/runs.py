# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Folder of a training run: score.pt, energy.pt, their curves, and the checkpoint to release."""

import json
import logging
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from genpose_ros.checkout import git
from genpose_ros.files import folder_lock
from genpose_ros.networks.checkpoints import load_model, save_model
from genpose_ros.networks.devices import emulates_bf16
from genpose_ros.networks.interface import PoseModel
from genpose_ros.networks.light import LightPoseModel, without_distilled_head
from genpose_ros.networks.reference import ReferencePoseModel
from genpose_ros.synthesis import SetRecipe, ShapeLibrary
from genpose_ros.training.data import CloudPool
from genpose_ros.training.generated import GeneratedPool
from genpose_ros.training.parallel import Workers, connect
from genpose_ros.training.recipe import Recipe
from genpose_ros.training.settings import TrainingSettings
from genpose_ros.training.state import build_model, read_state
from genpose_ros.training.trainer import Progress, Training, train

__all__ = ["CHECKPOINT", "RunResult", "averaged_model", "in_reach", "open_pool", "train_run"]

#: The released file's name within a run's folder.
CHECKPOINT = "genpose.safetensors"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunResult:
    """Result of a call of `train_run`.

    Attributes:
        checkpoint: the averaged weights.
        training: what was done.
    """

    checkpoint: Path
    training: Training


def train_run(
    data: Path | SetRecipe,
    run: Path,
    recipe: Recipe,
    target: str,
    on_progress: Callable[[Progress], None] | None = None,
    *,
    start: Path | None = None,
    stop_after_minutes: float = math.inf,
    library: ShapeLibrary | None = None,
) -> RunResult:
    """Train the score or the energy in a run's folder, or go on with it.

    The energy starts from the score's averaged weights, and anew when the score has been trained on
    since. Whatever stops the run, Ctrl-C included, leaves a checkpoint of what there is. Under
    torchrun the processes work together, and the first one writes.

    Args:
        data: folder of a synthetic set; a recipe: clouds are made while training.
        run: the run's folder; made when missing.
        recipe: model and settings.
        target: "score" or "energy".
        on_progress: called about once a second.
        start: weights that a new score run starts from; None: random ones.
        stop_after_minutes: end after so long, so that the same call can go on later.
        library: that the objects of the validation views are from; None: the generators of the
            set's categories.

    Raises:
        ValueError: no clouds in `data`, a state or checkpoint of another model, an energy run
            without a score to start from, a state file that is none, or no shapes to validate on.
        FloatingPointError: the loss is no longer finite.
        OSError: the run's folder cannot be written, or another process trains in it.
    """
    began = time.monotonic()
    workers = connect(recipe.settings(target).device)
    settings = in_reach(recipe.settings(target), workers.device)
    pool = open_pool(data, settings, workers)
    shapes = library or ShapeLibrary(pool.categories)
    with ExitStack() as held:
        if workers.rank == 0:
            held.enter_context(folder_lock(run))
        state_file = run / f"{target}.pt"
        if target == "energy" and workers.rank == 0:
            _drop_outdated_energy(run, state_file)
        workers.total([0])  # the others wait for the first
        model = _energy_start(run, recipe) if target == "energy" else _score_start(start, recipe)
        model.categories = pool.categories
        try:
            training = train(
                pool,
                state_file,
                settings,
                model,
                on_progress=on_progress,
                stop_after_s=60 * stop_after_minutes - (time.monotonic() - began),
                workers=workers,
                library=shapes,
            )
        finally:
            if workers.rank == 0 and state_file.exists():
                _export(pool, run, recipe, target)
        return RunResult(run / CHECKPOINT, training)


def open_pool(
    data: Path | SetRecipe, settings: TrainingSettings, workers: Workers
) -> CloudPool | GeneratedPool:
    """Return the pool of a set on disk, or of clouds made while training.

    Raises:
        ValueError: the folder holds no shard, or a damaged one.
    """
    if isinstance(data, SetRecipe):
        return GeneratedPool(data, settings, workers.device, rank=workers.rank, ranks=workers.count)
    return CloudPool(data)


def in_reach(settings: TrainingSettings, device: torch.device) -> TrainingSettings:
    """Return the settings without bfloat16 on a CPU that has to emulate it, ten times slower."""
    if settings.bf16 and emulates_bf16(device):
        _log.info("this CPU does not multiply in bfloat16: the encoder runs in float32")
        return replace(settings, bf16=False)
    return settings


def averaged_model(state_file: Path) -> PoseModel:
    """Return the model with the averaged weights of a training state, ready to train, on the CPU.

    Raises:
        ValueError: the file is no training state.
    """
    return _averaged(read_state(state_file))


def _averaged(state: dict[str, Any]) -> PoseModel:
    model = build_model(state["architecture"], state["config"])
    model.load_state_dict(state["averaged"])
    return model


def _score_start(start: Path | None, recipe: Recipe) -> PoseModel:
    """A fresh model, or one with a checkpoint's weights."""
    model = build_model(recipe.architecture, recipe.model, recipe.score.seed)
    if start is None:
        return model
    known = load_model(start)
    if isinstance(known, LightPoseModel):
        known = without_distilled_head(known)
    config = known.config()
    if model.uses_up and not known.uses_up:
        config |= {"up": True}  # what is new says nothing at first
    if (known.architecture, config) != (model.architecture, model.config()):
        raise ValueError(
            f"{start} is {known.architecture} with {known.config()}; the recipe {recipe.name} "
            f"trains {model.architecture} with {model.config()}: choose another recipe"
        )
    model.load_state_dict(model.state_dict() | known.state_dict())
    return model


def _energy_start(run: Path, recipe: Recipe) -> PoseModel:
    """The model an energy run starts from: its own state's, else the score's."""
    for name in ("energy.pt", "score.pt"):
        if (run / name).exists():
            model = averaged_model(run / name)
            break
    else:
        raise ValueError(f"{run} holds no score.pt: run genpose train score first")
    if model.architecture != recipe.architecture:
        raise ValueError(
            f"{run} holds a {model.architecture}, the recipe {recipe.name} trains "
            f"{recipe.architecture}: choose that run's recipe"
        )
    if isinstance(model, ReferencePoseModel) and not model.has_energy:
        # A network of its own, from scratch.
        with_energy = build_model(model.architecture, {"energy": True}, recipe.energy.seed)
        with_energy.load_state_dict(model.state_dict(), strict=False)
        return with_energy
    return model


def _drop_outdated_energy(run: Path, state_file: Path) -> None:
    """Delete an energy's state that was trained on another score than the folder's."""
    score_file = run / "score.pt"
    if not (score_file.exists() and state_file.exists()):
        return
    known = read_state(state_file)["averaged"]
    score = {
        name: values
        for name, values in read_state(score_file)["averaged"].items()
        if not name.startswith("energy_")
    }
    if all(name in known and torch.equal(known[name], v) for name, v in score.items()):
        return
    _log.warning("the score has been trained on since: its energy starts anew")
    for suffix in (".pt", ".csv"):
        state_file.with_suffix(suffix).unlink(missing_ok=True)


def _export(pool: CloudPool | GeneratedPool, run: Path, recipe: Recipe, target: str) -> None:
    """Write the averaged weights with what they were made of."""
    state = read_state(run / f"{target}.pt")
    metadata = {
        "training_data": pool.described(),
        "git_commit": git("describe", "--always", "--dirty", "--abbrev=40") or "unknown",
        "recipe": recipe.name,
        "settings": json.dumps(asdict(recipe.settings(target)), sort_keys=True),
        "last_trained": target,
        "steps": str(state["step"]),
        "minutes": f"{state['elapsed'] / 60:.1f}",
        "has_trained_energy": json.dumps(target == "energy"),
    }
    model = _averaged(state).eval()
    model.categories = pool.categories
    save_model(model, run / CHECKPOINT, metadata)

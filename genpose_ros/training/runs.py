"""A training run's folder: score.pt, energy.pt, their curves, and the checkpoint to release."""

import json
import logging
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from genpose_ros.networks.checkpoints import load_model, save_model
from genpose_ros.networks.light import LightConfig, LightPoseModel
from genpose_ros.training.data import CloudPool
from genpose_ros.training.trainer import Progress, TrainingSettings, read_state, train

__all__ = ["CHECKPOINT", "averaged_model", "train_run"]

#: The released file's name within a run's folder.
CHECKPOINT = "genpose.safetensors"

_log = logging.getLogger(__name__)


def train_run(
    data: Path,
    run: Path,
    settings: TrainingSettings,
    on_progress: Callable[[Progress], None] | None = None,
    *,
    checkpoint: Path | None = None,
) -> Path:
    """Train the score or the energy in a run's folder, or go on with it; return the checkpoint.

    The energy starts from the score's averaged weights, whose encoder it shares, and anew when the
    score has been trained on since. Whatever stops the run, Ctrl-C included, leaves a checkpoint of
    what there is.

    Args:
        data: folder of a synthetic set.
        run: the run's folder; made when missing.
        settings: what to train, and for how long.
        on_progress: called about once a second.
        checkpoint: weights of a light model that a new score run starts from; None: random ones.

    Raises:
        ValueError: no clouds in `data`, a checkpoint of another architecture, an energy run without
            a score to start from, or a state file that is none.
        FloatingPointError: the loss is no longer finite.
        OSError: the run's folder cannot be written.
    """
    pool = CloudPool(data)
    state_file = run / f"{settings.target}.pt"
    if settings.target == "energy":
        start = _energy_start(run, state_file)
    else:
        start = None if checkpoint is None else _light_model(checkpoint)
    try:
        train(pool, state_file, settings, start=start, on_progress=on_progress)
    finally:
        if state_file.exists():
            _export(data, run, state_file)
    return run / CHECKPOINT


def _energy_start(run: Path, state_file: Path) -> LightPoseModel | None:
    """The model an energy run starts from; None: it goes on from its own state.

    A state that was trained on another score than the folder's is deleted.
    """
    score_file = run / "score.pt"
    if not score_file.exists():
        if state_file.exists():
            return None
        raise ValueError(f"{run} holds no score.pt: run genpose train score first")
    score = averaged_model(score_file)
    if state_file.exists():
        known = read_state(state_file)["averaged"]
        shared = {k: v for k, v in score.state_dict().items() if not k.startswith("energy_head.")}
        if all(name in known and torch.equal(known[name], v) for name, v in shared.items()):
            return None
        _log.warning("the score has been trained on since: its energy starts anew")
        state_file.unlink()
        state_file.with_suffix(".csv").unlink(missing_ok=True)
    return score


def _light_model(checkpoint: Path) -> LightPoseModel:
    model = load_model(checkpoint)
    if not isinstance(model, LightPoseModel):
        raise ValueError(
            f"{checkpoint} is {model.architecture}: training starts from "
            f"{LightPoseModel.architecture} checkpoints only"
        )
    return model


def averaged_model(state_file: Path) -> LightPoseModel:
    """Return the model with the averaged weights of a training state, on the CPU.

    Raises:
        ValueError: the file is no training state.
    """
    return _averaged(read_state(state_file))


def _averaged(state: dict[str, Any]) -> LightPoseModel:
    model = LightPoseModel(LightConfig(**state["config"]))
    model.load_state_dict(state["averaged"])
    return model.eval()


def _export(data: Path, run: Path, state_file: Path) -> None:
    """Write the averaged weights with what they were made of."""
    state = read_state(state_file)
    recipe = data / "recipe.json"
    metadata = {
        "training_data": recipe.read_text() if recipe.exists() else str(data.name),
        "git_commit": _git_commit(),
        "last_trained": state_file.stem,
        "steps": str(state["step"]),
        "minutes": f"{state['elapsed'] / 60:.1f}",
        "has_trained_energy": json.dumps(state_file.stem == "energy"),
    }
    save_model(_averaged(state), run / CHECKPOINT, metadata)


def _git_commit() -> str:
    """The commit of the code, with a mark where it was changed since; "unknown" outside git."""
    here = Path(__file__).parent
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],  # noqa: S607  # from PATH
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return answer.stdout.strip()

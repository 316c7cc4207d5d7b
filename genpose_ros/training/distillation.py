# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Distillation of a finished model: a head that finds where the score's flow ends, at once.

The encoder and the other heads stay as they are, so that nothing but the sampler changes.
"""

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genpose_ros.checkout import git
from genpose_ros.files import folder_lock
from genpose_ros.networks.checkpoints import (
    describe_checkpoint,
    load_attachments,
    load_model,
    save_model,
    tensor_fingerprint,
)
from genpose_ros.networks.light import (
    LightPoseModel,
    with_distilled_head,
    without_distilled_head,
)
from genpose_ros.synthesis import SetRecipe, ShapeLibrary
from genpose_ros.training.data import CloudPool
from genpose_ros.training.flows import FlowPool
from genpose_ros.training.generated import GeneratedPool
from genpose_ros.training.parallel import connect
from genpose_ros.training.recipe import Recipe
from genpose_ros.training.runs import CHECKPOINT, RunResult, in_reach, open_pool
from genpose_ros.training.settings import TrainingSettings
from genpose_ros.training.state import read_state
from genpose_ros.training.trainer import Progress, train

__all__ = ["DISTILLATION", "distil_run"]

#: Entry of a checkpoint's metadata that says how its distilled head was made, and the version of
#: what it says.
DISTILLATION = "distillation"
_VERSION = 1

#: Metadata that a checkpoint gets anew.
_OWN = ("architecture", "config", "categories", "tensor_sha256", "attached_sha256")
#: Settings that decide the flows of a part.
_FLOWS = ("starts", "solver", "steps", "sigma")

_log = logging.getLogger(__name__)


def distil_run(
    data: Path | SetRecipe,
    run: Path,
    recipe: Recipe,
    on_progress: Callable[[Progress], None] | None = None,
    *,
    start: Path | None = None,
    stop_after_minutes: float = math.inf,
    library: ShapeLibrary | None = None,
    on_flows: Callable[[int, int], None] | None = None,
) -> RunResult:
    """Distil a finished model in a run's folder, or go on with it.

    The run's checkpoint gets the head beside the networks it has; what it says of itself, its
    calibration and its attachments stay. Flows are kept in the folder until the run is finished.

    Args:
        data: folder of a synthetic set; a recipe: clouds are made for it.
        run: the run's folder; made when missing.
        recipe: its settings of `distil`.
        on_progress: called about once a second.
        start: the finished model; None: the run's checkpoint.
        stop_after_minutes: end after so long, so that the same call can go on later; the flows
            under way are finished before.
        library: that the objects of the validation views are from; None: the generators of the
            set's categories.
        on_flows: called with how many clouds' flows are there, and how many there will be.

    Raises:
        FileNotFoundError: there is no model to start from.
        ValueError: it is not of the light architecture or of other categories than the clouds, no
            clouds in `data`, or a state file that is none.
        FloatingPointError: the loss is no longer finite.
        OSError: the run's folder cannot be written, or another process trains in it.
    """
    began = time.monotonic()
    workers = connect(recipe.distil.device)
    settings = in_reach(recipe.distil, workers.device)
    pool, source = open_pool(data, settings, workers), start or run / CHECKPOINT
    finished = _finished(source, pool)
    teacher = tensor_fingerprint(finished.state_dict())
    state_file = run / "distil.pt"
    with ExitStack() as held:
        if workers.rank == 0:
            held.enter_context(folder_lock(run))
            _drop_outdated(state_file, finished)
        workers.total([0])  # the others wait for the first
        name = f"flows-{_flows_name(pool.described(), teacher, settings)}"
        flows = FlowPool(pool, finished, settings, run / name, workers=workers, on_part=on_flows)
        model, about = _student(finished, settings), _about(source, teacher)
        try:
            training = train(
                flows,
                state_file,
                settings,
                model,
                on_progress=on_progress,
                stop_after_s=60 * stop_after_minutes - (time.monotonic() - began),
                workers=workers,
                library=library or ShapeLibrary(pool.categories),
            )
        finally:
            if workers.rank == 0 and state_file.exists():
                _export(run, model, settings, about)
        if training.finished and workers.rank == 0:
            flows.remove()
        return RunResult(run / CHECKPOINT, training)


def _student(finished: LightPoseModel, settings: TrainingSettings) -> LightPoseModel:
    """The finished model with a new head beside its own."""
    return with_distilled_head(
        finished.cpu(),
        layers=settings.distilled_layers,
        width=settings.distilled_width,
        sigma=settings.distilled_sigma,
    )


def _about(source: Path, teacher: str) -> "_About":
    """What the finished checkpoint says of itself and carries."""
    said = {k: v for k, v in describe_checkpoint(source).items() if k not in _OWN}
    return _About(said, load_attachments(source), teacher)


def _finished(source: Path, pool: CloudPool | GeneratedPool) -> LightPoseModel:
    """The model to distil, without a head of before."""
    model = load_model(source)
    if not isinstance(model, LightPoseModel):
        raise ValueError(f"{source} is {model.architecture}: only genpose-light is distilled")
    if model.categories.names != pool.categories.names:
        raise ValueError(
            f"{source} knows {', '.join(model.categories.names)}, the clouds are of "
            f"{', '.join(pool.categories.names)}"
        )
    return without_distilled_head(model)


def _flows_name(data: str, teacher: str, settings: TrainingSettings) -> str:
    """A name of the flows' folder that others' flows do not have."""
    decisive = [getattr(settings, f"flow_{name}") for name in _FLOWS]
    text = f"{teacher} {decisive} {settings.seed} {data}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _drop_outdated(state_file: Path, finished: LightPoseModel) -> None:
    """Delete the state of a head that was distilled from another model."""
    if not state_file.exists():
        return
    known = read_state(state_file)["averaged"]
    theirs = finished.state_dict()
    if all(name in known and torch.equal(known[name], v) for name, v in theirs.items()):
        return
    _log.warning("the model is another one than was distilled: the head starts anew")
    for suffix in (".pt", ".csv"):
        state_file.with_suffix(suffix).unlink(missing_ok=True)


@dataclass(frozen=True)
class _About:
    """What a checkpoint says of itself beside its model.

    Attributes:
        metadata: all but what is recorded anew.
        attachments: by name.
        teacher: hash of the model's tensors.
    """

    metadata: dict[str, str]
    attachments: dict[str, Tensor]
    teacher: str


def _export(run: Path, model: LightPoseModel, settings: TrainingSettings, about: _About) -> None:
    """Write the averaged head beside the networks of the finished model."""
    state = read_state(run / "distil.pt")
    made: dict[str, Any] = {
        "version": _VERSION,
        "teacher_sha256": about.teacher,
        "steps": state["step"],
        "minutes": round(state["elapsed"] / 60, 1),
        "git_commit": git("describe", "--always", "--dirty", "--abbrev=40") or "unknown",
        "settings": asdict(settings),
    }
    distilled = LightPoseModel.from_config(state["config"])
    distilled.load_state_dict(state["averaged"])
    distilled.categories, distilled.score_calibration = model.categories, model.score_calibration
    metadata = about.metadata | {DISTILLATION: json.dumps(made, sort_keys=True)}
    save_model(distilled.eval(), run / CHECKPOINT, metadata, about.attachments)

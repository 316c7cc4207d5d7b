# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Fine-tuning to categories of one's own: render, score, energy, measure; resumable at any moment.

A run's folder lies beside the weights that it will write, and is deleted when they are there.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genpose_ros.checkout import git
from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.evaluation.score_calibration import calibration_views, fit_calibration
from genpose_ros.evaluation.synthetic import (
    SyntheticReport,
    evaluate_synthetic,
    synthetic_views,
    told_up,
)
from genpose_ros.files import read_json, write_whole
from genpose_ros.networks.checkpoints import load_model, save_model
from genpose_ros.networks.devices import emulates_bf16, torch_device
from genpose_ros.networks.interface import PoseModel
from genpose_ros.networks.light import LightPoseModel, without_distilled_head
from genpose_ros.own_categories.outcome import Outcome, by_category
from genpose_ros.own_categories.plan import Plan, begin_run
from genpose_ros.own_categories.validation import HeldOutValidation, read_curve
from genpose_ros.synthesis.clouds import CloudBatch
from genpose_ros.synthesis.domains import WIDE
from genpose_ros.synthesis.library import ShapeLibrary, mesh_attachments
from genpose_ros.synthesis.shards import SetRecipe, write_set
from genpose_ros.training import CloudPool, Progress, TrainingSettings, load_recipe, train
from genpose_ros.training.objectives import Teacher

__all__ = ["FineTuningProgress", "Stage", "fine_tune"]

_log = logging.getLogger(__name__)

RECIPE = "own-category"

#: Shards are small, so that a short run ends in time and an interrupted one loses little.
_SHARD = 2048
#: A new run without minutes is ended by its steps alone.
_NO_CLOCK = 1e5
#: Clouds that the energy sees, in those of the score.
_ENERGY_CLOUDS = 1 / 3
#: Views that the finished weights are measured on: per new category, and per kept one.
NEW_VIEWS, KEPT_VIEWS = 240, 60
#: Views that scores are calibrated on.
_CALIBRATION_VIEWS = 480
#: Seeds of the held-out views, of those of meshes that were trained on, and of the scores'.
VIEWS_SEED, _SEED_TRAINED_ON, _SEED_SCORES = 3_000_000, 3_100_000, 3_200_000
#: Held-out meshes of a category that the weights carry, at most.
_ATTACHED = 6


class Stage(str, Enum):
    """Stage of a fine-tuning.

    Attributes:
        RENDER: clouds of new and kept categories.
        SCORE: the score network, from finished weights.
        ENERGY: the energy that ranks candidates.
        MEASURE: new categories on held-out meshes, kept ones before and after.
    """

    RENDER = "render"
    SCORE = "score"
    ENERGY = "energy"
    MEASURE = "measure"


#: Shares of the time that the stages take.
_TIME = {Stage.RENDER: 0.08, Stage.SCORE: 0.76, Stage.ENERGY: 0.08, Stage.MEASURE: 0.08}


@dataclass(frozen=True)
class FineTuningProgress:
    """Progress of a fine-tuning, for a display.

    Attributes:
        stage: what is being done.
        done: share of the whole that is done.
        detail: clouds or views of the stage so far.
        accuracy: of the held-out objects so far; empty: not measured yet.
    """

    stage: Stage
    done: float
    detail: str
    accuracy: str = ""


def fine_tune(
    plan: Plan,
    output: Path,
    run: Path,
    *,
    workers: int = 1,
    device: str = "auto",
    on_progress: Callable[[FineTuningProgress], None] | None = None,
) -> Outcome:
    """Train the categories of a plan and write the weights; go on where `run` was left.

    Args:
        plan: what to train.
        output: the weights' file.
        run: folder of the run in progress; the caller deletes it when everything is written.
        workers: processes that render.
        device: of the training: auto, cpu, cuda or cuda:N.
        on_progress: called now and then.

    Raises:
        ValueError: `run` was begun with another plan.
        FloatingPointError: the loss is no longer finite.
        OSError: something cannot be written, such as on a full disk; the run stays as it was.
        KeyboardInterrupt: after Ctrl-C; the run goes on later.
    """
    begin_run(run, plan)
    work = _FineTuning(plan, run, workers, device, on_progress or (lambda progress: None))
    work.render()
    model = work.score()
    model = work.energy(model)
    outcome = work.measure(model)
    save_model(model, output, _metadata(outcome), mesh_attachments(_attached(plan)))
    return outcome


@dataclass(frozen=True)
class _Part:
    """Part of what is measured: a model on so many views of each category of a library."""

    model: PoseModel
    library: ShapeLibrary
    each: int
    seed: int
    table_seen: bool = False


class _FineTuning:
    """The stages of a run."""

    def __init__(
        self,
        plan: Plan,
        run: Path,
        workers: int,
        device: str,
        on_progress: Callable[[FineTuningProgress], None],
    ) -> None:
        self.plan, self.run, self.workers, self.device = plan, run, workers, device
        self._on_progress = on_progress
        self._data = run / "clouds"
        self._validation = HeldOutValidation(plan, run / "validation.csv", device)

    def render(self) -> None:
        """Render the training clouds: as many as are to be seen, or as the time allows."""
        record = self.run / "rendered.json"
        if self.plan.budget.clouds:
            self._render(self.plan.budget.clouds)
            return
        known = read_json(record) if record.exists() else {}
        clouds, seconds = int(known.get("clouds", 0)), float(known.get("seconds", 0.0))
        budget_s = 60 * self.plan.budget.minutes * _TIME[Stage.RENDER]
        while clouds == 0 or seconds < budget_s:
            began = time.monotonic()
            clouds += _SHARD * self.workers
            self._render(clouds, min(1.0, seconds / budget_s))
            seconds += time.monotonic() - began
            write_whole(record, json.dumps({"clouds": clouds, "seconds": seconds}) + "\n")

    def score(self) -> PoseModel:
        """Fine-tune the score network, and return the model of averaged weights."""
        model = load_model(self.plan.start)
        if isinstance(model, LightPoseModel):
            model = without_distilled_head(model)
        return self._train(Stage.SCORE, model)

    def energy(self, model: PoseModel) -> PoseModel:
        """Fine-tune the energy on the trained encoder."""
        return self._train(Stage.ENERGY, model)

    def measure(self, model: PoseModel) -> Outcome:
        """Calibrate the trained model's scores; measure it, and the start on what is kept."""
        plan = self.plan
        self._calibrate(model)
        parts = [
            _Part(model, plan.held_out, NEW_VIEWS, VIEWS_SEED),
            _Part(model, plan.held_out, NEW_VIEWS, VIEWS_SEED, table_seen=True),
            _Part(model, plan.trained_on, NEW_VIEWS // 2, _SEED_TRAINED_ON),
        ]
        kept = plan.kept_library
        if kept is not None:
            start = load_model(plan.start)
            parts += [_Part(who, kept, KEPT_VIEWS, VIEWS_SEED) for who in (start, model)]
        measured = [self._measured(part, i / len(parts)) for i, part in enumerate(parts)]
        return Outcome(
            plan=plan,
            new=measured[0][0],
            new_on_table=measured[1][0],
            views=measured[0][1],
            trained_on=measured[2][0],
            kept_before=measured[3][0] if kept else None,
            kept_after=measured[4][0] if kept else None,
            curve=read_curve(self._validation.file),
            rendered=len(CloudPool(self._data)),
            stages=self._stage_records(),
        )

    def _calibrate(self, model: PoseModel) -> None:
        """Give the model scores that are probabilities; of too few views, mere agreement."""
        self._report(Stage.MEASURE, 0.0, "scores")
        library = self.plan.training_library
        views = calibration_views(_CALIBRATION_VIEWS, _SEED_SCORES, library)
        estimator = PoseEstimator(model, EstimatorSettings(device=self.device))
        try:
            model.score_calibration, _ = fit_calibration(estimator, views, library)
        except ValueError as error:
            model.score_calibration = None
            _log.warning("scores are the share of agreeing candidates: %s", error)

    def _measured(self, part: "_Part", done: float) -> tuple[SyntheticReport, CloudBatch]:
        self._report(Stage.MEASURE, done, "held-out views")
        categories = part.library.categories
        views = synthetic_views(part.each * len(categories), part.seed, part.library)
        up = told_up(views, np.random.default_rng(part.seed)) if part.table_seen else None
        estimator = PoseEstimator(part.model, EstimatorSettings(device=self.device))
        return evaluate_synthetic(estimator, views, categories=categories, up=up), views

    def _render(self, clouds: int, share: float | None = None) -> None:
        """Render so many clouds; those that are there are kept.

        Args:
            clouds: of the whole set.
            share: of the stage that is done; None: as many of its shards as there are.
        """

        def on_shards(done: int, total: int) -> None:
            stage_done = done / max(total, 1) if share is None else share
            self._report(Stage.RENDER, stage_done, f"{_SHARD * done} clouds")

        recipe = SetRecipe(
            clouds,
            self.plan.seed,
            self.plan.training_library,
            self.plan.shares,
            domain=WIDE.name,  # what the released weights were trained on
            shard_size=_SHARD,
        )
        write_set(self._data, recipe, workers=self.workers, on_shards=on_shards)

    def _train(self, stage: Stage, model: PoseModel) -> PoseModel:
        settings = self._settings(stage)

        def on_progress(now: Progress) -> None:
            detail = f"{now.step * settings.batch} clouds, {now.clouds_per_s:.0f} a second"
            self._report(stage, now.done, detail)

        model.categories = self.plan.categories
        state = self.run / f"{stage.value}.pt"
        pool = CloudPool(self._data)
        return train(
            pool,
            state,
            settings,
            model,
            on_progress=on_progress,
            validate=self._validation.at(settings.batch),
            teacher=self._teacher() if stage is Stage.SCORE else None,
        ).model

    def _teacher(self) -> Teacher | None:
        """The start, which answers for the categories that are kept; None: there are none."""
        names = self.plan.categories.names
        kept = [names.index(category.name) for category in self.plan.kept]
        start = load_model(self.plan.start)
        return Teacher(start, kept) if kept and isinstance(start, LightPoseModel) else None

    def _settings(self, stage: Stage) -> TrainingSettings:
        """Those of the recipe, with the plan's budget and seed."""
        device, budget = torch_device(self.device), self.plan.budget
        target = stage.value
        recipe = load_recipe(RECIPE)
        batch = recipe.settings(target).batch
        changes: dict[str, Any] = {
            "seed": self.plan.seed,
            "device": self.device,
            "bf16": not emulates_bf16(device),
        }
        if budget.clouds:
            clouds = budget.clouds * (_ENERGY_CLOUDS if stage is Stage.ENERGY else 1)
            changes |= {"steps": max(1, round(clouds / batch)), "minutes": _NO_CLOCK}
        else:
            changes["minutes"] = budget.minutes * _TIME[stage]
        return recipe.changed(target, changes).settings(target)

    def _stage_records(self) -> dict[str, dict[str, Any]]:
        """Clouds seen and minutes taken by both trainings."""
        records = {}
        for stage in (Stage.SCORE, Stage.ENERGY):
            state = torch.load(self.run / f"{stage.value}.pt", mmap=True, weights_only=True)
            settings = self._settings(stage)
            records[stage.value] = {
                "clouds": state["step"] * settings.batch,
                "minutes": round(state["elapsed"] / 60, 2),
                "settings": asdict(settings),
            }
        return records

    def _report(self, stage: Stage, done: float, detail: str) -> None:
        stages = list(Stage)
        before = sum(_TIME[earlier] for earlier in stages[: stages.index(stage)])
        whole = before + _TIME[stage] * min(done, 1.0)
        accuracy = self._validation.latest_text()
        self._on_progress(FineTuningProgress(stage, whole, detail, accuracy))


def _attached(plan: Plan) -> list[Any]:
    """Held-out meshes for demos and evaluations with the weights alone."""
    return [mesh for folder in plan.folders for mesh in folder.test[:_ATTACHED]]


def _metadata(outcome: Outcome) -> dict[str, str]:
    """What the weights record of themselves."""
    plan = outcome.plan
    return {
        "training_data": json.dumps({**plan.record(), "rendered": outcome.rendered}),
        "training": json.dumps(outcome.stages),
        "accuracy": json.dumps(outcome.accuracy()),
        "accuracy_before": json.dumps(
            {} if outcome.kept_before is None else by_category(outcome.kept_before)
        ),
        "git_commit": git("describe", "--always", "--dirty", "--abbrev=40") or "unknown",
        "recipe": RECIPE,
        "last_trained": Stage.ENERGY.value,
        "has_trained_energy": "true",
    }

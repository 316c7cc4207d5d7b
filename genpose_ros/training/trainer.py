# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Training loop: a time budget, a moving average of the weights, resumable at any moment."""

import copy
import math
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genpose_ros.networks.checkpoints import save_model
from genpose_ros.networks.interface import PoseModel
from genpose_ros.networks.light import LightPoseModel
from genpose_ros.synthesis import NOCS_LIBRARY, ShapeLibrary
from genpose_ros.training.curves import Curves
from genpose_ros.training.data import Batch, CloudPool
from genpose_ros.training.flows import FlowBatch, FlowPool
from genpose_ros.training.generated import GeneratedPool
from genpose_ros.training.interrupts import Interrupts
from genpose_ros.training.objectives import Teacher, draw_noise_levels, objective_of
from genpose_ros.training.optimizers import Optimizer
from genpose_ros.training.parallel import Workers, connect
from genpose_ros.training.settings import TrainingSettings
from genpose_ros.training.state import read_state, write_state
from genpose_ros.training.validation import Validation, Validator

__all__ = ["Progress", "Training", "train"]


@dataclass(frozen=True)
class Progress:
    """Progress of a run, for a display.

    Attributes:
        step: optimiser steps taken.
        elapsed_s: training time so far, interruptions and validation not counted, seconds.
        done: share of the run's budget that is used.
        loss: mean denoising loss since the last report.
        size_loss: mean loss of the size head and of auxiliary ones since then; 0 where none is
            trained.
        clouds_per_s: clouds trained on per second since then, by all processes.
        learning_rate: of the latest step.
        validation: the latest one of this command; None: none yet.
    """

    step: int
    elapsed_s: float
    done: float
    loss: float
    size_loss: float
    clouds_per_s: float
    learning_rate: float
    validation: Validation | None = None


@dataclass(frozen=True)
class Training:
    """Result of a call of `train`.

    Attributes:
        model: with the averaged weights.
        steps: optimiser steps that were taken by this call; 0: there was nothing left to do.
        finished: whether the budget is used up.
        done: share of the budget that is used.
    """

    model: PoseModel
    steps: int
    finished: bool
    done: float


#: What a step is taken on: clouds or flows, and what else is drawn for them.
_Inputs = tuple[Batch | FlowBatch, tuple[Tensor, ...]]

#: Columns of the curves.
_COLUMNS = (
    "step",
    "elapsed_s",
    "done",
    "loss",
    "size_loss",
    "clouds_per_s",
    "learning_rate",
    "share_5d2cm",
    "share_10d5cm",
    "median_deg",
    "median_cm",
)


def train(
    pool: CloudPool | GeneratedPool | FlowPool,
    state_file: Path,
    settings: TrainingSettings,
    model: PoseModel,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    stop_after_s: float = math.inf,
    workers: Workers | None = None,
    clock: Callable[[], float] = time.monotonic,
    library: ShapeLibrary = NOCS_LIBRARY,
    validate: Callable[[PoseModel, int], Validation] | None = None,
    teacher: Teacher | None = None,
) -> Training:
    """Train until the budget is used; go on from `state_file` when it is there.

    Ctrl-C and SIGTERM end it after the step under way, with the state saved. Of several processes
    the first one writes.

    Args:
        pool: the training clouds; flows, where these are distilled.
        state_file: written every `save_every_s` and at the end. Beside it lie the curves (CSV) and,
            with validation, the best weights so far.
        settings: the run.
        model: what a new run starts from; its weights are trained in place. A run that goes on
            takes only its architecture.
        on_progress: called about once a second, by the first process.
        stop_after_s: end after so many seconds, so that a later call can go on.
        workers: the processes; None: as torchrun says.
        clock: what the budget is measured with, seconds.
        library: that the objects of the validation views are from.
        validate: gives the errors of the averaged model at a step; None: those of a `Validator`.
        teacher: a finished model that answers for some categories of the clouds.

    Raises:
        ValueError: the settings do not fit the model, or the state file is none or another model's.
        FloatingPointError: the loss is no longer finite; the batch lies beside `state_file`, which
            stays as it was last saved.
        OSError: something cannot be written.
        KeyboardInterrupt: after Ctrl-C or SIGTERM.
    """
    workers = workers or connect(settings.device)
    run = _Run(state_file, settings, model, workers, clock, library, validate, teacher)
    first = run.step
    with Interrupts() as interrupts:
        try:
            run.loop(pool, on_progress, clock() + stop_after_s, interrupts)
        except KeyboardInterrupt:
            run.save()
            raise
        finally:
            run.close()
    return Training(run.averaged, run.step - first, run.done >= 1, run.done)


class _Run:
    """State of a run, and the steps that change it."""

    def __init__(
        self,
        state_file: Path,
        settings: TrainingSettings,
        model: PoseModel,
        workers: Workers,
        clock: Callable[[], float],
        library: ShapeLibrary,
        validate: Callable[[PoseModel, int], Validation] | None,
        teacher: Teacher | None,
    ) -> None:
        if settings.batch % workers.count:
            raise ValueError(
                f"batch {settings.batch} cannot be shared by {workers.count} processes"
            )
        self.file, self.settings, self.workers, self.clock = state_file, settings, workers, clock
        self.library = library
        self.step = 0
        # `spent` is this process's time, `elapsed` the first one's at the latest step.
        self.spent = self.elapsed = 0.0
        self.best: float | None = None
        self.objective = objective_of(model.train(), settings, teacher)
        self.model, self.averaged = model, copy.deepcopy(model).requires_grad_(False).eval()
        state = read_state(state_file) if state_file.exists() else None
        if state is not None:
            self._go_on_from(state)
        # A compiled encoder is one, with threads of its own.
        threads = 1 if settings.compile else torch.get_num_threads()
        self.losses_of = workers.share(self.objective, threads=threads)
        self.averaged.to(workers.device)
        self.trained, self.trained_average = _trained_pairs(model, self.averaged)
        self.stepped = [*self.trained, *self.objective.auxiliary.parameters()]
        self.optimizer = Optimizer(self.stepped, settings)
        if state is not None:
            self.optimizer.load_state_dict(state["optimizer"])
        if settings.compile and isinstance(model, LightPoseModel):
            model.encoder.compile_patches()
        self._ahead = ThreadPoolExecutor(1) if workers.device.type == "cuda" else None
        self._upcoming: Future[_Inputs] | None = None
        self.validation: Validation | None = None
        self._measure = validate
        self._validated = -1
        self._curves: Curves | None = None
        if self.writes:
            state_file.parent.mkdir(parents=True, exist_ok=True)
            self._curves = Curves(state_file.with_suffix(".csv"), _COLUMNS, self.step)

    def _go_on_from(self, state: dict[str, Any]) -> None:
        """Take over weights, step and times of a state; the optimizer's come when there is one."""
        _check_same_model(state, self.model, self.file)
        _check_same_auxiliary(state, self.objective.auxiliary, self.file)
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.objective.auxiliary.load_state_dict(state["auxiliary"])
        self.step, self.best = state["step"], state["best"]
        self.spent = self.elapsed = state["elapsed"]

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes, reports and validates."""
        return self.workers.rank == 0

    @property
    def done(self) -> float:
        """Share of the budget that is used: of the time, or of the steps where they are fewer."""
        s = self.settings
        return max(self.elapsed / (60 * s.minutes), self.step / s.steps if s.steps else 0.0)

    def save(self) -> None:
        """Write everything a later run needs, in one move.

        Raises:
            OSError: it cannot be written; the state written before stays.
        """
        if not self.writes:
            return
        self._copy_buffers()
        state = {
            "architecture": self.model.architecture,
            "config": self.model.config(),
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "auxiliary": self.objective.auxiliary.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "elapsed": self.spent,
            "best": self.best,
        }
        write_state(state, self.file)

    def close(self) -> None:
        """Finish the curves and what was begun ahead."""
        if self._ahead is not None:
            self._ahead.shutdown()
        if self._curves is not None:
            self._curves.close()

    def loop(
        self,
        pool: CloudPool | GeneratedPool | FlowPool,
        on_progress: Callable[[Progress], None] | None,
        deadline: float,
        interrupts: Interrupts,
    ) -> None:
        """Train step by step; report about once a second, save and validate now and then."""
        s = self.settings
        first = self.step
        last = reported = saved = validated = self.clock()
        steps, sums = 0, [0.0, 0.0]
        while self.done < 1:
            before = self.done
            requests = [interrupts.requested, last - saved >= s.save_every_s, last >= deadline]
            losses, interrupted, save, stop = self._one_step(pool, requests)
            now = self.clock()
            self.spent += now - last
            last, steps = now, steps + 1
            sums = [a + b for a, b in zip(sums, losses, strict=True)]
            if self.writes and now - reported >= 1:
                rate = s.batch * steps / (now - reported)
                self._report(sums[0] / steps, sums[1] / steps, rate, on_progress)
                reported, steps, sums = now, 0, [0.0, 0.0]
            if save:
                self.save()
                self._refresh(pool)
                saved = now
            if interrupted:
                raise KeyboardInterrupt
            if stop:
                break
            if self._validation_is_due(now - validated, before):
                self._validate()
                last = validated = self.clock()
        if steps and self.writes:
            rate = s.batch * steps / max(last - reported, 1e-9)
            self._report(sums[0] / steps, sums[1] / steps, rate, on_progress)
        if self.step > first:
            if self.done >= 1:
                self._validate()
            self.save()

    def _one_step(
        self, pool: CloudPool | GeneratedPool | FlowPool, requests: list[bool]
    ) -> tuple[tuple[float, float], bool, bool, bool]:
        """Take one step of the optimiser; returns the losses, and what any process requests.

        Every decision is taken from sums over the processes, so that they take the same.
        """
        s, workers = self.settings, self.workers
        self.optimizer.learning_rate = self._learning_rate(pool)
        batch, drawn = self._inputs(pool)
        losses = self.losses_of(*vars(batch).values(), *drawn)
        own = losses.tolist()
        first = self.spent if self.writes else 0.0
        pose, size, self.elapsed, *flags = workers.total(
            [own[0] / workers.count, own[1] / workers.count, first, *map(float, requests)]
        )
        if not math.isfinite(pose + size):
            self._give_up(batch, sum(own))
        self.optimizer.zero_grad()
        workers.backward(losses)
        nn.utils.clip_grad_norm_(self.stepped, s.clip)
        self.optimizer.step()
        self.step += 1
        self._average()
        interrupted, save, stop = (flag > 0 for flag in flags)
        return (pose, size), interrupted, save, stop

    def _inputs(self, pool: CloudPool | GeneratedPool | FlowPool) -> _Inputs:
        """Those of `_draw`; while a GPU computes, the CPU draws the next step's."""
        if self._ahead is None:
            return self._draw(pool, self.step)
        now = self._upcoming or self._ahead.submit(self._draw, pool, self.step)
        inputs = now.result()
        self._upcoming = self._ahead.submit(self._draw, pool, self.step + 1)
        return inputs

    def _draw(self, pool: CloudPool | GeneratedPool | FlowPool, step: int) -> _Inputs:
        """This process's clouds of a step, with noise levels and noise for them; or its flows."""
        s, rank, count = self.settings, self.workers.rank, self.workers.count
        batch = pool.draw(step, s, rank=rank, ranks=count)
        if isinstance(batch, FlowBatch):
            return batch.to(self.workers.device), ()
        device, generator = self.workers.device, pool.generator(s.seed, step, 1)
        sigma = draw_noise_levels(s.batch, s, self.model.sigma_max, generator)[rank::count]
        shape = (s.batch, s.draws, 9)
        noise = torch.randn(shape, generator=generator, device=generator.device)[rank::count]
        return batch.to(device), (sigma.to(device), noise.to(device))

    def _give_up(self, batch: Batch | FlowBatch, own: float) -> None:
        if not math.isfinite(own):
            mark = f".{self.workers.rank}" if self.workers.count > 1 else ""
            saved = self.file.with_suffix(f".nan-batch{mark}.pt")
            torch.save(vars(batch), saved)
            where = f"the batch was saved to {saved}"
        else:
            where = "another process saved the batch"
        raise FloatingPointError(
            f"the loss is no longer finite at step {self.step}; {where}; "
            "go on from the last saved state with a lower learning rate"
        )

    def _learning_rate(self, pool: CloudPool | GeneratedPool | FlowPool) -> float:
        """Warm-up by steps; then flat and a cosine along the budget, or a factor per epoch."""
        s = self.settings
        warm = min(1.0, (self.step + 1) / s.warm_up)
        if s.schedule == "epochs":
            epochs = self.step * s.batch // len(pool)
            return warm * max(s.learning_rate * s.epoch_decay**epochs, s.lowest_rate)
        fall = max(0.0, (min(self.done, 1.0) - s.flat) / (1 - s.flat))
        return s.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * fall))

    def _average(self) -> None:
        """Move the average towards the model, faster while the run is young."""
        decay = min(self.settings.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.trained_average, self.trained, 1 - decay)

    def _copy_buffers(self) -> None:
        """The average takes running statistics as they are."""
        for ours, theirs in zip(self.averaged.buffers(), self.model.buffers(), strict=True):
            ours.copy_(theirs)

    def _refresh(self, pool: CloudPool | GeneratedPool | FlowPool) -> None:
        """Let new shards join, the same ones in every process and from the same step on."""
        if self._upcoming is not None:
            self._upcoming.result()
        seen = pool.refresh() if self.writes else 0
        count = int(self.workers.total([seen])[0])
        if not self.writes and pool.refresh(limit=count) != count:
            raise ValueError(f"this process sees {pool.shards} shards, the first one {count}")

    def _report(
        self,
        loss: float,
        size_loss: float,
        clouds_per_s: float,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        progress = Progress(
            self.step,
            self.elapsed,
            min(self.done, 1.0),
            loss,
            size_loss,
            clouds_per_s,
            self.optimizer.learning_rate,
            self.validation,
        )
        values = asdict(progress)
        del values["validation"]
        if self._curves is not None:
            self._curves.write(values)
        if on_progress is not None:
            on_progress(progress)

    def _validation_is_due(self, elapsed_s: float, done_before: float) -> bool:
        """Whether to validate after a step, so long after the last time."""
        s = self.settings
        if s.validations:
            return int(s.validations * self.done) > int(s.validations * done_before)
        return 0 < 60 * s.validate_every_min <= elapsed_s

    def _validate(self) -> None:
        """Measure pose errors, once a step; keep the weights when they are the best so far."""
        s = self.settings
        wanted = s.validations or s.validate_every_min
        if not wanted or self._curves is None or self._validated == self.step:
            return
        self._validated = self.step
        if self._measure is None:
            energy = s.target == "energy"
            validator = Validator(s.validation_views, energy=energy, library=self.library)
            self._measure = lambda model, step: validator(model)
        self._copy_buffers()
        result = self.validation = self._measure(self.averaged, self.step)
        self._curves.write({"step": self.step, "elapsed_s": self.elapsed, **asdict(result)})
        if self.best is None or result.rank > self.best:
            self.best = result.rank
            metadata = {f"validation_{name}": f"{v:.4g}" for name, v in asdict(result).items()}
            path = self.file.with_name(f"{self.file.stem}-best.safetensors")
            save_model(self.averaged, path, {"steps": str(self.step), **metadata})


def _trained_pairs(model: PoseModel, averaged: PoseModel) -> tuple[list[Tensor], list[Tensor]]:
    """The parameters that are trained, and their moving averages in the same order."""
    both = zip(model.parameters(), averaged.parameters(), strict=True)
    pairs = [(ours, average) for ours, average in both if ours.requires_grad]
    return [ours for ours, _ in pairs], [average for _, average in pairs]


def _check_same_model(state: dict[str, Any], model: PoseModel, state_file: Path) -> None:
    if state["architecture"] != model.architecture:
        raise ValueError(
            f"{state_file} trains {state['architecture']}, this recipe {model.architecture}: "
            "choose another folder, or that run's recipe"
        )
    ours = model.config()
    # A state may be older than some entry, which then had its default.
    known = model.from_config(state["config"]).config()
    differing = sorted(name for name in ours if ours[name] != known.get(name))
    if differing:
        raise ValueError(
            f"{state_file} trains a model that differs from this recipe's in "
            f"{', '.join(differing)}: choose another folder, or that run's recipe"
        )


def _check_same_auxiliary(state: dict[str, Any], auxiliary: nn.Module, state_file: Path) -> None:
    theirs, ours = state["auxiliary"], auxiliary.state_dict()
    if {n: v.shape for n, v in theirs.items()} != {n: v.shape for n, v in ours.items()}:
        raise ValueError(
            f"{state_file} trains other auxiliary heads than this recipe asks for: choose another "
            "folder, or that run's place_weight, surface_weight and regression_weight"
        )

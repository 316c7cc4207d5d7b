"""The training loop: a time budget, a moving average of the weights, resumable at any moment."""

import csv
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genpose_ros.networks.devices import torch_device
from genpose_ros.networks.light import LightConfig, LightPoseModel
from genpose_ros.training.data import CloudPool, augment
from genpose_ros.training.objectives import energy_loss, score_loss

__all__ = ["Progress", "TrainingSettings", "read_state", "train"]


@dataclass(frozen=True)
class TrainingSettings:
    """One training run.

    Attributes:
        target: "score" (encoder, score head and size head) or "energy" (energy head alone).
        minutes: time budget; the learning rate falls to zero along it.
        batch: clouds per step.
        draws: (noise level, noise) draws per encoded cloud.
        learning_rate: highest learning rate.
        warm_up: steps until it is reached.
        flat: share of the budget at the highest rate before the cosine begins.
        clip: largest gradient norm.
        average: decay of the moving average of the weights.
        bf16: run the encoder in bfloat16.
        device: where to train: auto (CUDA where there is one), cpu, cuda or cuda:N. The draws are
            made on the CPU, so that they are the same everywhere.
        seed: seed of all draws.
        save_every_s: seconds between checkpoints.
    """

    target: str = "score"
    minutes: float = 60.0
    batch: int = 48
    draws: int = 32
    learning_rate: float = 1e-3
    warm_up: int = 200
    flat: float = 0.3
    clip: float = 2.0
    average: float = 0.999
    bf16: bool = True
    device: str = "auto"
    seed: int = 0
    save_every_s: float = 60.0

    def __post_init__(self) -> None:
        if self.target not in {"score", "energy"}:
            raise ValueError(f"target must be score or energy, got {self.target!r}")
        if not 0 < self.minutes < math.inf:
            raise ValueError(f"minutes must be above 0 and finite, got {self.minutes:g}")
        for name in ("batch", "draws", "warm_up"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.flat < 1:
            raise ValueError(f"flat must lie in [0, 1), got {self.flat:g}")


@dataclass(frozen=True)
class Progress:
    """Where a run is: what a progress display needs.

    Attributes:
        step: optimiser steps taken.
        elapsed_s: training time so far, interruptions not counted, seconds.
        budget_s: the run's time budget, seconds.
        loss: mean denoising loss since the last report.
        size_loss: mean loss of the size head since then; 0 in an energy run.
        clouds_per_s: clouds trained on per second since then.
        learning_rate: of the next step.
    """

    step: int
    elapsed_s: float
    budget_s: float
    loss: float
    size_loss: float
    clouds_per_s: float
    learning_rate: float


def train(
    pool: CloudPool,
    state_file: Path,
    settings: TrainingSettings,
    *,
    config: LightConfig | None = None,
    start: LightPoseModel | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> LightPoseModel:
    """Train until the time budget is used; go on from `state_file` when it is there.

    Args:
        pool: the training clouds.
        state_file: written every `save_every_s` and at the end; also curves beside it as CSV.
        settings: the run.
        config: sizes of a new model.
        start: a trained model to begin from (the energy needs the score's encoder).
        on_progress: called about once a second.

    Returns:
        The model with its averaged weights.

    Raises:
        ValueError: an energy run without a model to start from, or a state file that is none.
        FloatingPointError: the loss is no longer finite; the batch lies beside `state_file`, which
            stays as it was last saved.
        OSError: the state cannot be written.
    """
    run = _Run(state_file, settings, config, start)
    try:
        run.loop(pool, on_progress)
    except FloatingPointError:
        raise
    except BaseException:
        run.save()
        raise
    run.save()
    return run.averaged


def read_state(state_file: Path) -> dict[str, Any]:
    """Read a training state: config, model, averaged, optimizer, generator, step, elapsed.

    Raises:
        ValueError: the file is damaged or no training state.
    """
    try:
        state = torch.load(state_file, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise ValueError(f"{state_file} is damaged, or no state of a training run") from error
    if not isinstance(state, dict) or not set(state) >= _STATE:
        raise ValueError(f"{state_file} is no state of a training run")
    return state


#: What a state file holds.
_STATE = {"config", "model", "averaged", "optimizer", "generator", "step", "elapsed"}


class _Run:
    """The state of a run, and what is done to it."""

    def __init__(
        self,
        state_file: Path,
        settings: TrainingSettings,
        config: LightConfig | None,
        start: LightPoseModel | None,
    ) -> None:
        if settings.target == "energy" and start is None and not state_file.exists():
            raise ValueError("an energy run needs a trained score model to start from")
        self.file, self.settings = state_file, settings
        self.device = torch_device(settings.device)
        state_file.parent.mkdir(parents=True, exist_ok=True)
        state = read_state(state_file) if state_file.exists() else None
        if state is not None:
            config = LightConfig(**state["config"])
        elif start is not None:
            config = start.settings
        torch.manual_seed(settings.seed)
        self.model = LightPoseModel(config).to(self.device)
        self.averaged = LightPoseModel(config).to(self.device)
        if start is not None:
            self.model.load_state_dict(start.state_dict())
        self.averaged.load_state_dict(self.model.state_dict())
        self.trained = _trained_parameters(self.model, settings.target)
        self.trained_average = _trained_parameters(self.averaged, settings.target)
        self.optimizer = torch.optim.AdamW(
            self.trained, settings.learning_rate, (0.9, 0.99), fused=True
        )
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.step, self.elapsed = 0, 0.0
        if state is not None:
            self._restore(state)

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.step, self.elapsed = state["step"], state["elapsed"]

    def save(self) -> None:
        """Write everything a later run needs, in one move.

        Raises:
            OSError: it cannot be written; the state written before stays.
        """
        state = {
            "config": self.model.config(),
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "step": self.step,
            "elapsed": self.elapsed,
        }
        partial = self.file.with_suffix(".partial")
        try:
            torch.save(state, partial)
            partial.replace(self.file)
        except RuntimeError as error:  # PyTorch's word for a full disk
            raise OSError(f"cannot write {self.file}: is the disk full? ({error})") from error
        finally:
            partial.unlink(missing_ok=True)

    def learning_rate(self) -> float:
        """Warm-up by steps; then flat; then a cosine along the time budget."""
        s = self.settings
        done = min(self.elapsed / (60 * s.minutes), 1.0)
        fall = max(0.0, (done - s.flat) / (1 - s.flat))
        warm = min(1.0, (self.step + 1) / s.warm_up)
        return s.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * fall))

    def loop(self, pool: CloudPool, on_progress: Callable[[Progress], None] | None) -> None:
        """Train step by step; report about once a second, save about once a minute."""
        s, budget = self.settings, 60 * self.settings.minutes
        last = reported = saved = time.monotonic()
        steps, sums = 0, [0.0, 0.0]
        while self.elapsed < budget:
            losses = self._one_step(pool)
            now = time.monotonic()
            self.elapsed += now - last
            last, steps = now, steps + 1
            sums = [a + b for a, b in zip(sums, losses, strict=True)]
            if now - reported >= 1:
                progress = Progress(
                    self.step,
                    self.elapsed,
                    budget,
                    sums[0] / steps,
                    sums[1] / steps,
                    s.batch * steps / (now - reported),
                    self.learning_rate(),
                )
                self._write_curve(progress)
                if on_progress is not None:
                    on_progress(progress)
                reported, steps, sums = now, 0, [0.0, 0.0]
            if now - saved >= s.save_every_s:
                self.save()
                pool.refresh()
                saved = now

    def _one_step(self, pool: CloudPool) -> tuple[float, float]:
        s = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        batch = augment(pool.draw(s.batch, self.generator), self.generator).to(self.device)
        if s.target == "score":
            loss, size = score_loss(self.model, batch, s.draws, self.generator, bf16=s.bf16)
        else:
            loss = energy_loss(self.model, batch, s.draws, self.generator, bf16=s.bf16)
            size = torch.zeros(())
        total = loss + size
        if not torch.isfinite(total):
            saved = self.file.with_suffix(".nan-batch.pt")
            torch.save(batch.__dict__, saved)
            raise FloatingPointError(
                f"the loss is {total.item()} at step {self.step}; the batch was saved to {saved}; "
                "go on from the last saved state with a lower learning rate"
            )
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.trained, s.clip)
        self.optimizer.step()
        self.step += 1
        self._average()
        return loss.item(), size.item()

    def _average(self) -> None:
        """Move the average towards the model, faster while the run is young."""
        decay = min(self.settings.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.trained_average, self.trained, 1 - decay)

    def _write_curve(self, progress: Progress) -> None:
        file = self.file.with_suffix(".csv")
        new = not file.exists()
        with file.open("a", newline="") as stream:
            writer = csv.writer(stream)
            if new:
                writer.writerow(progress.__dict__)
            writer.writerow([f"{value:.6g}" for value in progress.__dict__.values()])


def _trained_parameters(model: LightPoseModel, target: str) -> list[Tensor]:
    """The parameters of one target; all others are frozen."""
    parts = (
        [model.energy_head]
        if target == "energy"
        else [model.encoder, model.score_head, model.size_head]
    )
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    trained: list[Tensor] = []
    for part in parts:
        trained.extend(parameter.requires_grad_(True) for parameter in part.parameters())
    return trained

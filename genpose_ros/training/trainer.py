"""The training loop: a time budget, a moving average of the weights, resumable at any moment."""

import csv
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from genpose_ros.networks.light import LightConfig, LightPoseModel
from genpose_ros.training.data import CloudPool, augment
from genpose_ros.training.objectives import energy_loss, score_loss

__all__ = ["Progress", "TrainingSettings", "train"]


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
    seed: int = 0
    save_every_s: float = 60.0

    def __post_init__(self) -> None:
        if self.target not in {"score", "energy"}:
            raise ValueError(f"target must be score or energy, got {self.target!r}")
        if not self.minutes > 0:
            raise ValueError(f"minutes must be above 0, got {self.minutes:g}")


@dataclass(frozen=True)
class Progress:
    """Where a run is: what a progress display needs."""

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
        ValueError: an energy run without a model to start from.
        FloatingPointError: the loss is no longer finite; the batch lies beside `state_file`.
    """
    run = _Run(state_file, settings, config, start)
    try:
        run.loop(pool, on_progress)
    finally:
        run.save()
    return run.averaged


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
        torch.manual_seed(settings.seed)
        self.file, self.settings = state_file, settings
        state_file.parent.mkdir(parents=True, exist_ok=True)
        state = torch.load(state_file, weights_only=True) if state_file.exists() else None
        if state is not None:
            config = LightConfig(**state["config"])
        elif start is not None:
            config = start.settings
        self.model, self.averaged = LightPoseModel(config), LightPoseModel(config)
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

    def _restore(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        self.step, self.elapsed = state["step"], state["elapsed"]

    def save(self) -> None:
        """Write everything a later run needs, in one move."""
        partial = self.file.with_suffix(".partial")
        torch.save(
            {
                "config": self.model.config(),
                "model": self.model.state_dict(),
                "averaged": self.averaged.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "generator": self.generator.get_state(),
                "step": self.step,
                "elapsed": self.elapsed,
            },
            partial,
        )
        partial.replace(self.file)

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
        batch = augment(pool.draw(s.batch, self.generator), self.generator)
        if s.target == "score":
            loss, size = score_loss(self.model, batch, s.draws, self.generator, bf16=s.bf16)
        else:
            loss = energy_loss(self.model, batch, s.draws, self.generator, bf16=s.bf16)
            size = torch.zeros(())
        total = loss + size
        if not torch.isfinite(total):
            torch.save(batch.__dict__, self.file.with_suffix(".nan-batch.pt"))
            raise FloatingPointError(
                f"the loss is {total.item()} at step {self.step}; the batch was saved to "
                f"{self.file.with_suffix('.nan-batch.pt')}; resume with a lower learning rate"
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

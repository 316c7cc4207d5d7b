"""`genpose train`: the score and the energy of the light model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from genpose_ros.cli.console import ERR, goes_on_later, progress_bar, readable_errors
from genpose_ros.cli.options import DeviceOption, SeedOption

__all__ = ["train_app"]

train_app = typer.Typer(
    help="Train the light model on synthetic clouds; an interrupted run goes on where it was.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


DataArgument = Annotated[Path, typer.Argument(help="Folder of a set: genpose synthesize.")]

RunArgument = Annotated[Path, typer.Argument(help="Folder of the run: states, curves, weights.")]


BatchOption = Annotated[int, typer.Option(help="Clouds per step.", min=1)]


@train_app.command("score")
@readable_errors
def train_score(
    data: DataArgument,
    run: RunArgument,
    minutes: Annotated[float, typer.Option(help="Time budget, interruptions not counted.")] = 60,
    batch: BatchOption = 48,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    start: Annotated[
        Path | None,
        typer.Option(help="Weights of a light model that a new run starts from."),
    ] = None,
) -> None:
    """Train encoder, score head and size head by denoising score matching.

    Examples:

    - `genpose train score data runs/light --minutes 60`

    - `genpose train score data runs/longer --start weights/genpose-base.safetensors`
    """
    options = {"minutes": minutes, "batch": batch, "seed": seed, "device": device}
    _train(data, run, start, target="score", **options)


@train_app.command("energy")
@readable_errors
def train_energy(
    data: DataArgument,
    run: RunArgument,
    minutes: Annotated[float, typer.Option(help="Time budget, interruptions not counted.")] = 8,
    batch: BatchOption = 48,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Train the energy head on the score's encoder; writes the finished checkpoint.

    Example:

    - `genpose train energy data runs/light --minutes 8`
    """
    _train(data, run, None, target="energy", minutes=minutes, batch=batch, seed=seed, device=device)


def _train(data: Path, run: Path, start: Path | None, **options: Any) -> None:
    from genpose_ros.training import Progress, TrainingSettings, train_run

    settings = TrainingSettings(**options)
    bar = progress_bar(settings.target, "{task.fields[state]}")
    with goes_on_later(f"train {settings.target}"), bar as progress:
        task = progress.add_task("", total=60 * settings.minutes, state="")

        def on_progress(now: Progress) -> None:
            state = f"step {now.step}  loss {now.loss:.3f}  {now.clouds_per_s:.0f} clouds/s"
            progress.update(task, completed=now.elapsed_s, state=state)

        checkpoint = train_run(data, run, settings, on_progress, checkpoint=start)
    ERR.print(f"written: {checkpoint}", markup=False, soft_wrap=True)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose demo`: the node at work, with a simulated camera or recorded frames."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer

from genpose_ros.cli.console import OUT, check_outputs, progress_bar, readable_errors
from genpose_ros.cli.option_groups import grouped_options
from genpose_ros.cli.options import SeedOption, SetOption, WeightsOption

__all__ = ["demo"]


@dataclass(frozen=True, kw_only=True)
class MotionOptions:
    """Options of the demo in which the node tracks moving objects."""

    track: Annotated[
        bool, typer.Option("--track", help="Let something move, and the node track it.")
    ] = False
    motion: Annotated[
        str,
        typer.Option(
            help="With --track or --record, what moves: sweep (the camera), turntable, "
            "carried_slow, carried_fast, occlusion, returns, crossing, crowd, arm."
        ),
    ] = "sweep"
    seconds: Annotated[float, typer.Option(help="With --track or --record, how long.", min=1.0)] = (
        20.0
    )
    record: Annotated[
        Path | None,
        typer.Option(help="Write what the camera would publish as a bag, a new folder, instead."),
    ] = None


@readable_errors
@grouped_options
def demo(
    *,
    frames: Annotated[
        Path | None,
        typer.Option(help="Folder with recorded frames; default: a simulated RealSense D435."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write objects, errors and times.")] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Where the picture of the estimates goes; not with --track.",
            show_default="genpose_demo.png",
        ),
    ] = None,
    motions: MotionOptions,
    weights: WeightsOption = None,
    seed: SeedOption = 0,
    settings: SetOption = None,
) -> None:
    """Play frames to the estimator node over ROS 2 topics, show what it publishes and how well.

    Examples:

    - `genpose demo`

    - `genpose demo --frames recordings --json demo.json --picture demo.png`

    - `genpose demo --track --motion occlusion --seconds 30`

    - `genpose demo --record demo_bag --seconds 6`
    """
    from genpose_ros.cli.setting_changes import estimator_changes
    from genpose_ros.networks.model_set import absolute_weights

    check_outputs(json, picture)
    changes = estimator_changes(settings)
    if motions.record is not None:
        _record(motions.record, motions, seed, weights)
        return
    if motions.track:
        if frames is not None or picture is not None:
            raise ValueError("--track shows simulated things and draws no picture of them")
        if weights is not None:
            changes["weights"] = absolute_weights(str(weights))
        raise typer.Exit(_track(motions, seed, changes, json))
    module = _session("genpose_ros.ros.demo.still")
    files = {"frames": frames, "json": json, "picture": picture, "weights": weights}
    raise typer.Exit(module.run_demo(**files, seed=seed, settings=changes, console=OUT))


def _session(name: str) -> ModuleType:
    """Import a module of the demo, by name: there may be no ROS 2, which only this command needs.

    Raises:
        ModuleNotFoundError: there is none, or it lacks this package's messages.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the demo needs ROS 2 and this package's messages ({error}): run `make demo` in a "
            "checkout, or source the workspace that the package is built in"
        ) from error


def _record(path: Path, motions: MotionOptions, seed: int, weights: Path | None) -> None:
    """Record the simulated camera."""
    module = _session("genpose_ros.ros.demo.record_bag")
    with progress_bar("simulating", "{task.completed}/{task.total} images") as progress:
        task = progress.add_task("")
        size = module.record_bag(
            path,
            motion=motions.motion,
            seed=seed,
            seconds=motions.seconds,
            weights=str(weights or ""),
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    OUT.print(f"bag: {path}, {size / 1e6:.1f} MB", markup=False, highlight=False, soft_wrap=True)


def _track(motions: MotionOptions, seed: int, settings: dict[str, Any], json: Path | None) -> int:
    """Run the tracking demo; returns the exit status."""
    module = _session("genpose_ros.ros.demo.track")
    shown = module.TrackDemo(
        motion=motions.motion, seed=seed, seconds=motions.seconds, settings=settings
    )
    return int(module.run_track_demo(shown, json=json, console=OUT))

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

#: Where pictures go by default.
_PICTURE = "genpose_demo.png"


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
    robot: Annotated[
        str | None,
        typer.Option(
            metavar="TASK",
            help="Let a simulated xArm6 with the camera on its flange carry out a task instead, by "
            "estimated poses: pour, stack or handover. Needs no ROS.",
        ),
    ] = None
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
            help="Where the picture of the estimates goes, or of the arm; not with --track.",
            show_default=_PICTURE,
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

    - `genpose demo --robot pour --picture pour.png`
    """
    from genpose_ros.cli.setting_changes import estimator_changes
    from genpose_ros.networks.model_set import absolute_weights

    check_outputs(json, picture)
    changes = estimator_changes(settings)
    if motions.robot is not None:
        raise typer.Exit(_task(motions.robot, seed, weights, changes, picture, json))
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


def _task(
    name: str,
    seed: int,
    weights: Path | None,
    changes: dict[str, Any],
    picture: Path | None,
    json: Path | None,
) -> int:
    """Carry out a task in the simulated arm; returns 0 where it succeeded."""
    from dataclasses import asdict

    from genpose_ros.cli.console import ERR, write_json
    from genpose_ros.estimation import EstimatorSettings, PoseEstimator
    from genpose_ros.robot.grasps import GraspTable
    from genpose_ros.robot.inverse import InverseKinematics
    from genpose_ros.robot.simulation.picture import draw_runs
    from genpose_ros.robot.simulation.tasks import TASKS, run_task
    from genpose_ros.robot.xarm6 import xarm6_collisions

    if name not in TASKS:
        raise ValueError(f"--robot is one of {', '.join(TASKS)}; got {name!r}")
    if weights is not None:
        changes = {**changes, "weights": str(weights)}
    ends: dict[str, Any] = {}
    with ERR.status(f"the arm looks, plans and moves: {name}"):
        outcome = run_task(
            name,
            seed,
            solver=InverseKinematics(xarm6_collisions()),
            table=GraspTable.shipped(),
            estimator=PoseEstimator.from_settings(EstimatorSettings(**changes)),
            keep=lambda run, _: ends.update({name: run}),
        )
    for key, value in {**outcome.pose_errors_mm, **outcome.numbers}.items():
        unit = " mm off" if key in outcome.pose_errors_mm else ""
        OUT.print(f"{key}: {value:.3g}{unit}", highlight=False)
    OUT.print(f"{name}: {'done' if outcome.success else outcome.failure}", highlight=False)
    if ends:
        path = picture or Path(_PICTURE)
        draw_runs(ends, path)
        OUT.print(f"picture: {path.resolve()}", markup=False, highlight=False, soft_wrap=True)
    if json is not None:
        write_json(json, asdict(outcome))
    return 0 if outcome.success else 1

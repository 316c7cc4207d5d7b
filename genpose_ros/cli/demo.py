"""`genpose demo`: the node at work, with a simulated camera or recorded frames."""

from pathlib import Path
from typing import Annotated

import typer

from genpose_ros.cli.console import OUT, check_outputs, readable_errors
from genpose_ros.cli.options import SeedOption, SetOption, WeightsOption, setting_changes

__all__ = ["demo"]


@readable_errors
def demo(
    frames: Annotated[
        Path | None,
        typer.Option(help="Folder with recorded frames; default: a simulated RealSense D435."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write objects, errors and times.")] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Where the picture of the estimates goes.", show_default="genpose_demo.png"
        ),
    ] = None,
    weights: WeightsOption = None,
    seed: SeedOption = 0,
    settings: SetOption = None,
) -> None:
    """Play frames to the estimator node over ROS 2 topics, show what it publishes and how well.

    Examples:

    - `genpose demo`

    - `genpose demo --frames recordings --json demo.json --picture demo.png`
    """
    check_outputs(json, picture)
    # By name: there may be no ROS 2 here, which only this command needs.
    from importlib import import_module

    run_demo = import_module("genpose_ros.ros.demo").run_demo
    code = run_demo(
        frames=frames,
        json=json,
        picture=picture,
        seed=seed,
        weights=weights,
        settings=setting_changes(settings),
        console=OUT,
    )
    raise typer.Exit(code)

"""The options that several commands have, and what they turn into."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genpose_ros.cli.console import ERR

if TYPE_CHECKING:
    from genpose_ros.estimation import EstimatorSettings

__all__ = [
    "DeviceOption",
    "Preset",
    "PresetOption",
    "SeedOption",
    "SetOption",
    "WeightsOption",
    "chosen_settings",
    "load_estimator",
    "setting_changes",
]


class Preset(str, Enum):
    """The settings' presets."""

    FAST = "fast"
    PAPER = "paper"


PresetOption = Annotated[
    Preset, typer.Option(help="fast: 8 solver steps, filters on; paper: RK45, raw masks.")
]

WeightsOption = Annotated[
    Path | None, typer.Option(help="Checkpoint; default: the released weights.")
]

SeedOption = Annotated[int, typer.Option(help="Seed of all random draws.", min=0)]

DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]


SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one setting, as name=value; may be repeated."),
]


def chosen_settings(
    preset: Preset, weights: Path | None, seed: int, device: str, changes: list[str] | None
) -> "EstimatorSettings":
    from genpose_ros.estimation import EstimatorSettings

    values: dict[str, Any] = {"seed": seed, "device": device}
    if weights is not None:
        values["weights"] = str(weights)
    return EstimatorSettings.preset(preset.value, **(values | setting_changes(changes)))


def setting_changes(changes: list[str] | None) -> dict[str, Any]:
    """The settings of --set options, by name, in the type the setting has."""
    from genpose_ros.estimation.settings import describe
    from genpose_ros.settings import setting_from_text

    values: dict[str, Any] = {}
    for change in changes or []:
        name, equals, text = change.partition("=")
        if not equals:
            raise ValueError(f"--set expects name=value, got {change!r}")
        kind = type(describe(name)["default"])
        values[name] = setting_from_text(f"--set {name}", text, kind)
    return values


def load_estimator(settings: "EstimatorSettings") -> Any:
    from genpose_ros.estimation import PoseEstimator

    with ERR.status("loading the network"):
        return PoseEstimator.from_settings(settings)

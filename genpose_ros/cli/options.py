# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Options that several commands share, and the settings, estimators and views made of them."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genpose_ros.cli.console import ERR

if TYPE_CHECKING:
    from genpose_ros.estimation import EstimatorSettings
    from genpose_ros.synthesis import CloudBatch

__all__ = [
    "DeviceOption",
    "DomainName",
    "EstimatorOptions",
    "Preset",
    "SeedOption",
    "SetOption",
    "ViewOptions",
    "WeightsOption",
    "load_estimator",
]


class Preset(str, Enum):
    """Presets of the estimator's settings."""

    FAST = "fast"
    PAPER = "paper"


class DomainName(str, Enum):
    """Domains that views are drawn from."""

    D435 = "d435"
    WIDE = "wide"


WeightsOption = Annotated[
    Path | None, typer.Option(help="Checkpoint; default: the released weights.")
]

SeedOption = Annotated[int, typer.Option(help="Seed of all random draws.", min=0)]

DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one setting, as name=value; may be repeated."),
]


@dataclass(frozen=True, kw_only=True)
class EstimatorOptions:
    """Options of every command that estimates poses."""

    preset: Annotated[
        Preset, typer.Option(help="fast: 8 solver steps, filters on; paper: RK45, raw masks.")
    ] = Preset.FAST
    weights: WeightsOption = None
    seed: SeedOption = 0
    device: DeviceOption = "auto"
    changes: SetOption = None

    def settings(self) -> "EstimatorSettings":
        """The preset's settings with the other options on top.

        Raises:
            ValueError: no such setting, or a value of another type or out of range.
        """
        from genpose_ros.cli.setting_changes import estimator_changes
        from genpose_ros.estimation import EstimatorSettings

        values: dict[str, Any] = {"seed": self.seed, "device": self.device}
        if self.weights is not None:
            values["weights"] = str(self.weights)
        values |= estimator_changes(self.changes)
        return EstimatorSettings.preset(self.preset.value, **values)


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """Options of commands that render synthetic views."""

    views: Annotated[int, typer.Option(help="How many views.", min=1)] = 2000
    meshes: Annotated[
        Path | None, typer.Option(help="Folder of meshes with a manifest.json, for half of them.")
    ] = None
    split: Annotated[str, typer.Option(help="The manifest's split to take.")] = "test"
    domain: Annotated[
        DomainName,
        typer.Option(
            help="d435: noise and usual shapes; wide: all cameras, drivers' filters, cans alike at "
            "both ends, any roll."
        ),
    ] = DomainName.D435
    views_seed: Annotated[int, typer.Option(help="Seed of the views.", min=0)] = 2_000_000

    def render(self) -> "CloudBatch":
        """Render the views: the same ones for the same options.

        Raises:
            ValueError: the meshes cannot be read.
        """
        from genpose_ros.evaluation import synthetic_views
        from genpose_ros.synthesis import DOMAINS, load_meshes

        meshes = () if self.meshes is None else load_meshes(self.meshes, self.split)
        with ERR.status("rendering the views"):
            return synthetic_views(
                self.views, self.views_seed, meshes, domain=DOMAINS[self.domain.value]
            )


def load_estimator(settings: "EstimatorSettings") -> Any:
    """Load the network of the settings' weights, with a note on the terminal while it takes."""
    from genpose_ros.estimation import PoseEstimator

    with ERR.status("loading the network"):
        return PoseEstimator.from_settings(settings)

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
    from genpose_ros.geometry import CategorySet
    from genpose_ros.synthesis import CloudBatch, Mesh, ShapeLibrary

__all__ = [
    "DeviceOption",
    "DomainName",
    "EstimatorOptions",
    "HeldOutMeshesOption",
    "Preset",
    "SeedOption",
    "SetOption",
    "SplitOption",
    "ViewOptions",
    "WeightsOption",
    "load_estimator",
    "read_meshes",
    "shapes_of",
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
    Path | None,
    typer.Option(
        help="Checkpoint, or several with commas between, each class going to the one that knows "
        "it; default: the released weights."
    ),
]

HeldOutMeshesOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of meshes with a manifest.json or category.yaml, for half of the objects that "
        "have a generator and all others; default: what the weights carry."
    ),
]

SplitOption = Annotated[str, typer.Option(help="The manifest's split to take.")]

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
        Preset, typer.Option(help="fast: 4 solver steps, filters on; paper: RK45, raw masks.")
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
    meshes: HeldOutMeshesOption = None
    split: SplitOption = "test"
    domain: Annotated[
        DomainName,
        typer.Option(
            help="d435: noise and usual shapes; wide: all cameras, drivers' filters, cans alike at "
            "both ends, any roll."
        ),
    ] = DomainName.D435
    views_seed: Annotated[int, typer.Option(help="Seed of the views.", min=0)] = 2_000_000

    def library(self, weights: str) -> "ShapeLibrary":
        """The shapes of what a checkpoint knows, see `shapes_of`."""
        return shapes_of(weights, self.meshes, self.split)

    def render(self, library: "ShapeLibrary") -> "CloudBatch":
        """Render the views: the same ones for the same options and shapes."""
        from genpose_ros.evaluation import synthetic_views
        from genpose_ros.synthesis import DOMAINS

        with ERR.status("rendering the views"):
            return synthetic_views(
                self.views, self.views_seed, library, domain=DOMAINS[self.domain.value]
            )


def shapes_of(weights: str, meshes: Path | None = None, split: str = "test") -> "ShapeLibrary":
    """Return the held-out shapes of the categories that checkpoints know.

    Args:
        weights: checkpoints with commas between; empty: the released one.
        meshes: folder with a manifest.json, with a category.yaml or of such folders; None: the
            meshes that the checkpoints carry.
        split: test or train, or another one of a manifest.json.

    Raises:
        FileNotFoundError: no such checkpoint.
        ValueError: checkpoint or meshes are damaged, or there are no shapes of a category.
    """
    from genpose_ros.networks import known_categories
    from genpose_ros.synthesis import held_out_library, library_of

    if meshes is None:
        return library_of(weights)
    return held_out_library(*read_meshes(meshes, split, known_categories(weights)))


def read_meshes(
    folder: Path, split: str, categories: "CategorySet | None" = None
) -> "tuple[CategorySet, tuple[Mesh, ...]]":
    """Read one split of the meshes in a folder, with the categories that there are of them.

    Args:
        folder: with a manifest.json, whose meshes are of the categories that are given; with a
            category.yaml, or of such folders, which bring their own.
        split: test or train, or another one of a manifest.json.
        categories: what may be in the folder; None: anything, in a manifest.json the six.

    Raises:
        ValueError: a mesh or manifest cannot be used, or is of none of the categories.
        OSError: a file cannot be read.
    """
    from genpose_ros.geometry import NOCS, CategorySet
    from genpose_ros.synthesis import load_meshes

    if (folder / "manifest.json").is_file() or not _holds_categories(folder):
        known = categories or NOCS
        return known, load_meshes(folder, split, known)
    from genpose_ros.own_categories import read_category_folders

    if split not in ("train", "test"):
        raise ValueError(f"a category's folder has the splits train and test, not {split!r}")
    found = read_category_folders([folder])
    if categories is not None:
        for item in found:
            _ = categories[item.category.name]  # refused by name where unknown
    meshes = tuple(mesh for item in found for mesh in getattr(item, split))
    return categories or CategorySet(tuple(item.category for item in found)), meshes


def _holds_categories(folder: Path) -> bool:
    return any(folder.glob("category.yaml")) or any(folder.glob("*/category.yaml"))


def load_estimator(settings: "EstimatorSettings") -> Any:
    """Load the network of the settings' weights, with a note on the terminal while it takes."""
    from genpose_ros.estimation import PoseEstimator

    with ERR.status("loading the network"):
        return PoseEstimator.from_settings(settings)

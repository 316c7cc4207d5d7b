# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose synthesize`: training clouds on disk."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genpose_ros.cli.console import (
    ERR,
    check_outputs,
    goes_on_later,
    progress_bar,
    readable_errors,
)
from genpose_ros.cli.option_groups import grouped_options
from genpose_ros.cli.options import DeviceOption, DomainName, read_meshes

if TYPE_CHECKING:
    from genpose_ros.synthesis import SetRecipe

__all__ = ["synthesize"]

#: How many clouds are made where neither an option nor a recipe says otherwise.
_CLOUDS = 200_000


@dataclass(frozen=True, kw_only=True)
class SetOptions:
    """Options of what a set of clouds consists of."""

    clouds: Annotated[
        int | None,
        typer.Option(
            help="How many the whole set has, in shards of 8192.", show_default=f"{_CLOUDS}", min=1
        ),
    ] = None
    seed: Annotated[
        int | None, typer.Option(help="Seed of all random draws.", show_default="0", min=0)
    ] = None
    meshes: Annotated[
        Path | None,
        typer.Option(
            help="Folder of meshes with a manifest.json, to mix in; or with a category.yaml, or of "
            "such folders, to make clouds of these categories instead of the six."
        ),
    ] = None
    split: Annotated[str, typer.Option(help="Which split of the meshes to take.")] = "train"
    mesh_share: Annotated[
        float | None,
        typer.Option(
            help="Share of the clouds made of meshes.",
            show_default="0.25",
            min=0,
            max=1,
        ),
    ] = None
    domain: Annotated[
        DomainName,
        typer.Option(
            help="wide: all cameras, drivers' filters, cans alike at both ends, any roll; d435: "
            "noise and usual shapes, as evaluate synthetic has them."
        ),
    ] = DomainName.WIDE
    surface_points: Annotated[
        int,
        typer.Option(
            help="Keep so many points of each object's whole surface too, for trainings with a "
            "surface_weight; 6 bytes each.",
            min=0,
            max=65536,
        ),
    ] = 0
    recipe: Annotated[
        str,
        typer.Option(
            help="Take clouds, seed and share of meshes from a training recipe (genpose train "
            "recipes, or a file that ends in .yaml), where they are not given.",
            show_default="none",
        ),
    ] = ""

    def set_recipe(self) -> "SetRecipe":
        """The set: what is given here, else as the training recipe has it, else the defaults.

        Raises:
            ValueError: there is no such training recipe, it does not say what clouds it takes, or
                the meshes cannot be read.
            FileNotFoundError: there is no such file of a recipe.
        """
        from genpose_ros.synthesis import SetRecipe

        known = _of_recipe(self.recipe) if self.recipe else SetRecipe(_CLOUDS)
        library = known.library
        if self.meshes is not None:
            categories, meshes = read_meshes(self.meshes, self.split)
            library = replace(library, categories=categories, meshes=meshes)
        if self.mesh_share is not None:
            library = replace(library, mesh_share=self.mesh_share)
        given: dict[str, Any] = {"clouds": self.clouds, "seed": self.seed}
        return replace(
            known,
            **{name: value for name, value in given.items() if value is not None},
            library=library,
            domain=self.domain.value,
            surface_points=self.surface_points,
        )


@readable_errors
@grouped_options
def synthesize(
    directory: Annotated[Path, typer.Argument(help="Folder for the shards.")],
    options: SetOptions,
    *,
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = 2,
    device: DeviceOption = "cpu",
    rank: Annotated[int, typer.Option(help="Which of `--ranks` machines this is.", min=0)] = 0,
    ranks: Annotated[int, typer.Option(help="Machines that share the work.", min=1)] = 1,
    sheet: Annotated[
        Path | None, typer.Option(help="Draw clouds of each category and stance into this PNG.")
    ] = None,
) -> None:
    """Render training clouds: all categories alike, table views and tipped objects, cameras of
    all kinds.

    Shards that are there already are kept, so an interrupted run goes on, and a finished set can be
    looked at with `--sheet`. The same seed makes the same shards with any number of workers and
    ranks.

    Examples:

    - `genpose synthesize data --clouds 200000 --workers 8`

    - `genpose synthesize data --meshes my_meshes --mesh-share 0.5 --sheet data/sheet.png`

    - `genpose synthesize data --clouds 2000000 --rank 1 --ranks 4`

    - `genpose synthesize data --recipe release --meshes my_meshes`
    """
    check_outputs(None, sheet)
    from genpose_ros.networks.devices import torch_device
    from genpose_ros.synthesis import set_categories, write_set
    from genpose_ros.synthesis.contact_sheet import draw_contact_sheet, examples

    made = replace(options.set_recipe(), rank=rank, ranks=ranks)
    place = str(torch_device(device))
    with goes_on_later("synthesize"), progress_bar("shards", "{task.fields[state]}") as progress:
        task = progress.add_task("", total=None, state="")

        def on_shards(done: int, total: int) -> None:
            progress.update(task, total=total, completed=done, state=f"{done} of {total}")

        paths = write_set(directory, made, workers=workers, device=place, on_shards=on_shards)
    ERR.print(f"{len(paths)} shards in {directory}", markup=False, soft_wrap=True)
    if sheet is not None:
        draw_contact_sheet(examples(directory), sheet, set_categories(directory))
        ERR.print(f"picture in {sheet}", markup=False, soft_wrap=True)


def _of_recipe(name: str) -> "SetRecipe":
    """The set that a training recipe asks for."""
    from genpose_ros.training import load_recipe

    data = load_recipe(name).data
    if data is None:
        raise ValueError(f"the recipe {name} does not say what clouds it takes: give --clouds")
    return data

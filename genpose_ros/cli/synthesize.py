"""`genpose synthesize`: training clouds on disk."""

from pathlib import Path
from typing import Annotated

import typer

from genpose_ros.cli.console import (
    ERR,
    check_outputs,
    goes_on_later,
    progress_bar,
    readable_errors,
)
from genpose_ros.cli.options import DeviceOption, SeedOption

__all__ = ["synthesize"]


@readable_errors
def synthesize(
    directory: Annotated[Path, typer.Argument(help="Folder for the shards.")],
    clouds: Annotated[
        int, typer.Option(help="How many the whole set has, in shards of 8192.", min=1)
    ] = 200_000,
    seed: SeedOption = 0,
    meshes: Annotated[
        Path | None, typer.Option(help="Folder of meshes with a manifest.json, to mix in.")
    ] = None,
    split: Annotated[str, typer.Option(help="The manifest's split to take.")] = "train",
    mesh_share: Annotated[
        float, typer.Option(help="Share of the clouds made of meshes.", min=0, max=1)
    ] = 0.25,
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = 2,
    device: DeviceOption = "cpu",
    rank: Annotated[int, typer.Option(help="Which of `--ranks` machines this is.", min=0)] = 0,
    ranks: Annotated[int, typer.Option(help="Machines that share the work.", min=1)] = 1,
    sheet: Annotated[
        Path | None, typer.Option(help="Draw clouds of each category and stance into this PNG.")
    ] = None,
) -> None:
    """Render training clouds: six categories, table views and tipped objects, D435 noise.

    Shards that are there already are kept, so an interrupted run goes on, and a finished set can be
    looked at with `--sheet`. The same seed makes the same shards with any number of workers and
    ranks.

    Examples:

    - `genpose synthesize data --clouds 200000 --workers 8`

    - `genpose synthesize data --meshes my_meshes --mesh-share 0.5 --sheet data/sheet.png`

    - `genpose synthesize data --clouds 2000000 --rank 1 --ranks 4`
    """
    check_outputs(None, sheet)
    from genpose_ros.networks.devices import torch_device
    from genpose_ros.synthesis import SetRecipe, write_set
    from genpose_ros.synthesis.contact_sheet import draw_contact_sheet, examples

    recipe = SetRecipe(clouds, seed, meshes, split, mesh_share, rank=rank, ranks=ranks)
    place = str(torch_device(device))
    with goes_on_later("synthesize"), progress_bar("shards", "{task.fields[state]}") as progress:
        task = progress.add_task("", total=None, state="")

        def on_shards(done: int, total: int) -> None:
            progress.update(task, total=total, completed=done, state=f"{done} of {total}")

        paths = write_set(directory, recipe, workers=workers, device=place, on_shards=on_shards)
    ERR.print(f"{len(paths)} shards in {directory}", markup=False, soft_wrap=True)
    if sheet is not None:
        draw_contact_sheet(examples(directory), sheet)
        ERR.print(f"picture in {sheet}", markup=False, soft_wrap=True)

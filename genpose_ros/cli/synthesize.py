"""`genpose synthesize`: training clouds on disk."""

from pathlib import Path
from typing import Annotated

import typer

from genpose_ros.cli.console import ERR, goes_on_later, progress_bar, readable_errors
from genpose_ros.cli.options import SeedOption

__all__ = ["synthesize"]


@readable_errors
def synthesize(
    directory: Annotated[Path, typer.Argument(help="Folder for the shards.")],
    clouds: Annotated[int, typer.Option(help="How many, in shards of 8192.", min=1)] = 200_000,
    seed: SeedOption = 0,
    meshes: Annotated[
        Path | None, typer.Option(help="Folder of meshes with a manifest.json, to mix in.")
    ] = None,
    split: Annotated[str, typer.Option(help="The manifest's split to take.")] = "train",
    mesh_share: Annotated[
        float, typer.Option(help="Share of the clouds made of meshes.", min=0, max=1)
    ] = 0.25,
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = 2,
) -> None:
    """Render training clouds: six categories, table views and tipped objects, D435 noise.

    Shards that are there already are kept, so an interrupted run goes on.

    Examples:

    - `genpose synthesize data --clouds 200000 --workers 8`

    - `genpose synthesize data --meshes my_meshes --mesh-share 0.5`
    """
    from genpose_ros.synthesis import SetRecipe, write_set

    recipe = SetRecipe(clouds, seed, meshes, split, mesh_share)
    with goes_on_later("synthesize"), progress_bar("shards", "{task.fields[state]}") as progress:
        task = progress.add_task("", total=None, state="")

        def on_shards(done: int, total: int) -> None:
            progress.update(task, total=total, completed=done, state=f"{done} of {total}")

        paths = write_set(directory, recipe, workers=workers, on_shards=on_shards)
    ERR.print(f"{len(paths)} shards in {directory}", markup=False, soft_wrap=True)

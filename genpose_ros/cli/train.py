# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose train`: the score, the energy and the distilled head, by a recipe."""

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genpose_ros.cli.console import ERR, OUT, goes_on_later, progress_bar, readable_errors
from genpose_ros.cli.option_groups import grouped_options
from genpose_ros.cli.options import SetOption, read_meshes

if TYPE_CHECKING:
    from genpose_ros.synthesis import SetRecipe, ShapeLibrary
    from genpose_ros.training import Progress, Recipe, RunResult, TrainingSettings

__all__ = ["train_app"]

#: What a recipe trains, in this order.
_TARGETS = ("score", "energy", "distil")

StartOption = Annotated[
    Path | None, typer.Option(help="Weights of the recipe's model that a new run starts from.")
]

train_app = typer.Typer(
    help="Train the networks on synthetic clouds; an interrupted run goes on where it was.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Options of all trainings: set, run and recipe, and what is changed of the recipe."""

    data: Annotated[
        Path,
        typer.Argument(
            help="Folder of a set: genpose synthesize; or a dash: clouds are made while training, "
            "from the seed and the share of meshes that the recipe gives."
        ),
    ]
    run: Annotated[Path, typer.Argument(help="Folder of the run: states, curves, weights.")]
    recipe: Annotated[
        str, typer.Option(help="Name (genpose train recipes), or a file that ends in .yaml.")
    ] = "light"
    minutes: Annotated[
        float | None,
        typer.Option(
            help="Time budget that the learning rate falls along, interruptions not counted.",
            show_default="the recipe's",
        ),
    ] = None
    stop_after_minutes: Annotated[
        float,
        typer.Option(
            help="End this command after about so long; the same one then goes on.",
            show_default="never",
            min=0.1,
        ),
    ] = math.inf
    batch: Annotated[
        int | None, typer.Option(help="Clouds per step.", show_default="the recipe's")
    ] = None
    seed: Annotated[
        int | None, typer.Option(help="Seed of all random draws.", show_default="the recipe's")
    ] = None
    device: Annotated[
        str | None, typer.Option(help="auto, cpu, cuda or cuda:N.", show_default="the recipe's")
    ] = None
    meshes: Annotated[
        Path | None,
        typer.Option(
            help="Held-out meshes to validate on, a folder with a manifest.json or category.yaml; "
            "for clouds of other categories than the six. Clouds that are made while training take "
            "its meshes of the split train."
        ),
    ] = None
    changes: SetOption = None

    def library(self) -> "ShapeLibrary | None":
        """The shapes to validate on; None: generated ones.

        Raises:
            ValueError: the meshes cannot be used, or are none of the set's categories.
        """
        from genpose_ros.synthesis import held_out_library, set_categories

        if self.meshes is None:
            return None
        known = None if self.makes_clouds else set_categories(self.data)
        return held_out_library(*read_meshes(self.meshes, "test", known))

    @property
    def makes_clouds(self) -> bool:
        """Whether there is no set."""
        return str(self.data) == "-"

    def clouds(self, recipe: "Recipe") -> "Path | SetRecipe":
        """The set's folder, or what clouds to make while training.

        Raises:
            ValueError: the meshes cannot be used.
        """
        from genpose_ros.synthesis import SetRecipe

        if not self.makes_clouds:
            return self.data
        made = recipe.data or SetRecipe(1)
        if self.meshes is None:
            return made
        categories, meshes = read_meshes(self.meshes, "train")
        library = replace(made.library, categories=categories, meshes=meshes)
        return replace(made, library=library)

    def chosen_recipe(self, target: str) -> "Recipe":
        """The recipe with the settings of one run, `score`, `energy` or `distil`, changed.

        Raises:
            ValueError: no such recipe or setting, or a value of another type or out of range.
            FileNotFoundError: the recipe's file is missing.
        """
        from genpose_ros.training import load_recipe, parse_changes

        budget = {"minutes": self.minutes, "batch": self.batch}
        options = budget | {"seed": self.seed, "device": self.device}
        given = {name: value for name, value in options.items() if value is not None}
        changes = parse_changes(self.changes or [])
        return load_recipe(self.recipe).changed(target, given | changes)


@train_app.command("score")
@readable_errors
@grouped_options
def train_score(
    options: TrainingOptions,
    start: StartOption = None,
) -> None:
    """Train the score network (and the size head) by denoising score matching.

    Examples:

    - `genpose train score data runs/light --minutes 60`

    - `genpose train score data runs/longer --start genpose_ros/weights/genpose-base.safetensors`

    - `genpose train score data runs/gpu --recipe gpu-25min --stop-after-minutes 9`

    - `torchrun --nproc-per-node 4 --no-python genpose train score data runs/light`
    """
    _train("score", options, start)


@train_app.command("average")
@readable_errors
def train_average(
    run: Annotated[Path, typer.Argument(help="Folder of a run whose score is finished.")],
    weights: Annotated[
        Path, typer.Argument(help="Weights that the run started from, or a sibling's.")
    ],
    share: Annotated[float, typer.Option(help="Of these weights in the mean.")] = 0.5,
) -> None:
    """Average a finished score with the weights it started from: often better than either.

    Comes before the energy and the distilled head, which are trained on the score.

    Example:

    - `genpose train average runs/longer genpose_ros/weights/genpose-base.safetensors`
    """
    from genpose_ros.training import average_run

    average_run(run, weights, share)
    OUT.print(f"averaged: {run / 'score.pt'}; train the energy next", soft_wrap=True)


@train_app.command("energy")
@readable_errors
@grouped_options
def train_energy(options: TrainingOptions) -> None:
    """Train the energy that ranks candidates; writes the finished checkpoint.

    Example:

    - `genpose train energy data runs/light --minutes 8`
    """
    _train("energy", options, None)


@train_app.command("distil")
@readable_errors
@grouped_options
def train_distil(
    options: TrainingOptions,
    start: Annotated[
        Path | None,
        typer.Option(help="Finished weights to distil.", show_default="those of the run"),
    ] = None,
) -> None:
    """Distil finished weights: learn to draw candidates with one or two network evaluations.

    The encoder stays as it is: features and flows of the clouds are computed once, which the
    budget does not count, and kept until the run is finished.

    Examples:

    - `genpose train distil data runs/light --minutes 10`

    - `genpose train distil data runs/fast --start genpose_ros/weights/genpose-base.safetensors`
    """
    _train("distil", options, start)


@train_app.command("all")
@readable_errors
@grouped_options
def train_all(
    options: TrainingOptions,
    start: StartOption = None,
) -> None:
    """Train the score, then the energy, then distil them, each by the recipe's budget.

    What is finished already is passed over, so the same command goes on with what is not.
    `--stop-after-minutes` and the other options hold for each of the three.

    Examples:

    - `genpose train all - runs/gpu --recipe gpu-10min --meshes my_meshes`

    - `genpose train all data runs/light`
    """
    for target in _TARGETS:
        _train(target, options, start if target == "score" else None)


@train_app.command("recipes")
@readable_errors
def list_recipes(
    name: Annotated[str | None, typer.Argument(help="Show this one's settings.")] = None,
) -> None:
    """List the recipes, or all settings of one with their meaning.

    Example:

    - `genpose train recipes light`
    """
    from rich.table import Table

    from genpose_ros.training import load_recipe, recipe_names

    if name is not None:
        _show_settings(load_recipe(name))
        return
    table = Table("recipe", "architecture", *_TARGETS, "what for", box=None)
    for known in recipe_names():
        recipe = load_recipe(known)
        budgets = [_budget(recipe.settings(target)) for target in _TARGETS]
        table.add_row(known, recipe.architecture, *budgets, recipe.description)
    OUT.print(table)


def _budget(settings: "TrainingSettings") -> str:
    """The steps of a run, or its minutes where it has no steps."""
    return f"{settings.steps} steps" if settings.steps else f"{settings.minutes:g} min"


def _show_settings(recipe: "Recipe") -> None:
    from dataclasses import fields

    from rich.table import Table

    table = Table("setting", *_TARGETS, "meaning", box=None)
    for item in fields(recipe.score):
        if item.name != "target":
            values = [str(getattr(recipe.settings(t), item.name)) for t in _TARGETS]
            table.add_row(item.name, *values, item.metadata["description"])
    OUT.print(f"{recipe.name}: {recipe.architecture} {recipe.model or ''}", highlight=False)
    OUT.print(table)


def _train(target: str, options: TrainingOptions, start: Path | None) -> None:
    from genpose_ros.training import Progress, distil_run, train_run

    recipe, library = options.chosen_recipe(target), options.library()
    clouds = options.clouds(recipe)
    # Of several processes the first one speaks.
    first = os.environ.get("RANK", "0") == "0"
    bar = progress_bar(target, "{task.fields[state]}")
    bar.disable = not first
    with goes_on_later(f"train {target}"), bar:
        task = bar.add_task("", total=1.0, state="starting")

        def on_progress(now: Progress) -> None:
            bar.update(task, completed=now.done, state=_state(now))

        def on_flows(done: int, total: int) -> None:
            bar.update(task, completed=done / total, state=f"flows of {done} of {total} clouds")

        more: dict[str, Any] = {
            "start": start,
            "stop_after_minutes": options.stop_after_minutes,
            "library": library,
        }
        if target == "distil":
            result = distil_run(clouds, options.run, recipe, on_progress, on_flows=on_flows, **more)
        else:
            result = train_run(clouds, options.run, recipe, target, on_progress, **more)
    if first:
        ERR.print(_outcome(result, target), markup=False, soft_wrap=True, highlight=False)


def _state(now: "Progress") -> str:
    text = f"step {now.step}  loss {now.loss:.3f}  {now.clouds_per_s:.0f} clouds/s"
    if now.validation is None:
        return text
    good = now.validation
    return f"{text}  valid 5°2cm {good.share_5d2cm:.1f} 10°5cm {good.share_10d5cm:.1f}"


def _outcome(result: "RunResult", target: str) -> str:
    done = result.training
    if not done.finished:
        return (
            f"stopped in time, {100 * done.done:.0f} % done; the same genpose train {target} "
            f"command goes on from here. Written so far: {result.checkpoint}"
        )
    if done.steps == 0:
        return (
            "nothing was left to train: the time budget is used up. Give more --minutes or another "
            f"folder. The weights: {result.checkpoint}"
        )
    return f"written: {result.checkpoint}"

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Plan of a fine-tuning: new categories, those kept beside them, start, budget and seed."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from genpose_ros.files import read_json, write_whole
from genpose_ros.geometry.categories import Category, CategorySet
from genpose_ros.networks.checkpoints import default_weights, describe_checkpoint, load_categories
from genpose_ros.networks.light import LightPoseModel
from genpose_ros.own_categories.folder import CategoryFolder
from genpose_ros.synthesis.library import ShapeLibrary, held_out_library

__all__ = ["KEEP_ALL", "KEEP_NONE", "Budget", "Plan", "begin_run", "make_plan", "run_folder"]

#: Words for all categories of the weights that a training starts from, and for none of them.
KEEP_ALL, KEEP_NONE = "all", "none"

#: What a run's folder says about its plan.
_PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class Budget:
    """Budget of a fine-tuning: minutes of this machine, or clouds, which are the same everywhere.

    Attributes:
        minutes: for everything; where `clouds` is given it has no meaning.
        clouds: that the score is trained on, each drawn anew; 0: as many as the minutes allow.

    Raises:
        ValueError: a number is out of range.
    """

    minutes: float = 8.0
    clouds: int = 0

    def __post_init__(self) -> None:
        if not 0.1 <= self.minutes <= 1e5:
            raise ValueError(f"--minutes must lie in [0.1, 100000], got {self.minutes:g}")
        if self.clouds < 0:
            raise ValueError(f"--clouds must be 1 or more, got {self.clouds}")


@dataclass(frozen=True)
class Plan:
    """Plan of a fine-tuning.

    Attributes:
        folders: the new categories.
        kept: categories of the start that stay known, from their generators.
        start: weights that the training starts from.
        budget: time or clouds.
        seed: of all draws.
    """

    folders: tuple[CategoryFolder, ...]
    kept: tuple[Category, ...]
    start: Path
    budget: Budget
    seed: int

    @property
    def new(self) -> tuple[Category, ...]:
        """The new categories; one of a single mesh is never deformed."""
        return tuple(
            replace(folder.category, deform="none") if folder.is_instance else folder.category
            for folder in self.folders
        )

    @property
    def categories(self) -> CategorySet:
        """What the trained weights know: the new categories, then the kept ones."""
        return CategorySet((*self.new, *self.kept))

    @property
    def training_library(self) -> ShapeLibrary:
        """What is trained on: meshes of the new categories, deformed, and generated kept ones."""
        meshes = tuple(mesh for folder in self.folders for mesh in folder.train)
        return ShapeLibrary(self.categories, meshes)

    @property
    def shares(self) -> dict[str, float]:
        """Frequencies of the categories in training: half new ones, half kept ones."""
        shares = {category.name: 1 / len(self.new) for category in self.new}
        return shares | {category.name: 1 / len(self.kept) for category in self.kept}

    @property
    def held_out(self) -> ShapeLibrary:
        """Held-out meshes of the new categories, as they are."""
        meshes = tuple(mesh for folder in self.folders for mesh in folder.test)
        return held_out_library(CategorySet(self.new), meshes)

    @property
    def trained_on(self) -> ShapeLibrary:
        """The meshes that are trained on, as they are."""
        meshes = tuple(mesh for folder in self.folders for mesh in folder.train)
        return held_out_library(CategorySet(self.new), meshes)

    @property
    def kept_library(self) -> ShapeLibrary | None:
        """Generated shapes of the kept categories; None: there are none."""
        return held_out_library(CategorySet(self.kept)) if self.kept else None

    def record(self) -> dict[str, Any]:
        """Everything that decides the result, as JSON values."""
        return {
            "categories": {
                category.name: {
                    "train": len(folder.train),
                    "test": len(folder.test),
                    "digest": folder.digest,
                }
                for category, folder in zip(self.new, self.folders, strict=True)
            },
            "kept": [category.name for category in self.kept],
            "start": self.start.name,
            "start_sha256": describe_checkpoint(self.start)["tensor_sha256"],
            "minutes": None if self.budget.clouds else self.budget.minutes,
            "clouds": self.budget.clouds or None,
            "seed": self.seed,
        }


def make_plan(
    folders: Sequence[CategoryFolder],
    *,
    keep: str = KEEP_ALL,
    start: Path | None = None,
    budget: Budget | None = None,
    seed: int = 0,
) -> Plan:
    """Return the plan to train categories.

    Args:
        folders: the new ones; one or more.
        keep: names of categories of the start with commas between, `all` (but those whose name or
            alias a new one takes) or `none`.
        start: weights; None: the released ones.
        budget: time or clouds; None: the default.
        seed: of all draws.

    Raises:
        FileNotFoundError: there are no such weights.
        ValueError: no folder, a category to keep is unknown, has no generator or shares a name with
            a new one, or the weights are no light model of ours.
    """
    if not folders:
        raise ValueError("no category to train: name a folder with a category.yaml")
    file = Path(start or default_weights()).expanduser()
    known = load_categories(file)
    architecture = describe_checkpoint(file)["architecture"]
    if architecture != LightPoseModel.architecture:
        raise ValueError(
            f"{file} is a {architecture}: own categories are trained from weights of "
            f"{LightPoseModel.architecture}, such as the released ones"
        )
    new = [folder.category for folder in folders]
    kept = _kept(known, new, keep)
    plan = Plan(tuple(folders), kept, file, budget or Budget(), seed)
    try:
        _ = plan.categories
    except ValueError as error:
        raise ValueError(f"{error}: leave the kept one out of --keep, or rename yours") from error
    return plan


def run_folder(output: Path) -> Path:
    """Return the folder of a run in progress, beside the weights that it will write."""
    return output.with_name(f"{output.stem}.run")


def begin_run(run: Path, plan: Plan) -> None:
    """Record a plan in a run's folder, or find that a run that goes on has the same one.

    Raises:
        ValueError: the run was begun with other meshes or options, or its record is damaged.
        OSError: the folder cannot be written.
    """
    file, wanted = run / _PLAN_FILE, plan.record()
    if not file.exists():
        write_whole(file, json.dumps(wanted, indent=1) + "\n")
        return
    try:
        known = dict(read_json(file))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file} is damaged: delete {run} and begin anew") from error
    for name, value in wanted.items():
        if known.get(name) != value:
            raise ValueError(
                f"{run} was begun with {_difference(name, known.get(name), value)}: go on with "
                f"what it was begun with, or delete {run} and begin anew"
            )


def _difference(name: str, known: Any, wanted: Any) -> str:
    """What a run was begun with that is no longer so."""
    if name == "categories" and isinstance(known, dict):
        changed = [key for key in wanted if key in known and known[key] != wanted[key]]
        if changed and known.keys() == wanted.keys():
            return f"other files of {', '.join(changed)} (meshes or category.yaml have changed)"
        return f"the categories {', '.join(known)}, not {', '.join(wanted)}"
    return f"{name.replace('_', ' ')} {known}, not {wanted}"


def _kept(known: CategorySet, new: Sequence[Category], keep: str) -> tuple[Category, ...]:
    """The categories of the start that stay known."""
    word = keep.strip()
    if word == KEEP_NONE:
        return ()
    if word == KEEP_ALL:
        names = {text.strip().lower() for c in new for text in (c.name, *c.aliases)}
        chosen = [c for c in known if names.isdisjoint(map(str.lower, (c.name, *c.aliases)))]
    else:
        chosen = [known[name.strip()] for name in word.split(",")]
    without = [category.name for category in chosen if category.generator is None]
    if without:
        raise ValueError(
            f"{', '.join(without)} cannot be kept: nothing but meshes makes its shapes; name its "
            "folder among those to train, or leave it out with --keep"
        )
    return tuple(dict.fromkeys(chosen))

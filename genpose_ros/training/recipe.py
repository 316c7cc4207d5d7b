# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Recipes: what to train and how, as YAML files in the folder recipes or of one's own."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from genpose_ros.settings import setting_from_text
from genpose_ros.synthesis.library import ShapeLibrary
from genpose_ros.synthesis.shards import SetRecipe
from genpose_ros.training.settings import TrainingSettings
from genpose_ros.training.state import build_model
from genpose_ros.yaml_files import read_yaml

__all__ = ["Recipe", "load_recipe", "parse_changes", "recipe_names"]

_TARGETS = ("score", "energy", "distil")
_KEYS = ("description", "architecture", "model", "data", *_TARGETS)

#: What a recipe can say of its clouds; meshes and machines are given when they are made.
_DATA_KEYS = ("clouds", "seed", "mesh_share")

#: Recipes that come with the package.
_RECIPES = Path(__file__).resolve().parent / "recipes"


@dataclass(frozen=True)
class Recipe:
    """One way to train a model.

    Attributes:
        name: of the file.
        description: in a line.
        architecture: genpose-light or genpose-reference.
        model: what the architecture's `from_config` takes.
        score, energy, distil: the runs.
        data: the clouds, for `genpose synthesize`; None: as many as one likes.
    """

    name: str
    description: str
    architecture: str
    model: dict[str, Any]
    score: TrainingSettings
    energy: TrainingSettings
    data: SetRecipe | None = None
    distil: TrainingSettings = field(default_factory=lambda: TrainingSettings(target="distil"))

    def settings(self, target: str) -> TrainingSettings:
        """The settings of the score's, the energy's or the distilled head's run."""
        chosen: TrainingSettings = getattr(self, target)
        return chosen

    def changed(self, target: str, changes: Mapping[str, Any]) -> "Recipe":
        """The recipe with some settings of one run changed.

        Raises:
            ValueError: no such setting, or a value out of range.
        """
        settings = replace(self.settings(target), **_checked(changes, target))
        changed: dict[str, Any] = {target: settings}
        return replace(self, **changed)


def recipe_names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(path.stem for path in _RECIPES.glob("*.yaml"))


def load_recipe(name: str | Path) -> Recipe:
    """Read a recipe by its name, or from a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: no such recipe, no YAML, an unknown key or setting, or a bad value.
    """
    file = _find(name)
    content = read_yaml(file)
    try:
        return _recipe(file.stem, content)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def parse_changes(changes: Iterable[str]) -> dict[str, Any]:
    """Settings from texts such as `draws=8`, in the type that the setting has.

    Raises:
        ValueError: not of that form, or no such setting.
    """
    values = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals:
            raise ValueError(f"--set expects name=value, got {change!r}")
        values[name] = text
    return _checked(values, "")


def _find(name: str | Path) -> Path:
    file = Path(name).expanduser()
    if file.suffix in {".yaml", ".yml"}:
        return file
    if str(name) in recipe_names():
        return _RECIPES / f"{name}.yaml"
    raise ValueError(
        f"no recipe is called {str(name)!r}; there are {', '.join(recipe_names())}, "
        "or give a file that ends in .yaml"
    )


def _recipe(name: str, content: Any) -> Recipe:
    if not isinstance(content, dict):
        raise ValueError("a recipe is a mapping of architecture, model, score, energy and distil")
    _refuse_unknown(content, _KEYS, "key")
    architecture = content.get("architecture", "genpose-light")
    model = content.get("model") or {}
    for key in ("model", "data", *_TARGETS):
        if not isinstance(content.get(key) or {}, dict):
            raise ValueError(f"{key} must be a mapping of settings")
    # Built once, so that a wrong entry is named before the work begins.
    build_model(architecture, model)
    runs = {}
    for target in _TARGETS:
        values = _checked(content.get(target) or {}, target)
        try:
            runs[target] = TrainingSettings(target=target, **values)
        except ValueError as error:
            raise ValueError(f"{target}: {error}") from error
    description = str(content.get("description", ""))
    return Recipe(name, description, architecture, model, **runs, data=_data(content.get("data")))


def _data(content: dict[str, Any] | None) -> SetRecipe | None:
    """The synthetic set that a recipe asks for."""
    if not content:
        return None
    _refuse_unknown(content, _DATA_KEYS, "data entry")
    clouds: Any = content.get("clouds")
    seed = content.get("seed", SetRecipe.seed)
    mesh_share = content.get("mesh_share", ShapeLibrary.mesh_share)
    for name, value, low in (("clouds", clouds, 1), ("seed", seed, 0)):
        if type(value) is not int or value < low:
            raise ValueError(f"data: {name} must be a whole number of {low} or more, got {value!r}")
    if type(mesh_share) not in (int, float) or not 0 <= mesh_share <= 1:
        raise ValueError(f"data: mesh_share must lie in [0, 1], got {mesh_share!r}")
    return SetRecipe(clouds, seed, ShapeLibrary(mesh_share=float(mesh_share)))


def _checked(values: Mapping[str, Any], target: str) -> dict[str, Any]:
    """Settings by name, with texts turned into the setting's type."""
    known = {item.name: type(item.default) for item in fields(TrainingSettings)}
    del known["target"]
    _refuse_unknown(values, known, f"{target} setting".strip())
    return {name: _typed(name, value, known[name]) for name, value in values.items()}


def _typed(name: str, value: Any, kind: type) -> Any:
    # YAML takes 1e-3 for a text, and a command line has nothing but texts.
    if not isinstance(value, str) or kind is str:
        return value
    return setting_from_text(name, value, kind)


def _refuse_unknown(values: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    names = list(known)
    for name in values:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, 1)
            meant = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(names)}"
            raise ValueError(f"unknown {what} {name!r}{meant}")

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Several models side by side, each with categories of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from genpose_ros.geometry.categories import CategorySet
from genpose_ros.networks.checkpoints import default_weights, load_categories, load_model
from genpose_ros.networks.interface import PoseModel

__all__ = ["ModelSet", "absolute_weights", "checkpoint_files", "known_categories"]


@dataclass(frozen=True)
class ModelSet:
    """Models on one device that share the categories out among them: each belongs to one model.

    Attributes:
        models: one or more.
        files: the checkpoints they were loaded from, as many; empty: they were not.

    Raises:
        ValueError: there is none, not as many files as models, or two know the same class.

    Example:
        >>> models = ModelSet.load()
        >>> models.categories.names[:2], models.files[0].name
        (('bottle', 'bowl'), 'genpose-base.safetensors')
        >>> models.index_of("mug")
        0
    """

    models: tuple[PoseModel, ...]
    files: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if not self.models or len(self.files) not in (0, len(self.models)):
            raise ValueError(
                f"expected one model or more and as many files or none, got {len(self.models)} "
                f"models and {len(self.files)} files"
            )
        self.categories  # noqa: B018 - none is known by two

    @classmethod
    def load(
        cls, weights: str = "", energy_weights: str = "", device: torch.device | str = "cpu"
    ) -> "ModelSet":
        """Load models for inference.

        Args:
            weights: see `checkpoint_files`.
            energy_weights: of a single reference model, as of `load_model`.
            device: where to put them.

        Raises:
            FileNotFoundError: a file is missing.
            ValueError: a file cannot be used, or two of them know the same class.
        """
        files = checkpoint_files(weights)
        if energy_weights and len(files) > 1:
            raise ValueError(
                f"energy weights belong to one checkpoint, and weights names {len(files)}"
            )
        known_categories(weights)  # before anything large is loaded
        models = tuple(load_model(file, energy_weights or None, device) for file in files)
        return cls(models, files)

    @property
    def categories(self) -> CategorySet:
        """The categories of all models, in their order."""
        parts = [model.categories for model in self.models]
        if len(parts) == 1:
            return parts[0]
        names = [str(file) for file in self.files] or [
            f"model {number}" for number in range(1, len(parts) + 1)
        ]
        return _joined(parts, names)

    @property
    def device(self) -> torch.device:
        """Where the models are."""
        return self.models[0].device

    def index_of(self, category: str) -> int:
        """Return which of the models knows a category.

        Raises:
            ValueError: none does.
        """
        for index, model in enumerate(self.models):
            if category in model.categories:
                return index
        known = ", ".join(self.categories.names)
        raise ValueError(f"unknown category {category!r}; expected one of {known}")


def checkpoint_files(weights: str = "") -> tuple[Path, ...]:
    """Return the files that a text names; they need not exist.

    Args:
        weights: one path, or several with commas between; empty: the released weights.

    Raises:
        FileNotFoundError: it is empty, and the installation lacks the released weights.

    Example:
        >>> [file.name for file in checkpoint_files("drill.safetensors, tin.safetensors")]
        ['drill.safetensors', 'tin.safetensors']
    """
    whole = Path(weights.strip()).expanduser()
    if weights.strip() and whole.is_file():
        return (whole,)  # a comma may be part of its name
    parts = [part.strip() for part in weights.split(",")]
    return tuple(Path(part).expanduser() for part in parts if part) or (default_weights(),)


def absolute_weights(weights: str = "") -> str:
    """Return a text that names the same files for a program started in another folder.

    Args:
        weights: see `checkpoint_files`.

    Raises:
        FileNotFoundError: one of the files is missing.
    """
    files = checkpoint_files(weights)
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(f"no checkpoint at {file}")
    return ",".join(str(file.resolve()) for file in files)


def known_categories(weights: str = "") -> CategorySet:
    """Return the categories that some checkpoints know together, without loading their tensors.

    Args:
        weights: see `checkpoint_files`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is not a checkpoint, or two know the same class.

    Example:
        >>> known_categories().names
        ('bottle', 'bowl', 'camera', 'can', 'laptop', 'mug')
    """
    files = checkpoint_files(weights)
    return _joined([load_categories(file) for file in files], [str(file) for file in files])


def _joined(parts: Sequence[CategorySet], names: Sequence[str]) -> CategorySet:
    """All categories of sets with names; no word may stand for two of them.

    Raises:
        ValueError: a name or an alias belongs to two sets.
    """
    for number, part in enumerate(parts):
        for earlier, name in zip(parts[:number], names, strict=False):
            words = [word for c in part for word in (c.name, *c.aliases) if earlier.find(word)]
            if words:
                raise ValueError(
                    f"{', '.join(words)}: known by both {name} and {names[number]}; each class "
                    "belongs to one checkpoint: leave one of them out, or train it without these"
                )
    return CategorySet(tuple(category for part in parts for category in part))

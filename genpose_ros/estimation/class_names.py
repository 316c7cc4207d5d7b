# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Class names of segmenters and data sets, such as COCO's cup, and the categories they mean."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from genpose_ros.geometry.categories import CategorySet
from genpose_ros.yaml_files import read_yaml

__all__ = ["ClassNames"]

_SHIPPED = Path(__file__).with_name("class_names.yaml")
_SEPARATORS = re.compile(r"[\s_\-.#/]+")
_NUMBER_BEHIND = re.compile(r" ?\d+$")
#: As in YCB's `025_mug` and `065-a_cups`.
_NUMBER_BEFORE = re.compile(r"^\d{3} (?:[a-z] )?")


@dataclass(frozen=True)
class ClassNames:
    """Table of the words that name a category beside its own name and aliases.

    Attributes:
        words: word, in lower case and with single blanks, to the category's name.

    Example:
        >>> from genpose_ros.geometry import NOCS
        >>> names = ClassNames.shipped()
        >>> [names.find(text, NOCS) for text in ("Cup", "025_mug", "soda can 2", "wine glass")]
        ['mug', 'mug', 'can', None]
    """

    words: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def shipped(cls) -> "ClassNames":
        """Return the table that comes with the package, `class_names.yaml` beside this module."""
        return _read(_SHIPPED)

    @classmethod
    def read(cls, path: Path | str) -> "ClassNames":
        """Return the table of a YAML file: lists of words by category.

        Args:
            path: of the file; empty: the shipped table.

        Raises:
            FileNotFoundError: no such file.
            ValueError: it is no such table, or a word is given to two categories.
        """
        return _read(Path(path)) if str(path) else cls.shipped()

    def find(self, text: str, categories: CategorySet) -> str | None:
        """Return the name of the category that a class name means; None: none of them.

        Args:
            text: what a segmenter calls an object, in any case, with or without a number.
            categories: to choose from; their names and aliases come before the table's words.
        """
        own = {
            _plain(word): category.name
            for category in categories
            for word in (category.name, *category.aliases)
        }
        for form in _forms(text):
            name = own.get(form) or self.words.get(form)
            if name in categories:
                return name
        return None


@lru_cache(maxsize=8)
def _read(path: Path) -> ClassNames:
    try:
        content = read_yaml(path)
    except ValueError as error:
        raise ValueError(f"{path} is no YAML") from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} must have lists of words by category")
    words: dict[str, str] = {}
    for category, listed in content.items():
        if not isinstance(listed, list):
            raise ValueError(f"{path}: {category} must have a list of words, got {listed!r}")
        for word in map(_plain, map(str, listed)):
            if words.setdefault(word, str(category)) != str(category):
                raise ValueError(f"{path}: {word!r} names both {words[word]} and {category}")
    return ClassNames(words)


def _plain(text: str) -> str:
    """Lower case with single blanks."""
    return _SEPARATORS.sub(" ", text.lower()).strip()


def _forms(text: str) -> Iterator[str]:
    """A class name as it stands, then without the numbers around it."""
    plain = _plain(text)
    for form in (plain, _NUMBER_BEHIND.sub("", plain)):
        yield form
        yield _NUMBER_BEFORE.sub("", form)

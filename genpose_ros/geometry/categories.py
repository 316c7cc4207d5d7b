# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Categories as data: names, aliases, symmetry and sizes; the six of NOCS with their class ids."""

import colorsys
import json
import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from genpose_ros.geometry.symmetry_groups import ASYMMETRIC, AXISYMMETRIC, Symmetry

__all__ = [
    "CATEGORIES",
    "DEFORMATIONS",
    "NOCS",
    "RESTS",
    "Category",
    "CategorySet",
    "category_id",
    "category_name",
]

#: How an object can rest on a table: on its foot, on its side or on its head.
RESTS: tuple[str, ...] = ("standing", "lying", "upside_down")

#: Cages around an object that are bent to make other shapes of it: none, its box, rings about y, or
#: rings about the axis of a body with a handle at +x.
DEFORMATIONS: tuple[str, ...] = ("none", "box", "rings", "handle")

#: Names become parts of frame names and of lists such as 1=mug,2=bowl.
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Category:
    """Category of objects that share a frame (y up, x to the front) and a symmetry.

    Attributes:
        name: lower-case letters, digits and underscores, a letter first.
        aliases: other names that segmenters give it, in any case.
        symmetry: rotations that map its objects onto themselves.
        symmetry_hidden: the symmetry while the part that tells the yaw, such as a mug's handle, is
            out of sight; None: there is no such part.
        mirror: the plane z = 0 maps its objects onto themselves.
        size_m: smallest and largest diagonal of the objects' boxes, metres.
        rests: of `RESTS`, in which its objects are stable; at least one.
        color: RGB of its boxes and labels in pictures, 0 to 255; None: one that follows from the
            name, see `rgb`.
        deform: of `DEFORMATIONS`, how meshes of its objects are made into others.
        generator: what makes its shapes, by name; None: meshes alone do.

    Raises:
        ValueError: a field is of the wrong type or out of range.

    Example:
        >>> tin = Category(name="tin", symmetry=Symmetry.parse({"y": "quarter"}))
        >>> len(tin.symmetry.rotations)
        4
    """

    name: str
    aliases: tuple[str, ...] = ()
    symmetry: Symmetry = ASYMMETRIC
    symmetry_hidden: Symmetry | None = None
    mirror: bool = True
    size_m: tuple[float, float] = (0.02, 2.0)
    rests: tuple[str, ...] = RESTS
    color: tuple[int, int, int] | None = None
    deform: str = "box"
    generator: str | None = None

    def __post_init__(self) -> None:
        problem = (
            self._naming_problem()
            or _symmetry_problem(self.symmetry, self.symmetry_hidden, self.mirror)
            or _size_problem(self.size_m)
            or _rests_problem(self.rests)
            or _color_problem(self.color)
            or _shape_problem(self.deform, self.generator)
        )
        if problem:
            raise ValueError(f"category {self.name!r}: {problem}")

    @classmethod
    def from_dict(cls, values: object) -> "Category":
        """Return the category of a table as `to_dict` makes it; left out fields have defaults.

        Raises:
            ValueError: not a table, an unknown field, no name, or a value is wrong.
        """
        if not isinstance(values, dict):
            raise ValueError(f"a category is a table, got {values!r}")
        unknown = set(values) - {item.name for item in fields(cls)}
        if unknown:
            raise ValueError(f"a category has no field {', '.join(sorted(map(str, unknown)))}")
        if "name" not in values:
            raise ValueError("a category has no name")
        given: dict[str, Any]
        given = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
        for key in ("symmetry", "symmetry_hidden"):
            if given.get(key) is not None:
                given[key] = Symmetry.parse(given[key])
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Return the category as a table of plain values, for `from_dict`."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
        hidden = self.symmetry_hidden
        values["symmetry"] = self.symmetry.words
        values["symmetry_hidden"] = None if hidden is None else hidden.words
        return values

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Colour in pictures, 0 to 255: the declared one, else a light one of a hue of the name's.

        Example:
            >>> Category(name="drill", color=(1, 2, 3)).rgb, Category(name="drill").rgb
            ((1, 2, 3), (100, 130, 247))
        """
        if self.color is not None:
            return self.color
        hue = zlib.crc32(self.name.encode()) / 2**32
        red, green, blue = (round(255 * v) for v in colorsys.hls_to_rgb(hue, 0.68, 0.9))
        return red, green, blue

    def visible_symmetry(self, part_visible: bool = True) -> Symmetry:
        """Return the symmetry of what is in sight.

        Args:
            part_visible: the part that tells the yaw is; only matters with `symmetry_hidden`.

        Example:
            >>> mug = NOCS["mug"]
            >>> mug.visible_symmetry(True).free_axis, mug.visible_symmetry(False).free_axis
            (False, True)
        """
        hidden = None if part_visible else self.symmetry_hidden
        return hidden or self.symmetry

    def _naming_problem(self) -> str:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            return "a name has lower-case letters, digits and underscores, a letter first"
        bad = [a for a in _as_tuple(self.aliases) if not isinstance(a, str) or not a.strip()]
        if bad or not isinstance(self.aliases, tuple):
            return f"aliases are a list of names, got {self.aliases!r}"
        return ""


@dataclass(frozen=True)
class CategorySet:
    """Categories that a model knows, in order.

    Attributes:
        categories: one or more; no name or alias belongs to two.

    Raises:
        ValueError: there is none, or two share a name or an alias.

    Example:
        >>> tools = CategorySet((Category(name="drill", aliases=("Power Drill",)),))
        >>> tools.find("power drill").name, tools.find("mug")
        ('drill', None)
    """

    categories: tuple[Category, ...]

    def __post_init__(self) -> None:
        if not self.categories:
            raise ValueError("a set of categories has at least one")
        owner: dict[str, str] = {}
        for category in self.categories:
            for key in {_key(text) for text in (category.name, *category.aliases)}:
                if owner.get(key) == category.name:
                    raise ValueError(f"two categories are called {category.name}")
                if key in owner:
                    raise ValueError(f"{key!r} names both {owner[key]} and {category.name}")
                owner[key] = category.name

    @classmethod
    def from_text(cls, text: str) -> "CategorySet":
        """Return the set that a checkpoint's `categories` describe.

        Args:
            text: JSON as of `to_text`, or names of the NOCS categories with commas between.

        Raises:
            ValueError: it is neither, or describes no valid set.

        Example:
            >>> CategorySet.from_text("bowl,mug").names
            ('bowl', 'mug')
            >>> CategorySet.from_text(NOCS.to_text()) == NOCS
            True
        """
        if not text.lstrip().startswith(("[", "{")):
            return cls(tuple(NOCS[name.strip()] for name in text.split(",")))
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"damaged JSON ({error})") from error
        if not isinstance(values, list):
            raise ValueError("expected a list of categories")
        return cls(tuple(map(Category.from_dict, values)))

    def to_text(self) -> str:
        """Return the set as JSON, as checkpoints hold it."""
        return json.dumps([category.to_dict() for category in self], sort_keys=True)

    @property
    def names(self) -> tuple[str, ...]:
        """The categories' names, in order."""
        return tuple(category.name for category in self)

    @property
    def max_members(self) -> int:
        """Rotations of the largest of the categories' finite groups."""
        return max(category.symmetry.order for category in self)

    def find(self, text: str) -> Category | None:
        """Return the category of a name or an alias, in any case; None: there is none."""
        return next((c for c in self if _key(text) in map(_key, (c.name, *c.aliases))), None)

    def __getitem__(self, name: str) -> Category:
        """Return the category of a name.

        Raises:
            ValueError: no category has this name.
        """
        for category in self:
            if category.name == name:
                return category
        raise ValueError(f"unknown category {name!r}; expected one of {', '.join(self.names)}")

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[Category]:
        return iter(self.categories)

    def __len__(self) -> int:
        return len(self.categories)


def _key(text: str) -> str:
    """A name or alias as it is compared."""
    return text.strip().lower()


def _as_tuple(values: object) -> tuple[object, ...]:
    return values if isinstance(values, tuple) else ()


def _symmetry_problem(symmetry: object, hidden: object, mirror: object) -> str:
    if not isinstance(symmetry, Symmetry) or not isinstance(hidden, Symmetry | None):
        return f"expected symmetries, got {symmetry!r} and {hidden!r}"
    return "" if isinstance(mirror, bool) else f"mirror is true or false, got {mirror!r}"


def _size_problem(size_m: object) -> str:
    numbers = [n for n in _as_tuple(size_m) if type(n) in (int, float) and math.isfinite(n)]  # type: ignore[arg-type]
    if len(numbers) == 2 == len(_as_tuple(size_m)) and 0 < numbers[0] <= numbers[1]:  # type: ignore[operator]
        return ""
    return f"size_m is the smallest and the largest diagonal in metres, got {size_m!r}"


def _rests_problem(rests: object) -> str:
    if _as_tuple(rests) and all(rest in RESTS for rest in _as_tuple(rests)):
        return ""
    return f"rests are some of {', '.join(RESTS)}, got {rests!r}"


def _color_problem(color: object) -> str:
    if color is None:
        return ""
    levels = [n for n in _as_tuple(color) if type(n) is int and 0 <= n <= 255]
    if len(levels) == 3 == len(_as_tuple(color)):
        return ""
    return f"color is three numbers from 0 to 255, got {color!r}"


def _shape_problem(deform: object, generator: object) -> str:
    if deform not in DEFORMATIONS:
        return f"deform is one of {', '.join(DEFORMATIONS)}, got {deform!r}"
    if generator is None or (isinstance(generator, str) and generator):
        return ""
    return f"generator is the name of what makes its shapes, or left out, got {generator!r}"


#: The six of the NOCS data and of the released weights, in the order of their class ids from 1 on.
NOCS = CategorySet(
    (
        Category(
            name="bottle",
            symmetry=AXISYMMETRIC,
            size_m=(0.15, 0.35),
            color=(77, 166, 255),
            deform="rings",
            generator="bottle",
        ),
        Category(
            name="bowl",
            symmetry=AXISYMMETRIC,
            size_m=(0.15, 0.30),
            color=(255, 166, 51),
            deform="rings",
            generator="bowl",
        ),
        Category(name="camera", size_m=(0.13, 0.25), color=(214, 120, 255), generator="camera"),
        Category(
            name="can",
            symmetry=AXISYMMETRIC,
            size_m=(0.08, 0.18),
            color=(64, 214, 140),
            deform="rings",
            generator="can",
        ),
        Category(name="laptop", size_m=(0.35, 0.55), color=(255, 224, 77), generator="laptop"),
        Category(
            name="mug",
            symmetry_hidden=AXISYMMETRIC,
            size_m=(0.12, 0.18),
            color=(255, 110, 140),
            deform="handle",
            generator="mug",
        ),
    )
)

#: Names of the NOCS categories in the order of their class ids, which start at 1.
CATEGORIES: tuple[str, ...] = NOCS.names


def category_id(name: str) -> int:
    """Return the NOCS class id (1 to 6) of a category name.

    Raises:
        ValueError: the name is none of the six categories.

    Example:
        >>> category_id("mug")
        6
    """
    return CATEGORIES.index(NOCS[name].name) + 1


def category_name(class_id: int) -> str:
    """Return the category name of a NOCS class id (1 to 6).

    Raises:
        ValueError: the id is outside 1 to 6.

    Example:
        >>> category_name(1)
        'bottle'
    """
    if not 1 <= class_id <= len(CATEGORIES):
        raise ValueError(f"unknown class id {class_id}; expected 1 to {len(CATEGORIES)}")
    return CATEGORIES[class_id - 1]

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Manifests of category folders: `category.yaml` with names, frame, symmetry, sizes and meshes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from genpose_ros.geometry.categories import RESTS
from genpose_ros.geometry.symmetry_groups import ASYMMETRIC, Symmetry
from genpose_ros.settings import nearest_name
from genpose_ros.synthesis.mesh_files import MESH_SUFFIXES
from genpose_ros.yaml_files import YAML_MISTAKES

__all__ = ["MANIFEST", "UNITS_M", "FileFrame", "Manifest", "read_manifest"]

#: Name of the manifest in a category's folder.
MANIFEST = "category.yaml"
#: Metres of the units that mesh files may have.
UNITS_M: dict[str, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254}

#: What a frame's unit is where the files have no scale.
_NO_UNIT = "none"
_FIELDS = (
    "name",
    "aliases",
    "frame",
    "symmetry",
    "symmetry_hidden",
    "mirror",
    "size_m",
    "rests",
    "deform",
    "color",
    "meshes",
)
_FRAME_FIELDS = ("up", "front", "unit")
_MESHES_FIELDS = ("train", "test")
_AXES = ("x", "y", "z")
#: Largest manifest, bytes, and most meshes that one lists.
_MOST_BYTES, _MOST_MESHES = 30_000, 1000
#: Tables within tables, one more than a manifest has.
_DEEPEST = 4
#: Without a split in the manifest, one of this many meshes is held out.
_TEST_EVERY = 4


@dataclass(frozen=True)
class FileFrame:
    """Frame of the mesh files: which of their axes point up and to the front, and their unit.

    Attributes:
        up: axis of the files that is y (up) of the category's frame, such as +z.
        front: axis of the files that is x (front) of the category's frame.
        unit: a key of `UNITS_M`, or none: the files have no scale.

    Raises:
        ValueError: no such axis or unit, or both axes lie along the same one.
    """

    up: str
    front: str
    unit: str

    def __post_init__(self) -> None:
        for name in ("up", "front"):
            axis = getattr(self, name)
            if not isinstance(axis, str) or axis.lstrip("+-") not in _AXES or len(axis) > 2:
                raise ValueError(
                    f"frame.{name} is {axis!r}: write the axis of the files, one of +x, -x, +y, "
                    "-y, +z, -z"
                )
        if self.up[-1] == self.front[-1]:
            raise ValueError(
                f"frame.up {self.up} and frame.front {self.front} lie along the same axis: write "
                "two different ones"
            )
        if not isinstance(self.unit, str) or self.unit not in {*UNITS_M, _NO_UNIT}:
            raise ValueError(
                f"frame.unit is {self.unit!r}: write one of {', '.join(UNITS_M)}, or {_NO_UNIT} "
                "for files without a scale"
            )

    @property
    def R_obj_file(self) -> np.ndarray:
        """(3, 3): turns coordinates of the files into the category's frame, y up and x front."""
        x, y = _direction(self.front), _direction(self.up)
        return np.stack([x, y, np.cross(x, y)])

    @property
    def scale_m(self) -> float | None:
        """Metres per unit of the files; None: they have no scale."""
        return UNITS_M.get(self.unit)

    @property
    def words(self) -> str:
        """The frame as a manifest has it."""
        return f"{{up: {self.up}, front: {self.front}, unit: {self.unit}}}"


@dataclass(frozen=True)
class Manifest:
    """What a category's folder says of itself.

    Attributes:
        file: the manifest.
        frame: of the mesh files.
        train: mesh files to train with, sorted; at least one.
        test: held-out ones; the same one where there is only one.
        fields: the declared fields of `Category`, but for rests and a size left to the meshes.
        rests: of `RESTS`; None: `auto`, as the meshes are stable.
        digest: hash of the manifest and of the files it lists, hexadecimal.
    """

    file: Path
    frame: FileFrame
    train: tuple[Path, ...]
    test: tuple[Path, ...]
    fields: Mapping[str, Any]
    rests: tuple[str, ...] | None
    digest: str

    @property
    def name(self) -> str:
        """The category's name."""
        return str(self.fields["name"])

    @property
    def files(self) -> tuple[Path, ...]:
        """All mesh files, sorted."""
        return tuple(sorted({*self.train, *self.test}))


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a category's folder.

    Args:
        folder: with a `category.yaml` and the meshes it names.

    Raises:
        ValueError: no folder, no manifest, no YAML, a field that is unknown, missing or wrong, or
            no meshes; the message names file and field and says what to write.
        OSError: a file cannot be read.
    """
    file = folder / MANIFEST
    content = _content(folder)
    try:
        _refuse_unknown(content, _FIELDS, "field")
        for name in ("name", "frame"):
            if content.get(name) is None:
                raise ValueError(_MISSING[name])
        symmetry = _symmetry(content, "symmetry") or ASYMMETRIC
        train, test = _splits(folder, content.get("meshes"))
        return Manifest(
            file=file,
            frame=_frame(content["frame"], symmetry),
            train=train,
            test=test,
            fields=_category_fields(content, symmetry),
            rests=_rests(content.get("rests")),
            digest=_digest((file, *sorted({*train, *test}))),
        )
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


_MISSING = {
    "name": "the field name is missing: write the category's name, such as name: drill",
    "frame": (
        "the field frame is missing: write which axes of the files point up and to the front and "
        "their unit, such as frame: {up: +z, front: +x, unit: mm}"
    ),
}


def _content(folder: Path) -> dict[str, Any]:
    """The table in a folder's manifest."""
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    file = folder / MANIFEST
    if not file.is_file():
        raise ValueError(
            f"{folder} holds no {MANIFEST}: write one with at least name and frame, such as "
            "frame: {up: +z, front: +x, unit: mm}"
        )
    if file.stat().st_size > _MOST_BYTES:
        raise ValueError(
            f"{file} has {file.stat().st_size} bytes, more than the {_MOST_BYTES} of a manifest"
        )
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (a safe one)
    except yaml.YAMLError as error:
        mark, problem = (getattr(error, n, None) for n in ("problem_mark", "problem"))
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise ValueError(f"{file}{line}: {problem or error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is no text in UTF-8: save it as such") from error
    except YAML_MISTAKES as error:  # such as a date that there is not
        raise ValueError(f"{file}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file} holds no fields: write at least name: and frame:")
    return content


class _Loader(yaml.SafeLoader):
    """YAML of plain values: no repeated fields, no anchors and no depths, which make bombs."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            self._refuse(event, "anchors and aliases (& and *) are not read, write the value out")
        self._depth += 1
        if self._depth > _DEEPEST:
            self._refuse(event, "values are nested too deep, write them as in the documentation")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def _refuse(self, event: Any, reason: str) -> None:
        raise yaml.composer.ComposerError(None, None, reason, event.start_mark)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        known: list[Any] = []
        for key, _ in node.value:
            if key.value in known:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value} stands there twice: keep one", key.start_mark
                )
            known.append(key.value)
        return super().construct_mapping(node, deep)


def _refuse_unknown(content: Mapping[Any, Any], known: tuple[str, ...], what: str) -> None:
    for key in content:
        if key not in known:
            nearest = nearest_name(str(key), known)
            hint = f"did you mean {nearest}?" if nearest else f"there are {', '.join(known)}"
            raise ValueError(f"unknown {what} {key!r}; {hint}")


def _table(value: Any, name: str, example: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {value!r}: write a table such as {example}")
    return value


def _symmetry(content: Mapping[str, Any], name: str) -> Symmetry | None:
    value = content.get(name)
    if value is None:
        return None
    try:
        return Symmetry.parse(_table(value, name, "{}, {y: any} or {y: half}"))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _frame(value: Any, symmetry: Symmetry) -> FileFrame:
    table = _table(value, "frame", "{up: +z, front: +x, unit: mm}")
    _refuse_unknown(table, _FRAME_FIELDS, "field of frame")
    values = dict(table)
    if symmetry.free_axis and "front" not in values and isinstance(values.get("up"), str):
        # Round objects have no front: any axis across will do.
        values["front"] = "+x" if values["up"][-1:] != "x" else "+y"
    for name, example in zip(_FRAME_FIELDS, ("+z", "+x", "mm"), strict=True):
        if values.get(name) is None:
            raise ValueError(f"frame.{name} is missing: write it, such as {name}: {example}")
    return FileFrame(**values)


def _category_fields(content: Mapping[str, Any], symmetry: Symmetry) -> dict[str, Any]:
    """The fields of `Category`; their values are checked by it."""
    fields: dict[str, Any] = {"mirror": False, "deform": "rings" if symmetry.free_axis else "box"}
    for name in ("name", "aliases", "mirror", "size_m", "deform", "color"):
        value = content.get(name)
        if value is not None:
            fields[name] = tuple(value) if isinstance(value, list) else value
    hidden = _symmetry(content, "symmetry_hidden")
    return fields | {"symmetry": symmetry, "symmetry_hidden": hidden}


def _rests(value: Any) -> tuple[str, ...] | None:
    if value is None or value == "auto":
        return None
    if isinstance(value, list) and value and all(rest in RESTS for rest in value):
        return tuple(dict.fromkeys(value))
    raise ValueError(f"rests is {value!r}: write auto, or some of [{', '.join(RESTS)}]")


def _splits(folder: Path, value: Any) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The mesh files to train with and those held out."""
    table = {} if value is None else _table(value, "meshes", "{train: [a_*.ply], test: [b.ply]}")
    _refuse_unknown(table, _MESHES_FIELDS, "field of meshes")
    found = {name: _glob(folder, name, table[name]) for name in table if table[name] is not None}
    everything = _all_meshes(folder)
    if "train" in found and "test" in found:
        train, test = found["train"], found["test"]
    elif "train" in found:
        train, test = _split(found["train"])
    else:
        test = found.get("test", ())
        train = tuple(file for file in everything if file not in test)
        train, test = (train, test) if test else _split(train)
    both = sorted({file.name for file in train} & {file.name for file in test})
    if both and len({*train, *test}) > 1:
        raise ValueError(
            f"meshes: {both[0]} is both in train and in test: what is held out must not be trained"
        )
    if not train or not test:
        raise ValueError(
            f"meshes: no mesh to train with is left in {folder}: add files that end in "
            f"{', '.join(MESH_SUFFIXES)}, or name fewer in meshes.test"
        )
    if len(train) + len(test) > _MOST_MESHES:
        raise ValueError(f"meshes: {len(train) + len(test)} files, more than {_MOST_MESHES}")
    return train, test


def _all_meshes(folder: Path) -> tuple[Path, ...]:
    files = (f for f in folder.iterdir() if f.suffix.lower() in MESH_SUFFIXES and f.is_file())
    return tuple(sorted(files))


def _split(files: tuple[Path, ...]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Every fourth file held out; the last of two or three; a single one is both."""
    if len(files) < 2:
        return files, files
    test = files[_TEST_EVERY - 1 :: _TEST_EVERY] or files[-1:]
    return tuple(file for file in files if file not in test), test


def _glob(folder: Path, name: str, patterns: Any) -> tuple[Path, ...]:
    patterns = [patterns] if isinstance(patterns, str) else patterns
    if not isinstance(patterns, list) or not all(isinstance(p, str) and p for p in patterns):
        raise ValueError(f"meshes.{name} is {patterns!r}: write file names such as [drill_*.ply]")
    files: set[Path] = set()
    for pattern in patterns:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise ValueError(
                f"meshes.{name}: {pattern!r} leaves the folder: copy the meshes into it"
            )
        # A name may hold characters that mean something in patterns.
        found = [folder / pattern] if (folder / pattern).is_file() else folder.glob(pattern)
        matched = {f for f in found if f.is_file() and f.suffix.lower() in MESH_SUFFIXES}
        if not matched:
            raise ValueError(
                f"meshes.{name}: {pattern!r} matches no mesh in {folder} (files that end in "
                f"{', '.join(MESH_SUFFIXES)}): correct the name"
            )
        files |= matched
    return tuple(sorted(files))


def _digest(files: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0")
        with file.open("rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
    return digest.hexdigest()


def _direction(axis: str) -> np.ndarray:
    sign = -1.0 if axis.startswith("-") else 1.0
    return sign * np.eye(3)[_AXES.index(axis[-1])]

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Files of single frames, to be estimated again: messages, camera poses and settings as one .npz.

A file holds arrays of numbers, and `frame`, a JSON text that refers to them by name. Messages of
any package are kept field by field, so that neither writing nor reading needs their classes.
"""

import io
import json
import math
import zipfile
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.estimation.up import UpDirection
from genpose_ros.files import check_file, write_whole
from genpose_ros.geometry.calibration import Calibration
from genpose_ros.ros.compressed_images import CompressedDepth
from genpose_ros.ros.matching import DepthMessage, MaskCamera, MaskInput, Matched
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.transform_queue import LocatedFrame
from genpose_ros.tracking.settings import TrackerSettings

__all__ = ["KeptFrame", "KeptObject", "read_frame_file", "write_frame_file"]

#: Bytes of all arrays together, and of the JSON text.
_MOST_BYTES, _MOST_TEXT = 2**28, 2**24
#: Arrays of a file: an object's mask is one of them.
_MOST_ARRAYS = 10_000
_TEXT = "frame"
#: How deep messages may lie in one another.
_DEEPEST = 32


@dataclass(frozen=True)
class KeptObject:
    """Object that was found in a frame: the segmenter's number, category, T_cam_obj (4, 4)."""

    number: int
    category: str
    T_cam_obj: np.ndarray


@dataclass(frozen=True)
class KeptFrame:
    """Frame with all that its poses depend on.

    Attributes:
        located: the messages, and the camera's poses by the names of the frames they are given in.
        settings: of estimator, tracker and node.
        about: device, threads and the checkpoints' SHA-256, as texts.
        why: why the frame was kept.
        objects: what was found in it.
    """

    located: LocatedFrame
    settings: Settings
    about: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    objects: tuple[KeptObject, ...] = ()


#: Classes of this package that may stand in a file, by their names in it.
_CLASSES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        Calibration,
        CompressedDepth,
        DepthMessage,
        EstimatorSettings,
        KeptFrame,
        KeptObject,
        LocatedFrame,
        MaskInput,
        MaskCamera,
        Matched,
        NodeSettings,
        Settings,
        TrackerSettings,
        UpDirection,
    )
}


def write_frame_file(path: Path, frame: KeptFrame) -> None:
    """Write a frame, whole or not at all.

    Raises:
        OSError: it cannot be written.
        ValueError: the frame is larger than such files may be, or of no kind that they hold.
    """
    packer = _Packer()
    text = json.dumps(packer.packed(frame), allow_nan=False)
    if len(text) > _MOST_TEXT or len(packer.arrays) > _MOST_ARRAYS:
        raise ValueError(
            f"the frame has {len(packer.arrays)} arrays and {len(text)} characters beside them, "
            f"expected {_MOST_ARRAYS} and {_MOST_TEXT} at most"
        )
    content = io.BytesIO()
    # Compressed, as labels shrink to a hundredth and depth to a half.
    np.savez_compressed(content, allow_pickle=False, **{_TEXT: np.array(text)}, **packer.arrays)
    write_whole(path, content.getvalue())


def read_frame_file(path: Path) -> KeptFrame:
    """Return the frame of a file. Its messages are plain objects with the fields of the real ones.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is no such file, damaged, or larger than such files may be.
    """
    arrays = _read_arrays(check_file(path, _MOST_BYTES))
    try:
        tree = json.loads(str(arrays.pop(_TEXT).item()))
        frame = _Unpacker(arrays).unpacked(tree)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is not a frame that was kept, or damaged: {error}") from error
    if not isinstance(frame, KeptFrame) or not _is_whole(frame):
        raise ValueError(f"{path} is not a frame that was kept")
    return frame


def _is_whole(frame: KeptFrame) -> bool:
    """Whether all parts are of the kinds that the node works with."""
    located = frame.located
    return (
        isinstance(located, LocatedFrame)
        and isinstance(located.matched, Matched)
        and isinstance(located.matched.depth, DepthMessage)
        and isinstance(located.matched.masks, MaskInput | None)
        and isinstance(located.matched.calibration, Calibration)
        and isinstance(frame.settings, Settings)
        and all(isinstance(item, KeptObject) for item in frame.objects)
        and isinstance(frame.about, dict)
    )


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            size = sum(info.file_size for info in infos)
            if len(infos) > _MOST_ARRAYS + 1 or size > _MOST_BYTES + 4 * _MOST_TEXT:
                raise ValueError(
                    f"it holds {len(infos)} arrays of {size} bytes unpacked, expected "
                    f"{_MOST_ARRAYS} of {_MOST_BYTES} at most"
                )
            return dict(_each_array(archive, infos))
    except Exception as error:  # a damaged header can raise anything
        raise ValueError(f"{path} is not a frame that was kept, or damaged: {error}") from error


def _each_array(
    archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]
) -> Iterator[tuple[str, np.ndarray]]:
    for info in infos:
        # What a header claims beyond the bytes there are is refused before memory is asked for.
        with archive.open(info) as stream:
            content = stream.read(info.file_size + 1)
        header = io.BytesIO(content)
        version = np.lib.format.read_magic(header)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read(header)
        if math.prod(shape) * dtype.itemsize > len(content):
            raise ValueError(f"{info.filename} says {shape} of {dtype}, more than it holds")
        name = info.filename.removesuffix(".npy")
        yield name, np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)


class _Packer:
    """Packer of values into JSON's, with the large ones in `arrays`."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self._bytes = 0

    def packed(self, value: Any, depth: int = 0) -> Any:
        """Return a value as one that JSON holds.

        Raises:
            ValueError: it is of an unknown kind, or too large.
        """
        if depth > _DEEPEST:
            raise ValueError(f"messages lie in one another more than {_DEEPEST} deep")
        if isinstance(value, float | np.floating):
            number = float(value)
            return number if math.isfinite(number) else {"float": str(number)}
        if value is None or isinstance(value, bool | int | str):
            return value
        if isinstance(value, np.bool_ | np.integer):
            return value.item()
        if isinstance(value, bytes | bytearray | memoryview):
            return {"bytes": self._array(np.frombuffer(value, dtype=np.uint8))}
        if isinstance(value, np.ndarray | array):
            return {"array": self._array(np.asarray(value))}
        return self._packed_parts(value, depth + 1)

    def _packed_parts(self, value: Any, depth: int) -> Any:
        if isinstance(value, list | tuple):
            return {type(value).__name__: [self.packed(item, depth) for item in value]}
        if isinstance(value, Mapping):
            pairs = [[self.packed(k, depth), self.packed(v, depth)] for k, v in value.items()]
            return {"dict": pairs}
        kind = type(value).__name__
        if _CLASSES.get(kind) is type(value):
            names = [item.name for item in fields(_CLASSES[kind])]
        else:
            names = _message_fields(value)
            kind = f"message {kind}"
        return {kind: {name: self.packed(getattr(value, name), depth) for name in names}}

    def _array(self, numbers: np.ndarray) -> str:
        if numbers.dtype.kind not in "biuf":
            raise ValueError(f"expected numbers, got an array of {numbers.dtype}")
        self._bytes += numbers.nbytes
        if self._bytes > _MOST_BYTES:
            raise ValueError(f"the frame has more than {_MOST_BYTES} bytes")
        name = f"array_{len(self.arrays)}"
        self.arrays[name] = numbers
        return name


def _message_fields(value: Any) -> list[str]:
    """The names of a message's fields, of ROS's own classes or others'."""
    if hasattr(value, "get_fields_and_field_types"):
        return list(value.get_fields_and_field_types())
    if is_dataclass(value) and hasattr(value, "__msgtype__"):
        return [item.name for item in fields(value)]
    if isinstance(value, SimpleNamespace):
        return list(vars(value))
    raise ValueError(f"no message: {type(value).__name__}")


class _Unpacker:
    """Opposite of `_Packer`."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._arrays = arrays

    def unpacked(self, value: Any) -> Any:
        """Return the value that JSON's stands for.

        Raises:
            ValueError, TypeError, LookupError: there is none.
        """
        if not isinstance(value, dict | list):
            return value
        if isinstance(value, list) or len(value) != 1:
            raise ValueError("a value has no kind")
        ((kind, content),) = value.items()
        simple: dict[str, Callable[[Any], Any]] = {
            "float": float,
            "array": self._arrays.__getitem__,
            "bytes": self._bytes,
        }
        if kind in simple:
            return simple[kind](content)
        if kind == "dict":
            return {self.unpacked(key): self.unpacked(item) for key, item in content}
        if kind in ("list", "tuple"):
            items = [self.unpacked(item) for item in content]
            return items if kind == "list" else tuple(items)
        return self._with_fields(kind, content)

    def _bytes(self, name: str) -> bytes:
        return self._arrays[name].tobytes()

    def _with_fields(self, kind: str, content: Mapping[str, Any]) -> Any:
        """A message, of a class of its own name, since refusals name it; or one of `_CLASSES`."""
        parts = {str(name): self.unpacked(item) for name, item in content.items()}
        if kind.startswith("message "):
            return type(kind.removeprefix("message "), (SimpleNamespace,), {})(**parts)
        known = {item.name for item in fields(_CLASSES[kind])}
        return _CLASSES[kind](**{name: item for name, item in parts.items() if name in known})

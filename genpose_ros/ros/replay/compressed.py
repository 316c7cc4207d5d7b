# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Compressed bags: whole files and single messages, unpacked within limits."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from genpose_ros.yaml_files import read_yaml

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["Unpack", "plain_twin"]

#: Returns the content of a message, given what is stored of it.
Unpack = Callable[[bytes], bytes]

#: Bytes that all files of a bag may hold once unpacked, and that are left free beside them.
MOST_FILES, _LEFT_FREE = 2**35, 2**30
_PIECE, _MOST_METADATA = 2**20, 2**24
_METADATA, _INFORMATION = "metadata.yaml", "rosbag2_bagfile_information"


@contextmanager
def plain_twin(path: Path, most_message: int) -> Iterator[tuple[Path, Unpack]]:
    """Yield a bag whose files can be read, and how its messages are unpacked.

    A bag that is not compressed, or only within mcap's own chunks, is its own twin. Of another one
    it is a temporary folder: with its files unpacked, or with links to them.

    Args:
        path: folder with metadata.yaml, or a file.
        most_message: bytes of a message once it is unpacked.

    Raises:
        ValueError: its metadata are none, its compression is not known, or there is too much in it.
    """
    information = _information(path) if path.is_dir() else {}
    mode = str(information.get("compression_mode") or "none").lower()
    if mode == "none":
        yield path, lambda content: content
        return
    found = str(information.get("compression_format") or "")
    if mode not in ("file", "message") or found != "zstd":
        raise ValueError(f"it is compressed ({mode}, {found}), expected zstd of files or messages")
    names = [PurePath(name).name for name in information["relative_file_paths"]]
    with TemporaryDirectory(prefix="genpose_bag_") as folder:
        twin = Path(folder)
        if mode == "file":
            names = _unpack_files(path, names, twin)
        else:
            for name in names:
                (twin / name).symlink_to((path / name).absolute())
        plain = {**information, "relative_file_paths": names}
        plain |= {"compression_mode": "", "compression_format": ""}
        plain["files"] = [
            {**file, "path": name}
            for file, name in zip(information.get("files") or [], names, strict=False)
        ]
        (twin / _METADATA).write_text(yaml.safe_dump({_INFORMATION: plain}))
        unpack = _unpacker(most_message) if mode == "message" else bytes
        yield twin, unpack


def _information(path: Path) -> dict[str, Any]:
    """What metadata.yaml says of a bag; anything else than a table is left to the reader."""
    content = read_yaml(path / _METADATA, _MOST_METADATA)
    information = content.get(_INFORMATION) if isinstance(content, dict) else None
    return information if isinstance(information, dict) else {}


def _unpack_files(path: Path, names: list[str], twin: Path) -> list[str]:
    """Unpack files into a folder, together no more than fits; returns their names there."""
    free = shutil.disk_usage(twin).free - _LEFT_FREE
    most = left = max(min(MOST_FILES, free), 0)
    unpacked = []
    for name in names:
        to = twin / PurePath(name).stem
        with zstd.open(path / name, "rb") as packed, to.open("wb") as file:
            while piece := packed.read(_PIECE):
                left -= len(piece)
                if left < 0:
                    raise ValueError(
                        f"its files have more than {most} bytes unpacked, as many as are taken "
                        f"and {twin.parent} has room for"
                    )
                file.write(piece)
        unpacked.append(to.name)
    return unpacked


def _unpacker(most: int) -> Unpack:
    def unpack(content: bytes) -> bytes:
        whole = zstd.ZstdDecompressor()
        unpacked = whole.decompress(content, most + 1)
        if len(unpacked) > most:
            raise ValueError(f"it has more than {most} bytes unpacked")
        if not whole.eof:
            raise ValueError("it ends before it is unpacked")
        return bytes(unpacked)

    return unpack

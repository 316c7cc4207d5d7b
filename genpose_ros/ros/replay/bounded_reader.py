# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Reader of bags by rosbags, with bounds where rosbags believes a file.

Its unpackers of mcap's chunks ask for as much memory as comes out, whatever the file says; and it
reads the quality of service of each topic as YAML, in which a few lines with merge keys take hours.
Nothing here needs that, so it is not read.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lz4.frame
from rosbags.rosbag2 import Reader, reader, storage_mcap, storage_sqlite3

from genpose_ros.ros.replay.compressed import zstd
from genpose_ros.ros.replay.tables import check_tables

__all__ = ["open_reader"]

#: Bytes of a compressed part of a file once it is unpacked.
_MOST_CHUNK = 2**29
#: What looks into the quality of service of topics, and what keeps others out while it does not.
_PROFILED: tuple[Any, ...] = (reader, storage_mcap, storage_sqlite3)
_LOCK = threading.Lock()


@contextmanager
def open_reader(path: Path) -> Iterator[Reader]:
    """Yield an open reader of a bag, whose connections have no quality of service.

    Args:
        path: a folder, or a file.

    Raises:
        Exception: of whatever kind rosbags raises for what is damaged.
    """
    check_tables(path)
    with _without_profiles():
        opened = Reader(path)
        opened.open()
    try:
        _check_chunks(opened)
        yield opened
    finally:
        opened.close()


@contextmanager
def _without_profiles() -> Iterator[None]:
    """Let rosbags find no quality of service; other threads that open bags wait."""
    with _LOCK:
        parsers = [module.parse_qos for module in _PROFILED]
        for module in _PROFILED:
            module.parse_qos = _no_profiles
        try:
            yield
        finally:
            for module, parse in zip(_PROFILED, parsers, strict=True):
                module.parse_qos = parse


def _no_profiles(_: Any) -> list[Any]:
    return []


def _check_chunks(opened: Reader) -> None:
    """Refuse compressed parts that say they are far larger than any camera's messages."""
    storage = getattr(opened, "storage", None)
    parts = getattr(storage, "storages", [storage])
    for chunk in (chunk for part in parts for chunk in getattr(part, "chunks", ())):
        _check_size(chunk.uncompressed_size)


def _check_size(size: int) -> None:
    if size > _MOST_CHUNK:
        raise ValueError(f"a part of it has {size} bytes unpacked, expected {_MOST_CHUNK} at most")


def _unpacked(make: Any, content: bytes, size: int) -> bytes:
    """Unpack a chunk: no more than a byte beyond what it says it has, which rosbags refuses."""
    _check_size(size)
    whole = make()
    unpacked: bytes = whole.decompress(content, size + 1)
    return unpacked


# For every reader in this process: chunks that are what they say they are come out as before.
storage_mcap.DECOMPRESSORS.update(
    zstd=lambda content, size: _unpacked(zstd.ZstdDecompressor, content, size),
    lz4=lambda content, size: _unpacked(lz4.frame.LZ4FrameDecompressor, content, size),
)

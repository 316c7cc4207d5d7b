# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Files that others may have made: bounds for reading, whole replacement, locks of folders."""

import errno
import fcntl
import json
import logging
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

__all__ = [
    "TEXT_LIMIT",
    "check_file",
    "folder_lock",
    "read_bytes",
    "read_json",
    "read_text",
    "remove_unfinished",
    "whole_file",
    "write_whole",
]

_log = logging.getLogger(__name__)

#: Bytes of JSON and other text.
TEXT_LIMIT = 16 * 2**20


def check_file(path: Path, limit: int) -> Path:
    """Return the path of a regular file that is no larger than a limit.

    Args:
        path: the file.
        limit: bytes.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a folder, a device or a pipe, or too large.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a device or a pipe"
        raise ValueError(f"{path} is {kind}, expected a file")
    if found.st_size > limit:
        raise ValueError(
            f"{path} has {found.st_size} bytes, expected {limit} at most for such a file"
        )
    return path


def read_bytes(path: Path, limit: int) -> bytes:
    """Return a file's content.

    Raises:
        FileNotFoundError: no such file.
        OSError: it cannot be read.
        ValueError: as of `check_file`.
    """
    with check_file(path, limit).open("rb") as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"{path} grows beyond {limit} bytes while it is read")
    return content


def read_text(path: Path, limit: int = TEXT_LIMIT) -> str:
    """Return a file's text.

    Raises:
        FileNotFoundError: no such file.
        OSError: it cannot be read.
        ValueError: as of `check_file`, or not UTF-8.
    """
    try:
        return read_bytes(path, limit).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8: {error}") from error


def read_json(path: Path, limit: int = TEXT_LIMIT) -> Any:
    """Return what a JSON file holds.

    Raises:
        FileNotFoundError: no such file.
        OSError: it cannot be read.
        ValueError: as of `read_text`, or not JSON.
    """
    text = read_text(path, limit)
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    except RecursionError as error:
        raise ValueError(f"{path} is not usable JSON: it nests too deep") from error


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield the name to write a file under, which takes the place of `path` once it is whole.

    A reader sees the file before or the new one, never a part; after an error the one before stays.
    The name ends as that of `path`. Devices and pipes are written directly. Makes the folder.

    Raises:
        OSError: naming `path`, which a write that finds the disk full does not.
    """
    if path.exists() and not path.is_file():
        yield path
        return
    target = path.resolve()  # a link stays one
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.stem}.{_process(os.getpid())}.partial{target.suffix}")
    try:
        yield partial
        if target.exists():
            partial.chmod(stat.S_IMODE(target.stat().st_mode))
        partial.replace(target)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write text in UTF-8, or bytes, as a whole; see `whole_file`.

    Raises:
        OSError: it cannot be written; the file before stays.
    """
    with whole_file(path) as partial:
        partial.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def remove_unfinished(folder: Path) -> None:
    """Delete what processes of this machine that have ended left unfinished in a folder."""
    for partial in folder.glob(".*.partial*"):
        number = re.search(r"\.([\w-]+)-(\d+)\.partial", partial.name)
        if number is None or _process(int(number[2])) != f"{number[1]}-{number[2]}":
            continue
        try:
            os.kill(int(number[2]), 0)
        except ProcessLookupError:
            partial.unlink(missing_ok=True)
        except (PermissionError, OverflowError):
            continue


def _process(pid: int) -> str:
    """The name of a process among those of several machines."""
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', os.uname().nodename)}-{pid}"


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a folder for this process while the block lasts; makes it where missing.

    The lock ends with the process, however it ends; the file `.lock` stays.

    Raises:
        BlockingIOError: another process holds it.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            holder = stream.read(20).strip() or "unknown"
            raise BlockingIOError(
                f"another process (pid {holder}) works in {folder}: "
                "wait until it ends, or choose another folder"
            ) from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            _log.warning("%s lies on a disk without locks: nothing keeps others out", folder)
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        yield

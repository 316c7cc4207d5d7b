# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tables of sqlite3 bags, looked at before they are read: programs may stand in their place."""

import sqlite3
from contextlib import closing
from pathlib import Path

__all__ = ["check_tables"]

_MAGIC = b"SQLite format 3\0"
_CONTENT = "SELECT type, name, coalesce(sql, '') FROM sqlite_master"
_STORED = 0


def check_tables(path: Path) -> None:
    """Refuse a bag whose content is calculated when it is read: a view can take for ever.

    Args:
        path: a folder, or a file; files of other kinds than sqlite3 are passed over.

    Raises:
        ValueError: a file has a view, a virtual table or a generated column.
        sqlite3.Error: it is damaged.
    """
    for file in path.iterdir() if path.is_dir() else (path,):
        if file.is_file() and _begin(file) == _MAGIC:
            _check_file(file)


def _begin(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(len(_MAGIC))


def _check_file(path: Path) -> None:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as file:
        file.execute("PRAGMA trusted_schema = OFF")
        for kind, name, text in file.execute(_CONTENT).fetchall():
            if kind not in ("table", "index"):
                raise ValueError(f"{path.name} has the {kind} {name}, expected tables alone")
            if kind == "table" and "virtual" in f"{text}".lower().split()[:2]:
                raise ValueError(f"{path.name} has the virtual table {name}, expected tables alone")
            hidden = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden != ?"
            for (column,) in file.execute(hidden, (name, _STORED)).fetchall():
                raise ValueError(
                    f"{path.name} calculates the column {column} of {name}, expected what is stored"
                )

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Known holes by a copy of the Python Packaging Advisory Database, for machines without its server.

The copy is a checkout of github.com/pypa/advisory-database: `vulns/NAME/ID.yaml`, in the format of
the Open Source Vulnerabilities schema.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Hole", "installed", "known_holes"]


@dataclass(frozen=True)
class Hole:
    """Known hole of an installed distribution.

    Attributes:
        name, version: of the distribution.
        id: of the hole.
        mended: versions without it; empty: none yet.
    """

    name: str
    version: str
    id: str
    mended: tuple[str, ...]


def installed() -> dict[str, str]:
    """Return the versions of the distributions in this environment by their normalised names."""
    from importlib.metadata import distributions

    return {_normalised(d.metadata["Name"]): d.version for d in distributions()}


def known_holes(folder: Path, versions: Mapping[str, str]) -> tuple[list[Hole], str]:
    """Return the holes that a copy of the data base knows, and the day of its newest entry read.

    Args:
        folder: the checkout.
        versions: of distributions by their normalised names.

    Raises:
        FileNotFoundError: there is no copy.
        ValueError: an entry cannot be read.
    """
    if not (folder / "vulns").is_dir():
        raise FileNotFoundError(f"{folder} has no folder vulns: clone pypa/advisory-database there")
    holes, newest = [], ""
    for name, version in sorted(versions.items()):
        for file in sorted((folder / "vulns" / name).glob("*.yaml")):
            try:
                entry = yaml.safe_load(file.read_text(encoding="utf-8"))
                newest = max(newest, str(entry["modified"])[:10])
                mended = None if entry.get("withdrawn") else _affected(entry, name, version)
            except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
                raise ValueError(f"{file} is no entry of the data base: {error}") from error
            if mended is not None:
                holes.append(Hole(name, version, str(entry["id"]), mended))
    return holes, newest


def _affected(entry: Mapping[str, Any], name: str, version: str) -> tuple[str, ...] | None:
    """The versions that mend a hole which some version has; None: it has it not."""
    hit, mended = False, []
    for part in entry.get("affected", ()):
        if _normalised(part["package"]["name"]) != name:
            continue
        hit |= version in map(str, part.get("versions", ()))
        for begin, end in _ranges(part):
            hit |= _within(version, begin, end)
            mended += [end] if end else []
    return tuple(mended) if hit else None


def _ranges(part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """First version with a hole and first without; empty: none yet."""
    for span in part.get("ranges", ()):
        if span["type"] != "ECOSYSTEM":
            continue
        begin = None
        for event in span["events"]:
            if "introduced" in event:
                begin = str(event["introduced"])
            elif "fixed" in event and begin is not None:
                yield begin, str(event["fixed"])
                begin = None
        if begin is not None:
            yield begin, ""


def _within(version: str, begin: str, end: str) -> bool:
    from packaging.version import Version  # which pytest needs too

    own = Version(version)
    return Version(begin) <= own and not (end and own >= Version(end))


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

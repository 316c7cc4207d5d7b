# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Known holes in what is installed, as pip-audit tells them; without its data base, no all-clear.

`python -m embedded.audit [OPTIONS OF pip-audit]`. pip-audit itself ends with 0 where it could look
up nothing at all, as behind an index that knows packages but no holes. `--advisories DIR` asks a
copy of the data base instead, and no network.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedded.advisories import Hole, installed, known_holes

__all__ = ["Audit", "main", "read_report"]

_MISSING = "pip-audit is missing, and asks a network's data base: .venv/bin/pip install -e .[audit]"


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        looked_up: how many distributions the data base knows.
        unknown: names of those that it does not know.
        holes: a line about each known hole.
        newest: the day of the newest entry that was read, of a copy of the data base.
    """

    looked_up: int
    unknown: tuple[str, ...]
    holes: tuple[str, ...]
    newest: str = ""

    @property
    def verdict(self) -> str:
        """The outcome in a sentence."""
        if self.newest:
            found = f"{len(self.holes)} known holes in {self.looked_up} distributions"
            return f"{found}, by entries of {self.newest} and before"
        if self.holes:
            return f"{len(self.holes)} known holes in {self.looked_up} distributions"
        if not self.looked_up:
            return f"nothing could be looked up: the data base knows none of {len(self.unknown)}"
        return (
            f"no known holes in {self.looked_up} distributions; {len(self.unknown)} are not in the "
            "data base"
        )

    @property
    def code(self) -> int:
        """The exit code: 0 where something was looked up and no hole is known."""
        return 1 if self.holes or not self.looked_up else 0


def read_report(text: str) -> Audit:
    """Read what pip-audit writes with `--format json`.

    Raises:
        ValueError: it is no such report.
    """
    report: Any = json.loads(text)
    if not isinstance(report, dict) or not isinstance(report.get("dependencies"), list):
        raise ValueError("this is no report of pip-audit: it lists no dependencies")
    known = [item for item in report["dependencies"] if "skip_reason" not in item]
    unknown = [item["name"] for item in report["dependencies"] if "skip_reason" in item]
    holes = [
        _line(Hole(item["name"], item["version"], hole["id"], tuple(hole["fix_versions"])))
        for item in known
        for hole in item["vulns"]
    ]
    return Audit(len(known), tuple(unknown), tuple(holes))


def audit_by_copy(folder: Path) -> Audit:
    """Look this environment up in a copy of the Python Packaging Advisory Database.

    Raises:
        FileNotFoundError: there is no copy.
        ValueError: an entry cannot be read.
    """
    versions = installed()
    holes, newest = known_holes(folder, versions)
    if not newest:  # an empty copy is no all-clear
        return Audit(0, tuple(versions), ())
    return Audit(len(versions), (), tuple(map(_line, holes)), newest)


def _line(hole: Hole) -> str:
    mended = ", ".join(hole.mended) or "no version yet"
    return f"{hole.name} {hole.version}: {hole.id}, mended in {mended}"


def main(options: Sequence[str]) -> int:
    """Look this environment up, print what was found, and return the exit code."""
    if options[:1] == ["--advisories"]:
        try:
            audit = audit_by_copy(Path(*options[1:2]))
        except (FileNotFoundError, ValueError) as error:
            print(error, file=sys.stderr)
            return 1
        for line in (*audit.holes, audit.verdict):
            print(line)
        return audit.code
    program = [sys.executable, "-m", "pip_audit", "--skip-editable", "--format", "json", *options]
    done = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout.strip():  # Python, or pip-audit, has said why
        print(_MISSING, file=sys.stderr)
        return 1
    audit = read_report(done.stdout)
    for line in (*audit.holes, audit.verdict):
        print(line)
    return audit.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

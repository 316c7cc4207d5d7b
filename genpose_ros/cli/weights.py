# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose weights`: what a checkpoint is, knows and records."""

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genpose_ros.cli.console import ERR, OUT, readable_errors

if TYPE_CHECKING:
    from genpose_ros.geometry import Category, Symmetry
    from genpose_ros.networks.description import WeightsDescription

__all__ = ["weights"]

#: Recorded texts longer than this are cut in the table; --json has them in whole.
_LONGEST = 300


@readable_errors
def weights(
    file: Annotated[
        Path | None, typer.Argument(help="Checkpoint; default: the released weights.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON with everything.")] = False,
) -> None:
    """Describe a checkpoint: network, categories, accuracy, data and hash.

    Its tensors are checked as when it is used.

    Examples:

    - `genpose weights`

    - `genpose weights drill.safetensors --json`
    """
    from genpose_ros.networks.description import describe_weights

    with ERR.status("reading the weights"):
        described = describe_weights(file)
    if json:
        OUT.print_json(jsonlib.dumps(described.to_json()))
        return
    _print_summary(described)
    _print_categories(described)
    _print_recorded(described.recorded)


def _print_summary(described: "WeightsDescription") -> None:
    kind = "the released weights" if described.released else "not the released weights"
    energy = "with" if described.has_energy else "without"
    network = f"{described.architecture}, {described.parameters / 1e6:.2f} million parameters"
    lines = [
        f"{described.file}: {kind}",
        f"{network}, {energy} a trained energy; {described.file_bytes / 1e6:.1f} MB",
        f"calibrated: {', '.join(described.calibrated) or 'nothing, see genpose calibrate'}",
        f"SHA-256 of the file: {described.file_sha256}",
    ]
    for line in lines:
        OUT.print(line, markup=False, soft_wrap=True, highlight=False)


def _print_categories(described: "WeightsDescription") -> None:
    from rich.table import Column, Table

    # Names that are cut short cannot be typed.
    names = [Column(name, overflow="fold") for name in ("category", "also called")]
    heads: list[Column | str] = [*names, "symmetry", "mirror", "diagonal cm"]
    if described.accuracy:
        heads += ["standing 5°2cm", "10°5cm", "all 5°2cm", "10°5cm"]
    table = Table(*heads, box=None)
    for category in described.categories:
        row = [
            category.name,
            ", ".join(category.aliases) or "-",
            _symmetry(category),
            "yes" if category.mirror else "no",
            "{:.0f} to {:.0f}".format(*(100 * size for size in category.size_m)),
        ]
        if described.accuracy:
            row += _accuracy(described.accuracy.get(category.name))
        table.add_row(*row)
    OUT.print(table)
    if not described.accuracy:
        where = "in docs/accuracy.md" if described.released else "not recorded in the file"
        OUT.print(f"accuracy: {where}", highlight=False)


def _symmetry(category: "Category") -> str:
    text = _words(category.symmetry)
    hidden = category.symmetry_hidden
    return text if hidden is None else f"{text}; hidden: {_words(hidden)}"


def _words(symmetry: "Symmetry") -> str:
    return ", ".join(f"{axis}: {word}" for axis, word in symmetry.words.items()) or "none"


def _accuracy(recorded: Any) -> list[str]:
    """Four shares in per cent as `genpose category train` records them."""
    cells = []
    for stance in ("standing", "all"):
        for limit in ("share_5deg2cm", "share_10deg5cm"):
            try:
                cells.append(f"{100 * recorded[stance][limit]:.0f} %")
            except (KeyError, TypeError, ValueError):
                cells.append("-")
    return cells


def _print_recorded(recorded: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table("recorded", "", box=None)
    for name, value in recorded.items():
        text = value if isinstance(value, str) else jsonlib.dumps(value)
        shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... (--json: all)"
        table.add_row(name.replace("_", " "), shown)
    OUT.print(table, highlight=False, markup=False)

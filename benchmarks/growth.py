# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Draw how accuracy grew with the clouds seen in training, on a logarithmic axis.

`python -m benchmarks.growth` reads docs/results/growth.json and writes docs/images/growth.png.
"""

import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

_RESULTS = Path("docs/results/growth.json")
_PICTURE = Path("docs/images/growth.png")
_CURVES = (
    ("standing", "10d5cm", "C0", "-"),
    ("all", "10d5cm", "C1", "-"),
    ("tipped", "10d5cm", "C2", "-"),
    ("standing", "5d2cm", "C0", "--"),
    ("all", "5d2cm", "C1", "--"),
    ("tipped", "5d2cm", "C2", "--"),
)


def draw_growth(parts: list[dict[str, Any]]) -> Figure:
    """Draw each part's evaluations over the clouds seen.

    Args:
        parts: of the training, each with `clouds_before`, `clouds_per_step` and `evaluations`:
            steps -> summary as of `genpose evaluate synthetic`.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for part, marker in zip(parts, "os^", strict=True):
        steps = sorted(part["evaluations"], key=int)
        seen = [part["clouds_before"] + part["clouds_per_step"] * int(step) for step in steps]
        for group, limit, colour, style in _CURVES:
            label = f"{group}, {limit}" if part is parts[0] else None
            shares = [part["evaluations"][step][group][limit] for step in steps]
            millions = [clouds / 1e6 for clouds in seen]
            axes.plot(millions, shares, style, marker=marker, color=colour, label=label)
    ticks = [0.25, 0.5, 1.0, 2.0, 3.0]
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set(ylabel="per cent")
    axes.set_xlabel("million clouds seen (circles: first part, squares: second, triangles: third)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return figure


def main() -> None:
    """Draw the picture of the stored numbers."""
    draw_growth(json.loads(_RESULTS.read_text())).savefig(_PICTURE, dpi=100)


if __name__ == "__main__":
    main()

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Figures of evaluations and studies, drawn without a display."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from genpose_ros.files import whole_file
from genpose_ros.geometry.categories import Category

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CATEGORY_COLORS", "category_color", "new_figure", "save_figure"]

#: Colours of the six categories in all figures.
CATEGORY_COLORS: dict[str, str] = {
    "bottle": "#1f77b4",
    "bowl": "#ff7f0e",
    "camera": "#9467bd",
    "can": "#2ca02c",
    "laptop": "#bcbd22",
    "mug": "#e377c2",
}


def category_color(name: str) -> str:
    """Return a category's colour in figures; of none of the six, one that follows from its name."""
    if name in CATEGORY_COLORS:
        return CATEGORY_COLORS[name]
    # Light ones are for pictures of scenes; on paper lines have to be darker.
    return "#" + "".join(f"{round(0.7 * level):02x}" for level in Category(name=name).rgb)


def new_figure(
    rows: int, columns: int, *, width: float, height: float, **options: Any
) -> "tuple[Figure, np.ndarray]":
    """Return a figure, in inches, and its axes (rows * columns,).

    Args:
        rows, columns: of axes.
        width, height: of the figure.
        options: for matplotlib's `Figure.subplots`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, np.asarray(axes).ravel()


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure as PNG of 128 colours, a third as large as one of all, creating its folder.

    Raises:
        OSError: it cannot be written.
    """
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    with Image.open(stream) as picture, whole_file(path) as partial:
        picture.convert("RGB").quantize(128).save(partial, format="PNG", optimize=True)

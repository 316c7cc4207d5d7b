# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Contact sheet of a synthetic set: clouds of every category and stance with their truth."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from genpose_ros.files import whole_file
from genpose_ros.geometry.boxes import BOX_CORNERS, BOX_EDGES
from genpose_ros.geometry.categories import NOCS, CategorySet
from genpose_ros.synthesis.clouds import CloudBatch
from genpose_ros.synthesis.shards import read_shard, set_categories, shard_paths
from genpose_ros.synthesis.views import STANCES

__all__ = ["draw_contact_sheet", "examples"]

_AXIS_COLORS = ("#d62728", "#2ca02c", "#1f77b4")


def examples(folder: Path, each: int = 3) -> CloudBatch:
    """Return up to `each` clouds of every category and stance from the first shards of a set.

    Raises:
        ValueError: the folder holds no shard, or a damaged one.
    """
    found: dict[tuple[int, int], list[CloudBatch]] = {}
    count = len(set_categories(folder))
    wanted = count * len(STANCES)
    for path in shard_paths(folder)[:4]:
        clouds = read_shard(path)
        for category, stance in product(range(count), range(len(STANCES))):
            have = found.setdefault((category, stance), [])
            rows = np.flatnonzero((clouds.category == category) & (clouds.stance == stance))
            have += [clouds[row : row + 1] for row in rows[: each - len(have)]]
        if sum(len(have) for have in found.values()) == wanted * each:
            break
    return CloudBatch.concatenate([cloud for key in sorted(found) for cloud in found[key]])


def draw_contact_sheet(clouds: CloudBatch, picture: Path, categories: CategorySet = NOCS) -> None:
    """Draw clouds as the camera sees them, by category and stance, into a PNG.

    Points are coloured by depth, near dark and far bright; the true box is grey, its axes are red
    (x), green (y) and blue (z), from the box's centre to its faces.

    Args:
        clouds: what to draw, in any order.
        picture: the file.
        categories: of the clouds, see `set_categories`.
    """
    from matplotlib import collections, figure
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    cells = [
        np.flatnonzero((clouds.category == category) & (clouds.stance == stance))
        for category, stance in product(range(len(categories)), range(len(STANCES)))
    ]
    each = max(len(rows) for rows in cells)
    columns = each * len(STANCES)
    page = figure.Figure(figsize=(0.95 * columns + 0.6, 0.95 * len(categories) + 0.4), dpi=100)
    axes = page.add_axes((0.04, 0.0, 0.96, 0.96))
    dots, boxes, arrows = [], [], []
    for number, rows in enumerate(cells):
        line, block = divmod(number, len(STANCES))
        for place, row in enumerate(rows):
            dot, box, arrow = _panel(clouds, int(row), (block * each + place + 0.5, -line - 0.5))
            dots.append(dot)
            boxes += box
            arrows += arrow
    x, y, shade = np.concatenate(dots).T
    axes.scatter(x, y, c=shade, s=0.9, cmap="viridis", linewidths=0, rasterized=True)
    axes.add_collection(collections.LineCollection(boxes, colors="0.35", linewidths=0.5))
    colors = _AXIS_COLORS * (len(arrows) // 3)
    axes.add_collection(collections.LineCollection(arrows, colors=colors, linewidths=1.1))
    _label(axes, each, columns, categories.names)
    canvas = FigureCanvasAgg(page)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    # Few colours make a third of the file.
    with whole_file(picture) as partial:
        image.quantize(64, dither=Image.Dither.NONE).save(partial, optimize=True)


def _label(axes: Any, each: int, columns: int, names: Sequence[str]) -> None:
    axes.set_xlim(0, columns)
    axes.set_ylim(-len(names), 0)
    axes.axis("off")
    for i, name in enumerate(STANCES):
        axes.text((i + 0.5) * each, 0.04, name.replace("_", " "), ha="center", fontsize=9)
        axes.axvline(i * each, color="0.8", linewidth=0.6)
    for i, name in enumerate(names):
        axes.text(-0.03, -i - 0.5, name, rotation=90, va="center", ha="right", fontsize=9)
        axes.axhline(-i, color="0.8", linewidth=0.6)


def _panel(
    clouds: CloudBatch, row: int, middle: tuple[float, float]
) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Points (N, 3) as x, y and shade, edges of the box, and axes, in a square around `middle`."""
    R, t, size = clouds.rotation[row], clouds.translation[row], clouds.size_m[row]
    points = clouds.points_cam[row]
    corners = (BOX_CORNERS * size) @ R.T + t
    both = np.concatenate([points, corners])
    tangents = both[:, :2] / both[:, 2:]
    low, high = tangents.min(0), tangents.max(0)
    scale = 0.92 / (high - low).max()

    def place(of: np.ndarray) -> np.ndarray:
        flat = (of[..., :2] / of[..., 2:] - (low + high) / 2) * scale
        return flat * [1, -1] + middle

    near, far = np.percentile(points[:, 2], (2, 98))
    shade = np.clip((points[:, 2] - near) / max(far - near, 1e-3), 0, 1)
    box = [place(corners[[a, b]]) for a, b in BOX_EDGES]
    axes = [place(np.stack([t, t + R[:, i] * size[i] / 2])) for i in range(3)]
    return np.column_stack([place(points), shade]), box, axes

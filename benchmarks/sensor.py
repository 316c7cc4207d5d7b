# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Comparison of the simulated depth camera with recorded ones: noise, steps, shadows, edges, holes.

`.venv/bin/python -m benchmarks.sensor --recorded FOLDER` measures the depth images of a folder of
recorded frames (depth.png with label.json, and librealsense's bags) and, in the same way, simulated
crops of the d435 domain. Writes docs/results/sensor.json and the table of docs/data.md.
"""

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rosbags.rosbag1 import Reader
from rosbags.typesys import Stores, get_typestore

from genpose_ros.evaluation.markdown import rewrite_tables
from genpose_ros.evaluation.provenance import write_results
from genpose_ros.synthesis import NOCS_LIBRARY, TRAINING_SURROUNDINGS, sample_views
from genpose_ros.synthesis.clouds import NATIVE_SPACING, draw_in_air, render_views
from genpose_ros.synthesis.rasterise import Crops
from genpose_ros.synthesis.sensor import draw_sensor, hidden_from_right, measure_depth

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "sensor.json"
PAGE = ROOT / "docs" / "data.md"

#: Edges of the bins: depth in metres, jump of the disparity at an edge in pixels.
DEPTHS_M = (0.3, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
JUMPS_PX = (2.0, 5.0, 10.0, 20.0, 40.0)
#: Share of the simulated crops between which a recorded value counts as covered, per cent.
COVER = (2.5, 97.5)

_BASELINE_M = 0.05
_CROP_PX = 96


@dataclass(frozen=True)
class Image:
    """Depth image of a camera.

    Attributes:
        camera: which model took it.
        depth_m: (H, W), 0 without measurement.
        focal_px: of the camera.
        masks: (H, W) bool, the pixels of each object.
    """

    camera: str
    depth_m: np.ndarray
    focal_px: float
    masks: tuple[np.ndarray, ...] = ()


def noise_mm(image: Image, size: int) -> np.ndarray:
    """Median deviation of size x size patches from their planes, per bin of depth, millimetres."""
    windows = np.lib.stride_tricks.sliding_window_view(image.depth_m, (size, size))
    patches = windows[:: size // 2, :: size // 2].reshape(-1, size * size).astype(np.float64)
    v, u = np.mgrid[:size, :size].reshape(2, -1)
    design = np.stack([u, v, np.ones_like(u)], -1).astype(np.float64)
    spread = np.ptp(patches, 1) / np.maximum(patches.mean(1), 1e-3)
    patches = patches[(patches > 0).all(1) & (spread < 0.006 * size)]
    residual = patches - patches @ np.linalg.pinv(design).T @ design.T
    rms = 1000 * np.sqrt((residual**2).sum(1) / (size * size - 3))
    return _binned(patches.mean(1), rms, DEPTHS_M, least=3)


def _binned(at: np.ndarray, values: np.ndarray, edges: Sequence[float], least: int) -> np.ndarray:
    """Median of the values in each bin of `at`, NaN with fewer than `least`."""
    which = np.digitize(at, edges) - 1
    return np.array(
        [
            np.median(values[which == i]) if (which == i).sum() >= least else np.nan
            for i in range(len(edges) - 1)
        ]
    )


def unused_levels(image: Image) -> np.ndarray:
    """Share of the millimetres that no pixel of a well-filled range reports, per bin of depth."""
    levels = np.round(1000 * image.depth_m[image.depth_m > 0]).astype(int)
    counts = np.bincount(levels, minlength=2500)
    starts = np.arange(300, 2000, 20)
    full = [s for s in starts if counts[s : s + 40].sum() >= 1200]
    unused = np.array([(counts[s : s + 40] == 0).mean() for s in full])
    return _binned(np.array(full) / 1000, unused, DEPTHS_M, least=1)


@dataclass(frozen=True)
class Edges:
    """Depth edges along the rows of an image, each value (E,).

    Attributes:
        row, column: of the near side's outermost pixel.
        gap: pixels without depth beside it.
        jump_px: difference of the disparities of both sides.
        near_on_right: whether the nearer side is the right one: the left edge of what is near.
        between: whether a pixel of a depth in between stands there.
    """

    row: np.ndarray
    column: np.ndarray
    gap: np.ndarray
    jump_px: np.ndarray
    near_on_right: np.ndarray
    between: np.ndarray


def find_edges(image: Image) -> Edges:
    """Return where depth jumps by more than 6 % between neighbours, up to 60 lost pixels apart."""
    rows, columns = np.nonzero(image.depth_m > 0)
    z = image.depth_m[rows, columns].astype(np.float64)
    found = []
    for reach in (1, 2):  # 2: over one pixel with a depth in between
        a, b = z[:-reach], z[reach:]
        same = rows[:-reach] == rows[reach:]
        jump = same & (np.abs(a - b) > 0.06 * np.minimum(a, b))
        gap = columns[reach:] - columns[:-reach] - reach
        if reach == 2:
            share = (z[1:-1] - a) / np.where(a == b, 1, b - a)
            jump &= (share > 0.15) & (share < 0.85)
        else:
            jump[:-1] &= ~_steps_on(z)
            jump[1:] &= ~_steps_on(z)
        i = np.flatnonzero(jump & (gap < 60))
        near_right = b[i] < a[i]
        near = i + np.where(near_right, reach, 0)
        jump_px = image.focal_px * _BASELINE_M * np.abs(1 / a[i] - 1 / b[i])
        between = np.full(len(i), reach == 2)
        found.append((rows[i], columns[near], gap[i], jump_px, near_right, between))
    return Edges(*(np.concatenate(values) for values in zip(*found, strict=True)))


def _steps_on(z: np.ndarray) -> np.ndarray:
    """Where two jumps in the same direction follow each other: a pixel stands in between."""
    a, middle, b = z[:-2], z[1:-1], z[2:]
    share = (middle - a) / np.where(a == b, 1, b - a)
    return (share > 0.15) & (share < 0.85) & (np.abs(a - b) > 0.06 * np.minimum(a, b))


def gaps_px(edges: Edges, near_on_right: bool) -> np.ndarray:
    """Median width of what is lost beside edges, per bin of their jump in disparity, pixels."""
    side = edges.near_on_right == near_on_right
    return _binned(edges.jump_px[side], edges.gap[side], JUMPS_PX, least=8)


def raggedness_px(edges: Edges) -> float:
    """Standard deviation of an upright edge's column about the mean of the rows above and below."""
    deviations = []
    places = {(r, c) for r, c in zip(edges.row.tolist(), edges.column.tolist(), strict=True)}
    by_row: dict[int, list[int]] = {}
    for row, column in sorted(places):
        by_row.setdefault(row, []).append(column)
    for row, columns in by_row.items():
        above, below = (np.array(by_row.get(r, [10**6])) for r in (row - 1, row + 1))
        for column in columns:
            up, down = (side[np.abs(side - column).argmin()] for side in (above, below))
            if max(abs(up - column), abs(down - column)) <= 4:
                deviations.append(column - (up + down) / 2)
    if len(deviations) < 30:
        return float("nan")
    return float(np.std(deviations) / np.sqrt(1.5))


def lost_in_masks(image: Image) -> tuple[float, float]:
    """Share of pixels without depth, well inside the masks and within 3 px of their borders."""
    masks = [mask for mask in image.masks if mask.sum() >= 400]
    if not masks:
        return float("nan"), float("nan")
    inner = [cv2.erode(mask.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0 for mask in masks]
    border = np.any([mask & ~core for mask, core in zip(masks, inner, strict=True)], axis=0)
    core = np.any(inner, axis=0)
    lost = image.depth_m <= 0
    inside = float(lost[core].mean()) if core.any() else float("nan")
    return inside, float(lost[border].mean()) if border.any() else float("nan")


#: What is compared: name -> (unit, text of the figure, edges of its bins or None).
QUANTITIES: dict[str, tuple[str, str, tuple[float, ...] | None]] = {
    "noise_9px": ("mm", "noise about planes, 9 px patches", DEPTHS_M),
    "noise_25px": ("mm", "noise about planes, 25 px patches", DEPTHS_M),
    "unused_levels": ("%", "millimetres never reported", DEPTHS_M),
    "gap_left": ("px", "lost on the left of near edges", JUMPS_PX),
    "gap_right": ("px", "lost on the right of near edges", JUMPS_PX),
    "between": ("%", "edges with a pixel in between", None),
    "ragged": ("1/100 px", "raggedness of edges", None),
    "lost_inside": ("%", "lost inside masks", None),
    "lost_at_border": ("%", "lost at masks' borders", None),
}


def measure(image: Image) -> dict[str, np.ndarray]:
    """Every quantity of an image, one value per bin; NaN where it shows too little."""
    edges = find_edges(image)
    inside, border = lost_in_masks(image)
    between = edges.between.mean() if len(edges.between) >= 50 else np.nan
    return {
        "noise_9px": noise_mm(image, 9),
        "noise_25px": noise_mm(image, 25),
        "unused_levels": 100 * unused_levels(image),
        "gap_left": gaps_px(edges, near_on_right=True),
        "gap_right": gaps_px(edges, near_on_right=False),
        "between": np.array([100 * between]),
        "ragged": np.array([100 * raggedness_px(edges)]),
        "lost_inside": np.array([100 * inside]),
        "lost_at_border": np.array([100 * border]),
    }


def recorded_images(folder: Path) -> list[Image]:
    """RealSense images of a folder: frames with a label, and librealsense's bags.

    Raises:
        ValueError: the folder holds none.
    """
    images = []
    for label in sorted(folder.glob("*/*/label.json")):
        content = json.loads(label.read_text(encoding="utf-8"))
        model = re.match(r"RealSense ?(\w*)", content["sensor"])
        if model is None:
            continue
        depth = cv2.imread(str(label.parent / "depth.png"), cv2.IMREAD_UNCHANGED)
        marks = cv2.imread(str(label.parent / "mask.png"), cv2.IMREAD_UNCHANGED)
        masks = tuple(marks == item["id"] for item in content["instances"])
        images.append(Image(model[1] or "D4xx", depth / 1000, float(content["K"][0][0]), masks))
    for bag in sorted(folder.glob("*.bag")):
        # The camera's own depth image, whose intrinsics its camera_info has.
        images += [Image("D435", depth / 1000, 390.43) for depth in depth_images(bag)]
    if not images:
        raise ValueError(f"{folder} holds no depth images of RealSense cameras")
    return images


def depth_images(bag: Path) -> list[np.ndarray]:
    """The 16-bit images (H, W) of a ROS 1 bag, as librealsense records them, in millimetres."""
    types = get_typestore(Stores.ROS1_NOETIC)
    images = []
    with Reader(bag) as reader:
        topics = [c for c in reader.connections if c.msgtype == "sensor_msgs/msg/Image"]
        for connection, _, content in reader.messages(topics):
            message: Any = types.deserialize_ros1(content, connection.msgtype)
            if message.encoding in ("mono16", "16UC1"):
                images.append(message.data.view("<u2").reshape(message.height, message.width))
    return images


def simulated_images(count: int, seed: int) -> list[Image]:
    """Crops of training views, each with a camera of its own, at the camera's own pixels."""
    rng = np.random.default_rng(seed)
    shapes, views = NOCS_LIBRARY.draw(count, rng), sample_views(count, rng)
    objects = shapes.placed(views.rotation, views.translation)
    centre = torch.from_numpy(views.translation[:, :2] / views.translation[:, 2:]).float()
    crops = Crops(centre, torch.full((count,), NATIVE_SPACING), _CROP_PX)
    truth = render_views(
        objects, shapes.size_m, views, draw_in_air(views, rng), crops, TRAINING_SURROUNDINGS, rng
    )
    sensor = draw_sensor(count, rng)
    measured = measure_depth(truth.depth_m, truth.cos_incidence, sensor, rng)
    shift = sensor.baseline_m / NATIVE_SPACING
    hidden = hidden_from_right(truth.depth_m, shift, sensor.shadow_px)
    depth, masks = measured.masked_fill(hidden, 0).numpy(), (truth.part == 0).numpy()
    return [
        Image("simulated", image, 1 / NATIVE_SPACING, (mask,))
        for image, mask in zip(depth, masks, strict=True)
    ]


def compare(recorded: list[Image], simulated: list[Image]) -> dict[str, Any]:
    """Each quantity per bin: percentiles of the simulation, and every recorded value."""
    ours = [measure(image) for image in simulated]
    theirs = [(image.camera, measure(image)) for image in recorded]
    result: dict[str, Any] = {}
    for name, (unit, text, edges) in QUANTITIES.items():
        values = np.array([one[name] for one in ours])
        bins = []
        for i in range(values.shape[1]):
            known = values[np.isfinite(values[:, i]), i]
            few = len(known) < 15
            bins.append(
                {
                    "range": None if edges is None else edges[i : i + 2],
                    "simulated_median": None if few else round(float(np.median(known)), 2),
                    "simulated_band": None
                    if few
                    else np.percentile(known, COVER).round(2).tolist(),
                    "crops": len(known),
                    "recorded": [
                        [camera, round(float(one[name][i]), 2)]
                        for camera, one in theirs
                        if np.isfinite(one[name][i])
                    ],
                }
            )
        result[name] = {"unit": unit, "text": text, "bins": bins}
    return result


def covered(bins: list[dict[str, Any]], camera: str) -> tuple[int, int]:
    """How many recorded values of cameras whose name starts so lie in the band, and of how many."""
    inside = total = 0
    for one in bins:
        values = [value for name, value in one["recorded"] if name.startswith(camera)]
        if one["simulated_band"] is None:
            continue
        low, high = one["simulated_band"]
        # What is measured in millimetres or pixels is rounded to them.
        inside += sum(low - 0.01 <= value <= high + 0.01 for value in values)
        total += len(values)
    return inside, total


def table(comparison: dict[str, Any]) -> str:
    """A Markdown table: range of the recorded values and of the simulation, and how many fit."""
    columns = ["quantity", "unit", "D435 recorded", "simulated: median (95 % of the crops)"]
    columns += ["D435 inside", "all RealSense inside"]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for content in comparison.values():
        bins = [one for one in content["bins"] if one["simulated_band"] is not None]
        d435 = [v for one in bins for name, v in one["recorded"] if name == "D435"]
        medians = [one["simulated_median"] for one in bins]
        low, high = (f([one["simulated_band"][i] for one in bins]) for f, i in ((min, 0), (max, 1)))
        shown = f"{min(d435):.3g} to {max(d435):.3g}" if d435 else "-"
        middle = (
            f"{min(medians):.3g} to {max(medians):.3g}" if len(bins) > 1 else f"{medians[0]:.3g}"
        )
        own, family = (
            "{} of {}".format(*covered(content["bins"], camera)) for camera in ("D435", "D")
        )
        lines.append(
            f"| {content['text']} | {content['unit']} | {shown} | {middle} "
            f"({low:.3g} to {high:.3g}) | {own} | {family} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorded", type=Path, required=True, help="folder of recorded frames")
    parser.add_argument("--crops", type=int, default=600, help="simulated crops")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        recorded = recorded_images(options.recorded)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    comparison = compare(recorded, simulated_images(options.crops, options.seed))
    write_results(RESULTS, {"quantities": comparison}, seed=options.seed)
    text = table(comparison)
    if PAGE.exists():
        rewrite_tables(PAGE, {"sensor": text}.get)
    print(text)  # noqa: T201 - what a command answers


if __name__ == "__main__":
    main()

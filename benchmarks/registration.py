# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Masks carried over to raw depth, compared with depth that was aligned to the colour image first.

`.venv/bin/python -m benchmarks.registration --json docs/results/registration.json`. Simulated
tables, seen by the two cameras of a D435 at 640x480: depth is measured by the one and masks are
those of the other, 15 mm beside it. Aligned depth is made as librealsense does it: each pixel fills
what it covers in the colour image, the nearest first.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from genpose_ros.estimation import EstimatorSettings, Frame, Instance, PoseEstimator
from genpose_ros.evaluation.metrics import pose_errors
from genpose_ros.evaluation.provenance import write_results
from genpose_ros.geometry import (
    NOCS,
    PinholeCamera,
    handle_visible,
    mask_at_pixels,
    pixels_in_image,
    transform_points,
)
from genpose_ros.synthesis.library import NOCS_LIBRARY
from genpose_ros.synthesis.placement import Thing, pixel_rays, place_on_table
from genpose_ros.synthesis.render import Hits, cast
from genpose_ros.synthesis.sensor import hidden_from_right, measure_depth, typical_d435

#: The cameras of a D435 at 640x480, and where the depth camera's points lie for the colour camera.
DEPTH = PinholeCamera(387.0, 387.0, 321.5, 239.0, 640, 480)
COLOUR = PinholeCamera(610.0, 610.0, 322.0, 241.0, 640, 480)
T_COLOUR_DEPTH = np.eye(4)
T_COLOUR_DEPTH[:3, 3] = -0.0148, 0.0002, 0.0003
_BASELINE_M = 0.05
_LIMITS = ((5, 2), (10, 5))


@dataclass(frozen=True)
class View:
    """One table: what the cameras see, and the truth in the colour camera's frame."""

    depth_m: np.ndarray
    label: np.ndarray
    things: list[Thing]
    T_colour_obj: list[np.ndarray]


def views(count: int, seed: int) -> Iterator[View]:
    """Simulated tables with one object of each category."""
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        T_colour_table, things = place_on_table(list(NOCS.names), COLOUR, rng, NOCS_LIBRARY)
        seen = _hits(things, T_colour_table, COLOUR)
        T_depth_table = np.linalg.inv(T_COLOUR_DEPTH) @ T_colour_table
        depth_m = _measured(_hits(things, T_depth_table, DEPTH), rng)
        label = np.where(seen.part < len(things), seen.part + 1, 0)
        poses = [T_colour_table @ thing.T_table_obj for thing in things]
        yield View(depth_m, label, things, poses)


def _hits(things: list[Thing], T_cam_table: np.ndarray, camera: PinholeCamera) -> Hits:
    """What the rays of a camera meet: the objects in their order, then the table."""
    corners = np.array([[-1, 0, -1], [-1, 0, 1], [1, 0, 1], [1, 0, -1]], dtype=float)
    parts = [(transform_points(T_cam_table, t.on_table), t.faces) for t in things]
    parts.append((transform_points(T_cam_table, corners), np.array([[0, 1, 2], [0, 2, 3]])))
    return cast(parts, pixel_rays(camera), np.zeros(3), threads=1)


def _measured(hits: Hits, rng: np.random.Generator) -> np.ndarray:
    """The depth image of a typical D435, metres."""
    sensor = typical_d435()
    depth_m = measure_depth(hits.depth_m[None], hits.cos_incidence[None], sensor, rng)[0]
    shift = np.array([DEPTH.fx * _BASELINE_M])
    depth_m[hidden_from_right(hits.depth_m[None], shift)[0]] = 0
    return depth_m.astype(np.float32)


def aligned_depth(depth_m: np.ndarray) -> np.ndarray:
    """The depth image of the colour camera, (H, W) metres."""
    v, u = np.nonzero(depth_m > 0)
    z = depth_m[v, u].astype(np.float64)
    corners = []
    for half in (-0.5, 0.5):
        rays = np.stack(
            ((u + half - DEPTH.cx) / DEPTH.fx, (v + half - DEPTH.cy) / DEPTH.fy, np.ones(len(u))),
            -1,
        )
        corners.append(transform_points(T_COLOUR_DEPTH, rays * z[:, None]))
    left, top = np.floor(COLOUR.project(corners[0]) + 0.5).astype(int).T
    right, bottom = np.floor(COLOUR.project(corners[1]) + 0.5).astype(int).T
    z_colour = corners[0][:, 2]
    aligned = np.full((COLOUR.height, COLOUR.width), np.inf)
    for rows in range(int((bottom - top).max()) + 1):
        for columns in range(int((right - left).max()) + 1):
            row, column = top + rows, left + columns
            ok = (row <= bottom) & (column <= right) & (row >= 0) & (column >= 0)
            ok &= (row < COLOUR.height) & (column < COLOUR.width)
            np.minimum.at(aligned, (row[ok], column[ok]), z_colour[ok])
    return np.where(np.isfinite(aligned), aligned, 0).astype(np.float32)


def frame_of_raw(view: View) -> tuple[Frame, np.ndarray]:
    """The raw depth image with the masks carried over to it, and T_colour_cam."""
    pixels = pixels_in_image(view.depth_m, DEPTH, COLOUR, T_COLOUR_DEPTH)
    return _frame(view, view.depth_m, DEPTH, lambda m: mask_at_pixels(m, pixels)), T_COLOUR_DEPTH


def frame_of_aligned(view: View) -> tuple[Frame, np.ndarray]:
    """Aligned depth with the masks as they are, and T_colour_cam."""
    return _frame(view, aligned_depth(view.depth_m), COLOUR, lambda m: m), np.eye(4)


def _frame(
    view: View,
    depth_m: np.ndarray,
    camera: PinholeCamera,
    seen: Callable[[np.ndarray], np.ndarray],
) -> Frame:
    instances = tuple(
        Instance(i, thing.category, seen(view.label == i)) for i, thing in enumerate(view.things, 1)
    )
    return Frame(depth_m, camera, instances)


def errors_of(
    view: View, frame: Frame, T_colour_cam: np.ndarray, estimator: PoseEstimator
) -> list[tuple[float, float]]:
    """Degrees and centimetres of each object; those refused have infinite ones."""
    found = {e.instance_id: e for e in estimator.estimate(frame).estimates}
    errors = []
    for number, (thing, truth) in enumerate(zip(view.things, view.T_colour_obj, strict=True), 1):
        if number not in found:
            errors.append((np.inf, np.inf))
            continue
        T = T_colour_cam @ found[number].T_cam_obj
        hidden = NOCS[thing.category].symmetry_hidden
        points = transform_points(T_colour_cam, found[number].points_cam)
        size_m = np.ptp(thing.vertices, axis=0)
        visible = hidden is None or handle_visible(points, truth, size_m)
        errors.append(pose_errors(T, truth, thing.category, visible))
    return errors


def summary(errors: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Medians, and shares within limits, per cent."""
    found = np.array(errors)
    medians = np.median(found, axis=0).round(2).tolist()
    shares = {
        f"{deg}deg{cm}cm": round(100 * float(((found[:, 0] < deg) & (found[:, 1] < cm)).mean()), 1)
        for deg, cm in _LIMITS
    }
    return {"objects": len(found), "median_deg": medians[0], "median_cm": medians[1], **shares}


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare both ways, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--views", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    estimator = PoseEstimator.from_settings(EstimatorSettings(device="cpu"))
    ways = {"raw depth, masks carried over": frame_of_raw, "aligned depth": frame_of_aligned}
    errors: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    milliseconds: list[float] = []
    for view in track(views(options.views, options.seed), total=options.views):
        for way, frame_of in ways.items():
            frame, T_colour_cam = frame_of(view)
            errors[way] += errors_of(view, frame, T_colour_cam, estimator)
        # Of this thread alone, whatever else the machine does.
        start = time.thread_time()
        frame_of_raw(view)
        milliseconds.append(1000 * (time.thread_time() - start))
    results = {way: summary(found) for way, found in errors.items()}
    table = Table("way", *next(iter(results.values())))
    for way, values in results.items():
        table.add_row(way, *map(str, values.values()))
    Console().print(table)
    median_ms = round(float(np.median(milliseconds)), 1)
    Console().print(f"six masks carried over: {median_ms} ms of one core (median)")
    if options.json is not None:
        content = {"ways": results, "carried_over_ms": median_ms, "views": options.views}
        write_results(options.json, content, weights=None, seed=options.seed)


if __name__ == "__main__":
    main()

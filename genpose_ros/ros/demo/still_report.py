# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Report of the demo without motion: each object and medians, as table, JSON and picture."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from genpose_ros.datasets.frame_folders import RecordedFrame, RecordedInstance, Truth
from genpose_ros.drawing import depth_picture, draw_estimates
from genpose_ros.estimation.result import FrameResult, ObjectEstimate
from genpose_ros.evaluation.metrics import pose_errors, summarise
from genpose_ros.evaluation.recorded_frames import instance_handle_visible

__all__ = ["DemoFrame", "DemoObject", "DemoReport", "compare", "contact_sheet"]

_SHEET_TILE_WIDTH = 640


@dataclass(frozen=True)
class DemoObject:
    """Object that was shown to the node, and its estimate.

    Attributes:
        frame: name of the frame.
        instance: the object, with its truth.
        estimate: as the node published it, in the camera's frame; None: it was not published.
        errors: rotation error in degrees, translation error in centimetres; None without estimate
            or truth.
        handle_visible: for mugs with truth, else None.
        latency_ms: from the image's stamp to the arrival of the result.
        rejection: why there is no estimate.
    """

    frame: str
    instance: RecordedInstance
    estimate: ObjectEstimate | None
    errors: tuple[float, float] | None
    handle_visible: bool | None
    latency_ms: float
    rejection: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the object as JSON values."""
        e = self.estimate
        rotation_deg, translation_cm = self.errors or (None, None)
        return {
            "frame": self.frame,
            "class": self.instance.category,
            "id": self.instance.id,
            "rotation_error_deg": rotation_deg,
            "translation_error_cm": translation_cm,
            "latency_ms": self.latency_ms,
            "truth": self.instance.truth.value,
            "handle_visible": self.handle_visible,
            "score": None if e is None else e.score,
            "position_m": None if e is None else e.T_cam_obj[:3, 3].tolist(),
            "T_cam_obj": None if e is None else e.T_cam_obj.tolist(),
            "size_m": None if e is None else e.size_m.tolist(),
            "n_points": None if e is None else e.n_points,
            "rejection": self.rejection,
        }


@dataclass(frozen=True)
class DemoFrame:
    """Frame that was shown to the node, and what the node published about it."""

    frame: RecordedFrame
    result: FrameResult
    objects: tuple[DemoObject, ...]

    def picture(self) -> np.ndarray:
        """Return the colour image with the estimates drawn over it, (2 H, 2 W, 3) uint8 RGB."""
        color = self.frame.color
        image = depth_picture(self.frame.depth_m) if color is None else color
        return draw_estimates(image, self.frame.camera, self.result.estimates)


def compare(frame: RecordedFrame, result: FrameResult, latency_ms: float) -> DemoFrame:
    """Compare the node's result with the frame's truth, by the NOCS symmetry rules.

    Args:
        frame: with its truth.
        result: what the node published about it, in the camera's frame.
        latency_ms: from the image's stamp to the arrival of the result.
    """
    estimates = {e.instance_id: e for e in result.estimates}
    reasons = {r.instance_id: f"{r.reason.value}: {r.detail}" for r in result.rejections}
    objects = []
    for instance in frame.instances:
        estimate, handle = estimates.get(instance.id), instance_handle_visible(frame, instance)
        errors = rejection = None
        if estimate is None:
            rejection = reasons.get(instance.id) or reasons.get(None) or "not estimated"
        elif instance.T_cam_obj is not None:
            truth, category = instance.T_cam_obj, instance.category
            errors = pose_errors(estimate.T_cam_obj, truth, category, handle is not False)
        item = DemoObject(frame.name, instance, estimate, errors, handle, latency_ms, rejection)
        objects.append(item)
    return DemoFrame(frame, result, tuple(objects))


@dataclass(frozen=True)
class DemoReport:
    """Report of all frames of a demo."""

    frames: tuple[DemoFrame, ...]

    @property
    def objects(self) -> tuple[DemoObject, ...]:
        """The objects of all frames."""
        return tuple(item for frame in self.frames for item in frame.objects)

    @property
    def complete(self) -> bool:
        """Whether every object that was shown has been estimated."""
        return bool(self.objects) and all(item.estimate is not None for item in self.objects)

    def summary(self, truth: Truth = Truth.DATASET) -> dict[str, Any]:
        """Return medians and shares over the objects with one kind of truth."""
        return summarise([item.errors for item in self.objects if item.instance.truth is truth])

    @property
    def latency_ms(self) -> float | None:
        """Median latency over the frames, ms; None without frames."""
        values = [frame.objects[0].latency_ms for frame in self.frames if frame.objects]
        return statistics.median(values) if values else None

    @property
    def stages_ms(self) -> dict[str, float]:
        """Median time of each stage over the frames, as the node reports it."""
        names = dict.fromkeys(name for f in self.frames for name in f.result.timings_ms)
        return {
            name: statistics.median(f.result.timings_ms.get(name, 0.0) for f in self.frames)
            for name in names
        }

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        stages = self.stages_ms
        return {
            "objects": [item.to_json() for item in self.objects],
            "summary": {
                **self.summary(Truth.DATASET),
                "pseudo_truth": self.summary(Truth.PSEUDO),
                "frames": len(self.frames),
                "objects_shown": len(self.objects),
                "objects_estimated": sum(item.estimate is not None for item in self.objects),
                "median_latency_ms": self.latency_ms,
                "estimation_ms_per_object": self._per_object(stages),
            },
            "stages_ms": stages,
        }

    def table(self) -> RenderableType:
        """Return the objects and medians as a table for the terminal, 80 columns wide."""
        table = Table(
            box=box.SIMPLE_HEAD,
            title="estimated objects, camera frame",
            padding=0,
        )
        table.add_column("class", no_wrap=True, max_width=22)
        widths = {"id": 2, "x, y, z m": 20, "rot °": 6, "trans cm": 8, "ms": 3, "score": 5}
        for name, width in widths.items():
            table.add_column(name, justify="right", no_wrap=True, min_width=width)
        for frame in self.frames:
            if len(self.frames) > 1:
                table.add_section()
                table.add_row(Text(frame.frame.name, style="bold"))
            for item in frame.objects:
                table.add_row(*_row(item))
        table.add_section()
        for truth, mark in ((Truth.DATASET, ""), (Truth.PSEUDO, " *")):
            if any(item.instance.truth is truth for item in self.objects):
                table.add_row(*self._median_row(truth, mark), style="bold")
        notes = [Text(line, style="dim") for line in self._notes()]
        return Group(table, *notes)

    def _median_row(self, truth: Truth, mark: str) -> list[str]:
        summary = self.summary(truth)
        degrees = _number(summary["median_rotation_error_deg"])
        centimetres = _number(summary["median_translation_error_cm"])
        name = f"median of {summary['instances']}{mark}"
        return [name, "", "", degrees, centimetres, _number(self.latency_ms, 0), ""]

    def _notes(self) -> list[str]:
        stages = self.stages_ms
        spent = ", ".join(f"{name} {ms:.0f}" for name, ms in stages.items())
        notes = [
            f"{item.frame}, {item.instance.category} {item.instance.id}: {item.rejection}"
            for item in self.objects
            if item.rejection is not None
        ]
        notes.append(
            "rot: modulo the symmetry of the class, about y ignored where it is unobservable, as "
            "of a mug whose handle is hidden; ms: from the image's stamp until the result of its "
            "frame arrived"
        )
        if stages:
            per_object = self._per_object(stages) or 0.0
            notes.append(f"estimator, ms per frame: {spent}; per object {per_object:.0f}")
        if any(item.instance.truth is Truth.PSEUDO for item in self.objects):
            notes.append("*: the truth is another estimator's result, no measure of accuracy")
        if any(item.instance.truth is Truth.NONE for item in self.objects):
            notes.append("-: no truth is known")
        return notes

    def _per_object(self, stages: dict[str, float]) -> float | None:
        counts = [len(f.result.estimates) for f in self.frames if f.result.estimates]
        return sum(stages.values()) / statistics.median(counts) if counts and stages else None


def _row(item: DemoObject) -> list[str]:
    category = item.instance.category
    if item.handle_visible is False:
        category += " (handle hidden)"
    row = [category, str(item.instance.id)]
    if item.estimate is None:
        return [*row, "refused", "-", "-", f"{item.latency_ms:.0f}", ""]
    mark = "*" if item.instance.truth is Truth.PSEUDO else ""
    errors = [_number(e) + mark for e in item.errors] if item.errors else ["-", "-"]
    position = " ".join(f"{value:6.3f}" for value in item.estimate.T_cam_obj[:3, 3])
    return [*row, position, *errors, f"{item.latency_ms:.0f}", f"{item.estimate.score:.2f}"]


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def contact_sheet(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Return one picture of all: a single one as it is, several as tiles, row by row."""
    if len(pictures) == 1:
        return pictures[0]
    width = _SHEET_TILE_WIDTH
    tiles = [
        cv2.resize(p, (width, round(width * p.shape[0] / p.shape[1])), interpolation=cv2.INTER_AREA)
        for p in pictures
    ]
    height, columns = max(t.shape[0] for t in tiles), math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    sheet = np.zeros((rows * height, columns * width, 3), dtype=np.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // columns * height, i % columns * width
        sheet[top : top + tile.shape[0], left : left + width] = tile
    return sheet

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Report of the tracking demo: errors and identity switches of tracks, rates and latency."""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from vision_msgs.msg import Detection3DArray

from genpose_ros.evaluation.metrics import pose_errors
from genpose_ros.geometry.categories import NOCS, CategorySet
from genpose_ros.msg import ObjectPose, ObjectPoseArray
from genpose_ros.ros.demo.moving_frames import WORLD
from genpose_ros.ros.demo.results import transform_from_pose
from genpose_ros.ros.frame_builder import stamp_ns

__all__ = ["TrackReport", "TrackSummary", "summarise_tracks"]

#: A track is an object's when it is of its class and no farther off than this.
_MATCH_M = 0.10
_REPORTED = (ObjectPose.STATE_CONFIRMED, ObjectPose.STATE_COASTING)


@dataclass(frozen=True)
class TrackSummary:
    """Summary of one track.

    Attributes:
        name: its id.
        frames: images it was reported in, confirmed or coasting.
        coasting: in how many of these it coasted.
        objects: ids of the true objects that it was nearest to; more than one: its identity
            was switched.
        errors: rotation errors in degrees and translation errors in centimetres where it is within
            reach of one. The angle about y is ignored for mugs too: the ground truth does not say
            whether the handle is visible.
    """

    name: str
    frames: int
    coasting: int
    objects: tuple[str, ...]
    errors: tuple[tuple[float, float], ...]

    @property
    def medians(self) -> tuple[float, float] | None:
        """Median errors; None without any."""
        if not self.errors:
            return None
        degrees, centimetres = np.median(self.errors, axis=0)
        return float(degrees), float(centimetres)

    def to_json(self) -> dict[str, Any]:
        """Return the track as JSON values."""
        degrees, centimetres = self.medians or (None, None)
        return {
            "id": self.name,
            "frames": self.frames,
            "coasting": self.coasting,
            "objects": list(self.objects),
            "median_rotation_error_deg": degrees,
            "median_translation_error_cm": centimetres,
        }


@dataclass(frozen=True)
class TrackReport:
    """Report of all tracks, with rates, latency and processor time.

    Attributes:
        tracks: in the order they were reported first.
        images: how many the camera published.
        answered: for how many the node published objects.
        refused: how many it refused as a whole.
        seconds: how long that took.
        cpu_s: processor time of the node in these seconds.
        camera_cpu_s: that of the simulated camera.
        latency_ms: median time from the image's stamp to the arrival of its objects.
        objects_per_image: mean number of confirmed objects.
        stages_ms: mean time of each stage per image.
    """

    tracks: tuple[TrackSummary, ...]
    images: int
    answered: int
    refused: int
    seconds: float
    cpu_s: float
    camera_cpu_s: float
    latency_ms: float
    objects_per_image: float
    stages_ms: dict[str, float]

    @property
    def translation_p95_cm(self) -> float | None:
        """95th percentile of all translation errors; None: beyond the reach of a match."""
        errors_cm = [error for track in self.tracks for _, error in track.errors]
        reported = sum(track.frames for track in self.tracks)
        rank = math.ceil(0.95 * reported)
        return sorted(errors_cm)[rank - 1] if 0 < rank <= len(errors_cm) else None

    @property
    def ids_per_object(self) -> float:
        """Mean number of tracks that an object was reported as."""
        ids = Counter(number for track in self.tracks for number in set(track.objects))
        return ids.total() / max(len(ids), 1)

    @property
    def frames_per_second(self) -> float:
        """Images that objects were published for, per second."""
        return self.answered / self.seconds

    @property
    def cpu_ms_per_frame(self) -> float:
        """Processor time of the node per such image, milliseconds."""
        return 1e3 * self.cpu_s / max(self.answered, 1)

    @property
    def camera_cpu_ms_per_image(self) -> float:
        """Processor time of the camera per image it published, milliseconds."""
        return 1e3 * self.camera_cpu_s / max(self.images, 1)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "tracks": [track.to_json() for track in self.tracks],
            "images": self.images,
            "answered": self.answered,
            "refused": self.refused,
            "translation_p95_cm": self.translation_p95_cm,
            "ids_per_object": self.ids_per_object,
            "seconds": self.seconds,
            "frames_per_second": self.frames_per_second,
            "images_per_second": self.images / self.seconds,
            "objects_per_image": self.objects_per_image,
            "cpu_ms_per_frame": self.cpu_ms_per_frame,
            "camera_cpu_ms_per_image": self.camera_cpu_ms_per_image,
            "median_latency_ms": self.latency_ms,
            "stages_ms": self.stages_ms,
        }

    def table(self) -> RenderableType:
        """Return the tracks as a table for the terminal, 80 columns wide."""
        table = Table(box=box.SIMPLE_HEAD, title="tracks", padding=0)
        for name in ("id", "images", "coasting", "rot °", "trans cm", "true object"):
            table.add_column(name, justify="left" if name == "id" else "right", no_wrap=True)
        for track in self.tracks:
            medians = [f"{value:.1f}" for value in track.medians or ()] or ["-", "-"]
            true = " then ".join(track.objects) or "-"
            table.add_row(track.name, str(track.frames), str(track.coasting), *medians, true)
        spent = ", ".join(f"{name} {ms:.0f}" for name, ms in self.stages_ms.items())
        per_second = f"{self.frames_per_second:.1f}"
        lines = (
            f"images per second: {self.images / self.seconds:.1f} published, {per_second} answered",
            f"images refused as a whole: {self.refused}",
            f"confirmed objects per image: {self.objects_per_image:.1f}",
            f"processor time per image {self.cpu_ms_per_frame:.0f} ms",
            f"processor time of the camera per image {self.camera_cpu_ms_per_image:.1f} ms",
            f"from an image's stamp to its objects {self.latency_ms:.0f} ms",
            f"tracker, ms per image: {spent}",
            "rot, trans: medians; the angle about y is ignored for round classes and mugs",
        )
        return Group(table, *(Text(line, style="dim") for line in lines))


def summarise_tracks(
    answers: Sequence[tuple[int, ObjectPoseArray]],
    truths: Mapping[int, Detection3DArray],
    seconds: float,
    cpu_s: float,
    camera_cpu_s: float,
    T_world_cam: Mapping[int, np.ndarray] = MappingProxyType({}),
    categories: CategorySet = NOCS,
) -> TrackReport:
    """Summarise what the node published, beside the ground truth.

    Args:
        answers: time of arrival (ns) and objects of each image, in order; in the camera's frame or
            in the world.
        truths: true objects in the camera's frame, by the stamp (ns) of their image.
        seconds: for how long messages were received.
        cpu_s: processor time of the node in these seconds.
        camera_cpu_s: that of the simulated camera.
        T_world_cam: (4, 4) the camera's poses, by the stamp (ns) of their image.
        categories: that the node knows.
    """
    refused = [m for _, m in answers if any(r.instance_id < 0 for r in m.rejections)]
    answers = [item for item in answers if item[1] not in refused]
    frames, coasting = defaultdict[str, int](int), defaultdict[str, int](int)
    objects, errors = defaultdict[str, list[str]](list), defaultdict[str, list](list)
    counts, stages = [], defaultdict[str, float](float)
    for _, message in answers:
        truth = truths.get(stamp_ns(message.header))
        in_world = message.header.frame_id == WORLD
        T_out_cam = T_world_cam[stamp_ns(message.header)] if in_world else np.eye(4)
        reported = [item for item in message.objects if item.tracking_state in _REPORTED]
        counts.append(sum(i.tracking_state == ObjectPose.STATE_CONFIRMED for i in reported))
        for timing in message.timings:
            stages[timing.stage] += float(timing.duration_ms) / len(answers)
        for item in reported:
            frames[item.id] += 1
            coasting[item.id] += item.tracking_state == ObjectPose.STATE_COASTING
            nearest = None if truth is None else _nearest(item, truth, T_out_cam, categories)
            if nearest is not None:
                number, error = nearest
                errors[item.id].append(error)
                if objects[item.id][-1:] != [number]:
                    objects[item.id].append(number)
    latencies = [(at - stamp_ns(message.header)) / 1e6 for at, message in answers]
    return TrackReport(
        tracks=tuple(
            TrackSummary(n, frames[n], coasting[n], tuple(objects[n]), tuple(errors[n]))
            for n in frames
        ),
        images=len(truths),
        answered=len(answers),
        refused=len(refused),
        seconds=seconds,
        cpu_s=cpu_s,
        camera_cpu_s=camera_cpu_s,
        latency_ms=statistics.median(latencies) if latencies else float("nan"),
        objects_per_image=statistics.fmean(counts) if counts else 0.0,
        stages_ms=dict(stages),
    )


def _nearest(
    item: ObjectPose, truth: Detection3DArray, T_out_cam: np.ndarray, categories: CategorySet
) -> tuple[str, tuple[float, float]] | None:
    """Return id and errors of the nearest true object of the class; None: none is in reach."""
    T_est = transform_from_pose(item.pose.pose)
    best, reach = None, _MATCH_M
    for detection in truth.detections:
        (result,) = detection.results
        if result.hypothesis.class_id != item.class_name:
            continue
        T_true = T_out_cam @ transform_from_pose(result.pose.pose)
        apart = float(np.linalg.norm(T_est[:3, 3] - T_true[:3, 3]))
        if apart <= reach:
            errors = pose_errors(T_est, T_true, categories[item.class_name], handle_visible=False)
            best, reach = (detection.id, errors), apart
    return best

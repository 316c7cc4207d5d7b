# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Fakes of estimator and tracker for the node: they need no network."""

import threading
import time
from collections import deque
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from genpose_ros.estimation.frame import Frame
from genpose_ros.estimation.result import FrameResult, ObjectEstimate
from genpose_ros.estimation.stop_flag import StopFlag
from genpose_ros.geometry.categories import NOCS
from genpose_ros.tracking.tracks import Track, TrackingResult, TrackState


def make_estimate(instance_id: int = 1, category: str = "mug", **changes: Any) -> ObjectEstimate:
    """An object 0.8 m away, turned by 90 degrees about the camera's y axis."""
    T_cam_obj = np.array(
        [[0.0, 0, 1, 0.1], [0, 1, 0, -0.2], [-1, 0, 0, 0.8], [0, 0, 0, 1]], dtype=np.float64
    )
    values: dict[str, Any] = {
        "instance_id": instance_id,
        "category": category,
        "T_cam_obj": T_cam_obj,
        "covariance": np.diag([1e-6, 2e-6, 3e-6, 1e-4, 2e-4, 3e-4]),
        "score": 0.75,
        "score_axis": 0.875,
        "energy_rotation": -1.5,
        "energy_translation": -0.5,
        "size_m": np.array([0.1, 0.12, 0.08]),
        "n_points": 321,
        "mode_shares": (0.7, 0.3),
        "T_cam_candidates": np.stack([T_cam_obj] * 4),
        "points_cam": np.full((8, 3), 0.8, dtype=np.float32),
        "detection_score": 0.9,
    }
    return ObjectEstimate(**{**values, **changes})


class FakeEstimator:
    """Puts each object at the mean of its mask's pixels and depth, without any network."""

    categories = NOCS

    def __init__(self, settings: Any = None) -> None:
        self.settings = settings
        self.frames: deque[Frame] = deque(maxlen=1)
        self.n_frames = 0
        self.delay_s = 0.0
        self.error: Exception | None = None
        self.change: dict[str, Any] = {}
        self.stop = StopFlag()

    def warm_up(self) -> None:
        pass

    def estimate(self, frame: Frame) -> FrameResult:
        time.sleep(self.delay_s)
        if self.error is not None:
            raise self.error
        self.frames.append(frame)
        self.n_frames += 1
        estimates = []
        for instance in frame.instances:
            T_cam_obj = np.eye(4)
            points_cam = frame.camera.back_project(frame.depth_m, instance.mask)
            T_cam_obj[:3, 3] = points_cam.mean(axis=0, dtype=np.float64)
            values = {
                "T_cam_obj": T_cam_obj,
                "detection_score": instance.detection_score,
                "remarks": instance.remarks,
            }
            estimates.append(
                make_estimate(instance.id, instance.category, **{**values, **self.change})
            )
        return FrameResult(tuple(estimates), (), {}, frame.up_cam)


class FakeTracker:
    """Follows objects by the segmenter's ids; one that masks leave out coasts at its place.

    After `max_coast_s` and a second more it is lost.
    """

    def __init__(self, estimator: Any, settings: Any) -> None:
        self.estimator, self.settings = estimator, settings
        self.calls: deque[SimpleNamespace] = deque(maxlen=2000)
        self.delay_s = 0.0
        self.state = TrackState.CONFIRMED
        self.threads: set[str] = set()
        self.tracks: tuple[Track, ...] = ()
        self._seen_ns: dict[int, int] = {}
        self._shown: set[int] = set()
        self._T_fixed_cam = np.eye(4)

    def track(self, frame: Frame, stamp_ns: int, T_fixed_cam: Any = None) -> TrackingResult:
        self._note("masks", stamp_ns, T_fixed_cam, frame)
        self._shown = {instance.id for instance in frame.instances}
        old = {track.track_id: track for track in self.tracks}
        for estimate in self.estimator.estimate(frame).estimates:
            number = estimate.instance_id
            name = old[number].name if number in old else f"{estimate.category}_{number}"
            old[number] = Track(number, name, self.state, estimate, np.arange(6.0), 0, 0, number)
        return self._step(old, stamp_ns)

    def track_depth(
        self,
        depth_m: np.ndarray,
        camera: Any,
        stamp_ns: int,
        T_fixed_cam: Any = None,
        *,
        up_cam: Any = None,
    ) -> TrackingResult:
        self._note("depth", stamp_ns, T_fixed_cam, depth_m)
        old = {track.track_id: replace(track, instance_id=-1) for track in self.tracks}
        return self._step(old, stamp_ns)

    def reset(self) -> None:
        self.tracks = ()
        self._T_fixed_cam = np.eye(4)

    def _note(self, kind: str, stamp_ns: int, T_fixed_cam: Any, content: Any) -> None:
        time.sleep(self.delay_s)
        self.threads.add(threading.current_thread().name)
        call = SimpleNamespace(kind=kind, stamp_ns=stamp_ns, T_fixed_cam=T_fixed_cam)
        self.calls.append(call)
        if T_fixed_cam is not None:
            self._T_fixed_cam = T_fixed_cam
        del content

    def _step(self, tracks: dict[int, Track], stamp_ns: int) -> TrackingResult:
        result = []
        for number, track in tracks.items():
            if number in self._shown:
                self._seen_ns[number] = stamp_ns
            unseen_s = (stamp_ns - self._seen_ns[number]) / 1e9
            state = self.state if unseen_s <= 0 else TrackState.COASTING
            if unseen_s > self.settings.max_coast_s + 1.0:
                state = TrackState.LOST
            result.append(replace(track, state=state, unseen_s=unseen_s))
        self.tracks = tuple(result)
        return TrackingResult(
            tracks=self.tracks, timings_ms={"fake": 1.0}, T_fixed_cam=self._T_fixed_cam
        )

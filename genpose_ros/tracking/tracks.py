# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tracks as users see them, and the states they go through."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.estimation.up import UpDirection
from genpose_ros.tracking import constants
from genpose_ros.tracking.settings import TrackerSettings

__all__ = ["Track", "TrackState", "TrackingResult", "next_state"]


class TrackState(str, Enum):
    """State of a track; the value is what a log line shows."""

    NEW = "new"  # not yet seen often enough to be trusted
    CONFIRMED = "confirmed"  # seen often enough, and in this frame
    COASTING = "coasting"  # not seen in this frame; the pose is predicted
    LOST = "lost"  # given up; the pose is the last one that was seen


@dataclass(frozen=True)
class Track:
    """One object over time, as of one frame.

    Attributes:
        track_id: 1 or higher, never used twice.
        name: category and id, such as mug_3; only another class changes it.
        state: see `TrackState`.
        estimate: the pose at the frame's stamp: estimated, while coasting predicted, when lost the
            last one seen, in this frame's camera. Without a mask its instance_id is -1.
        velocity: (6,) of the object's origin and its angular velocity, m/s and rad/s, axes of the
            fixed frame (see `TrackingResult.T_fixed_cam`); of the camera frame, and against the
            camera, where none was ever given.
        age_s: since it was first seen.
        unseen_s: since it was last seen.
        instance_id: of the mask it was seen in; -1 without one in this frame.
    """

    track_id: int
    name: str
    state: TrackState
    estimate: ObjectEstimate
    velocity: np.ndarray
    age_s: float
    unseen_s: float
    instance_id: int


@dataclass(frozen=True)
class TrackingResult:
    """The tracks as of one frame.

    Attributes:
        tracks: all of them, oldest first.
        rejections: every mask or estimate that was not used, with the reason.
        timings_ms: wall time per stage.
        notes: what was out of the ordinary in this frame, for logs, in sentences.
        compensated: whether the camera's motion since the frame before was known.
        delayed: the frame is older than the newest one: poses are those of its own stamp.
        T_fixed_cam: (4, 4) the pose of the frame's camera that was counted with: the given one, or
            the last one known; the identity where none was known since the tracker began or was
            reset. It turns the axes of velocities into those of the camera.
        up_cam: the direction up that objects were last estimated with in this frame; None: none.
        lowered: what was lowered to keep `max_latency_ms`, in words; empty: nothing.
    """

    tracks: tuple[Track, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    compensated: bool = False
    delayed: bool = False
    T_fixed_cam: np.ndarray = field(default_factory=lambda: np.eye(4))
    up_cam: UpDirection | None = None
    lowered: str = ""


def next_state(
    state: TrackState,
    *,
    seen: bool,
    hits: int,
    missed: int,
    unseen_s: float,
    gone: bool,
    settings: TrackerSettings,
) -> TrackState | None:
    """Return the state after a frame; None: the track ends.

    Args:
        state: before the frame.
        seen: a pose was estimated and accepted in this frame.
        hits: masks it has had, this frame's included.
        missed: frames in a row that had masks but none for it, this one included.
        unseen_s: since it was last seen.
        gone: the depth image shows what lies behind its place.
        settings: the limits.
    """
    patience_s = max(settings.keep_lost_s, settings.max_coast_s)
    if state is TrackState.NEW:
        # As patient as with lost ones: a segmenter may need a second for the next mask.
        ends = missed > 1 or unseen_s > patience_s
        confirmed = seen and hits >= settings.confirm_frames
        return None if ends else TrackState.CONFIRMED if confirmed else TrackState.NEW
    if seen:
        return TrackState.CONFIRMED
    if unseen_s > patience_s:
        return None
    lost = state is TrackState.LOST or unseen_s > settings.max_coast_s
    if lost or (gone and unseen_s > constants.GONE_S):
        return TrackState.LOST
    return TrackState.COASTING

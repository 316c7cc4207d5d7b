"""What a track is: what users see of it, what the tracker remembers, and how its state goes on."""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from genpose_ros.estimation.motion import Motion
from genpose_ros.estimation.reasons import Rejection
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.estimation.tracker_settings import TrackerSettings

__all__ = ["Track", "TrackMemory", "TrackState", "TrackingResult", "next_state"]


class TrackState(str, Enum):
    """Where a track stands; the value is what a log line shows."""

    NEW = "new"  # not yet seen often enough to be trusted
    CONFIRMED = "confirmed"  # seen often enough, and in this frame
    COASTING = "coasting"  # not seen in this frame; the pose is predicted
    LOST = "lost"  # given up; the pose is the last one that was seen


@dataclass(frozen=True)
class Track:
    """One object over time, as of one frame.

    Attributes:
        track_id: 1 or higher, never used twice.
        name: category and id, such as mug_3.
        state: see `TrackState`.
        estimate: the pose at the frame's stamp: estimated, while coasting predicted, when lost the
            last one seen, in this frame's camera.
        velocity: (6,) of the object's origin and its angular velocity, m/s and rad/s, axes of the
            fixed frame; of the camera frame, and against the camera, where none was ever given.
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
        rejections: every instance or estimate that was not used, with the reason.
        timings_ms: wall time per stage.
        notes: what was out of the ordinary in this frame, for logs, in sentences.
        compensated: whether the camera's motion since the frame before was known.
        late: the frame is older than the newest one: poses are those of its own stamp.
    """

    tracks: tuple[Track, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    compensated: bool = False
    late: bool = False


@dataclass(frozen=True)
class TrackMemory:
    """What the tracker remembers of one object from frame to frame.

    Attributes:
        track_id: as in `Track`.
        category: as it stands; masks that say otherwise are counted in `other_frames`.
        state: see `TrackState`.
        born_ns: when it was first seen.
        hits: frames it was seen in, counted up to the confirmation.
        missed: frames in a row with masks but none for it.
        motion: filtered pose and velocity at its own stamp, fixed frame.
        estimate: the last one accepted, in the camera of `T_fixed_cam`.
        T_fixed_cam: (4, 4) camera when it was last seen.
        anchored: whether that camera pose was known, not carried on from an earlier frame.
        points_obj: (M, 3) float32, where its surface was last seen, object frame.
        seen_ns: when it was last seen.
        masked_ns: when it last had a mask.
        instance_id: of that mask.
        suspect: estimates refused in a row.
        other_category: what masks lately name it instead, empty: they agree.
        other_frames: how often in a row.
        rival: (4, 4) pose in the fixed frame that checks clearly see instead of its own; None.
        rival_frames: how often in a row.
        checked_ns: when it was last checked.
        history: (stamp, T_fixed_obj) of its last poses, oldest first.
    """

    track_id: int
    category: str
    state: TrackState
    born_ns: int
    hits: int
    missed: int
    motion: Motion
    estimate: ObjectEstimate
    T_fixed_cam: np.ndarray
    anchored: bool
    points_obj: np.ndarray
    seen_ns: int
    masked_ns: int
    instance_id: int
    suspect: int = 0
    other_category: str = ""
    other_frames: int = 0
    rival: np.ndarray | None = None
    rival_frames: int = 0
    checked_ns: int = 0
    history: tuple[tuple[int, np.ndarray], ...] = ()


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
        hits: frames it was seen in, this one included.
        missed: frames in a row that had masks but none for it, this one included.
        unseen_s: since it was last seen.
        gone: the depth image shows what lies behind its place.
        settings: the limits.
    """
    if seen and state is TrackState.NEW and hits < settings.confirm_frames:
        return TrackState.NEW
    if seen:
        return TrackState.CONFIRMED
    if state is TrackState.NEW:
        return TrackState.NEW if missed <= 1 and unseen_s <= settings.max_coast_s else None
    if unseen_s > max(settings.keep_lost_s, settings.max_coast_s):
        return None
    if state is TrackState.LOST or gone or unseen_s > settings.max_coast_s:
        return TrackState.LOST
    return TrackState.COASTING

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Objects as the node publishes them: estimates with their names, numbers and states."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry.categories import CATEGORIES, category_id
from genpose_ros.tracking.tracks import Track, TrackState

if TYPE_CHECKING:
    from std_msgs.msg import Header

__all__ = [
    "PublishedFrame",
    "PublishedObject",
    "class_id",
    "published_estimate",
    "published_track",
    "up_fields",
]

#: As the constants STATE_* of ObjectPose, whose package there is only where ROS is.
_UNTRACKED = 0
_STATES = {
    TrackState.NEW: 1,
    TrackState.CONFIRMED: 2,
    TrackState.COASTING: 3,
    TrackState.LOST: 4,
}


@dataclass(frozen=True)
class PublishedObject:
    """Object to be published, in the camera's frame.

    Attributes:
        estimate: its pose and all that is known with it.
        id: its id in ~/objects and ~/detections; empty where it may be another in the next frame.
        frame: name of its frame on /tf, without the prefix.
        number: of its markers and points.
        state: one of ObjectPose.STATE_*.
        trusted: whether the pose is good enough for ~/poses, ~/detections and /tf.
        velocity: (6,) m/s and rad/s, along the axes of the camera's frame.
        age_s: time since the object was first seen, seconds.
        unseen_s: time since it was last seen, seconds.
    """

    estimate: ObjectEstimate
    id: str
    frame: str
    number: int
    state: int = _UNTRACKED
    trusted: bool = True
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(6))
    age_s: float = 0.0
    unseen_s: float = 0.0

    @property
    def seen(self) -> bool:
        """Whether the pose comes from the points of this frame."""
        return self.state not in (_STATES[TrackState.COASTING], _STATES[TrackState.LOST])

    def fields(self) -> dict[str, Any]:
        """Return the fields of an ObjectPose that are no messages themselves, by their names."""
        e = self.estimate
        has_energies = e.energy_rotation is not None and e.energy_translation is not None
        return {
            "id": self.id,
            "instance_id": e.instance_id,
            "class_name": e.category,
            "class_id": class_id(e.category),
            "score": float(e.score),
            "score_axis": float(e.score_axis),
            "detection_score": float(e.detection_score),
            "has_energies": has_energies,
            "energy_rotation": float(e.energy_rotation or 0.0),
            "energy_translation": float(e.energy_translation or 0.0),
            "n_points": int(e.n_points),
            "rests": e.rests,
            "up_turn": float(e.up_turn_rad),
            "remarks": [remark.value for remark in e.remarks],
            "has_second_mode": e.T_cam_other is not None,
            "tracking_state": self.state,
        }


@dataclass(frozen=True)
class PublishedFrame:
    """Objects and rejections of one depth image, and the frame that the outputs are given in.

    Attributes:
        objects: in the camera's frame.
        rejections: what was refused, and why.
        header: of the outputs: the stamp of the depth image and the name of their frame.
        timings_ms: wall time per stage.
        T_out_cam: (4, 4), camera to the frame of `header`; the identity where it is the camera's.
        up_cam: the direction up that the objects were estimated with; None: none.
        lowered: what was lowered to keep `max_latency_ms`, in words; empty: nothing.
    """

    objects: Sequence[PublishedObject]
    rejections: Sequence[Rejection]
    header: "Header"
    timings_ms: dict[str, float] = field(default_factory=dict)
    T_out_cam: np.ndarray = field(default_factory=lambda: np.eye(4))
    up_cam: UpDirection | None = None
    lowered: str = ""

    def expressed_in(self, T_out_cam: np.ndarray, header: "Header") -> "PublishedFrame":
        """Return the same objects, to be published in another frame.

        Args:
            T_out_cam: (4, 4), camera to that frame.
            header: of the outputs; names the frame.
        """
        return replace(self, T_out_cam=T_out_cam, header=header)


def class_id(category: str) -> int:
    """Return the number of a category in messages: 1 to 6 of the NOCS ones, 0 of others."""
    return category_id(category) if category in CATEGORIES else 0


def up_fields(up_cam: UpDirection, T_out_cam: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
    """Return the fields of an UpDirection message but the direction, and that one (3,).

    Args:
        up_cam: in the camera's frame.
        T_out_cam: (4, 4), camera to the frame of the outputs.
    """
    direction = T_out_cam[:3, :3] @ up_cam.direction_cam
    level_m = up_cam.level_m
    fields = {
        "source": up_cam.source,
        "sigma": float(up_cam.sigma_rad),
        "has_level": level_m is not None,
        "level": 0.0 if level_m is None else level_m + float(direction @ T_out_cam[:3, 3]),
    }
    return fields, direction


def published_estimate(estimate: ObjectEstimate) -> PublishedObject:
    """Return an object that was estimated from one frame alone."""
    return PublishedObject(
        estimate,
        id="",
        frame=f"{estimate.category}_{estimate.instance_id}",
        number=estimate.instance_id,
    )


def published_track(track: Track, R_fixed_cam: np.ndarray, max_coast_s: float) -> PublishedObject:
    """Return a tracked object; trusted when confirmed, and for a while after it was last seen.

    Args:
        track: its velocity is along the axes of the fixed frame.
        R_fixed_cam: (3, 3) camera in the fixed frame; the identity without one.
        max_coast_s: objects that were not seen for longer are not trusted.
    """
    coasts = track.state is TrackState.COASTING and track.unseen_s <= max_coast_s
    return PublishedObject(
        replace(track.estimate, instance_id=track.instance_id),
        id=track.name,
        frame=track.name,
        number=track.track_id,
        state=_STATES[track.state],
        trusted=track.state is TrackState.CONFIRMED or coasts,
        velocity=np.kron(np.eye(2), R_fixed_cam.T) @ track.velocity,
        age_s=track.age_s,
        unseen_s=track.unseen_s,
    )

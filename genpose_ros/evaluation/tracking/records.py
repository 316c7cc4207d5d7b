# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Records of tracked sequences: which track is which object, and how far off its pose is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from genpose_ros.evaluation.metrics import pose_errors
from genpose_ros.geometry.categories import NOCS, Category, CategorySet
from genpose_ros.geometry.symmetry import nearest_equivalent
from genpose_ros.synthesis.sequences import TrueObject
from genpose_ros.tracking.tracks import Track, TrackState

__all__ = [
    "MATCH_M",
    "VISIBLE_SHARE",
    "ObjectRecord",
    "ReportedPose",
    "SequenceRecord",
    "match",
    "record_sequence",
    "reported_poses",
]

#: An object counts as visible when more than this share of its whole outline is.
VISIBLE_SHARE = 0.2
#: A track is an object's when it is of its class and no farther off than this.
MATCH_M = 0.10


@dataclass(frozen=True)
class ReportedPose:
    """Pose that a tracker reports of one object in one frame.

    Attributes:
        track_id: its identity.
        category: its class.
        T_cam_obj: (4, 4), metres.
        state: of the track; only confirmed and coasting ones count as reported.
    """

    track_id: int
    category: str
    T_cam_obj: np.ndarray
    state: TrackState = TrackState.CONFIRMED

    @property
    def reported(self) -> bool:
        """Whether users take it for an object that is there."""
        return self.state in (TrackState.CONFIRMED, TrackState.COASTING)


@dataclass(frozen=True)
class ObjectRecord:
    """One true object over the F frames of a sequence.

    Attributes:
        category: category name.
        visible_share: (F,) share of its outline that the image shows.
        track: (F,) int, id of the reported track that is taken for it; -1 where there is none.
        confirmed: (F,) bool, whether that track was seen in the frame.
        known: (F,) int, id of the last track it had so far, -1 before the first.
        known_state: (F,) str, state of the track `known`, empty where that has ended.
        rotation_deg, translation_cm: (F,) errors of `track`, NaN without.
        T_cam_true: (F, 4, 4).
        T_cam_track: (F, 4, 4) pose of `track`, NaN without; of the equivalent ones of a category
            with a finite group that which is nearest to the truth.
        axisymmetric: whether its orientation is that of its y axis alone.
    """

    category: str
    visible_share: np.ndarray
    track: np.ndarray
    confirmed: np.ndarray
    known: np.ndarray
    known_state: np.ndarray
    rotation_deg: np.ndarray
    translation_cm: np.ndarray
    T_cam_true: np.ndarray
    T_cam_track: np.ndarray
    axisymmetric: bool = False

    @property
    def visible(self) -> np.ndarray:
        """(F,) bool, see `VISIBLE_SHARE`."""
        return self.visible_share > VISIBLE_SHARE


@dataclass(frozen=True)
class SequenceRecord:
    """All true objects of a sequence, and the tracks that belong to none.

    Attributes:
        kind: of sequence.
        seed: of it.
        rate_hz: frames per second.
        objects: in the order of their ids.
        confirmed: poses of confirmed tracks over all frames, and how many of them belong to no
            object.
        coasting: the same of coasting tracks.
    """

    kind: str
    seed: int
    rate_hz: float
    objects: tuple[ObjectRecord, ...]
    confirmed: tuple[int, int] = (0, 0)
    coasting: tuple[int, int] = (0, 0)


def reported_poses(tracks: Iterable[Track]) -> tuple[ReportedPose, ...]:
    """Return what counts of a tracker's tracks."""
    return tuple(
        ReportedPose(t.track_id, t.estimate.category, t.estimate.T_cam_obj, t.state) for t in tracks
    )


def match(
    objects: Sequence[TrueObject], poses: Sequence[ReportedPose], known: dict[int, int]
) -> dict[int, int]:
    """Return the index of the pose taken for each object, by object id.

    Only poses of the object's class and within 10 cm can be taken. As with the CLEAR MOT measures
    an object keeps its track as long as that can be taken; the others are assigned by distance.

    Args:
        objects: of one frame.
        poses: reported ones.
        known: track id that each object had last, by object id.
    """
    cost = np.full((len(objects), len(poses)), np.inf)
    for i, item in enumerate(objects):
        for j, pose in enumerate(poses):
            distance = np.linalg.norm(item.T_cam_obj[:3, 3] - pose.T_cam_obj[:3, 3])
            if pose.category == item.category and distance <= MATCH_M:
                cost[i, j] = distance
    taken: dict[int, int] = {}
    for i, item in enumerate(objects):
        for j, pose in enumerate(poses):
            if known.get(item.object_id) == pose.track_id and np.isfinite(cost[i, j]):
                taken[i] = j
    rows = [i for i in range(len(objects)) if i not in taken]
    columns = [j for j in range(len(poses)) if j not in taken.values()]
    rest = cost[np.ix_(rows, columns)]
    # Far more than any sum of distances: as many pairs as there can be.
    solved = linear_sum_assignment(np.where(np.isfinite(rest), rest, 1e3))
    for a, b in zip(*solved, strict=True):
        if np.isfinite(rest[a, b]):
            taken[rows[a]] = columns[b]
    return {objects[i].object_id: j for i, j in taken.items()}


def record_sequence(
    kind: str,
    seed: int,
    rate_hz: float,
    frames: Sequence[tuple[Sequence[TrueObject], Sequence[ReportedPose]]],
    categories: CategorySet = NOCS,
) -> SequenceRecord:
    """Return the record of a sequence from the truth and the tracks of each of its frames.

    Args:
        kind, seed, rate_hz: of the sequence.
        frames: true objects and reported poses of each.
        categories: of the objects.
    """
    known: dict[int, int] = {}
    rows: dict[int, list[dict[str, Any]]] = {}
    counts = {TrackState.CONFIRMED: [0, 0], TrackState.COASTING: [0, 0]}
    for objects, poses in frames:
        shown = [pose for pose in poses if pose.reported]
        states = {pose.track_id: pose.state.value for pose in poses}
        pairs = match(objects, shown, known)
        for j, pose in enumerate(shown):
            counts[pose.state][0] += 1
            counts[pose.state][1] += j not in pairs.values()
        for item in objects:
            taken = shown[pairs[item.object_id]] if item.object_id in pairs else None
            if taken is not None:
                known[item.object_id] = taken.track_id
            last = known.get(item.object_id, -1)
            row = _compared(item, taken, categories[item.category])
            row |= {"known": last, "known_state": states.get(last, "")}
            rows.setdefault(item.object_id, []).append(row)
    names = {item.object_id: item.category for item in frames[0][0]} if frames else {}
    records = tuple(
        ObjectRecord(
            names[number],
            **{name: np.array([r[name] for r in mine]) for name in mine[0]},
            axisymmetric=categories[names[number]].symmetry.free_axis,
        )
        for number, mine in sorted(rows.items())
    )
    (confirmed, stray), (coasting, astray) = counts.values()
    return SequenceRecord(kind, seed, rate_hz, records, (confirmed, stray), (coasting, astray))


def _compared(item: TrueObject, pose: ReportedPose | None, category: Category) -> dict[str, Any]:
    """One frame's fields of an object's record."""
    errors, T_cam_track = (np.nan, np.nan), np.full((4, 4), np.nan)
    if pose is not None:
        T_cam_track = nearest_equivalent(pose.T_cam_obj, item.T_cam_obj, category)
        errors = pose_errors(T_cam_track, item.T_cam_obj, category, item.handle_visible)
    return {
        "visible_share": item.visible_share,
        "track": -1 if pose is None else pose.track_id,
        "confirmed": pose is not None and pose.state is TrackState.CONFIRMED,
        "rotation_deg": errors[0],
        "translation_cm": errors[1],
        "T_cam_true": item.T_cam_obj,
        "T_cam_track": T_cam_track,
    }

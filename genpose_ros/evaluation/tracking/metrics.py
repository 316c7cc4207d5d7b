# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Measures of tracked sequences: errors, identities, recoveries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from genpose_ros.evaluation.tracking.records import ObjectRecord, SequenceRecord

__all__ = [
    "Return",
    "errors_over_time",
    "identity_switches",
    "pose_lags_ms",
    "returns",
    "runs",
    "summarise_tracking",
]

#: A gap of at least this many frames is an occlusion; shorter ones are flicker at the limit.
MIN_HIDDEN_FRAMES = 3
#: Occlusions up to this long must leave the identity as it was.
SHORT_S = 1.0
#: A switch within this time of an occlusion is counted as its consequence.
_AFTER_S = 1.0
#: No more of an object's outline is visible than this: it is gone.
_GONE_SHARE = 0.02
_LIMIT_DEG, _LIMIT_CM = 5.0, 5.0
#: Farther off than this an orientation is wrong, it does not trail.
_TRAILING_DEG = 30.0
#: An object should be reported again within this many frames of its return.
RECOVERY_FRAMES = 3


@dataclass(frozen=True)
class Return:
    """One return of a known object after an occlusion or from outside the image.

    Attributes:
        frame: first visible frame.
        hidden_s: how long it was hidden.
        frames: frames until its track was seen again, 0: in the first; None: not while it stayed.
        good_frames: the same until within 5 degrees and 5 cm.
        same_id: whether it came back with the identity it had; None where it did not come back.
    """

    frame: int
    hidden_s: float
    frames: int | None
    good_frames: int | None
    same_id: bool | None


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return begin and end (exclusive) of the runs of true in (F,) flags."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(int), [0]))))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def returns(record: ObjectRecord, rate_hz: float) -> list[Return]:
    """Return what happened each time a known object became visible again.

    Hidden for at least 3 frames, then visible for at least 5, and tracked some time before.
    """
    hidden = [run for run in runs(~record.visible) if run[1] - run[0] >= MIN_HIDDEN_FRAMES]
    found = []
    for number, (first, back) in enumerate(hidden):
        end = hidden[number + 1][0] if number + 1 < len(hidden) else len(record.track)
        if first == 0 or record.known[first - 1] < 0 or end - back < 5:
            continue
        seen = np.flatnonzero(record.confirmed[back:end])
        good = np.flatnonzero(record.confirmed[back:end] & _within(record)[back:end])
        same = None
        if len(seen):
            same = bool(record.track[back + seen[0]] == record.known[first - 1])
        found.append(
            Return(
                frame=back,
                hidden_s=(back - first) / rate_hz,
                frames=int(seen[0]) if len(seen) else None,
                good_frames=int(good[0]) if len(good) else None,
                same_id=same,
            )
        )
    return found


def identity_switches(record: ObjectRecord, rate_hz: float) -> tuple[int, int]:
    """Return how often the object's identity changed without and after an occlusion.

    Counted when a visible object is taken for another track than the last one it had; after an
    occlusion when it was hidden in between or up to a second before.
    """
    without = after = 0
    last, last_frame = -1, 0
    for frame in np.flatnonzero((record.track >= 0) & record.visible):
        track = int(record.track[frame])
        if last >= 0 and track != last:
            since = min(last_frame, int(frame - _AFTER_S * rate_hz))
            if record.visible[max(since, 0) : frame].all():
                without += 1
            else:
                after += 1
        last, last_frame = track, int(frame)
    return without, after


def _within(record: ObjectRecord) -> np.ndarray:
    # Comparisons with NaN are false: no pose is not within.
    return (record.rotation_deg <= _LIMIT_DEG) & (record.translation_cm <= _LIMIT_CM)


def _fragments(record: ObjectRecord) -> int:
    """How often reports of the visible object broke off and came back."""
    covered = record.track[record.visible] >= 0
    return max(len(runs(covered)) - 1, 0)


def summarise_tracking(
    records: Sequence[SequenceRecord], *, max_coast_s: float = 0.5
) -> dict[str, Any]:
    """Return the measures of sequences as JSON values: per cent, degrees, centimetres, frames.

    5d5cm counts the (frame, object) pairs of visible objects, those without a reported pose as
    wrong; mean errors are over the pairs that have one. Values that do not exist are None.

    Args:
        records: of any sequences.
        max_coast_s: how long a tracker may go on reporting what it does not see.
    """
    objects = [(o, r.rate_hz) for r in records for o in r.objects]
    visible = _joined([o.visible for o, _ in objects]).astype(bool)
    degrees = _joined([o.rotation_deg for o, _ in objects])
    centimetres = _joined([o.translation_cm for o, _ in objects])
    matched = visible & np.isfinite(degrees)
    return {
        **_accuracy([o for o, _ in objects]),
        "median_rotation_deg": _median(degrees[matched]),
        "median_translation_cm": _median(centimetres[matched]),
        "half_turns_percent": _percent(degrees[matched] > 90),
        "unreported_percent": _percent(~np.isfinite(degrees[visible])),
        **_identities(objects),
        **_presence(objects, max_coast_s),
        "false_percent": _stray([r.confirmed for r in records]),
        "coasting_astray_percent": _stray([r.coasting for r in records]),
        "per_category": _per_category([o for o, _ in objects]),
    }


def _identities(objects: Sequence[tuple[ObjectRecord, float]]) -> dict[str, Any]:
    counts = np.array([identity_switches(o, rate) for o, rate in objects]).reshape(-1, 2).sum(0)
    events = [event for o, rate in objects for event in returns(o, rate)]
    short = [event for event in events if event.hidden_s <= SHORT_S]
    waits = [event.frames for event in events if event.frames is not None]
    good = [event.good_frames for event in events if event.good_frames is not None]
    in_time = [w is not None and w <= RECOVERY_FRAMES for w in (e.frames for e in events)]
    return {
        "id_switches": int(counts.sum()),
        "id_switches_without_occlusion": int(counts[0]),
        "id_switches_after_occlusion": int(counts[1]),
        "fragmentations": sum(_fragments(o) for o, _ in objects),
        "returns": len(events),
        "returns_within_1_s": len(short),
        "id_lost_after_occlusion_percent": _percent([e.same_id is False for e in short]),
        "recovered_percent": _percent([e.frames is not None for e in events]),
        "recovered_in_3_frames_percent": _percent(in_time),
        "recovery_frames_mean": _mean(waits),
        "recovery_frames_median": _median(waits),
        "recovery_to_5d5cm_frames_median": _median(good),
    }


def _presence(objects: Sequence[tuple[ObjectRecord, float]], max_coast_s: float) -> dict[str, Any]:
    """Lost though visible, and still there though gone."""
    lost, visible, ghosts, gone, claimed, hidden = 0, 0, 0, 0, 0, 0
    for record, rate in objects:
        known = record.known >= 0
        lost += int((record.visible & (record.known_state == "lost")).sum())
        visible += int((record.visible & known).sum())
        for first, end in runs(record.visible_share <= _GONE_SHARE):
            there = known[first:end]
            state = record.known_state[first:end]
            claimed += int((state == "confirmed").sum())
            hidden += int(there.sum())
            later = np.arange(end - first) / rate > max_coast_s
            ghosts += int((np.isin(state, ("confirmed", "coasting")) & later).sum())
            gone += int((there & later).sum())
    return {
        "lost_while_visible_percent": _ratio(lost, visible),
        "confirmed_while_gone_percent": _ratio(claimed, hidden),
        "reported_after_coasting_percent": _ratio(ghosts, gone),
    }


def _per_category(objects: Sequence[ObjectRecord]) -> dict[str, Any]:
    summary = {}
    for name in sorted({o.category for o in objects}):
        summary[name] = _accuracy([o for o in objects if o.category == name])
    return summary


def _accuracy(objects: Sequence[ObjectRecord]) -> dict[str, Any]:
    """Share within the limits of all visible, mean errors of those with a pose, and how many."""
    visible = _joined([o.visible for o in objects]).astype(bool)
    degrees = _joined([o.rotation_deg for o in objects])[visible]
    centimetres = _joined([o.translation_cm for o in objects])[visible]
    return {
        "5d5cm": _percent(_joined([_within(o) for o in objects]).astype(bool)[visible]),
        "mean_rotation_deg": _mean(degrees[np.isfinite(degrees)]),
        "mean_translation_cm": _mean(centimetres[np.isfinite(centimetres)]),
        "objects": int(visible.sum()),
    }


def errors_over_time(records: Sequence[SequenceRecord], step_s: float = 0.5) -> dict[str, Any]:
    """Return time in seconds, share within 5 degrees and 5 cm, and median errors per time step."""
    columns: dict[int, list[tuple[bool, float, float]]] = {}
    for record in records:
        for item in record.objects:
            within = _within(item)
            for frame in np.flatnonzero(item.visible):
                row = (bool(within[frame]), item.rotation_deg[frame], item.translation_cm[frame])
                columns.setdefault(int(frame / record.rate_hz / step_s), []).append(row)
    steps = sorted(columns)
    parts = [np.array(columns[step], dtype=np.float64).T for step in steps]
    return {
        "time_s": [round(step * step_s, 3) for step in steps],
        "5d5cm": [_percent(part[0]) for part in parts],
        "median_rotation_deg": [_median(part[1][np.isfinite(part[1])]) for part in parts],
        "median_translation_cm": [_median(part[2][np.isfinite(part[2])]) for part in parts],
    }


def pose_lags_ms(records: Sequence[SequenceRecord]) -> tuple[float | None, float | None]:
    """Return by how many milliseconds positions and orientations trail the truth, camera at rest.

    Least squares over all visible frames: error = lag times velocity, of the true motion.
    Axisymmetric objects have no orientation to trail; those more than 30 degrees off do not count.
    """
    moved, turned = np.zeros(2), np.zeros(2)
    for record in records:
        for item in record.objects:
            seen = item.visible[1:-1] & item.confirmed[1:-1]
            before, now, later = (item.T_cam_true[a : len(item.track) + a - 2] for a in (0, 1, 2))
            est = item.T_cam_track[1:-1]
            seconds = 2 / record.rate_hz
            velocity = (later[:, :3, 3] - before[:, :3, 3]) / seconds
            moved += _projected(now[:, :3, 3] - est[:, :3, 3], velocity, seen)
            if item.axisymmetric:
                continue
            seen &= item.rotation_deg[1:-1] < _TRAILING_DEG
            behind = _turn(est[seen], now[seen])
            turned += _projected(behind, _turn(before[seen], later[seen]) / seconds)
    lags = [1e3 * a / b if b > 0 else None for a, b in (moved, turned)]
    return (lags[0], lags[1])


def _projected(
    error: np.ndarray, velocity: np.ndarray, chosen: np.ndarray | slice = slice(None)
) -> np.ndarray:
    """Sums of error times velocity and of velocity squared."""
    products = [(error * velocity).sum(-1), (velocity**2).sum(-1)]
    return np.array([product[chosen].sum() for product in products])


def _turn(T_from: np.ndarray, T_to: np.ndarray) -> np.ndarray:
    """Rotation vectors (M, 3), camera axes, that turn one pose's axes onto the other's."""
    relative = T_to[:, :3, :3] @ T_from[:, :3, :3].transpose(0, 2, 1)
    return (
        np.asarray(Rotation.from_matrix(relative).as_rotvec())
        if len(relative)
        else np.empty((0, 3))
    )


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0)


def _percent(flags: "Sequence[bool] | np.ndarray") -> float | None:
    return round(100 * float(np.mean(flags)), 2) if len(flags) else None


def _stray(counts: Sequence[tuple[int, int]]) -> float | None:
    """Per cent of the poses, (all, stray) of each sequence, that belong to no object."""
    return _ratio(sum(stray for _, stray in counts), sum(whole for whole, _ in counts))


def _ratio(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None


def _mean(values: "Sequence[float] | np.ndarray") -> float | None:
    return round(float(np.mean(values)), 3) if len(values) else None


def _median(values: "Sequence[float] | np.ndarray") -> float | None:
    return round(float(np.median(values)), 3) if len(values) else None

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Delayed (out-of-sequence) masks: matched in their own frame, propagated to the newest one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from genpose_ros.estimation.frame import Frame
from genpose_ros.estimation.reasons import Reason
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.geometry.clouds import inverse_transform_points
from genpose_ros.tracking import constants
from genpose_ros.tracking.depth_around import shift_onto
from genpose_ros.tracking.depth_history import newer_than
from genpose_ros.tracking.state import (
    TrackedObject,
    TrackerState,
    drop_predictions,
    rebase,
)
from genpose_ros.tracking.step import Association, PredictedTrack, TrackingStep
from genpose_ros.tracking.symmetric_poses import are_far_apart, turn_deg
from genpose_ros.tracking.tracks import TrackState
from genpose_ros.tracking.visibility import outside_fraction

__all__ = ["process_delayed"]


@dataclass(frozen=True)
class _Verified:
    """Tracks after they were compared with their delayed masks.

    Attributes:
        objects: all, where they are now.
        strayed: those that were elsewhere than thought, where the delayed frame has them.
    """

    objects: list[TrackedObject]
    strayed: list[TrackedObject]


def process_delayed(step: TrackingStep, *, has_masks: bool) -> TrackerState:
    """Return the state after a frame older than the newest one; no track moves back in time.

    Masks tell which object is which. New objects, and those that were not where they were thought
    to be, are estimated in this frame and propagated through the depth images since then.

    Args:
        step: of the delayed frame, with the state as of the newest one.
        has_masks: without masks there is nothing to learn.
    """
    if not has_masks:
        detail = "the depth image is older than the newest one; only masks may be delayed"
        step.reject(Reason.STAMP_OUT_OF_ORDER, detail)
        return step.state
    masked, association = _match(step)
    verified = _verify(step, masked)
    new = step.initiate(association, verified.objects)
    current = _propagate(step, [*verified.strayed, *new])
    objects = {obj.track_id: obj for obj in [*verified.objects, *current]}
    return step.settled(list(objects.values()), new=len(new))


def _match(step: TrackingStep) -> tuple[list[PredictedTrack], Association]:
    """The tracks that have a mask, where they were taken to be at the time, and all clouds."""
    clouds = step.clouds()
    with step.timer.stage("associate"):
        stamp_ns, objects = step.camera_pose.stamp_ns, step.state.objects
        motions = [
            replace(obj.motion, stamp_ns=stamp_ns, T_fixed_obj=obj.at(stamp_ns)) for obj in objects
        ]
        tracks = {track.track_id: track for track in step.place(objects, motions)}
        association = step.associate(list(tracks.values()), clouds)
    pairs = association.of_track.items()
    return [step.with_mask(tracks[number], cloud) for number, cloud in pairs], association


def _verify(step: TrackingStep, masked: Sequence[PredictedTrack]) -> _Verified:
    """Estimate the tracks that do not fit their masks, and verify one of those that do."""
    fitting = [track for track in masked if _fits(track)]
    fitting_ids = {track.track_id for track in fitting}
    others = [
        _restarted_where_far(step, track) for track in masked if track.track_id not in fitting_ids
    ]
    due = step.to_verify(fitting)
    warm = step.estimate_warm(others) | {track.track_id: _as_it_stands(track) for track in due}
    judged = [*others, *due]
    fresh = step.estimate_fresh(judged)
    with step.timer.stage("choose"):
        after = step.transition(judged, warm, fresh)
    objects = {obj.track_id: obj for obj in step.state.objects}
    objects |= {track.track_id: track.obj for track in masked}
    strayed = []
    for track, obj in zip(judged, after, strict=True):
        if obj is None:
            continue
        objects[track.track_id] = _with_verification(objects[track.track_id], obj)
        if _strayed(step, track, obj):
            strayed.append(_out_of_sight(drop_predictions(obj)))
    return _Verified(list(objects.values()), strayed)


def _propagate(step: TrackingStep, objects: Sequence[TrackedObject]) -> Sequence[TrackedObject]:
    """Objects of the delayed frame as of the newest one, after the depth images since then."""
    images = newer_than(step.state.images, step.camera_pose.stamp_ns, objects=len(objects))
    for image in images:
        if not objects:
            break
        replay = TrackingStep(
            step.estimator,
            step.settings,
            TrackerState(
                tuple(rebase(obj, image.camera_pose) for obj in objects),
                support=step.support.remembered,
                masks_ns=step.state.masks_ns,
            ),
            Frame(image.depth_m, image.camera),
            image.camera_pose,
            step.timer,
        )
        objects = replay.process(has_masks=False).objects
    return objects


def _fits(track: PredictedTrack) -> bool:
    """Whether a track's surface lies where its mask shows the object: no need to estimate it."""
    obj, cloud, T = track.obj, track.cloud, track.T_cam_obj
    if cloud is None or obj.needs_fresh_start or obj.state is TrackState.COASTING:
        return False
    if _outside(track) > constants.FITTING_OUTSIDE_SHARE:
        return False
    shown = inverse_transform_points(T, cloud.points_cam)
    return float(np.linalg.norm(shift_onto(shown, obj.points_obj))) < constants.FITTING_M


def _outside(track: PredictedTrack) -> float:
    """Share of a track's points outside its box where it was taken to be."""
    if track.cloud is None:
        return 0.0
    size_m, axisymmetric = track.obj.estimate.size_m, track.obj.axisymmetric
    points_cam = track.cloud.points_cam
    return outside_fraction(points_cam, track.T_cam_obj, size_m, axisymmetric=axisymmetric)


def _restarted_where_far(step: TrackingStep, track: PredictedTrack) -> PredictedTrack:
    """The track, to be found without its last pose where that was not even near its mask."""
    coasting = track.obj.state is TrackState.COASTING
    if coasting or _outside(track) > step.settings.max_outside_share:
        return replace(track, obj=replace(track.obj, restart=True))
    return track


def _strayed(step: TrackingStep, track: PredictedTrack, after: TrackedObject) -> bool:
    """Whether a track is better off with what its delayed mask shows."""
    stamp_ns, symmetry = step.camera_pose.stamp_ns, track.obj.symmetry
    if after.last.stamp_ns != stamp_ns:
        return False
    if track.obj.needs_fresh_start:
        return True
    T_then, T_shown = track.T_cam_obj, after.estimate.T_cam_obj
    if not newer_than(step.state.images, stamp_ns):
        return are_far_apart(T_then, T_shown, symmetry=symmetry)
    distance_m = float(np.linalg.norm(T_shown[:3, 3] - T_then[:3, 3]))
    degrees = turn_deg(T_then, T_shown, symmetry=symmetry)
    return distance_m > constants.STRAYED_M or degrees > constants.STRAYED_DEG


def _as_it_stands(track: PredictedTrack) -> ObjectEstimate:
    """A track's estimate where it is taken to be, with the points of its mask."""
    placed = track.obj.estimate.placed(track.T_cam_obj)
    return placed if track.cloud is None else replace(placed, points_cam=track.cloud.points_cam)


def _with_verification(obj: TrackedObject, after: TrackedObject) -> TrackedObject:
    """An object where it is, with what a verification in the delayed frame said of it."""
    return replace(
        obj,
        verified_ns=max(obj.verified_ns, after.verified_ns),
        alternative=after.alternative,
        alternative_checks=after.alternative_checks,
        alternative_gain=after.alternative_gain,
    )


def _out_of_sight(obj: TrackedObject) -> TrackedObject:
    """An object of which only the images since the delayed frame can tell where it is."""
    state = obj.state if obj.state is TrackState.NEW else TrackState.COASTING
    return replace(obj, state=state, rest=None)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""State of the tracker and of each tracked object, and the transitions of one frame."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from genpose_ros.estimation.error_covariance import error_covariances
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import NOCS, CategorySet
from genpose_ros.geometry.clouds import inverse_transform_points, transform_points
from genpose_ros.geometry.symmetry import pin_yaw
from genpose_ros.geometry.symmetry_groups import Symmetry
from genpose_ros.geometry.transforms import rotate_covariance, with_uniform_angle
from genpose_ros.tracking import constants
from genpose_ros.tracking.depth_around import misfit_m, shift_onto
from genpose_ros.tracking.depth_history import DepthImage
from genpose_ros.tracking.ego_motion import (
    EgoMotion,
    PoseHistory,
    StampedCameraPose,
    append_pose,
    pose_at,
)
from genpose_ros.tracking.motion import (
    Motion,
    MotionNoise,
    change_frame,
    correct,
    initial_motion,
    predict,
    significant_velocity,
)
from genpose_ros.tracking.rest import Rest, steadied, unless_taken_away, updated_rests
from genpose_ros.tracking.settings import TrackerSettings
from genpose_ros.tracking.support import RememberedSupport
from genpose_ros.tracking.symmetric_poses import nearest_member
from genpose_ros.tracking.tracks import Track, TrackState, next_state
from genpose_ros.tracking.visibility import image_pixels

__all__ = [
    "Followed",
    "TrackedObject",
    "TrackerState",
    "area_of",
    "as_tracks",
    "drop_predictions",
    "initiate",
    "miss",
    "nearest_equivalent",
    "predicted_motions",
    "rebase",
    "update",
    "update_mask",
]


@dataclass(frozen=True)
class TrackedObject:
    """One object from frame to frame.

    Attributes:
        track_id: as in `Track`.
        category: as it stands; masks that say otherwise are counted in `other_frames`.
        state: see `TrackState`.
        first_seen_ns: when it was first seen.
        motion: filtered pose and velocity when it was last seen, fixed frame.
        estimate: the last one accepted, in the camera of `last`.
        last: when and from where it was last seen.
        points_obj: (M, 3) float32, where a mask last showed its surface as a whole, object
            frame, in random order: some of the first ones are taken for all of it.
        area: pixels of its mask when it was last seen as a whole, times its distance in metres
            squared.
        masked_ns: when it last had a mask.
        instance_id: of that mask.
        hits: masks it has had, counted up to the confirmation.
        missed: frames in a row with masks but none for it.
        implausible: estimates in a row that were not plausible.
        restart: it is to be estimated without its last pose, as its class changed or as it was
            not near its mask.
        other_category: what masks lately name it instead; empty: they agree.
        other_frames: how often in a row.
        verified_ns: when it was last verified.
        alternative: (4, 4) pose, in its own object frame, that verifications see instead; None:
            they agree.
        alternative_checks: how often in a row.
        alternative_gain: by how much its energies were above the own ones then, in sum.
        energy: running mean of its total energy; None without energies.
        rest: its poses since it last moved, seen whole; None: there are none.
        history: T_fixed_obj in the last frames.
        categories: that the model knows; decide its symmetry.
    """

    track_id: int
    category: str
    state: TrackState
    first_seen_ns: int
    motion: Motion
    estimate: ObjectEstimate
    last: StampedCameraPose
    points_obj: np.ndarray
    area: float
    masked_ns: int
    instance_id: int
    hits: int = 1
    missed: int = 0
    implausible: int = 0
    restart: bool = False
    other_category: str = ""
    other_frames: int = 0
    verified_ns: int = 0
    alternative: np.ndarray | None = None
    alternative_checks: int = 0
    alternative_gain: float = 0.0
    energy: float | None = None
    rest: Rest | None = None
    history: PoseHistory = ()
    categories: CategorySet = NOCS

    @property
    def name(self) -> str:
        """Category and id, such as mug_3."""
        return f"{self.category}_{self.track_id}"

    @property
    def axisymmetric(self) -> bool:
        """Whether the object looks the same from all sides about y."""
        return self.symmetry.free_axis

    @property
    def symmetry(self) -> Symmetry:
        """Symmetry of its category."""
        return self.categories[self.category].symmetry

    @property
    def few_points_obj(self) -> np.ndarray:
        """Some of its surface, (`VISIBILITY_POINTS`, 3), spread over all of it."""
        count = constants.VISIBILITY_POINTS
        points = self.points_obj[:count]
        return points if len(points) == count else np.resize(points, (count, 3))

    @property
    def is_doubtful(self) -> bool:
        """Whether its last pose may be wrong."""
        return self.restart or self.implausible > 0

    @property
    def needs_fresh_start(self) -> bool:
        """Whether its last pose is no place to start from."""
        return self.state is TrackState.LOST or self.is_doubtful

    def without_alternative(self) -> "TrackedObject":
        """Return the object as if verifications agreed with its pose."""
        return replace(self, alternative=None, alternative_checks=0, alternative_gain=0.0)

    def at(self, stamp_ns: int) -> np.ndarray:
        """Return T_fixed_obj (4, 4) at a stamp, between the frames around it."""
        return pose_at(self.history, stamp_ns)


@dataclass(frozen=True)
class TrackerState:
    """Everything that goes on from frame to frame; replaced as a whole, so no error leaves halves.

    Attributes:
        objects: oldest first.
        next_id: of the next object.
        ego_motion: the camera's poses.
        images: the depth images that delayed masks may need, oldest first.
        support: what objects stand on; None: it is not known.
        masks_ns: stamps of the last frames with masks, oldest first.
    """

    objects: tuple[TrackedObject, ...] = ()
    next_id: int = 1
    ego_motion: EgoMotion = field(default_factory=EgoMotion)
    images: tuple[DepthImage, ...] = ()
    support: RememberedSupport | None = None
    masks_ns: tuple[int, ...] = ()

    @property
    def mask_period_s(self) -> float:
        """How far apart the last frames with masks were, seconds, at most; 0: not known."""
        return max((b - a for a, b in pairwise(self.masks_ns)), default=0) / 1e9

    def cleared(self) -> "TrackerState":
        """Return the state of a tracker that knows nothing but the ids that are taken."""
        return TrackerState(next_id=self.next_id)

    def with_masks(self, stamp_ns: int) -> "TrackerState":
        """Return the state that knows of one more frame with masks."""
        if stamp_ns in self.masks_ns:
            return self
        stamps = sorted((*self.masks_ns, stamp_ns))
        return replace(self, masks_ns=tuple(stamps[-constants.MASK_STAMPS :]))

    def moved(self, stamp_ns: int, T_fixed_cam: np.ndarray | None) -> "TrackerState":
        """Return the state at the newest frame; T_fixed_cam (4, 4): None where it is not known."""
        ego_motion = self.ego_motion.updated(stamp_ns, T_fixed_cam)
        camera_pose = ego_motion.camera_pose_at(stamp_ns)
        objects = tuple(rebase(obj, camera_pose) for obj in self.objects)
        return replace(self, ego_motion=ego_motion, objects=objects)


def initiate(
    track_id: int,
    estimate: ObjectEstimate,
    camera_pose: StampedCameraPose,
    settings: TrackerSettings,
    categories: CategorySet = NOCS,
) -> TrackedObject:
    """Return an object that is seen for the first time.

    The points of the estimate, as of all clouds, must be in random order; its category is one of
    the model's `categories`.
    """
    T_fixed_obj = camera_pose.T_fixed_cam @ estimate.T_cam_obj
    stamp_ns = camera_pose.stamp_ns
    (noise,) = _measurement_noise([estimate], camera_pose, [0.0])
    confirmed = settings.confirm_frames <= 1
    return TrackedObject(
        track_id=track_id,
        category=estimate.category,
        state=TrackState.CONFIRMED if confirmed else TrackState.NEW,
        first_seen_ns=stamp_ns,
        motion=initial_motion(stamp_ns, T_fixed_obj, noise),
        estimate=estimate,
        last=camera_pose,
        points_obj=_surface(estimate),
        area=area_of(estimate),
        masked_ns=stamp_ns,
        instance_id=estimate.instance_id,
        verified_ns=stamp_ns,
        energy=estimate.energy,
        history=((stamp_ns, T_fixed_obj),),
        categories=categories,
    )


def predicted_motions(
    objects: Sequence[TrackedObject], stamp_ns: int, settings: TrackerSettings
) -> list[Motion]:
    """Return where objects are expected at a time."""
    motions = []
    for obj in objects:
        motion = obj.motion
        if not settings.predict or obj.state is TrackState.LOST:
            motion = replace(motion, velocity=np.zeros(6))
        elif (stamp_ns - motion.stamp_ns) / 1e9 > constants.SHORT_PREDICTION_S:
            motion = replace(motion, velocity=significant_velocity(motion))
        motions.append(motion)
    noise = MotionNoise(settings.acceleration_m_s2, settings.angular_acceleration_rad_s2)
    return predict(motions, stamp_ns, noise)


@dataclass(frozen=True)
class Followed:
    """An object and the estimate that it goes on with.

    Attributes:
        obj: before the frame.
        motion: predicted to it.
        estimate: in the frame's camera; its points must be in random order.
        restart: the estimate is far from the prediction: nothing of the motion is kept.
        hidden: share of its surface behind something else.
        outside: share of its surface beyond the image's border.
    """

    obj: TrackedObject
    motion: Motion
    estimate: ObjectEstimate
    restart: bool = False
    hidden: float = 0.0
    outside: float = 0.0

    @property
    def incomplete(self) -> bool:
        """Whether the image's border leaves too little of it to say where its middle is."""
        return self.outside > constants.NEGLIGIBLE_OUTSIDE_SHARE

    @property
    def whole(self) -> bool:
        """Whether what is not seen of it is negligible."""
        return not self.incomplete and self.hidden <= constants.NEGLIGIBLE_HIDDEN_SHARE


def update(
    followed: Sequence[Followed],
    camera_pose: StampedCameraPose,
    settings: TrackerSettings,
    camera: PinholeCamera,
) -> list[TrackedObject | None]:
    """Return the objects after their estimates were accepted; None: the track ends all the same.

    What is left of a partly hidden object misleads: it counts less, and the pose is the filter's.
    What the image's border leaves is placed by the surface that was last seen whole.

    Args:
        followed: the objects.
        camera_pose: of the frame.
        settings: the limits.
        camera: of the frame's depth image, whose border it is.
    """
    followed = [_completed(item, camera_pose, camera) for item in followed]
    motions = _updated_motions(followed, camera_pose)
    rests = _rests_after(followed, motions, camera_pose)
    each = zip(followed, motions, rests, strict=True)
    return [_updated(*item, camera_pose, settings) for item in each]


def _rests_after(
    followed: Sequence[Followed], motions: Sequence[Motion], camera_pose: StampedCameraPose
) -> list[Rest | None]:
    """What is known of the objects' rest, which ends with what they were taken for.

    What is not seen whole tells nothing of it, unless it was taken away, as by a hand that hides
    it.
    """
    rests = [None if item.restart or item.obj.restart else item.obj.rest for item in followed]
    symmetries = [item.obj.symmetry for item in followed]
    whole = [i for i, item in enumerate(followed) if item.whole]
    T_cam_obj = [followed[i].estimate.T_cam_obj for i in whole]
    T_fixed_obj = camera_pose.T_fixed_cam @ np.array(T_cam_obj).reshape(-1, 4, 4)
    seen = updated_rests([rests[i] for i in whole], T_fixed_obj, [symmetries[i] for i in whole])
    after = dict(zip(whole, seen, strict=True))
    return [
        after[i] if i in after else unless_taken_away(rest, motion.T_fixed_obj, symmetry=symmetry)
        for i, (rest, motion, symmetry) in enumerate(zip(rests, motions, symmetries, strict=True))
    ]


def _updated(
    item: Followed,
    motion: Motion,
    rest: Rest | None,
    camera_pose: StampedCameraPose,
    settings: TrackerSettings,
) -> TrackedObject | None:
    """An object after its estimate was accepted, with what is known of its motion after it."""
    obj, estimate = item.obj, item.estimate
    state = _state_after(obj, 0.0, settings, seen=True)
    if state is None:
        return None
    whole = item.whole
    masked = obj.masked_ns == camera_pose.stamp_ns
    if settings.smoothing or not whole:
        T_cam_obj = camera_pose.T_cam_fixed @ motion.T_fixed_obj
        covariance = _pose_covariance(obj, motion, T_cam_obj, camera_pose)
        estimate = replace(estimate, T_cam_obj=T_cam_obj, covariance=covariance)
    changed: dict[str, Any] = {}
    if item.restart:
        obj = obj.without_alternative()
    if (whole and masked) or item.restart:  # without a mask it would creep over what it touches
        changed["points_obj"] = _surface(estimate)
    if whole and masked:
        changed["area"] = area_of(estimate)
    energy = None if item.restart else obj.energy
    return replace(
        obj,
        state=state,
        motion=motion,
        estimate=estimate,
        last=camera_pose,
        implausible=0,
        restart=False,
        energy=_mean_energy(energy, estimate.energy),
        rest=rest,
        history=append_pose(obj.history, camera_pose.stamp_ns, motion.T_fixed_obj),
        **changed,
    )


def miss(
    obj: TrackedObject,
    camera_pose: StampedCameraPose,
    settings: TrackerSettings,
    *,
    gone: bool,
    implausible: bool,
) -> TrackedObject | None:
    """Return the object after a frame without an accepted estimate; None: the track ends.

    Args:
        obj: before.
        camera_pose: of the frame.
        settings: the limits.
        gone: the depth image shows what lies behind its place.
        implausible: there was an estimate, but not a plausible one.
    """
    unseen_s = camera_pose.since_s(obj.last.stamp_ns)
    state = _state_after(obj, unseen_s, settings, gone=gone)
    if state is None:
        return None
    (motion,) = predicted_motions([obj], camera_pose.stamp_ns, settings)
    history = append_pose(obj.history, camera_pose.stamp_ns, motion.T_fixed_obj)
    return replace(obj, state=state, implausible=obj.implausible + implausible, history=history)


def update_mask(
    obj: TrackedObject, category: str, instance_id: int, stamp_ns: int, settings: TrackerSettings
) -> TrackedObject:
    """Return the object after a mask was found to be its own.

    A confirmed track keeps its class until `class_change_frames` masks in a row name the same
    other one; a new one takes it over at once and begins to count again.
    """
    again = stamp_ns == obj.masked_ns
    hits = min(obj.hits + (not again), settings.confirm_frames)
    obj = replace(
        obj,
        hits=hits,
        missed=0,
        masked_ns=max(stamp_ns, obj.masked_ns),
        instance_id=instance_id,
    )
    if category == obj.category:
        return replace(obj, other_category="", other_frames=0)
    frames = obj.other_frames + 1 if category == obj.other_category else 1
    if obj.state is TrackState.NEW:
        return replace(obj, category=category, hits=1, restart=True)
    if frames < settings.class_change_frames:
        return replace(obj, other_category=category, other_frames=frames)
    # What was known of the pose was known under other symmetries.
    return replace(obj, category=category, other_category="", other_frames=0, restart=True)


def rebase(obj: TrackedObject, camera_pose: StampedCameraPose) -> TrackedObject:
    """Return an object seen last while the camera's pose was unknown, once that is known.

    It stays where the camera saw it; its velocity and its history were against the camera.
    """
    if obj.last.known or not camera_pose.known:
        return obj
    motion = change_frame(obj.motion, camera_pose.T_fixed_cam @ obj.last.T_cam_fixed)
    last = StampedCameraPose(obj.last.stamp_ns, camera_pose.T_fixed_cam, known=True)
    history = ((last.stamp_ns, motion.T_fixed_obj),)
    return replace(obj, motion=motion, last=last, rest=None, history=history)


def drop_predictions(obj: TrackedObject) -> TrackedObject:
    """Return the object without the poses it was thought to have after its newest one."""
    newest = obj.history[-1]
    older = tuple(item for item in obj.history if item[0] < newest[0])
    return replace(obj, history=(*older, newest))


def as_tracks(
    objects: Sequence[TrackedObject],
    camera_pose: StampedCameraPose,
    settings: TrackerSettings,
    *,
    delayed: bool = False,
) -> list[Track]:
    """Return what users see of objects in a frame; `delayed`: not the newest one.

    Only here are poses steadied, so that nothing of it comes back to the tracks.
    """
    shown = [_shown(obj, camera_pose, settings, delayed=delayed) for obj in objects]
    if settings.steady:
        shown = _steadied(objects, shown, camera_pose)
    covariances = error_covariances(shown, tracked=True)
    each = zip(objects, shown, covariances, strict=True)
    return [_as_track(obj, e, covariance, camera_pose) for obj, e, covariance in each]


def _shown(
    obj: TrackedObject, camera_pose: StampedCameraPose, settings: TrackerSettings, *, delayed: bool
) -> ObjectEstimate:
    """An object's estimate at the frame's stamp, in its camera; with the spread as covariance."""
    estimate, stamp_ns = obj.estimate, camera_pose.stamp_ns
    if not delayed and obj.last.stamp_ns == stamp_ns:
        return estimate
    (motion,) = predicted_motions([obj], stamp_ns, settings)
    T_fixed_obj = obj.at(stamp_ns) if delayed else motion.T_fixed_obj
    estimate = estimate.placed(camera_pose.T_cam_fixed @ T_fixed_obj)
    covariance = _pose_covariance(obj, motion, estimate.T_cam_obj, camera_pose)
    return replace(estimate, covariance=covariance)


def _steadied(
    objects: Sequence[TrackedObject],
    shown: Sequence[ObjectEstimate],
    camera_pose: StampedCameraPose,
) -> list[ObjectEstimate]:
    """Estimates, in the camera, with steadied poses; predicted ones are the filter's already."""
    T_own = np.array([estimate.T_cam_obj for estimate in shown]).reshape(-1, 4, 4)
    T_own = camera_pose.T_fixed_cam @ T_own
    stamp_ns = camera_pose.stamp_ns
    T_filter = [
        obj.motion.T_fixed_obj if obj.motion.stamp_ns == stamp_ns else T
        for obj, T in zip(objects, T_own, strict=True)
    ]
    given = steadied(T_own, [obj.rest for obj in objects], np.array(T_filter).reshape(-1, 4, 4))
    T_cam_obj = camera_pose.T_cam_fixed @ given
    return [replace(e, T_cam_obj=T) for e, T in zip(shown, T_cam_obj, strict=True)]


def _as_track(
    obj: TrackedObject,
    estimate: ObjectEstimate,
    covariance: np.ndarray,
    camera_pose: StampedCameraPose,
) -> Track:
    instance_id = obj.instance_id if obj.masked_ns == camera_pose.stamp_ns else -1
    return Track(
        track_id=obj.track_id,
        name=obj.name,
        state=obj.state,
        estimate=replace(
            estimate, covariance=covariance, category=obj.category, instance_id=instance_id
        ),
        velocity=obj.motion.velocity,
        age_s=camera_pose.since_s(obj.first_seen_ns),
        unseen_s=max(camera_pose.since_s(obj.last.stamp_ns), 0.0),
        instance_id=instance_id,
    )


def nearest_equivalent(
    estimate: ObjectEstimate, T_cam_obj: np.ndarray, symmetry: Symmetry
) -> ObjectEstimate:
    """Return the estimate with the equivalent pose nearest to another pose (4, 4).

    Of the members of a finite group one is taken, and where y is free the yaw that follows.
    """
    if symmetry.order == 1 and not symmetry.free_axis:
        return estimate
    T = nearest_member(estimate.T_cam_obj, T_cam_obj, symmetry).copy()
    if symmetry.free_axis:
        reference = torch.from_numpy(T_cam_obj[:3, :3].copy())
        T[:3, :3] = pin_yaw(torch.from_numpy(T[:3, :3]), reference).numpy()
    return replace(estimate, T_cam_obj=T)


def area_of(estimate: ObjectEstimate) -> float:
    """Return the pixels an estimate was made from times the points' squared distance, m^2."""
    return estimate.n_points * float(estimate.points_cam[:, 2].mean()) ** 2


def _state_after(
    obj: TrackedObject,
    unseen_s: float,
    settings: TrackerSettings,
    *,
    seen: bool = False,
    gone: bool = False,
) -> TrackState | None:
    return next_state(
        obj.state,
        seen=seen,
        hits=obj.hits,
        missed=obj.missed,
        unseen_s=unseen_s,
        gone=gone,
        settings=settings,
    )


def _updated_motions(followed: Sequence[Followed], camera_pose: StampedCameraPose) -> list[Motion]:
    """The motions after the estimates; those of restarts begin anew."""
    if not followed:
        return []
    estimates = [item.estimate for item in followed]
    T = camera_pose.T_fixed_cam @ np.stack([estimate.T_cam_obj for estimate in estimates])
    missing = [_missing(item, camera_pose) for item in followed]
    noise = _measurement_noise(estimates, camera_pose, missing)
    going_on = [i for i, item in enumerate(followed) if not item.restart]
    corrected = correct([followed[i].motion for i in going_on], T[going_on], noise[going_on])
    after = dict(zip(going_on, corrected, strict=True))
    stamp_ns = camera_pose.stamp_ns
    return [
        after[i] if i in after else initial_motion(stamp_ns, T[i], noise[i])
        for i in range(len(followed))
    ]


def _missing(item: Followed, camera_pose: StampedCameraPose) -> float:
    """By how much of an object as if it were hidden an estimate errs; above 1 where it tells less.

    What a mask leaves of it lies where its surface fits. Without one, what lies around a prediction
    agrees with it, be it right or wrong: that counts little, unless nothing is known of the motion
    of the camera, and the prediction is worth less still.
    """
    masked = item.obj.masked_ns == camera_pose.stamp_ns
    unsure = camera_pose.known and not masked
    return item.hidden + (constants.UNMASKED_BORDER * item.outside if unsure else 0.0)


def _completed(item: Followed, camera_pose: StampedCameraPose, camera: PinholeCamera) -> Followed:
    """An object with its estimate; what the image's border leaves, by the surface last seen whole.

    Its own middle and size are those of what is left. The surface begins where it is predicted, or
    in that middle if it comes to lie better from there, and nothing is known of the camera's motion
    that the prediction could be right by.
    """
    if not item.incomplete or item.restart:
        return item
    predicted = camera_pose.T_cam_fixed @ item.motion.T_fixed_obj
    T, misfit = _placed_by_surface(item, predicted[:3, 3], camera)
    if not camera_pose.known:
        other, other_misfit = _placed_by_surface(item, item.estimate.T_cam_obj[:3, 3], camera)
        # Where a surface may slide, as flat ones do, noise alone tells the two apart.
        T = other if other_misfit < misfit - constants.NOISE_FLOOR_M else T
    size_m = item.obj.estimate.size_m
    return replace(item, estimate=replace(item.estimate, T_cam_obj=T, size_m=size_m))


def _placed_by_surface(
    item: Followed, start_m: np.ndarray, camera: PinholeCamera
) -> tuple[np.ndarray, float]:
    """The estimate's pose (4, 4), moved from a place (3,) so that its points lie on the surface
    last seen whole, and how far off they are there, metres.

    What of the surface is in the image has to lie on the points as well, unless something else is
    in front: else they could slide over it, away from an edge that both have.
    """
    in_sight = item.hidden <= constants.NEGLIGIBLE_HIDDEN_SHARE
    surface = item.obj.points_obj
    T = item.estimate.T_cam_obj.copy()
    T[:3, 3] = start_m
    left = inverse_transform_points(T, item.estimate.points_cam)
    for _ in range(constants.SHIFT_STEPS):
        *_, inside = image_pixels(transform_points(T, item.obj.few_points_obj), camera)
        move = shift_onto(surface, left)
        if in_sight and inside.any():
            move = (move - shift_onto(left, item.obj.few_points_obj[inside])) / 2
        T[:3, 3] -= T[:3, :3] @ move
        left = left + move
        if move @ move < constants.SHIFT_LAST_STEP_M**2:
            break
    return T, misfit_m(surface, left)


def _mean_energy(mean: float | None, energy: float | None) -> float | None:
    if energy is None or mean is None:
        return energy
    return mean + constants.ENERGY_GAIN * (energy - mean)


def _pose_covariance(
    obj: TrackedObject, motion: Motion, T_cam_obj: np.ndarray, camera_pose: StampedCameraPose
) -> np.ndarray:
    """Covariance (6, 6) of a filtered pose, axes of the camera.

    Filtering makes the angle about a free axis look known; it is not.
    """
    covariance = rotate_covariance(motion.covariance[:6, :6], camera_pose.T_cam_fixed[:3, :3])
    return with_uniform_angle(covariance, T_cam_obj[:3, 1]) if obj.axisymmetric else covariance


def _measurement_noise(
    estimates: Sequence[ObjectEstimate],
    camera_pose: StampedCameraPose,
    missing: Sequence[float],
) -> np.ndarray:
    """Covariances (B, 6, 6) of estimates for the motion filter, fixed axes.

    Estimates of objects of which a share is missing err towards what is left, all of an occlusion
    alike.
    """
    share = np.array(missing)
    shift_m = constants.HIDDEN_SHIFT * share * np.linalg.norm([e.size_m for e in estimates], axis=1)
    turn_rad = constants.HIDDEN_TURN_RAD * share**2
    misled = constants.HIDDEN_FRAMES * np.stack((shift_m, turn_rad), axis=1) ** 2
    floor = np.square([constants.NOISE_FLOOR_M, np.deg2rad(constants.NOISE_FLOOR_DEG)])
    noise = np.stack([estimate.covariance for estimate in estimates])
    axes = np.arange(6)
    noise[:, axes, axes] += np.repeat(floor + misled, 3, axis=1)
    return rotate_covariance(noise, camera_pose.T_fixed_cam[:3, :3])


def _surface(estimate: ObjectEstimate) -> np.ndarray:
    """Where an object's surface was seen, (M, 3) float32, object frame, in the points' order."""
    return inverse_transform_points(estimate.T_cam_obj, estimate.points_cam).astype(np.float32)

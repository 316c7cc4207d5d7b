"""One frame's way through the tracker: expect, associate, estimate, judge, remember."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from genpose_ros.estimation.back_projection import ObjectCloud
from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.frame import Frame, Instance
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.estimation.stage_timer import StageTimer
from genpose_ros.geometry.clouds import sample_points, transform_points
from genpose_ros.tracking.association import Expected, associate, is_duplicate
from genpose_ros.tracking.depth_history import DepthImage, kept
from genpose_ros.tracking.ego_motion import CameraPath
from genpose_ros.tracking.motion import Motion
from genpose_ros.tracking.settings import TrackerSettings
from genpose_ros.tracking.state import (
    Moment,
    TrackMemory,
    area_of,
    as_track,
    begun,
    identified,
    keep_free_angle,
    predicted_motion,
    re_anchored,
    seen,
    unseen,
)
from genpose_ros.tracking.tracks import TrackingResult, TrackState
from genpose_ros.tracking.verification import (
    check_due,
    checked,
    doubt,
    far_apart,
    is_clear,
)
from genpose_ros.tracking.visibility import (
    Visibility,
    depth_around,
    inside_fraction,
    visibility,
)

__all__ = ["Follower", "TrackingStep", "World"]

#: A track goes on without mask where at least this share of its surface is seen as expected, a lost
#: one where this share of it is seen again.
_SEEN_SHARE, _SEEN_AGAIN_SHARE = 0.3, 0.5
#: It is gone where the depth image looks through more than this share.
_GONE_SHARE = 0.7
#: Objects that cannot be seen may be this much farther off per second, metres.
_GATE_GROWTH_M_S = 0.5
#: Objects of which less is seen are not checked.
_FULL_VIEW = 0.7
#: Objects found again elsewhere must be seen by at least this share of their area.
_SLIVER_SHARE = 0.3
_NO_MASK = np.zeros((0, 0), dtype=bool)


@dataclass(frozen=True)
class World:
    """All that goes on from frame to frame; replaced as a whole, so that no error leaves halves."""

    memories: tuple[TrackMemory, ...] = ()
    next_id: int = 1
    path: CameraPath = field(default_factory=CameraPath)
    images: tuple[DepthImage, ...] = ()


@dataclass(frozen=True)
class Follower:
    """A track on its way through one frame."""

    memory: TrackMemory
    motion: Motion
    T_cam_obj: np.ndarray
    view: Visibility
    cloud: ObjectCloud | None = None
    masked: bool = False


@dataclass(frozen=True)
class Finding:
    """An estimate of a track, and how far off, in metres, the surface seen before would lie."""

    estimate: ObjectEstimate
    residual_m: float


class TrackingStep:
    """One frame's way through the tracker; `world` is what it leaves."""

    def __init__(
        self,
        estimator: PoseEstimator,
        settings: TrackerSettings,
        world: World,
        frame: Frame,
    ) -> None:
        self.estimator, self.settings = estimator, settings
        self.world, self.frame = world, frame
        self.rejections: list[Rejection] = []
        self.timer = StageTimer(estimator.model.device)
        self._rng = np.random.default_rng(estimator.settings.seed)

    def follow(
        self, stamp_ns: int, T_fixed_cam: np.ndarray | None, *, has_masks: bool
    ) -> TrackingResult:
        """Carry all tracks into the newest frame."""
        compensated = self._move_camera(stamp_ns, T_fixed_cam)
        self.carry(has_masks=has_masks)
        image = DepthImage(self.frame.depth_m, self.frame.camera, self.moment)
        seconds = self.settings.delayed_mask_horizon_s if self.settings.track_without_masks else 0.0
        images = kept(self.world.images, image, seconds)
        self.world = replace(self.world, images=images)
        return self._result(compensated=compensated)

    def carry(self, *, has_masks: bool) -> None:
        """Carry the world's tracks into this frame, and begin those of masks that are left."""
        clouds = self._clouds()
        with self.timer.stage("associate"):
            alive = [m for m in self.world.memories if self._is_alive(m)]
            followers = self._expected(alive)
            pairs = self._pairs(followers, clouds)
        with self.timer.stage("gate"):
            followers = [
                self._with_points(f, clouds[pairs[j]] if j in pairs else None, has_masks)
                for j, f in enumerate(followers)
            ]
        estimates = self._warm(followers), self._fresh(followers)
        with self.timer.stage("judge"):
            warm, fresh = (self._findings(followers, some) for some in estimates)
            after = [self._after(f, warm.get(j), fresh.get(j)) for j, f in enumerate(followers)]
            memories = [memory for memory in after if memory is not None]
        free = [cloud for i, cloud in enumerate(clouds) if i not in pairs.values()]
        used = [clouds[i] for i in pairs.values()]
        self._settle([*memories, *self._births(free, used, memories)])

    def _move_camera(self, stamp_ns: int, T_fixed_cam: np.ndarray | None) -> bool:
        """Take over the camera's pose; whether its motion since the last frame is known."""
        before, path = self.world.path, self.world.path.moved(stamp_ns, T_fixed_cam)
        self.moment = Moment(stamp_ns, path.T_fixed_cam, path.known)
        memories = self.world.memories
        if path.known:
            memories = tuple(re_anchored(memory, self.moment) for memory in memories)
        self.world = replace(self.world, path=path, memories=memories)
        return path.known and (before.known or before.newest_ns is None)

    def _clouds(self) -> list[ObjectCloud]:
        with self.timer.stage("clouds"):
            clouds, rejections = self.estimator.object_clouds(self.frame)
        self.rejections += rejections
        return clouds

    def _is_alive(self, memory: TrackMemory) -> bool:
        unseen_s = self.moment.since_s(memory.last.stamp_ns)
        return unseen_s <= max(self.settings.keep_lost_s, self.settings.max_coast_s)

    def _expected(self, memories: Sequence[TrackMemory]) -> list[Follower]:
        """Tracks where they are expected in this frame, and what the depth image says there."""
        stamp_ns, settings = self.moment.stamp_ns, self.settings
        motions = [predicted_motion(memory, stamp_ns, settings) for memory in memories]
        return self._placed(memories, motions)

    def _placed(self, memories: Sequence[TrackMemory], motions: Sequence[Motion]) -> list[Follower]:
        T_cam_fixed = self.moment.T_cam_fixed
        places = [T_cam_fixed @ motion.T_fixed_obj for motion in motions]
        views = self._views(memories, places)
        return [Follower(*each) for each in zip(memories, motions, places, views, strict=True)]

    def _views(
        self, memories: Sequence[TrackMemory], T_cam_obj: Sequence[np.ndarray]
    ) -> list[Visibility]:
        """What the depth image says of tracks in given poses."""
        if not memories:
            return []
        return visibility(
            np.stack(T_cam_obj),
            np.stack([memory.few_points_obj for memory in memories]),
            np.stack([memory.estimate.size_m for memory in memories]),
            self.frame.depth_m,
            self.frame.camera,
            symmetric=[memory.symmetric for memory in memories],
        )

    def _pairs(self, followers: Sequence[Follower], clouds: list[ObjectCloud]) -> dict[int, int]:
        expected = [
            Expected(
                category=f.memory.category,
                points_cam=transform_points(f.T_cam_obj, f.memory.few_points_obj),
                gate_m=self._gate_m(f.memory),
                instance_id=f.memory.instance_id,
                lost=f.memory.state is TrackState.LOST,
            )
            for f in followers
        ]
        camera, use_mask_ids = self.frame.camera, self.settings.use_mask_ids
        return associate(clouds, expected, camera, use_mask_ids=use_mask_ids)

    def _gate_m(self, memory: TrackMemory) -> float:
        unseen_s = min(abs(self.moment.since_s(memory.last.stamp_ns)), 1.0)
        half_size = float(np.linalg.norm(memory.estimate.size_m)) / 2
        return self.settings.association_gate_m + half_size + _GATE_GROWTH_M_S * unseen_s

    def _with_points(
        self, follower: Follower, masked: ObjectCloud | None, has_masks: bool
    ) -> Follower:
        """The follower with its points, from its mask or from the depth around it alone."""
        memory = follower.memory
        if masked is not None:
            return self._with_mask(follower, masked)
        memory = replace(memory, missed=memory.missed + has_masks)
        return replace(follower, memory=memory, cloud=self._gated(follower))

    def _with_mask(self, follower: Follower, masked: ObjectCloud) -> Follower:
        instance, stamp_ns = masked.instance, self.moment.stamp_ns
        memory = identified(
            follower.memory, instance.category, instance.id, stamp_ns, self.settings
        )
        cloud = _of_category(masked, memory.category)
        return replace(follower, memory=memory, cloud=cloud, masked=True)

    def _gated(self, follower: Follower) -> ObjectCloud | None:
        memory, settings = follower.memory, self.estimator.settings
        unmasked_s = self.moment.since_s(memory.masked_ns)
        lost = memory.state is TrackState.LOST
        if (
            not self.settings.track_without_masks
            or memory.refused > 0
            or unmasked_s > self.settings.max_unmasked_s
            or follower.view.seen < (_SEEN_AGAIN_SHARE if lost else _SEEN_SHARE)
        ):
            return None
        points = depth_around(
            self.frame.depth_m,
            self.frame.camera,
            follower.T_cam_obj,
            memory.points_obj,
            memory.estimate.size_m,
            settings,
            symmetric=memory.symmetric,
        )
        if len(points) < settings.min_points:
            return None
        instance = Instance(-1, memory.category, _NO_MASK)
        sample = sample_points(points, settings.points, self._rng)
        return ObjectCloud(instance, sample, len(points), shuffled=True)

    def _warm(self, followers: Sequence[Follower]) -> dict[int, ObjectEstimate]:
        """Estimates around the predictions of all tracks that have points, by index."""
        index = [j for j, f in enumerate(followers) if f.cloud is not None]
        if not index:
            return {}
        starts = np.array([followers[j].T_cam_obj for j in index])
        settings = self.settings.of_estimator(self.estimator.settings, len(index))
        return self._estimated(followers, index, T_cam_start=starts, settings=settings)

    def _fresh(self, followers: Sequence[Follower]) -> dict[int, ObjectEstimate]:
        """Estimates that know of no prediction: of lost tracks and of one to check, by index."""
        lost = [
            j for j, f in enumerate(followers) if f.cloud is not None and f.memory.needs_fresh_start
        ]
        index = lost[: self.settings.max_new_per_frame]
        urgent = self._to_check(followers)
        if urgent is not None:
            index.append(urgent)
        if not index:
            return {}
        settings = self.settings.of_lost(self.estimator.settings, len(index))
        return self._estimated(followers, index, settings=settings)

    def _to_check(self, followers: Sequence[Follower]) -> int | None:
        """The index of the track that most needs a check; None: none does."""
        urgency = [self._urgency(follower) for follower in followers]
        return urgency.index(max(urgency)) if any(urgency) else None

    def _estimated(
        self,
        followers: Sequence[Follower],
        index: list[int],
        *,
        T_cam_start: np.ndarray | None = None,
        settings: EstimatorSettings | None = None,
    ) -> dict[int, ObjectEstimate]:
        clouds = [cloud for cloud in (followers[j].cloud for j in index) if cloud is not None]
        outcomes = self.estimator.estimate_clouds(
            clouds, T_cam_start=T_cam_start, settings=settings, timer=self.timer
        )
        self.rejections += [item for item in outcomes if isinstance(item, Rejection)]
        pairs = zip(index, outcomes, strict=True)
        return {j: item for j, item in pairs if isinstance(item, ObjectEstimate)}

    def _findings(
        self, followers: Sequence[Follower], estimates: dict[int, ObjectEstimate]
    ) -> dict[int, Finding]:
        """Estimates of followers, by index, beside what the depth image says of them."""
        memories = [followers[j].memory for j in estimates]
        views = self._views(memories, [item.T_cam_obj for item in estimates.values()])
        pairs = zip(estimates.items(), views, strict=True)
        return {j: Finding(estimate, view.residual_m) for (j, estimate), view in pairs}

    def _urgency(self, follower: Follower) -> float:
        # Half hidden objects look like something else, and so do the points around a wrong pose.
        clear = follower.masked and follower.view.seen >= _FULL_VIEW
        if not clear or follower.memory.needs_fresh_start:
            return 0.0
        return check_due(follower.memory, self.moment.stamp_ns, self.settings)

    def _after(
        self, follower: Follower, warm: Finding | None, fresh: Finding | None
    ) -> TrackMemory | None:
        """A track after this frame; None: it ends."""
        memory, moment, settings = follower.memory, self.moment, self.settings
        symmetric, lost = memory.symmetric, memory.needs_fresh_start
        chosen = self._believed(follower, warm, expected=True)
        # Without a mask, only what lies where it was expected is this object.
        other = self._believed(follower, fresh, expected=not follower.masked)
        if lost or chosen is None:
            if chosen is None or (other is not None and _contradicts(other, chosen, symmetric)):
                chosen, lost = other, True
        elif other is not None:
            memory = checked(memory, chosen, other, moment.stamp_ns)
            if memory.rival_checks >= settings.pose_switch_checks:
                chosen, lost = other, True
        if chosen is not None and lost and self._is_sliver(follower, chosen):
            chosen = None
        if chosen is None:
            gone = follower.view.gone > _GONE_SHARE and not follower.masked
            refused = follower.cloud is not None
            return unseen(memory, moment, settings, gone=gone, refused=refused)
        if fresh is not None and chosen is fresh.estimate and symmetric:
            chosen = keep_free_angle(chosen, follower.T_cam_obj)
        restart = lost and far_apart(chosen.T_cam_obj, follower.T_cam_obj, symmetric=symmetric)
        hidden = follower.view.hidden
        return seen(
            memory, follower.motion, chosen, moment, settings, restart=restart, hidden=hidden
        )

    def _is_sliver(self, follower: Follower, estimate: ObjectEstimate) -> bool:
        """Whether an object found again elsewhere is too small a part of it to be sure.

        The border of a mask shows what the object is just coming out from behind.
        """
        memory = follower.memory
        distance_m = np.linalg.norm(estimate.T_cam_obj[:3, 3] - follower.T_cam_obj[:3, 3])
        far = distance_m > self.settings.max_jump_m
        return bool(far) and area_of(estimate) < _SLIVER_SHARE * memory.area

    def _believed(
        self, follower: Follower, finding: Finding | None, *, expected: bool
    ) -> ObjectEstimate | None:
        """The estimate, unless geometry or, if `expected`, the prediction speaks against it."""
        if finding is None:
            return None
        estimate, T_cam_expected = finding.estimate, follower.T_cam_obj if expected else None
        reason = doubt(estimate, T_cam_expected, finding.residual_m, self.settings)
        if not reason:
            return estimate
        name = f"{follower.memory.category}_{follower.memory.track_id}"
        rejection = Rejection(Reason.NOT_PLAUSIBLE, f"{name}: {reason}", estimate.instance_id)
        self.rejections.append(rejection)
        return None

    def _births(
        self,
        clouds: Sequence[ObjectCloud],
        used: Sequence[ObjectCloud],
        memories: Sequence[TrackMemory],
    ) -> list[TrackMemory]:
        """New tracks for the clouds that belong to none, as many as one frame can take."""
        born: list[TrackMemory] = []
        new: list[ObjectCloud] = []
        for cloud in clouds:
            if is_duplicate(cloud, [*used, *new]) or self._lies_in_one(cloud, memories):
                self._reject(Reason.DUPLICATE, "most of it belongs to a tracked object", cloud)
            elif len(new) >= self.settings.max_new_per_frame:
                detail = f"{self.settings.max_new_per_frame} new objects per frame; it has to wait"
                self._reject(Reason.TOO_MANY_OBJECTS, detail, cloud)
            else:
                new.append(cloud)
        outcomes = self.estimator.estimate_clouds(new, timer=self.timer)
        for cloud, outcome in zip(new, outcomes, strict=True):
            if isinstance(outcome, Rejection):
                self.rejections.append(outcome)
            elif self._lies_in_one(cloud, born):
                self._reject(Reason.DUPLICATE, "most of it belongs to another new object", cloud)
            else:
                born.append(begun(self.world.next_id, outcome, self.moment, self.settings))
                self.world = replace(self.world, next_id=self.world.next_id + 1)
        return born

    def _lies_in_one(self, cloud: ObjectCloud, memories: Sequence[TrackMemory]) -> bool:
        """Whether most of a cloud lies in the box of a tracked object of the same class."""
        for memory in memories:
            same_class = memory.category == cloud.instance.category
            if not same_class or memory.state is TrackState.LOST:
                continue
            T_cam_obj = self.moment.T_cam_fixed @ memory.at(self.moment.stamp_ns)
            size_m, symmetric = memory.estimate.size_m, memory.symmetric
            if inside_fraction(cloud.points_cam, T_cam_obj, size_m, symmetric=symmetric) > 0.5:
                return True
        return False

    def _reject(self, reason: Reason, detail: str, cloud: ObjectCloud) -> None:
        self.rejections.append(Rejection(reason, detail, cloud.instance.id))

    def _settle(self, memories: list[TrackMemory]) -> None:
        """Keep as many tracks as there may be: lost ones go first, then the youngest."""
        excess = len(memories) - self.settings.max_tracks
        if excess > 0:
            order = sorted(
                memories,
                key=lambda m: (m.state is not TrackState.LOST, -m.born_ns, -m.track_id),
            )
            going = {memory.track_id for memory in order[:excess]}
            memories = [memory for memory in memories if memory.track_id not in going]
            detail = f"{excess} tracks more than {self.settings.max_tracks} were given up"
            self.rejections.append(Rejection(Reason.TOO_MANY_OBJECTS, detail))
        self.world = replace(self.world, memories=tuple(memories))

    def _result(self, *, compensated: bool, late: bool = False) -> TrackingResult:
        return TrackingResult(
            tracks=tuple(
                as_track(memory, self.moment, self.settings, late=late)
                for memory in self.world.memories
            ),
            rejections=tuple(self.rejections),
            timings_ms=self.timer.timings_ms,
            compensated=compensated,
        )


def _of_category(cloud: ObjectCloud, category: str) -> ObjectCloud:
    """The cloud with the class its track has, whatever the mask says."""
    return replace(cloud, instance=replace(cloud.instance, category=category))


def _contradicts(fresh: ObjectEstimate, warm: ObjectEstimate, symmetric: bool) -> bool:
    """Whether a fresh estimate is clearly another pose than the one around the prediction."""
    apart = far_apart(fresh.T_cam_obj, warm.T_cam_obj, symmetric=symmetric)
    return apart and is_clear(fresh)

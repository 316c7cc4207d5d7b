# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tracking step of one frame: predict, associate, estimate, choose, initiate."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from genpose_ros.estimation.accelerator_errors import in_halves_where_memory_lacks
from genpose_ros.estimation.back_projection import ObjectCloud
from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.frame import Frame, Instance
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.estimation.stage_timer import StageTimer
from genpose_ros.geometry.clouds import sample_points, transform_points
from genpose_ros.tracking import constants
from genpose_ros.tracking.association import Expected, associate, is_duplicate
from genpose_ros.tracking.depth_around import depth_around
from genpose_ros.tracking.device_depth import is_faster_on, look_on_device
from genpose_ros.tracking.ego_motion import StampedCameraPose
from genpose_ros.tracking.motion import Motion
from genpose_ros.tracking.settings import TrackerSettings
from genpose_ros.tracking.state import (
    Followed,
    TrackedObject,
    TrackerState,
    initiate,
    miss,
    predicted_motions,
    update,
    update_mask,
)
from genpose_ros.tracking.support import SupportMemory
from genpose_ros.tracking.tracks import TrackState
from genpose_ros.tracking.verification import (
    EstimateChoice,
    Judged,
    VerifyPriority,
    choose_estimate,
    record_verification,
    rejection_reasons,
    verification_priority,
)
from genpose_ros.tracking.visibility import Visibility, inside_fraction, visibility

__all__ = ["Association", "PredictedTrack", "ScoredEstimate", "TrackingStep"]

_NO_MASK = np.zeros((0, 0), dtype=bool)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PredictedTrack:
    """A track where it is expected in a frame.

    Attributes:
        obj: before the frame.
        motion: predicted to it.
        T_cam_obj: (4, 4) predicted pose, camera of the frame.
        view: what the depth image shows there.
        around: (N, 3) float32 points of the depth image on it, metres, camera frame; None: not
            looked for yet.
        cloud: its points in the frame; None: it has none.
        masked: whether they come from its mask, not from the depth around it.
    """

    obj: TrackedObject
    motion: Motion
    T_cam_obj: np.ndarray
    view: Visibility
    around: np.ndarray | None = None
    cloud: ObjectCloud | None = None
    masked: bool = False

    @property
    def track_id(self) -> int:
        """As in `Track`."""
        return self.obj.track_id


@dataclass(frozen=True)
class ScoredEstimate:
    """An estimate of a track, and how far off, in metres, the surface seen before would lie."""

    estimate: ObjectEstimate
    residual_m: float


@dataclass(frozen=True)
class Association:
    """Clouds of a frame's masks: those of tracks, by track id, and those of no track."""

    of_track: dict[int, ObjectCloud]
    free: list[ObjectCloud]


class TrackingStep:
    """One frame's step: its methods take tracks and give new ones; beside, the lists grow and
    `support` learns.

    Attributes:
        rejections: what of the frame is not used, and why.
        unfollowed: names of the tracks that were followed without a mask, and no longer are.

    Args:
        estimator: for clouds and candidates.
        settings: of the tracker.
        state: before the frame, but with the frame's camera pose.
        frame: depth image and masks.
        camera_pose: when and from where it was taken.
        timer: takes the wall time per stage.
    """

    def __init__(
        self,
        estimator: PoseEstimator,
        settings: TrackerSettings,
        state: TrackerState,
        frame: Frame,
        camera_pose: StampedCameraPose,
        timer: StageTimer,
    ) -> None:
        self.estimator, self.settings, self.state = estimator, settings, state
        self.frame, self.camera_pose, self.timer = frame, camera_pose, timer
        self.rejections: list[Rejection] = []
        source = estimator.settings.up_source
        self.support = SupportMemory(frame, source, camera_pose, state.support)
        self.unfollowed: list[str] = []
        self._categories = estimator.categories
        self._rng = np.random.default_rng(estimator.settings.seed)

    @property
    def longest_unmasked_s(self) -> float:
        """For how long tracks are followed without a mask, seconds; 0: for good.

        A segmenter of one image a second is slow, not at its end.
        """
        if self.settings.max_unmasked_s == 0:
            return 0.0
        period_s = min(self.state.mask_period_s, constants.LONGEST_MASK_PERIOD_S)
        return max(self.settings.max_unmasked_s, constants.UNMASKED_PERIODS * period_s)

    def process(self, *, has_masks: bool) -> TrackerState:
        """Return the state after the frame: all tracks followed, new ones of masks that are left.

        Args:
            has_masks: the frame was segmented, even where nothing was found.
        """
        clouds = self.clouds()
        with self.timer.stage("associate"):
            tracks = self.predict()
            association = self.associate(tracks, clouds)
        with self.timer.stage("crop"):
            tracks = self._with_points(tracks, association, has_masks)
        warm, fresh = self.estimate_warm(tracks), self.estimate_fresh(tracks)
        with self.timer.stage("choose"):
            followed = self.transition(tracks, warm, fresh)
        objects = [obj for obj in followed if obj is not None]
        new = self.initiate(association, objects)
        return self.settled([*objects, *new], new=len(new))

    def clouds(self) -> list[ObjectCloud]:
        """Return the points of the frame's masks, in random order each."""
        with self.timer.stage("clouds"):
            clouds, rejections = self.estimator.object_clouds(self.frame)
        self.rejections += rejections
        return clouds

    def predict(self) -> list[PredictedTrack]:
        """Return the tracks where they are expected in this frame, without those long unseen."""
        longest_s = max(self.settings.keep_lost_s, self.settings.max_coast_s)
        objects = [
            obj
            for obj in self.state.objects
            if self.camera_pose.since_s(obj.last.stamp_ns) <= longest_s
        ]
        motions = predicted_motions(objects, self.camera_pose.stamp_ns, self.settings)
        return self.place(objects, motions)

    def place(
        self, objects: Sequence[TrackedObject], motions: Sequence[Motion]
    ) -> list[PredictedTrack]:
        """Return objects as tracks with given motions at this frame, without points."""
        T_cam_fixed = self.camera_pose.T_cam_fixed
        places = [T_cam_fixed @ motion.T_fixed_obj for motion in motions]
        seen: Sequence[tuple[Visibility, np.ndarray | None]]
        if objects and is_faster_on(self.estimator.device):
            seen = self._look(objects, np.stack(places))
        else:
            seen = [(view, None) for view in self._views(objects, places)]
        each = zip(objects, motions, places, seen, strict=True)
        return [PredictedTrack(obj, motion, T, *own) for obj, motion, T, own in each]

    def associate(
        self, tracks: Sequence[PredictedTrack], clouds: Sequence[ObjectCloud]
    ) -> Association:
        """Return which cloud belongs to which track."""
        expected = [
            Expected(
                category=track.obj.category,
                points_cam=transform_points(track.T_cam_obj, track.obj.few_points_obj),
                gate_m=self._association_gate_m(track.obj),
                instance_id=track.obj.instance_id,
                lost=track.obj.state is TrackState.LOST,
            )
            for track in tracks
        ]
        camera, use_mask_ids = self.frame.camera, self.settings.use_mask_ids
        pairs = associate(clouds, expected, camera, use_mask_ids=use_mask_ids)
        return Association(
            of_track={tracks[j].track_id: clouds[i] for j, i in pairs.items()},
            free=[cloud for i, cloud in enumerate(clouds) if i not in pairs.values()],
        )

    def with_mask(self, track: PredictedTrack, cloud: ObjectCloud) -> PredictedTrack:
        """Return the track with the points of its mask, and what the mask says of its class."""
        instance, stamp_ns = cloud.instance, self.camera_pose.stamp_ns
        obj = update_mask(track.obj, instance.category, instance.id, stamp_ns, self.settings)
        # The points go by the track's class, whatever the mask says.
        cloud = replace(cloud, instance=replace(instance, category=obj.category))
        return replace(track, obj=obj, cloud=cloud, masked=True)

    def estimate_warm(self, tracks: Sequence[PredictedTrack]) -> dict[int, ObjectEstimate]:
        """Return estimates around the predictions of all tracks that have points, by track id."""
        tracks = [track for track in tracks if track.cloud is not None]
        if not tracks:
            return {}
        settings = self.settings.of_estimator(self.estimator.settings, len(tracks))
        return self._estimate(tracks, settings, np.array([track.T_cam_obj for track in tracks]))

    def estimate_fresh(self, tracks: Sequence[PredictedTrack]) -> dict[int, ObjectEstimate]:
        """Return estimates that know of no prediction: of lost tracks and of one to verify."""
        doubtful = [t for t in tracks if t.cloud is not None and t.obj.needs_fresh_start]
        chosen = doubtful[: self.settings.max_new_per_frame] + self.to_verify(tracks)
        if not chosen:
            return {}
        settings = self.settings.of_lost(self.estimator.settings, len(chosen))
        return self._estimate(chosen, settings)

    def to_verify(self, tracks: Sequence[PredictedTrack]) -> list[PredictedTrack]:
        """Return the track that most needs to be verified in this frame; none where none does."""
        priorities = [self._priority(track) for track in tracks]
        best = max(priorities, default=(VerifyPriority.NONE, 0.0))
        return [] if best[0] is VerifyPriority.NONE else [tracks[priorities.index(best)]]

    def transition(
        self,
        tracks: Sequence[PredictedTrack],
        warm: dict[int, ObjectEstimate],
        fresh: dict[int, ObjectEstimate],
    ) -> list[TrackedObject | None]:
        """Return each track's object after this frame; None: the track ends.

        Args:
            tracks: in this frame.
            warm: estimates around the predictions, by track id.
            fresh: estimates that know of none, by track id.
        """
        # Without a mask, only what lies where it was expected is this object.
        near = self._plausible(tracks, self._scored(tracks, warm), anywhere=False)
        anywhere = self._plausible(tracks, self._scored(tracks, fresh), anywhere=True)
        chosen = [self._chosen(t, near.get(t.track_id), anywhere.get(t.track_id)) for t in tracks]
        followed = {
            obj.track_id: Followed(
                obj, t.motion, c.estimate, c.restart, t.view.hidden, t.view.outside
            )
            for t, (obj, c) in zip(tracks, chosen, strict=True)
            if c.estimate is not None
        }
        items, camera = [*followed.values()], self.frame.camera
        objects = update(items, self.camera_pose, self.settings, camera)
        after = dict(zip(followed, objects, strict=True))
        return [
            after[obj.track_id] if obj.track_id in after else self._missed(track, obj)
            for track, (obj, _) in zip(tracks, chosen, strict=True)
        ]

    def initiate(
        self, association: Association, objects: Sequence[TrackedObject]
    ) -> list[TrackedObject]:
        """Return new objects for the clouds of no track, as many as one frame can take.

        Args:
            association: of this frame.
            objects: the tracked ones after it.
        """
        clouds = self._informed(self._admitted(association, objects), fit=True)
        of_one = [0] * len(clouds)
        outcomes = self.estimator.estimate_clouds(clouds, images=of_one, timer=self.timer)
        new: list[TrackedObject] = []
        for cloud, outcome in zip(clouds, outcomes, strict=True):
            if isinstance(outcome, Rejection):
                self.rejections.append(outcome)
            elif self._lies_in_one(cloud, new):
                detail = "most of it belongs to another new object"
                self.reject(Reason.DUPLICATE, detail, cloud.instance.id)
            else:
                track_id = self.state.next_id + len(new)
                obj = initiate(track_id, outcome, self.camera_pose, self.settings, self._categories)
                new.append(obj)
        return new

    def settled(self, objects: Sequence[TrackedObject], *, new: int) -> TrackerState:
        """Return the state without excess objects: lost ones are given up first, then the youngest.

        Args:
            objects: after this frame.
            new: how many of this step's new ids are taken.
        """
        excess = len(objects) - self.settings.max_tracks
        if excess > 0:
            order = sorted(
                objects,
                key=lambda o: (o.state is not TrackState.LOST, -o.first_seen_ns, -o.track_id),
            )
            going = {obj.track_id for obj in order[:excess]}
            objects = [obj for obj in objects if obj.track_id not in going]
            detail = f"{excess} tracks more than {self.settings.max_tracks} were given up"
            self.reject(Reason.TOO_MANY_OBJECTS, detail)
        return replace(
            self.state,
            objects=tuple(objects),
            next_id=self.state.next_id + new,
            support=self.support.remembered,
        )

    def reject(self, reason: Reason, detail: str, instance_id: int | None = None) -> None:
        """Note what of the frame is not used, and why."""
        self.rejections.append(Rejection(reason, detail, instance_id))

    def _views(
        self, objects: Sequence[TrackedObject], T_cam_obj: Sequence[np.ndarray]
    ) -> list[Visibility]:
        """What the depth image shows of objects in given poses."""
        if not objects:
            return []
        return visibility(
            np.stack(T_cam_obj),
            np.stack([obj.few_points_obj for obj in objects]),
            np.stack([obj.estimate.size_m for obj in objects]),
            self.frame.depth_m,
            self.frame.camera,
            axisymmetric=[obj.axisymmetric for obj in objects],
        )

    def _look(
        self, objects: Sequence[TrackedObject], T_cam_obj: np.ndarray
    ) -> list[tuple[Visibility, np.ndarray]]:
        """What the depth image shows of each object in a given pose, and its points in it."""

        def look(part: slice) -> list[tuple[Visibility, np.ndarray]]:
            some = objects[part]
            seen = look_on_device(
                self.frame.depth_m,
                self.frame.camera,
                T_cam_obj[part],
                np.stack([obj.few_points_obj for obj in some]),
                [obj.points_obj for obj in some],
                np.stack([obj.estimate.size_m for obj in some]),
                self.estimator.settings,
                axisymmetric=[obj.axisymmetric for obj in some],
                pixels=constants.CROP_PIXELS,
                device=self.estimator.device,
            )
            return list(zip(seen.views, seen.points_cam, strict=True))

        return in_halves_where_memory_lacks(look, len(objects))

    def _association_gate_m(self, obj: TrackedObject) -> float:
        unseen_s = abs(self.camera_pose.since_s(obj.last.stamp_ns))
        growth_m = constants.GATE_GROWTH_M_S * min(unseen_s, constants.GATE_GROWTH_S)
        half_size = float(np.linalg.norm(obj.estimate.size_m)) / 2
        return self.settings.association_gate_m + half_size + growth_m

    def _with_points(
        self, tracks: Sequence[PredictedTrack], association: Association, has_masks: bool
    ) -> list[PredictedTrack]:
        """The tracks with their points, from their masks or from the depth around them alone."""
        found = []
        for track in tracks:
            cloud = association.of_track.get(track.track_id)
            if cloud is not None:
                found.append(self.with_mask(track, cloud))
            elif has_masks:
                obj = replace(track.obj, missed=track.obj.missed + 1)
                found.append(replace(track, obj=obj))
            else:
                found.append(track)
        unmasked = [track for track in found if not track.masked and self._is_in_sight(track)]
        clouds = self._depth_clouds(unmasked)
        return [
            replace(track, cloud=clouds[track.track_id]) if track.track_id in clouds else track
            for track in found
        ]

    def _is_in_sight(self, track: PredictedTrack) -> bool:
        """Whether a track without mask may go on with the depth where it is expected."""
        obj, settings = track.obj, self.settings
        unmasked_s = self.camera_pose.since_s(obj.masked_ns)
        longest_s = self.longest_unmasked_s
        if not settings.track_without_masks or obj.is_doubtful:
            return False
        lost = obj.state is TrackState.LOST
        least = constants.SEEN_AGAIN_SHARE if lost else constants.SEEN_SHARE
        if longest_s == 0 or unmasked_s <= longest_s:
            return track.view.seen >= least
        if obj.state is TrackState.CONFIRMED:
            self.unfollowed.append(obj.name)
        return False

    def _depth_clouds(self, tracks: Sequence[PredictedTrack]) -> dict[int, ObjectCloud]:
        """The depth around predictions, in random order, by track id, where there is enough."""
        if not tracks:
            return {}
        settings, clouds = self.estimator.settings, {}
        for track, points in zip(tracks, self._points_around(tracks), strict=True):
            if len(points) >= settings.min_points:
                instance = Instance(-1, track.obj.category, _NO_MASK)
                sample = sample_points(points, settings.points, self._rng)
                clouds[track.track_id] = ObjectCloud(instance, sample, len(points), shuffled=True)
        return clouds

    def _points_around(self, tracks: Sequence[PredictedTrack]) -> list[np.ndarray]:
        """The points of the depth image on tracks, looked for where that was not done yet."""
        found = [track.around for track in tracks if track.around is not None]
        if len(found) == len(tracks):
            return found
        return depth_around(
            self.frame.depth_m,
            self.frame.camera,
            np.stack([track.T_cam_obj for track in tracks]),
            [track.obj.points_obj for track in tracks],
            np.stack([track.obj.estimate.size_m for track in tracks]),
            self.estimator.settings,
            axisymmetric=[track.obj.axisymmetric for track in tracks],
            pixels=constants.CROP_PIXELS,
        )

    def _estimate(
        self,
        tracks: Sequence[PredictedTrack],
        settings: EstimatorSettings,
        T_cam_start: np.ndarray | None = None,
    ) -> dict[int, ObjectEstimate]:
        """Estimates of tracks that have points, in one batch, by track id."""
        clouds = [track.cloud for track in tracks if track.cloud is not None]
        clouds = self._informed(clouds, fit=T_cam_start is None)
        outcomes = self.estimator.estimate_clouds(
            clouds,
            T_cam_start=T_cam_start,
            images=[0] * len(clouds),
            settings=settings,
            timer=self.timer,
        )
        self.rejections += [item for item in outcomes if isinstance(item, Rejection)]
        pairs = zip(tracks, outcomes, strict=True)
        return {t.track_id: item for t, item in pairs if isinstance(item, ObjectEstimate)}

    def _informed(self, clouds: Sequence[ObjectCloud], *, fit: bool) -> list[ObjectCloud]:
        """Clouds with the direction up; its support is fitted only where asked for."""
        with self.timer.stage("up"):
            up_cam = self.support.up([cloud.points_cam for cloud in clouds], fit=fit)
        return [replace(cloud, up_cam=up_cam) for cloud in clouds]

    def _priority(self, track: PredictedTrack) -> tuple[VerifyPriority, float]:
        # Half hidden objects look like something else, and so do the points around a wrong pose.
        clear = track.masked and track.view.seen >= constants.FULL_VIEW_SHARE
        if not clear or track.obj.needs_fresh_start:
            return VerifyPriority.NONE, 0.0
        return verification_priority(track.obj, self.camera_pose.stamp_ns, self.settings)

    def _scored(
        self, tracks: Sequence[PredictedTrack], estimates: dict[int, ObjectEstimate]
    ) -> dict[int, ScoredEstimate]:
        """Estimates, by track id, beside what the depth image says of them."""
        objects = {track.track_id: track.obj for track in tracks}
        poses = [estimate.T_cam_obj for estimate in estimates.values()]
        views = self._views([objects[number] for number in estimates], poses)
        pairs = zip(estimates.items(), views, strict=True)
        return {
            number: ScoredEstimate(estimate, view.residual_m) for (number, estimate), view in pairs
        }

    def _chosen(
        self, track: PredictedTrack, warm: ObjectEstimate | None, fresh: ObjectEstimate | None
    ) -> tuple[TrackedObject, EstimateChoice]:
        """A track's object with what was verified of it, and the estimate to go on with."""
        obj = track.obj
        if warm is not None and fresh is not None and not obj.needs_fresh_start:
            stamp_ns = self.camera_pose.stamp_ns
            obj = record_verification(obj, warm, fresh, stamp_ns, self.settings)
        chosen = choose_estimate(obj, track.T_cam_obj, warm, fresh, self.settings)
        _log.debug("%s: %s", obj.name, chosen.choice.value)
        return obj, chosen

    def _missed(self, track: PredictedTrack, obj: TrackedObject) -> TrackedObject | None:
        """A track's object after this frame without an estimate; None: the track ends."""
        gone = track.view.gone > constants.GONE_SHARE and not track.masked
        implausible = track.cloud is not None
        return miss(obj, self.camera_pose, self.settings, gone=gone, implausible=implausible)

    def _plausible(
        self, tracks: Sequence[PredictedTrack], scored: dict[int, ScoredEstimate], *, anywhere: bool
    ) -> dict[int, ObjectEstimate]:
        """The estimates, by track id, that neither geometry nor the prediction speaks against.

        Where masked objects may be `anywhere`, their predictions say nothing.
        """
        estimated = [track for track in tracks if track.track_id in scored]
        judged = []
        for track in estimated:
            item = scored[track.track_id]
            T_cam_expected = None if anywhere and track.masked else track.T_cam_obj
            symmetry = self._categories[item.estimate.category].symmetry
            judged.append(Judged(item.estimate, T_cam_expected, item.residual_m, symmetry))
        plausible = {}
        reasons = rejection_reasons(judged, self.settings)
        for track, reason in zip(estimated, reasons, strict=True):
            estimate = scored[track.track_id].estimate
            if reason:
                detail = f"{track.obj.name}: {reason}"
                self.reject(Reason.NOT_PLAUSIBLE, detail, estimate.instance_id)
            else:
                plausible[track.track_id] = estimate
        return plausible

    def _admitted(
        self, association: Association, objects: Sequence[TrackedObject]
    ) -> list[ObjectCloud]:
        """The clouds of no track that may be new objects; the others are refused."""
        used, most = list(association.of_track.values()), self.settings.max_new_per_frame
        admitted: list[ObjectCloud] = []
        for cloud in association.free:
            if is_duplicate(cloud, [*used, *admitted]) or self._lies_in_one(cloud, objects):
                detail = "most of it belongs to a tracked object"
                self.reject(Reason.DUPLICATE, detail, cloud.instance.id)
            elif len(admitted) >= most:
                detail = f"{most} new objects per frame; it has to wait"
                self.reject(Reason.TOO_MANY_OBJECTS, detail, cloud.instance.id)
            else:
                admitted.append(cloud)
        return admitted

    def _lies_in_one(self, cloud: ObjectCloud, objects: Sequence[TrackedObject]) -> bool:
        """Whether most of a cloud lies in the box of a tracked object of the same class."""
        for obj in objects:
            same_class = obj.category == cloud.instance.category
            if not same_class or obj.state is TrackState.LOST:
                continue
            T_cam_obj = self.camera_pose.T_cam_fixed @ obj.at(self.camera_pose.stamp_ns)
            inside = inside_fraction(
                cloud.points_cam, T_cam_obj, obj.estimate.size_m, axisymmetric=obj.axisymmetric
            )
            if inside > constants.DUPLICATE_SHARE:
                return True
        return False

"""Objects over time: frames in, tracks out (paper section 3.3)."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from genpose_ros.estimation.association import Expected, assign, association_costs
from genpose_ros.estimation.back_projection import ObjectCloud
from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.frame import Frame, Instance
from genpose_ros.estimation.motion import (
    Motion,
    MotionNoise,
    begin_motion,
    carried,
    corrected,
    pose_difference,
    predicted,
    turned_covariance,
)
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.estimation.tracker_settings import TrackerSettings
from genpose_ros.estimation.tracks import (
    Track,
    TrackingResult,
    TrackMemory,
    TrackState,
    next_state,
)
from genpose_ros.estimation.visibility import (
    Visibility,
    depth_around,
    outside_fraction,
    visibility,
)
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.clouds import sample_points
from genpose_ros.geometry.symmetry import is_symmetric

__all__ = ["Tracker"]

_log = logging.getLogger(__name__)

#: Points of its last seen surface that a track remembers.
_SURFACE_POINTS = 256
#: Poses and cameras are remembered this long, for masks that come late.
_HISTORY_S = 1.0
_HISTORY_FRAMES = 128


@dataclass(frozen=True)
class _World:
    """All that goes on from frame to frame; replaced as a whole, so that no error leaves halves."""

    memories: tuple[TrackMemory, ...] = ()
    next_id: int = 1
    newest_ns: int | None = None
    T_fixed_cam: np.ndarray | None = None
    known: bool = False
    cameras: tuple[tuple[int, np.ndarray], ...] = ()


class Tracker:
    """Follows the objects of a stream of frames; each keeps its identity.

    Args:
        estimator: estimates new objects with its own settings, tracked ones with fewer candidates
            and steps around their predictions.
        settings: everything else.
    """

    def __init__(self, estimator: PoseEstimator, settings: TrackerSettings | None = None) -> None:
        self.estimator = estimator
        self.settings = settings or TrackerSettings()
        self._world = _World()
        self._tracks: tuple[Track, ...] = ()

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks as of the newest frame, oldest first."""
        return self._tracks

    def reset(self) -> None:
        """Forget all tracks; ids go on where they were."""
        self._world = _World(next_id=self._world.next_id)
        self._tracks = ()

    def track(
        self, frame: Frame, stamp_ns: int, T_fixed_cam: np.ndarray | None = None
    ) -> TrackingResult:
        """Follow all objects into a frame that has masks; bad content never raises.

        A frame older than the newest one only tells which object is which, confirms tracks and
        begins new ones; a much older one (`clock_jump_s`) clears all tracks.

        Args:
            frame: depth image and masks.
            stamp_ns: when the depth image was taken; `frame.stamp_ns` is not looked at.
            T_fixed_cam: (4, 4) pose of the camera in a fixed frame at that time; None: unknown.
        """
        return self._step(frame, stamp_ns, T_fixed_cam, has_masks=True)

    def track_depth(
        self,
        depth_m: np.ndarray,
        camera: PinholeCamera,
        stamp_ns: int,
        T_fixed_cam: np.ndarray | None = None,
    ) -> TrackingResult:
        """Follow all tracked objects into a depth image without masks; bad content never raises.

        Args:
            depth_m: (H, W), metres along z; 0 or NaN where there is no measurement.
            camera: of the depth image.
            stamp_ns: when it was taken.
            T_fixed_cam: (4, 4) pose of the camera in a fixed frame at that time; None: unknown.
        """
        return self._step(Frame(depth_m, camera), stamp_ns, T_fixed_cam, has_masks=False)

    def _step(
        self, frame: Frame, stamp_ns: int, T_fixed_cam: np.ndarray | None, *, has_masks: bool
    ) -> TrackingResult:
        world, notes = self._world, []
        newest = world.newest_ns
        if newest is not None and (newest - stamp_ns) / 1e9 > self.settings.clock_jump_s:
            back = (newest - stamp_ns) / 1e9
            notes.append(f"clock jumped back by {back:.3f} s: {len(world.memories)} tracks cleared")
            world = _World(next_id=world.next_id)
        if T_fixed_cam is not None and not _is_transform(T_fixed_cam):
            notes.append("the camera's pose is not a transform: frame not compensated")
            T_fixed_cam = None
        step = _Step(self.estimator, self.settings, world, frame, stamp_ns, T_fixed_cam, notes)
        result = step.run(has_masks=has_masks)
        self._world = step.world
        if not result.late:
            self._tracks = result.tracks
        return result


class _Step:
    """One frame's way through the tracker."""

    def __init__(
        self,
        estimator: PoseEstimator,
        settings: TrackerSettings,
        world: _World,
        frame: Frame,
        stamp_ns: int,
        T_fixed_cam: np.ndarray | None,
        notes: list[str],
    ) -> None:
        self.estimator, self.settings = estimator, settings
        self.world, self.frame, self.stamp_ns = world, frame, stamp_ns
        self.notes = notes
        self.rejections: list[Rejection] = []
        self.timings_ms: dict[str, float] = {}
        self.given = T_fixed_cam
        self.late = world.newest_ns is not None and stamp_ns < world.newest_ns
        self.noise = MotionNoise(settings.acceleration_m_s2, settings.angular_acceleration_rad_s2)

    def run(self, *, has_masks: bool) -> TrackingResult:
        expected = (self.frame.camera.height, self.frame.camera.width)
        if self.frame.depth_m.shape != expected:
            detail = f"the depth image has shape {self.frame.depth_m.shape}, the camera {expected}"
            return TrackingResult(rejections=(Rejection(Reason.SIZE_MISMATCH, detail),))
        if self.late:
            return self._run_late(has_masks)
        compensated = self._move_camera()
        memories = [m for m in self.world.memories if self._alive(m)]
        with self._stage("predict"):
            motions = [self._predicted(m) for m in memories]
            poses = [self.T_cam_fixed @ m.T_fixed_obj for m in motions]
        with self._stage("clouds"):
            clouds = self._clouds()
        with self._stage("associate"):
            pairs = self._associate(clouds, memories, poses)
        updated = self._follow(memories, motions, poses, clouds, pairs, has_masks)
        born = self._births(clouds, pairs, updated)
        kept = self._bounded([*updated, *born])
        self.world = replace(
            self.world,
            memories=tuple(kept),
            newest_ns=self.stamp_ns,
            cameras=self._remembered(self.world.cameras, self.T_fixed_cam),
        )
        return TrackingResult(
            tracks=tuple(self._track(m) for m in kept),
            rejections=tuple(self.rejections),
            timings_ms=self.timings_ms,
            notes=tuple(self.notes),
            compensated=compensated,
        )

    def _run_late(self, has_masks: bool) -> TrackingResult:
        detail = "older than the newest frame"
        rejections = (Rejection(Reason.STAMP_OUT_OF_ORDER, detail),)
        return TrackingResult(rejections=rejections, notes=tuple(self.notes), late=True)

    def _move_camera(self) -> bool:
        """Take over the camera's pose, or go on with the last one; whether the motion is known."""
        world = self.world
        last = np.eye(4) if world.T_fixed_cam is None else world.T_fixed_cam
        self.T_fixed_cam = last if self.given is None else np.asarray(self.given, dtype=np.float64)
        self.T_cam_fixed = np.linalg.inv(self.T_fixed_cam)
        known = self.given is not None
        compensated = known and (world.known or world.newest_ns is None)
        if known and not world.known:
            # What was seen while the camera's pose was unknown stays where the camera saw it.
            self.world = replace(
                world,
                memories=tuple(m if m.anchored else self._reanchored(m) for m in world.memories),
            )
        self.world = replace(self.world, T_fixed_cam=self.T_fixed_cam, known=known)
        return compensated

    def _reanchored(self, memory: TrackMemory) -> TrackMemory:
        T_new_old = self.T_fixed_cam @ np.linalg.inv(memory.T_fixed_cam)
        return replace(
            memory,
            motion=carried(memory.motion, T_new_old),
            T_fixed_cam=self.T_fixed_cam,
            anchored=True,
            history=(),
            rival=None,
        )

    def _alive(self, memory: TrackMemory) -> bool:
        unseen_s = (self.stamp_ns - memory.seen_ns) / 1e9
        return unseen_s <= max(self.settings.keep_lost_s, self.settings.max_coast_s)

    def _predicted(self, memory: TrackMemory) -> Motion:
        motion = memory.motion
        if not self.settings.predict:
            motion = replace(motion, velocity=np.zeros(6))
        return predicted(motion, self.stamp_ns, self.noise)

    def _clouds(self) -> list[ObjectCloud]:
        clouds, rejections = self.estimator.object_clouds(self.frame)
        self.rejections += rejections
        return clouds

    def _associate(
        self,
        clouds: list[ObjectCloud],
        memories: list[TrackMemory],
        poses: list[np.ndarray],
    ) -> dict[int, int]:
        """Index of the cloud per index of the track; live tracks choose first, then lost ones."""
        if not clouds or not memories:
            return {}
        expected = [self._expected(m, T) for m, T in zip(memories, poses, strict=True)]
        costs = association_costs(
            clouds, expected, self.frame.camera, trust_ids=self.settings.trust_ids
        )
        lost = np.array([m.state is TrackState.LOST for m in memories])
        pairs: dict[int, int] = {}
        for group in (np.flatnonzero(~lost), np.flatnonzero(lost)):
            free = [i for i in range(len(clouds)) if i not in pairs.values()]
            found = assign(costs[free][:, group])
            pairs.update({int(group[j]): free[i] for i, j in found})
        return pairs

    def _expected(self, memory: TrackMemory, T_cam_obj: np.ndarray) -> Expected:
        unseen_s = (self.stamp_ns - memory.seen_ns) / 1e9
        gate_m = self.settings.gate_m + float(np.linalg.norm(memory.estimate.size_m)) / 2
        return Expected(
            category=memory.category,
            points_cam=memory.points_obj @ T_cam_obj[:3, :3].T + T_cam_obj[:3, 3],
            gate_m=gate_m + min(unseen_s, 1.0) * 0.5,
            instance_id=memory.instance_id,
        )

    def _follow(
        self,
        memories: list[TrackMemory],
        motions: list[Motion],
        poses: list[np.ndarray],
        clouds: list[ObjectCloud],
        pairs: dict[int, int],
        has_masks: bool,
    ) -> list[TrackMemory]:
        """All tracks as of this frame."""
        views = [
            visibility(m.points_obj @ T[:3, :3].T + T[:3, 3], self.frame.depth_m, self.frame.camera)
            for m, T in zip(memories, poses, strict=True)
        ]
        with self._stage("clouds"):
            own = [
                self._own_cloud(m, T, view, clouds[pairs[j]] if j in pairs else None)
                for j, (m, T, view) in enumerate(zip(memories, poses, views, strict=True))
            ]
        fresh = [
            j
            for j, (m, cloud) in enumerate(zip(memories, own, strict=True))
            if cloud is not None and (m.state is TrackState.LOST or m.suspect > 0)
        ]
        warm = [j for j, cloud in enumerate(own) if cloud is not None and j not in fresh]
        estimates: dict[int, ObjectEstimate] = {}
        for group, starts in ((warm, True), (fresh, False)):
            outcomes = self.estimator.estimate_clouds(
                [own[j] for j in group],
                T_cam_start=np.array([poses[j] for j in group]).reshape(-1, 4, 4)
                if starts
                else None,
                settings=self.settings.of_estimator(self.estimator.settings) if starts else None,
                timings_ms=self.timings_ms,
            )
            for j, outcome in zip(group, outcomes, strict=True):
                if isinstance(outcome, Rejection):
                    self.rejections.append(outcome)
                elif self._plausible(memories[j], outcome, poses[j], j in fresh):
                    estimates[j] = outcome
        result = []
        for j, (memory, motion, view) in enumerate(zip(memories, motions, views, strict=True)):
            masked = j in pairs
            if j in estimates:
                after = self._seen(memory, motion, estimates[j], masked)
            else:
                after = self._unseen(memory, view, has_masks, own[j] is not None)
            if after is not None:
                result.append(after)
        return result

    def _own_cloud(
        self,
        memory: TrackMemory,
        T_cam_obj: np.ndarray,
        view: Visibility,
        masked: ObjectCloud | None,
    ) -> ObjectCloud | None:
        """The points of a tracked object in this frame, from its mask or the depth alone."""
        if masked is not None:
            instance = replace(masked.instance, category=memory.category)
            return replace(masked, instance=instance)
        unmasked_s = (self.stamp_ns - memory.masked_ns) / 1e9
        if (
            not self.settings.keep_between_masks
            or memory.state is TrackState.LOST
            or unmasked_s > self.settings.max_unmasked_s
            or view.seen < 0.3
        ):
            return None
        settings = self.estimator.settings
        points = depth_around(
            self.frame.depth_m,
            self.frame.camera,
            T_cam_obj,
            memory.points_obj,
            memory.estimate.size_m,
            settings,
            symmetric=is_symmetric(memory.category),
        )
        if len(points) < settings.min_points:
            return None
        instance = Instance(-1, memory.category, np.zeros((0, 0), dtype=bool))
        rng = np.random.default_rng(settings.seed)
        return ObjectCloud(instance, sample_points(points, settings.points, rng), len(points))

    def _plausible(
        self, memory: TrackMemory, estimate: ObjectEstimate, T_cam_obj: np.ndarray, fresh: bool
    ) -> bool:
        symmetric = is_symmetric(memory.category)
        outside = outside_fraction(
            estimate.points_cam, estimate.T_cam_obj, estimate.size_m, symmetric=symmetric
        )
        if outside > self.settings.max_outside:
            return False
        if fresh:
            return True
        jump = pose_difference(T_cam_obj, estimate.T_cam_obj)
        return bool(
            np.linalg.norm(jump[:3]) <= self.settings.max_jump_m
            and np.rad2deg(np.linalg.norm(jump[3:])) <= self.settings.max_jump_deg
        )

    def _seen(
        self, memory: TrackMemory, motion: Motion, estimate: ObjectEstimate, masked: bool
    ) -> TrackMemory:
        hits = min(memory.hits + 1, self.settings.confirm_frames)
        T_fixed_obj = self.T_fixed_cam @ estimate.T_cam_obj
        covariance = turned_covariance(estimate.covariance, self.T_fixed_cam[:3, :3])
        if memory.state is TrackState.LOST or memory.suspect > 0:
            motion = begin_motion(self.stamp_ns, T_fixed_obj, covariance)
        else:
            motion = corrected(motion, T_fixed_obj, covariance)
        state = next_state(
            memory.state,
            seen=True,
            hits=hits,
            missed=0,
            unseen_s=0.0,
            gone=False,
            settings=self.settings,
        )
        if state is None:
            raise AssertionError("a track that is seen does not end")
        if self.settings.smoothing:
            T = self.T_cam_fixed @ motion.T_fixed_obj
            estimate = replace(estimate, T_cam_obj=T)
        else:
            motion = replace(motion, T_fixed_obj=T_fixed_obj)
        return replace(
            memory,
            state=state,
            hits=hits,
            missed=0,
            motion=motion,
            estimate=estimate,
            T_fixed_cam=self.T_fixed_cam,
            anchored=self.given is not None,
            points_obj=_surface(estimate),
            seen_ns=self.stamp_ns,
            masked_ns=self.stamp_ns if masked else memory.masked_ns,
            instance_id=estimate.instance_id if masked else memory.instance_id,
            suspect=0,
            history=self._remembered(memory.history, T_fixed_obj),
        )

    def _unseen(
        self, memory: TrackMemory, view: Visibility, has_masks: bool, refused: bool
    ) -> TrackMemory | None:
        missed = memory.missed + has_masks
        state = next_state(
            memory.state,
            seen=False,
            hits=memory.hits,
            missed=missed,
            unseen_s=(self.stamp_ns - memory.seen_ns) / 1e9,
            gone=view.gone > 0.7,
            settings=self.settings,
        )
        if state is None:
            return None
        return replace(memory, state=state, missed=missed, suspect=memory.suspect + refused)

    def _births(
        self, clouds: list[ObjectCloud], pairs: dict[int, int], tracks: Sequence[TrackMemory]
    ) -> list[TrackMemory]:
        taken = set(pairs.values())
        new = [cloud for i, cloud in enumerate(clouds) if i not in taken]
        new = new[: self.settings.new_per_frame]
        born = []
        outcomes = self.estimator.estimate_clouds(new, timings_ms=self.timings_ms)
        for outcome in outcomes:
            if isinstance(outcome, Rejection):
                self.rejections.append(outcome)
            else:
                born.append(self._born(outcome, self.world.next_id))
                self.world = replace(self.world, next_id=self.world.next_id + 1)
        return born

    def _born(self, estimate: ObjectEstimate, track_id: int) -> TrackMemory:
        T_fixed_obj = self.T_fixed_cam @ estimate.T_cam_obj
        covariance = turned_covariance(estimate.covariance, self.T_fixed_cam[:3, :3])
        confirmed = self.settings.confirm_frames <= 1
        return TrackMemory(
            track_id=track_id,
            category=estimate.category,
            state=TrackState.CONFIRMED if confirmed else TrackState.NEW,
            born_ns=self.stamp_ns,
            hits=1,
            missed=0,
            motion=begin_motion(self.stamp_ns, T_fixed_obj, covariance),
            estimate=estimate,
            T_fixed_cam=self.T_fixed_cam,
            anchored=self.given is not None,
            points_obj=_surface(estimate),
            seen_ns=self.stamp_ns,
            masked_ns=self.stamp_ns,
            instance_id=estimate.instance_id,
            checked_ns=self.stamp_ns,
            history=((self.stamp_ns, T_fixed_obj),),
        )

    def _bounded(self, memories: list[TrackMemory]) -> list[TrackMemory]:
        return memories[: self.settings.max_tracks]

    def _track(self, memory: TrackMemory) -> Track:
        seen = memory.seen_ns == self.stamp_ns
        estimate = memory.estimate
        if not seen:
            motion = memory.motion
            if memory.state is not TrackState.LOST:
                motion = self._predicted(memory)
            T_cam_obj = self.T_cam_fixed @ motion.T_fixed_obj
            estimate = estimate.moved(T_cam_obj @ np.linalg.inv(estimate.T_cam_obj))
            covariance = turned_covariance(motion.covariance[:6, :6], self.T_cam_fixed[:3, :3])
            estimate = replace(estimate, covariance=covariance, instance_id=-1)
        return Track(
            track_id=memory.track_id,
            name=f"{memory.category}_{memory.track_id}",
            state=memory.state,
            estimate=estimate,
            velocity=memory.motion.velocity,
            age_s=(self.stamp_ns - memory.born_ns) / 1e9,
            unseen_s=(self.stamp_ns - memory.seen_ns) / 1e9,
            instance_id=memory.instance_id if memory.masked_ns == self.stamp_ns else -1,
        )

    def _remembered(
        self, history: tuple[tuple[int, np.ndarray], ...], T: np.ndarray
    ) -> tuple[tuple[int, np.ndarray], ...]:
        recent = [item for item in history if (self.stamp_ns - item[0]) / 1e9 <= _HISTORY_S]
        return (*recent[-_HISTORY_FRAMES:], (self.stamp_ns, T))

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        elapsed_ms = 1e3 * (time.perf_counter() - start)
        self.timings_ms[name] = self.timings_ms.get(name, 0.0) + elapsed_ms


def _surface(estimate: ObjectEstimate) -> np.ndarray:
    """Where an object's surface was seen, (M, 3) float32, object frame."""
    T = estimate.T_cam_obj
    # The points come in random order: the first ones are spread over all of them.
    points = (estimate.points_cam[:_SURFACE_POINTS] - T[:3, 3]) @ T[:3, :3]
    return points.astype(np.float32)


def _is_transform(T: np.ndarray) -> bool:
    T = np.asarray(T)
    if T.shape != (4, 4) or not np.isfinite(T).all():
        return False
    return bool(np.abs(T[:3, :3].T @ T[:3, :3] - np.eye(3)).max() < 1e-3)

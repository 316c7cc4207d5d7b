# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tracker of objects over time: frames in, tracks out (paper section 3.3)."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.frame import Frame, check_frame
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.stage_timer import StageTimer
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.transforms import is_transform
from genpose_ros.tracking import depth_history
from genpose_ros.tracking.delayed import process_delayed
from genpose_ros.tracking.depth_history import DepthImage
from genpose_ros.tracking.ego_motion import EgoMotion
from genpose_ros.tracking.settings import TrackerSettings
from genpose_ros.tracking.stamp_guard import StampGuard, Verdict
from genpose_ros.tracking.state import TrackerState, as_tracks
from genpose_ros.tracking.step import TrackingStep
from genpose_ros.tracking.tracks import Track, TrackingResult

__all__ = ["Tracker"]


class Tracker:
    """Tracker of the objects of a stream of frames; each keeps its identity.

    Args:
        estimator: estimates new objects with its own settings, tracked ones with fewer candidates
            and steps around their predictions.
        settings: everything else.
    """

    def __init__(self, estimator: PoseEstimator, settings: TrackerSettings | None = None) -> None:
        self.estimator = estimator
        self.settings = settings or TrackerSettings()
        self._state = TrackerState()
        self._tracks: tuple[Track, ...] = ()
        self._stamps = StampGuard()

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks as of the newest frame, oldest first."""
        return self._tracks

    @property
    def state(self) -> TrackerState:
        """All that is remembered from frame to frame, for inspection; it never changes."""
        return self._state

    def reset(self) -> None:
        """Forget all tracks; ids go on where they were."""
        self._state = self._state.cleared()
        self._tracks = ()
        self._stamps.clear()

    def track(
        self, frame: Frame, stamp_ns: int, T_fixed_cam: np.ndarray | None = None
    ) -> TrackingResult:
        """Follow all objects into a frame that has masks; bad content never raises.

        A frame older than the newest one tells which object is which, confirms tracks, and
        initiates and corrects others, which are propagated through the depth images since then; a
        much older one (`clock_jump_s`) is rejected, and the third of those in a row that follow one
        another clears all tracks, as the clock has jumped back.

        Args:
            frame: depth image and masks; as with `track_depth` the image is kept.
            stamp_ns: when the depth image was taken; `frame.stamp_ns` is not used.
            T_fixed_cam: (4, 4) pose of the camera in a fixed frame at that time; None: unknown.
        """
        return self._advance(frame, stamp_ns, T_fixed_cam, has_masks=True)

    def track_depth(
        self,
        depth_m: np.ndarray,
        camera: PinholeCamera,
        stamp_ns: int,
        T_fixed_cam: np.ndarray | None = None,
        *,
        up_cam: UpDirection | None = None,
    ) -> TrackingResult:
        """Follow all tracked objects into a depth image without masks; bad content never raises.

        A depth image older than the newest frame is not used.

        Args:
            depth_m: (H, W), metres along z; 0 or NaN where there is no measurement. It is kept for
                `delayed_mask_horizon_s`, not copied: nothing may be written to it.
            camera: of the depth image.
            stamp_ns: when it was taken.
            T_fixed_cam: (4, 4) pose of the camera in a fixed frame at that time; None: unknown.
            up_cam: as of `Frame`.
        """
        frame = Frame(depth_m, camera, up_cam=up_cam)
        return self._advance(frame, stamp_ns, T_fixed_cam, has_masks=False)

    def _advance(
        self, frame: Frame, stamp_ns: int, T_fixed_cam: np.ndarray | None, *, has_masks: bool
    ) -> TrackingResult:
        started_s, latency = time.perf_counter(), self.estimator.latency
        admitted = check_frame(frame) or self._admit(stamp_ns)
        if isinstance(admitted, Rejection):
            in_force = self._state.ego_motion.T_fixed_cam
            return TrackingResult(rejections=(admitted,), T_fixed_cam=in_force)
        state, notes = admitted
        if T_fixed_cam is not None and not is_transform(T_fixed_cam):
            notes = (*notes, "the camera's pose is not a rigid transform: taken as unknown")
            T_fixed_cam = None
        before = state.ego_motion
        delayed = before.newest_ns is not None and stamp_ns < before.newest_ns
        if not delayed:
            state = state.moved(stamp_ns, T_fixed_cam)
        if has_masks:
            state = state.with_masks(stamp_ns)
        step = TrackingStep(
            self.estimator,
            self.settings,
            state,
            frame,
            state.ego_motion.camera_pose_at(stamp_ns, T_fixed_cam),
            StageTimer(self.estimator.device),
        )
        if delayed:
            state = process_delayed(step, has_masks=has_masks)
        else:
            state = self._with_image(step.process(has_masks=has_masks), step)
        if step.unfollowed:
            notes = (*notes, _unfollowed(step.unfollowed, step.longest_unmasked_s))
        compensated = not delayed and _is_compensated(before, state.ego_motion)
        result = self._result(step, state, delayed=delayed)
        self._state = state
        result = replace(result, notes=notes, compensated=compensated, lowered=latency.told)
        if not delayed:
            self._tracks = result.tracks
            latency.note(1e3 * (time.perf_counter() - started_s))
        return result

    def _admit(self, stamp_ns: int) -> tuple[TrackerState, tuple[str, ...]] | Rejection:
        """The state that a frame meets, and notes about it; or why the frame is refused."""
        newest_ns = self._state.ego_motion.newest_ns
        if newest_ns is None:
            return self._state, ()
        back_s = (newest_ns - stamp_ns) / 1e9
        earliest_ns = newest_ns - round(self.settings.clock_jump_s * 1e9)
        verdict = self._stamps.judge(stamp_ns, earliest_ns, max(newest_ns, stamp_ns))
        if verdict is Verdict.FOLLOWS:
            return self._state, ()
        if verdict is Verdict.STRAY:
            detail = (
                f"the frame is {back_s:.3f} s older than the newest one (tracking.clock_jump_s)"
            )
            return Rejection(Reason.STAMP_OUT_OF_ORDER, detail)
        count = len(self._state.objects)
        return self._state.cleared(), (
            f"the clock jumped back by {back_s:.3f} s: {count} tracks cleared",
        )

    def _with_image(self, state: TrackerState, step: TrackingStep) -> TrackerState:
        """The state with the step's depth image, for masks that may come."""
        image = DepthImage(step.frame.depth_m, step.frame.camera, step.camera_pose)
        keeps = self.settings.track_without_masks
        images = depth_history.append(
            state.images,
            image,
            horizon_s=self.settings.delayed_mask_horizon_s if keeps else 0.0,
            most=self.settings.max_depth_images,
        )
        return replace(state, images=images)

    def _result(self, step: TrackingStep, state: TrackerState, *, delayed: bool) -> TrackingResult:
        tracks = as_tracks(state.objects, step.camera_pose, self.settings, delayed=delayed)
        return TrackingResult(
            tracks=tuple(tracks),
            rejections=tuple(step.rejections),
            timings_ms=step.timer.timings_ms,
            delayed=delayed,
            T_fixed_cam=step.camera_pose.T_fixed_cam,
            up_cam=step.support.told,
        )


def _unfollowed(names: Sequence[str], longest_s: float) -> str:
    """A note about tracks that are no longer followed."""
    return (
        f"no mask for {longest_s:g} s: {', '.join(names)} no longer followed by depth alone "
        "(tracking.max_unmasked_s; 0: for as long as the depth shows them)"
    )


def _is_compensated(before: EgoMotion, after: EgoMotion) -> bool:
    """Whether the camera's motion from one frame to the next is known."""
    return after.known and (before.known or before.newest_ns is None)

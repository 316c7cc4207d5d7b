# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tracker of objects over time: frames in, tracks out (paper section 3.3)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.frame import Frame, check_frame
from genpose_ros.estimation.stage_timer import StageTimer
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.transforms import is_transform
from genpose_ros.tracking import depth_history
from genpose_ros.tracking.delayed import process_delayed
from genpose_ros.tracking.depth_history import DepthImage
from genpose_ros.tracking.ego_motion import EgoMotion
from genpose_ros.tracking.settings import TrackerSettings
from genpose_ros.tracking.state import TrackerState, as_track
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

    def track(
        self, frame: Frame, stamp_ns: int, T_fixed_cam: np.ndarray | None = None
    ) -> TrackingResult:
        """Follow all objects into a frame that has masks; bad content never raises.

        A frame older than the newest one tells which object is which, confirms tracks, and
        initiates and corrects others, which are propagated through the depth images since then; a
        much older one (`clock_jump_s`) clears all tracks.

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
    ) -> TrackingResult:
        """Follow all tracked objects into a depth image without masks; bad content never raises.

        A depth image older than the newest frame is not used.

        Args:
            depth_m: (H, W), metres along z; 0 or NaN where there is no measurement. It is kept for
                `delayed_mask_horizon_s`, not copied: nothing may be written to it.
            camera: of the depth image.
            stamp_ns: when it was taken.
            T_fixed_cam: (4, 4) pose of the camera in a fixed frame at that time; None: unknown.
        """
        return self._advance(Frame(depth_m, camera), stamp_ns, T_fixed_cam, has_masks=False)

    def _advance(
        self, frame: Frame, stamp_ns: int, T_fixed_cam: np.ndarray | None, *, has_masks: bool
    ) -> TrackingResult:
        refused = check_frame(frame)
        if refused is not None:
            in_force = self._state.ego_motion.T_fixed_cam
            return TrackingResult(rejections=(refused,), T_fixed_cam=in_force)
        state, notes = _guarded_state(self._state, stamp_ns, self.settings.clock_jump_s)
        if T_fixed_cam is not None and not is_transform(T_fixed_cam):
            notes = (*notes, "the camera's pose is not a rigid transform: taken as unknown")
            T_fixed_cam = None
        before = state.ego_motion
        delayed = before.newest_ns is not None and stamp_ns < before.newest_ns
        if not delayed:
            state = state.moved(stamp_ns, T_fixed_cam)
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
            notes = (*notes, _unfollowed(step.unfollowed, self.settings.max_unmasked_s))
        compensated = not delayed and _is_compensated(before, state.ego_motion)
        result = self._result(step, state, delayed=delayed)
        self._state = state
        if not delayed:
            self._tracks = result.tracks
        return replace(result, notes=notes, compensated=compensated)

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
        tracks = [
            as_track(obj, step.camera_pose, self.settings, delayed=delayed) for obj in state.objects
        ]
        return TrackingResult(
            tracks=tuple(tracks),
            rejections=tuple(step.rejections),
            timings_ms=step.timer.timings_ms,
            delayed=delayed,
            T_fixed_cam=step.camera_pose.T_fixed_cam,
        )


def _guarded_state(
    state: TrackerState, stamp_ns: int, clock_jump_s: float
) -> tuple[TrackerState, tuple[str, ...]]:
    """The state, cleared where the clock jumped back, and notes about that."""
    newest_ns = state.ego_motion.newest_ns
    back_s = 0.0 if newest_ns is None else (newest_ns - stamp_ns) / 1e9
    if back_s <= clock_jump_s:
        return state, ()
    note = f"the clock jumped back by {back_s:.3f} s: {len(state.objects)} tracks cleared"
    return state.cleared(), (note,)


def _unfollowed(names: Sequence[str], longest_s: float) -> str:
    """A note about tracks that are no longer followed."""
    return (
        f"no mask for {longest_s:g} s: {', '.join(names)} no longer followed by depth alone "
        "(tracking.max_unmasked_s; 0: for as long as the depth shows them)"
    )


def _is_compensated(before: EgoMotion, after: EgoMotion) -> bool:
    """Whether the camera's motion from one frame to the next is known."""
    return after.known and (before.known or before.newest_ns is None)

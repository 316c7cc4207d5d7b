"""Objects over time: frames in, tracks out (paper section 3.3)."""

from dataclasses import replace

import numpy as np

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.frame import Frame, check_frame
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.transforms import is_transform
from genpose_ros.tracking.delayed import LateStep
from genpose_ros.tracking.settings import TrackerSettings
from genpose_ros.tracking.step import World
from genpose_ros.tracking.tracks import Track, TrackingResult

__all__ = ["Tracker"]


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
        self._world = World()
        self._tracks: tuple[Track, ...] = ()

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks as of the newest frame, oldest first."""
        return self._tracks

    def reset(self) -> None:
        """Forget all tracks; ids go on where they were."""
        self._world = World(next_id=self._world.next_id)
        self._tracks = ()

    def track(
        self, frame: Frame, stamp_ns: int, T_fixed_cam: np.ndarray | None = None
    ) -> TrackingResult:
        """Follow all objects into a frame that has masks; bad content never raises.

        A frame older than the newest one tells which object is which, confirms tracks, and begins
        and corrects others, which are carried through the depth images since then; a much older
        one (`clock_jump_s`) clears all tracks.

        Args:
            frame: depth image and masks; as with `track_depth` the image is kept.
            stamp_ns: when the depth image was taken; `frame.stamp_ns` is not looked at.
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
            return TrackingResult(rejections=(refused,))
        world, notes, newest_ns = self._world, [], self._world.path.newest_ns
        back_s = 0.0 if newest_ns is None else (newest_ns - stamp_ns) / 1e9
        if back_s > self.settings.clock_jump_s:
            count = len(world.memories)
            notes.append(f"the clock jumped back by {back_s:.3f} s: {count} tracks cleared")
            world, back_s = World(next_id=world.next_id), 0.0
        if T_fixed_cam is not None and not is_transform(T_fixed_cam):
            notes.append("the camera's pose is not a rigid transform: taken as unknown")
            T_fixed_cam = None
        late = back_s > 0
        step = LateStep(self.estimator, self.settings, world, frame)
        if not late:
            result = step.follow(stamp_ns, T_fixed_cam, has_masks=has_masks)
            self._tracks = result.tracks
        else:
            result = step.look_back(stamp_ns, T_fixed_cam, has_masks=has_masks)
        self._world = step.world
        T_fixed_cam = step.world.path.T_fixed_cam
        return replace(result, notes=tuple(notes), late=late, T_fixed_cam=T_fixed_cam)

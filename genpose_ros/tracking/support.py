# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Support plane that is remembered from frame to frame, and checked instead of fitted anew."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genpose_ros.estimation.frame import Frame
from genpose_ros.estimation.up import (
    KEPT_SHARE,
    UpDirection,
    find_support_plane,
    given_up,
    is_level,
    needs_support,
    on_support,
    support_share,
    supports,
)
from genpose_ros.tracking.ego_motion import StampedCameraPose

__all__ = ["RememberedSupport", "SupportMemory"]


@dataclass(frozen=True)
class RememberedSupport:
    """Support plane of an earlier frame.

    Attributes:
        normal_fixed: (3,) unit vector against gravity, fixed frame.
        level_m: coordinate along it of the plane's points, fixed frame.
        sigma_rad: deviation of the normal.
        share: of the pixels of the frame it was found in that lay on it.
        known: whether the camera's pose was known there.
    """

    normal_fixed: np.ndarray
    level_m: float
    sigma_rad: float
    share: float
    known: bool

    @classmethod
    def of(
        cls, plane: UpDirection, camera_pose: StampedCameraPose, share: float
    ) -> "RememberedSupport":
        """Return the plane of a frame, to be remembered.

        Args:
            plane: with its level, camera frame.
            camera_pose: of the frame.
            share: of its pixels, on the plane.
        """
        T = camera_pose.T_fixed_cam
        normal = T[:3, :3] @ plane.direction_cam
        level_m = (plane.level_m or 0.0) + float(normal @ T[:3, 3])
        return cls(normal, level_m, plane.sigma_rad, share, camera_pose.known)

    def seen_from(self, camera_pose: StampedCameraPose) -> UpDirection | None:
        """Return the plane in another frame's camera; None where its motion is not known."""
        if camera_pose.known != self.known:
            return None
        T = camera_pose.T_fixed_cam
        normal = T[:3, :3].T @ self.normal_fixed
        level_m = self.level_m - float(self.normal_fixed @ T[:3, 3])
        return UpDirection(normal / np.linalg.norm(normal), self.sigma_rad, level_m, "plane")


class SupportMemory:
    """Direction up of one frame's objects, with the support that earlier frames had.

    What is remembered counts while the image shows it: a look at a few hundred pixels instead of a
    fit. A new plane is fitted only where asked for, and where the objects do not touch the old one.

    Attributes:
        remembered: to be kept for the next frame; None: nothing.
        told: what the frame's objects were last told; None: nothing.

    Args:
        frame: depth image, masks and what is known beside them.
        source: where the direction may come from, of `UP_SOURCES`.
        camera_pose: of the frame.
        remembered: from the frame before.
    """

    def __init__(
        self,
        frame: Frame,
        source: str,
        camera_pose: StampedCameraPose,
        remembered: RememberedSupport | None,
    ) -> None:
        self.remembered = remembered
        self.told: UpDirection | None = None
        self._frame, self._source, self._camera_pose = frame, source, camera_pose
        self._checked = False

    def up(self, clouds: Sequence[np.ndarray], *, fit: bool) -> UpDirection | None:
        """Return which way is up, with the support of objects where it is known.

        Args:
            clouds: (N, 3) points of each object, metres, camera frame.
            fit: look for a support where none is known that they touch.
        """
        if not clouds:
            return self.told
        known = given_up(self._source, self._frame.up_cam)
        self.told = known
        if needs_support(self._source, known):
            plane = self._plane(clouds, known, fit=fit)
            if plane is not None:
                centre = np.mean([cloud.mean(0) for cloud in clouds], axis=0)
                self.told = plane if known is None else on_support(known, plane, centre)
        return self.told

    def _plane(
        self, clouds: Sequence[np.ndarray], known: UpDirection | None, *, fit: bool
    ) -> UpDirection | None:
        seen = self._seen(known)
        if not fit or (seen is not None and supports(seen, clouds)):
            return seen
        frame = self._frame
        masks = [instance.mask for instance in frame.instances]
        found = find_support_plane(frame.depth_m, frame.camera, masks, known)
        if found is None:
            return seen
        share = support_share(found, frame.depth_m, frame.camera)
        self.remembered = RememberedSupport.of(found, self._camera_pose, share)
        self._checked = True
        return found

    def _seen(self, known: UpDirection | None) -> UpDirection | None:
        """What is remembered, in this frame; forgotten where the image shows something else."""
        if self.remembered is None:
            return None
        seen = self.remembered.seen_from(self._camera_pose)
        if seen is not None and not self._checked:
            share = support_share(seen, self._frame.depth_m, self._frame.camera)
            self._checked = True
            if share < KEPT_SHARE * self.remembered.share:
                seen = None
        if seen is None or not is_level(seen, known):
            self.remembered = None
            return None
        return seen

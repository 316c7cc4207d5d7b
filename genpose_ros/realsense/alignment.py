# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Depth in the frame of the colour camera: what librealsense's alignment leaves out."""

import numpy as np

from genpose_ros.geometry.camera import PinholeCamera

__all__ = ["AlignedDepth"]


class AlignedDepth:
    """Correction of aligned depth images, whose pixels moved and whose depth did not.

    librealsense puts each depth value at the colour pixel that shows its point, but leaves it the
    distance along the *depth* camera's axis. Cameras are turned against each other by a degree or
    so, which makes a centimetre at the border of an image a metre away. With the point at the
    distance z along the colour pixel's ray r, in the depth camera's frame R' (z r - t), the
    distance d along that camera's axis gives z = (d + n t) / (n r), n being the third column of R.

    Args:
        color_camera: of the aligned image.
        T_color_depth: (4, 4), depth camera's frame to the colour camera's, metres.
    """

    def __init__(self, color_camera: PinholeCamera, T_color_depth: np.ndarray) -> None:
        self.color_camera, self.T_color_depth = color_camera, np.asarray(T_color_depth)
        c = color_camera
        axis = self.T_color_depth[:3, 2]  # of the depth camera, in the colour camera's frame
        x = (np.arange(c.width) - c.cx) / c.fx
        y = (np.arange(c.height) - c.cy) / c.fy
        along = axis[0] * x[None, :] + axis[1] * y[:, None] + axis[2]
        self._per_m = (1.0 / along).astype(np.float32)
        self._shift_m = np.float32(axis @ self.T_color_depth[:3, 3])

    def corrected(self, aligned_m: np.ndarray) -> np.ndarray:
        """Return depth along the colour camera's axis, (H, W) float32; 0 where there is none.

        Args:
            aligned_m: (H, W), as librealsense aligns it, along the depth camera's axis.

        Raises:
            ValueError: the image is not of the camera's size.
        """
        if aligned_m.shape != self._per_m.shape:
            raise ValueError(
                f"aligned depth is {aligned_m.shape}, the colour image {self._per_m.shape}"
            )
        depth_m = (aligned_m.astype(np.float32) + self._shift_m) * self._per_m
        corrected: np.ndarray = np.where(aligned_m > 0, depth_m, np.float32(0.0))
        return corrected

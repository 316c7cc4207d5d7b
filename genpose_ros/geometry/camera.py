# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pinhole camera: pixels and metres, in the optical frame (x right, y down, z forward)."""

import math
from copy import copy
from dataclasses import dataclass

import numpy as np

__all__ = ["PinholeCamera"]

#: Larger focal lengths and principal points, in pixels, are no camera's.
_LARGEST_PX = 1e6


@dataclass(frozen=True)
class PinholeCamera:
    """Camera without distortion, such as that of a rectified depth image.

    Attributes:
        fx: focal length along x, pixels.
        fy: focal length along y, pixels.
        cx: x of the principal point, pixels; (0, 0) is the centre of the upper left pixel.
        cy: y of the principal point, pixels.
        width: of the image, pixels.
        height: of the image, pixels.

    Raises:
        ValueError: a number is not finite or absurdly large, or a focal length or size is not
            positive.

    Example:
        >>> camera = PinholeCamera(fx=600.0, fy=600.0, cx=320.0, cy=240.0, width=640, height=480)
        >>> camera.project(np.array([0.1, 0.0, 1.0])).tolist()
        [380.0, 240.0]
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        for name in ("fx", "fy", "cx", "cy"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be finite, got {getattr(self, name)}")
            if abs(getattr(self, name)) > _LARGEST_PX:
                raise ValueError(
                    f"{name} must lie within {_LARGEST_PX:.0f} pixels of 0, "
                    f"got {getattr(self, name):g}"
                )
        if self.fx <= 0 or self.fy <= 0:
            raise ValueError(f"focal lengths must be positive, got fx {self.fx}, fy {self.fy}")
        if self.width < 1 or self.height < 1:
            raise ValueError(f"image size must be positive, got {self.width} x {self.height}")

    @classmethod
    def from_matrix(
        cls, matrix: np.ndarray, width: int, height: int, *, name: str = "K"
    ) -> "PinholeCamera":
        """Return the camera of an intrinsic matrix K.

        Args:
            matrix: K, (3, 3) or its 9 numbers row by row, pixels.
            width: of the image, pixels.
            height: of the image, pixels.
            name: of the matrix in messages.

        Raises:
            ValueError: K has another size, a skew, or a last row other than (0, 0, 1), or its
                numbers are no camera's.
        """
        k = np.asarray(matrix, dtype=np.float64)
        if k.size != 9:
            raise ValueError(f"{name} must have 9 numbers, got {k.size}")
        k = k.reshape(3, 3)
        if not np.isfinite(k).all():
            raise ValueError(f"{name} must be finite, got {k.tolist()}")
        if k[0, 1] != 0 or k[1, 0] != 0 or tuple(k[2]) != (0, 0, 1):
            raise ValueError(
                f"{name} must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], got {k.tolist()}"
            )
        return cls(
            float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2]), int(width), int(height)
        )

    @property
    def matrix(self) -> np.ndarray:
        """The intrinsic matrix K, (3, 3) float64."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def cropped(self, rows: slice, columns: slice) -> "PinholeCamera":
        """Return the camera of the image part `image[rows, columns]`; same rays, same points.

        Args:
            rows: of the part; a step of n takes every n-th row.
            columns: of the part, with or without step.

        Raises:
            ValueError: no row or no column is left.
        """
        taken_v, taken_u = range(self.height)[rows], range(self.width)[columns]
        if not taken_v or not taken_u:
            raise ValueError(f"no pixel is left of {rows}, {columns}")
        step_v, step_u = taken_v.step, taken_u.step
        # Not made anew: the principal point of a part may lie farther off than a camera's may.
        part = copy(self)
        vars(part).update(
            fx=self.fx / step_u,
            fy=self.fy / step_v,
            cx=(self.cx - taken_u.start) / step_u,
            cy=(self.cy - taken_v.start) / step_v,
            width=len(taken_u),
            height=len(taken_v),
        )
        return part

    def turned(self) -> "PinholeCamera":
        """Return the camera of an image that was turned a quarter clockwise, `np.rot90(image, -1)`.

        A point (x, y, z) of this camera is (-y, x, z) of that one.

        Example:
            >>> camera = PinholeCamera(600.0, 500.0, 320.0, 100.0, 640, 480)
            >>> camera.turned()
            PinholeCamera(fx=500.0, fy=600.0, cx=379.0, cy=320.0, width=480, height=640)
        """
        return PinholeCamera(
            fx=self.fy,
            fy=self.fx,
            cx=self.height - 1 - self.cy,
            cy=self.cx,
            width=self.height,
            height=self.width,
        )

    def back_project(self, depth_m: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        """Return the points of the pixels that have a depth and lie in the mask.

        Args:
            depth_m: (H, W), metres along z; zero, negative and not finite are no measurement.
            mask: (H, W), true (or not zero) on the pixels wanted; None: all.

        Returns:
            (M, 3) float32, metres, camera frame, in the order of the pixels, row by row.

        Raises:
            ValueError: depth or mask is not of the camera's size.

        Example:
            >>> camera = PinholeCamera(fx=4.0, fy=4.0, cx=0.0, cy=0.0, width=3, height=1)
            >>> camera.back_project(np.array([[np.nan, 0.0, 2.0]])).tolist()
            [[1.0, 0.0, 2.0]]
        """
        for name, image in (("depth", depth_m), ("mask", mask)):
            if image is not None and image.shape != (self.height, self.width):
                raise ValueError(
                    f"{name} must be {self.height} x {self.width} (rows x columns), "
                    f"got shape {image.shape}"
                )
        valid = np.isfinite(depth_m) & (depth_m > 0)
        if mask is not None:
            valid &= mask.astype(bool, copy=False)
        pixels = np.flatnonzero(valid)
        return self.back_project_pixels(pixels, depth_m.ravel()[pixels])

    def back_project_pixels(self, pixels: np.ndarray, z_m: np.ndarray) -> np.ndarray:
        """Return the points of some pixels.

        Args:
            pixels: (M,) their numbers, row by row from the upper left one.
            z_m: (M,) their depth, metres along z.

        Returns:
            (M, 3) float32, metres, camera frame.

        Example:
            >>> camera = PinholeCamera(fx=4.0, fy=4.0, cx=0.0, cy=0.0, width=3, height=2)
            >>> camera.back_project_pixels(np.array([5]), np.array([2.0])).tolist()
            [[1.0, 0.5, 2.0]]
        """
        v, u = np.divmod(pixels, self.width)
        z = z_m.astype(np.float64)
        points_cam = np.empty((len(pixels), 3), dtype=np.float32)
        points_cam[:, 0] = (u - self.cx) / self.fx * z
        points_cam[:, 1] = (v - self.cy) / self.fy * z
        points_cam[:, 2] = z
        return points_cam

    def project(self, points_cam: np.ndarray) -> np.ndarray:
        """Return pixel coordinates (u, v) of points, (..., 2) float64.

        Args:
            points_cam: (..., 3), metres, camera frame; those that are not in front of the camera
                come out as NaN.
        """
        points = np.asarray(points_cam, dtype=np.float64)
        z = np.where(points[..., 2] > 0, points[..., 2], np.nan)
        u = points[..., 0] / z * self.fx + self.cx
        v = points[..., 1] / z * self.fy + self.cy
        return np.stack((u, v), axis=-1)

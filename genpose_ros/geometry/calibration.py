# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Calibration of a camera, as a driver or a file tells it, and the pinhole camera that it means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genpose_ros.geometry.camera import PinholeCamera

__all__ = ["Calibration"]

#: A principal point farther from the image's middle, in shares of its side, is worth a warning.
_OFF_CENTRE = 0.2
#: K and P that differ less, relatively, are the same.
_EQUAL = 1e-6


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Calibration with the fields of a `sensor_msgs/CameraInfo`; what is not known is 0.

    K, P, width and height describe the full sensor; the image is the region of interest of it
    (offsets in full-resolution pixels), then binned (REP 104).

    Attributes:
        k: intrinsic matrix of the raw image, 9 numbers row by row, pixels.
        p: projection matrix of the rectified image, 12 numbers row by row, pixels.
        d: coefficients of the lens distortion, of any model.
        width: of the full sensor, pixels.
        height: of the full sensor, pixels.
        region: region of interest, (x, y, width, height) in pixels of the full sensor.
        binning: sensor pixels per pixel of the image, (x, y).

    Example:
        >>> k = (600.0, 0.0, 320.0, 0.0, 600.0, 240.0, 0.0, 0.0, 1.0)
        >>> halved = Calibration(k=k, width=640, height=480, binning=(2, 2))
        >>> halved.image_size, halved.camera().fx
        ((320, 240), 300.0)
    """

    k: Sequence[float] = (0.0,) * 9
    p: Sequence[float] = (0.0,) * 12
    d: Sequence[float] = ()
    width: int = 0
    height: int = 0
    region: tuple[int, int, int, int] = (0, 0, 0, 0)
    binning: tuple[int, int] = (1, 1)

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Width and height of the image, pixels; None: the calibration does not say."""
        width, height = self.region[2] or self.width, self.region[3] or self.height
        if not (width and height):
            return None
        return width // (self.binning[0] or 1), height // (self.binning[1] or 1)

    def camera(
        self, size: tuple[int, int] | None = None, *, rectified: bool = True
    ) -> PinholeCamera:
        """Return the camera of the image.

        Args:
            size: width and height of the image, for a calibration that does not say them.
            rectified: the image is rectified, so that P describes it; false: K does. Where one of
                them is all 0, the other one counts.

        Raises:
            ValueError: the numbers are no camera's, the principal point lies outside the image, or
                nobody says how large that is.
        """
        size = self.image_size or size
        if size is None:
            raise ValueError("width and height are 0 and no image is known")
        name, matrix = self._matrix(rectified)
        full = PinholeCamera.from_matrix(matrix, *self._full_size(size), name=name)
        self._check_principal_point(full)
        bins = np.array([self.binning[0] or 1, self.binning[1] or 1], dtype=np.int64)
        fx, fy = (np.array([full.fx, full.fy]) / bins).tolist()
        cx, cy = ((np.array([full.cx, full.cy]) - self.region[:2]) / bins).tolist()
        return PinholeCamera(fx, fy, cx, cy, *size)

    def doubts(self, size: tuple[int, int] | None = None, *, rectified: bool = True) -> list[str]:
        """Return what a user should be told of a calibration that can be used, as half sentences.

        A lens distortion is not undone here: it has to be told where P shows that nobody did.

        Args:
            size: as of `camera`.
            rectified: as of `camera`.

        Example:
            >>> k = (600.0, 0.0, 320.0, 0.0, 600.0, 240.0, 0.0, 0.0, 1.0)
            >>> Calibration(k=k, d=(0.1, -0.2)).doubts((640, 480))
            ['has a lens distortion that is not corrected: P is empty, so the image is a raw one']
        """
        found = []
        why = self._why_distorted(rectified)
        if why:
            found.append(f"has a lens distortion that is not corrected: {why}")
        if self.image_size is None and size is not None:
            camera = self.camera(size, rectified=rectified)
            middle = np.array([(camera.width - 1) / 2, (camera.height - 1) / 2])
            off = np.abs(np.array([camera.cx, camera.cy]) - middle) / np.array(size)
            if off.max() > _OFF_CENTRE:
                found.append(
                    f"has its principal point ({camera.cx:g}, {camera.cy:g}) far from the middle "
                    f"of the image of {size[0]} x {size[1]}: is it of another resolution?"
                )
        return found

    def _matrix(self, rectified: bool) -> tuple[str, np.ndarray]:
        """Name and numbers of the (3, 3) matrix that describes the image."""
        k = np.asarray(self.k, dtype=np.float64)
        p = np.asarray(self.p, dtype=np.float64)
        if p.any() and (rectified or not k.any()):
            if p.size != 12:
                raise ValueError(f"P must have 12 numbers, got {p.size}")
            return "P", p.reshape(3, 4)[:, :3]
        return "K", k

    def _full_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Width and height of the full sensor, as far as they are known."""
        x, y = self.region[:2]
        least = (x + size[0] * (self.binning[0] or 1), y + size[1] * (self.binning[1] or 1))
        return self.width or least[0], self.height or least[1]

    def _check_principal_point(self, full: PinholeCamera) -> None:
        for name, value, side, pixels in (
            ("cx", full.cx, "wide", full.width),
            ("cy", full.cy, "high", full.height),
        ):
            if not -0.5 <= value <= pixels - 0.5:
                raise ValueError(
                    f"{name} is {value:g}, outside an image {pixels} pixels {side}: are these the "
                    "intrinsics of another resolution?"
                )

    def _why_distorted(self, rectified: bool) -> str:
        """Why the image has the lens's distortion; empty: it has none, as far as can be told."""
        if not np.any(np.asarray(self.d, dtype=np.float64)):
            return ""
        p = np.asarray(self.p, dtype=np.float64)
        if not rectified:
            return "the image is taken as not rectified"
        if not p.any():
            return "P is empty, so the image is a raw one"
        k = np.asarray(self.k, dtype=np.float64)
        same = p.size == 12 and k.size == 9 and _equal(p.reshape(3, 4)[:, :3].ravel(), k)
        return "P equals K, so the image is a raw one" if same else ""


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.allclose(a, b, rtol=_EQUAL, atol=0.0))

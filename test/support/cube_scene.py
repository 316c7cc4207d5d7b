# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A cube of 10 cm before a wall, whose depth image is known."""

import numpy as np

from genpose_ros.geometry import PinholeCamera

CAMERA = PinholeCamera(300.0, 300.0, 159.5, 119.5, 320, 240)
SIZE_M = np.array([0.1, 0.1, 0.1])


def at(x: float = 0.0, y: float = 0.0, z: float = 0.85) -> np.ndarray:
    T = np.eye(4)
    T[:3, 3] = x, y, z
    return T


def front() -> np.ndarray:
    """The front face of a cube of 10 cm, object frame."""
    grid = np.linspace(-0.045, 0.045, 10)
    u, v = np.meshgrid(grid, grid)
    return np.stack((u.ravel(), v.ravel(), np.full(100, -0.05)), -1)


def image(background_m: float = 2.0, z: float = 0.8) -> np.ndarray:
    """A wall and the front face of the cube at `z`, as a camera sees them."""
    depth_m = np.full((240, 320), background_m, dtype=np.float32)
    half = 300 * 0.05 / z
    rows, columns = np.mgrid[:240, :320]
    depth_m[(np.abs(rows - 119.5) < half) & (np.abs(columns - 159.5) < half)] = z
    return depth_m

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Domains that views are drawn from: cameras, shapes, stances and rolls, under a name."""

from dataclasses import dataclass

import numpy as np

from genpose_ros.synthesis.depth_errors import DepthErrors, draw_depth_errors
from genpose_ros.synthesis.depth_filters import DriverFilters, draw_driver_filters
from genpose_ros.synthesis.sensor import SensorDraw, draw_pattern_sensor, draw_sensor
from genpose_ros.synthesis.vessels import EVERYDAY, USUAL, VesselVariety

__all__ = ["D435", "DOMAINS", "WIDE", "Cameras", "Domain"]


@dataclass(frozen=True)
class Cameras:
    """Cameras of n views.

    Attributes:
        sensor: their noise and holes.
        errors: their systematic errors; None: none.
        filters: what their drivers do; None: nothing.
        mirrored: (n,) whether the stereo shadow lies on the right.
    """

    sensor: SensorDraw
    errors: DepthErrors | None
    filters: DriverFilters | None
    mirrored: np.ndarray


@dataclass(frozen=True)
class Domain:
    """Domain of views.

    Attributes:
        name: in commands and sets.
        all_cameras: draw cameras of all kinds, with systematic errors and drivers' filters;
            otherwise D435s with noise and holes alone.
        vessels: variety of bottles, bowls, cans and mugs.
        stance_shares: share of each of `STANCES`, where they are drawn.
        any_roll: share of the cameras rolled by any angle; the others by about 8 degrees.
    """

    name: str
    all_cameras: bool
    vessels: VesselVariety
    stance_shares: tuple[float, ...]
    any_roll: float

    def draw_cameras(self, n: int, rng: np.random.Generator) -> Cameras:
        """Draw n cameras."""
        if not self.all_cameras:
            return Cameras(draw_sensor(n, rng), None, None, np.zeros(n, dtype=bool))
        pattern = rng.random(n) < 0.35
        sensor = draw_pattern_sensor(pattern, rng)
        errors = draw_depth_errors(pattern, rng)
        return Cameras(sensor, errors, draw_driver_filters(n, rng), rng.random(n) < 0.15)


#: A D435 whose errors are noise, and usual shapes: what docs/accuracy.md is measured on.
D435 = Domain("d435", False, USUAL, (0.42, 0.18, 0.14, 0.26), 0.1)
#: All that people have: what the networks are trained on.
WIDE = Domain("wide", True, EVERYDAY, (0.48, 0.17, 0.09, 0.26), 0.4)
#: By their names.
DOMAINS = {domain.name: domain for domain in (D435, WIDE)}

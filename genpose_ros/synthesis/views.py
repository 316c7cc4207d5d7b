# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Views of objects: their poses in front of the camera, standing, lying or upside down."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from genpose_ros.synthesis.device_arrays import array_for
from genpose_ros.synthesis.domains import D435, Domain
from genpose_ros.synthesis.turns import about, from_matrix, from_rotvec, random_turns

__all__ = ["STANCES", "Views", "sample_views"]

#: How an object can lie: on its foot, on its side, on its head, leaning or held in any orientation.
STANCES: tuple[str, ...] = ("standing", "lying", "upside_down", "free")


@dataclass(frozen=True)
class Views:
    """Poses of n objects in the camera optical frame.

    Attributes:
        rotation: (n, 3, 3) object to camera.
        translation: (n, 3) metres, of the object's box centre.
        up: (n, 3) unit vector against gravity, camera frame.
        stance: (n,) index into `STANCES`.
    """

    rotation: np.ndarray
    translation: np.ndarray
    up: np.ndarray
    stance: np.ndarray

    def __getitem__(self, index: np.ndarray) -> "Views":
        return Views(*(values[index] for values in vars(self).values()))


def sample_views(
    n: int,
    rng: np.random.Generator,
    *,
    stances: np.ndarray | None = None,
    allowed: np.ndarray | None = None,
    domain: Domain = D435,
) -> Views:
    """Draw n views: 0.3 to 1.8 m away, anywhere in a D435's field of view.

    Elevations of 2 to 88 degrees above the table, camera rolled as in the domain, any yaw.

    Args:
        n: number of views.
        rng: source of the draws.
        stances: (n,) indices into `STANCES`; drawn when not given.
        allowed: (n, 4) bool, stances that each object can have, free or one more among them; for
            another one, one of these is drawn. None: all.
        domain: shares of the stances and rolls.
    """
    if stances is None:
        stances = rng.choice(len(STANCES), n, p=domain.stance_shares)
    if allowed is not None:
        stances = _possible(stances, array_for(allowed, rng), domain.stance_shares, rng)
    elevation = np.radians(np.clip(rng.normal(38, 22, n), 2, 88))
    upright = rng.random(n) < 1 - domain.any_roll
    roll = np.where(upright, rng.normal(0, 8, n), rng.uniform(-180, 180, n))
    # Gravity first: the camera looks down by the elevation, then rolls about its optical axis.
    up = np.stack([np.zeros(n), -np.cos(elevation), -np.sin(elevation)], -1)
    up = about("z", roll).apply(up)

    # A lying object first turns about its own axis, so that handles point anywhere.
    own = about("y", rng.uniform(0, 360, n))
    tip = about("x", np.choose(stances, [0.0, 90.0, 180.0, 0.0]))
    spin = about("y", rng.uniform(0, 360, n))
    wobble = from_rotvec(rng.normal(0, np.radians(2.0), (n, 3)))
    on_table = spin * tip * own * wobble
    placed = _align_y_with(up) * on_table
    free = random_turns(n, rng)
    rotation = np.where((stances == 3)[:, None, None], free.as_matrix(), placed.as_matrix())

    distance = np.exp(rng.uniform(np.log(0.3), np.log(1.8), n))
    tangent = np.stack([rng.uniform(-0.48, 0.48, n), rng.uniform(-0.36, 0.36, n), np.ones(n)], -1)
    return Views(rotation, tangent * distance[:, None], up, stances)


def _possible(
    stances: np.ndarray,
    allowed: np.ndarray,
    shares: tuple[float, ...],
    rng: np.random.Generator,
) -> np.ndarray:
    """The stances (n,), those that are not `allowed` (n, 4) replaced by others on a table."""
    wrong = np.flatnonzero(~np.take_along_axis(allowed, stances[:, None], 1)[:, 0])
    if not len(wrong):
        return stances
    share = allowed[wrong] * np.array([*shares[:-1], 0.0])
    limits = share.cumsum(1) / share.sum(1, keepdims=True)
    stances = stances.copy()
    stances[wrong] = (rng.random((len(wrong), 1)) >= limits).sum(1)
    return stances


def _align_y_with(up: np.ndarray) -> Any:
    """Rotations that take the y axis onto each `up` (n, 3)."""
    z = np.cross(np.array([1.0, 0.0, 0.0]), up)
    z /= np.linalg.norm(z, axis=-1, keepdims=True)
    return from_matrix(np.stack([np.cross(up, z), up, z], -1))

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Looks at an object while an arm is driven about: which of them count for a hand-eye check."""

from dataclasses import dataclass, field

import numpy as np

from genpose_ros.robot.hand_eye import Sighting
from genpose_ros.robot.kinematics import rotation_vectors

__all__ = ["Looks"]

#: A flange that moves by less from one image to the next is at rest, metres and degrees.
_REST_M, _REST_DEG = 0.001, 0.2
#: Looks differ where the flange has moved by one of these, metres and degrees.
_NEXT_M, _NEXT_DEG = 0.03, 8.0


@dataclass
class Looks:
    """Sightings of one object from places where the arm was at rest.

    While the arm moves, transforms and images are of different moments; from one place, sightings
    tell the same again and again.

    Attributes:
        wanted: how many looks there are to be.
        sightings: those that count.
    """

    wanted: int
    sightings: list[Sighting] = field(default_factory=list)
    _before: np.ndarray | None = None

    @property
    def complete(self) -> bool:
        """Whether there are as many as wanted."""
        return len(self.sightings) >= self.wanted

    def add(self, sighting: Sighting) -> bool:
        """Take a sighting if the arm is at rest somewhere new; return whether it was taken.

        Args:
            sighting: of the next image.
        """
        T, before = sighting.T_base_flange, self._before
        self._before = T
        at_rest = before is not None and not _moved(T, before, _REST_M, _REST_DEG)
        is_new = all(_moved(T, other.T_base_flange, _NEXT_M, _NEXT_DEG) for other in self.sightings)
        if not at_rest or not is_new or self.complete:
            return False
        self.sightings.append(sighting)
        return True


def _moved(T: np.ndarray, other: np.ndarray, limit_m: float, limit_deg: float) -> bool:
    """Whether two frames (4, 4) differ by more than a distance or an angle."""
    turn_rad = np.linalg.norm(rotation_vectors((T[:3, :3] @ other[:3, :3].T)[None])[0])
    return bool(
        np.linalg.norm(T[:3, 3] - other[:3, 3]) > limit_m or np.degrees(turn_rad) > limit_deg
    )

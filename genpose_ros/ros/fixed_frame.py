"""The camera's motion in a frame that stands still, for the tracker."""

import time
from collections.abc import Callable

import numpy as np
from std_msgs.msg import Header

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.ros.camera_pose import CameraPose

__all__ = ["FixedFrame"]

#: After a wait in vain, frames do not wait for so long: tracking goes on at its rate.
_IMPATIENT_S = 1.0


class FixedFrame:
    """Looks up the camera in the fixed frame, and counts for how many frames that failed.

    Attributes:
        compensated: frames whose transform was found.
        uncompensated: frames whose transform was not.
        problem: why it was not found for the last frame; empty: it was.

    Args:
        poses: where transforms are looked up.
        frame: name of the fixed frame.
        clock: seconds, monotonic.
    """

    def __init__(
        self, poses: CameraPose, frame: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.frame = frame
        self.compensated = self.uncompensated = 0
        self.problem = ""
        self._poses = poses
        self._clock = clock
        self._impatient_until_s = float("-inf")

    def lookup(self, header: Header, wait_seconds: float) -> np.ndarray | None:
        """Return T_fixed_cam, (4, 4), at the header's stamp; None: it is not known in time."""
        impatient = self._clock() < self._impatient_until_s
        found = self._poses.lookup(self.frame, header, 0.0 if impatient else wait_seconds)
        if isinstance(found, Rejection):
            self.uncompensated += 1
            self.problem = found.detail
            if not impatient:
                self._impatient_until_s = self._clock() + _IMPATIENT_S
            return None
        self.compensated += 1
        self.problem = ""
        self._impatient_until_s = float("-inf")
        return found

import numpy as np
import pytest

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.fixed_frame import FixedFrame


class Poses:
    """Stands in for the look-ups; None: there is no transform."""

    def __init__(self):
        self.known = np.eye(4)
        self.waits = []

    def lookup(self, frame, header, wait_seconds):
        self.waits.append(wait_seconds)
        missing = Rejection(Reason.NO_TRANSFORM, f"no {frame}")
        return missing if self.known is None else self.known


@pytest.fixture
def poses():
    return Poses()


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def fixed(poses, clock):
    return FixedFrame(poses, "world", clock=lambda: clock[0])


def test_what_is_found_is_given_on_and_counted(fixed, poses, ros):
    assert fixed.lookup(ros.header(5), 0.05) is poses.known
    assert (fixed.compensated, fixed.uncompensated, fixed.problem) == (1, 0, "")


def test_what_is_missing_is_counted_with_its_reason_until_it_is_back(fixed, poses, ros):
    found, poses.known = poses.known, None
    assert fixed.lookup(ros.header(5), 0.05) is None
    assert (fixed.compensated, fixed.uncompensated, fixed.problem) == (0, 1, "no world")
    poses.known = found
    fixed.lookup(ros.header(5), 0.05)
    assert (fixed.compensated, fixed.uncompensated, fixed.problem) == (1, 1, "")


def test_a_transform_that_is_missing_for_good_costs_one_wait_a_second(fixed, poses, clock, ros):
    poses.known = None
    for step in range(60):  # two seconds of a camera at 30 Hz
        clock[0] = step / 30
        fixed.lookup(ros.header(5), 0.05)
    assert sum(wait > 0 for wait in poses.waits) == 2
    poses.known = np.eye(4)
    fixed.lookup(ros.header(5), 0.05)
    fixed.lookup(ros.header(5), 0.05)
    assert poses.waits[-1] == 0.05

import math

import numpy as np
import pytest

from genpose_ros.estimation.reasons import Reason
from genpose_ros.ros.output_checks import check_estimate, publishable

GARBAGE = [math.nan, math.inf, -math.inf]


def spoiled(array: np.ndarray, value: float) -> np.ndarray:
    result = np.array(array, dtype=np.float64)
    result.flat[-2] = value
    return result


@pytest.mark.parametrize("value", GARBAGE)
@pytest.mark.parametrize(
    "name", ["T_cam_obj", "covariance", "size_m", "T_cam_candidates", "points_cam"]
)
def test_no_array_with_garbage_passes(ros, name, value):
    estimate = ros.estimate(7)
    bad = ros.estimate(7, **{name: spoiled(getattr(estimate, name), value)})
    rejection = check_estimate(bad, 10.0)
    assert (rejection.reason, rejection.instance_id) == (Reason.NOT_FINITE, 7)


@pytest.mark.parametrize("value", GARBAGE)
@pytest.mark.parametrize(
    "name", ["score", "detection_score", "energy_rotation", "energy_translation"]
)
def test_no_number_that_is_garbage_passes(ros, name, value):
    assert check_estimate(ros.estimate(**{name: value}), 10.0).reason is Reason.NOT_FINITE


def test_mode_shares_are_checked(ros):
    assert check_estimate(ros.estimate(mode_shares=(math.nan,)), 10.0) is not None


def test_an_estimate_without_energies_passes(ros):
    estimate = ros.estimate(energy_rotation=None, energy_translation=None)
    assert check_estimate(estimate, 10.0) is None


@pytest.mark.parametrize("far", [10.01, -1e6, 1e300])
def test_nothing_leaves_the_workspace(ros, far):
    T_cam_obj = np.eye(4)
    T_cam_obj[1, 3] = far
    rejection = check_estimate(ros.estimate(T_cam_obj=T_cam_obj), 10.0)
    assert rejection.reason is Reason.OUTSIDE_WORKSPACE


def test_a_matrix_that_is_no_rotation_does_not_pass(ros):
    assert check_estimate(ros.estimate(T_cam_obj=np.zeros((4, 4))), 10.0) is not None


def test_the_good_ones_stay_in_order(ros):
    estimates = [ros.estimate(1), ros.estimate(2, score=math.nan), ros.estimate(3)]
    kept, rejections = publishable(estimates, 10.0)
    assert [e.instance_id for e in kept] == [1, 3]
    assert [r.instance_id for r in rejections] == [2]

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the coverage of covariances: errors drawn from them are covered as often as they say."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.evaluation.coverage import coverage, ellipsoid_probabilities
from genpose_ros.geometry import NOCS, Category, Symmetry
from genpose_ros.geometry.transforms import with_uniform_angle

COVARIANCE = np.diag([4e-6, 1e-6, 9e-6, 4e-4, 1e-3, 9e-4])


def drawn(category: Category, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """An estimate, its covariance, and a truth drawn from it."""
    T_est, error = np.eye(4), rng.multivariate_normal(np.zeros(6), COVARIANCE)
    T_est[:3, :3] = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    T_true = T_est.copy()
    T_true[:3, 3] += error[:3]
    T_true[:3, :3] = Rotation.from_rotvec(error[3:]).as_matrix() @ T_est[:3, :3]
    covariance = COVARIANCE
    if category.symmetry.free_axis:
        covariance = with_uniform_angle(covariance, T_est[:3, 1])
        about_y = Rotation.from_euler("y", rng.uniform(0, 360), degrees=True).as_matrix()
        T_true[:3, :3] = T_true[:3, :3] @ about_y
    return T_est, covariance, T_true


@pytest.mark.parametrize(
    "category",
    [NOCS["mug"], NOCS["can"], Category(name="box", symmetry=Symmetry.parse({"y": "half"}))],
)
def test_errors_drawn_from_a_covariance_are_covered_as_often_as_it_says(category):
    rng = np.random.default_rng(0)
    draws = (drawn(category, rng) for _ in range(2500))
    found = coverage([ellipsoid_probabilities(a, c, b, category) for a, c, b in draws])
    assert found["poses"] == 2500
    for part in ("position", "rotation"):
        assert found[part]["0.68"] == pytest.approx(0.68, abs=0.03)
        assert found[part]["0.95"] == pytest.approx(0.95, abs=0.015)


def test_an_equivalent_pose_is_no_error():
    box = Category(name="box", symmetry=Symmetry.parse({"y": "half"}))
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_euler("y", 180, degrees=True).as_matrix()
    assert ellipsoid_probabilities(np.eye(4), COVARIANCE, turned, box) == pytest.approx((0, 0))


def test_covariances_that_claim_too_little_cover_too_few():
    rng = np.random.default_rng(0)
    mug = NOCS["mug"]
    draws = (drawn(mug, rng) for _ in range(300))
    found = [ellipsoid_probabilities(a, covariance / 4, b, mug) for a, covariance, b in draws]
    assert coverage(found)["rotation"]["0.95"] < 0.7


def test_no_poses_have_no_coverage():
    assert coverage([]) == {"poses": 0}

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Baselines on clouds whose answer is known."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.evaluation.baselines import (
    Template,
    coarse_rotations,
    icp_pose,
    make_template,
    pca_box_pose,
)
from genpose_ros.evaluation.metrics import pose_errors


@pytest.mark.parametrize("category", ["bowl", "mug"])
def test_a_template_has_the_mean_size_and_repeats(category):
    template, again = make_template(category), make_template(category)
    np.testing.assert_array_equal(template.points_obj, again.points_obj)
    # Points on the surface reach the box up to the sampling's gaps.
    np.testing.assert_allclose(np.ptp(template.points_obj, axis=0), template.size_m, rtol=0.1)


def test_icp_starts_are_different_orientations():
    for category, upright, count in (
        ("mug", False, 24), ("can", False, 6), ("mug", True, 8), ("can", True, 1),
    ):  # fmt: skip
        starts = coarse_rotations(category, upright=upright)
        assert len(starts) == count
        np.testing.assert_allclose(np.linalg.det(starts), 1)
        axes = starts[:, :, 1] if category == "can" else starts.reshape(count, -1)
        assert len(np.unique(np.round(axes, 6), axis=0)) == count
    # Upright: y up in the image, and towards the camera, which looks down.
    y = coarse_rotations("can", upright=True)[0][:, 1]
    np.testing.assert_allclose(y, [0, -np.cos(np.radians(35)), -np.sin(np.radians(35))], atol=1e-9)


@pytest.mark.parametrize("upright", [False, True])
def test_icp_finds_the_pose_of_the_template_itself(upright):
    template = make_template("mug")
    T = np.eye(4)
    T[:3, :3] = coarse_rotations("mug", upright=True)[2]
    T[:3, :3] = T[:3, :3] @ Rotation.from_rotvec([0.08, -0.1, 0.06]).as_matrix()
    T[:3, 3] = (0.05, -0.02, 0.8)
    points = template.points_obj @ T[:3, :3].T + T[:3, 3]
    degrees, centimetres = pose_errors(icp_pose(points, template, upright=upright), T, "mug")
    assert degrees < 2
    assert centimetres < 0.3


def test_the_pca_box_of_a_block_is_its_own_box():
    rng = np.random.default_rng(0)
    size = np.array([0.1, 0.3, 0.2])
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("zyx", (20, 10, -15), degrees=True).as_matrix() @ np.diag(
        [-1.0, -1.0, 1.0]
    )
    T[:3, 3] = (0.1, 0.0, 1.0)
    corners = np.array(np.meshgrid(*[[-0.5, 0.5]] * 3)).reshape(3, -1).T
    inside = np.concatenate((corners, rng.uniform(-0.5, 0.5, (40_000, 3)))) * size
    found = pca_box_pose(inside @ T[:3, :3].T + T[:3, 3], Template("bottle", inside, size))
    np.testing.assert_allclose(np.linalg.det(found[:3, :3]), 1)
    assert pose_errors(found, T, "bottle")[0] < 2
    assert pose_errors(found, T, "bottle")[1] < 0.5
    assert found[1, 1] < 0  # y points up in the image

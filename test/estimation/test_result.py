# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
from scipy.spatial.transform import Rotation

from genpose_ros.estimation.result import ObjectEstimate


def test_poses_covariance_and_points_are_placed_together() -> None:
    T_cam_obj = np.eye(4)
    T_cam_obj[:3, 3] = (0.1, 0.2, 0.9)
    estimate = ObjectEstimate(
        instance_id=3,
        category="mug",
        T_cam_obj=T_cam_obj,
        covariance=np.diag([1e-6, 2e-6, 3e-6, 1e-4, 2e-4, 3e-4]),
        score=0.5,
        score_axis=0.5,
        energy_rotation=1.0,
        energy_translation=2.0,
        size_m=np.array([0.1, 0.1, 0.1]),
        n_points=100,
        mode_shares=(1.0,),
        T_cam_candidates=np.stack([T_cam_obj] * 4),
        points_cam=np.array([[1.0, 0.0, 0.0]], dtype=np.float32),
    )
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    motion[:3, 3] = (1.0, 2.0, 3.0)
    placed = estimate.placed(motion @ T_cam_obj)
    np.testing.assert_allclose(placed.T_cam_obj, motion @ T_cam_obj)
    np.testing.assert_allclose(placed.T_cam_candidates[2], motion @ T_cam_obj)
    np.testing.assert_allclose(placed.points_cam, [[1.0, 3.0, 3.0]], atol=1e-6)
    # A quarter turn about z swaps the variances along and about x and y.
    np.testing.assert_allclose(
        np.diag(placed.covariance), [2e-6, 1e-6, 3e-6, 2e-4, 1e-4, 3e-4], atol=1e-18
    )
    assert placed.instance_id == 3

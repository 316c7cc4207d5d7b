# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Edges of boxes."""

import numpy as np
from scipy.spatial.transform import Rotation

from genpose_ros.geometry.boxes import box_edges


def test_a_box_has_four_edges_along_each_axis_about_its_middle():
    T = np.eye(4)
    T[:3, :3] = Rotation.from_rotvec([0.3, -0.5, 0.9]).as_matrix()
    T[:3, 3] = 0.1, -0.2, 0.7
    edges = box_edges(T, np.array([1.0, 2.0, 3.0]))
    along = (edges[:, 1] - edges[:, 0]) @ T[:3, :3]
    np.testing.assert_allclose(np.sort(np.abs(along).sum(1)), np.repeat([1.0, 2.0, 3.0], 4))
    assert (np.isclose(along, 0).sum(1) == 2).all()
    np.testing.assert_allclose(edges.reshape(-1, 3).mean(0), T[:3, 3])

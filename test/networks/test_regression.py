# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Direct regression: poses from the head's output, relative to the cloud."""

import numpy as np
import torch

from genpose_ros.geometry.rotations import random_rotations
from genpose_ros.networks import LightConfig
from genpose_ros.networks.regression import PoseRegression

SMALL = LightConfig(patches=8, neighbours=8, subset=64, width=16, layers=1, attention_heads=2)


class FixedHead(torch.nn.Sequential):
    """Head that returns the same output for any features."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, features):
        return self.output


def clouds(count):
    torch.manual_seed(0)
    return 0.05 * torch.randn(count, 128, 3) + torch.tensor([0.1, -0.1, 0.9])


def test_a_head_that_returns_the_truth_is_decoded_to_it():
    model, points = PoseRegression(SMALL).eval(), clouds(4)
    rotation = random_rotations(4, torch.Generator().manual_seed(1)).float()
    translation = points.mean(1) + 0.03
    _, encoding = model(points)
    truth = model.trunk.encode_pose(rotation[:, None], translation[:, None], encoding)[:, 0]
    model.head = FixedHead(truth)
    symmetric = torch.tensor([True, False, True, False])
    found_R, found_t = model.estimate(points, symmetric)
    np.testing.assert_allclose(found_t, translation, atol=1e-5)
    np.testing.assert_allclose(found_R[~symmetric], rotation[~symmetric], atol=1e-5)
    np.testing.assert_allclose(found_R[symmetric][..., 1], rotation[symmetric][..., 1], atol=1e-5)
    np.testing.assert_allclose(torch.linalg.det(found_R), 1, atol=1e-5)


def test_the_y_axis_of_axisymmetric_objects_is_not_bent_by_their_x_axis():
    model, points = PoseRegression(SMALL).eval(), clouds(1)
    _, encoding = model(points)
    # x not perpendicular to y
    model.head = FixedHead(torch.tensor([[0.0, 1.0, 0.3, 0, 1, 0, 0, 0, 0]]))
    rotation, _ = model.estimate(points, torch.tensor([True]))
    expected = encoding.alignment[0].T @ torch.tensor([0.0, 1.0, 0.0])
    np.testing.assert_allclose(rotation[0, :, 1], expected, atol=1e-6)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math

import pytest
import torch

from genpose_ros.estimation.likelihood import pose_log_likelihood


def test_the_likelihood_is_the_density_of_a_known_gaussian(toy) -> None:
    # One mode of width d, blurred by sigma_min: N(mode, d^2 + sigma_min^2) in nine dimensions.
    model = toy.model(rotation=toy.pose[None], offset=torch.zeros(1, 3), deviation=0.1)
    encoding = model.encode(torch.tensor([[[0.0, 0.0, 0.8]], [[0.1, 0.0, 1.0]]]))
    generator = torch.Generator().manual_seed(0)
    away = 0.1 * torch.randn(2, 4, 9, generator=generator).double()
    variance = 0.1**2 + model.sigma_min**2
    expected = -0.5 * away.square().sum(-1) / variance - 4.5 * math.log(2 * math.pi * variance)
    found = pose_log_likelihood(model, encoding, model.modes + away, generator=generator)
    # The prior is N(0, 50^2) in place of N(mode, 50^2): off by z |mode| / 50 nats, |mode| = 1.4.
    torch.testing.assert_close(
        found, expected / math.log(2), atol=4 * 1.42 / 50 / math.log(2), rtol=0
    )


def test_the_likelihood_of_a_pose_exceeds_that_of_its_neighbours(toy) -> None:
    model = toy.model(rotation=toy.pose[None], offset=torch.zeros(1, 3))
    encoding = model.encode(torch.tensor([[[0.0, 0.0, 0.8]]]))
    steps = torch.tensor([0.0, 0.02, 0.05, 0.1]).double()
    pose = model.modes + steps[:, None] * torch.ones(9).double() / 3
    bits = pose_log_likelihood(
        model, encoding, pose[None], generator=torch.Generator().manual_seed(0)
    )
    assert bits[0].tolist() == sorted(bits[0].tolist(), reverse=True)
    # The prior's shift (see above) changes over these 0.02 by at most 0.02 nats.
    assert bits[0, 0] - bits[0, 1] == pytest.approx(
        0.5 * 0.02**2 / (model.deviation**2 + model.sigma_min**2) / math.log(2), abs=0.03
    )

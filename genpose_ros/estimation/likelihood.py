# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Likelihood of poses, given the points (paper eq. 5)."""

import torch
from torch import Tensor

from genpose_ros.diffusion import VarianceExploding, log_likelihood
from genpose_ros.networks.interface import Encoding, PoseModel

__all__ = ["pose_log_likelihood"]


def pose_log_likelihood(
    model: PoseModel,
    encoding: Encoding,
    pose: Tensor,
    *,
    generator: torch.Generator | None = None,
    tolerance: float = 1e-5,
) -> Tensor:
    """Return the log density of pose vectors at the model's smallest noise level (paper eq. 5).

    An alternative to the energy for ranking, at the cost of a second ODE with gradients.

    Args:
        model: the score network.
        encoding: of B clouds.
        pose: (B, K, 9), in the model's units.
        generator: source of Hutchinson's random signs; None: torch's global one.
        tolerance: relative and absolute tolerance of the solver.

    Returns:
        (B, K) float64, bits; higher is more likely.

    Raises:
        ArithmeticError: a score is not finite, or the solver gave up.

    Example:
        >>> from genpose_ros.estimation import EstimatorSettings, draw_candidates
        >>> from genpose_ros.networks import load_model
        >>> model = load_model()  # the released weights
        >>> generator = torch.Generator().manual_seed(0)
        >>> points_obj = 0.03 * torch.randn(1, 1024, 3, generator=generator)
        >>> encoding = model.encode(points_obj + torch.tensor([0.0, 0.0, 0.8]))
        >>> drawn = draw_candidates(model, encoding, EstimatorSettings(candidates=1)).float()
        >>> far_off = drawn + torch.tensor([0.0] * 6 + [5.0] * 3)  # by decimetres
        >>> bits = pose_log_likelihood(
        ...     model, encoding, torch.cat((drawn, far_off), 1), generator=generator, tolerance=0.01
        ... )
        >>> bits.shape, bool(bits[0, 0] > bits[0, 1])
        (torch.Size([1, 2]), True)
    """
    return log_likelihood(
        lambda x, sigma: model.score(x, sigma, encoding),
        pose,
        VarianceExploding(model.sigma_min, model.sigma_max),
        generator=generator,
        t_min=0.0,
        rtol=tolerance,
        atol=tolerance,
    )

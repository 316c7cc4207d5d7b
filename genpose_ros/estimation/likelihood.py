"""How likely poses are, given the points (paper eq. 5)."""

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
    """Return the log density in bits (B, K) of pose vectors at the model's smallest noise level.

    An alternative to the energy for ranking, at the cost of a second ODE with gradients.

    Args:
        model: the score network.
        encoding: of B clouds.
        pose: (B, K, 9), in the model's units.
        generator: source of Hutchinson's random signs; None: torch's global one.
        tolerance: relative and absolute tolerance of the solver.

    Raises:
        ArithmeticError: a score is not finite, or the solver gave up.
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

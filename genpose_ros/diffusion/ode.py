# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Adaptive Runge-Kutta solver behind the RK45 sampler and the likelihood."""

from collections.abc import Callable

import numpy as np
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

__all__ = ["integrate_rk45"]


def integrate_rk45(
    velocity: Callable[[float, Tensor], Tensor],
    start: Tensor,
    t_start: float,
    t_end: float,
    rtol: float,
    atol: float,
) -> tuple[Tensor, int]:
    """Integrate dx/dt = velocity(t, x) over one flat vector, with one step size for all of it.

    Args:
        velocity: called with a float and a float64 tensor of start's shape, on start's device.
        start: (n,) value at `t_start`.
        t_start: where to start.
        t_end: where to end, before or after `t_start`.
        rtol: relative tolerance.
        atol: absolute tolerance.

    Returns:
        (n,) float64 value at `t_end`, and the number of evaluations.

    Raises:
        ArithmeticError: a velocity is not finite, or the steps became too small.
    """

    def flat_velocity(t: float, flat: np.ndarray) -> np.ndarray:
        value = velocity(t, torch.from_numpy(flat).to(start.device)).cpu().numpy()
        # The solver would look for a step size that makes NaN small, for ever.
        if not np.isfinite(value).all():
            raise ArithmeticError(f"the ODE's velocity is not finite at t = {t:g}")
        return value

    first = start.double().cpu().numpy()
    solution = solve_ivp(
        flat_velocity, (t_start, t_end), first, method="RK45", rtol=rtol, atol=atol
    )
    if not solution.success:
        raise ArithmeticError(f"the ODE solver gave up: {solution.message}")
    return torch.from_numpy(solution.y[:, -1].copy()).to(start.device), solution.nfev

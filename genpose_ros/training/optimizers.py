# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Optimisers: AdamW alone, or with Muon for the hidden layers' matrices."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from genpose_ros.networks.devices import emulates_bf16
from genpose_ros.training.settings import TrainingSettings

__all__ = ["Optimizer"]

#: Matrices with a shorter side than this enter or leave the network: AdamW's.
_HIDDEN = 64


class Optimizer:
    """Optimiser with one learning rate for AdamW and, by `settings.optimizer`, Muon beside it.

    Muon makes the singular values of each matrix's step alike; scaled as AdamW's steps are, it
    takes the same learning rate (K. Jordan et al. 2024; Liu et al. 2025).

    Args:
        parameters: what is trained.
        settings: `optimizer`, `learning_rate`, `beta2`, `weight_decay`.
    """

    def __init__(self, parameters: Sequence[Tensor], settings: TrainingSettings) -> None:
        s = settings
        muon = [p for p in parameters if s.optimizer == "muon" and _is_hidden_matrix(p)]
        chosen = {id(p) for p in muon}
        others = [p for p in parameters if id(p) not in chosen]
        self._parts: dict[str, torch.optim.Optimizer] = {}
        if others:
            self._parts["adamw"] = torch.optim.AdamW(
                others, s.learning_rate, (0.9, s.beta2), weight_decay=s.weight_decay, fused=True
            )
        if muon:
            kind = _Float32Muon if emulates_bf16(muon[0].device) else torch.optim.Muon
            self._parts["muon"] = kind(
                muon,
                s.learning_rate,
                weight_decay=s.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            )

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return float(self._groups()[0]["lr"])

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        for group in self._groups():
            group["lr"] = rate

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self._parts.values():
            part.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Move the parameters by their gradients."""
        for part in self._parts.values():
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on."""
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another one was.

        Raises:
            ValueError: that one was of another kind.
        """
        if "param_groups" in state:  # runs from before there was a choice
            state = {"adamw": state}
        if state.keys() != self._parts.keys():
            raise ValueError(
                f"the run was begun with {_names(state)}, this recipe asks for "
                f"{_names(self._parts)}: choose another folder, or that run's optimizer"
            )
        for name, part in self._parts.items():
            part.load_state_dict(state[name])

    def _groups(self) -> list[dict[str, Any]]:
        return [group for part in self._parts.values() for group in part.param_groups]


class _Float32Muon(torch.optim.Muon):
    """Muon for CPUs that emulate bfloat16, in which PyTorch's own one makes its steps."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move the parameters by their gradients, as PyTorch's Muon does."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            momentum, rate = group["momentum"], group["lr"]
            for parameter in group["params"]:
                gradient, state = parameter.grad, self.state[parameter]
                if gradient is None:
                    continue
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(gradient)
                mean = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
                wanted = gradient.lerp(mean, momentum) if group["nesterov"] else mean
                step = _orthogonalised(wanted, group["ns_coefficients"], group["ns_steps"])
                # As large as AdamW's steps are: adjust_lr_fn match_rms_adamw.
                scale = 0.2 * math.sqrt(max(parameter.shape))
                parameter.mul_(1 - rate * group["weight_decay"]).add_(step, alpha=-rate * scale)
        return loss


def _orthogonalised(matrix: Tensor, coefficients: tuple[float, float, float], steps: int) -> Tensor:
    """The matrix (A, B) with singular values near 1, by Newton-Schulz iterations in float32."""
    wide = matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / wide.norm().clamp_min(1e-7)
    a, b, c = coefficients
    for _ in range(steps):
        gram = wide @ wide.mT
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.mT if matrix.shape[0] > matrix.shape[1] else wide


def _is_hidden_matrix(parameter: Tensor) -> bool:
    return parameter.ndim == 2 and min(parameter.shape) >= _HIDDEN


def _names(parts: dict[str, Any]) -> str:
    return " and ".join(parts)

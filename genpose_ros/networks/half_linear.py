# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Linear layers in bfloat16 for inference: copies of weights, converted once instead of each time.

The same numbers as under `torch.autocast`, which converts every weight in every call.
"""

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["HalfCopy", "HalfLinear"]

_Module = TypeVar("_Module", bound=nn.Module)


class HalfLinear(nn.Module):
    """Linear layer that multiplies in bfloat16, and answers in it.

    Args:
        layer: whose weights are converted.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(layer.weight.detach().bfloat16(), requires_grad=False)
        bias = layer.bias.detach().bfloat16()
        self.bias = nn.Parameter(bias, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x.bfloat16(), self.weight, self.bias)


class HalfCopy(Generic[_Module]):
    """Copy of a module with `HalfLinear` layers, made anew whenever its weights have changed.

    Args:
        module: whose linear layers all have a bias.

    Example:
        >>> layers = nn.Sequential(nn.Linear(2, 2))
        >>> HalfCopy(layers).current()(torch.zeros(1, 2)).dtype
        torch.bfloat16
    """

    def __init__(self, module: _Module) -> None:
        self._module = module
        # Not the parameters: others may be put in their places.
        self._places = [
            (part._parameters, n) for part in module.modules() for n in part._parameters
        ]
        self._made_of: tuple[tuple[int, int], ...] = ()
        self._copy: _Module | None = None

    def __deepcopy__(self, memo: dict[int, object]) -> "HalfCopy[_Module]":
        return HalfCopy(copy.deepcopy(self._module, memo))

    @torch.no_grad()
    def current(self) -> _Module:
        """Return the copy of the weights as they are, on their device; for inference alone."""
        kept = (own[name] for own, name in self._places)
        made_of = tuple((p.data_ptr(), p._version) for p in kept if p is not None)
        if self._copy is None or made_of != self._made_of:
            with torch.inference_mode(False):
                self._copy = _with_half_layers(copy.deepcopy(self._module))
            self._made_of = made_of
        return self._copy


def _with_half_layers(module: _Module) -> _Module:
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, HalfLinear(child))
    return module.eval()

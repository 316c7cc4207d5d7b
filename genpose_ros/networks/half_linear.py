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
    """Linear layer that multiplies in bfloat16, and answers in it; for inference alone.

    On a CPU the weights are laid out as oneDNN multiplies them, once instead of in each call, and
    the bias comes in by the product instead of by a copy before it. The numbers are the same.

    Args:
        layer: whose weights are converted.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(layer.weight.detach().bfloat16(), requires_grad=False)
        bias = layer.bias.detach().bfloat16()
        self.bias = nn.Parameter(bias, requires_grad=False)
        self._laid_out = _laid_out(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        if self._laid_out is None:
            return F.linear(x.bfloat16(), self.weight, self.bias)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            x.bfloat16(), self._laid_out, self.bias, "none", [], ""
        )
        return product


def _laid_out(weight: Tensor) -> Tensor | None:
    """Weights (M, N) as oneDNN has them; None where it does not multiply them."""
    if not weight.is_cpu or not torch.backends.mkldnn.is_available():
        return None
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return None
    laid_out: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, None)
    return laid_out


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

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Linear layers for inference: copies of weights, converted and laid out once, not in each call.

In bfloat16 the numbers are the same as under `torch.autocast`, which converts every weight in every
call; in float32 those of the layers, but for the order of sums.
"""

import copy
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["InferenceCopy", "InferenceLinear"]

_Module = TypeVar("_Module", bound=nn.Module)


class InferenceLinear(nn.Module):
    """Linear layer that multiplies in one precision, and answers in it.

    On a CPU the weights are laid out as oneDNN multiplies them, and the bias comes in by the
    product instead of by a copy before it.

    Args:
        layer: whose weights are taken.
        dtype: of the weights, the products and the answers.
    """

    def __init__(self, layer: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.weight = nn.Parameter(layer.weight.detach().to(dtype), requires_grad=False)
        self.bias = nn.Parameter(layer.bias.detach().to(dtype), requires_grad=False)
        self._laid_out = _laid_out(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        if self._laid_out is None:
            return F.linear(x.to(self.dtype), self.weight, self.bias)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(
            x.to(self.dtype), self._laid_out, self.bias, "none", [], ""
        )
        return product


def _laid_out(weight: Tensor) -> Tensor | None:
    """Weights (M, N) as oneDNN has them; None where it does not multiply them as PyTorch does."""
    if not weight.is_cpu or not torch.backends.mkldnn.is_available():
        return None
    one = torch.ones(1, weight.shape[1], dtype=weight.dtype)
    try:
        if weight.dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return None
        laid_out: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, None)
        found = torch.ops.mkldnn._linear_pointwise(one, laid_out, None, "none", [], "")
    except (AttributeError, RuntimeError):  # these operations are PyTorch's own affair
        return None
    apart = (found.float() - F.linear(one, weight).float()).abs()
    same = (apart <= 0.01 * weight.float().abs().sum(1)).all()
    return laid_out if same else None


class InferenceCopy(Generic[_Module]):
    """Copy of a module with `InferenceLinear` layers, made anew whenever its weights have changed.

    Args:
        module: whose linear layers all have a bias.
        dtype: of the layers.

    Example:
        >>> layers = nn.Sequential(nn.Linear(2, 2))
        >>> InferenceCopy(layers, torch.bfloat16).current()(torch.zeros(1, 2)).dtype
        torch.bfloat16
    """

    def __init__(self, module: _Module, dtype: torch.dtype) -> None:
        self._module, self._dtype = module, dtype
        # Not the parameters: others may be put in their places.
        self._places = [
            (part._parameters, n) for part in module.modules() for n in part._parameters
        ]
        self._made_of: tuple[tuple[int, int], ...] = ()
        self._copy: _Module | None = None

    def __deepcopy__(self, memo: dict[int, object]) -> "InferenceCopy[_Module]":
        return InferenceCopy(copy.deepcopy(self._module, memo), self._dtype)

    @torch.no_grad()
    def current(self) -> _Module:
        """Return the copy of the weights as they are, on their device; for inference alone."""
        kept = (own[name] for own, name in self._places)
        made_of = tuple((p.data_ptr(), p._version) for p in kept if p is not None)
        if self._copy is None or made_of != self._made_of:
            with torch.inference_mode(False):
                self._copy = _with_layers(copy.deepcopy(self._module), self._dtype)
            self._made_of = made_of
        return self._copy


def _with_layers(module: _Module, dtype: torch.dtype) -> _Module:
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, InferenceLinear(child, dtype))
    return module.eval()

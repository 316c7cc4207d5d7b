# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Arrays on a torch device for code written in NumPy, and random draws that make such arrays.

Shapes, views and cameras are drawn by NumPy code. Given a `DeviceRandom` instead of NumPy's
generator, the same code makes its arrays on a GPU: they take part in NumPy's functions and
operators through its protocols (NEP 13 and 18), in single precision, as torch tensors.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.lib.mixins import NDArrayOperatorsMixin
from torch import Tensor

__all__ = ["DeviceArray", "DeviceRandom", "array_for", "host_of", "tensor_of"]


class DeviceArray(NDArrayOperatorsMixin):
    """Array on a torch device, of float32, int64 or bool, for NumPy's functions.

    Only what the generators of shapes, views and cameras use is there; anything else raises
    `TypeError` instead of coming back to the host unnoticed.

    Args:
        tensor: the values; shared, not copied.

    Example:
        >>> a = DeviceArray(torch.tensor([1.0, 4.0]))
        >>> np.stack([np.sqrt(a), np.ones(2)], -1).tensor.tolist()
        [[1.0, 1.0], [2.0, 1.0]]
    """

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor.float() if tensor.dtype == torch.float64 else tensor

    # NumPy's protocols

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **more: Any) -> Any:
        name = ufunc.__name__
        out = more.pop("out", None)
        if method != "__call__" or more or name not in _UFUNCS:
            return NotImplemented
        result = DeviceArray(_UFUNCS[name](*(self._operand(value) for value in inputs)))
        if out is not None:
            out[0].tensor.copy_(result.tensor)
            return out[0]
        return result

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        known = _FUNCTIONS.get(function.__name__)
        return NotImplemented if known is None else known(self, *args, **kwargs)

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise TypeError("an array on a device: take its tensor to the host where that is meant")

    def _operand(self, value: Any) -> Any:
        """What a torch operator takes: numbers as they are."""
        if isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, np.generic):
            return value.item()
        return self.like(value)

    def like(self, value: Any) -> Tensor:
        """Any value as a tensor on this array's device."""
        return tensor_of(value, self.tensor.device)

    # What NumPy's arrays have

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    @property
    def ndim(self) -> int:
        return self.tensor.ndim

    @property
    def dtype(self) -> "np.dtype[Any]":  # a text: NumPy 1.21 cannot make it
        names = {torch.float32: np.float32, torch.int64: np.int64, torch.bool: np.bool_}
        return np.dtype(names[self.tensor.dtype])

    @property
    def T(self) -> "DeviceArray":
        return DeviceArray(self.tensor.permute(*reversed(range(self.ndim))))

    def __len__(self) -> int:
        return len(self.tensor)

    def __bool__(self) -> bool:
        return bool(self.tensor)

    def __int__(self) -> int:
        return int(self.tensor)

    def __float__(self) -> float:
        return float(self.tensor)

    def __iter__(self) -> "Iterator[DeviceArray]":
        return (DeviceArray(part) for part in self.tensor.unbind(0))

    def _index(self, index: Any) -> Any:
        if isinstance(index, tuple):
            return tuple(self._index(part) for part in index)
        if index == slice(None, None, -1) if isinstance(index, slice) else False:
            return slice(None)  # turned round before: see _turned_round
        return self.like(index) if isinstance(index, (np.ndarray, DeviceArray, list)) else index

    def _turned_round(self, index: Any) -> Tensor:
        """The tensor with the axes flipped that an index runs through backwards."""
        parts = index if isinstance(index, tuple) else (index,)
        if Ellipsis in [part for part in parts if part is None or part is Ellipsis]:
            return self.tensor
        axes = [part for part in parts if part is not None]
        flipped = [
            axis
            for axis, part in enumerate(axes)
            if isinstance(part, slice) and part == slice(None, None, -1)
        ]
        return self.tensor.flip(flipped) if flipped else self.tensor

    def __getitem__(self, index: Any) -> "DeviceArray":
        return DeviceArray(self._turned_round(index)[self._index(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.tensor[self._index(index)] = self.like(value).to(self.tensor.dtype)

    def astype(self, dtype: Any) -> "DeviceArray":
        kind = np.dtype(dtype).kind
        to = {"f": torch.float32, "i": torch.int64, "b": torch.bool}[kind]
        return DeviceArray(self.tensor.to(to))

    def copy(self) -> "DeviceArray":
        return DeviceArray(self.tensor.clone(memory_format=torch.contiguous_format))

    def reshape(self, *shape: Any) -> "DeviceArray":
        return DeviceArray(self.tensor.reshape(*shape))

    def swapaxes(self, first: int, second: int) -> "DeviceArray":
        return DeviceArray(self.tensor.transpose(first, second))

    def repeat(self, count: int, axis: int) -> "DeviceArray":
        return DeviceArray(self.tensor.repeat_interleave(count, axis))

    def _reduced(self, name: str, axis: int | None, *, keepdims: bool) -> "DeviceArray":
        if axis is None:
            return DeviceArray(getattr(torch, name)(self.tensor.flatten(), 0))
        return DeviceArray(getattr(torch, name)(self.tensor, axis, keepdim=keepdims))

    def min(self, axis: int | None = None, *, keepdims: bool = False) -> "DeviceArray":
        return self._reduced("amin", axis, keepdims=keepdims)

    def max(
        self, axis: int | None = None, *, keepdims: bool = False, initial: float | None = None
    ) -> "DeviceArray":
        largest = self._reduced("amax", axis, keepdims=keepdims)
        return largest if initial is None else DeviceArray(largest.tensor.clamp_min(initial))

    def sum(self, axis: int | None = None, *, keepdims: bool = False) -> "DeviceArray":
        return self._reduced("sum", axis, keepdims=keepdims)

    def mean(self, axis: int | None = None, *, keepdims: bool = False) -> "DeviceArray":
        return self._reduced("mean", axis, keepdims=keepdims)

    def any(self, axis: int | None = None) -> "DeviceArray":
        return self._reduced("any", axis, keepdims=False)

    def all(self, axis: int | None = None) -> "DeviceArray":
        return self._reduced("all", axis, keepdims=False)

    def cumsum(self, axis: int) -> "DeviceArray":
        return DeviceArray(self.tensor.cumsum(axis))


def tensor_of(values: Any, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
    """Return numbers, arrays of NumPy or of a device as a tensor; float64 becomes float32.

    Args:
        values: anything of these.
        device: where the tensor is to be.
        dtype: of the tensor; None: as the values have it.
    """
    if isinstance(values, DeviceArray):
        values = values.tensor
    tensor = values if isinstance(values, Tensor) else torch.tensor(np.asarray(values))
    if dtype is None and tensor.dtype == torch.float64:
        dtype = torch.float32
    if dtype is None and tensor.dtype == torch.int32:
        dtype = torch.int64
    return tensor.to(device, dtype)


class DeviceRandom:
    """Random numbers as arrays on a device, with the methods of `numpy.random.Generator` in use.

    Single numbers, and what decides how arrays are grouped, come from a generator of the host.

    Args:
        seed: decides all draws, on one kind of device.
        device: where the arrays are.

    Attributes:
        device: as given.
        host: NumPy's generator, for what stays on the host.
    """

    def __init__(self, seed: int | Sequence[int], device: torch.device | str) -> None:
        self.device, self.host = torch.device(device), np.random.default_rng(seed)
        self._generator = torch.Generator(self.device).manual_seed(int(self.host.integers(2**62)))

    def spawn(self, count: int) -> "list[DeviceRandom]":
        """Independent generators."""
        seeds = self.host.integers(2**62, size=count)
        return [DeviceRandom(int(seed), self.device) for seed in seeds]

    def _unit(self, shape: Iterable[int]) -> Tensor:
        return torch.rand(tuple(shape), generator=self._generator, device=self.device)

    def random(self, size: Any = None) -> Any:
        """Uniform in [0, 1)."""
        return self.host.random() if size is None else DeviceArray(self._unit(_shape(size)))

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Uniform between limits, which may be arrays."""
        low, high = tensor_of(low, self.device), tensor_of(high, self.device)
        shape = torch.broadcast_shapes(low.shape, high.shape) if size is None else _shape(size)
        return DeviceArray(low + (high - low) * self._unit(shape))

    def normal(self, mean: Any = 0.0, deviation: Any = 1.0, size: Any = None) -> Any:
        """Normal, with means and deviations that may be arrays."""
        mean, deviation = tensor_of(mean, self.device), tensor_of(deviation, self.device)
        shape = torch.broadcast_shapes(mean.shape, deviation.shape)
        shape = shape if size is None else _shape(size)
        drawn = torch.randn(tuple(shape), generator=self._generator, device=self.device)
        return DeviceArray(mean + deviation * drawn)

    def standard_normal(self, size: Any) -> Any:
        """Standard normal."""
        return self.normal(size=size)

    def integers(self, low: int, high: int | None = None, size: Any = None) -> Any:
        """Whole numbers from low to below high, or from 0 to below low."""
        if size is None:
            return self.host.integers(low, high)
        first, end = (0, low) if high is None else (low, high)
        drawn = torch.randint(
            first, end, _shape(size), generator=self._generator, device=self.device
        )
        return DeviceArray(drawn)

    def choice(self, of: Any, size: int, p: Sequence[float] | None = None) -> Any:
        """Some of the values, or of the numbers below `of`, with probabilities `p`."""
        values = np.arange(of) if isinstance(of, int) else np.asarray(of)
        weights = np.full(len(values), 1 / len(values)) if p is None else np.asarray(p)
        limits = tensor_of(weights.cumsum()[:-1] / weights.sum(), self.device)
        index = torch.searchsorted(limits, self._unit((size,)), right=True)
        return DeviceArray(tensor_of(values, self.device)[index])


def array_for(values: Any, rng: "np.random.Generator | DeviceRandom") -> Any:
    """Return NumPy values as arrays of the kind that a generator draws.

    Args:
        values: an array, or a tensor.
        rng: which kind.
    """
    if isinstance(rng, DeviceRandom):
        return DeviceArray(tensor_of(values, rng.device))
    return values.double().cpu().numpy() if isinstance(values, Tensor) else values


def host_of(rng: "np.random.Generator | DeviceRandom") -> np.random.Generator:
    """Return the generator for draws that stay on the host."""
    return rng.host if isinstance(rng, DeviceRandom) else rng


def _shape(size: Any) -> tuple[int, ...]:
    return (int(size),) if isinstance(size, (int, np.integer)) else tuple(size)


# The functions of NumPy that are in use; the first argument is an array that was given to them.


def _both(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Two operands as tensors; a number becomes one without a copy to the device."""
    if not isinstance(a, Tensor):
        return torch.full((), a, dtype=b.dtype, device=b.device), b
    if not isinstance(b, Tensor):
        return a, torch.full((), b, dtype=a.dtype, device=a.device)
    return a, b


def _pairwise(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda a, b: function(*_both(a, b))


_UFUNCS: dict[str, Callable[..., Tensor]] = {
    **{
        name: getattr(torch, name)
        for name in (
            *("add", "subtract", "multiply", "negative", "absolute", "sqrt", "exp", "log", "sin"),
            *("cos", "sign", "floor", "isfinite", "remainder"),
        )
    },
    **{
        name: _pairwise(getattr(torch, name))
        for name in (
            *("minimum", "maximum", "less", "less_equal", "greater", "greater_equal", "equal"),
            *("not_equal", "bitwise_and", "bitwise_or", "matmul", "logical_and"),
        )
    },
    "equal": _pairwise(torch.eq),
    "not_equal": _pairwise(torch.ne),
    "divide": lambda a, b: a / b,
    "true_divide": lambda a, b: a / b,
    "power": torch.pow,
    "invert": torch.bitwise_not,
    "logical_not": torch.logical_not,
    "rint": torch.round,
    "radians": torch.deg2rad,
}


def _stack(self: DeviceArray, arrays: Sequence[Any], axis: int = 0) -> DeviceArray:
    return DeviceArray(torch.stack(_alike([self.like(a) for a in arrays]), axis))


def _concatenate(self: DeviceArray, arrays: Sequence[Any], axis: int = 0) -> DeviceArray:
    return DeviceArray(torch.cat(_alike([self.like(a) for a in arrays]), axis))


def _alike(tensors: list[Tensor]) -> list[Tensor]:
    """All of one type, floating where one is."""
    if any(tensor.is_floating_point() for tensor in tensors):
        return [tensor.float() for tensor in tensors]
    return tensors


def _column_stack(self: DeviceArray, arrays: Sequence[Any]) -> DeviceArray:
    columns = [self.like(a) for a in arrays]
    wide = [c.unsqueeze(1) if c.ndim == 1 else c for c in columns]
    return DeviceArray(torch.cat(_alike(wide), 1))


def _where(self: DeviceArray, condition: Any, a: Any, b: Any) -> DeviceArray:
    first, second = (self._operand(value) for value in (a, b))
    return DeviceArray(torch.where(self.like(condition), *_both_or_numbers(first, second)))


def _both_or_numbers(a: Any, b: Any) -> tuple[Any, Any]:
    if isinstance(a, Tensor) and isinstance(b, Tensor) and a.dtype != b.dtype:
        first, second = _alike([a, b])
        return first, second
    return a, b


def _choose(self: DeviceArray, index: Any, choices: Sequence[Any]) -> DeviceArray:
    number, result = self.like(index), self.like(choices[0])
    for place, choice in enumerate(choices[1:], 1):
        result = torch.where(number == place, self.like(choice), result)
    return DeviceArray(result.expand(torch.broadcast_shapes(result.shape, number.shape)))


def _clip(self: DeviceArray, values: Any, low: Any, high: Any) -> DeviceArray:
    above = torch.maximum(*_both(self.like(values), self._operand(low)))
    return DeviceArray(torch.minimum(*_both(above, self._operand(high))))


def _broadcast_arrays(self: DeviceArray, *arrays: Any) -> list[DeviceArray]:
    return [DeviceArray(a) for a in torch.broadcast_tensors(*map(self.like, arrays))]


def _broadcast_to(self: DeviceArray, values: Any, shape: Any) -> DeviceArray:
    return DeviceArray(self.like(values).expand(_shape(shape)))


def _norm(
    self: DeviceArray, values: DeviceArray, axis: int, *, keepdims: bool = False
) -> DeviceArray:
    return DeviceArray(torch.linalg.vector_norm(values.tensor, dim=axis, keepdim=keepdims))


def _cross(self: DeviceArray, a: Any, b: Any) -> DeviceArray:
    first, second = torch.broadcast_tensors(self.like(a), self.like(b))
    return DeviceArray(torch.linalg.cross(first, second))


def _einsum(self: DeviceArray, equation: str, *arrays: Any) -> DeviceArray:
    return DeviceArray(torch.einsum(equation, *(self.like(a) for a in arrays)))


def _gradient(self: DeviceArray, values: DeviceArray, axis: int) -> DeviceArray:
    return DeviceArray(torch.gradient(values.tensor, dim=axis)[0])


def _take_along_axis(self: DeviceArray, values: Any, index: Any, axis: int) -> DeviceArray:
    return DeviceArray(torch.take_along_dim(self.like(values), self.like(index), axis))


def _interp(self: DeviceArray, x: Any, knots: Any, values: Any) -> DeviceArray:
    """Piecewise linear over equally spaced knots (P,), values (..., P) for x (..., N)."""
    at, of = self.like(x), self.like(values)
    first, last, count = float(knots[0]), float(knots[-1]), len(knots)
    place = ((at - first) / (last - first) * (count - 1)).clamp(0, count - 1)
    low = place.floor().clamp_max(count - 2).long()
    left, right = of.gather(-1, low), of.gather(-1, low + 1)
    return DeviceArray(left + (right - left) * (place - low))


def _ptp(self: DeviceArray, values: DeviceArray, axis: int) -> DeviceArray:
    return values.max(axis) - values.min(axis)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "stack": _stack,
    "concatenate": _concatenate,
    "column_stack": _column_stack,
    "where": _where,
    "choose": _choose,
    "clip": _clip,
    "broadcast_arrays": _broadcast_arrays,
    "broadcast_to": _broadcast_to,
    "norm": _norm,
    "cross": _cross,
    "einsum": _einsum,
    "gradient": _gradient,
    "take_along_axis": _take_along_axis,
    "interp": _interp,
    "ptp": _ptp,
    "flatnonzero": lambda self, a: DeviceArray(self.like(a).flatten().nonzero()[:, 0]),
    "argsort": lambda self, a, axis=-1: DeviceArray(self.like(a).argsort(axis)),
    "flip": lambda self, a, axis: DeviceArray(self.like(a).flip(axis)),
    "swapaxes": lambda self, a, i, j: a.swapaxes(i, j),
    "moveaxis": lambda self, a, i, j: DeviceArray(self.like(a).movedim(i, j)),
    "zeros_like": lambda self, a: DeviceArray(torch.zeros_like(self.like(a))),
    "ones_like": lambda self, a: DeviceArray(torch.ones_like(self.like(a))),
    "round": lambda self, a: DeviceArray(self.like(a).round()),
}

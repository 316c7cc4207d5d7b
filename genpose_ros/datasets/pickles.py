# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pickles of arrays, read opcode by opcode: nothing that a file names is ever called.

Python's unpickler builds what a file asks for by calling what the file names. This reader knows the
few names that pickled arrays consist of as marks, builds arrays itself from bytes whose number it
has checked, and refuses all else. What comes out are numbers, text, and lists, tuples and dicts.
"""

import codecs
import math
import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

__all__ = ["parse_pickle"]

#: Bounds far above what the NOCS files hold: opcodes, values, levels of nesting, bytes of a number.
_MAX_OPCODES = _MAX_VALUES = 1_000_000
_MAX_DEPTH = 16
_MAX_NUMBER_BYTES = 32
_MAX_DIMENSIONS = 8
#: Bytes of the arrays and texts that come out, each as often as it occurs.
_MAX_BYTES = 2**30

_NUMBERS = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248])")
_PLAIN = (str, bytes, int, float, bool, type(None))


class _Name(Enum):
    """Names that pickled arrays consist of; to be understood, never to be called."""

    RECONSTRUCT = "numpy _reconstruct"
    FROM_BUFFER = "numpy _frombuffer"
    SCALAR = "numpy scalar"
    NDARRAY = "numpy ndarray"
    DTYPE = "numpy dtype"
    ENCODE = "_codecs encode"
    BYTES = "builtins bytes"
    ORDERED_DICT = "collections OrderedDict"


@dataclass(eq=False)
class _Unbuilt:
    """Array or dtype whose state has still to come.

    Attributes:
        dtype: of a dtype, before its state corrects the order of bytes; None: of an array.
        places: in the memo.
    """

    dtype: np.dtype | None = None
    places: list[int] = field(default_factory=list)


def parse_pickle(content: bytes) -> Any:
    """Return what a pickle holds: arrays of numbers, numbers, text, and lists, tuples and dicts.

    Strings of Python 2 are read as Latin-1; ordered dicts become plain ones.

    Args:
        content: of the file, whole.

    Raises:
        ValueError: damaged, it asks for something else, or for more than such files need.
    """
    try:
        value = _Machine(content).run()
    except (IndexError, KeyError, TypeError, OverflowError, struct.error) as error:
        raise ValueError(f"it is damaged ({type(error).__name__}: {error})") from error
    _check_plain(value)
    return value


class _Machine:
    """Stack machine of one pickle, whose opcodes are those that such files have."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """The value at the opcode STOP."""
        for _ in range(_MAX_OPCODES):
            opcode = self._take(1)
            if opcode == b".":
                if self._marks or len(self._stack) != 1:
                    raise ValueError("it ends in the midst of a value")
                return self._stack[0]
            if opcode not in _OPCODES:
                raise ValueError(f"it holds the opcode {opcode!r}, which is not of an array")
            _OPCODES[opcode](self)
        raise ValueError(f"it has more than {_MAX_OPCODES} opcodes")

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if count < 0 or end > len(self._content):
            raise ValueError("it ends too soon")
        taken, self._at = self._content[self._at : end], end
        return taken

    def _line(self) -> bytes:
        end = self._content.find(b"\n", self._at)
        if end < 0:
            raise ValueError("it ends too soon")
        taken, self._at = self._content[self._at : end], end + 1
        return taken

    def _whole(self, size: int, signed: bool = False) -> int:
        return int.from_bytes(self._take(size), "little", signed=signed)

    def push_whole(self, size: int, signed: bool = False) -> None:
        """Push a number of so many bytes."""
        self._stack.append(self._whole(size, signed))

    def push_long(self, size: int) -> None:
        """Push a number whose number of bytes has so many bytes."""
        count = self._whole(size)
        if count > _MAX_NUMBER_BYTES:
            raise ValueError(f"it holds a number of {count} bytes")
        self.push_whole(count, signed=True)

    def push_long_line(self) -> None:
        """Push a number of any sign that is written out."""
        self._stack.append(_number(self._line().removesuffix(b"L")))

    def push_int_line(self) -> None:
        """Push a number that is written out; 00 and 01 are the truth values."""
        text = self._line()
        truth = {b"00": False, b"01": True}
        self._stack.append(truth[text] if text in truth else _number(text))

    def push_float_line(self) -> None:
        """Push a float that is written out."""
        self._stack.append(float(self._line()))

    def push_float(self) -> None:
        """Push a float of eight bytes."""
        self._stack.append(struct.unpack(">d", self._take(8))[0])

    def push(self, value: Any) -> None:
        """Push a constant."""
        self._stack.append(value)

    def push_bytes(self, size: int) -> None:
        """Push bytes whose number has so many bytes."""
        self._stack.append(self._take(self._whole(size)))

    def push_text(self, size: int, encoding: str = "utf-8") -> None:
        """Push text whose number of bytes has so many bytes."""
        self._stack.append(self._take(self._whole(size)).decode(encoding, "surrogatepass"))

    def push_text_line(self) -> None:
        """Push text with escapes for what is not Latin-1."""
        self._stack.append(self._line().decode("raw-unicode-escape"))

    def push_quoted_line(self) -> None:
        """Push a string of Python 2, which is quoted as in its source."""
        text = self._line().strip()
        if len(text) < 2 or text[:1] != text[-1:] or text[:1] not in b"\"'":
            raise ValueError("it holds a string without quotes")
        self._stack.append(codecs.escape_decode(text[1:-1])[0].decode("latin1"))

    def push_name(self) -> None:
        """Push the mark of a name on the next two lines."""
        module, name = self._line().decode(), self._line().decode()
        self._stack.append(_known(module, name))

    def push_stacked_name(self) -> None:
        """Push the mark of a name on the stack."""
        name, module = self._stack.pop(), self._stack.pop()
        self._stack.append(_known(module, name))

    def mark(self) -> None:
        """Begin the items of a container."""
        self._marks.append(self._stack)
        self._stack = []

    def _items(self) -> list[Any]:
        items, self._stack = self._stack, self._marks.pop()
        return items

    def make_list(self) -> None:
        """Push a list of the items since the mark."""
        items = self._items()  # which brings back the stack below
        self._stack.append(items)

    def make_tuple(self) -> None:
        """Push a tuple of the items since the mark."""
        items = self._items()  # which brings back the stack below
        self._stack.append(tuple(items))

    def make_short_tuple(self, count: int) -> None:
        """Push a tuple of the topmost items."""
        if len(self._stack) < count:
            raise ValueError("a tuple lacks items")
        items = tuple(self._stack[len(self._stack) - count :])
        del self._stack[len(self._stack) - count :]
        self._stack.append(items)

    def make_dict(self) -> None:
        """Push a dict of the items since the mark."""
        items = self._items()  # which brings back the stack below
        self._stack.append(_with_pairs({}, items))

    def append(self) -> None:
        """Append the topmost item to the list below it."""
        self._extend([self._stack.pop()])

    def append_items(self) -> None:
        """Append the items since the mark to the list below it."""
        self._extend(self._items())

    def _extend(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise ValueError("it appends to something that is not a list")
        self._stack[-1].extend(items)

    def set_item(self) -> None:
        """Put the topmost pair into the dict below it."""
        value, key = self._stack.pop(), self._stack.pop()
        _with_pairs(self._stack[-1], [key, value])

    def set_items(self) -> None:
        """Put the pairs since the mark into the dict below it."""
        items = self._items()
        _with_pairs(self._stack[-1], items)

    def memoize(self) -> None:
        """Remember the topmost value under the next number."""
        self._remember(len(self._memo))

    def put(self, size: int) -> None:
        """Remember the topmost value under a number of so many bytes."""
        self._remember(self._whole(size))

    def put_line(self) -> None:
        """Remember the topmost value under a number that is written out."""
        self._remember(_number(self._line()) % 2**32)

    def _remember(self, place: int) -> None:
        value = self._memo[place] = self._stack[-1]
        if isinstance(value, _Unbuilt):
            value.places.append(place)

    def get(self, size: int) -> None:
        """Push what is remembered under a number of so many bytes."""
        self._stack.append(self._memo[self._whole(size)])

    def get_line(self) -> None:
        """Push what is remembered under a number that is written out."""
        self._stack.append(self._memo[_number(self._line()) % 2**32])

    def skip(self, count: int) -> None:
        """Pass over bytes that only help a reader that works in pieces."""
        self._take(count)

    def reduce(self) -> None:
        """Push what a name makes of the arguments on top of it."""
        arguments, name = self._stack.pop(), self._stack.pop()
        if not isinstance(name, _Name) or name not in _MAKERS or type(arguments) is not tuple:
            called = name.value if isinstance(name, _Name) else type(name).__name__
            raise ValueError(f"it calls {called}, which does not make an array")
        self._stack.append(_MAKERS[name](*arguments))

    def build(self) -> None:
        """Give an array or a dtype the state on top of it."""
        state, unbuilt = self._stack.pop(), self._stack.pop()
        if not isinstance(unbuilt, _Unbuilt) or type(state) is not tuple:
            raise ValueError("it gives a state to something that is neither array nor dtype")
        built = _array_of(state) if unbuilt.dtype is None else _ordered(unbuilt.dtype, state)
        for place in unbuilt.places:
            if self._memo[place] is unbuilt:
                self._memo[place] = built
        self._stack.append(built)


def _number(text: bytes) -> int:
    if len(text) > 2 * _MAX_NUMBER_BYTES:
        raise ValueError(f"it holds a number of {len(text)} digits")
    return int(text)


def _known(module: Any, name: Any) -> _Name:
    module = {"__builtin__": "builtins"}.get(module, module)
    if type(module) is str and module.split(".", maxsplit=1)[0] == "numpy":
        module = "numpy"  # numpy 1 and 2 have them in different places
    try:
        return _Name(f"{module} {name}")
    except ValueError as error:
        raise ValueError(
            f"it holds {module!s:.60}.{name!s:.60}, which is not an array of numbers"
        ) from error


def _with_pairs(target: Any, items: list[Any]) -> dict[Any, Any]:
    if type(target) is not dict or len(items) % 2:
        raise ValueError("it puts a value into something that is not a dict")
    for key in items[::2]:
        # Of numbers, files can choose those that collide; nested tuples exhaust the stack.
        if type(key) not in (str, bytes):
            raise ValueError(f"a dict has the key {key!r:.40}, expected text")
    target.update(zip(items[::2], items[1::2], strict=True))
    return target


def _dtype(kind: Any, *_copy_and_align: Any) -> _Unbuilt:
    if type(kind) is not str or not _NUMBERS.fullmatch(kind):
        raise ValueError(f"it holds values of type {kind!r:.40}, which is not an array of numbers")
    return _Unbuilt(np.dtype(kind))


def _ordered(dtype: np.dtype, state: tuple[Any, ...]) -> np.dtype:
    """The dtype in the order of bytes that its state names."""
    order, subtype, names, fields = state[1:5]
    if order not in ("<", ">", "|", "=") or (subtype, names, fields) != (None, None, None):
        raise ValueError("it holds records, which are not an array of numbers")
    return dtype.newbyteorder(order)


def _array_of(state: tuple[Any, ...]) -> np.ndarray:
    _version, shape, dtype, fortran, data = state
    return _array(data, dtype, shape, "F" if fortran else "C")


def _array(data: Any, dtype: Any, shape: Any, order: Any = "C") -> np.ndarray:
    if not isinstance(dtype, np.dtype):
        raise ValueError("an array has no type of numbers")
    if type(shape) is not tuple or len(shape) > _MAX_DIMENSIONS:
        raise ValueError(f"an array has the shape {shape!r:.60}")
    if not all(type(n) is int and 0 <= n < 2**31 for n in shape) or order not in ("C", "F"):
        raise ValueError(f"an array has the shape {shape!r:.60}, order {order!r:.10}")
    content = _as_bytes(data)
    expected = math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise ValueError(f"an array of {expected} bytes has {len(content)}")
    # A copy, which like every array may be written to.
    return np.frombuffer(content, dtype).reshape(shape, order=order).copy(order)


def _as_bytes(data: Any) -> bytes:
    if type(data) is str:  # of Python 2
        return data.encode("latin1")
    if type(data) is not bytes:
        raise ValueError(f"an array has {type(data).__name__} where its bytes should be")
    return data


def _scalar(dtype: Any, data: Any) -> Any:
    return _array(data, dtype, ())[()]


def _empty(kind: Any, _shape: Any = (), _type: Any = b"") -> _Unbuilt:
    if kind is not _Name.NDARRAY:
        raise ValueError("it makes an array of a kind of its own")
    return _Unbuilt()


def _encoded(text: Any, encoding: Any = "latin1") -> bytes:
    if type(text) is not str or encoding != "latin1":
        raise ValueError("it encodes something that is not text in Latin-1")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


def _no_pairs(pairs: Any = ()) -> dict[Any, Any]:
    if type(pairs) not in (list, tuple):
        raise ValueError("an ordered dict is made of something else than pairs")
    return _with_pairs({}, [item for key, value in pairs for item in (key, value)])


_MAKERS: dict[_Name, Callable[..., Any]] = {
    _Name.RECONSTRUCT: _empty,
    _Name.FROM_BUFFER: _array,
    _Name.SCALAR: _scalar,
    _Name.DTYPE: _dtype,
    _Name.ENCODE: _encoded,
    _Name.BYTES: _no_bytes,
    _Name.ORDERED_DICT: _no_pairs,
}

_OPCODES: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": lambda m: m.skip(1),  # PROTO
    b"\x95": lambda m: m.skip(8),  # FRAME
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"]": lambda m: m.push([]),
    b"}": lambda m: m.push({}),
    b")": lambda m: m.push(()),
    b"I": _Machine.push_int_line,
    b"L": _Machine.push_long_line,
    b"F": _Machine.push_float_line,
    b"G": _Machine.push_float,
    b"J": lambda m: m.push_whole(4, signed=True),
    b"K": lambda m: m.push_whole(1),
    b"M": lambda m: m.push_whole(2),
    b"\x8a": lambda m: m.push_long(1),
    b"\x8b": lambda m: m.push_long(4),
    b"S": _Machine.push_quoted_line,
    b"V": _Machine.push_text_line,
    b"T": lambda m: m.push_text(4, "latin1"),
    b"U": lambda m: m.push_text(1, "latin1"),
    b"X": lambda m: m.push_text(4),
    b"\x8c": lambda m: m.push_text(1),
    b"\x8d": lambda m: m.push_text(8),
    b"B": lambda m: m.push_bytes(4),
    b"C": lambda m: m.push_bytes(1),
    b"\x8e": lambda m: m.push_bytes(8),
    b"\x96": lambda m: m.push_bytes(8),  # BYTEARRAY8
    b"c": _Machine.push_name,
    b"\x93": _Machine.push_stacked_name,
    b"(": _Machine.mark,
    b"l": _Machine.make_list,
    b"t": _Machine.make_tuple,
    b"\x85": lambda m: m.make_short_tuple(1),
    b"\x86": lambda m: m.make_short_tuple(2),
    b"\x87": lambda m: m.make_short_tuple(3),
    b"d": _Machine.make_dict,
    b"a": _Machine.append,
    b"e": _Machine.append_items,
    b"s": _Machine.set_item,
    b"u": _Machine.set_items,
    b"\x94": _Machine.memoize,
    b"q": lambda m: m.put(1),
    b"r": lambda m: m.put(4),
    b"p": _Machine.put_line,
    b"h": lambda m: m.get(1),
    b"j": lambda m: m.get(4),
    b"g": _Machine.get_line,
    b"R": _Machine.reduce,
    b"b": _Machine.build,
}


def _check_plain(value: Any) -> None:
    """Refuse marks, what was left unbuilt, and values within each other without end.

    The walk meets a value as often as it occurs, as every later use of it may.
    """
    level, values, size = [value], 0, 0
    for _ in range(_MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            size += _checked_size(item)
            below.extend(_content(item))
            if values + len(below) > _MAX_VALUES or size > _MAX_BYTES:
                raise ValueError(f"it holds more than {_MAX_VALUES} values or {_MAX_BYTES} bytes")
        values += len(below)
        level = below
    if level:
        raise ValueError(f"it nests more than {_MAX_DEPTH} levels of lists")


def _content(item: Any) -> Iterable[Any]:
    if type(item) is dict:
        return item.values()
    return item if type(item) in (list, tuple) else ()


def _checked_size(item: Any) -> int:
    if type(item) in (list, tuple, dict):
        return 8 * len(item)
    if isinstance(item, (np.ndarray, np.number, np.bool_)):
        return int(item.nbytes)
    if type(item) not in _PLAIN:
        raise ValueError("it holds a name or an unfinished value, which is not an array")
    return len(item) if isinstance(item, (str, bytes)) else 8

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the reader of pickled arrays: what Python's reads, and what no file may ask for."""

import os
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from genpose_ros.datasets.nocs import _parse_detections
from genpose_ros.datasets.pickles import parse_pickle

FROM_BUFFER = np.empty(1).__reduce_ex__(5)[0]


class Call:
    """What is pickled as a call of a function with arguments."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class RecordThatHidesItsObjects:
    """A dtype of a record with an object, whose flags deny it."""

    def __reduce__(self):
        fields = {"class_ids": (np.dtype("O"), 0)}
        state = (3, "|", None, ("class_ids",), fields, 8, 1, 0)
        return np.dtype, ("V8", False, True), state


class TestRead:
    @pytest.mark.parametrize("protocol", range(6))
    def test_arrays_numbers_text_and_containers_are_as_python_reads_them(self, protocol):
        content: dict[str, Any] = {
            "array": np.arange(6, dtype=np.float32).reshape(2, 3),
            "order": np.asfortranarray(np.arange(6).reshape(2, 3)),
            "swapped": np.arange(3, dtype=">i2"),
            "again": np.arange(3, dtype=">i2"),
            "empty": np.zeros((0, 4)),
            "mask": np.array([[True, False]]),
            "number": np.float64(3.5),
            "numbers": [0, 1, -1, 300, -70000, 2**40, -(2**70), 1.25, -0.0, True, None],
            "text": [
                "a",
                "ü",
                "€",
                "\U0001d54f",
                "line\nbreak\\",
                ("b", b"c\x00\xff", b""),
                [[]],
                (),
            ],
            "ordered": OrderedDict(x=1),
            "plain": {"y": {"z": ()}},
        }
        back = parse_pickle(pickle.dumps(content, protocol=protocol))
        for name in ("array", "order", "swapped", "again", "empty", "mask"):
            assert np.array_equal(back[name], content[name])
            assert (back[name].dtype, back[name].shape) == (
                content[name].dtype, content[name].shape
            )  # fmt: skip
            assert back[name].flags.writeable
        for name in ("number", "numbers", "text", "ordered", "plain"):
            assert back[name] == content[name]

    def test_arrays_and_strings_of_python_2_are_read(self):
        def array(data: bytes) -> bytes:
            return (
                b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\nt"
                b"cnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
                + data + b"tb"
            )  # fmt: skip

        values = struct.pack("<2f", 1.5, -2e10)
        quoted = b"S" + repr(values.decode("latin1")).encode("ascii", "backslashreplace") + b"\n"
        for data in (quoted, b"U\x08" + values, b"T\x08\0\0\0" + values):
            back = parse_pickle(b"(dS'key'\n" + array(data) + b"sS'\\xe4'\nL7L\ns.")
            assert back["key"].tolist() == [1.5, np.float32(-2e10)]
            assert back["ä"] == 7

    def test_a_value_that_occurs_twice_is_read_twice(self):
        shared = np.arange(3)
        back = parse_pickle(pickle.dumps({"a": shared, "b": shared, "c": ["x", "x"]}))
        assert back["a"].tolist() == back["b"].tolist() == [0, 1, 2]


class TestRefused:
    @pytest.mark.parametrize("protocol", range(6))
    def test_code_is_refused_and_not_run(self, tmp_path, monkeypatch, protocol):
        monkeypatch.chdir(tmp_path)
        harmful = {"a": Call(os.system, "touch was_here")}
        with pytest.raises(ValueError, match="system, which is not an array"):
            parse_pickle(pickle.dumps(harmful, protocol=protocol))
        assert not (tmp_path / "was_here").exists()

    @pytest.mark.parametrize("name", ["eval", "getattr", "open", "__import__", "exec", "set"])
    def test_built_in_functions_are_refused(self, name):
        with pytest.raises(ValueError, match=name):
            parse_pickle(b"cbuiltins\n" + name.encode() + b"\n(S'1'\ntR.")

    @pytest.mark.parametrize(
        "harmful",
        [
            Call(np.ndarray, (1,), np.dtype("O"), b"A" * 8),
            Call(np.ndarray, (1,), np.dtype([("a", "O")]), b"A" * 8),
            Call(np.ndarray, (10**12,), np.dtype("f8")),
            Call(np.ndarray, (2**30,), np.dtype("u1"), b"\0" * 8, 0, (0,)),
            Call(FROM_BUFFER, b"A" * 8, np.dtype("O"), (1,), "C"),
            Call(FROM_BUFFER, b"A" * 8, RecordThatHidesItsObjects(), (1,), "C"),
            Call(FROM_BUFFER, b"A" * 8, np.dtype("f8"), (2,), "C"),
            Call(FROM_BUFFER, b"", np.dtype("f8"), (0, 2**62), "C"),
            Call(bytearray, 10**11),
            Call(int, "9" * 10**6),
            np.array(["e", None], object),
            np.zeros(2, [("x", "f8")]),
            np.array(["text"]),
            np.array([b"text"]),
            np.zeros(1, "M8[s]"),
        ],
    )
    def test_what_is_no_array_of_numbers_is_refused(self, harmful):
        for protocol in range(2, 6):
            content = pickle.dumps({"class_ids": harmful}, protocol=protocol)
            with pytest.raises(ValueError, match=r"array|calls|opcode|bytes"):
                _parse_detections(parse_pickle(content), (480, 640))

    @pytest.mark.parametrize(
        "content",
        [
            b"cnumpy\nndarray\n.",  # the name itself
            b"cnumpy\ndtype\n(S'f4'\nI0\nI1\ntR.",  # a dtype
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntRq\x000]h\x00a.",
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntRq\x00]h\x00a.",
            b"]]b.",
            b"(.",
            b"]N.",
            b"K\x01K\x02a.",
            b"}K\x01K\x02s.",
            b"}(K\x01u.",
            b"h\x00.",
            b"\x8b\xff\xff\xff\x7f.",
            b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.",
            b"I" + b"9" * 5000 + b"\n.",
            b"F1_0x\n.",
            b"S'unfinished\n.",
            b"X\x02\0\0\0\xff\xff.",
        ],
    )
    def test_what_makes_no_sense_is_refused(self, content):
        with pytest.raises(ValueError, match=r"\w+ \w+"):
            parse_pickle(content)

    def test_lists_within_lists_without_end_are_refused(self):
        deep = b"]" * 100 + b"a" * 99 + b"."
        itself = b"]q\x00h\x00a."
        # Each list holds the one before it ten times.
        many = b"]q\x00" + b"".join(
            b"](" + b"h" + bytes([n]) + (b"h" + bytes([n])) * 9 + b"eq" + bytes([n + 1])
            for n in range(12)
        )
        many = b"(" + many + b"l."
        for content in (deep, itself, many):
            with pytest.raises(ValueError, match=r"nests more than|holds more than"):
                parse_pickle(content)

    def test_keys_that_collide_or_nest_are_refused(self):
        for key in (3, 1.5, ("a",), None):
            with pytest.raises(ValueError, match="expected text"):
                parse_pickle(pickle.dumps({key: 1}))

    def test_endless_opcodes_are_refused(self):
        with pytest.raises(ValueError, match="more than 1000000 opcodes"):
            parse_pickle(b"N" * 1_000_001)

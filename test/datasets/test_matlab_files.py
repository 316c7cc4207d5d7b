# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""MATLAB files as SciPy writes them, and damaged ones."""

import random
import struct
import zlib

import numpy as np
import pytest
from scipy.io import savemat

from genpose_ros.datasets.matlab_files import read_matlab

K = np.array([[600.0, 0.5, 320.25], [0, 601, 240], [0, 0, 1]])
LIMIT = 2**20


def written(path, *, packed=False):
    """A file of numbers in all types, and of what is left out."""
    values = {
        f"of_{kind}": np.arange(6).astype(kind).reshape(2, 3)
        for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
    }
    others = {
        "text": "abc",
        "table": {"a": 1.0},
        "pair": K + 1j,
        "cell": np.array(["a", 2], object),
    }
    savemat(path, {"intrinsic_matrix": K, "few": 7, **values, **others}, do_compression=packed)
    return values


@pytest.mark.parametrize("packed", [False, True])
def test_numbers_are_read_as_they_were_written_and_all_else_is_left_out(tmp_path, packed):
    values = written(tmp_path / "a.mat", packed=packed)
    found = read_matlab(tmp_path / "a.mat", LIMIT)
    assert set(found) == {"intrinsic_matrix", "few", *values}
    np.testing.assert_array_equal(found["intrinsic_matrix"], K)
    np.testing.assert_array_equal(found["few"], [[7]])
    for name, expected in values.items():
        np.testing.assert_array_equal(found[name], expected)


def test_the_bytes_of_numbers_may_come_in_either_order(tmp_path):
    def element(kind, content):
        return struct.pack(">II", kind, len(content)) + content + bytes(-len(content) % 8)

    array = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 1, 2))
    array += element(1, b"K") + element(9, struct.pack(">dd", 1.5, -2.0))
    head = b"MATLAB 5.0".ljust(124) + b"\1\0MI"
    (tmp_path / "a.mat").write_bytes(head + element(14, array))
    np.testing.assert_array_equal(read_matlab(tmp_path / "a.mat", LIMIT)["K"], [[1.5, -2.0]])


def test_what_unpacks_to_more_than_is_taken_is_refused(tmp_path):
    content = zlib.compress(bytes(4 * LIMIT))
    packed = struct.pack("<II", 15, len(content)) + content
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0".ljust(124) + b"\0\1IM" + packed)
    with pytest.raises(ValueError, match=r"a\.mat.*unpacked"):
        read_matlab(tmp_path / "a.mat", LIMIT)


@pytest.mark.parametrize("content", [b"", b"MATLAB 7.3".ljust(124) + b"\0\2IM", b"\x89HDF" * 60])
def test_another_file_is_refused_with_what_to_do(tmp_path, content):
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.mat is no MATLAB file of version 5.*-v7"):
        read_matlab(tmp_path / "a.mat", LIMIT)


def test_damage_anywhere_in_a_file_is_a_sentence_or_numbers(tmp_path):
    """SciPy's own reader ends the interpreter at some of these."""
    rng, wholes = random.Random(0), []
    for packed in (False, True):
        written(tmp_path / "a.mat", packed=packed)
        wholes.append((tmp_path / "a.mat").read_bytes())
    read, told = 0, []
    for _ in range(1500):
        content = bytearray(rng.choice(wholes))
        for _ in range(rng.choice((1, 2, 8))):
            content[rng.randrange(len(content))] = rng.choice((0, 255, rng.randrange(256)))
        (tmp_path / "a.mat").write_bytes(content[: rng.choice((None, rng.randrange(2000)))])
        try:
            found = read_matlab(tmp_path / "a.mat", LIMIT)
        except ValueError as error:
            told.append(str(error))
        else:
            read += all(values.dtype == np.float64 for values in found.values())
    assert read > 50
    assert all(f"{tmp_path / 'a.mat'} is no MATLAB file" in text for text in told)

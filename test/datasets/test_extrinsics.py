# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Extrinsics files of all kinds that are read."""

import json

import numpy as np
import pytest

from genpose_ros.datasets import read_extrinsics

#: A quarter turn about z, row by row, and 1, 2, 3 cm.
ROTATION = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
T = np.eye(4)
T[:3, :3], T[:3, 3] = ROTATION, (0.01, 0.02, 0.03)
ROWS = "\n".join(" ".join(f"{v:g}" for v in row) for row in T)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("T.txt", ROWS),
        ("T.csv", ROWS.replace(" ", ", ")),
        ("T34.txt", "\n".join(ROWS.splitlines()[:3])),
        ("T.json", json.dumps(T.tolist())),
        ("named.json", json.dumps({"extrinsics": T.ravel().tolist()})),
        ("T.yaml", f"T: {T.tolist()}"),
        # As realsense-ros publishes it: column by column.
        ("echo.yaml", "rotation:\n" + "".join(f"- {v}\n" for v in ROTATION.T.ravel())
         + "translation:\n- 0.01\n- 0.02\n- 0.03\n---\n"),
    ],
)  # fmt: skip
def test_every_kind_of_file_gives_the_transform(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    np.testing.assert_allclose(read_extrinsics(tmp_path / name), T)


def test_an_array_is_read(tmp_path):
    np.save(tmp_path / "T.npy", T)
    np.testing.assert_allclose(read_extrinsics(tmp_path / "T.npy"), T)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3", "holds no extrinsics"),
        ("{}", "holds no extrinsics"),
        ("rotation: [1, 0]\ntranslation: [0, 0, 0]", "holds no extrinsics"),
        ("rotation: {x: 0}\ntranslation: [0, 0, 0]", "holds no extrinsics"),
        (ROWS.replace("-1", "-2"), "no rigid transform"),
        (ROWS.replace("0.03", "nan"), "no rigid transform"),
    ],
)
def test_what_is_no_transform_is_refused(tmp_path, text, message):
    (tmp_path / "T.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_extrinsics(tmp_path / "T.yaml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"T\.txt"):
        read_extrinsics(tmp_path / "T.txt")

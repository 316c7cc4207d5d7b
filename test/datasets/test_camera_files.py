# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Intrinsics from the kinds of files people have."""

import json

import pytest

from genpose_ros.datasets import read_camera

K = [600.0, 0.0, 320.0, 0.0, 610.0, 240.0, 0.0, 0.0, 1.0]

TOPIC_ECHO = """header:
  stamp:
    sec: 1
    nanosec: 2
  frame_id: camera_color_optical_frame
height: 480
width: 640
distortion_model: plumb_bob
d:
- 0.0
k:
- 600.0
- 0.0
- 320.0
- 0.0
- 610.0
- 240.0
- 0.0
- 0.0
- 1.0
binning_x: 0
---
height: 1
width: 1
---
"""
CALIBRATION = """image_width: 640
image_height: 480
camera_name: d435
camera_matrix:
  rows: 3
  cols: 3
  data: [600.0, 0.0, 320.0, 0.0, 610.0, 240.0, 0.0, 0.0, 1.0]
"""


@pytest.mark.parametrize(
    "text",
    [
        TOPIC_ECHO,
        CALIBRATION,
        json.dumps({"height": 480, "width": 640, "K": K}),
        json.dumps({"K": [K[:3], K[3:6], K[6:]], "instances": []}),
    ],
    ids=["topic echo", "calibration", "json", "label"],
)
def test_every_kind_of_camera_file_gives_its_intrinsics(tmp_path, text):
    path = tmp_path / "camera"
    path.write_text(text)
    camera = read_camera(path, 640, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (600.0, 610.0, 320.0, 240.0)
    assert (camera.width, camera.height) == (640, 480)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width: 1280\nheight: 720\nk: [1]", "width is 1280, but the image has 640"),
        ("k: [1, 2]", "9 numbers"),
        ("k: [a, b]", r"k must be 9 numbers, got \['a', 'b'\]"),
        ("k: [[1, 2], [3]]", "k must be 9 numbers"),
        ("k: {x: 1}", "no intrinsic matrix"),
        ("width: '640'\nk: [1]", "width is '640'"),
        ("k: [.nan, 0, 320, 0, 600, 240, 0, 0, 1]", "finite"),
        ("k: [0, 0, 320, 0, 600, 240, 0, 0, 1]", "positive"),
        ("width: 640", "no intrinsic matrix"),
        ("just text", "holds no camera"),
        ("", "holds no camera"),
        ("a: [1", "not usable YAML"),
        ("a: &a [1]\nk: *a", "it has the alias [*]a: write it out"),
        ("&a\nk: *a", "it has the alias"),
        ("k: 2001-99-99", "not usable YAML: month must be in 1..12"),
        ("width: " + "9" * 5000, "not usable YAML"),
        ("[" * 5000, "it nests too deep"),
        ("k: !!python/object/apply:os.system [ls]", "not usable YAML"),
        (f"k: [1] # {'x' * 2**20}", "bytes, expected 1048576 at most"),
    ],
)
def test_a_camera_file_that_cannot_be_used_is_refused(tmp_path, text, message):
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_camera(path, 640, 480)
    assert "camera.yaml" in str(error.value)


def test_a_missing_camera_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_camera(tmp_path / "none.yaml", 640, 480)


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("d: [0.0, 0.0, 0, 0, 0]", False),
        ("d: [0.1, 0.0, 0, 0, 0]", True),
        ("distortion_coefficients: {data: [0, 0, 0, 0, 1.0e-3]}", True),
    ],
)
def test_a_distorted_camera_is_warned_of(tmp_path, caplog, text, warned):
    path = tmp_path / "camera.yaml"
    path.write_text(f"k: {K}\n{text}\n")
    read_camera(path, 640, 480)
    assert ("distortion" in caplog.text) == warned

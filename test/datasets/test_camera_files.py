# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Intrinsics from the kinds of files people have."""

import json

import numpy as np
import pytest
from scipy.io import savemat

from genpose_ros.datasets import read_camera, read_camera_file

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
OST = """image_width: 640
image_height: 480
camera_matrix: {data: [700, 0, 300, 0, 700, 200, 0, 0, 1]}
distortion_coefficients: {data: [0.1, 0, 0, 0, 0]}
projection_matrix: {rows: 3, cols: 4, data: [600, 0, 320, 0, 0, 610, 240, 0, 0, 0, 1, 0]}
"""
BY_COLUMNS = [600.0, 0.0, 0.0, 0.0, 610.0, 0.0, 320.0, 240.0, 1.0]
OPENCV = """%YAML:1.0
---
image_width: 640
image_height: 480
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 600., 0., 320., 0., 610., 240., 0., 0., 1. ]
"""


@pytest.mark.parametrize(
    "text",
    [
        TOPIC_ECHO,
        CALIBRATION,
        json.dumps({"height": 480, "width": 640, "K": K}),
        json.dumps({"K": [K[:3], K[3:6], K[6:]], "instances": []}),
        "6.0e+02 0.0 3.2e+02\n0.0 6.1e+02 2.4e+02\n0 0 1\n",
        "600 0 320 0\n0 610 240 0\n0 0 1 0\n0 0 0 1\n",
        json.dumps({"cam_K": K, "depth_scale": 1.0}),
        json.dumps({"0": {"cam_K": K, "depth_scale": 0.1}}),
        json.dumps({"fx": 600, "fy": 610.0, "cx": 320, "cy": 240, "width": 640, "height": 480}),
        json.dumps({"color": {"fx": 600, "fy": 610.0, "ppx": 320, "ppy": 240}}),
        json.dumps({"width": 640, "height": 480, "intrinsic_matrix": BY_COLUMNS}),
        OPENCV,
        OST,
    ],
    ids=[
        "topic echo", "calibration", "json", "label", "cam_K.txt", "4 x 4", "BOP camera",
        "BOP scene_camera", "fx fy cx cy", "RealSense SDK", "Open3D", "OpenCV", "ost.yaml",
    ],
)  # fmt: skip
def test_every_kind_of_camera_file_gives_its_intrinsics(tmp_path, text):
    path = tmp_path / "camera"
    path.write_text(text)
    camera = read_camera(path, 640, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (600.0, 610.0, 320.0, 240.0)
    assert (camera.width, camera.height) == (640, 480)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f"width: 1280\nheight: 720\nk: {K}",
            "images of 1280 x 720 pixels .*, but the depth image has 640 x 480",
        ),
        (f"width: 1280\nk: {K}", "images of 1280 x 480"),
        (f"width: wide\nk: {K}", "width must be a number, got 'wide'"),
        (f"width: -3\nk: {K}", "width must be a number of pixels"),
        ("k: [600, 0, 640, 0, 600, 240, 0, 0, 1]", "cx is 640, outside an image 640 pixels wide"),
        ("a: {k: [1]}\nb: {k: [1]}", "has the cameras a, b"),
        ("1 2 3", "no camera"),
        ("k: [1, 2]", "9 numbers"),
        ("k: [a, b]", r"k must be 9 numbers, got \['a', 'b'\]"),
        ("k: [[1, 2], [3]]", "k must be 9 numbers"),
        ("k: {x: 1}", "no intrinsics"),
        ("k: [.nan, 0, 320, 0, 600, 240, 0, 0, 1]", "finite"),
        ("k: [0, 0, 320, 0, 600, 240, 0, 0, 1]", "positive"),
        ("width: 640", "no intrinsics: expected a CameraInfo"),
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


def test_a_matlab_file_and_an_array_are_read(tmp_path):
    matrix = np.array(K).reshape(3, 3)
    savemat(tmp_path / "meta.mat", {"intrinsic_matrix": matrix, "factor_depth": [[10000]]})
    np.save(tmp_path / "K.npy", matrix)
    for name in ("meta.mat", "K.npy"):
        assert read_camera(tmp_path / name, 640, 480).matrix.tolist() == matrix.tolist()
    assert read_camera_file(tmp_path / "meta.mat").depth_unit_m == 0.0001
    (tmp_path / "broken.mat").write_text("MATLAB?" * 50)
    (tmp_path / "broken.npy").write_text("array?")
    for name in ("broken.mat", "broken.npy"):
        with pytest.raises(ValueError, match=name):
            read_camera(tmp_path / name, 640, 480)


@pytest.mark.parametrize(
    ("name", "scale", "unit_m"),
    [
        ("depth_scale", 1.0, 0.001),  # BOP: millimetres per count
        ("depth_scale", 0.1, 0.0001),
        ("depth_scale", 0.00025, 0.00025),  # librealsense: metres per count
        ("depth_scale", 1000.0, 0.001),  # Open3D: counts per metre
        ("factor_depth", 10000, 0.0001),  # YCB-Video
        ("other", 7, None),
    ],
)
def test_the_depth_unit_is_read_as_its_writers_mean_it(tmp_path, name, scale, unit_m):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({"cam_K": K, name: scale}))
    assert read_camera_file(path).depth_unit_m == (unit_m and pytest.approx(unit_m))


def test_of_several_cameras_the_image_is_named_for_one(tmp_path):
    path = tmp_path / "scene_camera.json"
    path.write_text(json.dumps({str(i): {"cam_K": K, "depth_scale": 0.1 * i} for i in (3, 14)}))
    assert read_camera_file(path, "000014.png").depth_unit_m == pytest.approx(0.0014)
    with pytest.raises(ValueError, match="has the cameras 3, 14"):
        read_camera_file(path, "depth.png")


def test_a_region_and_binning_count_as_in_the_node(tmp_path):
    path = tmp_path / "camera.yaml"
    region = "{x_offset: 100, y_offset: 40, height: 400, width: 400}"
    path.write_text(f"width: 640\nheight: 480\nk: {K}\nbinning_x: 2\nbinning_y: 4\nroi: {region}")
    camera = read_camera(path, 200, 100)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (300.0, 152.5, 110.0, 50.0)
    with pytest.raises(ValueError, match="of 200 x 100 pixels"):
        read_camera(path, 640, 480)


def test_p_counts_for_a_rectified_image_and_k_for_a_raw_one(tmp_path, caplog):
    path = tmp_path / "camera.yaml"
    path.write_text(f"k: {K}\np: [500, 0, 310, 0, 0, 500, 230, 0, 0, 0, 1, 0]\nd: [-0.2, 0.08]")
    assert read_camera(path, 640, 480).fx == 500.0
    assert caplog.text == ""
    assert read_camera(path, 640, 480, rectified=False).fx == 600.0
    assert "the image is taken as not rectified" in caplog.text


def test_a_principal_point_off_the_middle_is_doubted_where_no_size_is_told(tmp_path, caplog):
    path = tmp_path / "camera.yaml"
    path.write_text(f"k: {K}")
    read_camera(path, 1280, 720)
    assert "(320, 240) far from the middle of the image of 1280 x 720" in caplog.text
    caplog.clear()
    read_camera(path, 640, 480)
    assert caplog.text == ""


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

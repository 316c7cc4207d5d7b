# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Point clouds to messages and back."""

import numpy as np
import pytest
from sensor_msgs.msg import PointField
from sensor_msgs_py import point_cloud2
from std_msgs.msg import Header


def points_with_a_hole() -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    points[2, 1] = np.nan
    return points


def test_xyz_cloud_has_the_usual_layout():
    cloud = point_cloud2.create_cloud_xyz32(Header(frame_id="camera"), points_with_a_hole())
    assert (cloud.height, cloud.width, cloud.point_step, cloud.row_step) == (1, 6, 12, 72)
    assert [(f.name, f.offset, f.datatype) for f in cloud.fields] == [
        ("x", 0, PointField.FLOAT32),
        ("y", 4, PointField.FLOAT32),
        ("z", 8, PointField.FLOAT32),
    ]
    assert cloud.header.frame_id == "camera"
    assert bytes(cloud.data) == points_with_a_hole().tobytes()


def test_reads_back_what_was_written():
    points = points_with_a_hole()
    cloud = point_cloud2.create_cloud_xyz32(Header(), points)
    np.testing.assert_array_equal(point_cloud2.read_points_numpy(cloud), points)
    structured = point_cloud2.read_points(cloud, field_names=["z", "x"])
    np.testing.assert_array_equal(structured["x"], points[:, 0])
    assert set(structured.dtype.names) == {"x", "z"}


def test_skips_points_with_nan_and_takes_chosen_ones():
    points = points_with_a_hole()
    cloud = point_cloud2.create_cloud_xyz32(Header(), points)
    whole = np.delete(points, 2, axis=0)
    np.testing.assert_array_equal(point_cloud2.read_points_numpy(cloud, skip_nans=True), whole)
    chosen = point_cloud2.read_points_numpy(cloud, uvs=np.array([4, 0]))
    np.testing.assert_array_equal(chosen, points[[4, 0]])


def test_mixed_fields_and_organised_clouds():
    fields = [
        PointField(name="x", offset=0, datatype=PointField.FLOAT32, count=1),
        PointField(name="label", offset=8, datatype=PointField.UINT16, count=1),
    ]
    kind = point_cloud2.dtype_from_fields(fields, point_step=12)
    assert kind.itemsize == 12
    points = np.zeros((2, 3), dtype=kind)
    points["x"] = np.arange(6).reshape(2, 3) / 2
    points["label"] = np.arange(6).reshape(2, 3) + 60000
    cloud = point_cloud2.create_cloud(Header(), fields, points, point_step=12)
    assert (cloud.height, cloud.width, cloud.row_step) == (2, 3, 36)
    read = point_cloud2.read_points(cloud, reshape_organized_cloud=True)
    assert read.shape == (2, 3)
    np.testing.assert_array_equal(read["label"], points["label"])
    assert point_cloud2.read_points_list(cloud)[5] == (2.5, 60005)
    with pytest.raises(AssertionError):
        point_cloud2.read_points_numpy(cloud)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Numpy arrays from and to sensor_msgs/PointCloud2, with the real package's signatures."""

import array
import sys
from collections import namedtuple
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.lib.recfunctions import structured_to_unstructured, unstructured_to_structured
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

__all__ = [
    "create_cloud",
    "create_cloud_xyz32",
    "dtype_from_fields",
    "read_points",
    "read_points_list",
    "read_points_numpy",
]

_TYPES = {
    PointField.INT8: np.int8,
    PointField.UINT8: np.uint8,
    PointField.INT16: np.int16,
    PointField.UINT16: np.uint16,
    PointField.INT32: np.int32,
    PointField.UINT32: np.uint32,
    PointField.FLOAT32: np.float32,
    PointField.FLOAT64: np.float64,
}


def dtype_from_fields(fields: Iterable[PointField], point_step: int | None = None) -> np.dtype:
    """Return the structured type of one point; a field with a count becomes that many columns."""
    names, formats, offsets = [], [], []
    for index, item in enumerate(fields):
        kind = np.dtype(_TYPES[item.datatype])
        name = item.name or f"unnamed_field_{index}"
        assert item.count > 0, f"field {name} has count 0"
        for column in range(item.count):
            names.append(f"{name}_{column}" if item.count > 1 else name)
            formats.append(kind)
            offsets.append(item.offset + column * kind.itemsize)
    assert len(set(names)) == len(names), "field names must differ"
    layout = {"names": names, "formats": formats, "offsets": offsets}
    if point_step is not None:
        layout["itemsize"] = point_step
    return np.dtype(layout)


def read_points(
    cloud: PointCloud2,
    field_names: list[str] | None = None,
    skip_nans: bool = False,
    uvs: Iterable | None = None,
    reshape_organized_cloud: bool = False,
) -> np.ndarray:
    """Return the points as a structured array (N,), or (height, width) if reshaping is asked for.

    Args:
        cloud: the message.
        field_names: the fields wanted; all by default.
        skip_nans: leave out points with a NaN in a wanted field.
        uvs: (column, row) pairs, or indices into the flat cloud, of the points wanted.
        reshape_organized_cloud: keep the rows of an organised cloud; not with the two above.
    """
    assert isinstance(cloud, PointCloud2), "cloud is not a sensor_msgs.msg.PointCloud2"
    kind = dtype_from_fields(cloud.fields, point_step=cloud.point_step)
    rows = np.frombuffer(cloud.data, dtype=np.uint8)[: cloud.row_step * cloud.height]
    rows = rows.reshape(cloud.height, cloud.row_step)[:, : cloud.width * cloud.point_step]
    points = np.ascontiguousarray(rows).reshape(-1).view(kind)
    if bool(cloud.is_bigendian) != (sys.byteorder == "big"):
        points = points.byteswap()
    if field_names is not None:
        unknown = set(field_names) - set(kind.names or ())
        assert not unknown, f"the cloud has no field called {', '.join(sorted(unknown))}"
        points = points[list(field_names)]
    if skip_nans and not cloud.is_dense:
        keep = np.ones(len(points), dtype=bool)
        for name in points.dtype.names or ():
            keep &= ~np.isnan(points[name])
        points = points[keep]
    if uvs is not None:
        wanted = np.asarray(uvs if isinstance(uvs, np.ndarray) else list(uvs))
        points = points[wanted if wanted.ndim == 1 else wanted[:, 1] * cloud.width + wanted[:, 0]]
    if reshape_organized_cloud and cloud.height > 1:
        points = points.reshape(cloud.height, cloud.width)
    return points


def read_points_numpy(
    cloud: PointCloud2,
    field_names: list[str] | None = None,
    skip_nans: bool = False,
    uvs: Iterable | None = None,
    reshape_organized_cloud: bool = False,
) -> np.ndarray:
    """Return the points as a plain array (N, number of fields), whose fields share one type."""
    wanted = [f for f in cloud.fields if field_names is None or f.name in field_names]
    assert len({f.datatype for f in wanted}) <= 1, "all fields must have the same type"
    points = read_points(cloud, field_names, skip_nans, uvs, reshape_organized_cloud)
    return structured_to_unstructured(points)


def read_points_list(
    cloud: PointCloud2,
    field_names: list[str] | None = None,
    skip_nans: bool = False,
    uvs: Iterable | None = None,
) -> list[NamedTuple]:
    """Return the points as named tuples."""
    points = read_points(cloud, field_names, skip_nans, uvs)
    point = namedtuple("Point", points.dtype.names or ())
    return [point._make(row) for row in points.tolist()]


def create_cloud(
    header: Header,
    fields: Iterable[PointField],
    points: Iterable,
    point_step: int | None = None,
) -> PointCloud2:
    """Return a cloud of points (N, number of fields), structured points (N,), or either by rows."""
    fields = list(fields)
    kind = dtype_from_fields(fields, point_step)
    data = points if isinstance(points, np.ndarray) else np.array(list(map(tuple, points)), kind)
    if data.dtype.names is None:
        assert len({f.datatype for f in fields}) == 1, "a plain array needs fields of one type"
        data = unstructured_to_structured(data.astype(_TYPES[fields[0].datatype]), dtype=kind)
    assert data.dtype == kind, f"points are {data.dtype}, the fields say {kind}"
    assert data.ndim <= 2, f"points have {data.ndim} dimensions, expected 1 or 2"
    height, width = data.shape if data.ndim == 2 else (1, data.shape[0])
    return PointCloud2(
        header=header,
        height=height,
        width=width,
        fields=fields,
        is_bigendian=sys.byteorder == "big",
        point_step=kind.itemsize,
        row_step=kind.itemsize * width,
        is_dense=False,
        data=array.array("B", np.ascontiguousarray(data).tobytes()),
    )


def create_cloud_xyz32(header: Header, points: Iterable) -> PointCloud2:
    """Return a cloud of points (N, 3) as float32 x, y, z in metres."""
    fields = [
        PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
        for index, name in enumerate("xyz")
    ]
    return create_cloud(header, fields, points)

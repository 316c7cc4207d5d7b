# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Readers of recorded frames and camera files."""

from genpose_ros.datasets.camera_files import CameraFile, read_camera, read_camera_file
from genpose_ros.datasets.extrinsics import read_extrinsics
from genpose_ros.datasets.frame_folders import (
    RecordedFrame,
    RecordedInstance,
    Truth,
    find_frames,
    load_frame,
)
from genpose_ros.datasets.images import read_color, read_depth_m, read_labels
from genpose_ros.datasets.nocs import (
    NocsDetection,
    NocsFrame,
    find_nocs_frames,
    has_detections,
    has_list,
    load_nocs_frame,
)
from genpose_ros.datasets.nocs_truth import MugOrigin, NocsObject, PoseSource
from genpose_ros.datasets.single import read_classes, read_frame

__all__ = [
    "CameraFile",
    "MugOrigin",
    "NocsDetection",
    "NocsFrame",
    "NocsObject",
    "PoseSource",
    "RecordedFrame",
    "RecordedInstance",
    "Truth",
    "find_frames",
    "find_nocs_frames",
    "has_detections",
    "has_list",
    "load_frame",
    "load_nocs_frame",
    "read_camera",
    "read_camera_file",
    "read_classes",
    "read_color",
    "read_depth_m",
    "read_extrinsics",
    "read_frame",
    "read_labels",
]

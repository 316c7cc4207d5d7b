# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Stands in for the real sensor_msgs_py, which is not on PyPI; see `point_cloud2`."""

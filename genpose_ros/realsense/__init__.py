# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""RealSense cameras and their recordings, by librealsense's Python module; knows nothing of ROS."""

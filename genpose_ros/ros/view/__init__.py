# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""View of what the node publishes: of bags and kept frames without ROS, and live from topics."""

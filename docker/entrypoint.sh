#!/usr/bin/env bash
# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

# Run a command with ROS 2 and this workspace set up.
set -e
source /ws/install/setup.bash
exec "$@"

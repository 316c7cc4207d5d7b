#!/usr/bin/env bash
# Run a command with ROS 2 and this workspace set up.
set -e
source /ws/install/setup.bash
exec "$@"

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Nodes between poses and an arm: task frames, MoveIt's planning scene. They move nothing."""

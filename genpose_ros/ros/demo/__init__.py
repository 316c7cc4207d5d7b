# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Demos of the node: a simulated camera, sessions that run it with the node, and their reports."""

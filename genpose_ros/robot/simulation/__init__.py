# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Simulated xArm6 with a depth camera on its flange, and tasks that geometry judges."""

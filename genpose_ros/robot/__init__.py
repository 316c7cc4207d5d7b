# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What an arm does with poses: grasp and task frames, reachability, hand-eye calibration."""

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Repetition of recorded messages without ROS: bags, and frames that the node kept.

Of ROS nothing is imported, though the adapters are the node's: messages are read by their fields.
"""

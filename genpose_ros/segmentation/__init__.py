# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Segmentation of colour images into the objects whose poses are estimated."""

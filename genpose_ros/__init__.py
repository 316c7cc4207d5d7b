# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Category-level 6D object poses from depth, after GenPose (NeurIPS 2023)."""

from pkgutil import extend_path

# The generated messages (genpose_ros.msg) may be installed in another folder than this code.
__path__ = extend_path(__path__, __name__)

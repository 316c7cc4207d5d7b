# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""View of frames and their objects in a browser: what is shown, the scene, the page's panels."""

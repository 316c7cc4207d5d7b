# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Categories of one's own: from a folder of meshes to weights."""

from genpose_ros.own_categories.folder import (
    CategoryFolder,
    read_category_folder,
    read_category_folders,
)

__all__ = ["CategoryFolder", "read_category_folder", "read_category_folders"]

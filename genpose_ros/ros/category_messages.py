# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Builders of the messages about the categories that the node's models know."""

from collections.abc import Mapping

import numpy as np
import torch
from geometry_msgs.msg import Quaternion
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo, VisionClass, VisionInfo

from genpose_ros.geometry.categories import CATEGORIES, Category, CategorySet
from genpose_ros.geometry.rotations import quat_wxyz_from_rotation
from genpose_ros.geometry.symmetry_groups import Symmetry
from genpose_ros.msg import CategoryArray, CategoryInfo
from genpose_ros.ros.model_loader import CheckpointFile
from genpose_ros.ros.published import class_id

__all__ = ["category_array", "label_info", "vision_info"]


def category_array(
    categories: CategorySet, checkpoints: Mapping[str, CheckpointFile], header: Header
) -> CategoryArray:
    """Return the categories, each with the checkpoint that estimates it.

    Args:
        categories: of all models.
        checkpoints: by the category's name; empty where it is not known.
        header: its stamp is when the models were loaded.
    """
    return CategoryArray(
        header=header,
        categories=[_category(c, checkpoints.get(c.name, CheckpointFile())) for c in categories],
    )


def label_info(message: CategoryArray) -> LabelInfo:
    """Return numbers and names of the classes, for programs that know vision_msgs alone.

    The numbers are those of `class_id` in the categories, and of others those that follow.
    """
    others = iter(range(len(CATEGORIES) + 1, len(CATEGORIES) + 1 + len(message.categories)))
    classes = [
        VisionClass(class_id=info.class_id or next(others), class_name=info.name)
        for info in message.categories
    ]
    return LabelInfo(header=message.header, class_map=classes)


def vision_info(header: Header, topic: str) -> VisionInfo:
    """Return where the classes of the detections are described: on a topic with `label_info`."""
    return VisionInfo(header=header, method="GenPose", database_location=topic)


def _category(category: Category, checkpoint: CheckpointFile) -> CategoryInfo:
    hidden = category.symmetry_hidden
    smallest_m, largest_m = category.size_m
    return CategoryInfo(
        name=category.name,
        aliases=list(category.aliases),
        class_id=class_id(category.name),
        free_axis=category.symmetry.free_axis,
        rotations=_quaternions(category.symmetry.rotations),
        symmetry=_words(category.symmetry),
        symmetry_hidden="" if hidden is None else _words(hidden),
        mirror=category.mirror,
        size_min=float(smallest_m),
        size_max=float(largest_m),
        weights=checkpoint.name,
        weights_sha256=checkpoint.sha256,
    )


def _words(symmetry: Symmetry) -> str:
    return "{" + ", ".join(f"{axis}: {word}" for axis, word in symmetry.words.items()) + "}"


def _quaternions(rotations: np.ndarray) -> list[Quaternion]:
    quat_xyzw = np.roll(quat_wxyz_from_rotation(torch.from_numpy(rotations)).numpy(), -1, axis=-1)
    return [Quaternion(x=x, y=y, z=z, w=w) for x, y, z, w in quat_xyzw.tolist()]

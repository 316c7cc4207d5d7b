# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""NOCS categories: names, class ids and which are axisymmetric."""

__all__ = ["CATEGORIES", "SYMMETRIC_ABOUT_Y", "category_id", "category_name"]

#: Category names in the order of the NOCS class ids, which start at 1.
CATEGORIES: tuple[str, ...] = ("bottle", "bowl", "camera", "can", "laptop", "mug")

#: Axisymmetric categories: their yaw, the rotation about the object's y axis (up), is unobservable.
SYMMETRIC_ABOUT_Y: frozenset[str] = frozenset({"bottle", "bowl", "can"})


def category_id(name: str) -> int:
    """Return the NOCS class id (1 to 6) of a category name.

    Raises:
        ValueError: the name is none of the six categories.

    Example:
        >>> category_id("mug")
        6
    """
    if name not in CATEGORIES:
        raise ValueError(f"unknown category {name!r}; expected one of {', '.join(CATEGORIES)}")
    return CATEGORIES.index(name) + 1


def category_name(class_id: int) -> str:
    """Return the category name of a NOCS class id (1 to 6).

    Raises:
        ValueError: the id is outside 1 to 6.

    Example:
        >>> category_name(1)
        'bottle'
    """
    if not 1 <= class_id <= len(CATEGORIES):
        raise ValueError(f"unknown class id {class_id}; expected 1 to {len(CATEGORIES)}")
    return CATEGORIES[class_id - 1]

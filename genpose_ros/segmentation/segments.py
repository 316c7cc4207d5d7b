# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Segmented objects of a colour image, and the label image that they make."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Segment", "label_image_of"]

#: Values of an 8-bit label image that are objects.
_MOST = 254


@dataclass(frozen=True)
class Segment:
    """Object in a colour image.

    Attributes:
        category: of the pose estimator, or the segmenter's own word where it is none of them.
        class_name: the segmenter's word.
        score: 0 to 1.
        mask: (H, W) bool.
        box_px: (4,) x1, y1, x2, y2.
    """

    category: str
    class_name: str
    score: float
    mask: np.ndarray
    box_px: np.ndarray


def label_image_of(
    segments: Sequence[Segment], shape: tuple[int, int]
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return a label image (H, W) uint8 and the number of each segment in it.

    Where masks overlap, the pixels are those of the higher score. A segment that others cover whole
    has a number but no pixel.

    Args:
        segments: at most 254.
        shape: (H, W) of the image.

    Raises:
        ValueError: there are more.

    Example:
        >>> left, all_of_it = np.array([[True, False]]), np.ones((1, 2), bool)
        >>> make = lambda score, mask: Segment("mug", "cup", score, mask, np.zeros(4))
        >>> label_image_of([make(0.9, left), make(0.5, all_of_it)], (1, 2))[0].tolist()
        [[1, 2]]
    """
    if len(segments) > _MOST:
        raise ValueError(f"a label image of 8 bits holds {_MOST} objects, got {len(segments)}")
    labels = np.zeros(shape, dtype=np.uint8)
    for index in sorted(range(len(segments)), key=lambda i: segments[i].score):
        labels[segments[index].mask] = index + 1
    return labels, tuple(range(1, len(segments) + 1))

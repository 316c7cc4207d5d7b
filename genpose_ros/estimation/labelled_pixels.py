# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pixels of all masks of a frame, sorted by mask: what one pass over the label image gives."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["LabelledPixels", "disjoint_masks", "label_image"]

#: Fewer masks than this are looked at one by one as fast.
_FEWEST = 3


def label_image(masks: Sequence[np.ndarray]) -> np.ndarray | None:
    """Return the label image (H, W) of masks, 1 for the first; None: they overlap.

    Args:
        masks: (H, W) bool each, one or more, of one size.

    Example:
        >>> masks = np.array([[[True, False, False]], [[False, False, True]]])
        >>> label_image(masks).tolist()
        [[1, 0, 2]]
    """
    dtype = np.uint8 if len(masks) < 256 else np.uint16
    labels, own = np.zeros(masks[0].shape, dtype=dtype), np.empty(masks[0].shape, dtype=dtype)
    for number, mask in enumerate(masks, 1):
        np.multiply(mask.view(np.uint8), dtype(number), out=own)
        np.maximum(labels, own, out=labels)
    whole = sum(int(np.count_nonzero(mask)) for mask in masks)
    return labels if whole == np.count_nonzero(labels) else None


def disjoint_masks(masks: Sequence[np.ndarray]) -> list[tuple[list[int], np.ndarray]]:
    """Return masks as label images, each of masks that do not overlap: their indices, and it.

    Masks that overlap go into another image; images of fewer than three are left out.

    Args:
        masks: (H, W) bool each, of one size.

    Example:
        >>> left, right = np.array([[True, False]]), np.array([[False, True]])
        >>> [indices for indices, _ in disjoint_masks([left, right, left, right | left])]
        []
        >>> [indices for indices, _ in disjoint_masks([left, left, right, ~left & ~right])]
        [[0, 2, 3]]
    """
    left, found = list(range(len(masks))), []
    whole = label_image(masks) if len(masks) >= _FEWEST else None
    if whole is not None:
        return [(left, whole)]
    while len(left) >= _FEWEST:
        covered, taken, rest = np.zeros_like(masks[0]), [], []
        for index in left:
            if np.logical_and(covered, masks[index]).any():
                rest.append(index)
            else:
                covered |= masks[index]
                taken.append(index)
        labels = label_image([masks[index] for index in taken])
        if len(taken) >= _FEWEST and labels is not None:
            found.append((taken, labels))
        left = rest
    return found


@dataclass(frozen=True)
class LabelledPixels:
    """Pixels of the objects in a label image, object after object, row by row in each.

    Attributes:
        labels: (H, W) unsigned, 1 to B on the objects and 0 elsewhere.
        index: (P,) numbers of the pixels, row by row from the upper left one.
        starts: (B + 1,) where each object's begin in `index`, and its length.

    Example:
        >>> pixels = LabelledPixels.of(np.array([[2, 0, 1], [2, 1, 1]], dtype=np.uint8), 2)
        >>> pixels.index.tolist(), pixels.starts.tolist()
        ([2, 4, 5, 0, 3], [0, 3, 5])
    """

    labels: np.ndarray
    index: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, count: int) -> "LabelledPixels":
        """Return the pixels of a label image of `count` objects."""
        row_by_row = np.flatnonzero(labels != 0)
        numbers = labels.ravel()[row_by_row]
        order = np.argsort(numbers, kind="stable")  # by counting, as numbers are small
        counts = np.bincount(numbers, minlength=count + 1)[1:]
        return cls(labels, row_by_row[order], np.concatenate(([0], counts.cumsum())))

    @property
    def counts(self) -> np.ndarray:
        """Pixels (B,) of each object."""
        return np.diff(self.starts)

    def eroded(self, width_px: int) -> np.ndarray:
        """Return which pixels (P,) are left of every mask without its border, see `erode_mask`."""
        image = np.ones(self.labels.shape, dtype=bool)
        for step in range(width_px):
            # One pixel in, masks no longer touch: their neighbours are then in or out.
            image = _alike(self.labels) if step == 0 else _alike(image) & image
        kept: np.ndarray = image.ravel()[self.index]
        return kept

    def are_whole(self) -> np.ndarray:
        """Return which masks (B,) are certain to be one connected part; diagonal ones connect.

        In a mask with a single run of pixels that none lies above, every run leads up to that one.
        Shapes with two tops, such as a laptop seen from a corner, are not told from two parts.
        """
        firsts, lasts, owners = self._runs
        height, width = self.labels.shape
        # Numbers that grow with object, row and column, with gaps between rows and objects.
        rows, columns = np.divmod(firsts, width)
        line = (owners * (height + 1) + rows) * (width + 2) + 1
        begin, end = line + columns, line + columns + lasts - firsts
        above = width + 2
        low = np.searchsorted(end, begin - above - 1, side="left")
        high = np.searchsorted(begin, end - above + 1, side="right")
        tops = np.bincount(owners[high <= low], minlength=len(self.starts) - 1)
        whole: np.ndarray = tops < 2
        return whole

    @property
    def _runs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First and last pixels of the runs along rows, and the objects (from 0) they are of."""
        index, width = self.index, self.labels.shape[1]
        begins = np.ones(len(index), dtype=bool)
        begins[1:] = (np.diff(index) != 1) | (index[1:] % width == 0)
        begins[self.starts[:-1][self.counts > 0]] = True
        at = np.flatnonzero(begins)
        lasts = index[np.append(at[1:], len(index)) - 1] if len(at) else index[:0]
        owners = np.searchsorted(self.starts, at, side="right") - 1
        return index[at], lasts, owners


def _alike(image: np.ndarray) -> np.ndarray:
    """Where an image (H, W) is the same in the square of 3 x 3 pixels around, as far as it goes."""
    across = np.ones(image.shape, dtype=bool)
    same = image[:, 1:] == image[:, :-1]
    across[:, 1:] &= same
    across[:, :-1] &= same
    alike = across.copy()
    # Rows that are each alike, and alike in their middle.
    same = (image[1:] == image[:-1]) & across[1:] & across[:-1]
    alike[1:] &= same
    alike[:-1] &= same
    return alike

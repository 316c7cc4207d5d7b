# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Label images: which values are objects, binary masks with a soft edge, other resolutions."""

from dataclasses import dataclass

import numpy as np

from genpose_ros.geometry.clouds import erode_mask

__all__ = [
    "BACKGROUNDS",
    "LabelImage",
    "check_aspect",
    "nearest_pixels",
    "read_label_image",
    "scaled_labels",
]

#: Values that a label image can have where there is no object.
BACKGROUNDS = (0, -1, 255)
#: With 0 as background, these are no objects either: what segmenters write where they do not know.
_UNLABELLED = (0, 255, 65535)
#: What is black or white but for compression: values up to the one and from the other on.
_BLACK, _WHITE = 16, 239
#: Grey levels that a soft edge has at least, and levels just below 255 that compression leaves.
_GREYS, _PALE = 4, 3
#: The edge of a small object has more pixels than its inside; so many times as many at most.
_EDGE = 3.0
#: Of an edge this share goes when so many pixels are taken off it.
_THIN_PX, _THIN = 3, 0.95
#: A binary mask with more of its pixels and of its border at 255 shows a background.
_MOST, _BORDER = 0.5, 0.9
#: Aspects that differ more, relatively, are not equal, whatever rounding may explain.
_ASPECT = 0.02


@dataclass(frozen=True)
class LabelImage:
    """Label image with the values that are objects.

    Attributes:
        labels: (H, W) integers.
        values: (N,) of the objects, ascending.
        counts: (N,) pixels of each object.
        doubt: what a user should be told, as a sentence; empty: nothing.
    """

    labels: np.ndarray
    values: np.ndarray
    counts: np.ndarray
    doubt: str = ""


def read_label_image(labels: np.ndarray, background: int = 0) -> LabelImage:
    """Return a label image with the values of its objects.

    Every value other than the background is an object, but negative ones, and with the background
    0 also 255 and 65535, which mean 'not known'. An 8-bit image of 0 and 255 alone is the mask of
    one object, whose value is 255; with a soft edge, as resizing and JPEG make it, its pixels are
    those of 128 and more.

    Args:
        labels: (H, W) integers or booleans.
        background: of `BACKGROUNDS`; -1 is also the largest value of unsigned images.

    Raises:
        ValueError: 255 is the object by these rules and covers most of the image and its border.

    Example:
        >>> labels = np.array([[0, 0, 7], [0, 7, 7]], dtype=np.uint8)
        >>> read_label_image(labels).values.tolist()
        [7]
        >>> soft = np.full((40, 40), 255, dtype=np.uint8)
        >>> soft[:10], soft[10], soft[11], soft[12], soft[13] = 0, 50, 100, 150, 200
        >>> read_label_image(soft).counts.tolist()  # 28 of 40 rows
        [1120]
    """
    if labels.dtype == bool:
        labels = labels.astype(np.uint8)
    values, counts = _counted(labels)
    if background == 0 and labels.dtype.itemsize == 1:
        found = _binary(labels, values, counts)
        if found is not None:
            return found
    objects = (values >= 0) & ~np.isin(values, _background_values(background, labels.dtype))
    return LabelImage(labels, values[objects], counts[objects], _doubt(values, counts, background))


def check_aspect(source: tuple[int, ...], target: tuple[int, ...]) -> str:
    """Return why masks cannot be scaled to the depth image, as a sentence; empty: they can.

    The aspects have to be equal, but for a side that was rounded to whole pixels.

    Args:
        source: (h, w) of the masks.
        target: (H, W) of the depth image.

    Example:
        >>> check_aspect((240, 427), (480, 854)), check_aspect((240, 426), (360, 640))
        ('', '')
        >>> check_aspect((48, 65), (48, 64))[:51]
        'masks are 65 x 48 pixels and depth is 64 x 48 (widt'
    """
    (h, w), (height, width) = source[:2], target[:2]
    if min(h, w, height, width) > 0:
        lowest = max((w - 1) / width, (h - 1) / height)
        highest = min((w + 1) / width, (h + 1) / height)
        one_side = (w == width) != (h == height)
        alike = abs(w * height / (h * width) - 1) <= _ASPECT
        if w * height == h * width or (lowest < highest and alike and not one_side):
            return ""
    return (
        f"masks are {w} x {h} pixels and depth is {width} x {height} (width x height); only an "
        "equal aspect can be scaled: are both images of one camera, uncropped?"
    )


def scaled_labels(labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a label image at another size, each pixel the nearest one; its own size: itself.

    Args:
        labels: (h, w).
        shape: (H, W), of the same aspect.
    """
    if labels.shape == shape:
        return labels
    rows, columns = (nearest_pixels(labels.shape[i], shape[i]) for i in (0, 1))
    scaled: np.ndarray = labels[np.ix_(rows, columns)]
    return scaled


def nearest_pixels(source: int, target: int) -> np.ndarray:
    """For each of `target` pixels along a side, the index of the nearest of `source` pixels.

    Example:
        >>> nearest_pixels(2, 6).tolist(), nearest_pixels(6, 2).tolist()
        ([0, 0, 0, 1, 1, 1], [1, 4])
    """
    return (2 * np.arange(target, dtype=np.int64) + 1) * source // (2 * target)


def _background_values(background: int, dtype: np.dtype) -> tuple[int, ...]:
    if background == 0:
        return _UNLABELLED
    if background == -1 and dtype.kind == "u":
        return (int(np.iinfo(dtype).max),)
    return (background,)


def _counted(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values of a label image in ascending order, and how many pixels have each."""
    if labels.dtype != np.uint8:
        return np.unique(labels, return_counts=True)
    counts = _byte_counts(labels.ravel())
    values = np.flatnonzero(counts)
    return values.astype(labels.dtype), counts[values]


def _byte_counts(pixels: np.ndarray) -> np.ndarray:
    """How many of bytes (N,) have each value, (256,).

    Within a label image neighbours are alike: eight of one value are counted as one.
    """
    words = pixels[: len(pixels) // 8 * 8].view(np.uint64)
    first = words & np.uint64(0xFF)
    alike = words == first * np.uint64(0x0101010101010101)
    mixed = np.concatenate((words[~alike].view(np.uint8), pixels[8 * len(words) :]))
    counts = 8 * np.bincount(first[alike].astype(np.intp), minlength=256)
    result: np.ndarray = counts + np.bincount(mixed, minlength=256)
    return result


def _binary(labels: np.ndarray, values: np.ndarray, counts: np.ndarray) -> LabelImage | None:
    """The one object of a mask of 0 and 255, with or without a soft edge; None: it is no mask."""
    if not len(values) or values[-1] < _WHITE or labels.dtype != np.uint8:
        return None
    soft = not set(values.tolist()) <= {0, 255}
    if soft and not _soft_edge(labels, values, counts):
        return None
    mask = labels >= 128
    share = float(mask.mean())
    edges = np.concatenate((mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    if share > _MOST and edges.mean() > _BORDER and share < 1:
        raise ValueError(
            f"255 covers {share:.0%} of the mask and most of its border: where it is the "
            "background, set it to 255 (segmentation.background, --background)"
        )
    return LabelImage(
        np.where(mask, np.uint8(255), np.uint8(0)),
        np.array([255], dtype=np.uint8)[: int(mask.any())],
        np.array([np.count_nonzero(mask)])[: int(mask.any())],
    )


def _soft_edge(labels: np.ndarray, values: np.ndarray, counts: np.ndarray) -> bool:
    """Whether a mask of 0 and 255 was resized or compressed: what lies between is a thin edge."""
    grey = (values > _BLACK) & (values < _WHITE)
    pale = (values >= _WHITE) & (values < 255)
    if np.count_nonzero(grey) < _GREYS and np.count_nonzero(pale) < _PALE:
        return False
    if int(counts[grey].sum()) > _EDGE * int(counts[values >= _WHITE].sum()):
        return False
    pixels = (labels > _BLACK) & (labels < _WHITE)
    left = np.count_nonzero(erode_mask(pixels, _THIN_PX))
    return bool(left <= (1 - _THIN) * np.count_nonzero(pixels))


def _doubt(values: np.ndarray, counts: np.ndarray, background: int) -> str:
    """A sentence where the background may be another one than is set."""
    if background != 0 or 0 not in values:
        return ""
    share = counts / counts.sum()
    negative = bool((values < 0).any())
    if not negative and float(share[values == 255].sum()) <= _MOST:
        return ""
    found = "negative values" if negative else "255 in most of its pixels"
    return (
        f"the label image has {found}, and 0 is taken as background too: where 0 is an object, "
        f"set the background to {-1 if negative else 255} (segmentation.background, --background)"
    )

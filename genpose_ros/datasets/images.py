# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Image files as arrays: depth in metres, labels, colour."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from genpose_ros.files import check_file

__all__ = ["is_coloured", "read_color", "read_depth_m", "read_labels"]

#: Formats that are read; of the others that Pillow knows, one starts programs.
_FORMATS = ("PNG", "TIFF", "JPEG", "BMP", "PPM")
_MAX_PIXELS, _MAX_BYTES = 2**26, 2**29


def read_depth_m(path: Path, unit_m: float = 0.001) -> np.ndarray:
    """Return a depth image (H, W) float32, metres; 0 where there is no measurement.

    Args:
        path: a one-channel image of 64 million pixels at most (PNG, TIFF, JPEG, BMP or PPM),
            integers in `unit_m` or float metres; or an .npy file.
        unit_m: metres per count of integer images.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an image, damaged, not of one channel, or a unit that is not positive.
    """
    if not 0 < unit_m < math.inf:
        raise ValueError(f"the depth unit must be above 0 m per count, got {unit_m:g}")
    values = _read(path)
    if values.ndim != 2 or values.dtype.kind not in "iuf":
        raise ValueError(
            f"{path}: a depth image has one channel of numbers, "
            f"this is {values.dtype} of shape {values.shape}"
        )
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    return (values * unit_m).astype(np.float32)


def read_labels(path: Path) -> np.ndarray:
    """Return a label image (H, W) int32: 0 is background, every other value one instance.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an image, damaged, or not of one channel of integers.
    """
    values = _read(path)
    if values.dtype == bool:
        values = values.astype(np.int32)
    if values.ndim != 2 or values.dtype.kind not in "iu":
        raise ValueError(
            f"{path}: a label image has one channel of integers, "
            f"this is {values.dtype} of shape {values.shape}"
        )
    return values.astype(np.int32)


def read_color(path: Path) -> np.ndarray:
    """Return a colour image (H, W, 3) uint8, RGB.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an image, or damaged.
    """
    with _opened(path) as image:
        return np.asarray(image.convert("RGB"))


def is_coloured(path: Path) -> bool:
    """Return whether an image file has the channels red, green and blue.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an image, or damaged.
    """
    with _opened(path) as image:
        return image.mode in ("RGB", "RGBA")


def _read(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return _load_npy(path)
    with _opened(path) as image:
        # A palette's indices are the labels; Pillow gives them as they are.
        return np.asarray(image)


def _load_npy(path: Path) -> np.ndarray:
    try:
        # Mapped, a file that claims more than it holds is refused before memory is asked for.
        with np.errstate(over="ignore"):
            content = np.load(check_file(path, _MAX_BYTES), mmap_mode="r", allow_pickle=False)
        if isinstance(content, np.ndarray):
            return np.array(content)
    except OSError:
        raise
    except Exception as error:  # a damaged header can raise anything
        raise ValueError(f"{path} is not an array of numbers, or damaged: {error}") from error
    raise ValueError(f"{path} holds several arrays, expected one")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image file; errors name it."""
    with check_file(path, _MAX_BYTES).open("rb") as stream:
        try:
            with warnings.catch_warnings():
                # Its limit is beyond the one below.
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                image = Image.open(stream, formats=_FORMATS)
            with image:
                if image.width * image.height > _MAX_PIXELS:
                    raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
                yield image
        except UnidentifiedImageError as error:
            known = ", ".join(_FORMATS)
            raise ValueError(f"{path} is not an image; those of {known} are read") from error
        except Image.DecompressionBombError as error:
            raise ValueError(f"{path} is too large: {error}") from error
        except Exception as error:  # Pillow's readers raise anything
            raise ValueError(f"{path} is damaged: {error}") from error

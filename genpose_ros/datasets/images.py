"""Image files as arrays: depth in metres, labels, colour."""

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

__all__ = ["read_color", "read_depth_m", "read_labels"]


def read_depth_m(path: Path, unit_m: float = 0.001) -> np.ndarray:
    """Return a depth image (H, W) float32, metres; 0 where there is no measurement.

    Args:
        path: a one-channel PNG or TIFF, integers in `unit_m` or float metres; or an .npy file.
        unit_m: metres per count of integer images.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an image, or not of one channel.
    """
    values = _read(path)
    if values.ndim != 2:
        raise ValueError(f"{path}: a depth image has one channel, this has shape {values.shape}")
    if np.issubdtype(values.dtype, np.floating):
        return values.astype(np.float32)
    return (values * unit_m).astype(np.float32)


def read_labels(path: Path) -> np.ndarray:
    """Return a label image (H, W) int32: 0 is background, every other value one instance.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an image, or not of one channel of integers.
    """
    values = _read(path)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.integer):
        raise ValueError(
            f"{path}: a label image has one channel of integers, "
            f"this is {values.dtype} of shape {values.shape}"
        )
    return values.astype(np.int32)


def read_color(path: Path) -> np.ndarray:
    """Return a colour image (H, W, 3) uint8, RGB.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not an image.
    """
    with _open(path) as image:
        return np.asarray(image.convert("RGB"))


def _read(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        values: np.ndarray = np.load(path, allow_pickle=False)
    else:
        with _open(path) as image:
            # A palette's indices are the labels; Pillow gives them as they are.
            values = np.asarray(image)
    return values.astype(np.int32) if values.dtype == bool else values


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except UnidentifiedImageError as error:
        raise ValueError(f"{path} is not an image") from error

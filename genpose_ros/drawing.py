# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of estimates: axes, oriented boxes and labels over a colour or depth image."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.files import whole_file
from genpose_ros.geometry.boxes import BOX_CORNERS, BOX_EDGES
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import NOCS, Category, CategorySet
from genpose_ros.geometry.clouds import transform_points

__all__ = ["check_picture_name", "depth_picture", "draw_estimates", "save_picture"]

_AXIS_COLORS = ((235, 51, 51), (51, 204, 64), (51, 102, 255))
#: OpenCV's fixed-point fraction for lines between pixels.
_SHIFT = 4


def draw_estimates(
    image: np.ndarray,
    camera: PinholeCamera,
    estimates: Sequence[ObjectEstimate],
    labels: Sequence[str] | None = None,
    scale: int = 2,
    categories: CategorySet = NOCS,
) -> np.ndarray:
    """Return the image, enlarged, with box, axes (x red, y green, z blue) and label per object.

    Args:
        image: (H, W, 3) uint8, RGB.
        camera: of the image.
        estimates: objects to draw, in the camera's frame.
        labels: one text per estimate; None: class, id and score.
        scale: how much larger the picture is, so that lines and text stay fine.
        categories: whose colours are used; those of others follow from their names.

    Returns:
        (scale H, scale W, 3) uint8, RGB.

    Raises:
        ValueError: image and camera differ in size, or labels and estimates in number.
    """
    if image.shape != (camera.height, camera.width, 3):
        raise ValueError(f"expected an image of {camera.height} x {camera.width} x 3")
    if labels is None:
        labels = [f"{e.category} {e.instance_id}  {e.score:.2f}" for e in estimates]
    if len(labels) != len(estimates):
        raise ValueError(f"{len(labels)} labels for {len(estimates)} estimates")
    size = (scale * camera.width, scale * camera.height)
    canvas = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    # The farthest first, so that near objects are drawn over them.
    order = sorted(range(len(estimates)), key=lambda i: -estimates[i].T_cam_obj[2, 3])
    anchors = {}
    for i in order:
        color = _color(estimates[i].category, categories)
        anchors[i] = _draw_object(canvas, camera, estimates[i], color, scale)
    tags = [
        (labels[i], _color(estimates[i].category, categories), anchor)
        for i, anchor in sorted(anchors.items())
        if anchor is not None
    ]
    return _write_labels(canvas, tags)


def depth_picture(depth_m: np.ndarray) -> np.ndarray:
    """Return a depth image (H, W) in grey (H, W, 3) uint8; near is bright, holes are black."""
    valid = np.isfinite(depth_m) & (depth_m > 0)
    picture = np.zeros(depth_m.shape, dtype=np.uint8)
    if valid.any():
        near, far = np.percentile(depth_m[valid], (2, 98))
        place = np.clip((depth_m[valid] - near) / max(far - near, 1e-6), 0, 1)
        picture[valid] = (230 - 190 * place).astype(np.uint8)
    return np.repeat(picture[..., None], 3, axis=-1)


def check_picture_name(path: Path) -> None:
    """Check that a picture can be saved under this name.

    Raises:
        ValueError: the name's ending is no image format.
    """
    Image.init()
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise ValueError(f"{path}: a picture's name ends in .png, .jpg or another image format")


def save_picture(picture: np.ndarray, path: Path) -> None:
    """Write a picture (H, W, 3) uint8, RGB, creating its folder; the name's ending is the format.

    Raises:
        ValueError: the ending is no image format.
        OSError: it cannot be written.
    """
    check_picture_name(path)
    with whole_file(path) as partial:
        Image.fromarray(picture).save(partial)


def _color(name: str, categories: CategorySet) -> tuple[int, int, int]:
    known = categories.find(name)
    return Category(name=name).rgb if known is None else known.rgb


def _draw_object(
    canvas: np.ndarray,
    camera: PinholeCamera,
    estimate: ObjectEstimate,
    color: tuple[int, int, int],
    scale: int,
) -> tuple[float, float] | None:
    """Draw box and axes; return where the label's lower middle goes, None if out of the picture."""
    T, size_m = estimate.T_cam_obj, np.asarray(estimate.size_m)
    corners_cam = transform_points(T, BOX_CORNERS * size_m)
    pixels = _pixels(camera, corners_cam, scale)
    farthest = int(np.argmax(corners_cam[:, 2]))
    # Hidden edges, those at the farthest corner, are drawn thin.
    for a, b in sorted(BOX_EDGES.tolist(), key=lambda edge: farthest not in edge):
        width = 1 if farthest in (a, b) else max(1, scale)
        _line(canvas, pixels[a], pixels[b], color, width)
    # To the faces of the box, but never too short to be seen.
    lengths = 0.5 * np.maximum(size_m, 0.5 * size_m.max())
    axes_cam = np.vstack((T[:3, 3], T[:3, 3] + lengths[:, None] * T[:3, :3].T))
    origin, *tips = _pixels(camera, axes_cam, scale)
    for tip, axis_color in zip(tips, _AXIS_COLORS, strict=True):
        _line(canvas, origin, tip, (255, 255, 255), scale + 3)
        _line(canvas, origin, tip, axis_color, scale + 1)
    if not np.isfinite(pixels).all():
        return None
    return float(pixels[:, 0].mean()), float(pixels[:, 1].min())


def _pixels(camera: PinholeCamera, points_cam: np.ndarray, scale: int) -> np.ndarray:
    """Return pixels (M, 2) of points (M, 3) in the enlarged picture; centres stay centres."""
    pixels: np.ndarray = (camera.project(points_cam) + 0.5) * scale - 0.5
    return pixels


def _line(
    canvas: np.ndarray, a: np.ndarray, b: np.ndarray, color: tuple[int, int, int], width: int
) -> None:
    ends = np.array([a, b])
    # Behind the camera, or so far out that fixed-point numbers overflow.
    if not np.isfinite(ends).all() or np.abs(ends).max() > 1e5:
        return
    start, end = (tuple(round(c * 2**_SHIFT) for c in point) for point in ends)
    cv2.line(canvas, start, end, color, width, cv2.LINE_AA, _SHIFT)


def _write_labels(
    canvas: np.ndarray,
    tags: Iterable[tuple[str, tuple[int, int, int], tuple[float, float]]],
) -> np.ndarray:
    """Write labels above their anchors, inside the picture and not over each other."""
    picture = Image.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=max(12, canvas.shape[0] // 45))
    pad = 4
    taken: list[tuple[float, float, float, float]] = []
    for text, color, (x, y) in tags:
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
        width, height = right - left + 2 * pad, bottom - top + 2 * pad
        x0 = min(max(x - width / 2, 0), canvas.shape[1] - width)
        y0 = max(y - height - pad, 0)
        while any(_overlap((x0, y0, x0 + width, y0 + height), box) for box in taken):
            y0 += height + 1
        taken.append((x0, y0, x0 + width, y0 + height))
        draw.rectangle(taken[-1], fill=(20, 20, 24), outline=color, width=2)
        draw.text((x0 + pad - left, y0 + pad - top), text, font=font, fill=color)
    return np.asarray(picture)


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]

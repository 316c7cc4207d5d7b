# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Conversion of other packages' messages to instances, by their fields instead of their types.

Understood are a list of masks, each an image (Mask R-CNN's Result, ultralytics_ros's YoloResult,
SAM's lists of images), and yolo_msgs's DetectionArray, whose masks are polygons.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from genpose_ros.estimation.frame import Instance
from genpose_ros.estimation.label_images import scaled_labels
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.detections import CategoryRules, confidence
from genpose_ros.ros.images import label_pixels
from genpose_ros.ros.masks import (
    Segmented,
    largest_indices,
    size_mismatch,
    too_many,
    unknown_class,
)
from genpose_ros.ros.message_sizes import cpu_bytes

__all__ = ["instances_from_array", "instances_from_polygons", "message_header"]

#: Names of the fields with the masks and with the classes and scores beside them.
_MASKS = ("masks", "images", "segmentation_masks", "mask_array", "data")
_CLASS_NAMES = ("class_names", "classes", "labels", "class_name", "names")
_CLASS_IDS = ("class_ids", "ids", "label_ids")
_SCORES = ("scores", "confidences", "conf", "ious", "iou_predictions")
#: From here on a pixel belongs to a mask, of bytes and of probabilities.
_HALF_BYTE, _HALF = 128, 0.5


@dataclass(frozen=True)
class _Item:
    """One object of a message: what it is called, and its mask (H, W) when that is asked for."""

    number: int
    names: tuple[str, ...]
    score: float
    mask: Callable[[], np.ndarray | Rejection]


def message_header(message: Any) -> Any:
    """Return the header of a message; of one without, that of the first image in it; else None."""
    header = getattr(message, "header", None)
    if header is not None:
        return header
    masks = _first(message, _MASKS)
    return getattr(masks[0], "header", None) if masks else None


def instances_from_array(
    message: Any, shape: tuple[int, int], rules: CategoryRules, limit: int = 1000
) -> Segmented | Rejection:
    """Return the objects of a message with a list of mask images.

    Pixels of 8-bit masks belong to the object from 128 on, or where not 0 if none is as bright, and
    those of 32FC1 masks above 0.5. Classes are those of the lists beside the masks or of their
    `detections`; without any, all are of the rules' default category. Objects are numbered from 1.

    Args:
        message: with a field such as `masks`.
        shape: (H, W) of the depth image; the masks are scaled to it if the aspect is equal.
        rules: the categories of class names and numbers.
        limit: objects beyond this many are refused, the smallest first.
    """
    masks = _first(message, _MASKS)
    if masks is None:
        kind = type(message).__name__
        return Rejection(Reason.BAD_MASK_MESSAGE, f"{kind} has no list of masks such as `masks`")
    described = _descriptions(message, len(masks))
    if isinstance(described, Rejection):
        return described
    items = [
        _Item(i + 1, names, score, lambda mask=mask: _image_mask(mask, shape))  # type: ignore[misc]
        for i, (mask, (names, score)) in enumerate(zip(masks, described, strict=True))
    ]
    return _instances(items, rules, limit)


def instances_from_polygons(
    message: Any, shape: tuple[int, int], rules: CategoryRules, limit: int = 1000
) -> Segmented | Rejection:
    """Return the objects of a yolo_msgs/DetectionArray.

    Polygons are clipped to the image. The objects have their tracker's ids where all of them have
    one, else numbers from 1.

    Args:
        message: with `detections`, each with class_name, class_id, score, id and mask.
        shape: (H, W) of the depth image; the masks are scaled to it if the aspect is equal.
        rules: the categories of class names and numbers.
        limit: objects beyond this many are refused, the smallest first.
    """
    detections = getattr(message, "detections", None)
    if detections is None or any(not hasattr(d, "mask") for d in detections):
        kind = type(message).__name__
        return Rejection(
            Reason.BAD_MASK_MESSAGE,
            f"{kind} has no detections with masks: is it yolo_msgs/DetectionArray of a model that "
            "segments (such as yolo11n-seg)?",
        )
    items = [
        _Item(
            number,
            (str(d.class_name), str(d.class_id)),
            confidence(d.score),
            lambda d=d: _polygon_mask(d.mask, shape),  # type: ignore[misc]
        )
        for number, d in zip(_numbers(detections), detections, strict=True)
    ]
    return _instances(items, rules, limit)


def _instances(items: Sequence[_Item], rules: CategoryRules, limit: int) -> Segmented | Rejection:
    """The objects whose class is known, the largest ones of them."""
    instances, rejections = [], []
    for item in items:
        category = next(filter(None, map(rules.of_class, item.names)), None)
        if category is None and not any(item.names):
            category = rules.of_label(item.number)
        if category is None:
            name = next(filter(None, item.names), "")
            rejections.append(unknown_class(name, item.number, rules))
            continue
        mask = item.mask()
        if isinstance(mask, Rejection) and mask.reason is Reason.SIZE_MISMATCH:
            return mask
        if isinstance(mask, Rejection):
            rejections.append(Rejection(mask.reason, mask.detail, item.number))
        else:
            instances.append(Instance(item.number, category, mask, item.score))
    counts = np.array([np.count_nonzero(i.mask) for i in instances], dtype=np.int64)
    taken = set(largest_indices(counts, limit).tolist())
    rejections += too_many([x.id for i, x in enumerate(instances) if i not in taken], limit)
    kept = tuple(x for i, x in enumerate(instances) if i in taken)
    return Segmented(kept, tuple(rejections))


def _first(message: Any, names: Sequence[str]) -> Any:
    """The first of some fields that a message has; None: none of them."""
    return next((getattr(message, name) for name in names if hasattr(message, name)), None)


def _descriptions(message: Any, count: int) -> list[tuple[tuple[str, ...], float]] | Rejection:
    """Class names or numbers, and the score, of each mask."""
    detections = getattr(message, "detections", None)
    detections = getattr(detections, "detections", detections)  # a Detection2DArray inside
    if detections is not None:
        described = [_description(d) for d in detections]
    else:
        names, ids, scores = (_first(message, n) for n in (_CLASS_NAMES, _CLASS_IDS, _SCORES))
        described = [
            (
                (str(names[i]) if names and i < len(names) else "", _text(ids, i)),
                confidence(scores[i]) if scores is not None and i < len(scores) else 1.0,
            )
            for i in range(count)
        ]
    if len(described) != count:
        detail = f"{count} masks but {len(described)} detections in one message"
        return Rejection(Reason.BAD_MASK_MESSAGE, detail)
    return described


def _text(numbers: Any, index: int) -> str:
    return str(numbers[index]) if numbers is not None and index < len(numbers) else ""


def _description(detection: Any) -> tuple[tuple[str, ...], float]:
    """Class and score of a vision_msgs/Detection2D, or of one with its own fields."""
    if not hasattr(detection, "results"):
        name = str(_first(detection, ("class_name", "label", "class_id")) or "")
        return (name,), confidence(float(getattr(detection, "score", 1.0)))
    if not detection.results:
        return ("",), 0.0
    best = max((r.hypothesis for r in detection.results), key=lambda h: confidence(h.score))
    return (str(best.class_id),), confidence(best.score)


def _numbers(detections: Sequence[Any]) -> list[int]:
    """The tracker's ids where every object has one of its own, else 1, 2, 3 and so on."""
    texts = [str(getattr(d, "id", "")).strip() for d in detections]
    if all(t.isascii() and t.isdecimal() and 0 < int(t) < 1 << 31 for t in texts):
        numbers = [int(t) for t in texts]
        if len(set(numbers)) == len(numbers):
            return numbers
    return list(range(1, len(texts) + 1))


def _image_mask(image: Any, shape: tuple[int, int]) -> np.ndarray | Rejection:
    pixels = _mask_pixels(image)
    if isinstance(pixels, Rejection):
        return pixels
    refused = size_mismatch(pixels.shape, shape)
    if refused is not None:
        return refused
    if pixels.dtype.kind == "f":
        mask = pixels > _HALF
    else:
        mask = pixels >= _HALF_BYTE if pixels.max() >= _HALF_BYTE else pixels > 0
    return scaled_labels(mask, shape)


def _mask_pixels(image: Any) -> np.ndarray | Rejection:
    """The pixels of a mask, (h, w); probabilities are floats."""
    if getattr(image, "encoding", "") != "32FC1":
        return label_pixels(image)
    height, width, step = int(image.height), int(image.width), int(image.step)
    data = cpu_bytes(image.data, "mask")
    if isinstance(data, Rejection):
        return data
    if min(height, width) < 1 or step < 4 * width or data.size < step * height:
        detail = f"mask of {width} x {height} pixels has {data.size} bytes"
        return Rejection(Reason.TRUNCATED_IMAGE, detail)
    order = ">f4" if image.is_bigendian else "<f4"
    return data[: step * height].reshape(height, step)[:, : 4 * width].view(order)


def _polygon_mask(polygon: Any, shape: tuple[int, int]) -> np.ndarray | Rejection:
    """The inside of a yolo_msgs/Mask's polygon, (H, W) bool."""
    height, width = int(polygon.height) or shape[0], int(polygon.width) or shape[1]
    refused = size_mismatch((height, width), shape)
    if refused is not None:
        return refused
    points = [(float(p.x), float(p.y)) for p in polygon.data]
    points = [p for p in points if all(map(math.isfinite, p))]
    if len(points) < 3:
        detail = f"a mask's polygon has {len(points)} points: does the model segment?"
        return Rejection(Reason.MASK_EMPTY, detail)
    # Drawn at the depth image's own size, where the pixel's centre counts.
    scale_x, scale_y = shape[1] / width, shape[0] / height
    limits = (4 * shape[1], 4 * shape[0])
    drawn = [
        (
            min(max((x + 0.5) * scale_x - 0.5, -limits[0]), limits[0]),
            min(max((y + 0.5) * scale_y - 0.5, -limits[1]), limits[1]),
        )
        for x, y in points
    ]
    canvas = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(canvas).polygon(drawn, fill=1, outline=1)
    return np.array(canvas, dtype=bool)

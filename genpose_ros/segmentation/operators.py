# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Operators nms and roi_align in plain PyTorch, for a torchvision whose compiled ones do not load.

torchvision's wheels are compiled for one build of PyTorch. Beside another one, such as a CPU build
from elsewhere, the package cannot even be imported, as it describes operators that are not there.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["import_torchvision", "nms", "roi_align"]

#: Regions that are sampled together, and boxes that are compared with all others at once.
_CHUNK, _BLOCK = 64, 256
#: The operators that torchvision's modules name when they are imported; the third is never called.
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    (
        "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, "
        "int pooled_width, int sampling_ratio, bool aligned) -> Tensor"
    ),
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_HOW = "pip install 'genpose_ros[mask_rcnn]'"
#: Definitions last as long as the library that they are in.
_defined: list[Any] = []


def import_torchvision() -> ModuleType:
    """Return torchvision, with the operators of this module where its own do not load.

    Raises:
        ModuleNotFoundError: it is not installed.
        RuntimeError: it cannot be imported for another reason.
    """
    try:
        torchvision = importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"Mask R-CNN needs torchvision ({error.name}): {_HOW}") from error
    except RuntimeError as error:
        if "torchvision::nms does not exist" not in str(error):
            raise
        torchvision = _with_own_operators()
    return torchvision


def compiled_operators() -> bool:
    """Return whether torchvision's own operators are used; it has to be imported before."""
    return not _defined


def _with_own_operators() -> ModuleType:
    """Define the operators under their names, and import torchvision again."""
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        library.define(schema)
    library.impl("nms", nms, "CompositeExplicitAutograd")
    library.impl("roi_align", roi_align, "CompositeExplicitAutograd")
    _defined.append(library)
    torchvision = importlib.import_module("torchvision")
    # Its functions ask these before they call the operators, and roi_align would be compiled anew.
    sys.modules["torchvision.extension"].__dict__["_has_ops"] = _always
    sys.modules["torchvision.ops.roi_align"].__dict__["_has_ops"] = _always
    return torchvision


def _always() -> bool:
    return True


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Return which boxes stay when those that overlap a better one are taken away.

    Args:
        boxes: (N, 4), x1, y1, x2, y2.
        scores: (N,), higher is better.
        iou_threshold: intersection over union from above which the lower box goes.

    Returns:
        (M,) int64 indices, the best first.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9], [5, 5, 6, 6]])
        >>> nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist()
        [1, 2]
    """
    order = scores.argsort(descending=True, stable=True)
    ordered = boxes[order]
    area = (ordered[:, 2] - ordered[:, 0]) * (ordered[:, 3] - ordered[:, 1])
    stays = np.ones(len(ordered), dtype=bool)
    # Overlaps are told for many boxes at once; what depends on one another is a loop over bits.
    for begin in range(0, len(ordered), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        low = torch.maximum(ordered[block, None, :2], ordered[None, begin:, :2])
        high = torch.minimum(ordered[block, None, 2:], ordered[None, begin:, 2:])
        shared = (high - low).clamp(min=0).prod(dim=-1)
        union = area[block, None] + area[None, begin:] - shared
        apart = (shared <= iou_threshold * union).cpu().numpy()
        here = stays[begin:]
        for row in range(len(apart)):
            if here[row]:
                here[row + 1 :] &= apart[row, row + 1 :]
    return order[torch.from_numpy(stays).to(order.device)]


def roi_align(
    features: Tensor,
    rois: Tensor,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,
) -> Tensor:
    """Return the features of regions: means of bilinear samples in a grid of bins (Mask R-CNN).

    Args:
        features: (B, C, H, W).
        rois: (K, 5), index of the image, x1, y1, x2, y2.
        spatial_scale: from the boxes' coordinates to those of the features.
        pooled_height: rows of bins.
        pooled_width: columns of bins.
        sampling_ratio: samples of a bin along each side; 0 or less: as many as it has pixels.
        aligned: pixels' centres lie at halves.

    Returns:
        (K, C, pooled_height, pooled_width).
    """
    bins = (pooled_height, pooled_width)
    pooled = features.new_zeros(len(rois), features.shape[1], *bins)
    corners = rois[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)
    start, size = corners[:, :2], corners[:, 2:] - corners[:, :2]
    if not aligned:
        size = size.clamp(min=1.0)
    per_bin = torch.tensor([pooled_width, pooled_height]).to(size)
    counts = (size / per_bin).ceil().clamp(min=1).long()
    if sampling_ratio > 0:
        counts = torch.full_like(counts, sampling_ratio)
    # Regions of one image with as many samples are sampled together.
    keys = torch.cat((rois[:, :1].long(), counts), dim=1)
    groups, members = keys.unique(dim=0, return_inverse=True)
    for number, (image, columns, rows) in enumerate(groups.tolist()):
        for chunk in (members == number).nonzero().flatten().split(_CHUNK):
            x = _samples(start[chunk, 0], size[chunk, 0], pooled_width, columns)
            y = _samples(start[chunk, 1], size[chunk, 1], pooled_height, rows)
            pooled[chunk] = _pooled(features[image], x, y, bins)
    return pooled


def _samples(start: Tensor, size: Tensor, bins: int, per_bin: int) -> Tensor:
    """Coordinates of the samples along a side, (K, bins * per_bin)."""
    n = bins * per_bin
    places = (torch.arange(n, device=start.device) + 0.5).to(start) / n
    return start[:, None] + size[:, None] * places


def _pooled(features: Tensor, x: Tensor, y: Tensor, bins: tuple[int, int]) -> Tensor:
    """Means of the samples in each bin, (K, C, *bins), of the features (C, H, W) of one image."""
    height, width = features.shape[1:]
    rows, columns = y.shape[1], x.shape[1]
    # More than a pixel out, samples are 0; nearer, they are those of the border.
    inside = ((y >= -1) & (y <= height))[:, :, None] & ((x >= -1) & (x <= width))[:, None]
    scaled = [2 * v / max(n - 1, 1) - 1 for v, n in ((x, width), (y, height))]
    grid = torch.stack(
        (
            scaled[0][:, None].expand(-1, rows, -1),
            scaled[1][:, :, None].expand(-1, -1, columns),
        ),
        dim=-1,
    )
    sampled = F.grid_sample(
        features[None],
        grid.reshape(1, -1, columns, 2),
        mode="bilinear",
        padding_mode="border",
        align_corners=True,
    )
    sampled = sampled.view(-1, len(x), rows, columns).transpose(0, 1) * inside[:, None]
    window = (rows // bins[0], columns // bins[1])
    return F.avg_pool2d(sampled, window)

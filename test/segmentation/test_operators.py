# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Operators of Mask R-CNN against brute force over pixels and boxes."""

import math

import pytest
import torch

from genpose_ros.segmentation.operators import nms, roi_align


def overlap(a, b):
    """Intersection over union of two boxes."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = width * height
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (a, b)]
    return shared / (sum(areas) - shared)


def slow_nms(boxes, scores, threshold):
    kept = []
    for index in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(overlap(boxes[index], boxes[other]) <= threshold for other in kept):
            kept.append(index)
    return kept


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_boxes_stay_as_in_brute_force(threshold, seed):
    generator = torch.Generator().manual_seed(seed)
    corners = 20 * torch.rand(60, 2, generator=generator)
    boxes = torch.cat((corners, corners + 1 + 15 * torch.rand(60, 2, generator=generator)), 1)
    scores = torch.rand(60, generator=generator)
    expected = slow_nms(boxes.double().tolist(), scores.tolist(), threshold)
    assert nms(boxes.double(), scores, threshold).tolist() == expected


def test_no_boxes_give_no_boxes():
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5).shape == (0,)
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5).dtype == torch.int64


def test_an_overlap_at_the_threshold_stays():
    boxes = torch.tensor([[0.0, 0, 2, 2], [0.0, 0, 2, 1]])
    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.5).tolist() == [0, 1]


def bilinear(feature, y, x):
    """One sample, as the paper's authors do it: 0 far out, the border's value just outside."""
    height, width = feature.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0)
    y0, x0 = min(int(y), height - 1), min(int(x), width - 1)
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    dy, dx = y - y0, x - x0
    top = feature[y0, x0] * (1 - dx) + feature[y0, x1] * dx
    bottom = feature[y1, x0] * (1 - dx) + feature[y1, x1] * dx
    return float(top * (1 - dy) + bottom * dy)


def slow_roi_align(features, rois, scale, rows, columns, ratio, aligned):
    pooled = torch.zeros(len(rois), features.shape[1], rows, columns, dtype=features.dtype)
    shift = 0.5 if aligned else 0.0
    for k, (image, *box) in enumerate(rois.tolist()):
        x0, y0, x1, y1 = (value * scale - shift for value in box)
        width, height = x1 - x0, y1 - y0
        if not aligned:
            width, height = max(width, 1.0), max(height, 1.0)
        n_y = ratio if ratio > 0 else max(math.ceil(height / rows), 1)
        n_x = ratio if ratio > 0 else max(math.ceil(width / columns), 1)
        for c, feature in enumerate(features[int(image)]):
            for i in range(rows):
                for j in range(columns):
                    total = sum(
                        bilinear(
                            feature,
                            y0 + height / rows * (i + (a + 0.5) / n_y),
                            x0 + width / columns * (j + (b + 0.5) / n_x),
                        )
                        for a in range(n_y)
                        for b in range(n_x)
                    )
                    pooled[k, c, i, j] = total / (n_y * n_x)
    return pooled


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [2, -1])
def test_regions_are_pooled_as_in_brute_force(aligned, ratio):
    generator = torch.Generator().manual_seed(5)
    features = torch.rand(2, 2, 9, 13, generator=generator, dtype=torch.float64)
    boxes = [
        [0, 4.0, 4, 30, 20],  # inside
        [1, -12, -9, 20, 15],  # begins outside
        [0, 40, 20, 70, 44],  # ends outside
        [1, 8, 8, 8.5, 8.2],  # smaller than a pixel
        [0, 0, 0, 52, 36],  # all of it
    ]
    rois = torch.tensor(boxes, dtype=torch.float64)
    arguments = (features, rois, 0.25, 3, 2, ratio, aligned)
    torch.testing.assert_close(
        roi_align(*arguments), slow_roi_align(*arguments), rtol=1e-9, atol=1e-9
    )


def test_no_regions_give_none():
    assert roi_align(torch.rand(1, 4, 8, 8), torch.zeros(0, 5), 1.0, 7, 7, 2, False).shape == (
        0, 4, 7, 7,
    )  # fmt: skip

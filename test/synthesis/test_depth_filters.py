# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import torch

from genpose_ros.synthesis.depth_filters import (
    DriverFilters,
    decimated,
    draw_driver_filters,
    filled,
    filter_depth,
    smoothed,
)


def one_by_one(image: np.ndarray, alpha: float, delta: float) -> np.ndarray:
    """The recursive filter, pixel by pixel: right, left, down, up."""
    out = image.astype(np.float64).copy()
    height, width = out.shape
    rows, columns = range(height), range(width)
    ways = [
        [((r, c - 1), (r, c)) for r in rows for c in columns if c > 0],
        [((r, c + 1), (r, c)) for r in rows for c in reversed(columns) if c < width - 1],
        [((r - 1, c), (r, c)) for r in rows for c in columns if r > 0],
        [((r + 1, c), (r, c)) for r in reversed(rows) for c in columns if r < height - 1],
    ]
    for way in ways:
        for before, here in way:
            known = out[before] > 0 and out[here] > 0
            if known and abs(out[before] - out[here]) <= delta:
                out[here] = alpha * out[here] + (1 - alpha) * out[before]
    return out


def test_smoothing_is_the_recursive_filter() -> None:
    rng = np.random.default_rng(0)
    image = 0.7 + rng.normal(0, 0.01, (4, 12, 16))
    image[rng.random(image.shape) < 0.1] = 0
    alpha, delta = np.array([0.4, 0.5, 0.6, 1.0]), np.array([0.008, 0.02, 0.032, 0.02])
    ours = smoothed(*(torch.as_tensor(a, dtype=torch.float32) for a in (image, alpha, delta)))
    expected = [one_by_one(*each) for each in zip(image, alpha, delta, strict=True)]
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_smoothing_flattens_a_rim_and_keeps_an_edge() -> None:
    depth = torch.full((1, 32, 32), 0.7)
    depth[:, 10:22, 10:22] = 0.704
    depth[:, :, 28:] = 1.0
    out = depth
    for _ in range(3):
        out = smoothed(out, torch.tensor([0.5]), torch.tensor([0.02]))
    assert out[0, 16, 9] > 0.7005
    assert out[0, 16, 10] < 0.7035
    assert torch.equal(out[:, :, 28:], depth[:, :, 28:])


def test_a_block_takes_its_median_without_its_holes() -> None:
    block = torch.tensor([[0.5, 0.6], [0.0, 0.9]])
    depth = torch.zeros(1, 4, 4)
    depth[0, :2, :2] = block
    out = decimated(depth, 2)
    assert (out[0, :2, :2] == 0.6).all()
    assert (out[0, 2:] == 0).all()


def test_holes_take_the_left_or_the_furthest_depth() -> None:
    depth = torch.full((1, 6, 6), 0.7)
    depth[0, 2:4, 2:4] = 0
    depth[0, 4:, :] = 0.9
    left, far = filled(depth, furthest=False), filled(depth, furthest=True)
    np.testing.assert_allclose(left[0, 2:4, 2:4], 0.7)
    np.testing.assert_allclose(far[0, 2:4, 2:4], 0.9)
    known = depth > 0
    assert torch.equal(left[known], depth[known])
    assert torch.equal(far[known], depth[known])


def test_nothing_fills_what_has_nothing_beside_it() -> None:
    assert (filled(torch.zeros(1, 4, 4), furthest=True) == 0).all()


def test_each_image_has_its_own_filters() -> None:
    rng = np.random.default_rng(1)
    depth = torch.as_tensor(0.7 + rng.normal(0, 0.004, (5, 16, 16)), dtype=torch.float32)
    depth[:, 5, 5] = 0
    draw = DriverFilters(
        passes=np.array([0, 2, 0, 0, 0]),
        alpha=np.full(5, 0.5),
        delta_m=np.full(5, 0.02),
        decimation=np.array([1, 1, 2, 1, 4]),
        filling=np.array([0, 0, 0, 1, 0]),
    )
    out = filter_depth(depth, draw, np.array([1.0, 1.0, 1.0, 1.0, 2.0]))
    torch.testing.assert_close(out[0], depth[0])
    weight, delta = torch.tensor([0.5]), torch.tensor([0.02])
    twice = smoothed(smoothed(depth[1:2], weight, delta), weight, delta)
    torch.testing.assert_close(out[1:2], twice)
    torch.testing.assert_close(out[2:3], decimated(depth[2:3], 2))
    torch.testing.assert_close(out[3:4], filled(depth[3:4], furthest=False))
    # Four of the camera's pixels are two of an array half as fine.
    torch.testing.assert_close(out[4:], decimated(depth[4:], 2))


def test_a_coarser_array_is_smoothed_over_as_many_camera_pixels() -> None:
    step = torch.full((2, 8, 64), 0.7)
    step[:, :, 32:] = 0.704
    draw = DriverFilters(
        passes=np.array([1, 1]),
        alpha=np.full(2, 0.5),
        delta_m=np.full(2, 0.02),
        decimation=np.ones(2),
        filling=np.zeros(2),
    )
    fine, coarse = filter_depth(step, draw, np.array([1.0, 2.0]))[:, 4]
    # What is left of the step two pixels on in the fine one, is left one pixel on in the coarse.
    left = 0.704 - fine[34], 0.704 - coarse[33]
    np.testing.assert_allclose(*left, atol=1.5e-4)
    # The same alpha for both would leave three times as much.
    assert 0.704 - fine[33] > 2 * left[1]


def test_drivers_are_configured_as_told() -> None:
    draw = draw_driver_filters(4000, np.random.default_rng(0))
    assert 0.25 < (draw.passes > 0).mean() < 0.35
    assert draw.passes.max() == 5
    assert draw.alpha.min() >= 0.4
    assert draw.alpha.max() <= 0.6
    assert draw.delta_m.min() >= 0.008
    assert draw.delta_m.max() <= 0.032

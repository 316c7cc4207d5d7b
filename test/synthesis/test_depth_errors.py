# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import numpy as np
import pytest
import torch

from genpose_ros.synthesis.clouds import NATIVE_SPACING
from genpose_ros.synthesis.depth_errors import (
    DepthErrors,
    add_depth_errors,
    draw_depth_errors,
    shifted,
)
from genpose_ros.synthesis.rasterise import Crops

COUNT, SIZE = 48, 64
NONE = DepthErrors(
    window_px=np.zeros(COUNT),
    wave_m=np.zeros((COUNT, 2)),
    wave_px=np.full((COUNT, 2, 2), 20.0),
    band_m=np.zeros(COUNT),
    band_px=np.full(COUNT, 8.0),
    end_m=np.zeros(COUNT),
    face_m=np.zeros(COUNT),
    face_axis=np.tile([0.0, 0.0, -1.0], (COUNT, 1)),
    level_m=np.zeros(COUNT),
    level=np.zeros(COUNT),
    scale=np.ones(COUNT),
    shift_px=np.zeros((COUNT, 2)),
)
CROPS = Crops(torch.zeros(COUNT, 2), torch.full((COUNT,), NATIVE_SPACING), SIZE)
#: An object whose y axis points up in the image.
UPRIGHT = np.tile([0.0, -1.0, 0.0], (COUNT, 1))


def plane(z: float = 0.7) -> torch.Tensor:
    return torch.full((COUNT, SIZE, SIZE), z)


def seen(
    draw: DepthErrors,
    depth: torch.Tensor | None = None,
    is_object: torch.Tensor | None = None,
    axis: np.ndarray = UPRIGHT,
) -> torch.Tensor:
    """What the cameras see, and by how much it is wrong where there is something."""
    true = plane() if depth is None else depth
    return add_depth_errors(
        true,
        torch.ones_like(true, dtype=torch.bool) if is_object is None else is_object,
        CROPS,
        axis,
        np.zeros(COUNT),
        np.full(COUNT, 0.02),
        draw,
        np.random.default_rng(0),
        pixel=NATIVE_SPACING,
    )


def test_a_camera_without_errors_changes_nothing() -> None:
    depth = plane()
    depth[:, :, 40:] = 0
    torch.testing.assert_close(seen(NONE, depth), depth)


@pytest.mark.parametrize("z", [0.7, 1.4])
def test_waves_have_their_spread_at_70_cm_and_grow_with_the_distance(z: float) -> None:
    wave = np.zeros((COUNT, 2))
    wave[:, 0] = 0.004
    error = seen(replace(NONE, wave_m=wave), plane(z)) - z
    assert error.std().item() == pytest.approx(0.004 * (z / 0.7) ** 1.5, rel=0.15)


def correlation(error: torch.Tensor, lag: int) -> float:
    return float((error[:, :, lag:] * error[:, :, :-lag]).mean() / error.var())


def test_waves_are_as_long_as_their_nodes_are_apart() -> None:
    wave = np.zeros((COUNT, 2))
    wave[:, 1] = 0.004
    errors = [
        seen(replace(NONE, wave_m=wave, wave_px=np.full((COUNT, 2, 2), px))) - 0.7
        for px in (6.0, 30.0)
    ]
    short, long = (correlation(error - error.mean(), 8) for error in errors)
    assert short < 0.3
    assert long > 0.8


def test_bands_are_columns_of_one_error() -> None:
    error = seen(replace(NONE, band_m=np.full(COUNT, 0.003))) - 0.7
    assert torch.equal(error, error[:, :1].expand_as(error))
    steps = (error[:, 0].diff(dim=1).abs() > 1e-6).sum(1)
    # 64 columns in bands of 8.
    assert 7 <= steps.min() <= steps.max() <= 8


def test_windows_round_small_steps_and_leave_large_ones() -> None:
    depth = plane()
    depth[:, :, 32:] = 0.71
    small = seen(replace(NONE, window_px=np.full(COUNT, 2.0)), depth)
    profile = small[0, 32]
    assert (profile.diff() >= -1e-6).all()
    assert 0.702 < profile[31] < profile[32] < 0.708
    depth[:, :, 32:] = 1.0
    far = seen(replace(NONE, window_px=np.full(COUNT, 2.0)), depth)
    torch.testing.assert_close(far, depth, atol=0.02, rtol=0)
    # Windows would put 0.82 m at the edge, as a mean of disparities.
    assert far[0, 32, 31] == pytest.approx(0.7, abs=0.02)


def test_windows_do_not_reach_into_what_is_missing() -> None:
    depth = plane()
    depth[:, :, 32:] = 0
    torch.testing.assert_close(seen(replace(NONE, window_px=np.full(COUNT, 2.0)), depth), depth)


def slanted(axis: str) -> torch.Tensor:
    """A plane through 0.7 m that leans away by 60 degrees, along columns (x) or rows (y)."""
    tangent = (torch.arange(SIZE) - (SIZE - 1) / 2) * NATIVE_SPACING
    depth = 0.7 / (1 - tangent * np.tan(np.radians(60)))
    image = depth[None].expand(SIZE, SIZE) if axis == "x" else depth[:, None].expand(SIZE, SIZE)
    return image.expand(COUNT, SIZE, SIZE).clone()


def test_ends_are_the_faces_across_the_objects_axis() -> None:
    draw = replace(NONE, end_m=np.full(COUNT, 0.006))
    lid, side = slanted("y"), slanted("x")
    inner = (slice(None), slice(2, -2), slice(2, -2))
    np.testing.assert_allclose((seen(draw, lid) - lid)[inner], 0.006, atol=1e-5)
    np.testing.assert_allclose((seen(draw, side) - side)[inner], 0, atol=1e-6)


def test_faces_that_look_another_way_keep_their_depth() -> None:
    draw = replace(NONE, face_m=np.full(COUNT, 0.005))
    toward = (seen(draw) - 0.7)[:, 2:-2, 2:-2]
    away = (seen(replace(draw, face_axis=-draw.face_axis)) - 0.7)[:, 2:-2, 2:-2]
    np.testing.assert_allclose(toward, 0.005, atol=1e-5)
    np.testing.assert_allclose(away, 0, atol=1e-6)


def test_below_a_level_the_object_alone_is_wrong() -> None:
    is_object = torch.zeros(COUNT, SIZE, SIZE, dtype=torch.bool)
    is_object[:, :, :32] = True
    error = seen(replace(NONE, level_m=np.full(COUNT, 0.004)), is_object=is_object) - 0.7
    # The axis points up in the image: below the middle are the larger rows.
    np.testing.assert_allclose(error[:, 33:, :32], 0.004, atol=1e-6)
    assert (error[:, :31].abs() < 1e-6).all()
    assert (error[:, :, 32:].abs() < 1e-6).all()


def test_scale_is_of_all_depths() -> None:
    torch.testing.assert_close(seen(replace(NONE, scale=np.full(COUNT, 1.01))), plane(0.707))


def test_masks_move_by_camera_pixels() -> None:
    mask = torch.zeros(2, 32, 32, dtype=torch.bool)
    mask[:, 10:20, 10:20] = True
    moved = shifted(mask, np.array([[4.0, -2.0], [4.0, -2.0]]), np.array([1.0, 2.0]))
    expected = torch.zeros_like(mask)
    expected[0, 8:18, 14:24] = True
    expected[1, 9:19, 12:22] = True
    assert torch.equal(moved, expected)


def test_cameras_with_a_pattern_have_bands_and_lie_further_beside_the_masks() -> None:
    n = 4000
    draws = [
        draw_depth_errors(np.full(n, kind), np.random.default_rng(0)) for kind in (False, True)
    ]
    stereo, pattern = ((d.band_m > 0).mean() for d in draws)
    assert stereo < 0.15 < 0.35 < pattern
    stereo, pattern = (np.abs(d.shift_px).mean() for d in draws)
    assert pattern > 1.5 * stereo
    for draw in draws:
        assert np.abs(draw.scale - 1).max() < 0.03
        assert np.abs(draw.shift_px).max() <= 8

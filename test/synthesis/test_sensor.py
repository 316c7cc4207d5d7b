# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace

import numpy as np
import pytest
import torch

from genpose_ros.synthesis.sensor import (
    D435_BASELINE_M,
    SensorDraw,
    corrupt_mask,
    draw_pattern_sensor,
    draw_sensor,
    hidden_from_right,
    measure_depth,
    smooth_noise,
    tear_mask,
)

PERFECT = SensorDraw(*(np.zeros(1) for _ in range(6)))


def plane(z: float, size: int = 200) -> np.ndarray:
    return np.full((1, size, size), z)


def measure(depth: np.ndarray, draw: SensorDraw, seed: int = 0) -> np.ndarray:
    return measure_depth(depth, np.ones_like(depth), draw, np.random.default_rng(seed))


def test_a_perfect_camera_rounds_to_millimetres() -> None:
    np.testing.assert_allclose(measure(plane(0.81234), PERFECT), 0.812, atol=1e-6)


@pytest.mark.parametrize("z", [0.5, 1.0, 2.0])
def test_noise_grows_with_the_square_of_the_distance(z: float) -> None:
    noisy = measure(plane(z), replace(PERFECT, fine=np.array([0.002])))
    rounding = 0.001**2 / 12
    assert noisy.var() == pytest.approx((0.002 * z**2) ** 2 + rounding, rel=0.03)
    assert noisy.mean() == pytest.approx(z, abs=1e-4)


def test_disparity_steps_grow_with_the_square_of_the_distance() -> None:
    slope = np.linspace(0.98, 1.02, 400)[None, :, None] * np.ones((1, 1, 3))
    levels = np.unique(measure(slope, replace(PERFECT, disparity_step=np.array([0.004]))))
    assert np.diff(levels).min() == pytest.approx(0.004, abs=0.0011)


def test_pixels_without_depth_stay_empty() -> None:
    depth = plane(1.0)
    depth[:, :, 100:] = 0
    draw = draw_sensor(1, np.random.default_rng(3))
    assert (measure(depth, draw)[:, :, 100:] == 0).all()


def test_grazing_surfaces_are_lost() -> None:
    depth = plane(1.0)
    draw = replace(PERFECT, grazing_cosine=np.array([0.2]))
    cosine = np.full_like(depth, 0.05)
    assert (measure_depth(depth, cosine, draw, np.random.default_rng(0)) == 0).mean() > 0.9
    assert (measure_depth(depth, cosine + 0.9, draw, np.random.default_rng(0)) > 0).all()


def test_flying_pixels_lie_between_the_two_sides() -> None:
    depth = plane(1.0)
    depth[:, :, 100:] = 1.5
    draw = replace(PERFECT, flying_share=np.array([0.5]))
    flying = [measure(depth, draw, seed)[0, 50:150, 99:101] for seed in range(8)]
    between = [(values > 1.01) & (values < 1.49) for values in flying]
    assert max(b.mean() for b in between) > 0.1
    assert all((values >= 1.0).all() and (values <= 1.5).all() for values in flying)


def test_holes_cover_about_the_given_share() -> None:
    lost = [
        (measure(plane(1.0), replace(PERFECT, hole_share=np.array([0.2])), s) == 0).mean()
        for s in range(12)
    ]
    assert 0.03 < np.mean(lost) < 0.35


def test_smooth_noise_has_unit_variance_and_is_smooth() -> None:
    noise = smooth_noise((400, 64, 64), 7, np.random.default_rng(0))
    np.testing.assert_allclose(noise.var(0), 1, atol=0.35)
    step = np.diff(noise, axis=2)
    assert step.std() < 0.25


def test_corrupted_masks_move_by_a_few_pixels_only() -> None:
    mask = np.zeros((64, 64, 64), bool)
    mask[:, 16:48, 16:48] = True
    moved = corrupt_mask(mask, np.ones(64), np.random.default_rng(0))
    core, shell = mask.copy(), np.zeros_like(mask)
    core[:] = False
    core[:, 23:41, 23:41] = True
    shell[:, 10:54, 10:54] = True
    assert moved[core].all()
    assert not moved[~shell].any()
    assert not np.array_equal(moved, mask)


def test_a_step_casts_its_shadow_to_the_left() -> None:
    depth = plane(1.0, 100)
    depth[:, :, 60:80] = 0.5
    shift = np.array([20.0])  # 20 pixels at 1 m, 40 at 0.5 m
    hidden = hidden_from_right(depth, shift)
    assert hidden[0, 50].nonzero()[0].tolist() == list(range(41, 60))
    assert not hidden_from_right(depth, np.zeros(1)).any()
    wider = hidden_from_right(depth, shift, np.array([3.0]))
    assert wider[0, 50].nonzero()[0].tolist() == list(range(38, 60))


def test_a_stereo_shadow_lies_left_of_a_near_surface() -> None:
    fx, near, far = 600.0, 0.5, 1.0
    depth = np.full((4, 400), far)
    depth[:, 200:300] = near
    (hidden,) = hidden_from_right(depth[None], np.array([fx * D435_BASELINE_M]))
    # Its width is the difference of the disparities: 600 * 0.05 * (2 - 1) = 30 pixels.
    assert hidden[:, 171:200].all()
    assert not hidden[:, :169].any()
    assert not hidden[:, 200:].any()


def test_a_slanted_surface_has_no_stereo_shadow() -> None:
    depth = np.tile(np.linspace(0.6, 1.2, 640), (3, 1))
    shift = np.array([615.0 * D435_BASELINE_M])
    assert not hidden_from_right(depth[None], shift).any()
    assert not hidden_from_right(depth[None, :, ::-1], shift).any()


def test_holes_beside_edges_are_on_the_far_side() -> None:
    depth = plane(1.0, 100)
    depth[:, 30:60, 30:60] = 0.6
    lost = measure(depth, replace(PERFECT, edge_holes=np.ones(1)))[0] == 0
    assert lost.sum() == 4 * 30
    assert lost[29, 45]
    assert lost[45, 60]
    assert not lost[30, 45]


def test_dark_surfaces_lose_single_pixels() -> None:
    lost = [
        measure(plane(1.0), replace(PERFECT, dropout=np.array([0.3])), s)[0] == 0 for s in range(8)
    ]
    assert 0.2 < np.mean(lost) < 0.4
    # Neighbours share a patch, but are lost one by one.
    both = np.mean([(one[:, 1:] & one[:, :-1]).mean() for one in lost])
    assert 0.3**2 < both < 0.2


def test_glossy_surfaces_lose_pixels_that_face_the_camera() -> None:
    cosine = np.stack([np.full((50, 50), 0.99), np.full((50, 50), 0.9)], 1).reshape(1, 100, 50)
    draw = replace(PERFECT, gloss=np.array([0.05]))
    lost = measure_depth(plane(1.0, 100)[:, :, :50], cosine, draw, np.random.default_rng(0)) == 0
    assert 0.7 < lost[cosine > 0.95].mean() < 0.9
    assert not lost[cosine < 0.95].any()


def test_cameras_with_a_pattern_have_coarse_steps_and_little_grain() -> None:
    n = 2000
    kinds = (np.zeros(n, dtype=bool), np.ones(n, dtype=bool))
    stereo, pattern = (draw_pattern_sensor(kind, np.random.default_rng(0)) for kind in kinds)
    assert pattern.fine.max() <= 0.001 < stereo.fine.max()
    assert np.median(pattern.disparity_step) > 1.3 * np.median(stereo.disparity_step)
    np.testing.assert_allclose(pattern.baseline_m, 1.5 * stereo.baseline_m)
    # Slow waves are drawn elsewhere: here they would come on top.
    assert not stereo.wave.any()


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_arrays_and_tensors_give_the_same_depth(kind: type) -> None:
    depth, cosine = kind(plane(1.0, 40)), kind(np.ones((1, 40, 40)))
    draw = draw_sensor(1, np.random.default_rng(1))
    measured = measure_depth(depth, cosine, draw, np.random.default_rng(2))
    assert type(measured) is type(depth)
    assert measured.shape == depth.shape
    expected = measure(plane(1.0, 40), draw, 2)
    np.testing.assert_array_equal(np.asarray(measured), expected)


def test_torn_masks_lose_parts_and_leaking_ones_grow() -> None:
    mask = np.zeros((40, 64, 64), bool)
    mask[:, 20:44, 20:44] = True
    none, all_of_them = np.zeros(40, bool), np.ones(40, bool)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(tear_mask(mask, none, none, rng), mask)
    torn = tear_mask(mask, all_of_them, none, rng)
    assert not (torn & ~mask).any()
    assert 0.6 < torn.sum() / mask.sum() < 0.95
    grown = tear_mask(mask, none, all_of_them, rng)
    assert (grown | ~mask).all()
    assert 1.1 < grown.sum() / mask.sum() < 1.8
    far = np.ones((64, 64), bool)
    far[12:52, 12:52] = False
    assert not grown[:, far].any()

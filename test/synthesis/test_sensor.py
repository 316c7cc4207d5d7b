from dataclasses import replace

import numpy as np
import pytest

from genpose_ros.synthesis.sensor import (
    SensorDraw,
    corrupt_mask,
    draw_sensor,
    measure_depth,
    smooth_noise,
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


def test_what_the_camera_does_not_see_stays_empty() -> None:
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


def test_holes_cover_about_the_share_asked_for() -> None:
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


def test_masks_move_by_a_few_pixels_only() -> None:
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

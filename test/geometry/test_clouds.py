# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mask erosion, outliers and sampling."""

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from genpose_ros.geometry import (
    bounding_box,
    erode_mask,
    inverse_transform_points,
    sample_points,
    statistical_inliers,
    transform_points,
)


class TestBoundingBox:
    def test_the_bounding_box_cuts_exactly_around_the_true_pixels(self):
        mask = np.zeros((20, 30), dtype=bool)
        mask[3, 25] = mask[17, 4] = True
        assert bounding_box(mask) == (slice(3, 18), slice(4, 26))

    def test_the_margin_of_a_bounding_box_stops_at_the_image_border(self):
        mask = np.zeros((20, 30), dtype=bool)
        mask[1, 28] = True
        assert bounding_box(mask, margin_px=3) == (slice(0, 5), slice(25, 30))

    def test_an_empty_mask_has_no_bounding_box(self):
        assert bounding_box(np.zeros((4, 4), dtype=bool)) is None


class TestErodeMask:
    @pytest.mark.parametrize("pixels", [1, 2, 5])
    def test_a_mask_is_eroded_as_by_a_square(self, pixels):
        mask = np.random.default_rng(pixels).random((40, 50)) < 0.98
        square = np.ones((2 * pixels + 1, 2 * pixels + 1), dtype=bool)
        expected = binary_erosion(mask, square, border_value=1)
        assert expected.any()
        assert np.array_equal(erode_mask(mask, pixels), expected)

    def test_erosion_may_be_wider_than_the_image(self):
        assert erode_mask(np.ones((3, 4), dtype=bool), 9).all()
        assert not erode_mask(np.eye(4, dtype=bool), 9).any()

    def test_the_image_border_is_no_edge_for_the_erosion(self):
        mask = np.zeros((10, 10), dtype=bool)
        mask[:, :5] = True
        assert erode_mask(mask, 1).sum() == 40

    def test_erosion_by_zero_changes_nothing_and_negative_pixels_are_refused(self):
        mask = np.eye(3, dtype=bool)
        assert np.array_equal(erode_mask(mask, 0), mask)
        with pytest.raises(ValueError, match="-1"):
            erode_mask(mask, -1)


class TestStatisticalInliers:
    def test_the_outlier_filter_finds_the_far_points_and_keeps_the_surface(self):
        rng = np.random.default_rng(0)
        surface = np.column_stack((rng.uniform(0, 0.1, (500, 2)), np.full(500, 0.5)))
        points = np.vstack((surface, [[0.05, 0.05, 0.7], [0.3, 0.05, 0.5]]))
        inliers = statistical_inliers(points, neighbours=16, std_ratio=2.0)
        assert not inliers[-2:].any()
        assert inliers[:-2].mean() > 0.95

    def test_the_outlier_filter_keeps_a_tiny_cloud(self):
        assert statistical_inliers(np.zeros((3, 3)), neighbours=16, std_ratio=1.0).all()


class TestSamplePoints:
    POINTS = np.arange(300, dtype=np.float32).reshape(100, 3)

    def test_a_sample_of_a_large_cloud_has_no_point_twice(self):
        sample = sample_points(self.POINTS, 40, np.random.default_rng(0))
        assert len(np.unique(sample[:, 0])) == 40
        assert np.isin(sample[:, 0], self.POINTS[:, 0]).all()
        # Random order too: the reference's ball query takes the first hits in index order.
        assert not np.array_equal(sample, np.sort(sample, axis=0))

    def test_a_sample_of_a_small_cloud_repeats_all_of_it(self):
        sample = sample_points(self.POINTS, 250, np.random.default_rng(0))
        for part in (sample[:100], sample[100:200]):
            assert np.array_equal(np.sort(part, axis=0), self.POINTS)
        assert np.array_equal(sample[200:], sample[:50])

    @pytest.mark.parametrize("n", [100, 250])
    def test_the_first_points_of_a_sample_are_spread_over_the_cloud(self, n):
        # In the image's order the first half would be the upper half of the object, which is all
        # that a network that takes the first points would see.
        sample = sample_points(self.POINTS, n, np.random.default_rng(0))
        assert abs(np.median(sample[:50, 0]) - np.median(self.POINTS[:, 0])) < 60

    def test_the_same_seed_samples_the_same_points(self):
        a, b = (sample_points(self.POINTS, 9, np.random.default_rng(4)) for _ in range(2))
        assert np.array_equal(a, b)

    def test_an_empty_cloud_cannot_be_sampled(self):
        with pytest.raises(ValueError, match="empty"):
            sample_points(np.empty((0, 3)), 4, np.random.default_rng(0))


def test_points_are_moved_by_a_transform():
    T = np.array([[0.0, -1, 0, 5], [1, 0, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1]])
    assert transform_points(T, np.array([[1.0, 2, 3]])).tolist() == [[3, 7, 10]]
    assert inverse_transform_points(T, np.array([[3.0, 7, 10]])).tolist() == [[1, 2, 3]]

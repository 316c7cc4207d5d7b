# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Object clouds: what is kept, what is filtered, and why objects are refused."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from genpose_ros.estimation import EstimatorSettings, Instance, ObjectCloud, Reason, object_cloud
from genpose_ros.estimation.back_projection import shuffled_cloud
from genpose_ros.geometry import PinholeCamera

CAMERA = PinholeCamera(500.0, 510.0, 79.5, 59.5, 160, 120)
RAW = EstimatorSettings.preset("paper")
FAST = EstimatorSettings()


@pytest.fixture
def depth_m() -> np.ndarray:
    depth_m = np.random.default_rng(0).uniform(0.9, 1.0, (120, 160)).astype(np.float32)
    depth_m[60:] += 1.0
    return depth_m


def instance(rows=slice(20, 60), columns=slice(30, 80), category="mug") -> Instance:
    mask = np.zeros((120, 160), dtype=bool)
    mask[rows, columns] = True
    return Instance(4, category, mask)


def cloud(*args) -> ObjectCloud:
    result = object_cloud(*args)
    assert isinstance(result, ObjectCloud), result
    return result


def rows_of(points_cam: np.ndarray) -> np.ndarray:
    return np.round(CAMERA.project(points_cam)[:, 1]).astype(int)


class TestPoints:
    def test_the_points_of_a_cloud_are_points_of_its_mask(self, depth_m):
        result = cloud(depth_m, CAMERA, instance(), RAW)
        everything = CAMERA.back_project(depth_m, instance().mask)
        assert result.n_points == len(everything) == 2000
        assert result.points_cam.shape == (1024, 3)
        assert result.points_cam.dtype == np.float32
        known = {tuple(np.round(p, 5)) for p in everything}
        assert all(tuple(np.round(p, 5)) in known for p in result.points_cam)

    def test_a_cloud_with_fewer_points_than_wanted_is_repeated(self, depth_m):
        result = cloud(depth_m, CAMERA, instance(slice(20, 30), slice(30, 40)), RAW)
        assert result.n_points == 100
        assert np.array_equal(result.points_cam[:100], result.points_cam[100:200])

    def test_the_points_follow_the_seed_and_not_the_other_objects(self, depth_m):
        one = cloud(depth_m, CAMERA, instance(), RAW).points_cam
        depth_m[100:, 100:] = 3.0
        assert np.array_equal(cloud(depth_m, CAMERA, instance(), RAW).points_cam, one)
        other = cloud(depth_m, CAMERA, instance(), replace(RAW, seed=1)).points_cam
        assert not np.array_equal(other, one)

    @pytest.mark.parametrize("hole", [0.0, -1.0, np.nan, np.inf, -np.inf])
    def test_pixels_without_depth_are_left_out(self, depth_m, hole):
        depth_m[20:40] = hole
        result = cloud(depth_m, CAMERA, instance(), RAW)
        assert result.n_points == 1000
        assert np.isfinite(result.points_cam).all()

    @pytest.mark.parametrize("kind", [np.uint8, np.int32, bool])
    def test_masks_of_any_number_type_are_read(self, depth_m, kind):
        changed = replace(instance(), mask=instance().mask.astype(kind))
        assert cloud(depth_m, CAMERA, changed, EstimatorSettings()).n_points == 38 * 48


class TestFilters:
    def test_erosion_takes_the_border_off_the_mask(self, depth_m):
        result = cloud(depth_m, CAMERA, instance(), replace(RAW, mask_erosion_px=3))
        assert result.n_points == 34 * 44
        assert rows_of(result.points_cam).min() == 23

    def test_erosion_gives_way_where_too_little_would_be_left(self, depth_m):
        thin = instance(slice(20, 25), slice(30, 80))  # 5 rows: 3 px of erosion leave nothing
        settings = replace(RAW, mask_erosion_px=3, min_points=40)
        assert cloud(depth_m, CAMERA, thin, settings).n_points == 46  # 2 px: 1 row of 46
        settings = replace(settings, min_points=100)
        assert cloud(depth_m, CAMERA, thin, settings).n_points == 3 * 48

    def test_points_outside_the_depth_range_are_left_out(self, depth_m):
        settings = replace(RAW, depth_min_m=0.92, depth_max_m=0.97)
        z = cloud(depth_m, CAMERA, instance(), settings).points_cam[:, 2]
        assert z.min() >= 0.92
        assert z.max() <= np.float32(0.97)

    def test_the_depth_window_around_the_median_drops_the_background(self, depth_m):
        bleeding = instance(slice(20, 70))  # 10 of 50 rows lie on the wall 1 m behind
        settings = replace(RAW, depth_window_m=0.25)
        result = cloud(depth_m, CAMERA, bleeding, settings)
        assert result.n_points == 2000
        assert rows_of(result.points_cam).max() == 59

    def test_statistical_outliers_are_left_out(self, depth_m):
        depth_m[25, 40] = 0.3
        depth_m[45, 70] = 1.6
        settings = replace(RAW, outlier_std_ratio=3.0, points=4096)
        z = cloud(depth_m, CAMERA, instance(), settings).points_cam[:, 2]
        assert z.min() > 0.89
        assert z.max() < 1.01


class TestShuffledCloud:
    """Clouds of a user's own, whose points may come in any order and number."""

    @pytest.mark.parametrize("count", [300, 1024, 5000])
    def test_points_in_image_order_are_sampled_and_shuffled(self, count):
        points = np.stack([np.arange(count, dtype=np.float64)] * 3, axis=-1)
        result = shuffled_cloud(ObjectCloud(instance(), points, count), RAW)
        assert result.shuffled
        assert result.n_points == count
        assert result.points_cam.shape == (1024, 3)
        assert result.points_cam.dtype == np.float32
        x = result.points_cam[:, 0]
        assert len(set(x)) == min(count, 1024)
        # The first 300 are spread over the whole, uniform: 6 standard deviations of their mean.
        assert x[:300].mean() == pytest.approx(count / 2, abs=6 * count / math.sqrt(12 * 300))

    def test_the_draw_follows_the_seed_alone(self):
        own = ObjectCloud(instance(), np.random.default_rng(3).normal(size=(2000, 3)), 2000)
        one, again = (shuffled_cloud(own, RAW).points_cam for _ in range(2))
        assert np.array_equal(one, again)
        assert not np.array_equal(shuffled_cloud(own, replace(RAW, seed=1)).points_cam, one)

    def test_a_shuffled_cloud_stays_as_it_is(self, depth_m):
        made = cloud(depth_m, CAMERA, instance(), RAW)
        assert made.shuffled
        assert shuffled_cloud(made, replace(RAW, points=64)) is made

    @pytest.mark.parametrize("shape", [(0, 3), (7, 4), (3,), (2, 5, 3)])
    def test_clouds_that_are_no_rows_of_points_are_refused(self, shape):
        with pytest.raises(ValueError, match=re.escape(f"got shape {shape}")):
            ObjectCloud(instance(), np.zeros(shape), 1)


class TestRejections:
    def reason(self, depth_m, item, settings=RAW, camera=CAMERA) -> Reason:
        rejection = object_cloud(depth_m, camera, item, settings)
        assert rejection.instance_id == 4
        assert rejection.detail
        return rejection.reason

    def test_an_empty_mask_is_refused(self, depth_m):
        assert self.reason(depth_m, instance(slice(0, 0))) is Reason.MASK_EMPTY

    def test_a_mask_without_any_depth_is_refused(self, depth_m):
        depth_m[20:60] = np.nan
        assert self.reason(depth_m, instance()) is Reason.NO_VALID_DEPTH

    def test_a_mask_whose_depth_is_all_out_of_range_is_refused(self, depth_m):
        settings = replace(RAW, depth_max_m=0.5)
        assert self.reason(depth_m, instance(), settings) is Reason.NO_VALID_DEPTH

    @pytest.mark.parametrize(
        ("scale", "said"),
        [
            (1000.0, "median is 950 m, as of millimetres taken for metres (depth.unit"),
            (0.001, "median is 0.00095 m, as of metres for millimetres (depth.unit"),
            (10.0, "median is 9.5 m (is the unit right? depth.unit"),
        ],
    )
    def test_the_median_that_was_found_tells_of_a_wrong_unit(self, scale, said):
        refused = object_cloud(np.full((120, 160), 0.95 * scale), CAMERA, instance(), FAST)
        assert refused.reason is Reason.NO_VALID_DEPTH
        assert said in refused.detail

    @pytest.mark.parametrize(("away_m", "said"), [(40.0, "40 m"), (0.05, "0.05 m")])
    def test_a_mask_mostly_out_of_reach_is_refused_though_some_pixels_are_not(self, away_m, said):
        depth_m = np.full((120, 160), away_m)
        depth_m[20:30] = 0.9  # 500 pixels of 2000
        refused = object_cloud(depth_m, CAMERA, instance(), FAST)
        assert refused.reason is Reason.NO_VALID_DEPTH
        assert (
            f"500 of the mask's 2000 pixels have a depth of 0.1 to 5 m: the median is {said}"
            in (refused.detail)
        )
        wider = replace(FAST, depth_min_m=0.01, depth_max_m=50.0, min_points=1)
        assert isinstance(object_cloud(depth_m, CAMERA, instance(), wider), ObjectCloud)

    def test_a_mask_with_too_few_points_is_refused(self, depth_m):
        small = instance(slice(20, 25), slice(30, 35))
        assert self.reason(depth_m, small) is Reason.TOO_FEW_POINTS

    def test_a_mask_with_too_few_points_after_the_filters_is_refused(self, depth_m):
        depth_m[20:60] = np.linspace(0.5, 1.5, 40)[:, None]  # a steep slope
        settings = replace(RAW, depth_window_m=0.01)
        assert self.reason(depth_m, instance(), settings) is Reason.TOO_FEW_POINTS

    def test_a_mask_of_another_size_is_refused(self, depth_m):
        item = replace(instance(), mask=np.ones((240, 320), dtype=bool))
        assert self.reason(depth_m, item) is Reason.SIZE_MISMATCH

    @pytest.mark.parametrize("grown", [-1, 1])
    def test_a_depth_image_of_another_size_is_refused(self, depth_m, grown):
        # With a row too many every crop would still have the right shape.
        assert self.reason(np.resize(depth_m, (120 + grown, 160)), instance()) is (
            Reason.SIZE_MISMATCH
        )

    def test_an_unknown_category_is_refused(self, depth_m):
        assert self.reason(depth_m, instance(category="spoon")) is Reason.UNKNOWN_CATEGORY

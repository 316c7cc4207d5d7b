# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Objects that the image's border cuts: where they are placed, and what such an estimate counts."""

from dataclasses import replace

import numpy as np
import pytest

from genpose_ros.estimation import ObjectEstimate
from genpose_ros.geometry import PinholeCamera
from genpose_ros.tracking import TrackerSettings
from genpose_ros.tracking.ego_motion import StampedCameraPose
from genpose_ros.tracking.motion import Motion
from genpose_ros.tracking.state import Followed, TrackedObject, initiate, update

CAMERA = PinholeCamera(600.0, 600.0, 319.5, 239.5, 640, 480)
SETTINGS = TrackerSettings()
#: A plate of 34 x 25 cm across the line of sight; its middle when the border cuts a fifth of it.
SIZE_M = np.array([0.34, 0.25, 0.001])
CUT_X_M = -0.43


def pose(x_m: float, y_m: float = 0.0) -> np.ndarray:
    T = np.eye(4)
    T[:3, 3] = x_m, y_m, 1.0
    return T


def estimate(T: np.ndarray, points_cam: np.ndarray) -> ObjectEstimate:
    return ObjectEstimate(
        instance_id=1,
        category="laptop",
        T_cam_obj=T,
        covariance=np.diag([0.004**2] * 3 + [1e-3] * 3),
        score=1.0,
        score_axis=1.0,
        energy_rotation=None,
        energy_translation=None,
        size_m=SIZE_M,
        n_points=len(points_cam),
        mode_shares=(1.0,),
        T_cam_candidates=T[None],
        points_cam=points_cam.astype(np.float32),
    )


def plate(x_m: float, seed: int) -> np.ndarray:
    """Points (N, 3) of the plate that the image shows, with the noise of depth."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-0.5, 0.5, (1500, 3)) * SIZE_M + [x_m, 0.0, 1.0]
    points[:, 2] += rng.normal(0, 0.002, len(points))
    u = CAMERA.project(points)[:, 0]
    return points[(u >= 0) & (u < CAMERA.width)]


def seen_whole() -> TrackedObject:
    first = StampedCameraPose(10**9, np.eye(4), known=True)
    obj = initiate(1, estimate(pose(0.0), plate(0.0, 0)), first, SETTINGS)
    assert len(obj.points_obj) == 1500
    return obj


def cut(predicted_x_m: float, *, masked: bool = True) -> Followed:
    """The plate at the border, predicted somewhere; its own estimate is of what is left."""
    obj = seen_whole()
    obj = replace(obj, masked_ns=2 * 10**9 if masked else obj.masked_ns)
    left = plate(CUT_X_M, 1)
    assert 0.75 < len(left) / 1500 < 0.85
    middle = pose(float(left[:, 0].min() + left[:, 0].max()) / 2)
    motion = Motion(2 * 10**9, pose(predicted_x_m), np.zeros(6), obj.motion.covariance)
    return Followed(obj, motion, estimate(middle, left), outside=0.2)


def placed(item: Followed, *, known: bool = True) -> np.ndarray:
    (obj,) = update([item], StampedCameraPose(2 * 10**9, np.eye(4), known=known), SETTINGS, CAMERA)
    assert obj is not None
    return obj.motion.T_fixed_obj[:3, 3]


class TestPlace:
    @pytest.mark.parametrize("off_m", [-0.03, 0.03])
    def test_what_is_left_is_drawn_to_its_place_from_either_side(self, off_m):
        """With the points on the surface alone, one that reaches beyond them stays where it is."""
        item = cut(CUT_X_M + off_m)
        # So sure of itself that the filter goes by it.
        item = replace(item, estimate=replace(item.estimate, covariance=1e-8 * np.eye(6)))
        left_m = placed(item)[0] - CUT_X_M
        assert left_m * off_m > 0
        assert abs(left_m) < 0.85 * abs(off_m)

    def test_what_lies_where_it_is_predicted_stays_there(self):
        assert placed(cut(CUT_X_M))[0] == pytest.approx(CUT_X_M, abs=0.002)

    def test_without_a_mask_a_prediction_counts_more(self):
        """What lies around a prediction agrees with it."""
        moved = [
            abs(placed(cut(CUT_X_M + 0.03, masked=masked))[0] - (CUT_X_M + 0.03))
            for masked in (True, False)
        ]
        assert moved[1] < 0.5 * moved[0]

    def test_the_size_and_the_surface_stay_those_of_the_whole(self):
        item = cut(CUT_X_M)
        small = replace(item.estimate, size_m=0.8 * SIZE_M)
        pose_ns = StampedCameraPose(2 * 10**9, np.eye(4), known=True)
        (obj,) = update([replace(item, estimate=small)], pose_ns, SETTINGS, CAMERA)
        assert obj is not None
        np.testing.assert_array_equal(obj.estimate.size_m, SIZE_M)
        assert obj.points_obj is item.obj.points_obj

    def test_one_point_of_the_surface_beyond_the_border_is_enough(self):
        """Where a few of them counted as none, each mask took a little of the surface away."""
        assert replace(cut(CUT_X_M), outside=1 / 192).incomplete
        assert not replace(cut(CUT_X_M), outside=0.0).incomplete

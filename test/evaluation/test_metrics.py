# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Errors, shares, summaries and the handle."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.evaluation import pose_errors, share_within, summarise


def pose(rotation_deg=(0.0, 0.0, 0.0), translation_m=(0.0, 0.0, 0.0)) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("xyz", rotation_deg, degrees=True).as_matrix()
    T[:3, 3] = translation_m
    return T


class TestPoseErrors:
    def test_pose_errors_are_degrees_and_centimetres(self):
        T_true = pose((10, 20, 30), (0.1, 0.2, 0.9))
        T_est = T_true @ pose((0, 15, 0), (0.0, 0.03, 0.04))
        assert pose_errors(T_est, T_true, "laptop") == pytest.approx((15.0, 5.0))
        assert pose_errors(T_est, T_true, "can") == pytest.approx((0.0, 5.0), abs=1e-5)

    def test_yaw_of_a_mug_counts_only_with_a_visible_handle(self):
        T_est = pose((0, 40, 0))
        assert pose_errors(T_est, pose(), "mug")[0] == pytest.approx(40)
        assert pose_errors(T_est, pose(), "mug", False)[0] == pytest.approx(0, abs=1e-5)

    def test_scale_in_the_true_rotation_is_divided_out(self):
        T_true = pose((10, 20, 30))
        T_scaled = T_true.copy()
        T_scaled[:3, :3] *= 0.2
        assert pose_errors(T_true, T_scaled, "camera")[0] == pytest.approx(0, abs=1e-5)


def test_the_share_within_limits_includes_both_limits():
    assert share_within([5.0, 5.0, 5.1, 1.0], [2.0, 2.1, 0.0, 0.0], 5, 2) == 0.5
    assert math.isnan(share_within([], [], 5, 2))


class TestSummarise:
    def test_a_summary_has_medians_and_shares(self):
        summary = summarise([(1.0, 1.0), (4.0, 3.0), (9.0, 1.5)])
        assert summary == {
            "instances": 3,
            "missed": 0,
            "median_rotation_error_deg": 4.0,
            "median_translation_error_cm": 1.5,
            "share_5deg2cm": pytest.approx(1 / 3),
            "share_5deg5cm": pytest.approx(2 / 3),
            "share_10deg2cm": pytest.approx(2 / 3),
            "share_10deg5cm": 1.0,
        }

    def test_missed_objects_count_as_wrong(self):
        summary = summarise([(1.0, 1.0), None, (2.0, 1.0)])
        assert summary["missed"] == 1
        assert summary["median_rotation_error_deg"] == 2.0
        assert summary["share_10deg5cm"] == pytest.approx(2 / 3)
        assert summarise([(1.0, 1.0), None])["median_rotation_error_deg"] is None

    def test_a_summary_of_nothing_has_no_medians(self):
        summary = summarise([])
        assert summary["instances"] == 0
        assert summary["median_translation_error_cm"] is None
        assert summary["share_5deg2cm"] is None

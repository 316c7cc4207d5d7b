"""Errors, shares, summaries and the handle."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.evaluation import handle_visible, pose_errors, share_within, summarise


def pose(rotation_deg=(0.0, 0.0, 0.0), translation_m=(0.0, 0.0, 0.0)) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("xyz", rotation_deg, degrees=True).as_matrix()
    T[:3, 3] = translation_m
    return T


class TestPoseErrors:
    def test_degrees_and_centimetres(self):
        T_true = pose((10, 20, 30), (0.1, 0.2, 0.9))
        T_est = T_true @ pose((0, 15, 0), (0.0, 0.03, 0.04))
        assert pose_errors(T_est, T_true, "laptop") == pytest.approx((15.0, 5.0))
        assert pose_errors(T_est, T_true, "can") == pytest.approx((0.0, 5.0), abs=1e-5)

    def test_the_handle_decides_for_mugs(self):
        T_est = pose((0, 40, 0))
        assert pose_errors(T_est, pose(), "mug")[0] == pytest.approx(40)
        assert pose_errors(T_est, pose(), "mug", False)[0] == pytest.approx(0, abs=1e-5)

    def test_scale_in_the_truth_is_divided_out(self):
        T_true = pose((10, 20, 30))
        T_scaled = T_true.copy()
        T_scaled[:3, :3] *= 0.2
        assert pose_errors(T_true, T_scaled, "camera")[0] == pytest.approx(0, abs=1e-5)


def test_share_counts_both_limits_inclusively():
    assert share_within([5.0, 5.0, 5.1, 1.0], [2.0, 2.1, 0.0, 0.0], 5, 2) == 0.5
    assert math.isnan(share_within([], [], 5, 2))


class TestSummarise:
    def test_medians_and_shares(self):
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

    def test_nothing(self):
        summary = summarise([])
        assert summary["instances"] == 0
        assert summary["median_translation_error_cm"] is None
        assert summary["share_5deg2cm"] is None


class TestHandleVisible:
    #: Box of a mug with a body 8 cm wide: the body's axis is at x = -2 cm.
    SIZE_M = np.array([0.12, 0.1, 0.08])
    T_CAM_OBJ = pose((180, 30, 0), (0.1, 0.0, 0.8))

    def cloud(self, on_handle: int) -> np.ndarray:
        rng = np.random.default_rng(0)
        angle = rng.uniform(0, 2 * np.pi, 1024)
        body = np.stack(
            (-0.02 + 0.04 * np.cos(angle), rng.uniform(-0.05, 0.05, 1024), 0.04 * np.sin(angle)), -1
        )
        handle = rng.uniform((0.03, -0.03, -0.008), (0.06, 0.03, 0.008), (on_handle, 3))
        points_obj = np.vstack((body[on_handle:], handle))
        return points_obj @ self.T_CAM_OBJ[:3, :3].T + self.T_CAM_OBJ[:3, 3]

    @pytest.mark.parametrize(("on_handle", "visible"), [(0, False), (9, False), (10, True)])
    def test_ten_points_of_1024_decide(self, on_handle, visible):
        points_cam = self.cloud(on_handle)
        assert handle_visible(points_cam, self.T_CAM_OBJ, self.SIZE_M) is visible

    def test_background_behind_the_mug_is_no_handle(self):
        wall_obj = np.column_stack(
            (np.full(500, 0.045), np.linspace(-0.04, 0.04, 500), np.full(500, 0.2))
        )
        wall_cam = wall_obj @ self.T_CAM_OBJ[:3, :3].T + self.T_CAM_OBJ[:3, 3]
        points_cam = np.vstack((self.cloud(0), wall_cam))
        assert not handle_visible(points_cam, self.T_CAM_OBJ, self.SIZE_M)

    def test_no_points(self):
        assert not handle_visible(np.empty((0, 3)), self.T_CAM_OBJ, self.SIZE_M)

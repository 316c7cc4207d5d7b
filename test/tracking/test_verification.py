"""Which estimates of tracked objects are believed, and when a rival takes over."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.estimation import ObjectEstimate
from genpose_ros.tracking import TrackerSettings
from genpose_ros.tracking.state import Moment, begun
from genpose_ros.tracking.verification import (
    check_due,
    checked,
    doubt,
    far_apart,
    is_clear,
    turn_deg,
)

SETTINGS = TrackerSettings()
MOMENT = Moment(10**9, np.eye(4), known=True)


def pose(x=0.0, yaw=0.0, tilt=0.0):
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("xy", [tilt, yaw], degrees=True).as_matrix()
    T[:3, 3] = x, 0, 0.8
    return T


def estimate(T=None, *, category="mug", energy=10.0, share=1.0, spread_m=0.004, outside=0.0):
    """An estimate; `outside`: share of its points far outside its box."""
    T = pose() if T is None else T
    points = np.zeros((100, 3))
    points[: round(100 * outside)] = 1.0
    return ObjectEstimate(
        instance_id=1,
        category=category,
        T_cam_obj=T,
        covariance=np.diag([spread_m**2] * 3 + [1e-3] * 3),
        score=1.0,
        energy_rotation=energy,
        energy_translation=0.0,
        size_m=np.array([0.1, 0.1, 0.1]),
        n_points=100,
        mode_shares=(share,),
        T_cam_candidates=T[None],
        points_cam=(points + T[:3, 3]).astype(np.float32),
    )


class TestDoubt:
    @pytest.mark.parametrize(
        ("changes", "residual_m", "reason"),
        [
            ({}, 0.01, ""),
            ({"outside": 0.4}, 0.01, ""),
            ({"outside": 0.6}, 0.01, "share of points outside its box"),
            ({"spread_m": 0.06}, 0.01, "spread of the candidates"),
            ({}, 0.04, "depth residual"),
            ({}, math.nan, ""),
            ({"T": pose(x=0.16)}, 0.01, "jump in metres"),
            ({"T": pose(yaw=50)}, 0.01, "jump in degrees"),
            ({"T": pose(yaw=50), "category": "can"}, 0.01, ""),
            ({"T": pose(tilt=50), "category": "can"}, 0.01, "jump in degrees"),
        ],
    )
    def test_each_limit_by_itself(self, changes, residual_m, reason):
        said = doubt(estimate(**changes), pose(), residual_m, SETTINGS)
        assert said.startswith(reason)
        assert bool(said) == bool(reason)

    def test_without_a_prediction_there_is_no_jump(self):
        assert doubt(estimate(pose(x=0.5, yaw=90)), None, 0.3, SETTINGS) == ""


class TestPoses:
    def test_angles(self):
        assert turn_deg(pose(yaw=10), pose(yaw=50), symmetric=False) == pytest.approx(40)
        assert turn_deg(pose(yaw=10), pose(yaw=50), symmetric=True) == pytest.approx(0, abs=1e-5)
        assert turn_deg(pose(tilt=10), pose(tilt=190), symmetric=True) == pytest.approx(180)

    @pytest.mark.parametrize("degrees", [0.0, 1e-4, 3.0, 90.0, 179.0, 179.9999, 180.0])
    def test_angles_about_any_axis(self, degrees):
        rng = np.random.default_rng(0)
        T_a, T_b = pose(), pose()
        for axis in rng.standard_normal((20, 3)):
            turn = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis))
            T_a[:3, :3] = Rotation.random(random_state=rng).as_matrix()
            T_b[:3, :3] = turn.as_matrix() @ T_a[:3, :3]
            assert turn_deg(T_a, T_b, symmetric=False) == pytest.approx(degrees, abs=1e-5)

    def test_far_apart_in_either(self):
        assert not far_apart(pose(), pose(x=0.04, yaw=20), symmetric=False)
        assert far_apart(pose(), pose(x=0.06), symmetric=False)
        assert far_apart(pose(), pose(yaw=30), symmetric=False)
        assert not far_apart(pose(), pose(yaw=30), symmetric=True)


class TestIsClear:
    @pytest.mark.parametrize(("share", "clear"), [(0.9, True), (0.6, False)])
    def test_by_the_share_of_the_largest_mode(self, share, clear):
        assert is_clear(estimate(share=share)) is clear

    def test_whatever_the_energy(self):
        assert is_clear(estimate(energy=-1e3))

    def test_no_mode_is_never_clear(self):
        assert not is_clear(replace(estimate(energy=99.0), mode_shares=()))


class TestChecks:
    def memory(self, **changes):
        return replace(begun(1, estimate(), MOMENT, SETTINGS), **changes)

    def test_due_from_time_to_time_and_at_once_with_a_rival(self):
        memory = self.memory()
        soon, later = MOMENT.stamp_ns + 10**8, MOMENT.stamp_ns + 6 * 10**8
        assert check_due(memory, soon, SETTINGS) == 0
        assert check_due(memory, later, SETTINGS) > 0
        assert check_due(self.memory(rival=np.eye(4)), soon, SETTINGS) > check_due(
            memory, later, SETTINGS
        )
        assert check_due(memory, later, replace(SETTINGS, verify_period_s=0.0)) == 0

    def test_a_drop_of_energy_asks_for_a_check(self):
        soon = MOMENT.stamp_ns + 2 * 10**8
        assert check_due(self.memory(energy=10.5), soon, SETTINGS) == 0
        assert check_due(self.memory(energy=15.0), soon, SETTINGS) > 0

    def test_only_the_same_rival_in_a_row_counts(self):
        memory, own = self.memory(), estimate()
        a, b = estimate(pose(yaw=90), energy=20.0), estimate(pose(yaw=-90), energy=20.0)
        memory = checked(memory, own, a, 1)
        memory = checked(memory, own, a, 2)
        assert memory.rival_checks == 2
        assert checked(memory, own, b, 3).rival_checks == 1
        for other in (own, estimate(pose(yaw=90), share=0.5)):
            assert checked(memory, own, other, 3).rival is None
        assert checked(memory, own, a, 3).checked_ns == 3

    def test_a_rival_is_the_same_though_the_object_moves(self):
        memory = self.memory()
        for i in range(3):
            own, other = pose(x=0.1 * i, yaw=40 * i), pose(x=0.1 * i, yaw=40 * i + 120)
            memory = checked(memory, estimate(own), estimate(other, energy=20.0), i)
        assert memory.rival_checks == 3

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Verification: plausible estimates, priorities, alternative poses, and the choice of estimates."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.estimation import ObjectEstimate
from genpose_ros.geometry import NOCS, Category, CategorySet, Symmetry
from genpose_ros.geometry.symmetry_groups import ASYMMETRIC, AXISYMMETRIC
from genpose_ros.tracking import TrackerSettings, TrackState
from genpose_ros.tracking.ego_motion import StampedCameraPose
from genpose_ros.tracking.state import initiate
from genpose_ros.tracking.symmetric_poses import are_far_apart, turn_deg
from genpose_ros.tracking.verification import (
    Choice,
    Judged,
    VerifyPriority,
    choose_estimate,
    is_clear,
    record_verification,
    rejection_reasons,
    verification_priority,
)

SETTINGS = TrackerSettings()
TIN = Symmetry.parse({"y": "quarter"})
TINS = CategorySet((Category(name="tin", symmetry=TIN),))
CAMERA_POSE = StampedCameraPose(10**9, np.eye(4), known=True)


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
        score_axis=1.0,
        energy_rotation=energy,
        energy_translation=0.0,
        size_m=np.array([0.1, 0.1, 0.1]),
        n_points=100,
        mode_shares=(share,),
        T_cam_candidates=T[None],
        points_cam=(points + T[:3, 3]).astype(np.float32),
    )


class TestRejectionReason:
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
    def test_each_limit_refuses_by_itself(self, changes, residual_m, reason):
        item = estimate(**changes)
        judged = Judged(item, pose(), residual_m, NOCS[item.category].symmetry)
        (said,) = rejection_reasons([judged], SETTINGS)
        assert said.startswith(reason)
        assert bool(said) == bool(reason)

    def test_without_a_prediction_there_is_no_jump(self):
        item = estimate(pose(x=0.5, yaw=90))
        assert rejection_reasons([Judged(item, None, 0.3, ASYMMETRIC)], SETTINGS) == [""]


class TestPoses:
    def test_angles_of_axisymmetric_objects_are_those_of_their_y_axes(self):
        assert turn_deg(pose(yaw=10), pose(yaw=50), symmetry=ASYMMETRIC) == pytest.approx(40)
        assert turn_deg(pose(yaw=10), pose(yaw=50), symmetry=AXISYMMETRIC) == pytest.approx(
            0, abs=1e-5
        )
        assert turn_deg(pose(tilt=10), pose(tilt=190), symmetry=AXISYMMETRIC) == pytest.approx(180)

    @pytest.mark.parametrize("degrees", [0.0, 1e-4, 3.0, 90.0, 179.0, 179.9999, 180.0])
    def test_angles_are_those_turned_about_any_axis(self, degrees):
        rng = np.random.default_rng(0)
        T_a, T_b = pose(), pose()
        for axis in rng.standard_normal((20, 3)):
            turn = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis))
            T_a[:3, :3] = Rotation.random(random_state=rng).as_matrix()
            T_b[:3, :3] = turn.as_matrix() @ T_a[:3, :3]
            assert turn_deg(T_a, T_b, symmetry=ASYMMETRIC) == pytest.approx(degrees, abs=1e-5)

    def test_angles_are_the_smallest_over_a_finite_group(self):
        assert turn_deg(pose(yaw=10), pose(yaw=195), symmetry=TIN) == pytest.approx(5)
        assert turn_deg(pose(yaw=10), pose(yaw=55), symmetry=TIN) == pytest.approx(45)
        assert turn_deg(pose(tilt=10), pose(tilt=190), symmetry=TIN) == pytest.approx(180)
        assert not are_far_apart(pose(), pose(yaw=90), symmetry=TIN)
        assert are_far_apart(pose(), pose(yaw=45), symmetry=TIN)

    def test_poses_are_far_apart_in_place_or_rotation(self):
        assert not are_far_apart(pose(), pose(x=0.04, yaw=20), symmetry=ASYMMETRIC)
        assert are_far_apart(pose(), pose(x=0.06), symmetry=ASYMMETRIC)
        assert are_far_apart(pose(), pose(yaw=30), symmetry=ASYMMETRIC)
        assert not are_far_apart(pose(), pose(yaw=30), symmetry=AXISYMMETRIC)


class TestIsClear:
    @pytest.mark.parametrize(("share", "clear"), [(0.9, True), (0.6, False)])
    def test_an_estimate_is_clear_by_the_share_of_its_largest_mode(self, share, clear):
        assert is_clear(estimate(share=share)) is clear

    def test_an_estimate_is_clear_whatever_its_energy(self):
        assert is_clear(estimate(energy=-1e3))

    def test_an_estimate_without_modes_is_never_clear(self):
        assert not is_clear(replace(estimate(energy=99.0), mode_shares=()))


def tracked(**changes):
    return replace(initiate(1, estimate(), CAMERA_POSE, SETTINGS), **changes)


def after_s(seconds):
    return CAMERA_POSE.stamp_ns + round(seconds * 1e9)


class TestPriority:
    """With the usual period of 0.5 s, and an energy of the last estimate of 10."""

    @pytest.mark.parametrize(
        ("changes", "seconds", "expected"),
        [
            ({}, 0.1, VerifyPriority.NONE),
            ({}, 0.5, VerifyPriority.DUE),
            ({"energy": 10.5}, 0.2, VerifyPriority.NONE),
            ({"energy": 15.0}, 0.2, VerifyPriority.ENERGY_DROPPED),
            ({"energy": 15.0}, 0.1, VerifyPriority.NONE),  # too soon
            ({"energy": 15.0}, 0.6, VerifyPriority.ENERGY_DROPPED),
            ({"energy": None}, 0.2, VerifyPriority.NONE),
            ({"alternative": np.eye(4)}, 0.01, VerifyPriority.ALTERNATIVE_SEEN),
            ({"alternative": np.eye(4)}, 0.0, VerifyPriority.NONE),  # in this very frame
            ({"alternative": np.eye(4), "energy": 15.0}, 0.6, VerifyPriority.ALTERNATIVE_SEEN),
        ],
    )
    def test_a_track_has_the_priority_of_its_most_urgent_reason(self, changes, seconds, expected):
        priority, age = verification_priority(tracked(**changes), after_s(seconds), SETTINGS)
        assert priority is expected
        assert age == pytest.approx(0 if expected is VerifyPriority.NONE else seconds / 0.5)

    def test_priority_counts_before_age(self):
        seen = verification_priority(tracked(alternative=np.eye(4)), after_s(0.1), SETTINGS)
        dropped = verification_priority(tracked(energy=15.0), after_s(0.2), SETTINGS)
        due = verification_priority(tracked(), after_s(2.0), SETTINGS)
        older = verification_priority(tracked(), after_s(2.1), SETTINGS)
        assert sorted([due, older, seen, dropped]) == [due, older, dropped, seen]

    def test_without_a_period_nothing_is_verified(self):
        never = replace(SETTINGS, verify_period_s=0.0)
        obj = tracked(alternative=np.eye(4), energy=15.0)
        assert verification_priority(obj, after_s(9.0), never)[0] is VerifyPriority.NONE


class TestRecordVerification:
    def test_only_the_same_alternative_pose_in_a_row_counts(self):
        obj, own = tracked(), estimate()
        a, b = estimate(pose(yaw=90), energy=20.0), estimate(pose(yaw=-90), energy=20.0)
        obj = record_verification(obj, own, a, 1, SETTINGS)
        obj = record_verification(obj, own, a, 2, SETTINGS)
        assert obj.alternative_checks == 2
        assert record_verification(obj, own, b, 3, SETTINGS).alternative_checks == 1
        for other in (own, estimate(pose(yaw=90), share=0.5)):
            assert record_verification(obj, own, other, 3, SETTINGS).alternative is None
        assert record_verification(obj, own, a, 3, SETTINGS).verified_ns == 3

    def test_an_alternative_pose_is_the_same_though_the_object_moves(self):
        obj = tracked()
        for i in range(3):
            own, other = pose(x=0.1 * i, yaw=40 * i), pose(x=0.1 * i, yaw=40 * i + 120)
            fresh = estimate(other, energy=20.0)
            obj = record_verification(obj, estimate(own), fresh, i, SETTINGS)
        assert obj.alternative_checks == 3

    @pytest.mark.parametrize(
        ("energies", "checks"),
        [
            ((9.0, 9.0, 13.0), 3),  # more in sum than the own pose's 10
            ((13.0, 9.0, 7.5), 0),  # less: what all candidates see is forgotten
            ((9.0, 9.0), 2),  # not yet seen often enough to be judged
            ((None, None, None), 3),  # weights without energies go by the candidates alone
        ],
    )
    def test_an_alternative_pose_with_less_energy_than_the_own_one_is_forgotten(
        self, energies, checks
    ):
        obj, own = tracked(), estimate(energy=10.0)
        for stamp_ns, energy in enumerate(energies):
            fresh = estimate(pose(yaw=90), energy=energy)
            obj = record_verification(obj, own, fresh, stamp_ns, SETTINGS)
        assert obj.alternative_checks == checks
        assert (obj.alternative is None) == (checks == 0)


class TestChooseEstimate:
    """The track is expected at the origin of `pose`; its last mask had the area of `estimate`."""

    HERE, TURNED, AWAY, FAR = pose(), pose(yaw=90), pose(x=0.06), pose(x=0.2)
    UNCLEAR = 0.5

    @pytest.mark.parametrize(
        ("changes", "warm", "fresh", "choice", "restart"),
        [
            # Nothing is plausible.
            ({}, None, None, Choice.NONE, False),
            ({"state": TrackState.LOST}, None, None, Choice.NONE, False),
            # A track that is sure of its pose follows the prediction, however far it came.
            ({}, HERE, None, Choice.WARM, False),
            ({}, FAR, None, Choice.WARM, False),
            ({}, HERE, HERE, Choice.WARM, False),
            ({}, HERE, TURNED, Choice.WARM, False),
            ({"alternative_checks": 2}, HERE, TURNED, Choice.WARM, False),
            # It switches after `pose_switch_checks` verifications, and not without one now.
            ({"alternative_checks": 3}, HERE, TURNED, Choice.FRESH_VERIFIED, True),
            ({"alternative_checks": 3}, HERE, None, Choice.WARM, False),
            ({"alternative_checks": 3}, TURNED, HERE, Choice.FRESH_VERIFIED, False),
            # A fresh estimate serves where the one around the prediction is not plausible.
            ({}, None, HERE, Choice.FRESH_ALONE, False),
            ({}, None, TURNED, Choice.FRESH_ALONE, True),
            ({}, None, AWAY, Choice.FRESH_ALONE, True),
            # Doubtful tracks believe a fresh estimate that clearly contradicts them.
            ({"state": TrackState.LOST}, HERE, None, Choice.WARM, False),
            ({"state": TrackState.LOST}, AWAY, None, Choice.WARM, True),
            ({"state": TrackState.LOST}, HERE, HERE, Choice.WARM, False),
            ({"state": TrackState.LOST}, HERE, TURNED, Choice.FRESH_CONTRADICTS, True),
            ({"state": TrackState.LOST}, TURNED, HERE, Choice.FRESH_CONTRADICTS, False),
            ({"restart": True}, HERE, TURNED, Choice.FRESH_CONTRADICTS, True),
            ({"implausible": 1}, HERE, TURNED, Choice.FRESH_CONTRADICTS, True),
            ({"implausible": 1}, HERE, (TURNED, UNCLEAR), Choice.WARM, False),
            # A sliver far off or turned is not believed, but where it is or when the track is sure.
            ({"area": 1e4, "restart": True}, None, FAR, Choice.SLIVER, False),
            ({"area": 1e4, "restart": True}, FAR, None, Choice.SLIVER, False),
            ({"area": 1e4}, None, FAR, Choice.SLIVER, False),
            ({"area": 1e4, "implausible": 1}, None, TURNED, Choice.SLIVER, False),
            ({"area": 1e4, "implausible": 1}, HERE, TURNED, Choice.SLIVER, False),
            ({"area": 1e4, "implausible": 1}, None, HERE, Choice.FRESH_ALONE, False),
            ({"area": 1e4, "restart": True}, None, AWAY, Choice.FRESH_ALONE, True),
            ({"area": 1e4}, FAR, None, Choice.WARM, False),
        ],
    )
    def test_the_choice_is_that_of_the_table(self, changes, warm, fresh, choice, restart):
        warm_estimate = None if warm is None else estimate(warm)
        if isinstance(fresh, tuple):
            fresh_estimate = estimate(fresh[0], share=fresh[1])
        else:
            fresh_estimate = None if fresh is None else estimate(fresh)
        chosen = choose_estimate(
            tracked(**changes), self.HERE, warm_estimate, fresh_estimate, SETTINGS
        )
        assert (chosen.choice, chosen.restart) == (choice, restart)
        expected = warm_estimate if choice is Choice.WARM else fresh_estimate
        assert chosen.estimate is (None if choice in (Choice.NONE, Choice.SLIVER) else expected)

    def test_a_fresh_estimate_of_an_axisymmetric_object_keeps_the_yaw_expected(self):
        obj = replace(tracked(), category="can")
        fresh = estimate(pose(yaw=70), category="can")
        chosen = choose_estimate(obj, pose(yaw=20), None, fresh, SETTINGS)
        assert chosen.estimate is not None
        assert turn_deg(chosen.estimate.T_cam_obj, pose(yaw=20), symmetry=ASYMMETRIC) < 1e-6
        assert not chosen.restart

    def test_a_fresh_estimate_is_turned_to_the_member_of_its_group_that_was_expected(self):
        obj = replace(tracked(), category="tin", categories=TINS)
        fresh = estimate(pose(yaw=115), category="tin")
        chosen = choose_estimate(obj, pose(yaw=20), None, fresh, SETTINGS)
        assert chosen.estimate is not None
        assert turn_deg(chosen.estimate.T_cam_obj, pose(yaw=25), symmetry=ASYMMETRIC) < 1e-6
        assert not chosen.restart

    def test_another_member_of_its_group_does_not_contradict_a_track(self):
        obj = replace(tracked(), category="tin", categories=TINS)
        own, other = estimate(pose(yaw=3), category="tin"), pose(yaw=273)
        fresh = estimate(other, category="tin")
        after = record_verification(obj, own, fresh, 2 * 10**9, SETTINGS)
        assert after.alternative is None
        own, fresh = estimate(pose(yaw=3)), estimate(other)
        contradicted = record_verification(tracked(), own, fresh, 1, SETTINGS)
        assert contradicted.alternative is not None

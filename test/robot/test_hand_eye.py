# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Check of a hand-eye calibration: it finds what is off, and does not find what is not."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.robot.hand_eye import Sighting, Verdict, check_hand_eye
from genpose_ros.robot.kinematics import transform
from genpose_ros.robot.mounts import CameraMount
from genpose_ros.robot.simulation.hand_eye import T_BASE_BESIDE, _held
from genpose_ros.robot.simulation.world import T_EEF_OPTICAL
from genpose_ros.synthesis.motions import look_at

OBJECT = transform((0.45, 0.0, 0.06), (np.pi / 2, 0.0, 0.4))


def sightings(count=20, noise_m=0.0015, noise_deg=0.8, seed=0, roll=True):
    """Sightings from a half circle, with the estimator's noise."""
    rng = np.random.default_rng(seed)
    quarter = transform(rpy_rad=(np.pi / 2, 0.0, 0.0))
    found = []
    for angle in np.linspace(-1.2, 1.2, count):
        eye = OBJECT[:3, 3] + [-0.35 * np.cos(angle), 0.4 * np.sin(angle), rng.uniform(0.25, 0.45)]
        turn = rng.uniform(-1.5, 1.5) if roll else 0.0
        R = quarter[:3, :3].T
        T_base_cam = quarter @ look_at(R @ eye, R @ OBJECT[:3, 3], turn)
        T_cam_obj = np.linalg.inv(T_base_cam) @ OBJECT
        T_cam_obj[:3, 3] += rng.normal(0, noise_m, 3)
        jitter = Rotation.from_rotvec(np.radians(rng.normal(0, noise_deg, 3))).as_matrix()
        T_cam_obj[:3, :3] = jitter @ T_cam_obj[:3, :3]
        found.append(Sighting(T_base_cam @ np.linalg.inv(T_EEF_OPTICAL), T_cam_obj))
    return found


def off(mm=0.0, deg=0.0, seed=0):
    rng = np.random.default_rng([seed, 5])
    direction, axis = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
    T = np.eye(4)
    T[:3, 3] = 0.001 * mm * direction
    T[:3, :3] = Rotation.from_rotvec(np.radians(deg) * axis).as_matrix()
    return T_EEF_OPTICAL @ T


@pytest.mark.parametrize("symmetric", [False, True])
def test_without_noise_the_offset_is_found_exactly(symmetric):
    check = check_hand_eye(
        sightings(noise_m=0.0, noise_deg=0.0), off(7.0, 1.5), symmetric=symmetric
    )
    np.testing.assert_allclose(check.T_mount_cam, T_EEF_OPTICAL, atol=1e-4)
    assert check.off_deg == pytest.approx(1.5, abs=1e-3)
    assert check.left_mm < 1e-2 < check.spread_mm


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("mm", "deg"), [(5.0, 0.0), (0.0, 1.0)])
def test_5_mm_or_1_degree_is_found_through_the_noise_of_estimates(mm, deg, seed):
    check = check_hand_eye(sightings(seed=seed), off(mm, deg, seed), symmetric=seed % 2 == 0)
    assert check.verdict is Verdict.OFF


@pytest.mark.parametrize("seed", range(8))
def test_a_right_calibration_is_good_through_the_same_noise(seed):
    check = check_hand_eye(sightings(seed=seed), T_EEF_OPTICAL, symmetric=seed % 2 == 0)
    assert check.verdict is Verdict.GOOD
    assert check.spread_mm < 5


def held(mm=0.0, deg=0.0, seed=0, noise_m=0.0015, noise_deg=0.8, count=20):
    """Sightings of an object in the gripper by a camera beside the arm; and a calibration."""
    rng = np.random.default_rng([seed, 3])
    T_flange_obj = transform((0.0, 0.01, 0.17), (np.pi / 2, 0.0, 0.3))
    found = []
    for _ in range(count):
        place = np.array([0.42, 0.0, 0.3]) + rng.uniform(-0.06, 0.06, 3)
        T_base_flange = transform(tuple(place), (0.0, np.pi / 2, 0.0)) @ transform(
            rpy_rad=tuple(rng.uniform(-0.9, 0.9, 3))
        )
        T_cam_obj = np.linalg.inv(T_BASE_BESIDE) @ T_base_flange @ T_flange_obj
        T_cam_obj[:3, 3] += rng.normal(0, noise_m, 3)
        jitter = Rotation.from_rotvec(np.radians(rng.normal(0, noise_deg, 3))).as_matrix()
        T_cam_obj[:3, :3] = jitter @ T_cam_obj[:3, :3]
        found.append(Sighting(T_base_flange, T_cam_obj))
    return found, T_BASE_BESIDE @ np.linalg.inv(T_EEF_OPTICAL) @ off(mm, deg, seed)


def test_a_camera_beside_the_arm_is_checked_by_an_object_in_the_gripper():
    seen, T = held(7.0, 1.5, noise_m=0.0, noise_deg=0.0)
    check = check_hand_eye(seen, T, symmetric=True, eye_to_hand=True)
    np.testing.assert_allclose(check.T_mount_cam, T_BASE_BESIDE, atol=1e-4)
    assert check.off_deg == pytest.approx(1.5, abs=1e-3)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("mm", "deg", "verdict"),
    [(0.0, 0.0, Verdict.GOOD), (5.0, 0.0, Verdict.OFF), (0.0, 1.0, Verdict.OFF)],
)
def test_beside_the_arm_too_5_mm_or_1_degree_is_found_through_noise(mm, deg, verdict, seed):
    seen, T = held(mm, deg, seed)
    assert check_hand_eye(seen, T, symmetric=True, eye_to_hand=True).verdict is verdict


def test_a_can_that_is_taken_for_one_upside_down_is_none_the_less_where_it_is():
    seen = sightings()
    for number in (3, 8, 11):
        turned = seen[number].T_cam_obj @ np.diag([1.0, -1.0, -1.0, 1.0])
        seen[number] = Sighting(seen[number].T_base_flange, turned)
    check = check_hand_eye(seen, T_EEF_OPTICAL, symmetric=True)
    assert check.verdict is Verdict.GOOD
    assert check.spread_deg < 2


def test_a_sighting_far_from_all_others_is_left_out_and_told():
    seen = sightings()
    T = seen[4].T_cam_obj.copy()
    T[:3, 3] += [0.0, 0.05, 0.0]
    seen[4] = Sighting(seen[4].T_base_flange, T)
    check = check_hand_eye(seen, T_EEF_OPTICAL, symmetric=True)
    np.testing.assert_array_equal(np.flatnonzero(~check.kept), [4])
    assert check.verdict is Verdict.GOOD
    assert check.spread_mm < 5


def test_sightings_that_disagree_all_count():
    rng = np.random.default_rng(0)
    seen = []
    for sighting in sightings(noise_m=0.0, noise_deg=0.0):
        T = sighting.T_cam_obj.copy()
        T[:3, 3] += rng.choice([0.0, 0.2], p=[0.6, 0.4]) * rng.normal(size=3)
        seen.append(Sighting(sighting.T_base_flange, T))
    check = check_hand_eye(seen, T_EEF_OPTICAL, symmetric=True)
    assert check.kept.all()
    assert check.verdict is not Verdict.GOOD


@pytest.mark.parametrize("seed", range(6))
def test_scatter_along_the_axis_alone_hides_no_offset_across_it(seed):
    seen, T = held(5.0, 0.0, seed, noise_m=0.0007)
    rng = np.random.default_rng(seed)
    for i, sighting in enumerate(seen):
        T_cam_obj = sighting.T_cam_obj.copy()
        T_cam_obj[:3, 3] += rng.normal(0, 0.008) * T_cam_obj[:3, 1]
        seen[i] = Sighting(sighting.T_base_flange, T_cam_obj)
    check = check_hand_eye(seen, T, symmetric=True, eye_to_hand=True)
    assert check.verdict is Verdict.OFF
    assert check.sigma_mm < 1.5


def test_what_the_gripper_cannot_hold_is_refused_instead_of_looked_for_without_end():
    with pytest.raises(ValueError, match="objects of bowl can be held by its side"):
        _held("bowl", np.random.default_rng(0))


def test_the_shipped_camera_beside_the_arm_is_the_simulated_one(root):
    mount = CameraMount.read(root / "config" / "xarm6_eye_to_hand.yaml")
    np.testing.assert_allclose(mount.T_parent_optical, T_BASE_BESIDE, atol=1e-7)


def test_much_noise_makes_it_unsure_instead_of_wrong():
    check = check_hand_eye(
        sightings(7, noise_m=0.012, noise_deg=6.0, seed=3), T_EEF_OPTICAL, symmetric=True
    )
    assert check.verdict is Verdict.UNSURE
    assert check.sigma_mm > 1.5


def test_too_few_sightings_and_sightings_from_one_side_are_refused():
    with pytest.raises(ValueError, match="5 sightings of the object, 6 are needed"):
        check_hand_eye(sightings(5), T_EEF_OPTICAL, symmetric=True)
    with pytest.raises(ValueError, match="differ by 0 degrees at most"):
        check_hand_eye([sightings()[0]] * 8, T_EEF_OPTICAL, symmetric=True)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Grasp tables and task frames: where frames are, and which poses have none."""

from dataclasses import replace

import numpy as np
import pytest

from genpose_ros.geometry import NOCS, Category, Symmetry
from genpose_ros.robot.collision import Surroundings
from genpose_ros.robot.grasps import FrameSpec, GraspTable
from genpose_ros.robot.inverse import InverseKinematics, Reachability
from genpose_ros.robot.kinematics import transform, turned_about
from genpose_ros.robot.reasons import FrameReason
from genpose_ros.robot.task_frames import SeenObject, task_frames, with_reach
from genpose_ros.robot.xarm6 import READY_RAD, xarm6_collisions, xarm6_gripper

TABLE = GraspTable.shipped()
SIZES = {
    "bottle": (0.07, 0.22, 0.07),
    "bowl": (0.16, 0.07, 0.16),
    "camera": (0.07, 0.08, 0.13),
    "can": (0.066, 0.12, 0.066),
    "laptop": (0.25, 0.2, 0.33),
    "mug": (0.11, 0.1, 0.075),
}
#: The object's y axis is the base's z axis.
UPRIGHT = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


def seen(name="can", **changes):
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = UPRIGHT, (0.45, 0.1, SIZES[name][1] / 2)
    item = SeenObject(
        name=f"{name}_1", category=NOCS[name], T_out_obj=T, size_m=np.array(SIZES[name])
    )
    return replace(item, **changes)


def reasons(item, **more):
    found = task_frames(item, TABLE, **more)
    return {(refusal.frame, refusal.reason) for refusal in found.refusals}


def test_every_category_has_frames_of_rotations(root):
    assert set(TABLE.categories) == set(NOCS.names)
    for name in NOCS.names:
        for frame in task_frames(seen(name), TABLE).frames:
            R = frame.T_obj_ring[:, :3, :3]
            np.testing.assert_allclose(
                R @ R.swapaxes(1, 2), np.eye(3)[None].repeat(len(R), 0), atol=1e-12
            )
            assert np.linalg.det(R) == pytest.approx(1.0)


def test_the_table_that_users_copy_is_the_one_that_is_used(root):
    shipped = root / "genpose_ros" / "robot" / "grasps.yaml"
    assert (root / "config" / "grasps.yaml").read_bytes() == shipped.read_bytes()


def test_a_can_is_grasped_from_all_around_at_its_middle_and_across():
    frame = task_frames(seen("can"), TABLE).frame("grasp_side")
    np.testing.assert_allclose(frame.T_obj_ring[:, :3, 3], 0, atol=1e-12)
    z = frame.T_obj_ring[:, :3, 2]
    np.testing.assert_allclose(z[:, 1], 0, atol=1e-12)  # all go in level
    angles = np.sort(np.degrees(np.arctan2(z[:, 2], z[:, 0])) % 360)
    np.testing.assert_allclose(np.diff(angles), 360 / 16, atol=1e-9)
    np.testing.assert_allclose(
        frame.T_obj_before[:3, 3], -0.10 * frame.T_obj_frame[:3, 2], atol=1e-12
    )
    assert frame.opening_m == pytest.approx(0.066)


def test_a_bowl_is_taken_by_its_rim_with_the_fingers_on_both_sides_of_the_wall():
    frame = task_frames(seen("bowl"), TABLE).frame("grasp_top")
    for T in frame.T_obj_ring:
        radial = T[:3, 3] * [1, 0, 1]
        assert np.linalg.norm(radial) == pytest.approx(0.08 - 0.005)
        assert T[1, 3] == pytest.approx(0.035 - 0.003)
        np.testing.assert_allclose(T[:3, 2], [0, -1, 0], atol=1e-12)  # from above
        assert abs(T[:3, 1] @ radial) == pytest.approx(np.linalg.norm(radial))


def test_a_mugs_frames_turn_about_its_body_and_keep_off_the_handle():
    """The body, 75 mm wide, ends at the box's -x side: its axis is 17.5 mm beside the middle."""
    frame = task_frames(seen("mug"), TABLE).frame("grasp_top")
    axis = np.array([-0.0175, 0.0])
    radial = frame.T_obj_ring[:, [0, 2], 3] - axis
    np.testing.assert_allclose(np.linalg.norm(radial, axis=1), 0.0375 - 0.003, atol=1e-12)
    assert np.degrees(np.arctan2(np.abs(radial[:, 1]), radial[:, 0])).min() > 55  # handle at +x


def test_pouring_tilts_the_y_axis_to_where_the_frames_z_axis_points():
    for name in ("bottle", "can", "mug", "bowl"):
        frame = task_frames(seen(name), TABLE).frame("pour")
        R = frame.T_obj_frame[:3, :3]
        tilted = R @ turned_about(0, 0.5) @ [0.0, 1.0, 0.0]
        assert tilted @ R[:, 2] == pytest.approx(np.sin(0.5))
        assert frame.T_obj_frame[1, 3] == pytest.approx(SIZES[name][1] / 2)
        assert not frame.is_grasp


def test_a_finite_symmetry_multiplies_the_frames():
    tin = Category(name="can", symmetry=Symmetry.parse({"y": "quarter"}))
    frame = task_frames(seen("can", category=tin), TABLE).frame("grasp_side")
    assert len(frame.T_obj_ring) == 4
    z = np.round(frame.T_obj_ring[:, :3, 2], 9)
    assert {tuple(row) for row in np.abs(z).tolist()} == {(1.0, 0.0, 0.0), (0.0, 0.0, 1.0)}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"confirmed": False}, FrameReason.NOT_CONFIRMED),
        ({"coasting": True, "age_s": 0.3}, FrameReason.COASTING),
        ({"age_s": 0.6}, FrameReason.STALE),
        ({"unusual_size": True}, FrameReason.UNUSUAL_SIZE),
        ({"category": Category(name="drill")}, FrameReason.NO_FRAMES),
    ],
)
def test_an_object_that_cannot_be_trusted_has_no_frames_and_one_reason(changes, reason):
    found = task_frames(seen("can", **changes), TABLE)
    assert found.frames == ()
    assert [refusal.reason for refusal in found.refusals] == [reason]
    assert found.refusals[0].detail


def test_a_low_score_refuses_every_frame():
    refused = reasons(seen("bowl", score=0.4, score_axis=0.5))
    assert {reason for _, reason in refused} == {FrameReason.LOW_SCORE}
    assert len(refused) == len(TABLE.frames_of("bowl"))


def test_a_mug_whose_handle_is_hidden_lacks_what_needs_its_yaw_and_says_so():
    refused = reasons(seen("mug", score=0.2, score_axis=0.9))
    assert ("grasp_top", FrameReason.UNSURE_YAW) in refused
    assert {reason for _, reason in refused} == {FrameReason.UNSURE_YAW}


def test_a_second_mode_counts_where_it_matters():
    """A mug turned about its axis is another pose for its handle; a can so turned is the same."""
    turned = seen().T_out_obj @ np.diag([-1.0, 1, -1, 1])
    over = seen().T_out_obj @ np.diag([1.0, -1, -1, 1])
    can = seen("can", T_out_other=turned, other_share=0.4)
    assert FrameReason.SECOND_MODE not in {reason for _, reason in reasons(can)}
    can = replace(can, T_out_other=over)
    assert ("grasp_side", FrameReason.SECOND_MODE) in reasons(can)
    assert ("grasp_side", FrameReason.SECOND_MODE) not in reasons(replace(can, other_share=0.1))
    mug = seen("mug")
    mug = replace(mug, T_out_other=mug.T_out_obj @ np.diag([-1.0, 1, -1, 1]), other_share=0.4)
    assert ("grasp_top", FrameReason.SECOND_MODE) in reasons(mug)


def test_what_is_wider_than_the_gripper_is_not_grasped_there():
    wide = seen("can", size_m=np.array([0.095, 0.12, 0.095]))
    assert ("grasp_side", FrameReason.TOO_WIDE) in reasons(wide)
    assert task_frames(wide, TABLE).frame("pour") is not None


def test_a_handover_is_on_the_side_away_from_the_hand():
    hand = np.random.default_rng(0).normal([0.07, 0.0, 0.0], 0.01, (200, 3))
    frames = task_frames(seen("can"), TABLE, hand_obj=hand, gripper=xarm6_gripper())
    frame = frames.frame("handover")
    assert frame.T_obj_frame[0, 2] > 0.95  # it goes in along +x, from the -x side
    assert reasons(seen("can")) == {("handover", FrameReason.NO_HAND)}


def test_a_hand_all_around_leaves_no_handover():
    angle = np.linspace(0, 2 * np.pi, 100)
    hand = np.stack([0.05 * np.cos(angle), 0.02 + 0 * angle, 0.05 * np.sin(angle)], -1)
    assert ("handover", FrameReason.HAND_TOO_NEAR) in reasons(
        seen("can"), hand_obj=hand, gripper=xarm6_gripper()
    )


@pytest.fixture(scope="module")
def solver():
    return InverseKinematics(xarm6_collisions())


def test_of_a_ring_a_frame_is_chosen_that_the_arm_reaches(solver):
    frames = with_reach(
        task_frames(seen("can"), TABLE),
        solver,
        np.eye(4),
        Surroundings(0.0),
        near_rad=np.array(READY_RAD),
    )
    side = frames.frame("grasp_side")
    outcomes = {reach.outcome for reach in side.reaches}
    assert Reachability.REACHABLE in outcomes
    assert outcomes - {Reachability.REACHABLE}, "from the far side the arm cannot"
    assert side.reach.reachable
    T = solver.collisions.arm.tcp(side.reach.q_rad[None])[0]
    np.testing.assert_allclose(T, seen("can").T_out_obj @ side.T_obj_frame, atol=2e-3)
    assert frames.frame("pour").reach.outcome is Reachability.NO_GRASP


def test_an_object_far_away_keeps_its_frames_marked_as_out_of_reach(solver):
    away = transform((2.0, 0.0, 0.0))
    frames = with_reach(task_frames(seen("can"), TABLE), solver, away, Surroundings(0.0))
    assert frames.frame("grasp_side").reach.outcome is Reachability.OUT_OF_REACH


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("categories: {can: {side: {at: [0, 0], z: [1, 0, 0], y: [0, 1, 0]}}}", "3 numbers"),
        ("categories: {can: {side: {at: [0, 0, 0], z: [1, 0, 0]}}}", "needs y"),
        ("categories: {can: {side: {at: [0, 0, 0], z: [1, 0, 0], y: [1, 0, 0]}}}", "perpendicular"),
        ("categories: {can: {side: {at: [0, 0, 0], z: [2, 0, 0], y: [0, 1, 0]}}}", "unit vector"),
        ("categories: {can: {side: {at: [0, 0, .inf], z: [1, 0, 0], y: [0, 1, 0]}}}", "3 numbers"),
        ("categories: {can: {side: {att: [0, 0, 0], z: [1, 0, 0], y: [0, 1, 0]}}}", "'att'; at?"),
        ("gripper: {opening: 0.1}", "no entry 'opening'"),
        ("trust: {score: high}", "is a number"),
        ("ring: 0", "ring is"),
        ("[]", "is a table"),
    ],
)  # fmt: skip
def test_a_table_with_a_mistake_is_refused_with_its_place(tmp_path, text, expected):
    path = tmp_path / "grasps.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match="grasps") as error:
        GraspTable.read(path)
    assert expected in str(error.value)


def test_a_spec_without_a_span_is_no_grasp():
    spec = FrameSpec(name="pour", at=(0, 1, 0), z=(1, 0, 0), y=(0, 1, 0))
    assert not spec.is_grasp
    assert spec.width_m(np.ones(3), TABLE.gripper) == 0.0

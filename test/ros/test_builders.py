# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import PointField

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.up import UpDirection
from genpose_ros.msg import ObjectPose
from genpose_ros.msg import Rejection as RejectionMessage
from genpose_ros.ros import builders
from genpose_ros.ros.builders import PosedObject, posed_objects
from genpose_ros.ros.published import PublishedObject, published_estimate

SAME = np.eye(4)


@pytest.fixture
def header(ros):
    return ros.header(1_234_567_890_123_456_789)


@pytest.fixture
def T_out_cam():
    """The camera looks along the other frame's x axis, 1 m above its origin and 2 m to the left."""
    matrix = np.eye(4)
    matrix[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    matrix[:3, 3] = (0.0, 2.0, 1.0)
    return matrix


def published(ros, *args, **changes) -> PublishedObject:
    return published_estimate(ros.estimate(*args, **changes))


def posed(*objects: PublishedObject, T_out_cam: np.ndarray = SAME) -> list[PosedObject]:
    return posed_objects(objects, T_out_cam)


def pose_matrix(pose) -> np.ndarray:
    q, p = pose.orientation, pose.position
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()  # scipy: x, y, z, w
    matrix[:3, 3] = (p.x, p.y, p.z)
    return matrix


def test_a_second_mode_is_published_in_the_frame_of_the_outputs(ros, header, T_out_cam):
    T_cam_other = np.eye(4)
    T_cam_other[:3, :3] = Rotation.from_euler("x", 180, degrees=True).as_matrix()
    T_cam_other[:3, 3] = 0.1, 0.2, 0.8
    two, one = published(ros, 3, T_cam_other=T_cam_other), published(ros, 4)
    message = builders.object_array(posed(two, one, T_out_cam=T_out_cam), (), header)
    first, second = message.objects
    assert (first.has_second_mode, second.has_second_mode) == (True, False)
    np.testing.assert_allclose(pose_matrix(first.second_mode), T_out_cam @ T_cam_other, atol=1e-12)


def test_poses_keep_rotation_and_position():
    rotations = Rotation.random(50, random_state=1)
    matrices = np.tile(np.eye(4), (50, 1, 1))
    matrices[:, :3, :3] = rotations.as_matrix()
    matrices[:, :3, 3] = np.random.default_rng(2).normal(size=(50, 3))
    for pose, matrix in zip(builders.pose_messages(matrices), matrices, strict=True):
        np.testing.assert_allclose(pose_matrix(pose), matrix, atol=1e-12)


def test_the_quaternion_of_a_quarter_turn_about_x_has_ros_order():
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    (pose,) = builders.pose_messages(matrix[None])
    q = pose.orientation
    half = math.sqrt(0.5)
    np.testing.assert_allclose([q.x, q.y, q.z, q.w], [half, 0, 0, half], atol=1e-12)


def test_poses_detections_and_objects_are_parallel_and_share_the_header(ros, header):
    objects = [published(ros, 4, "mug"), published(ros, 2, "can")]
    poses = builders.pose_array(posed(*objects), header)
    detections = builders.detection_array(posed(*objects), header)
    everything = builders.object_array(posed(*objects), (), header)
    for message in (poses, detections, everything):
        assert message.header == header
    for item, pose, detection, object_pose in zip(
        objects, poses.poses, detections.detections, everything.objects, strict=True
    ):
        estimate = item.estimate
        np.testing.assert_allclose(pose_matrix(pose), estimate.T_cam_obj, atol=1e-12)
        assert detection.results[0].pose.pose == detection.bbox.center == pose
        assert object_pose.pose == detection.results[0].pose
        assert (detection.id, object_pose.id) == ("", "")  # numbers of a frame are no names
        assert object_pose.instance_id == estimate.instance_id
        assert detection.results[0].hypothesis.class_id == object_pose.class_name
        assert object_pose.class_name == estimate.category


def test_pose_covariance_and_velocity_are_given_in_the_frame_of_the_outputs(ros, header, T_out_cam):
    item = PublishedObject(
        ros.estimate(), id="mug_1", frame="mug_1", number=1, velocity=np.arange(1.0, 7.0)
    )
    objects = posed(item, T_out_cam=T_out_cam)
    (message,) = builders.object_array(objects, (), header).objects
    pose, covariance = message.pose.pose, np.reshape(message.pose.covariance, (6, 6))
    # The object is 0.1 m to the right, 0.2 m above and 0.8 m before the camera.
    position = [pose.position.x, pose.position.y, pose.position.z]
    np.testing.assert_allclose(position, [0.8, 1.9, 1.2], atol=1e-12)
    np.testing.assert_allclose(
        pose_matrix(pose)[:3, :3], T_out_cam[:3, :3] @ item.estimate.T_cam_obj[:3, :3], atol=1e-12
    )
    np.testing.assert_allclose(
        np.diag(covariance), [3e-6, 1e-6, 2e-6, 3e-4, 1e-4, 2e-4], atol=1e-18
    )
    linear, angular = message.velocity.linear, message.velocity.angular
    assert [linear.x, linear.y, linear.z] == [3, -1, -2]
    assert [angular.x, angular.y, angular.z] == [6, -4, -5]
    (transform,) = builders.transforms(objects, header)
    assert transform.transform.translation.y == pytest.approx(1.9)
    assert transform.transform.rotation == pose.orientation


def test_points_and_candidates_are_given_in_the_frame_of_the_outputs(ros, header, T_out_cam):
    item = published(ros, points_cam=np.array([[0.25, -0.5, 0.75]], dtype=np.float32))
    cloud = builders.point_cloud([item], header, T_out_cam)
    assert np.frombuffer(cloud.data, dtype="<f4,<f4,<f4,<i4").tolist() == [(0.75, 1.75, 1.5, 1)]
    candidates = builders.candidate_array([item], header, T_out_cam)
    for pose, T_cam_obj in zip(candidates.poses, item.estimate.T_cam_candidates, strict=True):
        np.testing.assert_allclose(pose_matrix(pose), T_out_cam @ T_cam_obj, atol=1e-12)
    # The estimate itself stays what its names say.
    assert item.estimate.T_cam_obj[2, 3] == 0.8


def test_no_objects_make_empty_messages(header):
    assert posed() == []
    assert builders.pose_array((), header).poses == []
    assert builders.detection_array((), header).detections == []
    assert builders.object_array((), (), header).objects == []
    assert builders.transforms((), header) == []
    assert builders.candidate_array((), header, SAME).poses == []
    cloud = builders.point_cloud((), header, SAME)
    assert (cloud.width, len(cloud.data)) == (0, 0)


def test_the_time_of_each_stage_is_given_in_order(header):
    message = builders.object_array((), (), header, {"encode": 12.5, "clouds": 3.0})
    assert [(t.stage, t.duration_ms) for t in message.timings] == [
        ("encode", 12.5),
        ("clouds", 3.0),
    ]
    assert list(builders.object_array((), (), header).timings) == []


def test_up_and_its_support_are_given_in_the_frame_of_the_outputs(T_out_cam):
    up_cam = UpDirection(np.array([0.0, -1.0, 0.0]), 0.02, level_m=-0.4, source="imu")
    up = builders.up_message(up_cam, T_out_cam)
    direction = np.array([up.direction.x, up.direction.y, up.direction.z])
    np.testing.assert_allclose(direction, [0, 0, 1], atol=1e-12)
    assert (up.source, up.sigma, up.has_level) == ("imu", 0.02, True)
    below = T_out_cam @ [0.3, 0.4, 0.9, 1.0]  # a point of the support, 0.4 m below the camera
    assert up.level == pytest.approx(direction @ below[:3])
    without = builders.up_message(UpDirection(np.array([0.0, -1.0, 0.0])), T_out_cam)
    assert (without.source, without.has_level, without.level) == ("given", False, 0)


def test_without_a_direction_up_the_message_says_nothing_of_it(header):
    up = builders.object_array((), (), header, None, builders.up_message(None, SAME)).up
    assert (up.source, up.direction.x, up.has_level) == ("", 0, False)


def test_what_rests_and_by_how_much_it_was_turned_is_told(ros, header):
    objects = posed(published(ros, rests=True, up_turn_rad=3.0))
    (item,) = builders.object_array(objects, (), header).objects
    assert (item.rests, item.up_turn) == (True, 3.0)


def test_a_detection_that_was_not_seen_has_no_score(ros, header):
    states = (ObjectPose.STATE_CONFIRMED, ObjectPose.STATE_COASTING)
    objects = [
        PublishedObject(ros.estimate(), id="mug_9", frame="mug_9", number=9, state=state)
        for state in states
    ]
    detections = builders.detection_array(posed(*objects), header).detections
    assert [d.results[0].hypothesis.score for d in detections] == [0.75, 0.0]
    scores = [o.score for o in builders.object_array(posed(*objects), (), header).objects]
    assert scores == [0.75, 0.75]


def test_a_detection_has_score_covariance_and_size(ros, header):
    covariance = np.arange(36.0).reshape(6, 6)
    objects = posed(published(ros, covariance=covariance))
    (detection,) = builders.detection_array(objects, header).detections
    assert detection.results[0].hypothesis.score == 0.75
    np.testing.assert_array_equal(detection.results[0].pose.covariance, covariance.ravel())
    size = detection.bbox.size
    assert (size.x, size.y, size.z) == (0.1, 0.12, 0.08)


def test_an_object_has_everything_else(ros, header):
    (item,) = builders.object_array(posed(published(ros, 3, "laptop")), (), header).objects
    assert (item.class_id, item.n_points, item.instance_id) == (5, 321, 3)
    assert item.has_energies
    assert (item.energy_rotation, item.energy_translation) == (-1.5, -0.5)
    np.testing.assert_allclose(item.mode_shares, [0.7, 0.3], rtol=1e-6)
    assert item.tracking_state == ObjectPose.STATE_UNTRACKED
    assert (item.age.sec, item.age.nanosec) == (0, 0)


def test_a_rejection_names_its_object_or_the_whole_frame(header):
    rejections = (
        Rejection(Reason.MASK_EMPTY, "no pixel", 9),
        Rejection(Reason.TOO_MANY_OBJECTS, "200 objects"),
    )
    message = builders.object_array((), rejections, header)
    assert list(message.rejections) == [
        RejectionMessage(reason="mask_empty", detail="no pixel", instance_id=9),
        RejectionMessage(reason="too_many_objects", detail="200 objects", instance_id=-1),
    ]


@pytest.mark.parametrize(
    ("seconds", "sec", "nanosec"),
    [(0.0, 0, 0), (0.033, 0, 33_000_000), (2.9999999999, 3, 0), (3600.25, 3600, 250_000_000)],
)
def test_times_are_rounded_to_nanoseconds(ros, header, seconds, sec, nanosec):
    item = PublishedObject(
        ros.estimate(), id="mug_1", frame="mug_1", number=1, age_s=seconds + 1, unseen_s=seconds
    )
    (message,) = builders.object_array(posed(item), (), header).objects
    assert (message.time_since_seen.sec, message.time_since_seen.nanosec) == (sec, nanosec)
    assert (message.age.sec, message.age.nanosec) == (sec + 1, nanosec)


def test_a_model_without_energies_gives_zeros_not_nan(ros, header):
    objects = posed(published(ros, energy_rotation=None, energy_translation=None))
    (item,) = builders.object_array(objects, (), header).objects
    assert not item.has_energies
    assert (item.energy_rotation, item.energy_translation) == (0.0, 0.0)


def test_transforms_are_children_named_by_class_and_id(ros, header):
    objects = posed(published(ros, 1), published(ros, 7, "can"))
    a, b = builders.transforms(objects, header, "left/")
    assert (a.child_frame_id, b.child_frame_id) == ("left/mug_1", "left/can_7")
    assert a.header == header
    assert (a.transform.translation.x, a.transform.translation.z) == (0.1, 0.8)
    assert a.transform.rotation == objects[0].pose.pose.orientation


def test_points_carry_the_number_of_their_object(ros, header):
    one = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
    two = np.array([[7, 8, 9]], dtype=np.float32)
    cloud = builders.point_cloud(
        [published(ros, 3, points_cam=one), published(ros, 5, points_cam=two)], header, SAME
    )
    assert (cloud.width, cloud.height, cloud.point_step, cloud.row_step) == (3, 1, 16, 48)
    assert [(f.name, f.offset, f.datatype, f.count) for f in cloud.fields] == [
        ("x", 0, PointField.FLOAT32, 1),
        ("y", 4, PointField.FLOAT32, 1),
        ("z", 8, PointField.FLOAT32, 1),
        ("instance_id", 12, PointField.INT32, 1),
    ]
    rows = np.frombuffer(cloud.data, dtype="<f4,<f4,<f4,<i4")
    assert rows.tolist() == [(1, 2, 3, 3), (4, 5, 6, 3), (7, 8, 9, 5)]


def test_candidates_have_their_energies_in_the_same_order_and_nan_without(ros, header, T_out_cam):
    candidates = np.tile(np.eye(4), (3, 1, 1))
    candidates[:, 0, 3] = (1, 2, 3)
    energies = np.array([[1.0, -1.0], [2.0, -2.0], [3.0, -3.0]])
    first = published(ros, 4, T_cam_candidates=candidates, candidate_energies=energies)
    objects = [first, published(ros, 7)]
    cloud = builders.candidate_energies(objects, header, T_out_cam)
    array = builders.candidate_array(objects, header, T_out_cam)
    names = ["x", "y", "z", "instance_id", "energy_rotation", "energy_translation"]
    assert [field.name for field in cloud.fields] == names
    kinds = ["<f4", "<f4", "<f4", "<i4", "<f4", "<f4"]
    rows = np.frombuffer(cloud.data, dtype=list(zip(names, kinds, strict=True)))
    places = [[getattr(pose.position, axis) for axis in "xyz"] for pose in array.poses]
    np.testing.assert_allclose(np.stack([rows[a] for a in "xyz"], -1), places, atol=1e-6)
    assert rows["instance_id"].tolist() == [4] * 3 + [7] * (len(rows) - 3)
    both = np.stack([rows["energy_rotation"], rows["energy_translation"]], -1)
    np.testing.assert_allclose(both[:3], energies)
    assert np.isnan(both[3:]).all()


def test_candidates_of_all_objects_follow_each_other(ros, header):
    candidates = np.tile(np.eye(4), (3, 1, 1))
    candidates[:, 0, 3] = (1, 2, 3)
    objects = [published(ros, 1, T_cam_candidates=candidates), published(ros, 2)]
    message = builders.candidate_array(objects, header, SAME)
    np.testing.assert_allclose([p.position.x for p in message.poses], [1, 2, 3] + [0.1] * 4)

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import PointField

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.msg import ObjectPose
from genpose_ros.ros import builders
from genpose_ros.ros.published import PublishedObject, published_estimate


@pytest.fixture
def header(ros):
    return ros.header(1_234_567_890_123_456_789)


def shown(ros, *args, **changes) -> PublishedObject:
    return published_estimate(ros.estimate(*args, **changes))


def pose_matrix(pose) -> np.ndarray:
    q, p = pose.orientation, pose.position
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()  # scipy: x, y, z, w
    matrix[:3, 3] = (p.x, p.y, p.z)
    return matrix


def test_poses_keep_rotation_and_position():
    rotations = Rotation.random(50, random_state=1)
    matrices = np.tile(np.eye(4), (50, 1, 1))
    matrices[:, :3, :3] = rotations.as_matrix()
    matrices[:, :3, 3] = np.random.default_rng(2).normal(size=(50, 3))
    for pose, matrix in zip(builders.pose_messages(matrices), matrices, strict=True):
        np.testing.assert_allclose(pose_matrix(pose), matrix, atol=1e-12)


def test_a_quarter_turn_about_x_has_ros_order():
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    (pose,) = builders.pose_messages(matrix[None])
    q = pose.orientation
    half = math.sqrt(0.5)
    np.testing.assert_allclose([q.x, q.y, q.z, q.w], [half, 0, 0, half], atol=1e-12)


def test_the_three_lists_are_parallel_and_share_the_header(ros, header):
    objects = [shown(ros, 4, "mug"), shown(ros, 2, "can")]
    poses = builders.pose_array(objects, header)
    detections = builders.detection_array(objects, header)
    everything = builders.object_array(objects, (), header)
    for message in (poses, detections, everything):
        assert message.header == header
    for shown_object, pose, detection, item in zip(
        objects, poses.poses, detections.detections, everything.objects, strict=True
    ):
        estimate = shown_object.estimate
        np.testing.assert_allclose(pose_matrix(pose), estimate.T_cam_obj, atol=1e-12)
        assert detection.results[0].pose.pose == detection.bbox.center == item.pose == pose
        assert detection.id == item.id == str(estimate.instance_id)
        assert detection.results[0].hypothesis.class_id == item.class_name == estimate.category


def test_nothing_makes_empty_messages(header):
    assert builders.pose_array((), header).poses == []
    assert builders.detection_array((), header).detections == []
    assert builders.object_array((), (), header).objects == []
    assert builders.transforms((), header) == []
    assert builders.candidate_array((), header).poses == []
    cloud = builders.point_cloud((), header)
    assert (cloud.width, len(cloud.data)) == (0, 0)


def test_time_per_stage_comes_along_in_order(header):
    message = builders.object_array((), (), header, {"encode": 12.5, "clouds": 3.0})
    assert list(message.stage_names) == ["encode", "clouds"]
    assert list(message.stage_ms) == [12.5, 3.0]
    assert list(builders.object_array((), (), header).stage_names) == []


def test_detection_has_score_covariance_and_size(ros, header):
    covariance = np.arange(36.0).reshape(6, 6)
    estimate = shown(ros, covariance=covariance)
    (detection,) = builders.detection_array([estimate], header).detections
    assert detection.results[0].hypothesis.score == 0.75
    np.testing.assert_array_equal(detection.results[0].pose.covariance, covariance.ravel())
    size = detection.bbox.size
    assert (size.x, size.y, size.z) == (0.1, 0.12, 0.08)


def test_object_has_everything_else(ros, header):
    rejections = (
        Rejection(Reason.MASK_EMPTY, "no pixel", 9),
        Rejection(Reason.TOO_MANY_OBJECTS, "200 objects"),
    )
    message = builders.object_array([shown(ros, 3, "laptop")], rejections, header)
    (item,) = message.objects
    assert (item.class_id, item.n_points, item.instance_id) == (5, 321, 3)
    assert item.has_energies
    assert (item.energy_rotation, item.energy_translation) == (-1.5, -0.5)
    np.testing.assert_allclose(item.mode_shares, [0.7, 0.3], rtol=1e-6)
    assert item.tracking_state == ObjectPose.STATE_UNTRACKED
    assert list(message.rejection_reasons) == ["mask_empty", "too_many_objects"]
    assert list(message.rejection_details) == ["no pixel", "200 objects"]
    assert list(message.rejection_instance_ids) == [9, -1]


def test_a_model_without_energies_gives_zeros_not_nan(ros, header):
    estimate = shown(ros, energy_rotation=None, energy_translation=None)
    (item,) = builders.object_array([estimate], (), header).objects
    assert not item.has_energies
    assert (item.energy_rotation, item.energy_translation) == (0.0, 0.0)


def test_transforms_are_children_named_by_class_and_id(ros, header):
    a, b = builders.transforms([shown(ros, 1), shown(ros, 7, "can")], header, "left/")
    assert (a.child_frame_id, b.child_frame_id) == ("left/mug_1", "left/can_7")
    assert a.header == header
    assert (a.transform.translation.x, a.transform.translation.z) == (0.1, 0.8)
    (pose,) = builders.pose_array([shown(ros)], header).poses
    assert a.transform.rotation == pose.orientation


def test_points_carry_their_instance(ros, header):
    one = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
    two = np.array([[7, 8, 9]], dtype=np.float32)
    cloud = builders.point_cloud(
        [shown(ros, 3, points_cam=one), shown(ros, 5, points_cam=two)], header
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


def test_candidates_of_all_objects_follow_each_other(ros, header):
    candidates = np.tile(np.eye(4), (3, 1, 1))
    candidates[:, 0, 3] = (1, 2, 3)
    objects = [shown(ros, 1, T_cam_candidates=candidates), shown(ros, 2)]
    message = builders.candidate_array(objects, header)
    np.testing.assert_allclose([p.position.x for p in message.poses], [1, 2, 3] + [0.1] * 4)

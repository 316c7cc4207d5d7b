# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
import torch
from visualization_msgs.msg import Marker

from genpose_ros.geometry.rotations import rotation_from_quat_wxyz
from genpose_ros.msg import ObjectPose
from genpose_ros.ros.builders import PosedObject, posed_objects
from genpose_ros.ros.markers import NAMESPACES, marker_array
from genpose_ros.ros.published import PublishedObject, published_estimate


@pytest.fixture
def header(ros):
    return ros.header(5)


def posed(item: PublishedObject) -> list[PosedObject]:
    return posed_objects([item], np.eye(4))


def test_each_object_has_axes_box_label_and_covariance_at_its_pose(ros, header):
    objects = posed(published_estimate(ros.estimate(3, "can")))
    markers = marker_array(objects, header, lifetime_s=1.5).markers
    assert [m.ns for m in markers] == list(NAMESPACES)
    for marker in markers:
        assert (marker.id, marker.action, marker.header) == (3, Marker.ADD, header)
        assert marker.pose.position.z == pytest.approx(0.8)
        assert (marker.lifetime.sec, marker.lifetime.nanosec) == (1, 500_000_000)
    assert markers[2].text == "can 3 (0.75)"


def test_the_box_is_the_size_of_the_object(ros, header):
    estimate = ros.estimate(size_m=np.array([0.2, 0.4, 0.6]))
    markers = marker_array(posed(published_estimate(estimate)), header).markers
    points = np.array([[p.x, p.y, p.z] for p in markers[1].points])
    assert len(points) == 24
    np.testing.assert_allclose(points.min(axis=0), [-0.1, -0.2, -0.3])
    np.testing.assert_allclose(points.max(axis=0), [0.1, 0.2, 0.3])
    edges = np.abs(points[0::2] - points[1::2])
    assert ((edges > 0).sum(axis=1) == 1).all()
    np.testing.assert_allclose(edges.sum(axis=0), [0.8, 1.6, 2.4])


def test_markers_are_where_the_object_is_in_the_frame_of_the_outputs(ros, header):
    T_out_cam = np.eye(4)
    T_out_cam[:3, 3] = (0.0, 0.0, 2.0)
    objects = posed_objects([published_estimate(ros.estimate())], T_out_cam)
    *markers, covariance = marker_array(objects, header).markers
    for marker in markers:
        assert marker.pose == objects[0].pose.pose
        assert marker.pose.position.z == pytest.approx(2.8)
    assert covariance.pose.position == objects[0].pose.pose.position


def test_the_covariance_is_an_ellipsoid_of_two_standard_deviations(ros, header):
    """Its points x satisfy x^T C^-1 x = 4, in the frame of the outputs."""
    R_cam_main = rotation_from_quat_wxyz(torch.tensor([0.9, 0.1, -0.3, 0.3]).double()).numpy()
    covariance = np.eye(6)
    covariance[:3, :3] = R_cam_main @ np.diag([1e-6, 4e-6, 2.5e-5]) @ R_cam_main.T
    T_out_cam = np.eye(4)
    T_out_cam[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    objects = posed_objects([published_estimate(ros.estimate(covariance=covariance))], T_out_cam)
    marker = marker_array(objects, header).markers[3]
    q = marker.pose.orientation
    R_out = rotation_from_quat_wxyz(torch.tensor([q.w, q.x, q.y, q.z]).double()).numpy()
    half = np.array([marker.scale.x, marker.scale.y, marker.scale.z]) / 2
    np.testing.assert_allclose(sorted(half), [2e-3, 4e-3, 1e-2], rtol=1e-6)
    tips = R_out * half
    inverse = np.linalg.inv(np.reshape(objects[0].pose.covariance, (6, 6))[:3, :3])
    np.testing.assert_allclose(np.diag(tips.T @ inverse @ tips), 4.0, rtol=1e-6)


def test_a_pose_that_is_known_exactly_has_a_covariance_that_can_be_drawn(ros, header):
    estimate = ros.estimate(covariance=np.zeros((6, 6)))
    scale = marker_array(posed(published_estimate(estimate)), header).markers[3].scale
    assert min(scale.x, scale.y, scale.z) > 0


def test_axes_are_red_green_blue(ros, header):
    axes = marker_array(posed(published_estimate(ros.estimate())), header).markers[0]
    tips = np.array([[p.x, p.y, p.z] for p in axes.points[1::2]])
    colors = np.array([[c.r, c.g, c.b] for c in axes.colors[1::2]])
    np.testing.assert_array_equal(tips > 0, np.eye(3, dtype=bool))
    np.testing.assert_array_equal(colors, np.eye(3))


def test_markers_of_objects_that_are_gone_are_deleted(header):
    markers = marker_array((), header, gone={4, 2}).markers
    assert {m.action for m in markers} == {Marker.DELETE}
    assert [(m.id, m.ns) for m in markers] == [(i, ns) for i in (2, 4) for ns in NAMESPACES]


def test_the_state_is_shown_by_the_colour_of_the_box_and_by_the_label(ros, header):
    states = {
        ObjectPose.STATE_NEW: "mug 9 (new)",
        ObjectPose.STATE_CONFIRMED: "mug 9 (0.75)",
        ObjectPose.STATE_COASTING: "mug 9 (coasting)",
    }
    colors = set()
    for state, text in states.items():
        item = PublishedObject(ros.estimate(3), id="mug_9", frame="mug_9", number=9, state=state)
        _, box, label, _ = marker_array(posed(item), header).markers
        assert (box.id, label.id, label.text) == (9, 9, text)
        colors.add((box.color.r, box.color.g, box.color.b))
    assert len(colors) == len(states)

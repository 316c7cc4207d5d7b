# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Published frames as they are shown: the view's frame, states, trails, the direction up."""

from types import SimpleNamespace

import numpy as np
import pytest
from fake_estimator import make_estimate

from genpose_ros.estimation.frame import Frame, Instance
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry import NOCS, PinholeCamera
from genpose_ros.ros.published import PublishedFrame, PublishedObject, published_estimate
from genpose_ros.ros.view.published_view import Trails, up_in, viewed_frame

CAMERA = PinholeCamera(60.0, 60.0, 32.0, 24.0, 64, 48)
QUARTER = np.array([[0.0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])


def header(stamp_s=1):
    return SimpleNamespace(stamp=SimpleNamespace(sec=stamp_s, nanosec=5), frame_id="camera")


def track(x_m=0.0, state=2):
    T = np.eye(4)
    T[:3, 3] = x_m, 0, 0.8
    estimate = make_estimate(T_cam_obj=T)
    return PublishedObject(estimate, "mug_4", "mug_4", 4, state, velocity=np.arange(6.0))


def test_objects_cloud_and_picture_are_in_the_views_frame():
    published = PublishedFrame([published_estimate(make_estimate())], (), header())
    mask = np.zeros((48, 64), bool)
    frame = Frame(np.ones((48, 64), np.float32), CAMERA, (Instance(1, "mug", mask),))
    color = np.full((48, 64, 3), 7, np.uint8)
    seen = viewed_frame(
        published, frame, NOCS, name="bag", frame_id="world", T_view_cam=QUARTER, color=color
    )
    (mug,) = seen.objects
    np.testing.assert_allclose(mug.T_view_obj, QUARTER @ make_estimate().T_cam_obj)
    assert (mug.name, mug.state, mug.velocity) == ("mug_1", "", None)
    np.testing.assert_allclose(seen.cloud.points[:, 2], 4.0)
    np.testing.assert_allclose(seen.image.T_view_cam, QUARTER)
    assert (seen.frame_id, seen.stamp_ns) == ("world", 1_000_000_005)


def test_a_refused_frame_tells_why_and_has_no_cloud():
    refusals = (Rejection(Reason.NO_TRANSFORM, "none"), Rejection(Reason.MASK_EMPTY, "empty", 3))
    seen = viewed_frame(PublishedFrame((), refusals, header()), None, NOCS, name="bag")
    assert seen.refused == ("frame: no_transform, none", "3: mask_empty, empty")
    assert (len(seen.cloud.points), seen.image, seen.frame_id) == (0, None, "camera")


@pytest.mark.parametrize(("state", "word"), [(1, "new"), (2, "confirmed"), (4, "lost")])
def test_states_of_tracks_are_words(state, word):
    published = PublishedFrame([track(state=state)], (), header())
    (mug,) = viewed_frame(published, None, NOCS, name="bag", T_view_cam=QUARTER).objects
    assert mug.state == word
    assert mug.velocity == pytest.approx([-1, 0, 2, -4, 3, 5])


def test_trails_grow_with_their_tracks_and_are_forgotten_after_them():
    trails, frames = Trails(), []
    for second, objects in enumerate(([track(0.0)], [track(0.1)], [], [], [], [], [], [])):
        published = PublishedFrame(objects, (), header(second))
        frames.append(viewed_frame(published, None, NOCS, name="bag", trails=trails))
    np.testing.assert_allclose(frames[1].trails["mug_4"], [[0, 0, 0.8], [0.1, 0, 0.8]])
    assert "mug_4" in frames[6].trails
    assert frames[7].trails == {}


def test_a_clock_that_jumps_back_begins_trails_anew():
    trails = Trails()
    for second, x_m in ((9, 0.0), (3, 0.2)):
        published = PublishedFrame([track(x_m)], (), header(second))
        seen = viewed_frame(published, None, NOCS, name="bag", trails=trails)
    np.testing.assert_allclose(seen.trails["mug_4"], [[0.2, 0, 0.8]])


def test_objects_that_are_not_tracked_leave_no_trail():
    published = PublishedFrame([published_estimate(make_estimate())], (), header())
    assert viewed_frame(published, None, NOCS, name="x", trails=Trails()).trails == {}


def test_points_of_the_support_have_its_level_in_the_views_frame_too():
    up = UpDirection(np.array([0.0, -0.8, -0.6]), 0.01, level_m=-0.5, source="tf")
    point = up.direction_cam * -0.5 + np.array([0.3, 0.0, 0.0])  # of the support, in the camera
    seen = up_in(up, QUARTER)
    assert seen.direction_cam @ (QUARTER[:3, :3] @ point + QUARTER[:3, 3]) == pytest.approx(
        seen.level_m
    )
    assert up_in(None, QUARTER) is None

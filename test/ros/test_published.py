# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.msg import ObjectPose
from genpose_ros.ros.builders import object_array, posed_objects
from genpose_ros.ros.published import PublishedFrame, published_estimate, published_track
from genpose_ros.tracking.tracks import Track, TrackState

QUARTER = Rotation.from_euler("z", 90, degrees=True).as_matrix()


def make_track(ros, state=TrackState.CONFIRMED, **changes):
    values = {
        "track_id": 12,
        "name": "mug_12",
        "state": state,
        "estimate": ros.estimate(3),
        "velocity": np.arange(1.0, 7.0),
        "age_s": 4.0,
        "unseen_s": 0.0,
        "instance_id": 3,
    }
    return Track(**{**values, **changes})


def test_a_track_is_published_under_its_own_name_and_number(ros):
    item = published_track(make_track(ros), np.eye(3), max_coast_s=0.5)
    assert (item.id, item.frame, item.number, item.estimate.instance_id) == (
        "mug_12", "mug_12", 12, 3
    )  # fmt: skip
    (message,) = object_array(posed_objects([item], np.eye(4)), (), ros.header()).objects
    assert (message.id, message.instance_id) == ("mug_12", 3)
    assert message.tracking_state == ObjectPose.STATE_CONFIRMED
    assert (message.age.sec, message.age.nanosec) == (4, 0)
    assert (message.time_since_seen.sec, message.time_since_seen.nanosec) == (0, 0)
    linear, angular = message.velocity.linear, message.velocity.angular
    assert [linear.x, linear.y, linear.z] == [1, 2, 3]
    assert [angular.x, angular.y, angular.z] == [4, 5, 6]


@pytest.mark.parametrize(
    ("state", "unseen_s", "trusted", "seen"),
    [
        (TrackState.NEW, 0.0, False, True),
        (TrackState.CONFIRMED, 0.0, True, True),
        (TrackState.COASTING, 0.5, True, False),
        (TrackState.COASTING, 0.51, False, False),
        (TrackState.LOST, 0.1, False, False),
    ],
)
def test_confirmed_tracks_are_trusted_and_coasting_ones_for_a_while(
    ros, state, unseen_s, trusted, seen
):
    item = published_track(make_track(ros, state, unseen_s=unseen_s), np.eye(3), max_coast_s=0.5)
    assert (item.trusted, item.seen) == (trusted, seen)
    assert item.state == getattr(ObjectPose, f"STATE_{state.name}")


def test_an_object_of_one_frame_has_no_name_that_could_be_anothers_in_the_next(ros):
    item = published_estimate(ros.estimate(3))
    assert (item.id, item.frame, item.number) == ("", "mug_3", 3)


def test_velocities_are_given_along_the_axes_of_the_camera(ros):
    """In the fixed frame along y; the camera's x axis points there."""
    track = make_track(ros, velocity=np.array([0, 0.3, 0, 0, 0, 1.0]))
    item = published_track(track, QUARTER, max_coast_s=0.5)
    np.testing.assert_allclose(item.velocity, [0.3, 0, 0, 0, 0, 1.0], atol=1e-12)


def test_estimates_stay_in_the_camera_frame_when_outputs_are_given_in_another(ros):
    item = published_estimate(ros.estimate(3))
    T_out_cam = np.eye(4)
    T_out_cam[:3, 3] = (5.0, 0.0, 0.0)
    frame = PublishedFrame([item], (), ros.header(7), {"encode": 1.0})
    np.testing.assert_array_equal(frame.T_out_cam, np.eye(4))
    there = frame.expressed_in(T_out_cam, ros.header(7, "world"))
    assert there.header.frame_id == "world"
    np.testing.assert_array_equal(there.T_out_cam, T_out_cam)
    assert there.objects == [item]
    assert there.timings_ms == {"encode": 1.0}

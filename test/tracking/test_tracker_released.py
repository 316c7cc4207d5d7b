# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tracker with the released weights on simulated sequences."""

import numpy as np
import pytest

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.geometry import rotation_error_deg
from genpose_ros.synthesis.sequences import tracking_sequence
from genpose_ros.tracking import Tracker, TrackState

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def estimator():
    return PoseEstimator.from_settings(EstimatorSettings())


@pytest.mark.parametrize("masks_every", [1, 5])
def test_objects_on_a_table_are_tracked_by_a_moving_camera(estimator, masks_every):
    following = Tracker(estimator)
    sequence = tracking_sequence("sweep", 0, frames=16)
    for i, item in enumerate(sequence):
        frame = item.frame
        if i % masks_every == 0:
            result = following.track(frame, item.stamp_ns, item.T_fixed_cam)
        else:
            result = following.track_depth(
                frame.depth_m, frame.camera, item.stamp_ns, item.T_fixed_cam
            )
        assert result.compensated
    tracks = [t for t in result.tracks if t.state is TrackState.CONFIRMED]
    visible = [o for o in item.objects if o.visible_share > 0.5]
    good = 0
    for true in visible:
        distances = [
            np.linalg.norm(t.estimate.T_cam_obj[:3, 3] - true.T_cam_obj[:3, 3]) for t in tracks
        ]
        track = tracks[int(np.argmin(distances))]
        assert min(distances) < 0.05
        assert track.estimate.category == true.category
        rotations = track.estimate.T_cam_obj[:3, :3], true.T_cam_obj[:3, :3]
        good += float(rotation_error_deg(*rotations, true.category, true.handle_visible)) < 10
    assert good >= 0.7 * len(visible)
    # Nothing stands still less than the camera moves: 0.3 m/s would show.
    assert np.median([np.linalg.norm(t.velocity[:3]) for t in tracks]) < 0.1

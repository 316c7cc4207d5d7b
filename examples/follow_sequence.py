# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Follow the objects of a sequence, simulated or of recorded frames: follow_sequence.py [FOLDER].

FOLDER holds a folder per frame (depth.png, mask.png, label.json), in the order of their names.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genpose_ros.datasets import find_frames, load_frame
from genpose_ros.estimation import EstimatorSettings, Frame, PoseEstimator
from genpose_ros.synthesis.sequences import tracking_sequence
from genpose_ros.tracking import Tracker, TrackerSettings

RATE_HZ = 30.0


def frames() -> Iterator[tuple[Frame, np.ndarray | None]]:
    """Each frame, and the pose of its camera in a frame that stands still, where it is known."""
    if len(sys.argv) > 1:
        for folder in find_frames(Path(sys.argv[1])):
            yield load_frame(folder).to_frame(), None
    else:
        for item in tracking_sequence("sweep", seed=0, frames=12, rate_hz=RATE_HZ):
            yield item.frame, item.T_fixed_cam


tracker = Tracker(PoseEstimator.from_settings(EstimatorSettings()), TrackerSettings())
for number, (frame, T_fixed_cam) in enumerate(frames()):
    stamp_ns = round(number / RATE_HZ * 1e9)
    if number % 3 == 0:  # a segmenter at a third of the camera's rate
        result = tracker.track(frame, stamp_ns, T_fixed_cam)
    else:
        result = tracker.track_depth(frame.depth_m, frame.camera, stamp_ns, T_fixed_cam)
    shown = (f"{t.name} {t.state.value} {t.estimate.T_cam_obj[2, 3]:.3f} m" for t in result.tracks)
    print(f"frame {number:2}: {', '.join(shown)}")

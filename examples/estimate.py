# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Estimate the objects of a simulated frame, or of a recorded one: estimate.py [FOLDER]."""

import sys
from pathlib import Path

from genpose_ros.datasets import load_frame
from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.synthesis.sequences import tracking_sequence

if len(sys.argv) > 1:
    frame = load_frame(Path(sys.argv[1])).to_frame()
else:
    frame = tracking_sequence("sweep", seed=0)[0].frame  # depth, intrinsics and masks

estimator = PoseEstimator.from_settings(EstimatorSettings())
result = estimator.estimate(frame)

for estimate in result.estimates:
    x, y, z = estimate.T_cam_obj[:3, 3]
    print(f"{estimate.category:8} {x:6.3f} {y:6.3f} {z:6.3f} m  score {estimate.score:.2f}")
for rejection in result.rejections:
    print(f"object {rejection.instance_id}: {rejection.reason.value}, {rejection.detail}")

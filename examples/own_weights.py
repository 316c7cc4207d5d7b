# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Use a checkpoint of your own: own_weights.py CHECKPOINT [ENERGY_CHECKPOINT].

CHECKPOINT is what `genpose train` wrote (genpose.safetensors), or the authors' scorenet.pth; only
the latter has its energy network in a second file. Without arguments: the released weights.
"""

import sys

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.synthesis.sequences import tracking_sequence

weights, energy_weights = [*sys.argv[1:], "", ""][:2]
settings = EstimatorSettings(weights=weights, energy_weights=energy_weights)
estimator = PoseEstimator.from_settings(settings)  # the node's parameters have the same names

parameters = sum(p.numel() for p in estimator.model.parameters())
print(f"{estimator.model.architecture}, {parameters / 1e6:.2f} million parameters")

frame = tracking_sequence("sweep", seed=0)[0].frame
for estimate in estimator.estimate(frame).estimates:
    print(f"{estimate.category:8} score {estimate.score:.2f}")

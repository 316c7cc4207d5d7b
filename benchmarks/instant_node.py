# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node with an estimator that takes no time: what is left is the way of its messages."""

import numpy as np

from genpose_ros.estimation.frame import Frame
from genpose_ros.estimation.result import FrameResult, ObjectEstimate
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.estimation.stop_flag import StopFlag
from genpose_ros.geometry.categories import NOCS
from genpose_ros.ros.estimator_node import main

_CANDIDATES, _POINTS = 50, 1024


class InstantEstimator:
    """Estimator that puts every object at one place, with as many numbers as a real one gives."""

    categories = NOCS

    def __init__(self, settings: EstimatorSettings) -> None:
        self.stop = StopFlag()
        self._T_cam_obj = np.eye(4)
        self._T_cam_obj[2, 3] = 0.8

    def warm_up(self) -> None:
        """Do nothing: there is nothing to warm up."""

    def estimate(self, frame: Frame) -> FrameResult:
        """Return an estimate for each instance."""
        return FrameResult(
            tuple(self._estimate(item.id, item.category) for item in frame.instances), (), {}
        )

    def _estimate(self, number: int, category: str) -> ObjectEstimate:
        return ObjectEstimate(
            instance_id=number,
            category=category,
            T_cam_obj=self._T_cam_obj,
            covariance=np.eye(6) * 1e-4,
            score=0.9,
            score_axis=0.9,
            energy_rotation=None,
            energy_translation=None,
            size_m=np.array([0.1, 0.1, 0.1]),
            n_points=_POINTS,
            mode_shares=(1.0,),
            T_cam_candidates=np.repeat(self._T_cam_obj[None], _CANDIDATES, axis=0),
            points_cam=np.zeros((_POINTS, 3), dtype=np.float32),
            detection_score=0.9,
        )


if __name__ == "__main__":
    main(make_estimator=InstantEstimator)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Results of the estimator: the pose, covariance, size and score of each object."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from genpose_ros.estimation.frame import Remark
from genpose_ros.estimation.reasons import Rejection
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry.clouds import transform_points
from genpose_ros.geometry.rotations import quat_wxyz_from_rotation
from genpose_ros.geometry.transforms import rotate_covariance

__all__ = ["FrameResult", "ObjectEstimate"]


@dataclass(frozen=True)
class ObjectEstimate:
    """Pose of one object and how far to trust it. All numbers are finite.

    Attributes:
        instance_id: of the `Instance` it was estimated from.
        category: of that instance.
        T_cam_obj: (4, 4) float64, object frame (NOCS axes, y up, origin at the centre of the
            bounding box) to camera optical frame, metres.
        covariance: (6, 6) of (x, y, z, rotation vector), metres and radians, both in the axes of
            the camera frame; see `error_covariances`. Of clouds by themselves
            (`PoseEstimator.estimate_clouds`) the spread alone: `uncertainty.pose_covariance`.
        score: probability in [0, 1] that the pose is within 10 degrees and 5 cm and the object one
            of its category, by the model's `ScoreCalibration`; of models without one, the share of
            the candidates that agree with the pose (`uncertainty.agreement`).
        score_axis: the same of its y axis and place, whatever the yaw; at least `score`. A mug
            whose handle is hidden has a low score and a high one of the axis, which is what a grasp
            from above needs.
        energy_rotation: rotation energy of the pose, higher is better; None without energy network.
        energy_translation: its translation energy; None without energy network.
        size_m: (3,) edge lengths of the bounding box along the object's axes, metres.
        n_points: valid depth pixels the points were sampled from.
        mode_shares: share of the kept candidates in each mode, largest first; what is left to 1
            belongs to no mode. Empty when there is no mode at all.
        T_cam_candidates: (K, 4, 4) float64, all finite candidates.
        points_cam: (N, 3) float32, the points the network saw, metres, camera frame, in random
            order.
        detection_score: the segmenter's confidence.
        rests: whether the object touches the support that was known below it.
        up_turn_rad: by how much the prior of resting objects turned its pose, modulo its symmetry.
        view_roll_rad: by how much its image was turned clockwise to be upright, where nothing told
            which way is up (`rolled_views`); 0: it was taken as it is, or up was known.
        remarks: what is to be known of the mask (see `Instance`) and of the size.
        T_cam_other: (4, 4) pose of the second mode, the largest that was not pooled: what else the
            object may be; None: there is none.
        evidence: that the scores come from, in the order of `evidence.EVIDENCE`; the first is the
            agreement of the candidates.
        error_factors: by how much more the variances of position and rotation are enlarged than
            those of any model's, by its calibration (`Inflation`).
        candidate_energies: (K, 2) of the rotations and translations of the candidates, higher is
            better; None where they were not ranked by energy.

    Example:
        >>> T_cam_obj = np.eye(4)
        >>> T_cam_obj[2, 3] = 0.8
        >>> estimate = ObjectEstimate(
        ...     instance_id=1,
        ...     category="can",
        ...     T_cam_obj=T_cam_obj,
        ...     covariance=np.diag([1e-4, 1e-4, 1e-4, 0.01, 3.3, 0.01]),  # unobservable yaw
        ...     score=0.9,
        ...     score_axis=0.9,
        ...     energy_rotation=None,
        ...     energy_translation=None,
        ...     size_m=np.array([0.07, 0.12, 0.07]),
        ...     n_points=900,
        ...     mode_shares=(1.0,),
        ...     T_cam_candidates=T_cam_obj[None],
        ...     points_cam=np.zeros((1024, 3), np.float32),
        ... )
        >>> np.sqrt(estimate.covariance.diagonal()[:3]).round(6).tolist()  # metres
        [0.01, 0.01, 0.01]
    """

    instance_id: int
    category: str
    T_cam_obj: np.ndarray
    covariance: np.ndarray
    score: float
    score_axis: float
    energy_rotation: float | None
    energy_translation: float | None
    size_m: np.ndarray
    n_points: int
    mode_shares: tuple[float, ...]
    T_cam_candidates: np.ndarray
    points_cam: np.ndarray
    detection_score: float = 1.0
    rests: bool = False
    up_turn_rad: float = 0.0
    view_roll_rad: float = 0.0
    remarks: tuple[Remark, ...] = ()
    T_cam_other: np.ndarray | None = None
    evidence: tuple[float, ...] = ()
    error_factors: tuple[float, float] = (1.0, 1.0)
    candidate_energies: np.ndarray | None = None

    @property
    def energy(self) -> float | None:
        """Sum of rotation and translation energy; None without energy network."""
        if self.energy_rotation is None or self.energy_translation is None:
            return None
        return self.energy_rotation + self.energy_translation

    @property
    def quat_wxyz(self) -> np.ndarray:
        """Rotation of the object in the camera's frame as a unit quaternion, (4,) float64."""
        return quat_wxyz_from_rotation(torch.from_numpy(self.T_cam_obj[:3, :3].copy())).numpy()

    @property
    def tilt_deg(self) -> float:
        """Angle between the object's y axis (its up) and the image's up, degrees, 0 to 180."""
        return math.degrees(math.acos(float(np.clip(-self.T_cam_obj[1, 1], -1.0, 1.0))))

    def placed(self, T_cam_obj: np.ndarray) -> "ObjectEstimate":
        """Return the estimate with the object, and all that belongs to it, in another pose.

        Args:
            T_cam_obj: (4, 4), where the object is put, in the camera's frame.
        """
        motion = T_cam_obj @ np.linalg.inv(self.T_cam_obj)
        return replace(
            self,
            T_cam_obj=motion @ self.T_cam_obj,
            T_cam_candidates=motion @ self.T_cam_candidates,
            T_cam_other=None if self.T_cam_other is None else motion @ self.T_cam_other,
            covariance=rotate_covariance(self.covariance, motion[:3, :3]),
            points_cam=transform_points(motion, self.points_cam).astype(np.float32),
        )


@dataclass(frozen=True)
class FrameResult:
    """Result of one frame: estimates, rejections, timings.

    Attributes:
        estimates: in the order of the frame's instances.
        rejections: every instance that has no estimate, with the reason.
        timings_ms: wall time per stage: clouds, encode, sample, rank, pool.
        up_cam: the direction up that they were made with; None: it was not known.
        lowered: what was lowered to keep `max_latency_ms`, in words; empty: nothing.

    Example:
        >>> from genpose_ros.estimation import Reason
        >>> rejection = Rejection(Reason.MASK_EMPTY, "the mask has no pixel", instance_id=3)
        >>> result = FrameResult(rejections=(rejection,))
        >>> len(result.estimates), [rejection.detail for rejection in result.rejections]
        (0, ['the mask has no pixel'])
    """

    estimates: tuple[ObjectEstimate, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)
    up_cam: UpDirection | None = None
    lowered: str = ""

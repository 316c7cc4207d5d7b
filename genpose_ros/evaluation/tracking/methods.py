# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tracking methods for simulated sequences: the tracker, the paper's protocol, single frames."""

import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from scipy.spatial.transform import Rotation

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.frame import Frame
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.evaluation.tracking.records import ReportedPose, reported_poses
from genpose_ros.synthesis.sequences import SequenceFrame, TrueObject
from genpose_ros.tracking.settings import TrackerSettings
from genpose_ros.tracking.tracker import Tracker

__all__ = ["FrameByFrame", "Masks", "PaperLoop", "TrackerRun", "TrackingMethod", "perturbed"]

#: Of the paper's protocol: the first pose is off by these times |N(0, 1)|.
_START_DEG, _START_M = 5.0, 0.03


class TrackingMethod(Protocol):
    """Method that gets a sequence frame by frame and says where the objects are."""

    def step(self, item: SequenceFrame) -> tuple[ReportedPose, ...]:
        """The poses as of this frame."""


@dataclass(frozen=True)
class Masks:
    """Rate and delay of masks.

    Attributes:
        every: frames from one image with masks to the next.
        delay: frames by which an image's masks come after its depth.
    """

    every: int = 1
    delay: int = 0


@dataclass
class TrackerRun:
    """Tracker that is fed as a node feeds it.

    Attributes:
        estimator: for its `Tracker`.
        settings: of the tracker.
        masks: when they come; frames without go to the tracker as depth alone.
        compensate: whether the tracker learns the camera's pose.
        seconds, cpu_seconds: spent in the tracker so far, and in how many `frames`.
        tracker: what is fed.
    """

    estimator: PoseEstimator
    settings: TrackerSettings
    masks: Masks = Masks()
    compensate: bool = True
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    frames: int = 0
    tracker: Tracker = field(init=False)

    def __post_init__(self) -> None:
        self.tracker = Tracker(self.estimator, self.settings)
        self._past: deque[SequenceFrame] = deque(maxlen=self.masks.delay + 1)

    def step(self, item: SequenceFrame) -> tuple[ReportedPose, ...]:
        self._past.append(item)
        wall, cpu = time.perf_counter(), time.process_time()
        self._feed(item)
        self.seconds += time.perf_counter() - wall
        self.cpu_seconds += time.process_time() - cpu
        self.frames += 1
        return reported_poses(self.tracker.tracks)

    def _feed(self, item: SequenceFrame) -> None:
        has_masks = (self.frames - self.masks.delay) % self.masks.every == 0
        has_masks &= self.frames >= self.masks.delay
        if self.masks.delay or not has_masks:
            T_fixed_cam = item.T_fixed_cam if self.compensate else None
            frame = item.frame
            self.tracker.track_depth(frame.depth_m, frame.camera, item.stamp_ns, T_fixed_cam)
        if has_masks:
            masked = self._past[0]
            T_fixed_cam = masked.T_fixed_cam if self.compensate else None
            self.tracker.track(masked.frame, masked.stamp_ns, T_fixed_cam)


@dataclass
class PaperLoop:
    """Protocol of the paper: poses start near the truth, and each frame starts from the last one.

    Which mask is which object is given; there is no motion model, no verification and no new start.

    Attributes:
        estimator: for clouds and candidates.
        settings: of the tracker, for the candidates.
        seed: of the first poses' errors.
    """

    estimator: PoseEstimator
    settings: TrackerSettings
    seed: int = 0
    poses: dict[int, np.ndarray] = field(default_factory=dict)

    def step(self, item: SequenceFrame) -> tuple[ReportedPose, ...]:
        for true in item.objects:
            if true.object_id not in self.poses:
                rng = np.random.default_rng([self.seed, true.object_id])
                self.poses[true.object_id] = perturbed(true.T_cam_obj, rng)
        clouds, _ = self.estimator.object_clouds(_named(item))
        owner = {true.instance_id: true for true in item.objects}
        owners = [owner[cloud.instance.id] for cloud in clouds]
        starts = np.array([self.poses[true.object_id] for true in owners]).reshape(-1, 4, 4)
        outcomes = self.estimator.estimate_clouds(
            clouds,
            T_cam_start=starts,
            settings=self.settings.of_estimator(self.estimator.settings, len(clouds)),
        )
        for true, outcome in zip(owners, outcomes, strict=True):
            if isinstance(outcome, ObjectEstimate):
                self.poses[true.object_id] = outcome.T_cam_obj
        return tuple(
            ReportedPose(true.object_id, true.category, self.poses[true.object_id])
            for true in item.objects
        )


@dataclass
class FrameByFrame:
    """Estimator alone, every frame by itself; which mask is which object is given.

    Attributes:
        estimator: with its own settings.
    """

    estimator: PoseEstimator

    def step(self, item: SequenceFrame) -> tuple[ReportedPose, ...]:
        owner: dict[int, TrueObject] = {true.instance_id: true for true in item.objects}
        estimates = self.estimator.estimate(_named(item)).estimates
        return tuple(
            ReportedPose(owner[e.instance_id].object_id, e.category, e.T_cam_obj) for e in estimates
        )


def perturbed(T_cam_obj: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a pose off by |N| 5 degrees about a random axis and |N| 3 cm along another."""
    axis, way = (v / np.linalg.norm(v) for v in rng.standard_normal((2, 3)))
    angle, distance = np.abs(rng.standard_normal(2)) * (np.radians(_START_DEG), _START_M)
    T = T_cam_obj.copy()
    T[:3, :3] = Rotation.from_rotvec(angle * axis).as_matrix() @ T[:3, :3]
    T[:3, 3] += distance * way
    return T


def _named(item: SequenceFrame) -> Frame:
    """The frame with the true class of every mask, for what does not decide about classes."""
    category = {true.instance_id: true.category for true in item.objects}
    instances = tuple(replace(i, category=category[i.id]) for i in item.frame.instances)
    return replace(item.frame, instances=instances)

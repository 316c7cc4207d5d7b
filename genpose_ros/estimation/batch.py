# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Batch of objects through one model: from clouds to estimates, by the program of their frame."""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from genpose_ros.estimation.back_projection import ObjectCloud
from genpose_ros.estimation.checks import (
    check_finite,
    check_size,
    check_workspace,
    is_unusual_size,
)
from genpose_ros.estimation.evidence import EVIDENCE
from genpose_ros.estimation.extent import visible_extent
from genpose_ros.estimation.frame import Remark
from genpose_ros.estimation.frame_graphs import FrameGraphs
from genpose_ros.estimation.levelling import levelled_cloud, levelling, turned_back
from genpose_ros.estimation.object_rows import CategoryRows, KnownObjects, object_rows
from genpose_ros.estimation.packing import Layout, unpack
from genpose_ros.estimation.pooling import mode_shares
from genpose_ros.estimation.program import FrameProgram, Plan
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.estimation.stage_timer import StageTimer
from genpose_ros.estimation.stop_flag import StopFlag
from genpose_ros.geometry.categories import Category
from genpose_ros.networks.interface import PoseModel
from genpose_ros.networks.score_calibration import ScoreCalibration

__all__ = ["BatchEstimator", "padded_size"]

_log = logging.getLogger(__name__)

#: Programs kept at once: settings change while the node runs, and trackers take some in turn.
_MOST_PROGRAMS = 16


class BatchEstimator:
    """Estimates batches of objects of one model's categories.

    Args:
        model: in evaluation mode.
        stop: looked at between the stages and the solver's steps.
    """

    def __init__(self, model: PoseModel, stop: StopFlag) -> None:
        self.model = model
        self._stop = stop
        self._calibration = _usable(model.score_calibration)
        self._rows = self._rows_of_categories()
        self._programs: OrderedDict[Plan, FrameProgram] = OrderedDict()
        self._graphs = FrameGraphs()

    def _rows_of_categories(self) -> CategoryRows:
        sizes = {} if self._calibration is None else self._calibration.sizes
        return CategoryRows(self.model.categories.max_members, dict(sizes))

    @torch.inference_mode()
    def estimate(
        self,
        clouds: Sequence[ObjectCloud],
        timer: StageTimer,
        settings: EstimatorSettings,
        T_cam_start: np.ndarray | None = None,
        turns: Sequence[np.ndarray | None] | None = None,
    ) -> list[ObjectEstimate | Rejection]:
        """Estimate objects in one call of the network, each or why not, in their order.

        Args:
            clouds: one or more, shuffled, of as many points.
            timer: takes the wall time per stage.
            settings: of the estimate.
            T_cam_start: (B, 4, 4) as of `PoseEstimator.estimate_clouds`.
            turns: (3, 3) of each object, to the rolled camera that its cloud is shown as of; None:
                to the levelled one, where it is known which way is up.

        Raises:
            ValueError: a category that the model does not know.
            EstimateStoppedError: `stop` was set.
        """
        self._stop.check()
        # The last one again, until the batch has one of few sizes.
        size = padded_size(len(clouds), settings.batch_size, self.model.device)
        rows = np.minimum(np.arange(size), len(clouds) - 1)
        start = None if T_cam_start is None else np.array(T_cam_start)
        turns = turns or [levelling(cloud.up_cam) for cloud in clouds]
        levelled = _levelled(clouds, turns, start)
        padded = [levelled[i] for i in rows]
        categories = [self.model.categories[cloud.instance.category] for cloud in padded]
        start = None if start is None else start[rows]
        if self._rows.members != self.model.categories.max_members:
            self._rows = self._rows_of_categories()  # the model was given other categories
        known, layout = object_rows(padded, categories, self._rows, start)
        points_cam = np.stack([cloud.points_cam for cloud in padded]).astype(np.float32, copy=False)
        program = self._program(self._plan(padded, settings, tracked=start is not None))
        numbers = self._run(program, points_cam, known, layout, timer)
        with timer.stage("pool"):
            return [
                self._inflated(_outcome(cloud, categories[row], _row(numbers, row, turn), settings))
                for row, (cloud, turn) in enumerate(zip(clouds, turns, strict=True))
            ]

    def _inflated(self, outcome: ObjectEstimate | Rejection) -> ObjectEstimate | Rejection:
        """The outcome; an estimate with the factors that the model's calibration has for it."""
        if self._calibration is None or isinstance(outcome, Rejection):
            return outcome
        factors = self._calibration.inflation.factors(outcome.score_axis)
        return replace(outcome, error_factors=factors)

    def takes_up(self, settings: EstimatorSettings) -> bool:
        """Whether the network is told the direction up."""
        return self.model.uses_up and settings.up_use != "prior"

    def _plan(
        self, clouds: Sequence[ObjectCloud], settings: EstimatorSettings, *, tracked: bool
    ) -> Plan:
        """The plan of a batch: a support that no object is known to have is not computed with."""
        level = any(c.up_cam is not None and c.up_cam.level_m is not None for c in clouds)
        settles = level and settings.up_use != "condition"
        return Plan(settings, tracked, self.takes_up(settings), settles)

    def _program(self, plan: Plan) -> FrameProgram:
        """The program of a plan, kept for the next frame."""
        program = self._programs.pop(plan, None)
        if program is None:
            program = FrameProgram(self.model, plan, self._calibration)
        self._programs[plan] = program
        if len(self._programs) > _MOST_PROGRAMS:
            _, oldest = self._programs.popitem(last=False)
            self._graphs.forget(oldest)
        return program

    def _run(
        self,
        program: FrameProgram,
        points_cam: np.ndarray,
        known: np.ndarray,
        layout: Layout,
        timer: StageTimer,
    ) -> dict[str, np.ndarray]:
        """The numbers of a batch: of a graph where there is one, else stage by stage."""
        inputs = torch.from_numpy(points_cam), torch.from_numpy(known)
        if self._graphs.serve(program):
            with timer.stage("program"):
                replayed = self._graphs.replayed(program, *inputs, layout)
            if replayed is not None:
                self._stop.check()
                return unpack(*replayed)
        device = self.model.device
        points, objects = inputs[0].to(device), KnownObjects.of(inputs[1].to(device), layout)
        with timer.stage("encode"):
            encoding = program.encode(points, objects)
        with timer.stage("sample"):
            pose = program.sample(encoding, objects, self._stop.check)
        self._stop.check()
        with timer.stage("rank"):
            seen = program.seen(points, objects)
            candidates, ranking = program.rank(pose, encoding, objects, seen)
        self._stop.check()
        with timer.stage("pool"):
            packed, parts = program.conclude(candidates, ranking, encoding, objects, seen)
            return unpack(packed.cpu().numpy(), parts)


def padded_size(n: int, batch_size: int, device: torch.device) -> int:
    """Return the size that a batch of n objects is padded to: on a GPU one of few, all warmed up.

    Args:
        n: number of objects, 1 or more.
        batch_size: `EstimatorSettings.batch_size`.
        device: of the network.
    """
    if device.type == "cpu":
        return n  # every row costs as much as an object
    return min(1 << (n - 1).bit_length(), max(batch_size, n))


def _usable(calibration: ScoreCalibration | None) -> ScoreCalibration | None:
    """The calibration, where it is one of the evidence there is."""
    if calibration is None or calibration.features == EVIDENCE:
        return calibration
    _log.warning("the calibration of scores is of another version: scores are mere agreement")
    return None


def _levelled(
    clouds: Sequence[ObjectCloud], turns: Sequence[np.ndarray | None], start: np.ndarray | None
) -> list[ObjectCloud]:
    """The clouds as levelled cameras see them; so are the starts (B, 4, 4), in place."""
    levelled = []
    for row, (cloud, turn) in enumerate(zip(clouds, turns, strict=True)):
        levelled.append(cloud if turn is None else levelled_cloud(cloud, turn))
        if turn is not None and start is not None:
            start[row, :3] = turn @ start[row, :3]
    return levelled


def _row(
    numbers: dict[str, np.ndarray], row: int, turn: np.ndarray | None
) -> dict[str, np.ndarray]:
    """The numbers of one object of a batch, in the camera's frame."""
    own = {name: part[row] for name, part in numbers.items()}
    return own if turn is None else turned_back(own, turn)


def _outcome(
    cloud: ObjectCloud,
    category: Category,
    numbers: dict[str, np.ndarray],
    settings: EstimatorSettings,
) -> ObjectEstimate | Rejection:
    """The estimate of one object; refused where a number is not finite or far out."""
    finite = numbers["finite"]
    if not finite.any():
        detail = f"{len(finite)} of {len(finite)} candidates not finite"
        return Rejection(Reason.NOT_FINITE, detail, cloud.instance.id)
    estimate = _object_estimate(cloud, numbers)
    # What is visible of an object may be small, its estimated size may not.
    smallest_m, largest_m = category.size_m
    limits_m = (smallest_m if "size_m" in numbers else 0.0, largest_m)
    if settings.size_factor and is_unusual_size(estimate, limits_m):
        estimate = replace(estimate, remarks=(*estimate.remarks, Remark.UNUSUAL_SIZE))
    return (
        check_finite(estimate)
        or check_workspace(estimate, settings.workspace_m)
        or check_size(estimate, limits_m, settings.size_factor)
        or estimate
    )


def _object_estimate(cloud: ObjectCloud, numbers: dict[str, np.ndarray]) -> ObjectEstimate:
    """The estimate of one object's numbers (see `FrameProgram.conclude`)."""
    instance = cloud.instance
    T_cam_obj = _transforms(numbers["rotation"], numbers["translation"])
    size_m = numbers.get("size_m")
    if size_m is None:
        axisymmetric = bool(numbers["axisymmetric"])
        size_m = visible_extent(cloud.points_cam, T_cam_obj, symmetric=axisymmetric)
    energies: list[float | None] = [None, None]
    if "energy" in numbers:
        energies = numbers["energy"].tolist()
    finite, other = numbers["finite"] > 0, None
    if numbers["has_other"]:
        other = _transforms(numbers["other_rotation"], numbers["other_translation"])
    candidates = numbers["candidate_rotation"][finite], numbers["candidate_translation"][finite]
    of_candidates = numbers.get("candidate_energies")
    return ObjectEstimate(
        instance_id=instance.id,
        category=instance.category,
        T_cam_obj=T_cam_obj,
        covariance=numbers["covariance"],
        score=float(numbers["score"][0]),
        score_axis=float(numbers["score"][1]),
        evidence=tuple(numbers["evidence"].tolist()),
        energy_rotation=energies[0],
        energy_translation=energies[1],
        size_m=size_m,
        n_points=cloud.n_points,
        mode_shares=mode_shares([numbers["mode_counts"].tolist()], [float(numbers["counted"])])[0],
        T_cam_other=other,
        T_cam_candidates=_transforms(*candidates),
        candidate_energies=None if of_candidates is None else of_candidates[finite],
        points_cam=cloud.points_cam,
        detection_score=instance.detection_score,
        rests=bool(numbers["rests"]),
        up_turn_rad=float(numbers["up_turn_rad"]),
        remarks=instance.remarks,
    )


def _transforms(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """Transforms (..., 4, 4) of rotations (..., 3, 3) and translations (..., 3)."""
    T = np.zeros((*translation.shape[:-1], 4, 4))
    T[..., :3, :3], T[..., :3, 3], T[..., 3, 3] = rotation, translation, 1.0
    return T

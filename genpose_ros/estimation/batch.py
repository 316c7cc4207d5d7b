# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Batch of objects through one model: encoding, candidates, ranking, pooling, estimates."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from genpose_ros.estimation.back_projection import ObjectCloud
from genpose_ros.estimation.candidates import draw_candidates
from genpose_ros.estimation.checks import (
    check_finite,
    check_size,
    check_workspace,
    is_unusual_size,
)
from genpose_ros.estimation.evidence import EVIDENCE, Drawn, Seen, evidence
from genpose_ros.estimation.extent import visible_extent
from genpose_ros.estimation.frame import Remark
from genpose_ros.estimation.pooling import Pooled, pool_mean, pool_modes
from genpose_ros.estimation.ranking import Ranking, candidate_density, rank_candidates
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.rest_prior import resampled, stance_shares, stance_weights
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.estimation.stage_timer import StageTimer
from genpose_ros.estimation.stop_flag import StopFlag
from genpose_ros.estimation.tta import (
    augmented_clouds,
    augmented_poses,
    augmented_up,
    merge_augmentations,
)
from genpose_ros.estimation.uncertainty import agreement, pose_covariance
from genpose_ros.estimation.up import CONTACT_M
from genpose_ros.geometry.categories import Category
from genpose_ros.geometry.symmetry_groups import SymmetryBatch
from genpose_ros.networks.interface import Encoding, PoseModel, Up
from genpose_ros.networks.score_calibration import ScoreCalibration

__all__ = ["BatchEstimator", "padded_size"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Drawn:
    """K candidates of B objects as drawn; those that are not finite stand as the identity.

    Attributes:
        rotation: (B, K, 3, 3), object to camera.
        translation: (B, K, 3), metres, camera frame.
        finite: (B, K) bool.
        energies: (B, K, 2) of rotation and translation; None where nobody asks for them.
    """

    rotation: Tensor
    translation: Tensor
    finite: Tensor
    energies: Tensor | None = None

    def taken(self, index: Tensor) -> "_Drawn":
        """Candidates (B, K) of each object, by their indices."""

        def gathered(values: Tensor) -> Tensor:
            shape = (*index.shape, *[1] * (values.ndim - 2))
            return torch.take_along_dim(values, index.view(shape), 1)

        return _Drawn(
            gathered(self.rotation),
            gathered(self.translation),
            gathered(self.finite),
            None if self.energies is None else gathered(self.energies),
        )


@dataclass(frozen=True)
class _Pose:
    """Pooled pose of B objects, and the candidates it is of.

    Attributes:
        drawn: K candidates each.
        pooled: of the best of them.
    """

    drawn: _Drawn
    pooled: Pooled


@dataclass(frozen=True)
class _BatchResult:
    """Numbers that the estimates of B objects consist of, one row each, float64.

    Attributes:
        T_cam_obj: (B, 4, 4).
        T_cam_other: (B, 4, 4) of the largest mode that was not pooled.
        has_other: (B,) bool, whether there is one.
        T_cam_candidates: (B, K, 4, 4).
        finite: (B, K) bool, of the candidates.
        candidate_energies: (B, K, 2) of rotation and translation; None where not ranked by them.
        covariance: (B, 6, 6).
        score: (B, 2) of the pose, and of its y axis and place.
        evidence: (B, E) that the scores come from.
        mode_shares: per object.
        energy: (B, 2) of rotation and translation; None without energy network.
        size_m: (B, 3); None without size head.
        axisymmetric: (B,) bool.
        rests: (B,) bool.
        up_turn_rad: (B,).
    """

    T_cam_obj: np.ndarray
    T_cam_other: np.ndarray
    has_other: np.ndarray
    T_cam_candidates: np.ndarray
    finite: np.ndarray
    candidate_energies: np.ndarray | None
    covariance: np.ndarray
    score: np.ndarray
    evidence: np.ndarray
    mode_shares: tuple[tuple[float, ...], ...]
    energy: np.ndarray | None
    size_m: np.ndarray | None
    axisymmetric: np.ndarray
    rests: np.ndarray
    up_turn_rad: np.ndarray


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
        self._sizes = {} if self._calibration is None else self._calibration.sizes

    @torch.inference_mode()
    def estimate(
        self,
        clouds: Sequence[ObjectCloud],
        timer: StageTimer,
        settings: EstimatorSettings,
        T_cam_start: np.ndarray | None = None,
    ) -> list[ObjectEstimate | Rejection]:
        """Estimate objects in one call of the network, each or why not, in their order.

        Args:
            clouds: one or more, shuffled, of as many points.
            timer: takes the wall time per stage.
            settings: of the estimate.
            T_cam_start: (B, 4, 4) as of `PoseEstimator.estimate_clouds`.

        Raises:
            ValueError: a category that the model does not know.
            EstimateStoppedError: `stop` was set.
        """
        self._stop.check()
        device = self.model.device
        # The last one again, until the batch has one of few sizes.
        size = padded_size(len(clouds), settings.batch_size, device)
        rows = np.minimum(np.arange(size), len(clouds) - 1)
        stacked = np.stack([clouds[i].points_cam for i in rows])
        points_cam = torch.from_numpy(stacked).to(device, torch.float32)
        categories = [self.model.categories[clouds[i].instance.category] for i in rows]
        symmetry = self._symmetry(categories)
        up = _up([clouds[i] for i in rows]).to(device)
        mirrored = _mirrored(categories, device)
        near = None
        if T_cam_start is not None:
            near = torch.from_numpy(np.asarray(T_cam_start, dtype=np.float64)[rows]).to(device)
        tta_views = settings.tta_views if self.model.mirrors else 1
        with timer.stage("encode"):
            views = augmented_clouds(points_cam, tta_views, mirrored)
            told = {}
            if self.takes_up(settings):
                told = {"up": augmented_up(up, tta_views, mirrored)}
            encoding = self.model.encode(views, patches=settings.patches, **told)
        with timer.stage("sample"):
            start = None if near is None else self._starts(near, encoding, tta_views, mirrored)
            pose = draw_candidates(
                self.model,
                encoding,
                settings,
                start=start,
                tta_views=tta_views,
                between_steps=self._stop.check,
            )
        self._stop.check()
        with timer.stage("rank"):
            drawn = self._drawn(pose, encoding, settings, tta_views, mirrored)
            ranking = _ranked(drawn, settings, symmetry)
        self._stop.check()
        with timer.stage("pool"):
            plain = _Pose(drawn, _pool(drawn, ranking, symmetry, settings, near))
            posed, rests = plain, _touches_support(points_cam, up)
            if near is None and settings.up_use != "condition":
                shares = stance_shares(categories).to(device)
                posed = _resting(plain, up, rests, shares, symmetry, settings)
            turn_rad = torch.zeros_like(posed.pooled.translation[:, 0])
            if posed is not plain:
                turn_rad = symmetry.angle_rad(posed.pooled.rotation, plain.pooled.rotation)
            sizes = [self._sizes.get(category.name) for category in categories]
            seen = Seen(points_cam, up.direction, rests, sizes)
            result = self._batch_result(
                posed, symmetry, encoding, seen, turn_rad, tracked=near is not None
            )
            return [
                _outcome(cloud, categories[row], result, row, settings)
                for row, cloud in enumerate(clouds)
            ]

    def takes_up(self, settings: EstimatorSettings) -> bool:
        """Whether the network is told the direction up."""
        return self.model.uses_up and settings.up_use != "prior"

    def _symmetry(self, categories: Sequence[Category]) -> SymmetryBatch:
        """Symmetries of objects by their categories; tensors of one shape for all of the model."""
        return SymmetryBatch.of(
            [category.symmetry for category in categories],
            members=self.model.categories.max_members,
            device=self.model.device,
        )

    def _starts(
        self, T_cam_obj: Tensor, encoding: Encoding, tta_views: int, mirrored: Tensor | None
    ) -> Tensor:
        """Pose vectors (tta_views * B, 1, 9) of transforms (B, 4, 4), as the views have them."""
        T = T_cam_obj[:, None].float().repeat(tta_views, 1, 1, 1)
        seen = augmented_poses(T[..., :3, :3], T[..., :3, 3], tta_views, mirrored)
        return self.model.encode_pose(*seen, encoding)

    def _drawn(
        self,
        pose: Tensor,
        encoding: Encoding,
        settings: EstimatorSettings,
        tta_views: int,
        mirrored: Tensor | None,
    ) -> _Drawn:
        pose = pose.float()
        seen = augmented_poses(*self.model.decode_pose(pose, encoding), tta_views, mirrored)

        def gathered(values: Tensor) -> Tensor:
            return merge_augmentations(values, tta_views, settings.candidates)

        rotation, translation = (gathered(part.double()) for part in seen)
        finite = rotation.isfinite().all(dim=-1).all(dim=-1) & translation.isfinite().all(dim=-1)
        energies = None
        if settings.ranking == "energy" and self.model.has_energy:
            energies = gathered(self.model.energy(pose, encoding))
        return _Drawn(
            torch.where(finite[..., None, None], rotation, torch.eye(3).to(rotation)),
            torch.where(finite[..., None], translation, 0.0),
            finite,
            energies,
        )

    def _batch_result(
        self,
        posed: _Pose,
        symmetry: SymmetryBatch,
        encoding: Encoding,
        seen: Seen,
        turn_rad: Tensor,
        *,
        tracked: bool,
    ) -> _BatchResult:
        c, pooled = posed.drawn, posed.pooled
        rotation, translation = pooled.rotation, pooled.translation
        about = (rotation, translation, symmetry)
        drawn = (c.rotation, c.translation, c.finite)
        energy = size_m = None
        first = encoding[: len(rotation)]  # the view of the cloud as it is
        if self.model.has_energy:
            pose = self.model.encode_pose(
                rotation[:, None].float(), translation[:, None].float(), first
            )
            energy = self.model.energy(pose, first)[:, 0].double()
        if encoding.size_m is not None:
            sizes = encoding.size_m.double().log().view(-1, len(rotation), 3)
            size_m = sizes.mean(0).exp()
        agree = torch.stack(
            (
                agreement(*drawn, *about),
                agreement(*drawn, rotation, translation, symmetry.without_yaw),
            ),
            -1,
        )
        second = [shares[1] if len(shares) > 1 else 0.0 for shares in pooled.mode_shares]
        shown = evidence(
            Drawn(*drawn, *about, agree, torch.tensor(second, device=agree.device), size_m), seen
        )
        score = agree
        if self._calibration is not None:
            score = self._calibration.probabilities(shown, tracked=tracked)
        return _BatchResult(
            T_cam_obj=_array(_transforms(rotation, translation)),
            T_cam_other=_array(_transforms(pooled.other_rotation, pooled.other_translation)),
            has_other=_array(pooled.has_other),
            T_cam_candidates=_array(
                _transforms(symmetry.nearest(c.rotation, rotation[:, None]), c.translation)
            ),
            finite=_array(c.finite),
            candidate_energies=None if c.energies is None else _array(c.energies),
            covariance=_array(pose_covariance(c.rotation, c.translation, pooled.members, *about)),
            score=_array(score),
            evidence=_array(shown),
            mode_shares=pooled.mode_shares,
            energy=None if energy is None else _array(energy),
            size_m=None if size_m is None else _array(size_m),
            axisymmetric=_array(symmetry.free),
            rests=_array(seen.touches),
            up_turn_rad=_array(turn_rad),
        )


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


def _up(clouds: Sequence[ObjectCloud]) -> Up:
    """What is known of the direction up of B objects, on the CPU."""
    direction, level_m = torch.zeros(len(clouds), 3), torch.full((len(clouds),), torch.nan)
    for row, cloud in enumerate(clouds):
        if cloud.up_cam is not None:
            direction[row] = torch.from_numpy(cloud.up_cam.direction_cam)
            level_m[row] = torch.nan if cloud.up_cam.level_m is None else cloud.up_cam.level_m
    return Up(direction, level_m)


def _touches_support(points_cam: Tensor, up: Up) -> Tensor:
    """Which of B objects (B,) bool touch their support, as far as it is known.

    Args:
        points_cam: (B, N, 3) of the objects.
        up: which way is up, and the support.
    """
    heights = (points_cam * up.direction.unsqueeze(1)).sum(-1)
    lowest = heights.kthvalue(max(1, round(0.03 * heights.shape[1])), 1).values - up.level_m
    return lowest.abs() < CONTACT_M  # not where the level is not known, as NaN is not


def _resting(
    plain: _Pose,
    up: Up,
    touches: Tensor,
    shares: Tensor,
    symmetry: SymmetryBatch,
    settings: EstimatorSettings,
) -> _Pose:
    """The poses where candidates that rest as objects do count more.

    Args:
        plain: where all count alike.
        up: which way is up; where it is not known all count alike.
        touches: (B,) bool, which objects touch their support.
        shares: (B, 3) of the objects' stances.
        symmetry: of the objects.
        settings: of ranking and pooling.
    """
    drawn = plain.drawn
    cosine = (drawn.rotation[..., 1] @ up.direction.double().unsqueeze(-1)).squeeze(-1)
    weights = torch.where(drawn.finite, stance_weights(cosine, touches, shares), 0.0)
    usable = touches & drawn.finite.any(1)
    if not bool(usable.any()):
        return plain
    index = resampled(torch.where(usable.unsqueeze(-1), weights, 1.0))
    drawn = drawn.taken(index)
    return _Pose(
        drawn, _pool(drawn, _ranked(drawn, settings, symmetry), symmetry, settings, near=None)
    )


def _usable(calibration: ScoreCalibration | None) -> ScoreCalibration | None:
    """The calibration, where it is one of the evidence there is."""
    if calibration is None or calibration.features == EVIDENCE:
        return calibration
    _log.warning("the calibration of scores is of another version: scores are mere agreement")
    return None


def _mirrored(categories: Sequence[Category], device: torch.device) -> Tensor | None:
    """Which objects (B,) bool have mirrored views; None: all."""
    if all(category.mirror for category in categories):
        return None
    return torch.tensor([category.mirror for category in categories], device=device)


def _ranked(drawn: _Drawn, settings: EstimatorSettings, symmetry: SymmetryBatch) -> Ranking:
    key = drawn.energies
    if settings.ranking == "density":
        key = candidate_density(drawn.rotation, drawn.translation, drawn.finite, symmetry)
    return rank_candidates(key, drawn.finite, settings.keep_fraction)


def _pool(
    c: _Drawn,
    ranking: Ranking,
    symmetry: SymmetryBatch,
    settings: EstimatorSettings,
    near: Tensor | None,
) -> Pooled:
    rotation = None if near is None else near[:, :3, :3]
    if settings.pooling == "mean":
        return pool_mean(c.rotation, c.translation, ranking, symmetry, near=rotation)
    return pool_modes(
        c.rotation,
        c.translation,
        ranking,
        symmetry,
        settings.keep_fraction,
        near=rotation,
    )


def _outcome(
    cloud: ObjectCloud,
    category: Category,
    result: _BatchResult,
    row: int,
    settings: EstimatorSettings,
) -> ObjectEstimate | Rejection:
    """The estimate of one object; refused where a number is not finite or far out."""
    finite = result.finite[row]
    if not finite.any():
        detail = f"{len(finite)} of {len(finite)} candidates not finite"
        return Rejection(Reason.NOT_FINITE, detail, cloud.instance.id)
    estimate = _object_estimate(cloud, result, row)
    # What is visible of an object may be small, its estimated size may not.
    smallest_m, largest_m = category.size_m
    limits_m = (smallest_m if result.size_m is not None else 0.0, largest_m)
    if settings.size_factor and is_unusual_size(estimate, limits_m):
        estimate = replace(estimate, remarks=(*estimate.remarks, Remark.UNUSUAL_SIZE))
    return (
        check_finite(estimate)
        or check_workspace(estimate, settings.workspace_m)
        or check_size(estimate, limits_m, settings.size_factor)
        or estimate
    )


def _object_estimate(cloud: ObjectCloud, result: _BatchResult, row: int) -> ObjectEstimate:
    instance, T_cam_obj = cloud.instance, result.T_cam_obj[row]
    if result.size_m is None:
        axisymmetric = bool(result.axisymmetric[row])
        size_m = visible_extent(cloud.points_cam, T_cam_obj, symmetric=axisymmetric)
    else:
        size_m = result.size_m[row]
    energies = [None, None] if result.energy is None else result.energy[row].tolist()
    finite, of_candidates = result.finite[row], result.candidate_energies
    return ObjectEstimate(
        instance_id=instance.id,
        category=instance.category,
        T_cam_obj=T_cam_obj,
        covariance=result.covariance[row],
        score=float(result.score[row, 0]),
        score_axis=float(result.score[row, 1]),
        evidence=tuple(result.evidence[row].tolist()),
        energy_rotation=energies[0],
        energy_translation=energies[1],
        size_m=size_m,
        n_points=cloud.n_points,
        mode_shares=result.mode_shares[row],
        T_cam_other=result.T_cam_other[row] if result.has_other[row] else None,
        T_cam_candidates=result.T_cam_candidates[row][finite],
        candidate_energies=None if of_candidates is None else of_candidates[row][finite],
        points_cam=cloud.points_cam,
        detection_score=instance.detection_score,
        rests=bool(result.rests[row]),
        up_turn_rad=float(result.up_turn_rad[row]),
        remarks=instance.remarks,
    )


def _transforms(rotation: Tensor, translation: Tensor) -> Tensor:
    """Transforms (..., 4, 4) of rotations (..., 3, 3) and translations (..., 3)."""
    T = torch.zeros(*translation.shape[:-1], 4, 4).to(translation)
    T[..., :3, :3], T[..., :3, 3], T[..., 3, 3] = rotation, translation, 1.0
    return T


def _array(values: Tensor) -> np.ndarray:
    array: np.ndarray = values.cpu().numpy()
    return array

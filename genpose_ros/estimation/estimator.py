# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pose estimator: from a frame to clouds, candidates, ranking, pooling and estimates."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from genpose_ros.estimation.back_projection import ObjectCloud, object_cloud, shuffled_cloud
from genpose_ros.estimation.candidates import draw_candidates
from genpose_ros.estimation.checks import check_finite, check_workspace
from genpose_ros.estimation.extent import visible_extent
from genpose_ros.estimation.frame import Frame, Instance, check_frame
from genpose_ros.estimation.pooling import Pooled, pool_mean, pool_modes
from genpose_ros.estimation.ranking import Ranking, candidate_density, rank_candidates
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import FrameResult, ObjectEstimate
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.estimation.stage_timer import StageTimer
from genpose_ros.estimation.tta import augmented_clouds, augmented_poses, merge_augmentations
from genpose_ros.estimation.uncertainty import agreement, pose_covariance, with_common_error
from genpose_ros.geometry.categories import Category
from genpose_ros.geometry.symmetry_groups import SymmetryBatch
from genpose_ros.networks.checkpoints import load_model
from genpose_ros.networks.devices import prefers_bf16, torch_device
from genpose_ros.networks.interface import Encoding, PoseModel

__all__ = ["STAGES", "PoseEstimator", "padded_size"]

_log = logging.getLogger(__name__)

#: Stages of an estimate, in their order: the keys of `FrameResult.timings_ms`.
STAGES = ("clouds", "encode", "sample", "rank", "pool")


@dataclass(frozen=True)
class _Candidates:
    """K candidates of B objects; those that are not finite stand as the identity.

    Attributes:
        rotation: (B, K, 3, 3), object to camera.
        translation: (B, K, 3), metres, camera frame.
        finite: (B, K) bool.
        ranking: of the K candidates.
    """

    rotation: Tensor
    translation: Tensor
    finite: Tensor
    ranking: Ranking


@dataclass(frozen=True)
class _BatchResult:
    """Numbers that the estimates of B objects consist of, one row each, float64.

    Attributes:
        T_cam_obj: (B, 4, 4).
        T_cam_candidates: (B, K, 4, 4).
        finite: (B, K) bool, of the candidates.
        covariance: (B, 6, 6).
        score: (B,).
        mode_shares: per object.
        energy: (B, 2) of rotation and translation; None without energy network.
        size_m: (B, 3); None without size head.
        axisymmetric: (B,) bool.
    """

    T_cam_obj: np.ndarray
    T_cam_candidates: np.ndarray
    finite: np.ndarray
    covariance: np.ndarray
    score: np.ndarray
    mode_shares: tuple[tuple[float, ...], ...]
    energy: np.ndarray | None
    size_m: np.ndarray | None
    axisymmetric: np.ndarray


class PoseEstimator:
    """Estimates the poses of the objects in a frame with one model and one set of settings.

    Args:
        model: is switched to evaluation mode.
        settings: everything else; `weights`, `energy_weights`, `device` and
            `encoder_precision` are not read.

    Example:
        >>> from genpose_ros.geometry import PinholeCamera
        >>> camera = PinholeCamera(300.0, 300.0, 160.0, 120.0, 320, 240)
        >>> depth_m = np.full((240, 320), 1.2, dtype=np.float32)
        >>> x_m = (np.arange(320) - 160) / 300 * 0.8  # a can of 7 x 12 cm, its axis 0.8 m away
        >>> wide = np.abs(x_m) < 0.035
        >>> depth_m[98:142, wide] = 0.8 - np.sqrt(0.035**2 - x_m[wide] ** 2)
        >>> can = Instance(1, "can", depth_m < 1)
        >>> estimator = PoseEstimator.from_settings(EstimatorSettings(device="cpu"))
        >>> result = estimator.estimate(Frame(depth_m, camera, (can,)))
        >>> (estimate,) = result.estimates
        >>> estimate.category, np.abs(estimate.T_cam_obj[:3, 3]).round(1).tolist()
        ('can', [0.0, 0.0, 0.8])
    """

    def __init__(self, model: PoseModel, settings: EstimatorSettings) -> None:
        self.model = model.eval()
        self.settings = settings
        if settings.ranking == "energy" and not model.has_energy:
            _log.warning("the model has no energy network: candidates are kept in the order drawn")

    @classmethod
    def from_settings(cls, settings: EstimatorSettings) -> "PoseEstimator":
        """Load the model that the settings name and put it on their device.

        Args:
            settings: of the estimator; without `weights` the released ones are loaded.

        Raises:
            FileNotFoundError: there is no such checkpoint.
            ValueError: the checkpoint or the device cannot be used.
        """
        device = torch_device(settings.device)
        model = load_model(
            settings.weights or None, energy_path=settings.energy_weights or None, device=device
        )
        precision = settings.encoder_precision
        model.encodes_in_bf16 = precision == "bfloat16" or (
            precision == "auto" and prefers_bf16(device)
        )
        return cls(model, settings)

    def estimate(self, frame: Frame) -> FrameResult:
        """Estimate every object of a frame, or say why not; bad content never raises.

        With the same frame and settings the result is the same. Covariances are those of the error:
        see `with_common_error`.

        Args:
            frame: depth image, camera and masks.
        """
        settings = self.settings
        timer = StageTimer(self.model.device, STAGES)
        with timer.stage("clouds"):
            clouds, rejections = self.object_clouds(frame, settings=settings)
        outcomes = self.estimate_clouds(clouds, settings=settings, timer=timer)
        estimates = tuple(
            replace(o, covariance=with_common_error(o.covariance, o.T_cam_obj))
            for o in outcomes
            if isinstance(o, ObjectEstimate)
        )
        rejections += [o for o in outcomes if isinstance(o, Rejection)]
        return FrameResult(estimates, tuple(rejections), timer.timings_ms)

    def object_clouds(
        self, frame: Frame, *, settings: EstimatorSettings | None = None
    ) -> tuple[list[ObjectCloud], list[Rejection]]:
        """Return the points of each object of a frame, and why some have none.

        Args:
            frame: depth image, camera and masks.
            settings: limits and filters; None: the estimator's.
        """
        settings = settings or self.settings
        refused = check_frame(frame)
        if refused is not None:
            return [], [refused]
        instances, rejections = _largest_masks(frame.instances, settings.max_objects)
        clouds = []
        for instance in instances:
            cloud = object_cloud(
                frame.depth_m, frame.camera, instance, settings, categories=self.model.categories
            )
            if isinstance(cloud, Rejection):
                rejections.append(cloud)
            else:
                clouds.append(cloud)
        return clouds, rejections

    def estimate_clouds(
        self,
        clouds: Sequence[ObjectCloud],
        *,
        T_cam_start: np.ndarray | None = None,
        settings: EstimatorSettings | None = None,
        timer: StageTimer | None = None,
    ) -> list[ObjectEstimate | Rejection]:
        """Estimate objects whose points are known already, each or why not, in their order.

        Args:
            clouds: the points of the objects; those not marked as shuffled are sampled first.
            T_cam_start: (B, 4, 4) poses that the candidates start around (paper section 3.3): the
                mode nearest to them is pooled, and the yaw of axisymmetric objects, which is
                unobservable, stays theirs; None: the centre of the prior.
            settings: of this call; None: the estimator's.
            timer: takes the wall time per stage.

        Raises:
            ValueError: not as many starts as clouds, shuffled clouds of different sizes, or a
                category that the model does not know.
        """
        if T_cam_start is not None and len(T_cam_start) != len(clouds):
            raise ValueError(f"{len(clouds)} clouds need as many starts, got {len(T_cam_start)}")
        settings = settings or self.settings
        timer = timer or StageTimer(self.model.device)
        outcomes: list[ObjectEstimate | Rejection] = []
        for first in range(0, len(clouds), settings.batch_size):
            part = slice(first, first + settings.batch_size)
            batch = [shuffled_cloud(cloud, settings) for cloud in clouds[part]]
            start = None if T_cam_start is None else T_cam_start[part]
            outcomes += self._estimate_batch(batch, timer, settings, start)
        return outcomes

    def warm_up(self) -> None:
        """Run every batch size once (on the CPU the smallest), so that the first frame is fast."""
        settings, device = self.settings, self.model.device
        rng = np.random.default_rng(0)
        points = rng.normal((0.0, 0.0, 0.8), 0.03, (settings.points, 3)).astype(np.float32)
        instance = Instance(0, self.model.categories.names[0], np.ones((1, 1), dtype=bool))
        cloud = ObjectCloud(instance, points, len(points), shuffled=True)
        largest = 1 if device.type == "cpu" else min(settings.batch_size, settings.max_objects)
        sizes = {padded_size(n + 1, settings.batch_size, device) for n in range(largest)}
        for size in sorted(sizes):
            self._estimate_batch([cloud] * size, StageTimer(device), settings)

    @torch.inference_mode()
    def _estimate_batch(
        self,
        clouds: Sequence[ObjectCloud],
        timer: StageTimer,
        settings: EstimatorSettings,
        T_cam_start: np.ndarray | None = None,
    ) -> list[ObjectEstimate | Rejection]:
        device = self.model.device
        # The last one again, until the batch has one of few sizes.
        size = padded_size(len(clouds), settings.batch_size, device)
        rows = np.minimum(np.arange(size), len(clouds) - 1)
        stacked = np.stack([clouds[i].points_cam for i in rows])
        points_cam = torch.from_numpy(stacked).to(device, torch.float32)
        categories = [self.model.categories[clouds[i].instance.category] for i in rows]
        symmetry = self._symmetry(categories)
        mirrored = _mirrored(categories, device)
        near = None
        if T_cam_start is not None:
            near = torch.from_numpy(np.asarray(T_cam_start, dtype=np.float64)[rows]).to(device)
        tta_views = settings.tta_views if self.model.mirrors else 1
        with timer.stage("encode"):
            encoding = self.model.encode(
                augmented_clouds(points_cam, tta_views, mirrored), patches=settings.patches
            )
        with timer.stage("sample"):
            start = None if near is None else self._starts(near, encoding, tta_views, mirrored)
            pose = draw_candidates(self.model, encoding, settings, start=start, tta_views=tta_views)
        with timer.stage("rank"):
            candidates = self._rank(pose, encoding, settings, tta_views, mirrored, symmetry)
        with timer.stage("pool"):
            pooled = _pool(candidates, symmetry, settings, near)
            result = self._batch_result(candidates, pooled, symmetry, encoding)
            return [
                _outcome(cloud, result, row, settings.workspace_m)
                for row, cloud in enumerate(clouds)
            ]

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

    def _rank(
        self,
        pose: Tensor,
        encoding: Encoding,
        settings: EstimatorSettings,
        tta_views: int,
        mirrored: Tensor | None,
        symmetry: SymmetryBatch,
    ) -> _Candidates:
        pose = pose.float()
        seen = augmented_poses(*self.model.decode_pose(pose, encoding), tta_views, mirrored)

        def gathered(values: Tensor) -> Tensor:
            return merge_augmentations(values, tta_views, settings.candidates)

        rotation, translation = (gathered(part.double()) for part in seen)
        finite = rotation.isfinite().all(dim=-1).all(dim=-1) & translation.isfinite().all(dim=-1)
        rotation = torch.where(finite[..., None, None], rotation, torch.eye(3).to(rotation))
        translation = torch.where(finite[..., None], translation, 0.0)
        key = None
        if settings.ranking == "density":
            key = candidate_density(rotation, translation, finite, symmetry)
        elif settings.ranking == "energy" and self.model.has_energy:
            key = gathered(self.model.energy(pose, encoding))
        ranking = rank_candidates(key, finite, settings.keep_fraction)
        return _Candidates(rotation, translation, finite, ranking)

    def _batch_result(
        self, c: _Candidates, pooled: Pooled, symmetry: SymmetryBatch, encoding: Encoding
    ) -> _BatchResult:
        rotation, translation = pooled.rotation, pooled.translation
        about = (rotation, translation, symmetry)
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
        return _BatchResult(
            T_cam_obj=_array(_transforms(rotation, translation)),
            T_cam_candidates=_array(
                _transforms(symmetry.nearest(c.rotation, rotation[:, None]), c.translation)
            ),
            finite=_array(c.finite),
            covariance=_array(pose_covariance(c.rotation, c.translation, pooled.members, *about)),
            score=_array(agreement(c.rotation, c.translation, c.finite, *about)),
            mode_shares=pooled.mode_shares,
            energy=None if energy is None else _array(energy),
            size_m=None if size_m is None else _array(size_m),
            axisymmetric=_array(symmetry.free),
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


def _mirrored(categories: Sequence[Category], device: torch.device) -> Tensor | None:
    """Which objects (B,) bool have mirrored views; None: all."""
    if all(category.mirror for category in categories):
        return None
    return torch.tensor([category.mirror for category in categories], device=device)


def _pool(
    c: _Candidates, symmetry: SymmetryBatch, settings: EstimatorSettings, near: Tensor | None
) -> Pooled:
    rotation = None if near is None else near[:, :3, :3]
    if settings.pooling == "mean":
        return pool_mean(c.rotation, c.translation, c.ranking, symmetry, near=rotation)
    return pool_modes(
        c.rotation,
        c.translation,
        c.ranking,
        symmetry,
        settings.keep_fraction,
        near=rotation,
    )


def _outcome(
    cloud: ObjectCloud, result: _BatchResult, row: int, workspace_m: float
) -> ObjectEstimate | Rejection:
    """The estimate of one object; refused where a number is not finite or far out."""
    finite = result.finite[row]
    if not finite.any():
        detail = f"{len(finite)} of {len(finite)} candidates not finite"
        return Rejection(Reason.NOT_FINITE, detail, cloud.instance.id)
    estimate = _object_estimate(cloud, result, row)
    return check_finite(estimate) or check_workspace(estimate, workspace_m) or estimate


def _object_estimate(cloud: ObjectCloud, result: _BatchResult, row: int) -> ObjectEstimate:
    instance, T_cam_obj = cloud.instance, result.T_cam_obj[row]
    if result.size_m is None:
        axisymmetric = bool(result.axisymmetric[row])
        size_m = visible_extent(cloud.points_cam, T_cam_obj, symmetric=axisymmetric)
    else:
        size_m = result.size_m[row]
    energies = [None, None] if result.energy is None else result.energy[row].tolist()
    return ObjectEstimate(
        instance_id=instance.id,
        category=instance.category,
        T_cam_obj=T_cam_obj,
        covariance=result.covariance[row],
        score=float(result.score[row]),
        energy_rotation=energies[0],
        energy_translation=energies[1],
        size_m=size_m,
        n_points=cloud.n_points,
        mode_shares=result.mode_shares[row],
        T_cam_candidates=result.T_cam_candidates[row][result.finite[row]],
        points_cam=cloud.points_cam,
        detection_score=instance.detection_score,
    )


def _largest_masks(
    instances: tuple[Instance, ...], limit: int
) -> tuple[list[Instance], list[Rejection]]:
    """The `limit` instances with the largest masks, in the given order; the others refused."""
    if len(instances) <= limit:
        return list(instances), []
    areas = np.array([np.count_nonzero(i.mask) for i in instances])
    taken = set(np.argsort(-areas, kind="stable")[:limit].tolist())
    detail = f"{len(instances)} objects in the frame, the {limit} with the largest masks are taken"
    refused = [
        Rejection(Reason.TOO_MANY_OBJECTS, detail, instance.id)
        for i, instance in enumerate(instances)
        if i not in taken
    ]
    return [instances[i] for i in sorted(taken)], refused


def _transforms(rotation: Tensor, translation: Tensor) -> Tensor:
    """Transforms (..., 4, 4) of rotations (..., 3, 3) and translations (..., 3)."""
    T = torch.zeros(*translation.shape[:-1], 4, 4).to(translation)
    T[..., :3, :3], T[..., :3, 3], T[..., 3, 3] = rotation, translation, 1.0
    return T


def _array(values: Tensor) -> np.ndarray:
    array: np.ndarray = values.cpu().numpy()
    return array

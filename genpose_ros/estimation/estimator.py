"""A frame's way through the house: clouds, candidates, ranking, pooling, estimates."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genpose_ros.estimation.back_projection import ObjectCloud, object_cloud
from genpose_ros.estimation.candidates import draw_candidates
from genpose_ros.estimation.extent import visible_extent
from genpose_ros.estimation.frame import Frame, Instance, check_frame
from genpose_ros.estimation.pooling import Pooled, pool_mean, pool_modes
from genpose_ros.estimation.ranking import Ranking, candidate_density, rank_candidates
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import FrameResult, ObjectEstimate
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.estimation.stage_timer import StageTimer
from genpose_ros.estimation.tta import augmented_clouds, augmented_poses, merge_augmentations
from genpose_ros.estimation.uncertainty import agreement, pose_covariance
from genpose_ros.geometry.symmetry import is_symmetric
from genpose_ros.networks.checkpoints import load_model
from genpose_ros.networks.devices import prefers_bf16, torch_device
from genpose_ros.networks.interface import Encoding, PoseModel

__all__ = ["STAGES", "FrameResult", "ObjectEstimate", "PoseEstimator"]

_log = logging.getLogger(__name__)

#: The stages that `FrameResult.timings_ms` has.
STAGES = ("clouds", "encode", "sample", "rank", "pool")


@dataclass(frozen=True)
class _Candidates:
    """K candidates of B objects: rotation (B, K, 3, 3), translation (B, K, 3), finite (B, K).

    Those that are not finite stand as the identity.
    """

    rotation: Tensor
    translation: Tensor
    finite: Tensor
    ranking: Ranking


class PoseEstimator:
    """Estimates the poses of the objects in a frame with one model and one set of settings.

    Args:
        model: is switched to evaluation mode.
        settings: everything else; `weights`, `energy_weights`, `device` and
            `encoder_precision` are not looked at.
    """

    def __init__(self, model: PoseModel, settings: EstimatorSettings) -> None:
        self.model = model.eval()
        self.settings = settings
        if settings.ranking == "energy" and not model.has_energy:
            _log.warning("the model has no energy network: candidates are kept in the order drawn")

    @classmethod
    def from_settings(cls, settings: EstimatorSettings) -> "PoseEstimator":
        """Load the model that the settings name and put it on their device.

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

        With the same frame and settings the result is the same.
        """
        timer = StageTimer(self.model.device, STAGES)
        with timer.stage("clouds"):
            clouds, rejections = self.object_clouds(frame)
        outcomes = self._estimate_clouds(clouds, timer, self.settings)
        estimates = tuple(o for o in outcomes if isinstance(o, ObjectEstimate))
        rejections += [o for o in outcomes if isinstance(o, Rejection)]
        return FrameResult(estimates, tuple(rejections), timer.timings_ms)

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
            clouds: the points of the objects.
            T_cam_start: (B, 4, 4) poses that the candidates start around (paper section 3.3): the
                mode nearest to them is pooled, and round objects keep their free angle; None: the
                centre of the prior.
            settings: other ones than the estimator's for the candidates and their pooling.
            timer: takes the wall time per stage.

        Raises:
            ValueError: not as many starts as clouds.
        """
        if T_cam_start is not None and len(T_cam_start) != len(clouds):
            raise ValueError(f"{len(clouds)} clouds need as many starts, got {len(T_cam_start)}")
        timer = timer or StageTimer(self.model.device)
        return self._estimate_clouds(clouds, timer, settings or self.settings, T_cam_start)

    def warm_up(self) -> None:
        """Run every batch size once (on the CPU the smallest), so that the first frame is fast."""
        rng = np.random.default_rng(0)
        points = rng.normal((0.0, 0.0, 0.8), 0.03, (self.settings.points, 3)).astype(np.float32)
        cloud = ObjectCloud(Instance(0, "mug", np.ones((1, 1), dtype=bool)), points, len(points))
        on_cpu = self.model.device.type == "cpu"
        sizes = [1] if on_cpu else sorted({self._bucket(n + 1) for n in range(self._batch_size)})
        for size in sizes:
            self._estimate_batch([cloud] * size, StageTimer(self.model.device), self.settings)

    @property
    def _batch_size(self) -> int:
        return min(self.settings.batch_size, self.settings.max_objects)

    def _bucket(self, n: int) -> int:
        """The batch size that n objects are padded to: on a GPU one of few, all warmed up."""
        if self.model.device.type == "cpu":
            return n  # every row costs as much as an object
        return min(1 << (n - 1).bit_length(), max(self.settings.batch_size, n))

    def object_clouds(self, frame: Frame) -> tuple[list[ObjectCloud], list[Rejection]]:
        """Return the points of each object of a frame, and why some have none."""
        refused = check_frame(frame)
        if refused is not None:
            return [], [refused]
        instances, rejections = _largest_masks(frame.instances, self.settings.max_objects)
        clouds = []
        for instance in instances:
            cloud = object_cloud(frame.depth_m, frame.camera, instance, self.settings)
            if isinstance(cloud, Rejection):
                rejections.append(cloud)
            else:
                clouds.append(cloud)
        return clouds, rejections

    def _estimate_clouds(
        self,
        clouds: Sequence[ObjectCloud],
        timer: StageTimer,
        settings: EstimatorSettings,
        T_cam_start: np.ndarray | None = None,
    ) -> list[ObjectEstimate | Rejection]:
        outcomes: list[ObjectEstimate | Rejection] = []
        for first in range(0, len(clouds), self.settings.batch_size):
            part = slice(first, first + self.settings.batch_size)
            start = None if T_cam_start is None else T_cam_start[part]
            outcomes += self._estimate_batch(clouds[part], timer, settings, start)
        return outcomes

    @torch.inference_mode()
    def _estimate_batch(
        self,
        clouds: Sequence[ObjectCloud],
        timer: StageTimer,
        settings: EstimatorSettings,
        T_cam_start: np.ndarray | None = None,
    ) -> list[ObjectEstimate | Rejection]:
        # The last one again, until the batch has one of few sizes.
        rows = np.minimum(np.arange(self._bucket(len(clouds))), len(clouds) - 1)
        device = self.model.device
        stacked = np.stack([clouds[i].points_cam for i in rows])
        points_cam = torch.from_numpy(stacked).to(device, torch.float32)
        categories = [clouds[i].instance.category for i in rows]
        symmetric = torch.tensor([is_symmetric(c) for c in categories], device=device)
        near = None
        if T_cam_start is not None:
            near = torch.from_numpy(np.asarray(T_cam_start, dtype=np.float64)[rows]).to(device)
        tta_views = settings.tta_views if self.model.mirrors else 1
        with timer.stage("encode"):
            encoding = self.model.encode(
                augmented_clouds(points_cam, tta_views), patches=settings.patches
            )
        with timer.stage("sample"):
            start = None if near is None else self._starts(near, encoding, tta_views)
            pose = draw_candidates(self.model, encoding, settings, start=start, tta_views=tta_views)
        with timer.stage("rank"):
            candidates = self._rank(pose, encoding, settings, tta_views, symmetric)
        with timer.stage("pool"):
            pooled = self._pool(candidates, symmetric, settings, near)
            columns = self._columns(candidates, pooled, symmetric, encoding)
            return [
                self._outcome(cloud, i, columns, pooled.mode_shares[i])
                for i, cloud in enumerate(clouds)
            ]

    def _starts(self, T_cam_obj: Tensor, encoding: Encoding, tta_views: int) -> Tensor:
        """Pose vectors (looks * B, 1, 9) of transforms (B, 4, 4), as the looks see them."""
        T = T_cam_obj[:, None].float().repeat(tta_views, 1, 1, 1)
        seen = augmented_poses(T[..., :3, :3], T[..., :3, 3], tta_views)
        return self.model.encode_pose(*seen, encoding)

    def _rank(
        self,
        pose: Tensor,
        encoding: Encoding,
        settings: EstimatorSettings,
        tta_views: int,
        symmetric: Tensor,
    ) -> _Candidates:
        pose = pose.float()
        seen = augmented_poses(*self.model.decode_pose(pose, encoding), tta_views)

        def gathered(values: Tensor) -> Tensor:
            return merge_augmentations(values, tta_views, settings.candidates)

        rotation, translation = (gathered(part.double()) for part in seen)
        finite = rotation.isfinite().all(dim=-1).all(dim=-1) & translation.isfinite().all(dim=-1)
        rotation = torch.where(finite[..., None, None], rotation, torch.eye(3).to(rotation))
        translation = torch.where(finite[..., None], translation, 0.0)
        key = None
        if settings.ranking == "density":
            key = candidate_density(rotation, translation, finite, symmetric)
        elif settings.ranking == "energy" and self.model.has_energy:
            key = gathered(self.model.energy(pose, encoding))
        ranking = rank_candidates(key, finite, settings.keep_fraction)
        return _Candidates(rotation, translation, finite, ranking)

    def _pool(
        self,
        c: _Candidates,
        symmetric: Tensor,
        settings: EstimatorSettings,
        near: Tensor | None,
    ) -> Pooled:
        rotation = None if near is None else near[:, :3, :3]
        if settings.pooling == "mean":
            return pool_mean(c.rotation, c.translation, c.ranking, symmetric, near=rotation)
        return pool_modes(
            c.rotation,
            c.translation,
            c.ranking,
            symmetric,
            settings.keep_fraction,
            near=rotation,
        )

    def _columns(
        self, c: _Candidates, pooled: Pooled, symmetric: Tensor, encoding: Encoding
    ) -> dict[str, np.ndarray]:
        """What the estimates consist of, one row per object."""
        rotation, translation = pooled.rotation, pooled.translation
        about = (rotation, translation, symmetric)
        columns = {
            "T_cam_obj": _transforms(rotation, translation),
            "T_cam_candidates": _transforms(c.rotation, c.translation),
            "finite": c.finite,
            "usable": c.finite.any(dim=1),
            "covariance": pose_covariance(c.rotation, c.translation, pooled.members, *about),
            "score": agreement(c.rotation, c.translation, c.finite, *about),
        }
        first = encoding[: len(rotation)]  # the look at the cloud as it is
        if self.model.has_energy:
            pose = self.model.encode_pose(
                rotation[:, None].float(), translation[:, None].float(), first
            )
            columns["energy"] = self.model.energy(pose, first)[:, 0].double()
        if encoding.size_m is not None:
            sizes = encoding.size_m.double().log().view(-1, len(rotation), 3)
            columns["size_m"] = sizes.mean(0).exp()
        return {name: column.cpu().numpy() for name, column in columns.items()}

    def _outcome(
        self,
        cloud: ObjectCloud,
        row: int,
        columns: dict[str, np.ndarray],
        mode_shares: tuple[float, ...],
    ) -> ObjectEstimate | Rejection:
        """The estimate of one object; refused where a number is not finite or far out."""
        instance, mine = cloud.instance, {name: c[row] for name, c in columns.items()}
        T_cam_obj = mine["T_cam_obj"]
        if "size_m" not in mine:
            symmetric = is_symmetric(instance.category)
            mine["size_m"] = visible_extent(cloud.points_cam, T_cam_obj, symmetric=symmetric)
        numbers = [mine[n] for n in ("T_cam_obj", "covariance", "size_m", "energy") if n in mine]
        if not mine["usable"] or not all(np.isfinite(n).all() for n in numbers):
            detail = (
                f"{int((~mine['finite']).sum())} of {len(mine['finite'])} candidates not finite"
            )
            return Rejection(Reason.NOT_FINITE, detail, instance.id)
        distance_m = float(np.linalg.norm(T_cam_obj[:3, 3]))
        if distance_m > self.settings.workspace_m:
            detail = f"{distance_m:.3g} m away, expected at most {self.settings.workspace_m:g} m"
            return Rejection(Reason.OUTSIDE_WORKSPACE, detail, instance.id)
        energy = mine.get("energy")
        return ObjectEstimate(
            instance_id=instance.id,
            category=instance.category,
            T_cam_obj=T_cam_obj,
            covariance=mine["covariance"],
            score=float(mine["score"]),
            energy_rotation=None if energy is None else float(energy[0]),
            energy_translation=None if energy is None else float(energy[1]),
            size_m=mine["size_m"],
            n_points=cloud.n_points,
            mode_shares=mode_shares,
            T_cam_candidates=mine["T_cam_candidates"][mine["finite"]],
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

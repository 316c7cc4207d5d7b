# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Program of a frame: from the clouds of B objects to the numbers of their estimates.

Its shapes follow from B and the settings alone and it never looks at a number, so that it can be
traced, and a GPU can replay it as one graph; models without `fixed_shapes` and the solver rk45 are
the exceptions. Everything of a frame comes in as two tensors and goes out as one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from genpose_ros.estimation.candidates import Sampling, sampled
from genpose_ros.estimation.evidence import Drawn, Seen, evidence
from genpose_ros.estimation.object_rows import KnownObjects
from genpose_ros.estimation.packing import Layout, pack
from genpose_ros.estimation.pooling import Pooled, pool_mean, pool_modes
from genpose_ros.estimation.ranking import Ranking, candidate_density, rank_candidates
from genpose_ros.estimation.rest_prior import resampled, settling_turn, stance_weights
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.estimation.tta import (
    augmented_clouds,
    augmented_poses,
    augmented_up,
    merge_augmentations,
)
from genpose_ros.estimation.uncertainty import (
    Deviations,
    deviations,
    pose_covariance,
    share_within,
)
from genpose_ros.estimation.up import CONTACT_M
from genpose_ros.geometry.rotations import so3_exp
from genpose_ros.geometry.symmetry_groups import SymmetryBatch
from genpose_ros.networks.interface import Encoding, PoseModel
from genpose_ros.networks.score_calibration import ScoreCalibration, probabilities

__all__ = ["Candidates", "FrameProgram", "Plan"]

#: Share of an object's points that may lie below the lowest one that counts, as noise.
_LOWEST = 0.03


@dataclass(frozen=True)
class Plan:
    """Plan of a program: what of a frame is known before its numbers are.

    Attributes:
        settings: of the estimate.
        tracked: candidates start around known poses.
        tells_up: the network is told the direction up.
        settles: the tilts of poses are combined with those of resting objects.
    """

    settings: EstimatorSettings
    tracked: bool = False
    tells_up: bool = False
    settles: bool = False

    @property
    def weighs_stances(self) -> bool:
        """Whether candidates that rest as objects do count more; those of tracks are by a pose."""
        return self.settles and not self.tracked


@dataclass(frozen=True)
class Candidates:
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

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "Candidates":
        """Return the candidates with all their tensors changed in the same way."""
        energies = None if self.energies is None else change(self.energies)
        rotation, translation = change(self.rotation), change(self.translation)
        return Candidates(rotation, translation, change(self.finite), energies)

    def followed_by(self, index: Tensor) -> "Candidates":
        """Return all objects twice: as they are, then with the candidates (B, K) of an index."""

        def twice(values: Tensor) -> Tensor:
            shape = (*index.shape, *[1] * (values.ndim - 2))
            return torch.cat((values, torch.take_along_dim(values, index.view(shape), 1)))

        return self.mapped(twice)


@dataclass(frozen=True)
class _Posed:
    """Pose of B objects, the candidates it is of, and the rotations without their stances."""

    candidates: Candidates
    pooled: Pooled
    unweighed: Tensor


class FrameProgram:
    """Program from clouds to the numbers of estimates, for one model and one plan.

    Args:
        model: in evaluation mode.
        plan: what is known before.
        calibration: what makes scores of evidence; None: scores are agreement.
    """

    def __init__(self, model: PoseModel, plan: Plan, calibration: ScoreCalibration | None) -> None:
        self.model, self.plan = model, plan
        settings = plan.settings
        self.tta_views = settings.tta_views if model.mirrors else 1
        self.sampling = Sampling.of(model, settings, self.tta_views, around_start=plan.tracked)
        self._table = None
        if calibration is not None:
            self._table = calibration.table(tracked=plan.tracked).to(model.device)

    @property
    def replayable(self) -> bool:
        """Whether nothing in it depends on the numbers, so that a GPU can replay it."""
        return self.model.fixed_shapes and self.plan.settings.sampler != "rk45"

    def __call__(self, points_cam: Tensor, known: KnownObjects) -> tuple[Tensor, Layout]:
        """Return the packed numbers (B, W) of the estimates, and their layout: see `conclude`.

        Args:
            points_cam: (B, N, 3) float32, metres, in random order.
            known: of the same objects.
        """
        encoding = self.encode(points_cam, known)
        pose = self.sample(encoding, known)
        seen = self.seen(points_cam, known)
        candidates, ranking = self.rank(pose, encoding, known, seen)
        return self.conclude(candidates, ranking, encoding, known, seen)

    def encode(self, points_cam: Tensor, known: KnownObjects) -> Encoding:
        """Return the encoding of all views of the clouds."""
        views = augmented_clouds(points_cam, self.tta_views, known.mirrored)
        up = augmented_up(known.up, self.tta_views, known.mirrored) if self.plan.tells_up else None
        told = {} if up is None else {"up": up}
        return self.model.encode(views, patches=self.plan.settings.patches, **told)

    def sample(
        self,
        encoding: Encoding,
        known: KnownObjects,
        between_steps: Callable[[], None] = lambda: None,
    ) -> Tensor:
        """Return the candidates' pose vectors (tta_views * B, K', 9), view after view."""
        start = None
        if known.T_cam_start is not None:
            start = self._starts(known.T_cam_start, known.mirrored, encoding)
        return sampled(self.model, encoding, self.sampling, start, between_steps)

    def seen(self, points_cam: Tensor, known: KnownObjects) -> Seen:
        """Return what was seen of the objects, with which of them touch their support."""
        heights = (points_cam * known.up.direction.unsqueeze(1)).sum(-1)
        low = heights.kthvalue(max(1, round(_LOWEST * heights.shape[1])), 1).values
        touches = (low - known.up.level_m).abs() < CONTACT_M  # not where no level is known: NaN
        return Seen(points_cam, known.up.direction, touches, known.sizes)

    def rank(
        self, pose: Tensor, encoding: Encoding, known: KnownObjects, seen: Seen
    ) -> tuple[Candidates, Ranking]:
        """Return the candidates and their ranking; twice where stances count (see `conclude`)."""
        candidates, symmetry = self._candidates(pose, encoding, known.mirrored), known.symmetry
        if self.plan.weighs_stances:
            index = _resting(candidates, seen, known.stance_shares)
            candidates, symmetry = candidates.followed_by(index), symmetry.repeated(2)
        return candidates, self._ranked(candidates, symmetry)

    def conclude(
        self,
        candidates: Candidates,
        ranking: Ranking,
        encoding: Encoding,
        known: KnownObjects,
        seen: Seen,
    ) -> tuple[Tensor, Layout]:
        """Return the packed numbers of the estimates.

        Args:
            candidates: where stances count, of all objects as drawn and then once more, those that
                rest as objects do more often.
            ranking: of the same.
            encoding: of all views.
            known: of the objects.
            seen: of the objects.

        Returns:
            (B, W) float64: rotation, translation, other_rotation, other_translation, has_other,
            candidate_rotation, candidate_translation, finite, covariance, score (2), evidence,
            mode_counts, counted, axisymmetric, rests, up_turn_rad; energy and size_m of models
            that have them; candidate_energies where candidates are ranked by them.
        """
        posed = self._posed(candidates, ranking, known)
        first = encoding[: len(seen.touches)]  # the view of the cloud as it is
        size_m = _size_m(encoding, len(seen.touches))
        parts = self._described(posed, known, size_m, seen)
        if size_m is not None:
            parts["size_m"] = size_m
        if self.model.has_energy:
            rotation = posed.pooled.rotation[:, None].float()
            translation = posed.pooled.translation[:, None].float()
            pose = self.model.encode_pose(rotation, translation, first)
            parts["energy"] = self.model.energy(pose, first)[:, 0]
        if posed.candidates.energies is not None:
            parts["candidate_energies"] = posed.candidates.energies
        return pack(parts)

    def _starts(self, T_cam_start: Tensor, mirrored: Tensor, encoding: Encoding) -> Tensor:
        """Pose vectors (tta_views * B, 1, 9) of poses (B, 4, 4), as the views have them."""
        T = T_cam_start[:, None].float().repeat(self.tta_views, 1, 1, 1)
        seen = augmented_poses(T[..., :3, :3], T[..., :3, 3], self.tta_views, mirrored)
        return self.model.encode_pose(*seen, encoding)

    def _candidates(self, pose: Tensor, encoding: Encoding, mirrored: Tensor) -> Candidates:
        pose, settings = pose.float(), self.plan.settings
        decoded = self.model.decode_pose(pose, encoding)
        seen = augmented_poses(*decoded, self.tta_views, mirrored)

        def gathered(values: Tensor) -> Tensor:
            return merge_augmentations(values, self.tta_views, settings.candidates)

        rotation, translation = (gathered(part.double()) for part in seen)
        finite = rotation.isfinite().all(dim=-1).all(dim=-1) & translation.isfinite().all(dim=-1)
        energies = None
        if settings.ranking == "energy" and self.model.has_energy:
            energies = gathered(self.model.energy(pose, encoding))
        identity = torch.eye(3, dtype=rotation.dtype, device=rotation.device)
        return Candidates(
            torch.where(finite[..., None, None], rotation, identity),
            torch.where(finite[..., None], translation, 0.0),
            finite,
            energies,
        )

    def _ranked(self, drawn: Candidates, symmetry: SymmetryBatch) -> Ranking:
        settings, key = self.plan.settings, drawn.energies
        if settings.ranking == "density":
            key = candidate_density(drawn.rotation, drawn.translation, drawn.finite, symmetry)
        return rank_candidates(key, drawn.finite, settings.keep_fraction)

    def _posed(self, candidates: Candidates, ranking: Ranking, known: KnownObjects) -> _Posed:
        """The poses; where stances count those of the second half, which has them weighed."""
        twice, symmetry = self.plan.weighs_stances, known.symmetry
        if not twice:
            start = known.T_cam_start
            near = None if start is None else start[:, :3, :3]
            pooled = self._pooled(candidates, ranking, symmetry, near)
            return _Posed(candidates, pooled, pooled.rotation)
        pooled, half = self._pooled(candidates, ranking, symmetry.repeated(2)), len(symmetry)
        weighed = candidates.mapped(lambda part: part[half:])
        return _Posed(weighed, pooled.rows(half), pooled.rotation[:half])

    def _pooled(
        self,
        c: Candidates,
        ranking: Ranking,
        symmetry: SymmetryBatch,
        near: Tensor | None = None,
    ) -> Pooled:
        settings = self.plan.settings
        if settings.pooling == "mean":
            return pool_mean(c.rotation, c.translation, ranking, symmetry, near=near)
        keep = settings.keep_fraction
        return pool_modes(c.rotation, c.translation, ranking, symmetry, keep, near=near)

    def _described(
        self, posed: _Posed, known: KnownObjects, size_m: Tensor | None, seen: Seen
    ) -> dict[str, Tensor]:
        """What is told of poses: themselves, their candidates, uncertainty and evidence.

        Uncertainty and evidence are those of the candidates, before the pose settles.
        """
        c, pooled, symmetry = posed.candidates, posed.pooled, known.symmetry
        pose = pooled.rotation, pooled.translation
        apart = deviations(c.rotation, c.translation, *pose, symmetry)
        angles = torch.stack((apart.angle_rad, apart.tilt_rad))
        agree = share_within(angles, apart.distance_m, c.finite).mT
        counts, counted = pooled.mode_counts, pooled.counted
        second = counts[:, 1] / counted if counts.shape[1] > 1 else torch.zeros_like(agree[:, 0])
        shown = evidence(Drawn(apart, c.finite, *pose, agree, second, size_m), seen)
        score = agree
        if self._table is not None:
            score = probabilities(shown, self._table)
        rotation = self._settled(pooled, apart, known, seen)
        turn_rad = torch.zeros_like(pooled.translation[:, 0])
        if self.plan.settles:
            turn_rad = symmetry.angle_rad(rotation, posed.unweighed)
        return {
            "rotation": rotation,
            "translation": pooled.translation,
            "other_rotation": pooled.other_rotation,
            "other_translation": pooled.other_translation,
            "has_other": pooled.has_other,
            "candidate_rotation": symmetry.nearest(c.rotation, pooled.rotation[:, None]),
            "candidate_translation": c.translation,
            "finite": c.finite,
            "covariance": pose_covariance(
                c.rotation, c.translation, pooled.members, *pose, symmetry
            ),
            "score": score,
            "evidence": shown,
            "mode_counts": counts,
            "counted": counted,
            "axisymmetric": symmetry.free,
            "rests": seen.touches,
            "up_turn_rad": torch.where(seen.touches, turn_rad, 0.0),
        }

    def _settled(
        self, pooled: Pooled, apart: Deviations, known: KnownObjects, seen: Seen
    ) -> Tensor:
        """The rotations (B, 3, 3), those of resting objects nearer to their stances."""
        if not self.plan.settles:
            return pooled.rotation
        members = pooled.members.double()
        tilt = (apart.tilt_rad.square() * members).sum(1) / members.sum(1).clamp_min(1)
        spread_rad, up = (tilt / 2).sqrt(), seen.up_cam.double()
        y_axis = pooled.rotation[..., 1]
        turn = settling_turn(y_axis, up, spread_rad, seen.touches, known.stance_shares)
        return so3_exp(turn) @ pooled.rotation


def _resting(drawn: Candidates, seen: Seen, shares: Tensor) -> Tensor:
    """Which candidates (B, K) to take so that those that rest as objects do count more.

    Of objects that touch no support, and where no candidate is finite: each once.

    Args:
        drawn: the candidates.
        seen: says which way is up, and what touches its support.
        shares: (B, 3) of the objects' stances.
    """
    up = seen.up_cam.double().unsqueeze(-1)
    cosine = (drawn.rotation[..., 1] @ up).squeeze(-1)
    weights = stance_weights(cosine, seen.touches, shares)
    weights = torch.where(drawn.finite, weights, 0.0)
    usable = seen.touches & drawn.finite.any(1)
    return resampled(torch.where(usable.unsqueeze(-1), weights, 1.0))


def _size_m(encoding: Encoding, count: int) -> Tensor | None:
    """Sizes (count, 3), the geometric mean over the views; None: the model tells none."""
    if encoding.size_m is None:
        return None
    return encoding.size_m.double().log().view(-1, count, 3).mean(0).exp()

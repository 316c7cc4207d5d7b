# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Candidates of many views, drawn once, so that every study selects from the same ones."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from genpose_ros.estimation.candidates import draw_candidates
from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.pooling import pool_mean, pool_modes
from genpose_ros.estimation.ranking import candidate_density, rank_candidates
from genpose_ros.estimation.tta import augmented_clouds, augmented_poses, merge_augmentations
from genpose_ros.geometry.categories import CATEGORIES, NOCS
from genpose_ros.geometry.symmetry import handle_visible, is_symmetric, rotation_error_deg
from genpose_ros.geometry.symmetry_groups import SymmetryBatch
from genpose_ros.synthesis import STANCES, CloudBatch

__all__ = ["POOLINGS", "ViewCandidates", "ViewTruth", "draw_view_candidates"]

#: How one pose is made of the kept candidates: the best one alone, their mean, their largest mode.
POOLINGS: tuple[str, ...] = ("single", "mean", "modes")

_BATCH = 32


@dataclass(frozen=True)
class ViewTruth:
    """Ground truth of n views.

    Attributes:
        views: the clouds.
        symmetric: (n,) bool, whether the turn about y is free: round shapes, mugs whose handle is
            not seen.
    """

    views: CloudBatch
    symmetric: np.ndarray

    @classmethod
    def of(cls, views: CloudBatch) -> "ViewTruth":
        """Decide of every mug whether its handle is seen."""
        symmetric = np.zeros(len(views), dtype=bool)
        for i, category in enumerate(views.category):
            T = np.eye(4)
            T[:3, :3], T[:3, 3] = views.rotation[i], views.translation[i]
            name = CATEGORIES[category]
            visible = name != "mug" or handle_visible(views.points_cam[i], T, views.size_m[i])
            symmetric[i] = is_symmetric(name, visible)
        return cls(views, symmetric)

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, index: np.ndarray | slice) -> "ViewTruth":
        return ViewTruth(self.views[index], self.symmetric[index])

    @property
    def standing(self) -> np.ndarray:
        """(n,) bool."""
        standing: np.ndarray = self.views.stance == STANCES.index("standing")
        return standing

    def of_category(self, name: str) -> np.ndarray:
        """(n,) bool."""
        mine: np.ndarray = self.views.category == CATEGORIES.index(name)
        return mine

    def errors(self, rotation: Tensor, translation: Tensor) -> np.ndarray:
        """Return degrees and centimetres (n, ..., 2) of poses; infinite where a pose is not finite.

        Args:
            rotation: (n, ..., 3, 3).
            translation: (n, ..., 3), metres.
        """
        middle = (1,) * (translation.ndim - 2)
        true_rotation = torch.from_numpy(self.views.rotation).view(-1, *middle, 3, 3)
        true_translation = torch.from_numpy(self.views.translation).view(-1, *middle, 3)
        # By the names of a category with and of one without symmetry about y.
        tilt = rotation_error_deg(rotation, true_rotation, "can")
        turn = rotation_error_deg(rotation, true_rotation, "camera")
        angle = torch.where(torch.from_numpy(self.symmetric).view(-1, *middle), tilt, turn)
        distance = 100 * (translation.double() - true_translation.double()).norm(dim=-1)
        errors = torch.stack((angle, distance), -1)
        return torch.where(errors.isfinite(), errors, torch.inf).numpy()


@dataclass(frozen=True)
class ViewCandidates:
    """K candidates of each of n views.

    Attributes:
        truth: the views.
        rotation: (n, K, 3, 3) float64; the identity where a candidate is not finite.
        translation: (n, K, 3) float64, metres.
        finite: (n, K) bool.
        energy: (n, K, 2), of rotation and translation; None when the model has none.
        features: (n, F), what the score network knows of each cloud.
        size_m: (n, 3) estimated box edges; None when the model has no size head.
        keep_fraction: share of the candidates that is kept, unless a study says otherwise.
    """

    truth: ViewTruth
    rotation: Tensor
    translation: Tensor
    finite: Tensor
    energy: Tensor | None
    features: np.ndarray
    size_m: np.ndarray | None
    keep_fraction: float

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def count(self) -> int:
        """K."""
        return self.rotation.shape[1]

    def first(self, count: int) -> "ViewCandidates":
        """Return the first `count` candidates of each view.

        Raises:
            ValueError: there are fewer.
        """
        if count > self.count:
            raise ValueError(f"{self.count} candidates were drawn, {count} are needed")
        return replace(
            self,
            rotation=self.rotation[:, :count],
            translation=self.translation[:, :count],
            finite=self.finite[:, :count],
            energy=None if self.energy is None else self.energy[:, :count],
        )

    def __getitem__(self, index: np.ndarray) -> "ViewCandidates":
        """The candidates of some of the views; `index` holds their numbers."""
        rows = torch.from_numpy(index)
        return ViewCandidates(
            truth=self.truth[index],
            rotation=self.rotation[rows],
            translation=self.translation[rows],
            finite=self.finite[rows],
            energy=None if self.energy is None else self.energy[rows],
            features=self.features[index],
            size_m=None if self.size_m is None else self.size_m[index],
            keep_fraction=self.keep_fraction,
        )

    @cached_property
    def errors(self) -> np.ndarray:
        """(n, K, 2), degrees and centimetres of every candidate."""
        errors = self.truth.errors(self.rotation, self.translation)
        errors[~self.finite.numpy()] = np.inf
        return errors

    @cached_property
    def density(self) -> Tensor:
        """(n, K, 2), what the default settings rank by."""
        return candidate_density(self.rotation, self.translation, self.finite, self.pooled_symmetry)

    @property
    def pooled_symmetry(self) -> SymmetryBatch:
        """Symmetries that pooling takes: it cannot know whether a handle is seen."""
        return SymmetryBatch.of([NOCS[CATEGORIES[c]].symmetry for c in self.truth.views.category])

    @property
    def pooled_symmetric(self) -> Tensor:
        """(n,) bool, what pooling takes for round."""
        return self.pooled_symmetry.free

    def select(
        self, key: Tensor | None, pooling: str, keep_fraction: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return one rotation (n, 3, 3) and one translation (n, 3) per view.

        Args:
            key: (n, K, 2), what rotations and translations are ranked by, higher is better; None:
                the order drawn.
            pooling: one of `POOLINGS`.
            keep_fraction: share that is pooled; None: that of the settings.

        Raises:
            ValueError: unknown pooling.
        """
        keep = self.keep_fraction if keep_fraction is None else keep_fraction
        ranking = rank_candidates(key, self.finite, keep)
        if pooling == "single":
            rows = torch.arange(len(self))
            rotation = self.rotation[rows, ranking.rotation[:, 0]]
            return rotation, self.translation[rows, ranking.translation[:, 0]]
        symmetry = self.pooled_symmetry
        if pooling == "mean":
            pooled = pool_mean(self.rotation, self.translation, ranking, symmetry)
        elif pooling == "modes":
            pooled = pool_modes(self.rotation, self.translation, ranking, symmetry, keep)
        else:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, got {pooling!r}")
        return pooled.rotation, pooled.translation

    def selected_errors(
        self, key: Tensor | None, pooling: str, keep_fraction: float | None = None
    ) -> np.ndarray:
        """Return degrees and centimetres (n, 2) of what `select` returns."""
        errors = self.truth.errors(*self.select(key, pooling, keep_fraction))
        errors[~self.finite.numpy().any(axis=1)] = np.inf
        return errors


@torch.no_grad()
def draw_view_candidates(
    estimator: PoseEstimator,
    views: CloudBatch,
    count: int,
    on_views: Callable[[int], None] | None = None,
) -> ViewCandidates:
    """Draw `count` candidates of every view, with energies, by the estimator's own settings.

    Args:
        estimator: model and settings; its K is not used.
        views: the clouds.
        count: K.
        on_views: called with how many views have been done since the last call.
    """
    model, settings = estimator.model, replace(estimator.settings, candidates=count)
    tta_views = settings.tta_views if model.mirrors else 1
    parts: list[dict[str, Tensor]] = []
    for first in range(0, len(views), _BATCH):
        points = torch.from_numpy(views.points_cam[first : first + _BATCH]).to(model.device)
        encoding = model.encode(augmented_clouds(points, tta_views))
        pose = draw_candidates(model, encoding, settings, tta_views=tta_views).float()
        rotation, translation = augmented_poses(*model.decode_pose(pose, encoding), tta_views)
        found = {"rotation": rotation.double(), "translation": translation.double()}
        if model.has_energy:
            found["energy"] = model.energy(pose, encoding)
        part = {name: merge_augmentations(v, tta_views, count).cpu() for name, v in found.items()}
        part["features"] = encoding.score[: len(points)].flatten(1).cpu()
        if encoding.size_m is not None:
            part["size_m"] = (
                encoding.size_m.double().log().view(tta_views, -1, 3).mean(0).exp().cpu()
            )
        parts.append(part)
        if on_views is not None:
            on_views(len(points))
    whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    rotation, translation = whole["rotation"], whole["translation"]
    finite = rotation.isfinite().flatten(2).all(-1) & translation.isfinite().all(-1)
    return ViewCandidates(
        truth=ViewTruth.of(views),
        rotation=torch.where(finite[..., None, None], rotation, torch.eye(3).double()),
        translation=torch.where(finite[..., None], translation, 0.0),
        finite=finite,
        energy=whole.get("energy"),
        features=whole["features"].numpy(),
        size_m=whole["size_m"].numpy() if "size_m" in whole else None,
        keep_fraction=settings.keep_fraction,
    )

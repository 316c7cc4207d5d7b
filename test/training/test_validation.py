# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from parcels_and_hooks import PARCEL, own_library, parcel_mesh

from genpose_ros.geometry import CategorySet
from genpose_ros.networks import LightPoseModel
from genpose_ros.networks.interface import Encoding
from genpose_ros.synthesis import CloudBatch
from genpose_ros.training.validation import Validation, Validator


class Oracle(LightPoseModel):
    """Knows the truth of the validation views, in their order."""

    def __init__(self, truth: CloudBatch) -> None:
        super().__init__()
        self.rotation, self.translation = map(torch.tensor, (truth.rotation, truth.translation))
        self.points = torch.tensor(truth.points_cam)

    def denoise(self, pose: torch.Tensor, sigma: torch.Tensor, encoding: Encoding) -> torch.Tensor:
        # Which view it is: the one with this centre.
        distance = torch.cdist(encoding.centre, self.points.mean(1))
        row = distance.argmin(1)
        rotation, translation = self.rotation[row], self.translation[row]
        return self.encode_pose(rotation[:, None], translation[:, None], encoding).expand_as(pose)


@pytest.mark.slow
def test_validation_measures_pose_errors_on_its_own_views() -> None:
    validator = Validator(24, energy=False)
    untrained = validator(LightPoseModel())
    assert untrained.median_deg > 10
    perfect = validator(Oracle(validator._views))
    assert perfect.share_5d2cm == perfect.share_10d5cm == 100
    assert perfect.median_deg < 0.1
    assert perfect.rank > untrained.rank


@pytest.mark.slow
def test_validation_of_own_categories_is_modulo_their_symmetry() -> None:
    library = replace(own_library(), categories=CategorySet((PARCEL,)), meshes=(parcel_mesh(),))
    validator = Validator(24, energy=False, library=library)
    half_turned = replace(
        validator._views, rotation=validator._views.rotation @ np.diag([-1, 1, -1]).astype("f4")
    )
    model = Oracle(half_turned)
    model.categories = library.categories
    result = validator(model)
    assert result.share_5d2cm == 100
    assert result.median_deg < 0.1


def test_a_refused_view_counts_as_missed() -> None:
    class Lost(LightPoseModel):
        def denoise(
            self, pose: torch.Tensor, sigma: torch.Tensor, encoding: Encoding
        ) -> torch.Tensor:
            return torch.full_like(pose, torch.nan)

    result = Validator(6, energy=True)(Lost())
    assert (result.share_5d2cm, result.share_10d5cm) == (0, 0)
    assert math.isinf(result.median_deg)


def test_validations_rank_by_shares_within_limits_first() -> None:
    assert Validation(50, 80, 4, 1).rank > Validation(49, 80, 1, 0.1).rank

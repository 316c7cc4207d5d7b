# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from genpose_ros.geometry.symmetry_groups import Symmetry, SymmetryBatch
from genpose_ros.networks import LightPoseModel
from genpose_ros.training import TrainingSettings
from genpose_ros.training.auxiliary import (
    AuxiliaryHeads,
    Learnt,
    place_loss,
    regression_loss,
    surface_loss,
    watched_patches,
)

ROUND, BOX = Symmetry(free_axis=True), Symmetry.parse({"y": "half"})


def turned(yaw_deg: float) -> Tensor:
    cos, sin = math.cos(math.radians(yaw_deg)), math.sin(math.radians(yaw_deg))
    return torch.tensor([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])


def learnt(symmetry: Symmetry, rotation: Tensor, **changes: Any) -> Learnt:
    values = {
        "rotation": rotation[None],
        "offset": torch.tensor([[0.2, -0.1, 0.3]]),
        "symmetry": SymmetryBatch.of([symmetry], dtype=torch.float32),
        "surface_obj": torch.empty(1, 0, 3),
    }
    return Learnt(**{**values, **changes})


def placed(points_obj: Tensor, truth: Learnt) -> Tensor:
    return points_obj @ truth.rotation.mT + truth.offset[:, None]


class TestPlaces:
    points_obj = torch.tensor([[[0.3, 0.5, 0.4], [-0.6, -0.2, 0.0]]])
    #: Height, distance from the y axis, x and z of these two.
    places = torch.tensor([[[0.5, 0.5, 0.3, 0.4], [-0.2, 0.6, -0.6, 0.0]]])

    def test_true_places_have_no_loss_and_errors_count_by_coordinate(self) -> None:
        tilted = turned(30) @ torch.tensor([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
        truth = learnt(Symmetry(), tilted)
        centres = placed(self.points_obj, truth)
        assert place_loss(self.places, centres, truth) == pytest.approx(0, abs=1e-6)
        # An error e above beta counts e - beta / 2; one of two patches is wrong.
        wrong = self.places.clone()
        wrong[0, 0, 3] += 0.4
        expected = pytest.approx((0.4 - 0.05) / 2, abs=1e-5)
        assert place_loss(wrong, centres, truth) == expected

    def test_round_objects_have_heights_and_radii_alone(self) -> None:
        truth = learnt(ROUND, turned(30))
        centres = placed(self.points_obj, truth)
        wrong = self.places + torch.tensor([0.0, 0.0, 9.0, 9.0])
        assert place_loss(wrong, centres, truth) == pytest.approx(0, abs=1e-6)
        assert place_loss(wrong + torch.tensor([0.3, 0, 0, 0]), centres, truth) > 0.2

    def test_the_member_of_a_group_that_suits_all_patches_counts(self) -> None:
        truth = learnt(BOX, turned(30))
        centres = placed(self.points_obj, truth)
        half_turn = self.places * torch.tensor([1.0, 1, -1, -1])
        assert place_loss(half_turn, centres, truth) == pytest.approx(0, abs=1e-6)
        assert place_loss(half_turn, centres, learnt(Symmetry(), turned(30))) > 0.2
        # Not one member for one patch and another for the other.
        mixed = torch.stack((half_turn[:, 0], self.places[:, 1]), 1)
        assert place_loss(mixed, centres, truth) > 0.2


class TestRegression:
    def vector(self, rotation: Tensor, truth: Learnt) -> Tensor:
        return torch.cat((rotation[:, 0], rotation[:, 1], truth.offset[0]))[None]

    def test_poses_that_look_alike_have_no_loss(self) -> None:
        for symmetry, yaw_deg in ((Symmetry(), 0), (BOX, 180), (ROUND, 77)):
            truth = learnt(symmetry, turned(30))
            said = self.vector(turned(30 + yaw_deg), truth)
            assert regression_loss(said, truth) == pytest.approx(0, abs=1e-5)

    def test_others_count_by_their_distance(self) -> None:
        for symmetry, yaw_deg in ((Symmetry(), 180), (BOX, 90)):
            truth = learnt(symmetry, turned(30))
            assert regression_loss(self.vector(turned(30 + yaw_deg), truth), truth) > 1
        truth = learnt(ROUND, turned(30))
        moved = self.vector(turned(30), truth) + torch.tensor([0.0] * 6 + [0.0, 0.5, 0.0])
        assert regression_loss(moved, truth) == pytest.approx(0.5 - 0.05, abs=1e-5)


class TestSurface:
    def test_the_distance_goes_there_and_back(self) -> None:
        surface_obj = torch.tensor([[[0.0, 0, 0], [1.0, 0, 0]]])
        truth = learnt(Symmetry(), turned(90), surface_obj=surface_obj)
        whole = placed(surface_obj, truth)
        assert surface_loss(whole, truth) == pytest.approx(0, abs=1e-3)
        # One point covers half: it lies on the surface, whose other point is 1 away.
        assert surface_loss(whole[:, :1], truth) == pytest.approx(0.5, abs=1e-3)
        beside = whole + torch.tensor([0.0, 0.3, 0.0])
        assert surface_loss(beside, truth) == pytest.approx(0.6, abs=1e-3)

    def test_clouds_without_surfaces_are_refused(self, small_model: LightPoseModel) -> None:
        heads = AuxiliaryHeads(small_model, TrainingSettings(surface_weight=1.0))
        features = torch.zeros(1, small_model.encoder.out_features)
        with pytest.raises(ValueError, match="clouds with surfaces"):
            heads(None, features, learnt(ROUND, turned(0)))  # type: ignore[arg-type]


def test_the_watched_patches_are_what_the_features_are_made_of(
    small_model: LightPoseModel, generator: torch.Generator
) -> None:
    points_cam = torch.tensor([0.0, 0, 1]) + 0.05 * torch.randn(3, 64, 3, generator=generator)
    with watched_patches(small_model.encoder) as patches:
        _, alignment, features = small_model.features(points_cam)
    width = small_model.settings.width
    assert patches.tokens.shape == (3, 8, width)
    torch.testing.assert_close(patches.tokens.amax(1), features[:, width:])
    # Centres are points of the clouds, turned and in decimetres.
    centred = (points_cam - points_cam.mean(1, keepdim=True)) @ alignment.mT / 0.1
    assert torch.cdist(patches.centres, centred).amin(-1).max() < 1e-3
    before = patches.tokens
    small_model.features(points_cam)
    assert patches.tokens is before

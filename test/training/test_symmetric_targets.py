# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math

import pytest
import torch
from torch import Tensor

from genpose_ros.geometry import NOCS
from genpose_ros.geometry.rotations import columns_from_rotation
from genpose_ros.geometry.symmetry_groups import Symmetry, SymmetryBatch
from genpose_ros.training.symmetric_targets import CategorySymmetries, paired_with_noise


def random_rotations(count: int, generator: torch.Generator) -> Tensor:
    q, r = torch.linalg.qr(torch.randn(count, 3, 3, generator=generator, dtype=torch.float64))
    q = q * r.diagonal(dim1=1, dim2=2).sign().unsqueeze(1)
    return q * torch.linalg.det(q)[:, None, None]


def pose_vectors(rotation: Tensor, offset: Tensor) -> Tensor:
    columns = columns_from_rotation(rotation)
    return torch.cat((columns, offset.expand(*columns.shape[:-1], 3)), -1)


def forms_of(symmetry: Symmetry, rotation: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    batch = SymmetryBatch.of([symmetry] * len(rotation))
    return pose_vectors(batch.equivalents(rotation), offset), batch.free


OFFSET = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)


class TestPairing:
    def test_a_round_object_takes_the_yaw_of_a_thousand_that_is_nearest_to_the_noise(
        self, generator: torch.Generator
    ) -> None:
        rotation = random_rotations(4, generator)
        forms, free = forms_of(Symmetry(free_axis=True), rotation, OFFSET)
        noise = torch.randn(4, 5, 9, generator=generator, dtype=torch.float64)
        paired = paired_with_noise(forms, free, noise)
        yaw = torch.linspace(0, 2 * math.pi, 1001, dtype=torch.float64)
        zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)
        rows = (yaw.cos(), zero, yaw.sin(), zero, one, zero, -yaw.sin(), zero, yaw.cos())
        turns = torch.stack(rows, -1).view(-1, 3, 3)
        every = pose_vectors(rotation[:, None] @ turns, OFFSET)  # (4, 1001, 9)
        best = torch.cdist(noise, every).amin(-1)
        found = (noise - paired).norm(dim=-1)
        assert (found <= best + 1e-12).all()
        torch.testing.assert_close(found, best, atol=1e-4, rtol=0)
        # And it is one of the poses that look alike.
        x, y, offset = paired.split(3, -1)
        torch.testing.assert_close(x.norm(dim=-1), torch.ones(4, 5, dtype=torch.float64))
        torch.testing.assert_close((x * y).sum(-1), torch.zeros(4, 5, dtype=torch.float64))
        torch.testing.assert_close(y, rotation[:, None, :, 1].expand_as(y))
        torch.testing.assert_close(offset, OFFSET.expand_as(offset))

    @pytest.mark.parametrize("words", [{"y": "half"}, {"x": "half", "y": "quarter"}, {"z": 3}])
    def test_a_finite_group_takes_its_nearest_member_and_each_member_its_share(
        self, words: dict[str, object], generator: torch.Generator
    ) -> None:
        symmetry = Symmetry.parse(words)
        forms, free = forms_of(symmetry, random_rotations(1, generator), OFFSET)
        noise = torch.randn(1, 20_000, 9, generator=generator, dtype=torch.float64)
        paired = paired_with_noise(forms, free, noise)
        distances = torch.cdist(noise[0], forms[0])
        torch.testing.assert_close((noise - paired)[0].norm(dim=-1), distances.amin(-1))
        chosen = torch.cdist(paired[0], forms[0]).argmin(-1).bincount(minlength=symmetry.order)
        share = 20_000 / symmetry.order
        assert (chosen - share).abs().max() < 4.5 * math.sqrt(share)

    def test_the_yaws_of_a_round_object_stay_evenly_spread(
        self, generator: torch.Generator
    ) -> None:
        rotation = random_rotations(1, generator)
        forms, free = forms_of(Symmetry(free_axis=True), rotation, OFFSET)
        noise = torch.randn(1, 20_000, 9, generator=generator, dtype=torch.float64)
        x = paired_with_noise(forms, free, noise)[0, :, :3] @ rotation[0]
        yaw = torch.atan2(x[:, 2], x[:, 0])
        for order in (1, 2, 3):  # the mean of n unit vectors is about 1 / sqrt(n) long
            mean = torch.stack(((order * yaw).cos().mean(), (order * yaw).sin().mean()))
            assert mean.norm() < 4 / math.sqrt(20_000)

    def test_noise_without_a_symmetry_is_paired_with_the_only_pose(
        self, generator: torch.Generator
    ) -> None:
        rotation = random_rotations(3, generator)
        forms, free = forms_of(Symmetry(), rotation, OFFSET)
        noise = torch.randn(3, 2, 9, generator=generator, dtype=torch.float64)
        assert torch.equal(paired_with_noise(forms, free, noise), forms.expand(3, 2, 9))


def test_the_table_gives_each_object_its_categorys_symmetry() -> None:
    table = CategorySymmetries(NOCS)
    found = table(torch.tensor([2, 0, 5]))
    assert found.free.tolist() == [False, True, False]
    assert found.is_trivial
    assert not table.state_dict()

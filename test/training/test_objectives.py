# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from genpose_ros.networks import LightPoseModel, ReferencePoseModel
from genpose_ros.networks.interface import Encoding
from genpose_ros.networks.reference import ReferenceEnergyNetwork
from genpose_ros.training import CloudPool, TrainingSettings
from genpose_ros.training.objectives import Teacher, draw_noise_levels, objective_of


def settings(target: str = "score", **changes: Any) -> TrainingSettings:
    return TrainingSettings(target=target, **{"bf16": False, "draws": 16, **changes})


def losses(model: Any, pool: CloudPool, s: TrainingSettings) -> Tensor:
    batch = pool.draw(0, s)
    generator = torch.Generator().manual_seed(1)
    sigma = draw_noise_levels(s.batch, s, model.sigma_max, generator)
    noise = torch.randn(s.batch, s.draws, 9, generator=generator)
    return objective_of(model, s)(*vars(batch).values(), sigma, noise)


@pytest.fixture
def reference() -> ReferencePoseModel:
    torch.manual_seed(0)
    return ReferencePoseModel(energy_network=ReferenceEnergyNetwork())


class TestTeacher:
    def test_a_model_that_answers_as_its_teacher_has_no_loss_on_what_is_taught(
        self, pool: CloudPool, small_model: LightPoseModel
    ) -> None:
        torch.nn.init.normal_(small_model.score_head.leave.weight, std=0.1)
        s = settings()
        batch = pool.draw(0, s)
        taught = torch.arange(s.batch) % 2
        batch = replace(batch, category=taught)
        sigma = draw_noise_levels(s.batch, s, small_model.sigma_max, torch.Generator())
        noise = torch.randn(s.batch, s.draws, 9, generator=torch.Generator())
        inputs = (*vars(batch).values(), sigma, noise)

        def pose_loss(*categories: int) -> float:
            teacher = Teacher(copy.deepcopy(small_model), categories)
            return float(objective_of(small_model, s, teacher)(*inputs)[0].detach())

        truth = float(objective_of(small_model, s)(*inputs)[0].detach())
        assert pose_loss() == pytest.approx(truth, rel=1e-6)
        assert pose_loss(0, 1) == pytest.approx(0, abs=1e-6)
        assert pose_loss(0) + pose_loss(1) == pytest.approx(truth, rel=1e-5)

    def test_a_teacher_does_not_learn(self, small_model: LightPoseModel) -> None:
        objective = objective_of(small_model, settings(), Teacher(copy.deepcopy(small_model), [0]))
        trained = {name for name, p in objective.named_parameters() if p.requires_grad}
        assert trained
        assert not any(name.startswith("teacher.") for name in trained)
        assert not objective.train().teacher.model.training  # type: ignore[union-attr]

    def test_other_runs_take_none(self, small_model: LightPoseModel) -> None:
        teacher = Teacher(copy.deepcopy(small_model), [0])
        with pytest.raises(ValueError, match="a teacher is for the score of the light model"):
            objective_of(small_model, settings("energy"), teacher)


class TestNoiseLevels:
    def test_noise_levels_are_centred_where_poses_are_decided(
        self, generator: torch.Generator
    ) -> None:
        sigma = draw_noise_levels(400, settings(draws=100), 20.0, generator)
        assert sigma.shape == (400, 100, 1)
        assert sigma.min() >= 0.008 - 1e-6
        assert sigma.max() <= 20
        assert (sigma > 3).float().mean() > 0.05
        assert sigma.log().median().item() == pytest.approx(math.log(0.2), abs=0.2)

    def test_noise_levels_can_be_log_uniform_as_in_the_paper(
        self, generator: torch.Generator
    ) -> None:
        s = settings(draws=100, middle_share=0.0, sigma_low=0.01)
        sigma = draw_noise_levels(400, s, 50.0, generator)
        # Uniform t: the time of a level is ln(sigma / 0.01) / ln(5000).
        t = (sigma / 0.01).log() / math.log(5000)
        assert t.mean().item() == pytest.approx(0.5, abs=4 / math.sqrt(12 * 40000))
        assert t.square().mean().item() == pytest.approx(1 / 3, abs=0.01)

    def test_noise_levels_end_where_the_settings_say(self, generator: torch.Generator) -> None:
        assert draw_noise_levels(99, settings(sigma_high=2.0), 20.0, generator).max() <= 2


class TestLight:
    def test_an_energy_head_of_zeros_has_a_loss_of_nine(
        self, pool: CloudPool, small_model: LightPoseModel
    ) -> None:
        s = settings("energy", batch=32, draws=64, sigma_high=2.0)
        assert losses(small_model, pool, s)[0].item() == pytest.approx(9, rel=0.05)

    def test_a_score_head_of_zeros_has_the_variance_of_its_target_as_loss(
        self, pool: CloudPool, small_model: LightPoseModel
    ) -> None:
        # Zero head: D(x) = skip x, whose weighted error is |data (x0 sigma/data^2 - z)|^2 / total.
        assert 7.5 < losses(small_model, pool, settings(batch=32, draws=64))[0].item() < 11

    def test_the_weight_of_the_paper_is_one_over_sigma_squared(
        self, pool: CloudPool, small_model: LightPoseModel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        torch.nn.init.normal_(small_model.score_head.leave.weight, std=0.05)
        seen = []

        def denoise(pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
            seen.append((sigma, original(pose, sigma, encoding)))
            return seen[-1][1]

        original = small_model.denoise
        monkeypatch.setattr(small_model, "denoise", denoise)
        s = settings(batch=8, weighting="paper", sigma_low=0.1, **_UNCHANGED)
        loss = losses(small_model, pool, s)[0]
        (sigma, denoised), batch = seen[0], pool.draw(0, s)
        encoding = small_model.encode(batch.points_cam)
        truth = (batch.rotation[:, None], batch.translation[:, None])
        clean = small_model.encode_pose(*truth, encoding)
        expected = ((denoised - clean).square() / sigma**2).sum(-1).mean()
        torch.testing.assert_close(loss, expected, rtol=1e-4, atol=0)

    def test_energy_training_changes_the_energy_head_alone(
        self, pool: CloudPool, small_model: LightPoseModel
    ) -> None:
        losses(small_model, pool, settings("energy", batch=4, draws=4)).sum().backward()
        assert _touched(small_model) == {"energy_head"}

    def test_score_training_leaves_the_energy_head_unchanged(
        self, pool: CloudPool, small_model: LightPoseModel
    ) -> None:
        losses(small_model, pool, settings(batch=4, draws=4)).sum().backward()
        assert _touched(small_model) == {"encoder", "score_head", "size_head"}

    def test_the_size_loss_can_be_left_out(
        self, pool: CloudPool, small_model: LightPoseModel
    ) -> None:
        assert losses(small_model, pool, settings(batch=4))[1] > 0
        assert losses(small_model, pool, settings(batch=4, size_weight=0.0))[1] == 0

    def test_auxiliary_losses_reach_the_encoder_and_are_no_part_of_the_model(
        self, pool: CloudPool, small_model: LightPoseModel
    ) -> None:
        s = settings(batch=4, draws=4, size_weight=0.0, place_weight=1.0, regression_weight=1.0)
        sigma = draw_noise_levels(4, s, small_model.sigma_max, torch.Generator())
        objective = objective_of(small_model, s)
        beside = objective(*vars(pool.draw(0, s)).values(), sigma, torch.zeros(4, 4, 9))[1]
        beside.backward()
        assert beside > 0
        moved = {n.split(".")[0] for n, p in small_model.named_parameters() if _moves(p)}
        assert moved == {"encoder"}
        assert _touched(objective.auxiliary) == {"place", "pose"}
        energy = objective_of(small_model, replace(s, target="energy"))
        assert not list(energy.auxiliary.parameters())

    def test_paired_noise_of_round_objects_lets_their_yaw_be_known(
        self, pool: CloudPool, small_model: LightPoseModel
    ) -> None:
        # The box set's first category is the bottle, which is round: a denoiser that knows the
        # rest and takes the x axis from the noise is right at any noise level.
        s = settings(batch=8, pairing="transport")
        batch = pool.draw(0, s)
        objective = objective_of(small_model, s)
        noise = torch.randn(8, 16, 9, generator=torch.Generator().manual_seed(1))
        encoding = small_model.encode(batch.points_cam)
        clean = objective._clean(batch, noise, encoding)  # type: ignore[operator]
        x, y = clean[..., :3], clean[..., 3:6]
        across = noise[..., :3] - (noise[..., :3] * y).sum(-1, keepdim=True) * y
        torch.testing.assert_close(x, across / across.norm(dim=-1, keepdim=True))
        truth = (batch.rotation[:, None], batch.translation[:, None])
        plain = small_model.encode_pose(*truth, encoding)
        torch.testing.assert_close(clean[..., 3:], plain[..., 3:].expand(-1, 16, -1))

    def test_bfloat16_changes_the_loss_little(
        self, pool: CloudPool, small_model: LightPoseModel
    ) -> None:
        torch.nn.init.normal_(small_model.score_head.leave.weight, std=0.05)
        both = [losses(small_model, pool, settings(batch=16, bf16=b))[0] for b in (False, True)]
        assert both[0].item() == pytest.approx(both[1].item(), rel=0.02)
        assert both[0] != both[1]


class TestReference:
    def test_reference_heads_of_zeros_have_a_loss_of_nine(
        self, pool: CloudPool, reference: ReferencePoseModel
    ) -> None:
        for target in ("score", "energy"):
            s = settings(target, batch=4, draws=500, weighting="paper", sigma_low=0.01)
            # The variance of a chi-squared with 9 degrees of freedom is 18, of 2000 draws.
            expected = pytest.approx(9, abs=4 * math.sqrt(18 / 2000))
            assert losses(reference, pool, s)[0].item() == expected

    def test_each_target_of_the_reference_trains_its_own_network(
        self, pool: CloudPool, reference: ReferencePoseModel
    ) -> None:
        for target, network in (("score", "score_network"), ("energy", "energy_network")):
            model = ReferencePoseModel(energy_network=ReferenceEnergyNetwork())
            s = settings(target, batch=2, draws=2, weighting="paper")
            losses(model, pool, s).sum().backward()
            assert _touched(model) == {network}
            fixed = [p for name, p in model.named_parameters() if name.endswith("t_encoder.0.W")]
            assert len(fixed) == 2
            assert not any(p.requires_grad for p in fixed)

    def test_settings_of_the_light_model_are_refused_for_the_reference(
        self, reference: ReferencePoseModel
    ) -> None:
        with pytest.raises(ValueError, match="weighting paper alone"):
            objective_of(reference, settings())
        with pytest.raises(ValueError, match="no auxiliary losses"):
            objective_of(reference, settings(weighting="paper", place_weight=1.0))
        with pytest.raises(ValueError, match="no energy network"):
            objective_of(ReferencePoseModel(), settings("energy"))


_UNCHANGED: dict[str, Any] = {"mirror_share": 0.0, "roll_deg": 0.0, "scale_range": 0.0}


def _moves(parameter: torch.nn.Parameter) -> bool:
    return parameter.grad is not None and bool(parameter.grad.any())


def _touched(model: torch.nn.Module) -> set[str]:
    return {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import ast
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from genpose_ros.diffusion import PAPER_SDE, denoising_loss, sample_rk45
from genpose_ros.geometry import random_rotations
from genpose_ros.networks import Encoding
from genpose_ros.networks.reference import (
    ReferenceEnergyNetwork,
    ReferencePoseModel,
    ReferenceScoreNetwork,
)

HERE = Path(__file__).parent
#: Two of the reference's four clouds; of the others what the end of the ODE depends on.
SMALL, NAMES = HERE / "golden_reference.safetensors", HERE / "golden_state_dict.json"

Golden = dict[str, Tensor]


@pytest.fixture(scope="module")
def full_golden(shared: Path) -> Golden:
    """All arrays that the reference implementation produced."""
    with np.load(shared / "golden" / "genpose_reference_vectors.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@pytest.fixture(scope="module", params=["small", "full"])
def golden(request: pytest.FixtureRequest) -> Golden:
    """The arrays of the repository, and the full ones where they are."""
    if request.param == "small":
        return load_file(SMALL)
    return request.getfixturevalue("full_golden")


@pytest.fixture(scope="module")
def model(golden_weights: Callable[[nn.Module, str], dict[str, Tensor]]) -> ReferencePoseModel:
    """Both networks with the weights of the golden vectors."""
    score, energy = ReferenceScoreNetwork(), ReferenceEnergyNetwork()
    score.load_state_dict(golden_weights(score, "score"))
    energy.load_state_dict(golden_weights(energy, "energy"))
    return ReferencePoseModel(score, energy).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def encoding(model: ReferencePoseModel, golden: Golden) -> Encoding:
    """The clouds whose points are there."""
    return model.encode(golden["points"])


@pytest.fixture
def points() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(2, 1024, 3, generator=generator) * 0.15 + torch.tensor([0.0, 0.1, 0.7])


def _relative(actual: Tensor, expected: Tensor) -> float:
    """Largest deviation relative to the largest value."""
    return float((actual - expected).detach().abs().max() / expected.abs().max())


class TestGoldenVectors:
    """1e-4 relative is what two float32 implementations of the same layers may differ by."""

    def test_features_are_the_references(self, model: ReferencePoseModel, golden: Golden) -> None:
        assert model.energy_network is not None
        points = golden["points"]
        score, energy = model.score_network.features(points), model.energy_network.features(points)
        assert _relative(score, golden["score_feature"][: len(points)]) < 1e-4
        assert _relative(energy, golden["energy_feature"]) < 1e-4

    def test_the_centre_is_the_mean(self, encoding: Encoding, golden: Golden) -> None:
        expected = golden["center"][: len(encoding.centre)]
        torch.testing.assert_close(encoding.centre, expected)

    @pytest.mark.parametrize("i", range(8))
    def test_scores_and_energies_are_the_references_at_each_time(
        self, model: ReferencePoseModel, golden: Golden, encoding: Encoding, i: int
    ) -> None:
        assert model.energy_network is not None
        assert encoding.energy is not None
        pose, sigma = golden["pose"][:, i : i + 1], PAPER_SDE.sigma(golden["t"][i].double()).float()
        score = model.score(pose, sigma, encoding)
        assert _relative(score, golden["score_score"][:, i : i + 1]) < 1e-4
        gradient = model.energy_network.score(pose, sigma, encoding.energy)
        assert _relative(gradient, golden["energy_score"][:, i : i + 1]) < 1e-4
        energies = model.energy_network(pose, sigma, encoding.energy)
        assert _relative(energies, golden["energy_rot_trans"][:, i : i + 1]) < 1e-4

    def test_ranking_is_at_the_smallest_time(
        self, model: ReferencePoseModel, golden: Golden, encoding: Encoding
    ) -> None:
        assert float(golden["t"][0]) == pytest.approx(1e-5, rel=1e-6)
        energies = model.energy(golden["pose"][:, :1], encoding)
        assert _relative(energies, golden["energy_rot_trans"][:, :1]) < 1e-4

    @pytest.mark.parametrize(("T0", "mean"), [(0.55, 0.0), (0.15, 1.0)])
    def test_the_ode_ends_where_the_references_does_after_as_many_evaluations(
        self, model: ReferencePoseModel, golden: Golden, encoding: Encoding, T0: float, mean: float
    ) -> None:
        clouds, sigma_start = _all_clouds(model, golden, encoding), float(PAPER_SDE.sigma(T0))
        upright = mean * torch.tensor([1.0, 0, 0, 0, 1, 0, 0, 0, 0])
        start = upright + sigma_start * golden["ode_noise"]
        result = sample_rk45(
            lambda x, sigma: model.score(x, sigma, clouds), start, sigma_start, model.sigma_min
        )
        rotation, translation = model.decode_pose(result.x, clouds)
        end = torch.cat([rotation[..., 0], rotation[..., 1], translation], dim=-1)
        assert result.nfe == int(golden[f"ode_nfe_{T0}"])
        torch.testing.assert_close(end, golden[f"ode_T0_{T0}"].double(), rtol=0, atol=2e-3)

    def test_the_small_file_is_a_part_of_the_full_one(self, full_golden: Golden) -> None:
        small = load_file(SMALL)
        assert small.keys() == full_golden.keys()
        for name, part in small.items():
            whole = full_golden[name].to(part.dtype)
            assert torch.equal(part, whole[: len(part)] if part.ndim else whole), name


def _all_clouds(model: ReferencePoseModel, golden: Golden, encoding: Encoding) -> Encoding:
    """The four clouds, on all of which the steps of the ODE depend.

    The features of those without points are the reference's.
    """
    n, centre = len(encoding.centre), golden["center"]
    rest = model.score_network.pose_score_net.project(golden["score_feature"][n:])
    return Encoding(
        centre=torch.cat([encoding.centre, centre[n:]]),
        alignment=torch.eye(3).expand(len(centre), 3, 3),
        score=torch.cat([encoding.score, rest]),
    )


def _references_state_dict() -> dict[str, list[int]]:
    """The shape of each entry, by name."""
    return json.loads(NAMES.read_text())


class TestLayers:
    @pytest.mark.parametrize("network", [ReferenceScoreNetwork, ReferenceEnergyNetwork])
    def test_names_and_shapes_are_the_references(self, network: Callable[[], nn.Module]) -> None:
        expected = _references_state_dict()
        actual = {name: list(value.shape) for name, value in network().state_dict().items()}
        assert len(expected) == 163
        assert actual == expected

    def test_the_file_of_names_and_shapes_is_the_references(self, shared: Path) -> None:
        lines = (shared / "reference" / "state_dict_genpose.txt").read_text().splitlines()
        listed = {name: ast.literal_eval(shape) for name, shape in (s.split("\t") for s in lines)}
        assert listed == _references_state_dict()

    def test_the_number_of_parameters_is_the_references(self) -> None:
        assert sum(p.numel() for p in ReferenceScoreNetwork().parameters()) == 2_196_905

    def test_fresh_heads_say_zero(self, points: Tensor) -> None:
        model = ReferencePoseModel().eval()
        score = model.score(torch.randn(2, 5, 9), torch.tensor(1.0), model.encode(points))
        assert (score == 0).all()


class TestReferencePoseModel:
    def test_a_sigma_per_candidate_is_a_sigma_at_a_time(
        self, model: ReferencePoseModel, points: Tensor
    ) -> None:
        encoding, pose = model.encode(points), torch.randn(2, 3, 9)
        sigma = torch.tensor([[0.02, 0.5, 7.0], [1.0, 0.1, 40.0]])[..., None]
        together = model.score(pose, sigma, encoding)
        for b in range(2):
            for k in range(3):
                alone = model.score(pose[b : b + 1, k : k + 1], sigma[b, k, 0], encoding[b : b + 1])
                # The heads' outputs are of order one; rounding them is divided by sigma.
                atol = 1e-5 / float(sigma[b, k])
                torch.testing.assert_close(together[b, k], alone[0, 0], rtol=1e-5, atol=atol)

    def test_poses_survive_the_pose_vector(self, model: ReferencePoseModel, points: Tensor) -> None:
        encoding = model.encode(points)
        rotation = random_rotations(8, torch.Generator().manual_seed(0)).float().view(2, 4, 3, 3)
        translation = torch.randn(2, 4, 3)
        pose = model.encode_pose(rotation, translation, encoding)
        torch.testing.assert_close(pose[..., :3], rotation[..., :, 0])
        torch.testing.assert_close(pose[..., 3:6], rotation[..., :, 1])
        torch.testing.assert_close(pose[..., 6:], translation - points.mean(1)[:, None])
        rotation_again, translation_again = model.decode_pose(pose, encoding)
        torch.testing.assert_close(rotation_again, rotation, rtol=0, atol=1e-6)
        torch.testing.assert_close(translation_again, translation, rtol=0, atol=1e-6)

    def test_noise_levels_are_those_of_the_training(self, model: ReferencePoseModel) -> None:
        assert model.sigma_min == pytest.approx(0.01 * 5000**1e-5, rel=1e-12)
        assert model.sigma_max == pytest.approx(50.0, rel=1e-12)

    def test_without_an_energy_network_it_says_so(self, points: Tensor) -> None:
        model = ReferencePoseModel().eval()
        encoding = model.encode(points)
        assert not model.has_energy
        assert encoding.energy is None
        with pytest.raises(ValueError, match="no energy network"):
            model.energy(torch.zeros(2, 1, 9), encoding)

    @pytest.mark.parametrize("energy", [False, True])
    def test_config_makes_the_same_architecture(self, energy: bool) -> None:
        model = ReferencePoseModel.from_config({"energy": energy})
        assert model.config() == {"energy": energy}
        assert ReferencePoseModel.from_config(model.config()).has_energy is energy

    @pytest.mark.parametrize("kind", [ReferenceScoreNetwork, ReferenceEnergyNetwork])
    def test_both_networks_can_be_trained(
        self,
        kind: type[ReferenceScoreNetwork] | type[ReferenceEnergyNetwork],
        points: Tensor,
        golden_weights: Callable,
    ) -> None:
        network = kind()
        network.load_state_dict(golden_weights(network, "score"))
        network.train()
        encoded, pose = network.encode(points), torch.zeros(2, 4, 9)
        score = network.score if isinstance(network, ReferenceEnergyNetwork) else network
        noise = torch.randn(2, 4, 9, generator=torch.Generator().manual_seed(0))
        loss = denoising_loss(lambda x, s: score(x, s, encoded), pose, torch.tensor(0.5), noise)
        loss.backward()
        untouched = [
            name
            for name, p in network.named_parameters()
            if p.requires_grad and (p.grad is None or not p.grad.any())
        ]
        assert untouched == []

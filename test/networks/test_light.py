# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from genpose_ros.geometry import geodesic_angle, random_rotations
from genpose_ros.networks import LightConfig, LightPoseModel, load_model, save_model
from genpose_ros.networks.patch_transformer import nearest_points

SMALL = LightConfig(patches=8, neighbours=8, subset=64, width=16, layers=1, attention_heads=2)


@pytest.fixture
def model() -> LightPoseModel:
    torch.manual_seed(0)
    model = LightPoseModel(SMALL).eval()
    for head in (model.score_head, model.energy_head):
        torch.nn.init.normal_(head.leave.weight, std=0.1)
    return model.requires_grad_(False)


def clouds(count: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    centre = torch.tensor([0.2, -0.1, 0.9]) + 0.1 * torch.randn(count, 1, 3, generator=generator)
    return centre + 0.04 * torch.randn(count, 256, 3, generator=generator)


def poses(count: int = 3, k: int = 5, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    rotation = random_rotations(count * k, generator).float().view(count, k, 3, 3)
    return rotation, torch.randn(count, k, 3, generator=generator) * 0.1 + 0.5


def test_pose_vectors_come_back_as_poses(model: LightPoseModel) -> None:
    encoding = model.encode(clouds())
    rotation, translation = poses()
    again = model.decode_pose(model.encode_pose(rotation, translation, encoding), encoding)
    torch.testing.assert_close(again[0], rotation, atol=2e-6, rtol=0)
    torch.testing.assert_close(again[1], translation, atol=1e-6, rtol=0)


def test_the_cloud_is_turned_onto_the_optical_axis(model: LightPoseModel) -> None:
    points = clouds()
    encoding = model.encode(points)
    centre = points.mean(1)
    turned = (encoding.alignment @ centre.unsqueeze(-1)).squeeze(-1)
    expected = torch.zeros(3, 3)
    expected[:, 2] = centre.norm(dim=-1)
    torch.testing.assert_close(turned, expected, atol=1e-6, rtol=0)
    product = encoding.alignment @ encoding.alignment.mT
    torch.testing.assert_close(product, torch.eye(3).expand(3, 3, 3), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "centre",
    [(0.0, 0.0, 0.8), (0.0, 0.0, 1e-3), (1e-7, -1e-7, 0.5), (3.0, 0.0, 0.1), (0.0, -2.0, 0.01)],
)
def test_the_rotation_onto_the_optical_axis_is_the_smallest(
    model: LightPoseModel, centre: tuple[float, float, float]
) -> None:
    direction = torch.tensor(centre, dtype=torch.float64)
    points = direction + 1e-5 * torch.randn(1, 256, 3, dtype=torch.float64)
    alignment = model.encode(points.float()).alignment[0].double()
    mean = points.float().mean(1)[0].double()
    expected = mean / mean.norm()
    torch.testing.assert_close(alignment[2], expected, atol=1e-6, rtol=0)
    # The smallest turn: its angle is that between the two directions.
    angle = geodesic_angle(alignment, torch.eye(3, dtype=torch.float64))
    between = torch.atan2(expected[:2].norm(), expected[2])
    torch.testing.assert_close(angle, between, atol=1e-6, rtol=0)


@pytest.mark.parametrize("centre", [(0.0, 0.0, -0.8), (0.0, 0.0, 0.0)])
def test_clouds_that_no_camera_sees_are_not_encoded_as_finite(
    model: LightPoseModel, centre: tuple[float, float, float]
) -> None:
    points = torch.tensor(centre).expand(1, 256, 3)
    both = torch.cat((points, clouds(1)))
    score = model.score(torch.zeros(2, 1, 9), torch.tensor(0.3), model.encode(both))
    assert score[0].isnan().all()
    assert score[1].isfinite().all()


@pytest.mark.parametrize("count", [1, 2, 7])
def test_clouds_with_fewer_points_than_neighbours_are_encoded(
    model: LightPoseModel, count: int
) -> None:
    few, x, sigma = clouds()[:, :count], torch.randn(3, 5, 9), torch.tensor(0.3)
    score = model.score(x, sigma, model.encode(few))
    assert score.isfinite().all()
    if count == 1:
        repeated = model.encode(few.expand(-1, 64, -1).contiguous())
        torch.testing.assert_close(model.score(x, sigma, repeated), score, atol=1e-3, rtol=1e-3)


def test_only_the_first_points_of_a_cloud_are_encoded(model: LightPoseModel) -> None:
    view, points = torch.zeros(3, 4), torch.randn(3, 256, 3)
    changed = points.clone()
    changed[:, SMALL.subset :] = 0
    assert torch.equal(model.encoder(points, view), model.encoder(changed, view))
    assert not torch.equal(model.encoder(points, view), model.encoder(points.flip(1), view))


def test_patches_are_the_nearest_points() -> None:
    distances2 = torch.rand(3, 8, 100)
    found = nearest_points(distances2, 16)
    expected = distances2.topk(16, dim=-1, largest=False).indices
    assert torch.equal(found.sort(-1).values, expected.sort(-1).values)
    everything = nearest_points(distances2[..., :16], 16).sort(-1).values
    assert torch.equal(everything, torch.arange(16).expand(3, 8, 16))


def test_fewer_patches_are_another_encoding_of_the_same_kind(model: LightPoseModel) -> None:
    with torch.no_grad():
        usual, fewer = model.encode(clouds()), model.encode(clouds(), patches=3)
        same = model.encode(clouds(), patches=model.settings.patches)
    assert torch.equal(usual.score, same.score)
    assert not torch.equal(usual.score, fewer.score)
    assert torch.equal(usual.centre, fewer.centre)
    assert fewer.score.shape == usual.score.shape


def test_widths_that_the_attention_heads_cannot_share_are_refused() -> None:
    with pytest.raises(ValueError, match="17 is not a multiple of 2"):
        LightPoseModel(LightConfig(width=17, attention_heads=2))


def test_a_head_of_zeros_gives_the_gaussian_score() -> None:
    # With a zero head the model is the score of N(0, sigma_data^2) blurred by sigma.
    model = LightPoseModel(SMALL)
    encoding = model.encode(clouds())
    x, sigma = torch.randn(3, 5, 9), torch.tensor(0.7)
    expected = -x / (0.7**2 + SMALL.sigma_data**2)
    torch.testing.assert_close(model.score(x, sigma, encoding), expected)


def test_score_and_denoised_pose_agree_by_tweedie(model: LightPoseModel) -> None:
    encoding = model.encode(clouds())
    x, sigma = torch.randn(3, 5, 9), torch.rand(3, 5, 1) + 0.1
    denoised = x + sigma**2 * model.score(x, sigma, encoding)
    torch.testing.assert_close(denoised, model.denoise(x, sigma, encoding), atol=1e-5, rtol=1e-5)


def test_clouds_do_not_influence_each_other(model: LightPoseModel) -> None:
    together, x = model.encode(clouds()), torch.randn(3, 5, 9)
    alone = model.encode(clouds()[1:2])
    sigma = torch.tensor(0.3)
    torch.testing.assert_close(
        model.score(x, sigma, together)[1:2], model.score(x[1:2], sigma, alone)
    )
    torch.testing.assert_close(
        model.score(x, sigma, together)[1:2], model.score(x[1:2], sigma, together[1:2])
    )
    # Float32: sums of six products of order ten.
    energies = model.energy(x, together)[1:2], model.energy(x[1:2], alone)
    torch.testing.assert_close(*energies, atol=1e-4, rtol=1e-5)


def test_energies_split_the_inner_product(model: LightPoseModel) -> None:
    encoding, x = model.encode(clouds()), torch.randn(3, 5, 9)
    sigma = torch.tensor(SMALL.ranking_sigma)
    total = (sigma**2 + SMALL.sigma_data**2).sqrt()
    assert encoding.energy is not None
    field = model.energy_head(x / total, sigma, encoding.energy) / sigma
    parts = model.energy(x, encoding)
    torch.testing.assert_close(parts.sum(-1), (x * field).sum(-1))
    moved = x.clone()
    moved[..., 6:] = 0  # without a translation its energy vanishes
    assert (model.energy(moved, encoding)[..., 1] == 0).all()


def test_an_encoding_without_energy_features_has_no_energies(model: LightPoseModel) -> None:
    encoding = replace(model.encode(clouds()), energy=None)
    with pytest.raises(ValueError, match="no energy features"):
        model.energy(torch.zeros(3, 1, 9), encoding)


def test_sizes_are_positive_metres(model: LightPoseModel) -> None:
    size = model.encode(clouds()).size_m
    assert size is not None
    assert size.shape == (3, 3)
    assert ((size > 0.01) & (size < 1)).all()


def test_encoding_in_bfloat16_errs_by_its_rounding_alone(model: LightPoseModel) -> None:
    exact = model.encode(clouds())
    model.encodes_in_bf16 = True
    coarse = model.encode(clouds())
    assert torch.equal(coarse.centre, exact.centre)
    assert torch.equal(coarse.alignment, exact.alignment)
    difference = (coarse.score - exact.score).abs().max() / exact.score.abs().max()
    assert coarse.score.dtype == torch.float32
    assert 0 < difference < 2**-5  # a bfloat16 has 8 digits; they add up over the layers


def test_one_noise_level_for_all_is_that_level_for_each(model: LightPoseModel) -> None:
    x, sigma, encoding = torch.randn(3, 5, 9), torch.tensor(0.3), model.encode(clouds())
    each = model.denoise(x, sigma.expand(3, 5, 1), encoding)
    torch.testing.assert_close(model.denoise(x, sigma, encoding), each)


def test_a_checkpoint_gives_the_same_model(model: LightPoseModel, tmp_path: Path) -> None:
    save_model(model, tmp_path / "light.safetensors", {})
    again = load_model(tmp_path / "light.safetensors")
    assert isinstance(again, LightPoseModel)
    assert again.settings == SMALL
    x, sigma = torch.randn(3, 5, 9), torch.tensor(0.3)
    first, second = (m.score(x, sigma, m.encode(clouds())) for m in (model, again))
    assert torch.equal(first, second)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu(model: LightPoseModel) -> None:
    x, sigma = torch.randn(3, 5, 9), torch.tensor(0.3)
    expected = model.score(x, sigma, model.encode(clouds()))
    on_gpu = model.cuda()
    actual = on_gpu.score(x.cuda(), sigma.cuda(), on_gpu.encode(clouds().cuda()))
    torch.testing.assert_close(actual.cpu(), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("size", [1, 7, 300, 512, 9000])
def test_nearest_points_are_those_of_a_sort_but_for_near_ties(size: int) -> None:
    generator = torch.Generator().manual_seed(size)
    distances = torch.rand(3, 5, size, generator=generator) ** 4
    distances[0, 0, : size // 2] = 0.0
    count = min(16, size)
    found = nearest_points(distances, count)
    assert found.dtype == torch.int64
    assert all(len(set(row)) == count for row in found.flatten(0, 1).tolist())
    taken = distances.gather(-1, found).sort(-1).values
    expected = distances.sort(-1).values[..., :count]
    torch.testing.assert_close(taken, expected, rtol=1e-3, atol=0.0)

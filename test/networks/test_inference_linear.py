# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Linear layers in bfloat16: the numbers of autocast, and never those of older weights."""

import copy

import torch
from torch import nn

from genpose_ros.networks.inference_linear import InferenceCopy, InferenceLinear
from genpose_ros.networks.interface import NoiseLevels
from genpose_ros.networks.light import LightConfig, LightPoseModel

CONFIG = LightConfig(patches=16, neighbours=8, subset=64, width=32, layers=1, head_width=32)


def points(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.03 * torch.randn(2, 128, 3, generator=generator) + torch.tensor([0.0, 0.0, 0.8])


def test_a_half_copy_gives_the_numbers_of_autocast():
    layers = nn.Sequential(nn.Linear(6, 64), nn.GELU(), nn.Linear(64, 32))
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = layers(x)
    with torch.inference_mode():
        assert torch.equal(InferenceCopy(layers, torch.bfloat16).current()(x), expected)


def test_an_encoder_in_bfloat16_gives_the_same_without_gradients_as_with_them():
    torch.manual_seed(0)
    model = LightPoseModel(CONFIG).eval()
    model.encodes_in_bf16 = True
    with_gradients = model.encode(points())  # under autocast
    with torch.inference_mode():
        without = model.encode(points())
    torch.testing.assert_close(without.score, with_gradients.score.detach(), rtol=0, atol=1e-6)


def test_a_copy_in_float32_gives_the_numbers_of_its_layers_but_for_rounding():
    layers = nn.Sequential(nn.Linear(384, 512), nn.GELU(), nn.Linear(512, 96))
    for rows in (1, 2, 12, 40):
        x = torch.randn(rows, 384, generator=torch.Generator().manual_seed(rows))
        with torch.inference_mode():
            found = InferenceCopy(layers, torch.float32).current()(x)
            torch.testing.assert_close(found, layers(x), rtol=1e-5, atol=1e-6)
            assert found.dtype == torch.float32


def test_without_onednn_the_numbers_are_the_same(monkeypatch):
    layers = nn.Sequential(nn.Linear(6, 64), nn.GELU(), nn.Linear(64, 32))
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = InferenceCopy(layers, torch.bfloat16).current()(x)
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
        assert torch.equal(InferenceCopy(layers, torch.bfloat16).current()(x), expected)


def test_weights_whose_products_come_out_wrong_are_not_laid_out(monkeypatch):
    layers, x = nn.Sequential(nn.Linear(6, 4)), torch.ones(3, 6)
    right = torch.ops.mkldnn._linear_pointwise

    def wrong(*arguments):
        return 2 * right(*arguments)

    def failing(*arguments):
        raise RuntimeError("not on this processor")

    with torch.inference_mode():
        for product in (wrong, failing):
            monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", product)
            found = InferenceCopy(layers, torch.float32).current()(x)
            torch.testing.assert_close(found, layers(x))


def test_a_half_copy_follows_the_weights_it_was_made_of():
    layer = nn.Sequential(nn.Linear(3, 3))
    half, x = InferenceCopy(layer, torch.bfloat16), torch.ones(1, 3)
    first = half.current()
    assert half.current() is first
    with torch.no_grad():
        layer[0].weight.mul_(2)
        layer[0].bias.mul_(2)
        assert torch.equal(half.current()(x), 2 * first(x))


def test_a_half_copy_adds_nothing_to_a_models_weights():
    model = LightPoseModel(CONFIG).eval()
    names = set(model.state_dict())
    model.encodes_in_bf16 = True
    with torch.inference_mode():
        model.encode(points())
    assert set(model.state_dict()) == names
    assert not [m for m in model.modules() if isinstance(m, InferenceLinear)]
    again = copy.deepcopy(model)
    with torch.no_grad():
        again.encoder.place[0].weight.zero_()
        different = again.encode(points()).score
    with torch.inference_mode():
        assert not torch.equal(model.encode(points()).score, different)


def test_the_denoiser_gives_what_the_score_says():
    torch.manual_seed(0)
    model = LightPoseModel(CONFIG).eval()
    nn.init.normal_(model.score_head.leave.weight)
    levels = NoiseLevels.of((2.0, 0.1), torch.device("cpu"))
    with torch.no_grad():
        encoding, pose = model.encode(points()), torch.randn(2, 5, 9)
        denoise = model.denoiser(encoding, levels)
        for step, sigma in enumerate(levels.sigmas):
            expected = pose + sigma**2 * model.score(pose, sigma, encoding)
            torch.testing.assert_close(denoise(pose, step), expected, rtol=1e-4, atol=1e-4)

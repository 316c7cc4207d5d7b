# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from genpose_ros.networks.pointnet2 import (
    LIGHT_LEVELS,
    MultiScaleEncoder,
    _farthest_points_on_gpu,
    ball_query,
    farthest_points,
    gather_rows,
)

devices = pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
        ),
    ],
)


def _clouds(batch: int, n: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, n, 3, generator=generator) * 0.2 + torch.tensor([0.1, -0.2, 0.8])


def _farthest_by_loops(points: np.ndarray, count: int) -> list[int]:
    chosen, nearest = [0], np.full(len(points), 1e10, dtype=points.dtype)
    while len(chosen) < count:
        square = (points - points[chosen[-1]]) ** 2
        nearest = np.minimum(nearest, square[:, 0] + square[:, 1] + square[:, 2])
        chosen.append(int(nearest.argmax()))
    return chosen


def _ball_by_loops(row: np.ndarray, radius: float, count: int) -> list[int]:
    hits = [i for i, d2 in enumerate(row) if d2 < np.float32(radius) * np.float32(radius)]
    return (hits + hits[:1] * count)[:count] if hits else [0] * count


class TestFarthestPoints:
    @devices
    def test_farthest_points_agree_with_plain_loops(self, device: str) -> None:
        points = _clouds(3, 200)
        order, distances2 = farthest_points(points.to(device), 64)
        for b in range(3):
            assert order[b].tolist() == _farthest_by_loops(points[b].numpy(), 64)
        differences = (
            points.gather(1, order.cpu()[..., None].expand(-1, -1, 3))[:, :, None]
            - (points[:, None])
        )
        torch.testing.assert_close(distances2.cpu(), differences.square().sum(-1))

    @pytest.mark.parametrize("n", [200, 700])
    def test_farthest_points_are_the_same_on_a_gpu(self, n: int) -> None:
        points = _clouds(3, n)
        order, distances2 = farthest_points(points, 64)
        gpu_order, gpu_distances2 = _farthest_points_on_gpu(points, 64)
        assert torch.equal(order, gpu_order)
        assert torch.equal(distances2, gpu_distances2)

    def test_farthest_points_on_a_line_are_its_ends_and_then_its_middle(self) -> None:
        points = torch.zeros(1, 5, 3)
        points[0, :, 0] = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0])
        # 4 is farthest from 0, then 2; 1 and 3 tie and the first one wins.
        assert farthest_points(points, 5)[0].tolist() == [[0, 4, 2, 1, 3]]

    def test_farthest_points_start_again_when_the_points_run_out(self) -> None:
        order, _ = farthest_points(_clouds(1, 3).repeat(1, 2, 1), 6)
        assert sorted(order[0, :3].tolist()) == [0, 1, 2]
        assert order[0, 3:].tolist() == [0, 0, 0]

    def test_points_in_farthest_order_stay_in_order(self) -> None:
        points = _clouds(2, 500)
        order, _ = farthest_points(points, 100)
        again, _ = farthest_points(gather_rows(points, order), 60)
        assert again.tolist() == [list(range(60))] * 2


class TestBallQuery:
    @devices
    @pytest.mark.parametrize("radius", [0.01, 0.05, 0.3])
    def test_ball_query_agrees_with_plain_loops(self, device: str, radius: float) -> None:
        _, distances2 = farthest_points(_clouds(2, 150), 40)
        index = ball_query(distances2.to(device), radius, 16)
        for b in range(2):
            for m in range(40):
                row = distances2[b, m].numpy()
                assert index[b, m].tolist() == _ball_by_loops(row, radius, 16)

    def test_ball_query_takes_the_first_points_in_order_and_not_the_nearest(self) -> None:
        distances2 = torch.tensor([[[0.9, 5.0, 0.8, 0.1, 0.0]]])
        assert ball_query(distances2, 1.0, 3).tolist() == [[[0, 2, 3]]]

    def test_a_point_at_the_radius_is_outside_of_the_ball(self) -> None:
        distances2 = torch.tensor([[[0.0, 0.25, 0.2499]]])
        assert ball_query(distances2, 0.5, 3).tolist() == [[[0, 2, 0]]]

    def test_ball_query_pads_with_the_first_point_found(self) -> None:
        distances2 = torch.tensor([[[9.0, 0.1, 9.0, 0.0], [9.0, 9.0, 9.0, 0.0]]])
        assert ball_query(distances2, 1.0, 4).tolist() == [[[1, 3, 1, 1], [3, 3, 3, 3]]]

    def test_ball_query_without_any_point_near_gives_index_zero(self) -> None:
        assert ball_query(torch.full((1, 2, 3), 9.0), 1.0, 2).tolist() == [[[0, 0], [0, 0]]]


def _naive_mlp(mlp: Any, x: Tensor, training: bool) -> Tensor:
    """The shared layers as the paper of PointNet++ writes them, channels first."""
    for layer in mlp:
        norm = layer.bn.bn
        mean, var = norm.running_mean.clone(), norm.running_var.clone()
        x = layer.conv(x)
        x = F.relu(F.batch_norm(x, mean, var, norm.weight, norm.bias, training, eps=norm.eps))
    return x


def _naive_encoder(encoder: MultiScaleEncoder, points: Tensor, training: bool) -> Tensor:
    """Each level samples, groups, concatenates and convolves for itself."""
    features: Tensor | None = None
    for level, module in zip(LIGHT_LEVELS[:-1], encoder.SA_modules, strict=False):
        order, distances2 = farthest_points(points, level.centres)
        centres, scales = gather_rows(points, order), []
        for mlp, radius, count in zip(module.mlps, level.radii_m, level.neighbours, strict=True):
            index = ball_query(distances2, radius, count)
            group = gather_rows(points, index) - centres[:, :, None]
            if features is not None:
                group = torch.cat([group, gather_rows(features, index)], dim=-1)
            scales.append(_naive_mlp(mlp, group.permute(0, 3, 1, 2), training).amax(-1))
        points, features = centres, torch.cat(scales, dim=1).transpose(1, 2)
    assert features is not None
    both = torch.cat([points, features], dim=-1).transpose(1, 2)[:, :, None]
    last = [_naive_mlp(mlp, both, training).amax((2, 3)) for mlp in encoder.SA_modules[-1].mlps]
    return torch.cat(last, dim=1)


@contextmanager
def _without_tf32() -> Iterator[None]:
    """All products of float32 with all of their digits, convolutions of a GPU too."""
    allowed = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = allowed


@pytest.fixture
def encoder(golden_weights: Callable) -> MultiScaleEncoder:
    made = MultiScaleEncoder()
    made.load_state_dict(golden_weights(made, "score"))
    return made.eval()


class TestMultiScaleEncoder:
    @devices
    @pytest.mark.parametrize("training", [False, True])
    def test_the_encoders_shortcuts_do_not_change_its_result(
        self, encoder: MultiScaleEncoder, training: bool, device: str
    ) -> None:
        points = _clouds(2, 700).to(device)
        encoder.to(device).train(training)
        with _without_tf32():
            actual, expected = encoder(points), _naive_encoder(encoder, points, training)
        # Two ways through some twenty float32 layers. Neighbours cannot tell them apart: both ask
        # the same distances whether a point lies on a radius (the test below).
        scale = float(expected.abs().max())
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5 * scale)

    def test_both_ways_through_the_encoder_take_the_same_neighbours(self) -> None:
        """Distances of the first level, carried down, are those that each level would measure."""
        points = _clouds(2, 700)
        order, distances2 = farthest_points(points, LIGHT_LEVELS[0].centres)
        centres = gather_rows(points, order)
        carried = distances2.gather(2, order[:, None].expand(-1, order.shape[1], -1))
        for level in LIGHT_LEVELS[1:-1]:
            again, measured = farthest_points(centres, level.centres)
            assert again.tolist() == [list(range(level.centres))] * 2
            assert torch.equal(measured, carried[:, : level.centres, : centres.shape[1]])
            centres = centres[:, : level.centres]

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
    def test_what_tf32_does_to_the_encoder_is_its_eleven_bits(
        self, encoder: MultiScaleEncoder
    ) -> None:
        """cuDNN may convolve in TF32, with 11 significant bits, where plain products do not.

        The naive way convolves and the other does not: they may differ by 2^-11 of each product,
        over some twenty layers.
        """
        points = _clouds(2, 700).cuda()
        encoder.cuda().eval()
        expected = _naive_encoder(encoder, points, False)
        difference = float((encoder(points) - expected).abs().max())
        assert difference <= 20 * 2.0**-11 * float(expected.abs().max())

    def test_the_encoders_shortcuts_do_not_change_its_gradient(
        self, encoder: MultiScaleEncoder
    ) -> None:
        # In float32 rounding decides near ties of the maxima, where the gradient jumps.
        encoder = encoder.train().double()
        points, weight = _clouds(2, 600).double(), encoder.SA_modules[1].mlps[0].layer0.conv.weight
        gradients = []
        for output in (encoder(points), _naive_encoder(encoder, points, True)):
            (gradient,) = torch.autograd.grad(output.square().sum(), weight)
            gradients.append(gradient)
        scale = float(gradients[1].abs().max())
        torch.testing.assert_close(*gradients, rtol=0, atol=1e-9 * scale)

    def test_training_mode_moves_the_running_statistics(self, encoder: MultiScaleEncoder) -> None:
        norm = encoder.SA_modules[0].mlps[0].layer0.bn.bn
        before = norm.running_mean.clone()
        encoder.train()(_clouds(2, 600))
        assert not torch.equal(norm.running_mean, before)
        assert int(norm.num_batches_tracked) == 1

    def test_a_cloud_does_not_depend_on_its_batch(self, encoder: MultiScaleEncoder) -> None:
        points = _clouds(3, 1024)
        together, alone = encoder(points), encoder(points[1:2])
        torch.testing.assert_close(
            together[1:2], alone, rtol=0, atol=1e-5 * float(alone.abs().max())
        )

    @pytest.mark.parametrize("n", [1, 64, 600, 2048])
    def test_clouds_of_any_number_of_points_are_encoded(
        self, encoder: MultiScaleEncoder, n: int
    ) -> None:
        features = encoder(_clouds(1, n))
        assert features.shape == (1, 1024)
        assert features.isfinite().all()

    def test_the_encoder_has_the_references_number_of_parameters(
        self, encoder: MultiScaleEncoder
    ) -> None:
        assert sum(p.numel() for p in encoder.parameters()) == 1_027_552

    @pytest.mark.parametrize("shape", [(1024, 3), (1, 3, 1024), (1, 0, 3)])
    def test_clouds_of_other_shapes_are_refused(
        self, encoder: MultiScaleEncoder, shape: tuple
    ) -> None:
        with pytest.raises(ValueError, match=r"\(B, N, 3\)"):
            encoder(torch.zeros(shape))

    @pytest.mark.parametrize("bad", [float("nan"), float("inf")])
    def test_clouds_with_points_that_are_not_finite_are_refused(
        self, encoder: MultiScaleEncoder, bad: float
    ) -> None:
        points = _clouds(2, 600)
        points[1, 5, 2] = bad
        with pytest.raises(ValueError, match="finite"):
            encoder(points)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Fused kernels against the plain operations, on the CPU by Triton's interpreter."""

import os
import subprocess
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch

from genpose_ros.networks import fused_kernels as fused
from genpose_ros.networks.pointnet2 import _farthest_points_on_gpu

needs_triton = pytest.mark.skipif(
    find_spec("triton") is None, reason="Triton is not installed: pip install triton"
)
#: In a program of its own, as the interpreter has to be chosen before Triton is imported.
PROGRAM = """
import torch

from genpose_ros.networks import fused_kernels, triton_kernels
from genpose_ros.networks.patch_transformer import nearest_points
from genpose_ros.networks.pointnet2 import _farthest_points_on_gpu, farthest_points

generator = torch.Generator().manual_seed(0)
for batch, size, count in ((3, 100, 17), (2, 64, 64), (1, 5, 9), (2, 1, 3)):
    points = torch.randn(batch, size, 3, generator=generator)
    points[:, size // 2] = points[:, 0]  # equally far, and no distance
    order, distances2 = triton_kernels.farthest_points(points, count)
    for plain in (farthest_points, _farthest_points_on_gpu):
        expected_order, expected = plain(points, count)
        assert torch.equal(order, expected_order), (size, order, expected_order)
        assert torch.equal(distances2, expected), size
    near = min(16, size)
    found = triton_kernels.nearest_points(distances2, near)
    smallest = distances2.sort(-1).values[..., :near]
    assert torch.equal(distances2.gather(-1, found), smallest), size
    assert all(len(set(row.tolist())) == near for row in found.flatten(0, 1)), size
    bits = distances2.gather(-1, nearest_points(distances2, near)).sort(-1).values
    assert torch.allclose(bits, smallest, rtol=1e-3, atol=1e-12), size
fused_kernels._check(triton_kernels, torch.device("cpu"))
"""


@needs_triton
def test_the_kernels_give_what_the_plain_operations_do():
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_tensors_on_a_cpu_have_no_kernels():
    assert fused.fused_kernels(torch.zeros(1, 4, 3)) is None


def test_where_the_kernels_cannot_be_used_the_plain_operations_are(monkeypatch, caplog):
    def missing(name):
        raise ModuleNotFoundError("No module named 'triton'")

    monkeypatch.setattr("genpose_ros.networks.fused_kernels.importlib.import_module", missing)
    fused._tried.cache_clear()
    with caplog.at_level("INFO"):
        assert fused._tried(torch.device("meta")) is None
    fused._tried.cache_clear()
    assert "without fused kernels: ModuleNotFoundError: No module named 'triton'" in caplog.text


def test_kernels_that_there_are_are_used(monkeypatch):
    points = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0))
    asked = []

    class Kernels:
        @staticmethod
        def farthest_points(points, count):
            asked.append(count)
            return _farthest_points_on_gpu(points, count)

    monkeypatch.setattr("genpose_ros.networks.pointnet2.fused_kernels", lambda _: Kernels)
    from genpose_ros.networks.pointnet2 import farthest_points

    order, _ = farthest_points(points, 5)
    assert asked == [5]
    assert torch.equal(order, _farthest_points_on_gpu(points, 5)[0])


@pytest.mark.parametrize("wrong", ["farthest_points", "nearest_points", None])
def test_kernels_that_answer_wrongly_are_not_used(monkeypatch, caplog, wrong):
    def farthest(points, count):
        order, distances2 = _farthest_points_on_gpu(points, count)
        return (order + (wrong == "farthest_points")), distances2

    def nearest(distances, count):
        return distances.topk(count, largest=wrong == "nearest_points").indices

    kernels = SimpleNamespace(farthest_points=farthest, nearest_points=nearest)
    monkeypatch.setattr(f"{fused.__name__}.importlib.import_module", lambda _: kernels)
    fused._tried.cache_clear()
    with caplog.at_level("INFO"):
        used = fused._tried(torch.device("cpu"))
    fused._tried.cache_clear()
    assert (used is kernels) == (wrong is None)
    assert ("the kernels answer" in caplog.text) == (wrong is not None)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""NumPy's functions on device arrays give what they give on NumPy's; clouds are alike."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from genpose_ros.geometry import NOCS
from genpose_ros.synthesis import STANCES, WIDE, Mesh, ShapeLibrary, make_clouds
from genpose_ros.synthesis.clouds import TRAINING_SURROUNDINGS, make_device_clouds
from genpose_ros.synthesis.device_arrays import DeviceArray, DeviceRandom, array_for, tensor_of
from genpose_ros.synthesis.meshes import deform, deformed
from genpose_ros.synthesis.primitives import box
from genpose_ros.synthesis.turns import about, from_rotvec, random_turns

A = np.random.default_rng(0).normal(size=(5, 4, 3))
B = np.abs(A[:, ::-1]) + 0.1

CASES: dict[str, Callable[[Any, Any], Any]] = {
    "arithmetic": lambda a, b: (2 * a - b / 3 + 1) ** 2 / b,
    "comparisons": lambda a, b: ((a < b) & ~(a > 1)) | (b == 0),
    "with arrays of the host": lambda a, b: np.ones(3) * a + np.arange(3.0) - b,
    "where": lambda a, b: np.where(a > 0, a, [[1.0, 2.0, 3.0]]),
    "limits": lambda a, b: np.minimum(np.maximum(a, -0.5), b) + np.clip(a, -1, b),
    "waves": lambda a, b: np.sin(a) + np.cos(a) * np.exp(-b) + np.sqrt(b) - np.log(b),
    "stack": lambda a, b: np.stack([a, np.zeros_like(b)], -1),
    "concatenate": lambda a, b: np.concatenate([a[:, :1], b, np.zeros((5, 1, 3))], 1),
    "columns": lambda a, b: np.column_stack([a[:, 0, 0], b[:, 0]]),
    "backwards": lambda a, b: a[:, ::-1] * b[:, None, 0, ::-1],
    "reductions": lambda a, b: a.min(1) + a.max(1) + a.sum(1) + a.mean(1),
    "norm": lambda a, b: np.linalg.norm(a, axis=-1, keepdims=True),
    "cross": np.cross,
    "products": lambda a, b: a @ np.swapaxes(b, 1, 2),
    "einsum": lambda a, b: np.einsum("nij,nkj->nik", a, b),
    "gradient": lambda a, b: np.gradient(a, axis=1),
    "broadcast": lambda a, b: np.stack(np.broadcast_arrays(a, b[:1], 2.0)),
    "take along": lambda a, b: np.take_along_axis(a, np.argsort(b, axis=1), 1),
    "extent": lambda a, b: np.ptp(a, -2),
    "moved axis": lambda a, b: np.moveaxis(a, 2, 0).copy(),
    "rounding": lambda a, b: np.rint(a) + np.round(b) + np.sign(a),
    "choose": lambda a, b: np.choose((a[:, 0, 0] > 0).astype(int), [b[:, 0, 0], a[:, 1, 1]]),
    "chosen rows": lambda a, b: a[np.flatnonzero(b[:, 0, 0] > 0.5)],
}


@pytest.mark.parametrize("name", CASES)
def test_functions_give_what_they_give_on_the_host(name: str) -> None:
    expected = np.asarray(CASES[name](A, B))
    found = CASES[name](array_for(A, DeviceRandom(0, "cpu")), array_for(B, DeviceRandom(0, "cpu")))
    assert isinstance(found, DeviceArray)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.tensor.numpy(), expected, rtol=2e-5, atol=2e-5)


def test_assignments_change_the_array() -> None:
    a = array_for(A.copy(), DeviceRandom(0, "cpu"))
    a[..., 1] -= 2.0
    a[np.array([0]), 0] = np.zeros(3)
    expected = A.copy()
    expected[..., 1] -= 2.0
    expected[0, 0] = 0
    np.testing.assert_allclose(a.tensor.numpy(), expected, atol=1e-6)


def test_interpolation_is_that_of_numpy_in_every_row() -> None:
    knots, values = np.linspace(-0.5, 0.5, 4), np.random.default_rng(1).normal(size=(3, 4))
    x = np.linspace(-0.6, 0.6, 21)
    found: Any = np.interp(array_for(np.tile(x, (3, 1)), DeviceRandom(0, "cpu")), knots, values)
    expected = [np.interp(x, knots, row) for row in values]
    np.testing.assert_allclose(found.tensor.numpy(), expected, atol=1e-6)


def test_nothing_comes_back_to_the_host_unnoticed() -> None:
    a = array_for(A, DeviceRandom(0, "cpu"))
    with pytest.raises(TypeError):
        np.asarray(a)
    with pytest.raises(TypeError):
        np.linalg.svd(a)
    with pytest.raises(TypeError):
        np.add.reduce(a)


class TestDraws:
    N = 40_000

    @pytest.fixture
    def rng(self) -> DeviceRandom:
        return DeviceRandom(5, "cpu")

    def test_uniform_and_normal_numbers_have_their_limits_and_moments(
        self, rng: DeviceRandom
    ) -> None:
        some = rng.uniform(array_for(np.array([0.0, 2.0]), rng), 4.0, (self.N, 2)).tensor
        assert float(some[:, 1].min()) >= 2
        assert float(some.max()) <= 4
        # Four standard errors.
        assert some.mean(0).tolist() == pytest.approx([2, 3], abs=4 * 1.2 / self.N**0.5)
        normal = rng.normal(1.0, 3.0, self.N).tensor
        assert float(normal.std()) == pytest.approx(3, abs=4 * 3 / (2 * self.N) ** 0.5)

    def test_choices_have_their_probabilities(self, rng: DeviceRandom) -> None:
        chosen = rng.choice([1, 2, 4], self.N, p=[0.7, 0.2, 0.1]).tensor
        shares = [float((chosen == value).float().mean()) for value in (1, 2, 4)]
        assert shares == pytest.approx([0.7, 0.2, 0.1], abs=4 * 0.5 / self.N**0.5)
        assert rng.integers(2, 5, self.N).tensor.unique().tolist() == [2, 3, 4]

    def test_the_seed_decides(self) -> None:
        first, again, other = (DeviceRandom(seed, "cpu").random(5).tensor for seed in (1, 1, 2))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)


class TestTurns:
    def test_rotations_are_scipys(self) -> None:
        rng = DeviceRandom(0, "cpu")
        vectors, degrees = A[:, 0], np.array([0.0, 30, 90, 180, 271])
        np.testing.assert_allclose(
            from_rotvec(array_for(vectors, rng)).as_matrix().tensor.numpy(),
            Rotation.from_rotvec(vectors).as_matrix(),
            atol=1e-6,
        )
        for axis in "xyz":
            found = about(axis, array_for(degrees, rng)) * about("z", array_for(degrees, rng))
            expected = about(axis, degrees) * about("z", degrees)
            matrix = found.as_matrix().tensor.numpy()
            np.testing.assert_allclose(matrix, expected.as_matrix(), atol=1e-6)

    def test_random_ones_prefer_no_direction(self) -> None:
        turns = random_turns(20_000, DeviceRandom(0, "cpu")).as_matrix().tensor
        assert torch.allclose(turns @ turns.mT, torch.eye(3).expand_as(turns), atol=1e-5)
        # An entry's variance is 1/3: five standard errors of its mean.
        assert float(turns.mean(0).abs().max()) < 5 * (1 / 3 / 20_000) ** 0.5


def test_meshes_are_deformed_as_on_the_host() -> None:
    one = box(np.array([[0.1, 0.2, 0.1]]))
    for name, category in (("bottle", "bottle"), ("mug", "mug"), ("laptop", "laptop")):
        mesh = Mesh(name, category, True, one.vertices[0], one.faces, True)
        array: Any = deformed(mesh, NOCS[category], DeviceRandom(0, "cpu"), 500)
        device = array.tensor
        rng = np.random.default_rng(0)
        host = np.stack([deform(mesh, NOCS[category], rng) for _ in range(500)])
        sizes = [torch.from_numpy(host).float(), device]
        extents = [(v.amax(1) - v.amin(1)) for v in sizes]
        spread = extents[0].std(0).max()
        assert torch.allclose(
            extents[0].mean(0), extents[1].mean(0), atol=float(5 * spread / 500**0.5)
        )
        assert torch.allclose(extents[0].std(0), extents[1].std(0), rtol=0.25, atol=1e-4)
        assert float((sizes[1].amax(1) + sizes[1].amin(1)).abs().max()) < 1e-6


@pytest.mark.slow
def test_clouds_of_a_device_have_the_statistics_of_the_hosts() -> None:
    n = 1200
    common = {"surroundings": TRAINING_SURROUNDINGS, "domain": WIDE}
    host = make_clouds(n, np.random.default_rng(1), **common)
    device = make_device_clouds(n, DeviceRandom(1, "cpu"), **common)
    # As many views are dropped, up to five standard errors of a share of 2 %.
    assert abs(len(host) - len(device)) < 5 * (2 * n * 0.02) ** 0.5 + 1

    def numbers(clouds: Any) -> dict[str, torch.Tensor]:
        points, rotation, translation, size, up, level = (
            tensor_of(getattr(clouds, name), "cpu").float()
            for name in ("points_cam", "rotation", "translation", "size_m", "up", "level_m")
        )
        local = (points - translation[:, None]) @ rotation
        reach = local.abs() / (size[:, None] / 2)
        spread = (points - points.mean(1, keepdim=True)).square().sum(-1).mean(1).sqrt()
        return {
            "distance": translation[:, 2],
            "size": size.log().mean(1),
            "spread": spread.log(),
            "tilt": (rotation[:, :, 1] * up).sum(1),
            "nearer": points[..., 2].mean(1) - translation[:, 2],
            "inside": (reach < 1.05).all(-1).float().mean(1),
            "beyond": reach.amax(-1).mean(1),
            "height": ((points.mean(1) * up).sum(1) - level).clamp(-1, 1),
        }

    for name, value in numbers(host).items():
        other = numbers(device)[name]
        error = (value.var() / len(value) + other.var() / len(other)).sqrt()
        assert abs(float(value.mean() - other.mean())) < 4.5 * float(error), name
        assert float(other.std() / value.std()) == pytest.approx(1, abs=0.2), name
    shares = [
        tensor_of(clouds.stance, "cpu").bincount(minlength=len(STANCES)) / len(clouds)
        for clouds in (host, device)
    ]
    assert torch.allclose(shares[0], shares[1], atol=4.5 * 0.5 * (2 / n) ** 0.5)


def test_device_clouds_follow_from_the_seed_and_stay_on_the_device() -> None:
    library = ShapeLibrary(NOCS)
    first, again, other = (
        make_device_clouds(24, DeviceRandom(seed, "cpu"), library=library) for seed in (3, 3, 4)
    )
    assert torch.equal(first.points_cam, again.points_cam)
    assert first.points_cam.shape[1:] == (1024, 3)
    assert not torch.equal(first.size_m[:8], other.size_m[:8])
    assert first.points_cam.isfinite().all()

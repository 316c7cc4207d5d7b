# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The z-buffer against ray casting."""

import numpy as np
import pytest
import torch

from genpose_ros.geometry.categories import CATEGORIES
from genpose_ros.synthesis import make_shapes, sample_views
from genpose_ros.synthesis.primitives import MeshBatch, box
from genpose_ros.synthesis.rasterise import Crops, Triangles, rasterise
from genpose_ros.synthesis.render import cast

SIZE = 64


def triangles(*parts: tuple[MeshBatch, int], closed: bool = True) -> Triangles:
    """(meshes, image of the first one), one part each."""
    vertices, owner, faces, part, start = [], [], [], [], 0
    for number, (meshes, first) in enumerate(parts):
        for i, v in enumerate(meshes.vertices):
            vertices.append(torch.from_numpy(v.astype(np.float32)))
            owner.append(torch.full((len(v),), first + i))
            faces.append(torch.from_numpy(meshes.faces.astype(np.int64)) + start)
            part.append(torch.full((len(meshes.faces),), number))
            start += len(v)
    names = torch.cat(part)
    return Triangles(
        torch.cat(vertices),
        torch.cat(owner),
        torch.cat(faces),
        names,
        torch.full_like(names, closed) > 0,
    )


def crops(centre: np.ndarray, spacing: np.ndarray) -> Crops:
    return Crops(torch.from_numpy(centre).float(), torch.from_numpy(spacing).float(), SIZE)


def rays(grid: Crops, image: int) -> np.ndarray:
    x, y = (t[image].numpy().astype(np.float64) for t in grid.tangents())
    return np.stack(np.broadcast_arrays(x, y, 1.0), -1)


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("category", CATEGORIES)
def test_every_pixel_has_the_depth_of_its_ray(category: str, closed: bool) -> None:
    n, rng = 6, np.random.default_rng(3)
    views = sample_views(n, rng)
    shapes = make_shapes(category, n, rng).turned(views.rotation).moved(views.translation)
    tangents = shapes.vertices[..., :2] / shapes.vertices[..., 2:]
    low, high = tangents.min(1), tangents.max(1)
    grid = crops((low + high) / 2, (high - low).max(1) * 1.1 / (SIZE - 1))
    images = rasterise(triangles((shapes, 0), closed=closed), grid)
    for i in range(n):
        hits = cast([(shapes.vertices[i], shapes.faces)], rays(grid, i), np.zeros(3))
        depth = images.depth_m[i].numpy()
        # Only pixels within rounding of an outline may differ.
        assert ((depth > 0) != (hits.depth_m > 0)).mean() < 2e-3
        both = (depth > 0) & (hits.depth_m > 0)
        error = np.abs(depth - hits.depth_m)[both]
        assert np.percentile(error, 99) < 2e-5
        # At an edge within, or on a surface seen edge on, the next triangle may have won.
        assert (error > 1e-3).mean() < 5e-3
        turned = np.abs(images.cos_incidence[i].numpy() - hits.cos_incidence)[both]
        assert np.percentile(turned, 98) < 5e-3


def plate(z: float, half: float) -> MeshBatch:
    return box(np.array([[2 * half, 2 * half, 0.02]])).moved(np.array([[0, 0, z + 0.01]]))


def test_the_nearer_part_hides_the_farther_and_each_image_has_its_own() -> None:
    grid = crops(np.zeros((2, 2)), np.full(2, 0.01))
    near, far = plate(0.5, 0.05), plate(0.8, 0.2)
    images = rasterise(triangles((far, 0), (near, 0), (near, 1)), grid)
    middle = SIZE // 2
    assert images.part[:, middle, middle].tolist() == [1, 2]
    assert images.depth_m[:, middle, middle].tolist() == pytest.approx([0.5, 0.5], abs=1e-6)
    assert images.part[:, middle, middle + 15].tolist() == [0, -1]
    assert images.depth_m[1, middle, middle + 15] == 0
    # Half pixels do not fall on the plate's edge at 0.1, so the count is exact.
    assert (images.part[1] >= 0).sum() == 20 * 20


def test_the_ground_lies_behind_and_has_its_depth_and_incidence() -> None:
    grid = crops(np.zeros((1, 2)), np.full(1, 0.01))
    normal, level = np.array([0.0, -0.6, -0.8]), -0.72
    ground = torch.from_numpy((normal / level)[None]).float()
    images = rasterise(triangles((plate(0.5, 0.05), 0)), grid, ground)
    assert images.part[0, 32, 32] == 0
    assert images.part[0, 0, 0] == 1
    ray = rays(grid, 0)[5, 9]
    expected = level / (normal @ ray)
    assert images.depth_m[0, 5, 9].item() == pytest.approx(expected, rel=1e-5)
    cosine = abs(normal @ ray) / np.linalg.norm(ray)
    assert images.cos_incidence[0, 5, 9].item() == pytest.approx(cosine, rel=1e-4)


def test_backs_of_closed_surfaces_are_not_drawn() -> None:
    grid = crops(np.zeros((1, 2)), np.full(1, 0.01))
    shell = plate(0.5, 0.05)
    inside_out = MeshBatch(shell.vertices, shell.faces[:, ::-1])
    far_side = rasterise(triangles((inside_out, 0)), grid).depth_m[0, 32, 32].item()
    assert far_side == pytest.approx(0.52, abs=1e-6)
    both = rasterise(triangles((inside_out, 0), closed=False), grid).depth_m[0, 32, 32].item()
    assert both == pytest.approx(0.5, abs=1e-6)


def test_triangles_behind_the_camera_or_too_far_are_not_drawn() -> None:
    grid = crops(np.zeros((2, 2)), np.full(2, 0.01))
    images = rasterise(triangles((plate(-0.5, 0.1), 0), (plate(5.0, 1.0), 1)), grid)
    assert (images.part == -1).all()
    assert (images.depth_m == 0).all()

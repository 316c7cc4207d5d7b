# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np

from genpose_ros.synthesis.clouds import make_clouds
from genpose_ros.synthesis.primitives import MeshBatch
from genpose_ros.synthesis.surfaces import spread_points


def square(width: float, height: float) -> np.ndarray:
    return np.array([[0, 0, 0], [width, 0, 0], [width, height, 0], [0, height, 0]], dtype=float)


FACES = np.array([[0, 1, 2], [0, 2, 3]])


def test_points_are_spread_by_area_and_evenly_within_it() -> None:
    sizes = [(1.0, 1.0), (3.0, 0.5)]
    meshes = MeshBatch(np.stack([square(*size) for size in sizes]), FACES, closed=False)
    points = spread_points(meshes, 1600)
    for size, found in zip(sizes, points, strict=True):
        assert np.all(found[:, 2] == 0)
        row, column = (found[:, :2] / size * 4).astype(int).T
        cells = np.bincount(4 * row + column, minlength=16)
        assert len(cells) == 16
        assert np.abs(cells - 100).max() < 25


def test_a_small_triangle_gets_the_share_of_its_area() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 5], [0.5, 0, 5], [0, 0.5, 5.0]])
    faces = np.array([[0, 1, 2], [3, 4, 5], [0, 0, 1]])  # the last one has no area
    points = spread_points(MeshBatch(vertices[None], faces), 500)
    assert (points[0, :, 2] > 2.5).sum() == 100  # a quarter of the other's area


def test_clouds_stay_what_they_are_and_lie_on_their_surfaces() -> None:
    plain = make_clouds(24, np.random.default_rng(5))
    clouds = make_clouds(24, np.random.default_rng(5), surface_points=512)
    assert plain.surface_obj is None
    assert np.array_equal(plain.points_cam, clouds.points_cam)
    surface = clouds.surface_obj
    assert surface is not None
    assert surface.shape == (len(clouds), 512, 3)
    assert np.all(np.abs(surface) <= clouds.size_m[:, None] / 2 + 1e-4)
    points_obj = np.einsum(
        "nji,npj->npi", clouds.rotation, clouds.points_cam - clouds.translation[:, None]
    )
    apart = [
        np.linalg.norm(seen[:200, None] - whole[None], axis=-1).min(1)
        for seen, whole in zip(points_obj, surface, strict=True)
    ]
    # Most of what is seen is within the spacing of the surface's points.
    spacing = np.sqrt(clouds.size_m.prod(1) ** (2 / 3) * 6 / 512)
    assert np.mean([np.median(a) < s for a, s in zip(apart, spacing, strict=True)]) > 0.9

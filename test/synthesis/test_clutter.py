# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Clutter: what surrounds objects."""

import numpy as np
import pytest

from genpose_ros.synthesis import sample_views
from genpose_ros.synthesis.clutter import ground, hands, neighbours, occluders
from genpose_ros.synthesis.library import NOCS_LIBRARY
from genpose_ros.synthesis.objects import Objects
from genpose_ros.synthesis.views import Views

N = 120


@pytest.fixture(scope="module")
def placed() -> tuple[Objects, np.ndarray, Views]:
    rng = np.random.default_rng(0)
    objects, views = NOCS_LIBRARY.draw(N, rng), sample_views(N, rng)
    return objects.placed(views.rotation, views.translation), objects.size_m, views


def vertices_of(objects: Objects) -> list[np.ndarray]:
    found: list[np.ndarray] = [np.empty(0)] * len(objects)
    for rows, meshes in objects.groups:
        for row, vertices in zip(rows, meshes.vertices, strict=True):
            found[row] = vertices
    return found


def test_objects_touch_their_tables_and_walls_stand_behind(placed) -> None:
    objects, _, views = placed
    in_air = np.arange(N) % 2 == 0
    planes = ground(objects, views, in_air, np.random.default_rng(1))
    seen = planes.any(1)
    assert seen.mean() > 0.9
    for vertices, g, free in zip(vertices_of(objects), planes, in_air, strict=True):
        if not g.any():
            continue
        above = (1 - vertices @ g) / np.linalg.norm(g)  # positive on the camera's side
        assert above.min() == pytest.approx(0, abs=2e-5) if not free else above.min() > 0.019
    tables = planes[~in_air & seen]
    tables = -tables / np.linalg.norm(tables, axis=1, keepdims=True)
    np.testing.assert_allclose(tables, views.up[~in_air & seen], atol=1e-9)


def test_neighbours_stand_on_the_table_beside_the_object(placed) -> None:
    objects, _, views = placed
    beside, clear = neighbours(objects, views, np.random.default_rng(1))
    assert clear.mean() > 0.8
    for i, vertices in enumerate(vertices_of(objects)):
        up = views.up[i]
        assert (beside.vertices[i] @ up).min() == pytest.approx((vertices @ up).min(), abs=1e-5)
        between = beside.vertices[i].mean(0) - views.translation[i]
        aside = between - (between @ up) * up
        aside /= np.linalg.norm(aside)
        gap = (beside.vertices[i] @ aside).min() - (vertices @ aside).max()
        assert -0.03 < gap < 0.09  # a square one turned by 45 degrees reaches further


def test_occluders_are_between_camera_and_object(placed) -> None:
    _, size_m, views = placed
    lumps, clear = occluders(size_m, views, np.random.default_rng(1))
    distance = np.linalg.norm(lumps.vertices.mean(1), axis=1)
    assert clear.mean() > 0.8
    assert (distance < np.linalg.norm(views.translation, axis=1))[clear].all()


def test_hands_hold_the_object_and_do_not_fill_it(placed) -> None:
    _, size_m, views = placed
    held = hands(size_m, views, np.random.default_rng(1))
    centred = held.vertices - views.translation[:, None]
    in_object = np.einsum("nij,nvi->nvj", views.rotation, centred) / (size_m[:, None] / 2)
    # Most of a hand is near the box, and nothing of it deep inside the ellipsoid within.
    assert (np.abs(in_object) < 3).all(-1).mean() > 0.7
    assert (np.linalg.norm(in_object, axis=-1) < 0.5).mean() < 0.02


def test_hands_of_no_object_are_an_empty_batch(placed) -> None:
    _, size_m, views = placed
    nobody = np.zeros(0, int)
    assert len(hands(size_m[nobody], views[nobody], np.random.default_rng(0))) == 0

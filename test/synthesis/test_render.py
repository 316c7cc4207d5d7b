# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np

from genpose_ros.synthesis.primitives import box
from genpose_ros.synthesis.render import cast


def rays(size: int = 21, reach: float = 0.3) -> np.ndarray:
    u = np.linspace(-reach, reach, size)
    return np.stack([*np.meshgrid(u, u), np.ones((size, size))], -1)


def a_box(centre: tuple[float, float, float], size: tuple[float, float, float]) -> tuple:
    mesh = box(np.array([size])).moved(np.array([centre]))
    return mesh.vertices[0], mesh.faces


def test_the_front_of_a_box_has_its_depth() -> None:
    hits = cast([a_box((0, 0, 1.05), (0.2, 0.2, 0.1))], rays(), np.zeros(3))
    on_box = hits.part == 0
    directions = rays()
    np.testing.assert_array_equal(on_box, (np.abs(directions[..., :2]) <= 0.1 + 1e-9).all(-1))
    np.testing.assert_allclose(hits.depth_m[on_box], 1.0, atol=1e-6)
    assert (hits.depth_m[~on_box] == 0).all()
    assert (hits.part[~on_box] == -1).all()
    cosine = 1 / np.linalg.norm(directions, axis=-1)
    np.testing.assert_allclose(hits.cos_incidence[on_box], cosine[on_box], rtol=1e-5)


def test_the_nearer_of_two_parts_hides_the_farther() -> None:
    near, far = a_box((0, 0, 0.8), (0.1, 0.1, 0.1)), a_box((0, 0, 1.2), (0.6, 0.6, 0.1))
    hits = cast([far, near], rays(), np.zeros(3))
    assert hits.part[10, 10] == 1
    assert hits.depth_m[10, 10] == np.float32(0.75)
    assert hits.part[0, 10] == -1 or hits.part[4, 10] == 0

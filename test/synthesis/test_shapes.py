# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from genpose_ros.geometry.categories import CATEGORIES
from genpose_ros.synthesis import make_shapes
from genpose_ros.synthesis.primitives import box, lathe, merge


@pytest.mark.parametrize("category", CATEGORIES)
class TestEveryCategory:
    def test_every_shape_is_centred_on_its_box(self, category: str) -> None:
        shapes = make_shapes(category, 64, np.random.default_rng(0))
        middle = (shapes.vertices.max(1) + shapes.vertices.min(1)) / 2
        np.testing.assert_allclose(middle, 0, atol=1e-12)

    def test_every_shape_has_the_size_of_a_real_object(self, category: str) -> None:
        diagonal = np.linalg.norm(
            make_shapes(category, 256, np.random.default_rng(1)).extents, axis=1
        )
        low, high = {
            "bottle": (0.10, 0.42),
            "bowl": (0.10, 0.45),
            "camera": (0.065, 0.38),
            "can": (0.05, 0.25),
            "laptop": (0.29, 0.67),
            "mug": (0.08, 0.29),
        }[category]
        assert low < diagonal.min()
        assert diagonal.max() < high

    def test_every_shape_is_decided_by_the_generator(self, category: str) -> None:
        first = make_shapes(category, 8, np.random.default_rng(2))
        again = make_shapes(category, 8, np.random.default_rng(2))
        np.testing.assert_array_equal(first.vertices, again.vertices)
        assert not np.allclose(first.vertices[0], first.vertices[1])

    def test_every_shape_is_closed_and_faces_outward(self, category: str) -> None:
        # The divergence theorem: only closed surfaces of one orientation have a signed volume
        # that does not depend on where the origin is.
        shapes = make_shapes(category, 16, np.random.default_rng(3))
        corners = shapes.vertices[:, shapes.faces]
        volume = np.linalg.det(corners).sum(1) / 6
        moved = np.linalg.det(corners + np.array([0.3, -0.2, 0.1])).sum(1) / 6
        np.testing.assert_allclose(moved, volume, rtol=1e-9, atol=1e-12)
        assert (volume > 0).all()


def end_widths(vertices: np.ndarray, end: int) -> float:
    """Extent along z of what lies within 4 mm of the box's face at +x (end 1) or -x (end -1)."""
    x = end * vertices[:, 0]
    return float(np.ptp(vertices[x > x.max() - 0.004, 2]))


def test_a_mug_has_its_handle_at_plus_x() -> None:
    shapes = make_shapes("mug", 64, np.random.default_rng(0))
    for vertices, extents in zip(shapes.vertices, shapes.extents, strict=True):
        assert end_widths(vertices, 1) < 0.03
        assert extents[0] > extents[2] + 0.005


def test_a_camera_has_its_lens_at_plus_x() -> None:
    shapes = make_shapes("camera", 64, np.random.default_rng(0))
    long_lens = shapes.extents[:, 0] > 0.11
    assert long_lens.sum() > 10
    for vertices, extents in zip(
        shapes.vertices[long_lens], shapes.extents[long_lens], strict=True
    ):
        assert end_widths(vertices, 1) < 0.85 * extents[2]


def test_an_open_laptop_has_its_screen_at_minus_x() -> None:
    shapes = make_shapes("laptop", 64, np.random.default_rng(0))
    tall = shapes.extents[:, 1] > 0.15
    highest = shapes.vertices[np.arange(64), shapes.vertices[..., 1].argmax(1)]
    assert tall.sum() > 20
    # The few that are less than half open have the screen's edge above the keyboard.
    assert (highest[tall, 0] < 0).mean() > 0.8


def test_an_unknown_generator_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown generator 'cup'"):
        make_shapes("cup", 1, np.random.default_rng(0))


def outer_edges(faces: np.ndarray) -> int:
    """How many directed edges have no partner in the other direction: none on closed surfaces."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    here, back = (set(map(tuple, e.tolist())) for e in (edges, edges[:, ::-1]))
    return len(here - back)


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_part_of_a_shape_is_closed_by_itself(category: str) -> None:
    shapes = make_shapes(category, 3, np.random.default_rng(0))
    for vertices in shapes.vertices:
        # Rings that shrink to a point, and parts that are not there, are many equal vertices.
        _, names = np.unique(vertices.round(9), axis=0, return_inverse=True)
        faces = names.ravel()[shapes.faces]
        full = (faces != np.roll(faces, 1, axis=1)).all(1)
        assert outer_edges(faces[full]) == 0


def test_a_mug_handle_ends_within_the_wall() -> None:
    # Seen along the axis into an empty mug, nothing of the handle sticks out of the wall.
    shapes = make_shapes("mug", 200, np.random.default_rng(1))
    handle = slice(-17 * 8, None)  # 15 rings of 8, and two points
    body = shapes.vertices[:, : -17 * 8]
    start = shapes.vertices[:, handle].reshape(200, 17, 8, 3)[:, [1, -2]]
    for mug, ends in zip(body, start, strict=True):
        axis = (mug[:, 0].min() + mug[:, 0].max()) / 2
        for ring in ends:
            near = np.abs(mug[:, 1] - ring[:, 1].mean()) < 0.25 * np.ptp(mug[:, 1])
            outer = np.hypot(mug[near, 0] - axis, mug[near, 2]).max()
            distance = np.hypot(ring[:, 0] - axis, ring[:, 2])
            assert distance.max() < outer + 0.001
            assert distance.min() > 0.6 * outer


def test_a_laptop_opens_from_shut_to_130_degrees() -> None:
    shapes = make_shapes("laptop", 300, np.random.default_rng(0))
    flat = shapes.extents[:, 1] < 0.05
    assert 0.03 < flat.mean() < 0.15
    # Wide open, the lid reaches behind the base: the box is longer than any base.
    assert (shapes.extents[:, 0] > 0.33).mean() > 0.1


def test_top_and_bottom_of_cans_differ() -> None:
    shapes = make_shapes("can", 200, np.random.default_rng(0))
    body = shapes.vertices[:, : 32 * 25]  # 25 rings of 32, before the tab
    rings = body.reshape(200, 25, 32, 3)
    bottom, top = rings[:, 0, 0, 1] - body[..., 1].min(1), body[..., 1].max(1) - rings[:, -1, 0, 1]
    assert (np.abs(top - bottom) > 0.001).mean() > 0.75
    assert top.max() < 0.009
    assert bottom.max() < 0.014


class TestPrimitives:
    def test_a_lathe_of_a_rectangle_is_a_cylinder(self) -> None:
        radius, height = np.array([[0, 0.1, 0.1, 0]]), np.array([[0, 0, 0.3, 0.3]])
        cylinder = lathe(radius, height, segments=400)
        volume = np.linalg.det(cylinder.vertices[:, cylinder.faces]).sum() / 6
        assert volume == pytest.approx(np.pi * 0.1**2 * 0.3, rel=1e-3)

    def test_a_rounded_box_loses_its_corners(self) -> None:
        size = np.array([[0.2, 0.1, 0.3]])
        sharp, rounded = box(size), box(size, rounding=0.02)

        def volume(mesh: object) -> float:
            return float(np.linalg.det(mesh.vertices[:, mesh.faces]).sum() / 6)  # type: ignore[attr-defined]

        assert volume(sharp) == pytest.approx(0.006, rel=1e-9)
        # Four corners, each a square less a quarter circle drawn with three chords.
        chords = 3 / 2 * np.sin(np.pi / 6)
        assert volume(rounded) == pytest.approx(0.006 - 4 * 0.02**2 * (1 - chords) * 0.1, rel=1e-9)

    def test_merged_meshes_keep_the_volume_of_both(self) -> None:
        a, b = box(np.full((1, 3), 0.1)), box(np.full((1, 3), 0.2))
        both = merge(a, b.moved(np.array([[1.0, 0, 0]])))
        volume = np.linalg.det(both.vertices[:, both.faces]).sum() / 6
        assert volume == pytest.approx(0.001 + 0.008, rel=1e-9)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sheets of checked categories."""

import numpy as np
import pytest
from mesh_shapes import box, hammer, write_category
from PIL import Image

from genpose_ros.own_categories.check import check_folders
from genpose_ros.own_categories.sheet import draw_sheet, picture_of_mesh

RED, GREEN, BLUE = (214, 39, 40), (34, 150, 60), (31, 111, 214)


def pixels_of(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return np.argwhere((np.abs(picture.astype(int) - color) < 12).all(axis=-1))


def test_axes_point_to_the_front_up_and_aside():
    picture = picture_of_mesh(*box(0.1, 0.2, 0.1), (200, 200, 200), 200)
    assert picture.shape == (200, 200, 3)
    red, green, blue = (pixels_of(picture, color).mean(axis=0) for color in (RED, GREEN, BLUE))
    assert red[1] > 100, "x points right"
    assert green[0] < 80, "y points up"
    assert blue[1] < 100, "z points left"
    assert max(red[0], blue[0]) > 100, "x and z come towards the camera"
    assert (picture[[0, -1]] == 255).all()


def test_meshes_of_one_scale_keep_their_proportions():
    large = picture_of_mesh(*box(0.1, 0.1, 0.1), (90, 90, 90), 200, scale=0.2)
    small = picture_of_mesh(*box(0.05, 0.05, 0.05), (90, 90, 90), 200, scale=0.2)
    areas = [(picture < 250).any(axis=-1).sum() for picture in (large, small)]
    assert areas[0] > 2 * areas[1]


def test_a_sheet_shows_every_mesh_and_every_finding(tmp_path):
    write_category(tmp_path / "a", [hammer(s) for s in (0.8, 0.9, 1, 1.1, 1.2)], "mirror: true")
    write_category(tmp_path / "b", [hammer(1000.0)], name="other")
    (tmp_path / "b" / "broken.stl").write_bytes(b"?" * 100)
    checks = check_folders([tmp_path])
    draw_sheet(checks, tmp_path / "sheets" / "sheet.png")
    picture = np.asarray(Image.open(tmp_path / "sheets" / "sheet.png"))
    assert picture.shape[1] > 1000
    # The cells have white cards: two rows of the first category and one of the other.
    card = (picture[:, 40] == 255).all(axis=-1)
    assert (np.diff(card.astype(int)) == 1).sum() >= 3
    for color in (RED, GREEN, BLUE, (200, 30, 40)):
        assert len(pixels_of(picture, color)) > 50


def test_a_sheet_under_a_name_that_is_no_picture_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a picture's name ends in"):
        draw_sheet([], tmp_path / "sheet.txt")

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pictures: that what is drawn is where the object is."""

import numpy as np
import pytest
from PIL import Image

from genpose_ros.drawing import depth_picture, draw_estimates, save_picture
from genpose_ros.estimation import ObjectEstimate
from genpose_ros.geometry import PinholeCamera

CAMERA = PinholeCamera(300.0, 300.0, 159.5, 119.5, 320, 240)
GREY = np.full((240, 320, 3), 128, dtype=np.uint8)


def estimate(position=(0.0, 0.0, 1.0), size=(0.2, 0.1, 0.1), instance_id=1) -> ObjectEstimate:
    T = np.eye(4)
    T[:3, :3] = [[1, 0, 0], [0, -1, 0], [0, 0, -1]]
    T[:3, 3] = position
    return ObjectEstimate(
        instance_id=instance_id,
        category="mug",
        T_cam_obj=T,
        covariance=np.eye(6),
        score=0.9,
        score_axis=0.9,
        energy_rotation=None,
        energy_translation=None,
        size_m=np.array(size),
        n_points=100,
        mode_shares=(1.0,),
        T_cam_candidates=T[None],
        points_cam=np.zeros((4, 3), np.float32),
    )


def test_axes_start_at_the_origin_and_have_their_colours():
    picture = draw_estimates(GREY, CAMERA, [estimate()], labels=[""])
    assert picture.shape == (480, 640, 3)
    # Origin at pixel (159.5, 119.5) of the image: 319.5, 239.5 of the picture.
    x_axis, y_axis = picture[239, 350].astype(int), picture[210, 319].astype(int)
    assert x_axis.argmax() == 0
    assert y_axis.argmax() == 1
    assert x_axis.max() > 180
    assert y_axis.max() > 180


def test_nothing_is_drawn_outside_the_box_and_its_label():
    picture = draw_estimates(GREY, CAMERA, [estimate()])
    changed = np.argwhere((picture != 128).any(axis=-1))
    # The front face, at 0.95 m: 0.1 m are 31.6 px; doubled, and a line's width.
    assert changed[:, 1].min() >= 319.5 - 2 * 32 - 4
    assert changed[:, 1].max() <= 319.5 + 2 * 32 + 4
    assert changed[:, 0].max() <= 239.5 + 2 * 16 + 4
    assert len(changed) > 500


def test_drawing_leaves_the_original_image_unchanged():
    image = GREY.copy()
    draw_estimates(image, CAMERA, [estimate()])
    assert np.array_equal(image, GREY)
    assert np.array_equal(draw_estimates(image, CAMERA, [], scale=1), GREY)


@pytest.mark.parametrize(
    "position", [(0, 0, 0.01), (0, 0, -1), (5, 5, 0.5), (1e6, 0, 1e-3), (0.55, 0, 1), (0, -0.4, 1)]
)
def test_objects_partly_or_wholly_outside_the_image_are_drawn_without_error(position):
    picture = draw_estimates(GREY, CAMERA, [estimate(position), estimate()])
    assert (picture != 128).any()


def test_many_objects_at_one_place_have_labels_apart():
    def label_pixels(count: int) -> int:
        items = [estimate(instance_id=i) for i in range(count)]
        bare = draw_estimates(GREY, CAMERA, items, labels=[""] * count)
        return int((draw_estimates(GREY, CAMERA, items) != bare).any(-1).sum())

    assert label_pixels(5) == pytest.approx(5 * label_pixels(1), rel=0.02)
    assert label_pixels(20) > label_pixels(10)


def test_images_of_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="240 x 320"):
        draw_estimates(GREY[1:], CAMERA, [])
    with pytest.raises(ValueError, match="1 labels for 0"):
        draw_estimates(GREY, CAMERA, [], labels=["a"])


def test_the_depth_picture_is_grey_and_near_is_bright():
    depth_m = np.array([[0.5, 1.0], [2.0, np.nan]], dtype=np.float32)
    picture = depth_picture(depth_m)[..., 0].astype(int)
    assert picture[0, 0] > picture[0, 1] > picture[1, 0] > picture[1, 1] == 0
    assert not depth_picture(np.zeros((2, 2))).any()


def test_saving_a_picture_creates_its_folder(tmp_path):
    save_picture(GREY, tmp_path / "new" / "a.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "new" / "a.png")), GREY)
    with pytest.raises(ValueError, match=r"a\.nothing: a picture's name ends in"):
        save_picture(GREY, tmp_path / "a.nothing")

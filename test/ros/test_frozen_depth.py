# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import numpy as np
import pytest

from genpose_ros.ros.compressed_images import CompressedDepth
from genpose_ros.ros.frozen_depth import FrozenDepth

PIXELS = np.random.default_rng(0).normal(1, 0.1, (48, 64)).astype(np.float32)
PIXELS[3, 5] = np.nan


def compressed() -> CompressedDepth:
    return CompressedDepth(PIXELS.tobytes(), (48, 64))


@pytest.mark.parametrize(
    "image", [PIXELS.copy, compressed, np.ones((48, 64), dtype=np.uint16).copy]
)
def test_images_with_the_same_bytes_are_told_of_from_the_eleventh_on(image):
    frozen = FrozenDepth()
    for stamp in range(10):
        frozen.note(stamp, image())
        assert frozen.doubt == ""
    frozen.note(10, image())
    assert frozen.doubt.startswith("the last 11 depth images are the same, byte for byte")


def test_a_pixel_that_changes_between_those_compared_first_is_seen():
    frozen, image = FrozenDepth(), PIXELS.copy()
    for stamp in range(50):
        image = image.copy()
        image[1, 1] += 0.001
        frozen.note(stamp, image)
    assert frozen.repeats == 0


def test_a_camera_that_goes_on_is_not_frozen_any_more():
    frozen = FrozenDepth()
    for stamp in range(20):
        frozen.note(stamp, PIXELS)
    frozen.note(20, PIXELS + 1)
    assert (frozen.repeats, frozen.doubt) == (0, "")


def test_an_image_that_comes_again_with_its_stamp_is_one_image():
    frozen = FrozenDepth()
    for _ in range(30):
        frozen.note(7, PIXELS)
    assert frozen.repeats == 0


def test_images_of_another_size_or_kind_are_others():
    frozen = FrozenDepth()
    zeros = np.zeros((40, 40), dtype=np.uint16)
    for stamp, image in enumerate((zeros, zeros.reshape(20, 80), zeros.astype("f4"), compressed())):
        frozen.note(stamp, image)
        assert frozen.repeats == 0


def test_a_scene_at_rest_is_told_ever_more_seldom():
    frozen = FrozenDepth()
    told = []
    for stamp in range(3000):
        frozen.note(stamp, PIXELS)
        if frozen.is_news:
            told.append(frozen.repeats)
    assert told == [10, 100, 1000]

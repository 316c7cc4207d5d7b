# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Label images of segments."""

import numpy as np
import pytest

from genpose_ros.segmentation.segments import Segment, label_image_of


def segment(score, columns):
    mask = np.zeros((2, 6), bool)
    mask[:, columns] = True
    return Segment("mug", "cup", score, mask, np.zeros(4))


def test_pixels_of_two_objects_are_those_of_the_surer_one_whatever_their_order():
    sure, unsure = segment(0.9, slice(0, 3)), segment(0.6, slice(2, 5))
    labels, numbers = label_image_of([sure, unsure], (2, 6))
    assert labels.tolist() == [[1, 1, 1, 2, 2, 0]] * 2
    assert numbers == (1, 2)
    assert label_image_of([unsure, sure], (2, 6))[0].tolist() == [[2, 2, 2, 1, 1, 0]] * 2


def test_nothing_segmented_is_an_image_of_background():
    labels, numbers = label_image_of([], (2, 6))
    assert not labels.any()
    assert numbers == ()


def test_more_objects_than_eight_bits_hold_are_refused():
    with pytest.raises(ValueError, match="holds 254 objects, got 255"):
        label_image_of([segment(0.5, slice(0, 1))] * 255, (2, 6))

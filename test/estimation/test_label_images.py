# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a label image's values mean, binary masks with a soft edge, and other resolutions."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from genpose_ros.estimation.label_images import (
    check_aspect,
    nearest_pixels,
    read_label_image,
    scaled_labels,
)


def disc(size=(120, 160), centre=(60, 80), radius=25) -> np.ndarray:
    v, u = np.indices(size)
    return (v - centre[0]) ** 2 + (u - centre[1]) ** 2 < radius**2


def compressed(image: np.ndarray, quality: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


class TestBackground:
    @pytest.mark.parametrize(
        ("background", "dtype", "values"),
        [
            (0, np.uint8, [3, 7]),
            (0, np.int32, [3, 7]),
            (255, np.uint8, [0, 3, 7]),
            (-1, np.uint8, [0, 3, 7]),
            (-1, np.int32, [0, 3, 7, 255]),
        ],
    )
    def test_every_other_value_is_an_object(self, background, dtype, values):
        labels = np.array([[0, 0, 3], [7, 255, 255]]).astype(dtype)
        if dtype is np.int32:
            labels = np.concatenate((labels, [[-1, -1, -5]])).astype(dtype)
        found = read_label_image(labels, background)
        assert found.values.tolist() == values
        assert found.counts.tolist() == [int((labels == value).sum()) for value in values]

    @pytest.mark.parametrize("width", [1, 7, 8, 13, 640])
    def test_the_pixels_of_bytes_are_counted_as_those_of_other_types(self, width):
        rng = np.random.default_rng(width)
        labels = rng.integers(0, 256, (9, width)).astype(np.uint8) * (rng.random((9, width)) < 0.4)
        ours, theirs = read_label_image(labels), read_label_image(labels.astype(np.int32))
        assert ours.values.tolist() == theirs.values.tolist()
        assert ours.counts.tolist() == theirs.counts.tolist()

    def test_negative_values_beside_0_raise_a_doubt(self):
        labels = np.full((4, 4), -1, dtype=np.int32)
        labels[0] = 0
        assert "set the background to -1" in read_label_image(labels).doubt
        assert read_label_image(labels, -1).doubt == ""

    def test_255_in_most_of_the_image_raises_a_doubt(self):
        labels = np.full((10, 10), 255, dtype=np.uint8)
        labels[0], labels[1] = 0, 1
        assert "set the background to 255" in read_label_image(labels).doubt
        labels[:8] = 0  # now 255 is what the segmenter does not know
        assert read_label_image(labels).doubt == ""

    def test_a_background_of_255_is_not_taken_for_an_object(self):
        labels = np.where(disc(), 0, 255).astype(np.uint8)
        with pytest.raises(ValueError, match=r"255 covers 90% .*segmentation.background"):
            read_label_image(labels)
        assert read_label_image(labels, 255).values.tolist() == [0]


class TestSoftEdge:
    @pytest.fixture
    def mask(self):
        return disc()

    def assert_is(self, found, mask, within=0.02):
        assert found.values.tolist() == [255]
        wrong = np.count_nonzero((found.labels == 255) != mask)
        assert wrong <= within * np.count_nonzero(mask)
        assert found.counts.tolist() == [np.count_nonzero(found.labels == 255)]

    def test_a_hard_mask_is_one_object(self, mask):
        self.assert_is(read_label_image(np.where(mask, 255, 0).astype(np.uint8)), mask, 0)

    @pytest.mark.parametrize("factor", [2, 3, 4])
    def test_a_mask_that_was_resized_is_one_object(self, mask, factor):
        image = np.where(mask, 255, 0).astype(np.uint8)
        small = cv2.resize(image, (160 // factor, 120 // factor))
        self.assert_is(read_label_image(cv2.resize(small, (160, 120))), mask, 0.08)

    @pytest.mark.parametrize("quality", [60, 75, 95])
    def test_a_mask_that_was_compressed_is_one_object(self, mask, quality):
        image = np.where(mask, 255, 0).astype(np.uint8)
        self.assert_is(read_label_image(compressed(image, quality)), mask)

    def test_labels_beside_a_border_of_255_are_labels(self, mask):
        """As in Pascal VOC, where 255 is the rim between an object and the rest."""
        labels = np.where(disc(radius=27), 255, 0).astype(np.uint8)
        labels[mask] = 15
        assert read_label_image(labels).values.tolist() == [15]

    def test_many_labels_and_some_unknown_pixels_are_labels(self):
        labels = np.zeros((120, 160), dtype=np.uint8)
        for i in range(12):
            labels[10 * i : 10 * i + 8, 20:60] = 20 * i + 5
        labels[:, 100:140] = 255
        assert len(read_label_image(labels).values) == 12

    def test_noise_is_not_taken_for_an_edge(self):
        noise = np.random.default_rng(0).integers(0, 256, (60, 80), dtype=np.uint8)
        assert len(read_label_image(noise).values) == 254


class TestScaling:
    @pytest.mark.parametrize("scale", [0.5, 0.667, 1.5, 2.25, 3])
    @pytest.mark.parametrize("shape", [(480, 640), (480, 848), (360, 640), (720, 1280)])
    @pytest.mark.parametrize("rounding", [np.floor, np.round, np.ceil])
    def test_a_resized_image_has_an_equal_aspect(self, shape, scale, rounding):
        resized = tuple(int(rounding(side * scale)) for side in shape)
        assert check_aspect(resized, shape) == ""

    @pytest.mark.parametrize("source", [(48, 65), (64, 48), (1, 1), (480, 848), (0, 0), (384, 640)])
    def test_another_aspect_is_named_width_first(self, source):
        sentence = check_aspect(source, (48, 64))
        assert f"{source[1]} x {source[0]} pixels and depth is 64 x 48" in sentence

    def test_pixels_are_taken_where_they_are_nearest(self):
        labels = np.array([[1, 2], [3, 4]], dtype=np.uint8)
        scaled = scaled_labels(labels, (4, 6))
        np.testing.assert_array_equal(scaled, np.kron(labels, np.ones((2, 3), np.uint8)))
        np.testing.assert_array_equal(scaled_labels(scaled, (2, 2)), labels)
        assert nearest_pixels(3, 2).tolist() == [0, 2]

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Colour images of every encoding, with padded rows, compressed or damaged."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from genpose_ros.estimation.reasons import Reason
from genpose_ros.ros.color_images import COLOR_ENCODINGS, color_pixels

RGB = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3) * 10


def image(pixels, encoding, pad=0):
    rows = pixels.reshape(len(pixels), -1)
    padded = np.pad(rows, ((0, 0), (0, pad)), constant_values=255)
    fields = {
        "height": pixels.shape[0], "width": pixels.shape[1], "encoding": encoding,
        "step": padded.shape[1], "is_bigendian": 0, "data": padded.tobytes(),
    }  # fmt: skip
    return SimpleNamespace(**fields)


@pytest.mark.parametrize("pad", [0, 5])
@pytest.mark.parametrize("encoding", COLOR_ENCODINGS)
def test_every_encoding_becomes_rgb(encoding, pad):
    if encoding in ("mono8", "8UC1"):
        stored, expected = RGB[..., :1], np.repeat(RGB[..., :1], 3, axis=-1)
    else:
        stored = RGB if encoding.startswith("rgb") else RGB[..., ::-1]
        expected = RGB
    if encoding in ("rgba8", "bgra8", "8UC4"):
        stored = np.concatenate((stored, np.full((2, 3, 1), 77, np.uint8)), axis=-1)
    np.testing.assert_array_equal(color_pixels(image(stored, encoding, pad)), expected)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"encoding": "yuv422"}, Reason.BAD_ENCODING),
        ({"step": 8}, Reason.TRUNCATED_IMAGE),
        ({"data": b"123"}, Reason.TRUNCATED_IMAGE),
        ({"height": 0}, Reason.TRUNCATED_IMAGE),
        ({"width": 10**6, "height": 10**6}, Reason.TOO_LARGE),
        ({"data": object()}, Reason.BAD_ENCODING),
    ],
)
def test_what_is_no_colour_image_is_refused(changes, reason):
    message = image(RGB, "rgb8")
    vars(message).update(changes)
    assert color_pixels(message).reason is reason


def test_compressed_images_are_decoded_and_damaged_ones_refused():
    coded = cv2.imencode(".png", RGB[..., ::-1])[1].tobytes()
    message = SimpleNamespace(format="rgb8; png compressed", data=coded)
    np.testing.assert_array_equal(color_pixels(message), RGB)
    message.data = coded[: len(coded) // 2]
    assert color_pixels(message).reason is Reason.TRUNCATED_IMAGE
    message.data = b"no image"
    assert color_pixels(message).reason is Reason.TRUNCATED_IMAGE


def test_a_compressed_image_of_too_many_pixels_is_not_decoded():
    coded = cv2.imencode(".png", np.zeros((100, 100, 3), np.uint8))[1].tobytes()
    message = SimpleNamespace(format="png", data=coded)
    assert color_pixels(message, most=9999).reason is Reason.TOO_LARGE

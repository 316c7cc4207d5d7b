# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.images import (
    DEPTH_ENCODINGS,
    LABEL_ENCODINGS,
    depth_m,
    depth_pixels,
    label_pixels,
)

DEPTH_MM = np.array([[0, 1, 2], [300, 1000, 65535]], dtype=np.uint16)


@pytest.mark.parametrize("encoding", ["16UC1", "mono16"])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("padding", [0, 1, 7])
def test_integer_depth_is_millimetres(ros, encoding, big_endian, padding):
    message = ros.image(DEPTH_MM, encoding=encoding, big_endian=big_endian, padding=padding)
    metres = depth_m(depth_pixels(message))
    assert metres.dtype == np.float32
    np.testing.assert_allclose(metres, DEPTH_MM / 1000.0, rtol=1e-6)


@pytest.mark.parametrize("big_endian", [False, True])
def test_float_depth_is_metres_and_what_is_no_distance_becomes_zero(ros, big_endian):
    pixels = np.array([[0.5, np.nan, np.inf], [-np.inf, -1.0, 2.25]], dtype=np.float32)
    metres = depth_m(depth_pixels(ros.image(pixels, big_endian=big_endian, padding=3)))
    np.testing.assert_array_equal(metres, [[0.5, 0, 0], [0, 0, 2.25]])


def test_decoded_depth_does_not_change_with_the_message(ros):
    message = ros.image(np.ones((2, 2), dtype=np.float32))
    metres = depth_m(depth_pixels(message))
    message.data[:] = message.data[:0] + type(message.data)("B", bytes(16))
    assert (metres == 1).all()


@pytest.mark.parametrize(
    ("dtype", "encoding"),
    [("u1", "mono8"), ("u1", "8UC1"), ("<u2", "mono16"), ("<u2", "16UC1"), ("<i4", "32SC1")],
)
def test_labels_of_each_encoding_are_read(ros, dtype, encoding):
    pixels = np.array([[0, 1], [7, 200]], dtype=dtype)
    for padding in (0, 5):
        labels = label_pixels(ros.image(pixels, encoding=encoding, padding=padding))
        np.testing.assert_array_equal(labels, pixels)


def test_negative_labels_stay_negative(ros):
    pixels = np.array([[-1, 3]], dtype=np.int32)
    np.testing.assert_array_equal(label_pixels(ros.image(pixels, big_endian=True)), pixels)


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "32SC1", "", "16UC1 ", "x" * 10_000])
def test_depth_of_another_encoding_is_named(ros, encoding):
    message = ros.image(DEPTH_MM)
    message.encoding = encoding
    result = depth_pixels(message)
    assert result.reason is Reason.BAD_ENCODING
    assert len(result.detail) < 200


@pytest.mark.parametrize("encoding", ["32FC1", "rgb8", "64FC1"])
def test_labels_of_another_encoding_are_named(ros, encoding):
    message = ros.image(np.ones((2, 2), dtype=np.uint8))
    message.encoding = encoding
    assert label_pixels(message).reason is Reason.BAD_ENCODING


@pytest.mark.parametrize(
    "change",
    [
        {"data": b""},
        {"data": b"\x00" * 11},
        {"height": 3},
        {"height": 2**32 - 1},
        {"width": 2**32 - 1},
        {"step": 5},
        {"step": 0},
        {"step": 2**32 - 1, "height": 2**32 - 1},
        {"height": 0},
        {"width": 0},
    ],
)
def test_an_image_that_is_shorter_than_it_says_is_named(ros, change):
    message = ros.image(DEPTH_MM)
    for name, value in change.items():
        setattr(message, name, value)
    result = depth_pixels(message)
    assert isinstance(result, Rejection)
    absurd = message.width * message.height > 2**30
    assert result.reason is (Reason.TOO_LARGE if absurd else Reason.TRUNCATED_IMAGE)


@given(
    width=st.integers(0, 40) | st.integers(0, 2**32 - 1),
    height=st.integers(0, 40) | st.integers(0, 2**32 - 1),
    step=st.integers(0, 100) | st.integers(0, 2**32 - 1),
    size=st.integers(0, 4000),
    encoding=st.sampled_from([*DEPTH_ENCODINGS, *LABEL_ENCODINGS, "rgb8"]) | st.text(max_size=20),
    big_endian=st.integers(0, 255),
)
def test_whatever_the_numbers_say_nothing_is_raised(
    width, height, step, size, encoding, big_endian
):
    message = SimpleNamespace(
        width=width,
        height=height,
        step=step,
        data=bytes(size),
        encoding=encoding,
        is_bigendian=big_endian,
    )
    for decode in (depth_pixels, label_pixels):
        result = decode(message)
        assert isinstance(result, Rejection) or result.shape == (height, width)


def test_trailing_bytes_are_ignored(ros):
    message = ros.image(DEPTH_MM)
    message.data = bytes(message.data) + b"\xff" * 9
    np.testing.assert_array_equal(depth_pixels(message), DEPTH_MM)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Compressed depth as image_transport's plug-ins write it, and compressed masks."""

import io
import struct
from contextlib import suppress

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sensor_msgs.msg import CompressedImage

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.compressed_images import compressed_depth, compressed_labels, decode_rvl
from genpose_ros.ros.images import depth_m, depth_pixels, label_pixels


def encode_rvl(pixels: np.ndarray) -> bytes:
    """The encoder of the paper, nibble by nibble."""
    nibbles: list[int] = []

    def write(value: int) -> None:
        while True:
            nibble, value = value & 7, value >> 3
            nibbles.append(nibble | 8 if value else nibble)
            if not value:
                return

    flat, i, previous = pixels.ravel().tolist(), 0, 0
    while i < len(flat):
        start = i
        while i < len(flat) and flat[i] == 0:
            i += 1
        write(i - start)
        start = i
        while i < len(flat) and flat[i] != 0:
            i += 1
        write(i - start)
        for value in flat[start:i]:
            difference, previous = value - previous, value
            write((difference << 1) ^ (difference >> 31))
    nibbles += [0] * (-len(nibbles) % 8)
    words = [
        int("".join(f"{n:x}" for n in nibbles[k : k + 8]), 16) for k in range(0, len(nibbles), 8)
    ]
    return struct.pack(f"<{len(words)}I", *words)


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def message(form: str, payload: bytes, a: float = 0.0, b: float = 0.0) -> CompressedImage:
    return CompressedImage(format=form, data=struct.pack("<i2f", 0, a, b) + payload)


@pytest.fixture
def depth_mm():
    """A slope with a hole, noise and the largest count."""
    rng = np.random.default_rng(0)
    depth_mm = np.linspace(400, 3000, 48 * 64).reshape(48, 64) + rng.normal(0, 3, (48, 64))
    depth_mm[10:20, 5:30] = 0
    depth_mm[-1, -1] = 65535
    return depth_mm.astype(np.uint16)


def rvl_payload(pixels: np.ndarray) -> bytes:
    return struct.pack("<2I", pixels.shape[1], pixels.shape[0]) + encode_rvl(pixels)


class TestDepth:
    @pytest.mark.parametrize(
        "form",
        ["16UC1; compressedDepth png", "16UC1; compressedDepth", "mono16; compressedDepth png"],
    )
    def test_a_png_is_read(self, depth_mm, form):
        stored = depth_pixels(message(form, png(depth_mm)))
        assert stored.shape == (48, 64)
        np.testing.assert_array_equal(stored.pixels(), depth_mm)
        np.testing.assert_allclose(depth_m(stored), depth_mm / 1000.0, rtol=1e-6)

    def test_a_png_of_the_plain_transport_is_read(self, depth_mm):
        plain = CompressedImage(format="16UC1; png compressed ", data=png(depth_mm))
        np.testing.assert_array_equal(depth_pixels(plain).pixels(), depth_mm)

    def test_rvl_is_read(self, depth_mm):
        stored = depth_pixels(message("16UC1; compressedDepth rvl", rvl_payload(depth_mm)))
        np.testing.assert_array_equal(stored.pixels(), depth_mm)

    @pytest.mark.parametrize("codec", ["png", "rvl"])
    def test_floats_are_metres_from_inverse_counts(self, codec):
        """As compressed_depth_image_transport quantizes them: Z0 = 100, largest depth 10 m."""
        metres = np.array([[0.5, 1.0, 2.5], [0.0, 9.0, 4.0]], dtype=np.float32)
        a = 100.0 * 101.0
        b = 1.0 - a / 10.0
        with np.errstate(divide="ignore"):
            counts = np.where(metres > 0, a / metres + b, 0).astype(np.uint16)
        payload = png(counts) if codec == "png" else rvl_payload(counts)
        stored = depth_pixels(message(f"32FC1; compressedDepth {codec}", payload, a, b))
        np.testing.assert_allclose(depth_m(stored), metres, rtol=0.005)

    @pytest.mark.parametrize("form", ["jpeg", "16UC1; jpeg compressed", "", "bgr8; zstd" * 50])
    def test_what_holds_no_depth_is_named(self, form):
        result = depth_pixels(CompressedImage(format=form, data=b"\xff\xd8\xff\xe0" * 20))
        assert result.reason is Reason.BAD_ENCODING
        assert "png or rvl" in result.detail

    def test_eight_bits_are_refused(self):
        stored = depth_pixels(message("8UC1; compressedDepth png", png(np.ones((4, 4), np.uint8))))
        assert stored.pixels().reason is Reason.BAD_ENCODING

    @pytest.mark.parametrize("keep", [0, 5, 12, 20, 30, 40, 0.5, 0.9])
    @pytest.mark.parametrize("codec", ["png", "rvl"])
    def test_a_message_that_was_cut_is_named(self, depth_mm, codec, keep):
        payload = png(depth_mm) if codec == "png" else rvl_payload(depth_mm)
        whole = message(f"16UC1; compressedDepth {codec}", payload)
        whole.data = bytes(whole.data)[
            : keep if keep >= 1 or not keep else int(keep * len(whole.data))
        ]
        stored = depth_pixels(whole)
        result = stored if isinstance(stored, Rejection) else depth_m(stored)
        assert result.reason in (Reason.TRUNCATED_IMAGE, Reason.BAD_ENCODING)

    def test_a_size_that_no_memory_holds_allocates_nothing(self):
        huge = struct.pack("<2I", 2**31, 2**31) + b"\0" * 64
        result = depth_pixels(message("16UC1; compressedDepth rvl", huge))
        assert result.reason is Reason.TOO_LARGE


@settings(deadline=None)
@given(st.binary(max_size=400), st.integers(1, 5000))
def test_whatever_an_rvl_stream_says_there_are_so_many_pixels_or_an_error(data, count):
    with suppress(ValueError):
        assert decode_rvl(data, count).shape == (count,)


@settings(deadline=None)
@given(st.lists(st.integers(0, 65535) | st.just(0), min_size=1, max_size=300))
def test_rvl_gives_back_what_was_written(values):
    pixels = np.array(values, dtype=np.uint16)
    np.testing.assert_array_equal(decode_rvl(encode_rvl(pixels), len(values)), pixels)


@settings(deadline=None)
@given(st.text(max_size=30), st.binary(max_size=80))
def test_whatever_a_compressed_message_says_nothing_is_raised(form, data):
    for prefix in (b"", b"\0" * 12, b"\0" * 12 + b"\x89PNG\r\n\x1a\n"):
        for words in (form, "16UC1; compressedDepth rvl", "32FC1; compressedDepth png"):
            odd = CompressedImage(format=words.replace("\0", ""), data=prefix + data)
            stored = compressed_depth(odd)
            assert isinstance(stored, Rejection) or depth_m(stored) is not None
            assert compressed_labels(odd) is not None


class TestLabels:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_a_png_of_labels_is_read(self, dtype):
        labels = np.array([[0, 3], [7, 255]], dtype=dtype)
        np.testing.assert_array_equal(
            label_pixels(CompressedImage(format="png", data=png(labels))), labels
        )

    def test_equal_channels_are_one(self):
        labels = np.array([[0, 3], [7, 255]], dtype=np.uint8)
        data = png(np.repeat(labels[..., None], 3, axis=2))
        np.testing.assert_array_equal(
            label_pixels(CompressedImage(format="bgr8; png compressed", data=data)), labels
        )

    def test_colours_are_refused(self):
        color = np.zeros((4, 4, 3), dtype=np.uint8)
        color[..., 0] = 9
        result = label_pixels(CompressedImage(format="png", data=png(color)))
        assert result.reason is Reason.BAD_ENCODING

    def test_what_is_no_image_is_named(self):
        stream = io.BytesIO()
        noise = np.random.default_rng(0).integers(0, 255, (40, 40), dtype=np.uint8)
        Image.fromarray(noise).save(stream, "PNG")
        for data in (b"", b"no image", stream.getvalue()[:600]):
            result = label_pixels(CompressedImage(format="png", data=data))
            assert result.reason is Reason.TRUNCATED_IMAGE

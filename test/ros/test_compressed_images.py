# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Compressed depth as image_transport's plug-ins write it, and compressed masks."""

import io
import random
import struct
import subprocess
import tracemalloc
from array import array
from contextlib import suppress

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sensor_msgs.msg import CompressedImage

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros import compressed_images
from genpose_ros.ros.color_images import color_pixels
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


def test_numbers_of_rvl_may_lie_across_the_blocks_that_are_read(monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 65536, 1000).astype(np.uint16)
    pixels[200:300] = 0
    stream = encode_rvl(pixels)
    for words in (1, 2, 7):
        monkeypatch.setattr(compressed_images, "_BLOCK_WORDS", words)
        np.testing.assert_array_equal(decode_rvl(stream, 1000), pixels)


def test_a_number_of_rvl_that_never_ends_is_refused_wherever_the_blocks_end(monkeypatch):
    for words in (1, 2, 2**17):
        monkeypatch.setattr(compressed_images, "_BLOCK_WORDS", words)
        with pytest.raises(ValueError, match="17 bits"):
            decode_rvl(b"\xff" * 64, 4)


@pytest.mark.parametrize("numbers", [[0, 1, 4, 0, 1, 6, 1, 1, 2], [1, 0, 1, 1, 2], [0, 0, 1, 1, 2]])
def test_a_run_of_no_pixels_is_refused_as_no_encoder_writes_it(numbers):
    nibbles = numbers + [0] * (-len(numbers) % 8)
    words = ["".join(map(str, nibbles[k : k + 8])) for k in range(0, len(nibbles), 8)]
    stream = struct.pack(f"<{len(words)}I", *(int(word, 16) for word in words))
    with pytest.raises(ValueError, match="empty run"):
        decode_rvl(stream, 4)


@pytest.mark.parametrize("fill", [b"\0", b"\x11", b"\xff"])
def test_the_longest_rvl_that_is_decoded_takes_little_memory(fill):
    """Its runs are empty, of one pixel each, or one that never ends."""
    height, width = 150, 200
    most = 3 * height * width + 2**20
    stream = struct.pack("<2I", width, height) + fill * (most - 20)
    tracemalloc.start()
    stored = depth_pixels(message("16UC1; compressedDepth rvl", stream))
    depth_m(stored)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6 + 40 * most


def test_a_compressed_image_of_far_more_bytes_than_pixels_is_refused_before_it_is_copied(depth_mm):
    for data in (png(depth_mm), b"\0" * 4 + rvl_payload(depth_mm)):
        odd = CompressedImage(format="16UC1; compressedDepth rvl", data=data + bytes(64_000_000))
        odd.data = array("B", odd.data)
        tracemalloc.start()
        results = depth_pixels(odd), label_pixels(odd, 1_000_000), color_pixels(odd, 1_000_000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert {result.reason for result in results} == {Reason.TOO_LARGE}
        assert peak < 1_000_000


def test_a_second_head_of_a_png_does_not_make_it_larger(depth_mm):
    small, large = png(depth_mm), png(np.zeros((4000, 4000), np.uint16))
    stored = depth_pixels(message("16UC1; compressedDepth png", small[:33] + large[8:]))
    result = stored.pixels()
    assert result.reason is Reason.TRUNCATED_IMAGE
    assert "4000 x 4000" in result.detail


def encoded(kind: str) -> bytes:
    stream = io.BytesIO()
    pixels = np.arange(4096, dtype=np.uint8).reshape(64, 64)
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["EPS", "TIFF", "GIF", "ICO", "TGA", "BMP"])
def test_no_other_format_is_taken_and_no_program_started(kind, monkeypatch):
    """Pillow gives an EPS to Ghostscript."""

    def refuse(*_arguments, **_options):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    odd = CompressedImage(format="png", data=encoded(kind))
    assert label_pixels(odd).reason is Reason.TRUNCATED_IMAGE
    assert color_pixels(odd).reason is Reason.TRUNCATED_IMAGE
    assert depth_pixels(odd).reason is Reason.BAD_ENCODING


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_whatever_is_changed_in_a_compressed_image_nothing_is_raised(kind):
    rng, whole = random.Random(0), encoded(kind)
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 2, 8))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        odd = CompressedImage(format="16UC1; png", data=bytes(data[: rng.choice((None, 40, 90))]))
        for result in (label_pixels(odd), color_pixels(odd), depth_pixels(odd)):
            assert isinstance(result, (np.ndarray, Rejection)) or depth_m(result) is not None


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

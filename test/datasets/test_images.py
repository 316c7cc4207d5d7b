# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Image files as arrays."""

import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from genpose_ros import files
from genpose_ros.datasets import images, read_color, read_depth_m, read_labels

VALUES = np.array([[0, 1, 40000], [65535, 3, 999]], dtype=np.uint16)


def test_depth_in_millimetres_is_read_up_to_the_last_count(tmp_path):
    Image.fromarray(VALUES).save(tmp_path / "d.png")
    depth_m = read_depth_m(tmp_path / "d.png")
    assert depth_m.dtype == np.float32
    assert depth_m == pytest.approx(VALUES / 1000.0)


def test_depth_is_read_in_other_units_and_kinds(tmp_path):
    Image.fromarray(VALUES).save(tmp_path / "d.png")
    assert read_depth_m(tmp_path / "d.png", 0.0001) == pytest.approx(VALUES / 10000.0)
    metres = np.array([[0.5, np.nan]], dtype=np.float64)
    np.save(tmp_path / "d.npy", metres)
    assert np.array_equal(read_depth_m(tmp_path / "d.npy"), metres.astype(np.float32), True)
    Image.fromarray(metres.astype(np.float32)).save(tmp_path / "d.tiff")
    assert np.array_equal(read_depth_m(tmp_path / "d.tiff"), metres.astype(np.float32), True)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, bool])
def test_label_images_are_read_as_they_are(tmp_path, kind):
    labels = np.array([[0, 1], [1, 255]]).astype(kind)
    Image.fromarray(labels).save(tmp_path / "m.png")
    read = read_labels(tmp_path / "m.png")
    expected = np.dtype(np.uint8 if kind is bool else kind)
    # Of 16 bits, Pillow before 10.3 makes 32.
    assert read.dtype in (expected, np.dtype(np.int32) if kind is np.uint16 else expected)
    assert np.array_equal(read, labels)


@pytest.mark.parametrize("mode", ["LA", "RGB", "RGBA"])
def test_a_mask_saved_with_equal_channels_is_read(tmp_path, mode):
    labels = np.array([[0, 7], [255, 7]], dtype=np.uint8)
    Image.fromarray(labels).convert(mode).save(tmp_path / "m.png")
    assert read_labels(tmp_path / "m.png").tolist() == labels.tolist()


def test_a_mask_of_colours_is_refused_with_their_number(tmp_path):
    color = np.zeros((2, 2, 3), dtype=np.uint8)
    color[0, 0], color[1, 1] = (255, 0, 0), (0, 0, 9)
    Image.fromarray(color).save(tmp_path / "m.png")
    with pytest.raises(ValueError, match=r"m\.png is a colour image, of 3 colours or more"):
        read_labels(tmp_path / "m.png")


def test_arrays_of_labels_are_read_as_integers(tmp_path):
    for values in (np.array([[0.0, 3.0]]), np.array([[0, 3]]), np.array([[False, True]])):
        np.save(tmp_path / "m.npy", values)
        assert read_labels(tmp_path / "m.npy").tolist() == values.astype(int).tolist()
    np.save(tmp_path / "m.npy", np.array([[0.5, np.nan]]))
    with pytest.raises(ValueError, match="one channel of integers"):
        read_labels(tmp_path / "m.npy")


def test_an_array_file_that_shrinks_while_it_is_read_is_refused_in_a_sentence(
    tmp_path, monkeypatch
):
    path = tmp_path / "d.npy"
    np.save(path, np.ones((480, 640), np.float32))
    read_depth_m(path)

    def shrinking(checked, limit):
        files.check_file(checked, limit)
        os.truncate(checked, 300_000)
        return checked

    monkeypatch.setattr(images, "read_bytes", lambda p, n: shrinking(p, n).read_bytes())
    with pytest.raises(ValueError, match=r"d\.npy .*claims 1228800 bytes and holds 299872"):
        read_depth_m(path)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["<u2", ">u2", "<f4", ">f8"])
def test_arrays_are_read_in_either_order_of_bytes_and_of_rows(tmp_path, order, kind):
    values = np.asarray(VALUES.astype(kind), order=order)
    np.save(tmp_path / "d.npy", values)
    assert read_depth_m(tmp_path / "d.npy", 1.0).tolist() == VALUES.tolist()


def test_an_archive_has_one_array_or_names_it(tmp_path):
    metres = np.array([[0.5, 0.25]], dtype=np.float32)
    np.savez(tmp_path / "one.npz", metres)
    np.savez_compressed(tmp_path / "two.npz", depth=metres, mask=np.array([[1, 0]]))
    np.savez(tmp_path / "other.npz", a=metres, b=metres)
    for name in ("one.npz", "two.npz"):
        np.testing.assert_array_equal(read_depth_m(tmp_path / name), metres)
    assert read_labels(tmp_path / "two.npz").tolist() == [[1, 0]]
    with pytest.raises(ValueError, match="holds the arrays a, b, expected one or 'depth'"):
        read_depth_m(tmp_path / "other.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "two.npz").read_bytes()[:150])
    with pytest.raises(ValueError, match=r"cut\.npz"):
        read_depth_m(tmp_path / "cut.npz")
    with pytest.raises(FileNotFoundError):
        read_depth_m(tmp_path / "none.npz")


def test_an_exr_image_is_read_where_a_library_is_there(tmp_path):
    path = tmp_path / "d.exr"
    path.write_text("no image")
    try:
        import OpenEXR
    except ModuleNotFoundError:
        with pytest.raises(ModuleNotFoundError, match="pip install openexr"):
            read_depth_m(path)
        return
    with pytest.raises(ValueError, match=r"d\.exr is damaged"):
        read_depth_m(path)
    metres = np.array([[0.5, 1.25], [0.0, 3.0]], dtype=np.float32)
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"Z": metres}).write(str(path))
    np.testing.assert_array_equal(read_depth_m(path), metres)


def test_depth_of_8_bits_is_refused(tmp_path):
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    for name in ("d.png", "d.jpg"):
        Image.fromarray(grey).save(tmp_path / name)
        with pytest.raises(ValueError, match=rf"{name} has 8 bits per pixel, .* values from"):
            read_depth_m(tmp_path / name)


def test_a_unit_that_is_given_holds_for_floats_and_one_that_is_told_does_not(tmp_path):
    np.save(tmp_path / "d.npy", np.array([[500.0]]))
    assert read_depth_m(tmp_path / "d.npy", 0.001).tolist() == [[0.5]]
    assert read_depth_m(tmp_path / "d.npy", count_m=0.001).tolist() == [[500.0]]
    np.save(tmp_path / "d.npy", np.array([[5000]]))
    assert read_depth_m(tmp_path / "d.npy", count_m=0.0001).tolist() == [[0.5]]


def test_palette_images_give_their_indices(tmp_path):
    image = Image.fromarray(np.array([[0, 2], [1, 2]], dtype=np.uint8), mode="P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "m.png")
    assert read_labels(tmp_path / "m.png").tolist() == [[0, 2], [1, 2]]


def test_colour_is_rgb_whatever_the_file(tmp_path):
    Image.fromarray(np.full((2, 2), 7, dtype=np.uint8)).save(tmp_path / "grey.png")
    assert read_color(tmp_path / "grey.png").tolist() == [[[7, 7, 7]] * 2] * 2


def test_images_of_a_wrong_kind_are_refused(tmp_path):
    Image.fromarray(np.zeros((2, 2, 3), dtype=np.uint8)).save(tmp_path / "rgb.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ValueError, match="one channel"):
        read_depth_m(tmp_path / "rgb.png")
    for read in (read_depth_m, read_labels, read_color):
        with pytest.raises(ValueError, match="not an image"):
            read(tmp_path / "text.png")
    with pytest.raises(FileNotFoundError):
        read_labels(tmp_path / "none.png")


@pytest.mark.parametrize("kind", ["EPS", "GIF", "ICO", "TGA", "PDF"])
def test_a_format_that_is_not_meant_is_refused_whatever_the_name_and_starts_no_program(
    tmp_path, kind, monkeypatch
):
    """Pillow gives an EPS to Ghostscript."""

    def refuse(*_arguments, **_options):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    Image.fromarray(np.zeros((4, 4), dtype=np.uint8)).save(tmp_path / "a.png", kind)
    for read in (read_depth_m, read_labels, read_color):
        with pytest.raises(ValueError, match=r"a\.png is not an image; those of PNG"):
            read(tmp_path / "a.png")


def test_a_damaged_image_is_named(tmp_path):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 60000, (40, 40), dtype=np.uint16)
    Image.fromarray(noise).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:900])
    for read in (read_depth_m, read_labels, read_color):
        with pytest.raises(ValueError, match=r"cut\.png is damaged"):
            read(tmp_path / "cut.png")
    np.save(tmp_path / "whole.npy", noise)
    whole = (tmp_path / "whole.npy").read_bytes()
    for name, content in {"empty": b"", "cut": whole[:500], "head": whole[:9]}.items():
        (tmp_path / f"{name}.npy").write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}\.npy"):
            read_depth_m(tmp_path / f"{name}.npy")


def test_an_image_that_claims_to_be_enormous_is_refused(tmp_path):
    Image.fromarray(VALUES).save(tmp_path / "d.png")
    content = bytearray((tmp_path / "d.png").read_bytes())
    content[16:24] = struct.pack(">II", 30000, 30000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "d.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"d\.png is too large"):
        read_depth_m(tmp_path / "d.png")


def test_arrays_that_are_no_depth_image_are_refused(tmp_path):
    for i, values in enumerate(
        (np.zeros((2, 2), np.complex64), np.zeros((2, 2), bool), np.zeros((2, 2, 1)), np.array("a"))
    ):
        np.save(tmp_path / f"{i}.npy", values)
        with pytest.raises(ValueError, match="one channel of numbers"):
            read_depth_m(tmp_path / f"{i}.npy")


@pytest.mark.parametrize("unit_m", [0.0, -0.001, float("nan"), float("inf")])
def test_a_depth_unit_that_is_not_positive_is_refused(tmp_path, unit_m):
    Image.fromarray(VALUES).save(tmp_path / "d.png")
    with pytest.raises(ValueError, match="depth unit"):
        read_depth_m(tmp_path / "d.png", unit_m)


@pytest.mark.parametrize("pixels", [1, 7, 2**20])
def test_images_are_converted_in_blocks_and_come_out_whole(tmp_path, monkeypatch, pixels):
    monkeypatch.setattr(images, "_BLOCK_PIXELS", pixels)
    counts = np.arange(35, dtype=np.uint16).reshape(7, 5)
    np.save(tmp_path / "a.npy", counts)
    np.testing.assert_array_equal(read_depth_m(tmp_path / "a.npy"), (counts * 0.001).astype("f4"))
    np.save(tmp_path / "m.npy", counts.astype(np.float64))
    np.testing.assert_array_equal(read_labels(tmp_path / "m.npy"), counts)
    np.save(tmp_path / "m.npy", counts + np.eye(7, 5) / 2)
    with pytest.raises(ValueError, match="one channel of integers"):
        read_labels(tmp_path / "m.npy")
    color = np.repeat(counts.astype(np.uint8)[..., None], 3, axis=2)
    Image.fromarray(color).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "m.png"), counts)
    color[6, 4, 2] = 1
    Image.fromarray(color).save(tmp_path / "m.png")
    with pytest.raises(ValueError, match="is a colour image"):
        read_labels(tmp_path / "m.png")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_arrays_have_no_more_pixels_than_images(tmp_path, monkeypatch, name):
    monkeypatch.setattr(images, "_MAX_PIXELS", 100)
    save = np.save if name == "a.npy" else np.savez_compressed
    for shape in ((11, 10), (11, 10, 3)):
        save(tmp_path / name, np.ones(shape, dtype=np.uint16))
        for read in (read_depth_m, read_labels):
            with pytest.raises(ValueError, match=r"a\.np. is too large: 10 x 11 pixels"):
                read(tmp_path / name)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["counts", "colours"])
def test_the_largest_images_take_little_memory_and_time(tmp_path, kind):
    """64 million pixels as numbers; 16 million of a picture that is no mask."""
    if kind == "counts":
        read, file = "read_depth_m", tmp_path / "a.npy"
        np.save(file, np.full((8192, 8192), 900, np.uint16))
    else:
        read, file, side = "read_labels", tmp_path / "a.png", 4096
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 255, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file, compress_level=0)
    program = (
        "import resource, sys, time; from pathlib import Path\n"
        "from genpose_ros.datasets import images\n"
        "used = lambda: int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
        "before, begin = used(), time.process_time()\n"
        "try: getattr(images, sys.argv[1])(Path(sys.argv[2]))\n"
        "except ValueError: pass\n"
        "print(used() - before, time.process_time() - begin)"
    )
    command = [sys.executable, "-c", program, read, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kilobytes, seconds = map(float, done.stdout.split())
    assert kilobytes < 1_000_000
    assert seconds < 5.0

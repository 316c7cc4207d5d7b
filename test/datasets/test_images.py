"""Image files as arrays."""

import numpy as np
import pytest
from PIL import Image

from genpose_ros.datasets import read_color, read_depth_m, read_labels

VALUES = np.array([[0, 1, 40000], [65535, 3, 999]], dtype=np.uint16)


def test_depth_in_millimetres_up_to_the_last_count(tmp_path):
    Image.fromarray(VALUES).save(tmp_path / "d.png")
    depth_m = read_depth_m(tmp_path / "d.png")
    assert depth_m.dtype == np.float32
    assert depth_m == pytest.approx(VALUES / 1000.0)


def test_depth_in_other_units_and_kinds(tmp_path):
    Image.fromarray(VALUES).save(tmp_path / "d.png")
    assert read_depth_m(tmp_path / "d.png", 0.0001) == pytest.approx(VALUES / 10000.0)
    metres = np.array([[0.5, np.nan]], dtype=np.float64)
    np.save(tmp_path / "d.npy", metres)
    assert np.array_equal(read_depth_m(tmp_path / "d.npy"), metres.astype(np.float32), True)
    Image.fromarray(metres.astype(np.float32)).save(tmp_path / "d.tiff")
    assert np.array_equal(read_depth_m(tmp_path / "d.tiff"), metres.astype(np.float32), True)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, bool])
def test_labels(tmp_path, kind):
    labels = np.array([[0, 1], [1, 255]]).astype(kind)
    Image.fromarray(labels).save(tmp_path / "m.png")
    read = read_labels(tmp_path / "m.png")
    assert read.dtype == np.int32
    assert np.array_equal(read, labels)


def test_palette_images_give_their_indices(tmp_path):
    image = Image.fromarray(np.array([[0, 2], [1, 2]], dtype=np.uint8), mode="P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.save(tmp_path / "m.png")
    assert read_labels(tmp_path / "m.png").tolist() == [[0, 2], [1, 2]]


def test_colour_is_rgb_whatever_the_file(tmp_path):
    Image.fromarray(np.full((2, 2), 7, dtype=np.uint8)).save(tmp_path / "grey.png")
    assert read_color(tmp_path / "grey.png").tolist() == [[[7, 7, 7]] * 2] * 2


def test_wrong_kinds_are_refused(tmp_path):
    Image.fromarray(np.zeros((2, 2, 3), dtype=np.uint8)).save(tmp_path / "rgb.png")
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ValueError, match="one channel"):
        read_depth_m(tmp_path / "rgb.png")
    with pytest.raises(ValueError, match="one channel"):
        read_labels(tmp_path / "rgb.png")
    for read in (read_depth_m, read_labels, read_color):
        with pytest.raises(ValueError, match="not an image"):
            read(tmp_path / "text.png")
    with pytest.raises(FileNotFoundError):
        read_labels(tmp_path / "none.png")

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One frame from loose files."""

import json

import numpy as np
import pytest
from PIL import Image

from genpose_ros.datasets import read_classes, read_frame
from genpose_ros.estimation.class_names import ClassNames
from genpose_ros.geometry import Category, CategorySet


@pytest.fixture
def files(write_frame, tmp_path):
    folder = write_frame(tmp_path / "a")
    (tmp_path / "camera.yaml").write_text("k: [60, 0, 31.5, 0, 60, 23.5, 0, 0, 1]")
    return folder / "depth.png", folder / "mask.png", tmp_path / "camera.yaml"


def read(files, classes, **options):
    depth, mask, camera = files
    return read_frame(depth, mask, camera, classes, **options)


def test_classes_are_read_from_a_list(files):
    depth, mask, camera = files
    frame = read_frame(depth, mask, camera, "3=mug, 7=can")
    assert [(i.id, i.category, int(i.mask.sum())) for i in frame.instances] == [
        (3, "mug", 225),
        (7, "can", 400),
    ]
    assert frame.camera.fx == 60


def test_classes_are_read_from_a_label(files):
    label = files[0].parent / "label.json"
    by_label = read_frame(files[0], files[1], label)
    assert [(i.id, i.category) for i in by_label.instances] == [(3, "mug"), (7, "bowl")]
    assert read_classes(str(label)) == {3: "mug", 7: "bowl"}


def test_the_error_of_missing_classes_names_the_ids(files):
    with pytest.raises(ValueError, match=r"--classes.*3, 7"):
        read_frame(*files)


@pytest.mark.parametrize(
    "text", ["3=spoon", "x=mug", "3=mug,,7=can", "3=mug,7", "-1=mug", "²=mug", "3=mug,"]
)
def test_a_wrong_class_list_is_refused(text):
    with pytest.raises(ValueError, match="id=class"):
        read_classes(text)


def test_a_class_list_names_categories_by_name_alias_or_a_word_for_them():
    drill = Category(name="drill", aliases=("power drill",))
    tools = CategorySet((drill, Category(name="saw")))
    assert read_classes("1=Power Drill, 2=saw", categories=tools) == {1: "drill", 2: "saw"}
    with pytest.raises(ValueError, match="a class of drill, saw: '1=mug'"):
        read_classes("1=mug", categories=tools)
    assert read_classes("1=cup,2:Coffee_Mug,3=can 2") == {1: "mug", 2: "mug", 3: "can"}
    own = ClassNames({"becher": "mug"})
    assert read_classes("1=Becher", names=own) == {1: "mug"}


def test_an_id_with_two_classes_is_refused():
    with pytest.raises(ValueError, match="id 3 is given two classes"):
        read_classes("3=mug,03=can")


def test_one_class_is_that_of_every_object(files):
    frame = read(files, "Cup")
    assert [(i.id, i.category) for i in frame.instances] == [(3, "mug"), (7, "mug")]


def test_a_word_that_is_no_class_is_answered_with_an_example():
    with pytest.raises(FileNotFoundError, match=r"1=mug,2=bowl.*got 'spoon'"):
        read_classes("spoon")


def test_a_mask_of_equal_aspect_is_scaled(files, caplog):
    labels = np.asarray(Image.open(files[1]))
    Image.fromarray(np.kron(labels, np.ones((2, 2), np.uint8))).save(files[1])
    frame = read(files, "3=mug")
    np.testing.assert_array_equal(frame.instances[0].mask, labels == 3)
    assert "is 128 x 96 and is scaled to the depth image's 64 x 48" in caplog.text


def test_a_mask_of_another_aspect_is_refused(files):
    Image.fromarray(np.zeros((40, 64), dtype=np.uint8)).save(files[1])
    with pytest.raises(ValueError, match=r"mask\.png: masks are 64 x 40 pixels"):
        read_frame(files[0], files[1], files[2], "1=mug")


def test_an_id_that_the_mask_has_not_is_told_with_those_it_has(files, caplog):
    frame = read(files, "1=mug,3=can")
    assert "has no object 1; it has the ids 3, 7" in caplog.text
    assert [int(i.mask.sum()) for i in frame.instances] == [0, 225]


def test_the_background_is_no_object_whatever_its_number(files, caplog):
    labels = np.where(np.asarray(Image.open(files[1])) == 3, 0, 255).astype(np.uint8)
    Image.fromarray(labels).save(files[1])
    with pytest.raises(ValueError, match=r"255 covers 93% of the mask .* --background"):
        read(files, "255=mug")
    frame = read(files, "0=mug", background=255)
    assert [(i.id, int(i.mask.sum())) for i in frame.instances] == [(0, 225)]
    assert not read(files, "255=mug", background=255).instances[0].mask.any()


class TestSwappedFiles:
    def test_a_mask_given_as_depth_is_named(self, files):
        with pytest.raises(ValueError, match=r"8 bits per pixel, 3 values from 0 to 7.*swapped"):
            read_frame(files[1], files[0], files[2], "mug")

    def test_a_depth_image_given_as_mask_is_named(self, files):
        values = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
        Image.fromarray(values).save(files[1])
        with pytest.raises(ValueError, match=r"mask.png has 3072 values up to 3071.*swapped"):
            read_frame(files[0], files[1], files[2], "mug")


class TestDepthUnit:
    def unit(self, files, caplog, **options):
        depth_m = read(files, "mug", **options).depth_m
        return float(depth_m[10, 10]) / 800

    def test_integers_are_millimetres(self, files, caplog):
        assert self.unit(files, caplog) == pytest.approx(0.001)

    def test_the_camera_file_tells_another_unit_and_the_user_knows_better(self, files, caplog):
        files[2].write_text("cam_K: [60, 0, 31.5, 0, 60, 23.5, 0, 0, 1]\ndepth_scale: 0.1")
        assert self.unit(files, caplog) == pytest.approx(0.0001)
        assert "depth in units of 0.0001 m" in caplog.text
        assert self.unit(files, caplog, depth_unit_m=0.002) == pytest.approx(0.002)

    def test_the_users_unit_holds_for_floats_too(self, files, caplog):
        np.save(files[0].with_suffix(".npy"), np.full((48, 64), 800.0, np.float32))
        files = (files[0].with_suffix(".npy"), *files[1:])
        assert self.unit(files, caplog) == pytest.approx(1.0)
        assert self.unit(files, caplog, depth_unit_m=0.001) == pytest.approx(0.001)


def test_a_label_may_name_a_class_by_its_alias(tmp_path):
    drill = CategorySet((Category(name="drill", aliases=("Power Drill",)),))
    listed = [{"id": 3, "category": "power drill"}, {"id": 4, "category": "mug"}]
    (tmp_path / "label.json").write_text(json.dumps({"instances": listed}))
    classes = read_classes(str(tmp_path / "label.json"), categories=drill)
    assert classes == {3: "drill", 4: "mug"}  # which is refused with its object


def test_a_label_without_instances_is_refused_as_class_list(tmp_path):
    (tmp_path / "label.json").write_text(json.dumps({"K": 1}))
    assert read_classes(str(tmp_path / "label.json")) == {}
    with pytest.raises(FileNotFoundError):
        read_classes(str(tmp_path / "none.json"))


def test_a_list_of_classes_may_be_longer_than_any_file_name() -> None:
    listed = ",".join(f"{number}=mug" for number in range(1, 1500))
    assert read_classes(listed) == dict.fromkeys(range(1, 1500), "mug")


@pytest.mark.parametrize("name", ["mug", "spoon"])
def test_what_is_said_of_a_wrong_id_or_class_stays_short(name: str) -> None:
    with pytest.raises(ValueError, match="expected id=class") as caught:
        read_classes("9" * 5000 + f"={name}")
    assert len(str(caught.value)) < 500


class TestMasksOfAnotherCamera:
    """A wall at 1 m and a box at 0.5 m; the colour camera is 5 cm beside the depth camera."""

    @pytest.fixture
    def other(self, tmp_path):
        depth_mm, mask = np.full((48, 64), 1000, np.uint16), np.zeros((96, 128), np.uint8)
        depth_mm[10:30, 20:40] = 500
        # Twice as fine; the box lies 5 cm to the left there: 12 pixels at 0.5 m.
        mask[20:60, 28:68] = 3
        Image.fromarray(depth_mm).save(tmp_path / "depth.png")
        Image.fromarray(mask).save(tmp_path / "mask.png")
        (tmp_path / "depth.yaml").write_text("k: [60, 0, 31.5, 0, 60, 23.5, 0, 0, 1]")
        (tmp_path / "colour.yaml").write_text(
            "{width: 128, height: 96, k: [120, 0, 63.5, 0, 120, 47.5, 0, 0, 1]}"
        )
        (tmp_path / "T.txt").write_text("1 0 0 -0.05\n0 1 0 0\n0 0 1 0\n0 0 0 1\n")
        return tmp_path

    def read(self, folder, **options):
        files = (folder / "depth.png", folder / "mask.png", folder / "depth.yaml")
        options = {
            "mask_camera": folder / "colour.yaml",
            "extrinsics": folder / "T.txt",
            **options,
        }
        return read_frame(*files, "3=mug", **options)

    def test_masks_are_carried_over_to_the_depth_image(self, other):
        expected = np.zeros((48, 64), dtype=bool)
        expected[10:30, 20:40] = True
        (mug,) = self.read(other).instances
        assert np.count_nonzero(mug.mask != expected) <= 2 * 20  # a pixel along two sides

    def test_a_mask_at_another_resolution_of_that_camera_is_scaled(self, other):
        small = Image.open(other / "mask.png").resize((64, 48), Image.Resampling.NEAREST)
        (whole,) = self.read(other).instances
        small.save(other / "mask.png")
        (mug,) = self.read(other).instances
        np.testing.assert_array_equal(mug.mask, whole.mask)

    def test_without_extrinsics_it_is_refused(self, other):
        with pytest.raises(ValueError, match="needs --extrinsics"):
            self.read(other, extrinsics=None)

    def test_the_mask_has_the_aspect_of_its_own_camera(self, other):
        Image.fromarray(np.ones((96, 64), np.uint8)).save(other / "mask.png")
        with pytest.raises(ValueError, match="masks are 64 x 96 pixels"):
            self.read(other)

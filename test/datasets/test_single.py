# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One frame from loose files."""

import json

import numpy as np
import pytest
from PIL import Image

from genpose_ros.datasets import read_classes, read_frame
from genpose_ros.geometry import Category, CategorySet


@pytest.fixture
def files(write_frame, tmp_path):
    folder = write_frame(tmp_path / "a")
    (tmp_path / "camera.yaml").write_text("k: [60, 0, 31.5, 0, 60, 23.5, 0, 0, 1]")
    return folder / "depth.png", folder / "mask.png", tmp_path / "camera.yaml"


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
    "text", ["3=spoon", "x=mug", "3=mug,,7=can", "3=mug,7", "0=mug", "-1=mug", "²=mug", "3=mug,"]
)
def test_a_wrong_class_list_is_refused(text):
    with pytest.raises(ValueError, match="id=class"):
        read_classes(text)


def test_a_class_list_names_categories_by_name_or_alias():
    drill = Category(name="drill", aliases=("power drill",))
    tools = CategorySet((drill, Category(name="saw")))
    assert read_classes("1=Power Drill, 2=saw", tools) == {1: "drill", 2: "saw"}
    with pytest.raises(ValueError, match="a class of drill, saw: '1=mug'"):
        read_classes("1=mug", tools)


def test_an_id_with_two_classes_is_refused():
    with pytest.raises(ValueError, match="id 3 is given two classes"):
        read_classes("3=mug,03=can")


def test_a_class_without_an_id_is_answered_with_an_example():
    with pytest.raises(FileNotFoundError, match="1=mug,2=bowl"):
        read_classes("mug")


def test_a_mask_of_another_size_is_refused(files):
    Image.fromarray(np.zeros((4, 4), dtype=np.uint8)).save(files[1])
    with pytest.raises(ValueError, match=r"\(4, 4\)"):
        read_frame(files[0], files[1], files[2], "1=mug")


def test_a_label_may_name_a_class_by_its_alias(tmp_path):
    drill = CategorySet((Category(name="drill", aliases=("Power Drill",)),))
    listed = [{"id": 3, "category": "power drill"}, {"id": 4, "category": "mug"}]
    (tmp_path / "label.json").write_text(json.dumps({"instances": listed}))
    classes = read_classes(str(tmp_path / "label.json"), drill)
    assert classes == {3: "drill", 4: "mug"}  # which is refused with its object


def test_a_label_without_instances_is_refused_as_class_list(tmp_path):
    (tmp_path / "label.json").write_text(json.dumps({"K": 1}))
    assert read_classes(str(tmp_path / "label.json")) == {}
    with pytest.raises(FileNotFoundError):
        read_classes(str(tmp_path / "none.json"))

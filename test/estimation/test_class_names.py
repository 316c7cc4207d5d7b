# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Words of segmenters and data sets for the categories."""

import pytest

from genpose_ros.estimation.class_names import ClassNames
from genpose_ros.geometry import NOCS, Category, CategorySet


@pytest.mark.parametrize(
    ("text", "category"),
    [
        *((name, name) for name in NOCS.names),
        *((name.upper(), name) for name in NOCS.names),
        ("cup", "mug"),  # COCO
        (" Cup ", "mug"),
        ("cup_12", "mug"),
        ("cup.003", "mug"),
        ("mug3", "mug"),
        ("coffee-mug", "mug"),
        ("laptop_computer", "laptop"),  # LVIS
        ("teacup", "mug"),
        ("beer can", "can"),
        ("025_mug", "mug"),  # YCB
        ("002_master_chef_can", "can"),
        ("006_mustard_bottle", "bottle"),
        ("024_bowl", "bowl"),
        ("03797390", "mug"),  # ShapeNet, as in CAMERA
    ],
)
def test_words_of_data_sets_mean_their_category(text, category):
    assert ClassNames.shipped().find(text, NOCS) == category


@pytest.mark.parametrize(
    "text",
    ["", " ", "41", "wine glass", "trash can", "watering can", "toilet", "keyboard", "bowling ball",
     "065-a_cups", "061_foam_brick", "cupboard", "person", "_", "can opener", "²"],
)  # fmt: skip
def test_words_of_other_objects_mean_none(text):
    assert ClassNames.shipped().find(text, NOCS) is None


def test_every_word_of_the_shipped_table_means_one_of_the_six():
    words = ClassNames.shipped().words
    assert set(words.values()) == set(NOCS.names)
    assert all(ClassNames.shipped().find(word, NOCS) == name for word, name in words.items())


def test_a_category_is_found_only_where_the_model_knows_it():
    drills = CategorySet((Category(name="drill", aliases=("Power-Drill",)),))
    names = ClassNames.shipped()
    assert names.find("power_drill 2", drills) == "drill"
    assert names.find("cup", drills) is None


def test_a_category_of_its_own_comes_before_the_tables_word():
    cups = CategorySet((*NOCS, Category(name="cup")))
    assert ClassNames.shipped().find("Cup", cups) == "cup"


def test_a_table_of_ones_own_is_read(tmp_path):
    path = tmp_path / "words.yaml"
    path.write_text("mug: [Becher, 41]\nbowl: [Schale]\n")
    names = ClassNames.read(path)
    assert [names.find(text, NOCS) for text in ("becher", "41", "Schale_2", "cup")] == [
        "mug", "mug", "bowl", None,
    ]  # fmt: skip
    assert ClassNames.read("") == ClassNames.shipped()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mug: [cup]\nbowl: [Cup]", "'cup' names both mug and bowl"),
        ("mug: cup", "mug must have a list of words"),
        ("- cup", "lists of words by category"),
        ("a: [", "is no YAML"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path, text, message):
    path = tmp_path / "words.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        ClassNames.read(path)

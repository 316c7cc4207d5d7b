# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math
from types import SimpleNamespace

import pytest

from genpose_ros.geometry.categories import NOCS, Category, CategorySet
from genpose_ros.ros.detections import (
    CategoryRules,
    ObjectFilter,
    confidence,
    match_detections,
    parse_label_categories,
)


def detection(name: str = "", box: tuple[float, float, float, float] = (0, 0, 0, 0)):
    left, top, right, bottom = box
    centre = SimpleNamespace(position=SimpleNamespace(x=(left + right) / 2, y=(top + bottom) / 2))
    bbox = SimpleNamespace(center=centre, size_x=right - left, size_y=bottom - top)
    return SimpleNamespace(id=name, bbox=bbox)


def test_detections_with_ids_are_matched_by_id():
    a, b, c = detection("9"), detection(" 4 "), detection("2")
    assert match_detections([2, 4], [a, b, c], dict) == {2: c, 4: b}


def test_a_trackers_ids_are_no_labels_though_one_of_them_may_be_equal():
    """Labels 1 and 2, and a tracker that calls the same objects 2 and 5."""
    a, b = detection("2", (0, 0, 10, 10)), detection("5", (40, 0, 50, 10))
    boxes = {1: (0.0, 0.0, 10.0, 10.0), 2: (40.0, 0.0, 50.0, 10.0)}
    assert match_detections([1, 2], [a, b], lambda: boxes) == {1: a, 2: b}
    assert match_detections([1, 2], [b, a], lambda: boxes) == {1: a, 2: b}
    assert match_detections([1, 2], [a, b], dict) == {1: a, 2: b}


def test_boxes_come_before_the_order():
    a, b = detection("", (40, 0, 50, 10)), detection("", (0, 0, 10, 10))
    boxes = {1: (0.0, 0.0, 10.0, 10.0), 2: (40.0, 0.0, 50.0, 10.0)}
    assert match_detections([1, 2], [a, b], lambda: boxes) == {1: b, 2: a}


def test_an_id_that_matches_leaves_the_others_without_a_class():
    a, b = detection("4"), detection("")
    assert match_detections([2, 4], [a, b], dict) == {4: a}


def test_as_many_detections_as_labels_are_matched_by_order():
    a, b = detection("x"), detection("y")
    assert match_detections([10, 20], [a, b], dict) == {10: a, 20: b}


def test_detections_are_else_matched_by_their_boxes():
    far, near, small = (
        detection("", (40, 40, 60, 60)),
        detection("", (0, 0, 11, 10)),
        detection("", (0, 0, 2, 2)),
    )
    boxes = {5: (1.0, 0.0, 10.0, 10.0), 7: (41.0, 38.0, 60.0, 60.0)}
    assert match_detections([5, 7], [far, small, near], lambda: boxes) == {5: near, 7: far}


def test_one_detection_serves_one_label():
    only = detection("", (0, 0, 10, 10))
    boxes = {1: (0.0, 0.0, 9.0, 10.0), 2: (0.0, 0.0, 10.0, 10.0)}
    assert match_detections([1, 2], [only], lambda: boxes) == {2: only}


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e308, -1.0])
def test_boxes_of_garbage_match_nothing(bad):
    odd = detection("", (0, 0, 1, 1))
    odd.bbox.size_x = odd.bbox.size_y = bad
    assert match_detections([1, 2], [odd], lambda: {1: (0.0, 0.0, 5.0, 5.0)}) == {}


def test_no_detections_match_nothing():
    assert match_detections([1, 2], [], dict) == {}


def rules(default: str = "", names: str = "", categories: CategorySet = NOCS) -> CategoryRules:
    return CategoryRules(default, parse_label_categories(names), categories)


class TestObjectFilter:
    RULES = CategoryRules()

    def test_without_settings_everything_is_wanted(self):
        everything = ObjectFilter.parse("", "", self.RULES)
        assert everything.wants("mug", 0.0)

    def test_only_the_classes_that_are_named_are_wanted(self):
        some = ObjectFilter.parse("cup, Can", "", self.RULES)
        assert [some.wants(name, 1.0) for name in ("mug", "can", "bowl")] == [True, True, False]

    def test_a_class_may_have_a_least_score_of_its_own(self):
        some = ObjectFilter.parse("", "0.3, mug:0.5", self.RULES)
        assert [some.wants("mug", s) for s in (0.4, 0.5)] == [False, True]
        assert [some.wants("can", s) for s in (0.2, 0.4)] == [False, True]
        only = ObjectFilter.parse("", "mug:0.5", self.RULES)
        assert only.wants("can", 0.0)

    @pytest.mark.parametrize("text", ["x", "1.5", "-0.1", "mug:", "mug:nan", "0.3;0.4"])
    def test_a_score_that_is_none_is_refused(self, text):
        with pytest.raises(ValueError, match="scores from 0 to 1"):
            ObjectFilter.parse("", text, self.RULES)

    @pytest.mark.parametrize(("classes", "scores"), [("spoon", ""), ("", "spoon:0.5")])
    def test_a_class_that_no_model_knows_is_refused(self, classes, scores):
        with pytest.raises(ValueError, match="unknown category 'spoon'"):
            ObjectFilter.parse(classes, scores, self.RULES)


class TestCategoryRules:
    def test_the_names_that_a_segmenter_publishes_for_its_labels_are_read(self):
        rules = CategoryRules(default="can", names={"9": "bowl"}, labels={3: "cup", 4: "chair"})
        assert [rules.of_label(n) for n in (3, 4, 5, 9)] == ["mug", None, "can", "bowl"]

    def test_a_label_takes_its_own_category_before_the_default(self):
        made = rules("can", "3:mug, 45:bowl")
        assert made.of_label(3) == "mug"
        assert made.of_label(4) == "can"

    def test_a_detector_does_not_fall_back_to_the_default(self):
        made = rules("can", "cup:mug, 39:bottle, sports ball:bowl")
        assert made.of_class("Cup") == "mug"
        assert made.of_class("39") == "bottle"
        assert made.of_class("sports ball") == "bowl"
        assert made.of_class(" Laptop ") == "laptop"
        assert made.of_class("person") is None

    def test_without_rules_a_label_has_no_category(self):
        assert rules().of_label(1) is None
        assert parse_label_categories(" , ") == {}

    def test_the_categories_are_those_of_the_models_by_name_or_alias(self):
        drill = Category(name="drill", aliases=("Power Drill", "cordless_drill"))
        made = rules("power drill", "7:cordless_drill, bohrer:drill", CategorySet((drill,)))
        assert made.of_label(1) == made.of_label(7) == "drill"
        assert {made.of_class(n) for n in ("drill", " POWER DRILL", "Bohrer")} == {"drill"}
        assert made.of_class("mug") is None

    @pytest.mark.parametrize(("default", "names"), [("spoon", ""), ("", "1:spoon")])
    def test_rules_that_lead_to_a_class_of_no_model_are_refused(self, default, names):
        with pytest.raises(ValueError, match=r"unknown category 'spoon'; expected one of bottle, "):
            rules(default, names)

    @pytest.mark.parametrize("names", ["mug", ":mug", "1:"])
    def test_rules_that_are_nonsense_are_refused(self, names):
        with pytest.raises(ValueError, match="expected 'name:category'"):
            rules("", names)


@pytest.mark.parametrize(
    ("score", "expected"),
    [(0.5, 0.5), (-1, 0), (7, 1), (math.nan, 0), (math.inf, 0), (-math.inf, 0)],
)
def test_the_confidence_is_a_number_between_0_and_1(score, expected):
    assert confidence(score) == expected

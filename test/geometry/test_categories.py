# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Categories: the six with their numbers, sets of own ones, and what is refused."""

import json

import pytest

from genpose_ros.geometry import (
    CATEGORIES,
    NOCS,
    Category,
    CategorySet,
    Symmetry,
    category_id,
    category_name,
)

DRILL = Category(name="drill", aliases=("power drill", "Cordless_Drill"), mirror=False)
TIN = Category(
    name="tin",
    symmetry=Symmetry.parse({"y": "quarter"}),
    size_m=(0.1, 0.2),
    rests=("standing",),
    color=(1, 2, 3),
)


def test_class_ids_are_those_of_nocs():
    assert [category_id(name) for name in CATEGORIES] == [1, 2, 3, 4, 5, 6]
    assert (category_name(1), category_name(4), category_name(6)) == ("bottle", "can", "mug")
    assert [category_name(category_id(name)) for name in CATEGORIES] == list(CATEGORIES)


def test_unknown_names_and_ids_are_refused():
    with pytest.raises(ValueError, match="unknown category 'cup'; expected one of bottle"):
        category_id("cup")
    for class_id in (0, 7, -1):
        with pytest.raises(ValueError, match="expected 1 to 6"):
            category_name(class_id)


def test_the_six_have_no_finite_symmetries_and_three_are_axisymmetric():
    assert NOCS.names == ("bottle", "bowl", "camera", "can", "laptop", "mug")
    assert NOCS.max_members == 1
    assert [c.name for c in NOCS if c.symmetry.free_axis] == ["bottle", "bowl", "can"]
    assert [c.name for c in NOCS if c.symmetry_hidden] == ["mug"]
    assert all(c.mirror for c in NOCS)


class TestCategorySet:
    def test_a_set_is_written_as_text_and_read_again(self):
        own = CategorySet((DRILL, TIN, NOCS["mug"]))
        assert CategorySet.from_text(own.to_text()) == own
        assert CategorySet.from_text(NOCS.to_text()) == NOCS

    def test_names_alone_are_those_of_the_six(self):
        assert CategorySet.from_text(",".join(CATEGORIES)) == NOCS
        assert CategorySet.from_text("bowl, mug").names == ("bowl", "mug")
        with pytest.raises(ValueError, match="unknown category 'drill'"):
            CategorySet.from_text("bowl,drill")

    def test_categories_are_found_by_name_and_alias_in_any_case(self):
        own = CategorySet((DRILL, TIN))
        for text in ("drill", " Power Drill", "cordless_drill", "DRILL"):
            assert own.find(text) is DRILL
        assert own.find("mug") is None
        assert "drill" in own
        assert "power drill" not in own
        assert own["tin"] is TIN
        with pytest.raises(ValueError, match="unknown category 'mug'; expected one of drill, tin"):
            own["mug"]

    @pytest.mark.parametrize(
        ("other", "message"),
        [
            (Category(name="drill"), "two categories are called drill"),
            (Category(name="borer", aliases=("POWER drill",)), "names both drill and borer"),
            (Category(name="borer", aliases=("drill",)), "'drill' names both drill and borer"),
        ],
    )
    def test_names_and_aliases_belong_to_one_category(self, other, message):
        with pytest.raises(ValueError, match=message):
            CategorySet((DRILL, other))

    def test_an_empty_set_is_refused(self):
        with pytest.raises(ValueError, match="at least one"):
            CategorySet(())


class TestCategory:
    def test_a_colour_that_is_not_declared_follows_from_the_name_and_is_light(self):
        plain = [Category(name=name).rgb for name in ("drill", "banana", "tin", "box")]
        assert len(set(plain)) == 4
        assert all(max(rgb) > 200 and min(rgb) > 80 for rgb in plain)
        assert DRILL.rgb == Category(name="drill", mirror=True).rgb
        assert TIN.rgb == (1, 2, 3)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"name": "Drill"}, "lower-case letters"),
            ({"name": "a:b"}, "lower-case letters"),
            ({"aliases": "drill"}, "aliases are a list"),
            ({"aliases": ["", "x"]}, "aliases are a list"),
            ({"symmetry": {"y": "third"}}, "unknown symmetry 'third'"),
            ({"symmetry": {"y": 30}}, "more than 24"),
            ({"symmetry": None}, "expected symmetries"),
            ({"mirror": 1}, "mirror is true or false"),
            ({"size_m": [0.3, 0.2]}, "size_m is"),
            ({"size_m": [0.3]}, "size_m is"),
            ({"size_m": [0.1, float("nan")]}, "size_m is"),
            ({"rests": []}, "rests are some of"),
            ({"rests": [["standing"]]}, "rests are some of"),
            ({"color": [0, 0, 256]}, "color is"),
            ({"deform": "cage"}, "deform is one of none, box, rings, handle, got 'cage'"),
            ({"deform": ["box"]}, "deform is one of"),
            ({"generator": ""}, "generator is the name"),
            ({"generator": 3}, "generator is the name"),
            ({"colour": [0, 0, 0]}, "no field colour"),
        ],
    )
    def test_a_wrong_field_is_refused_by_name(self, changes, message):
        with pytest.raises(ValueError, match=message):
            Category.from_dict({**DRILL.to_dict(), **changes})

    def test_a_category_needs_a_name_alone(self):
        assert Category.from_dict({"name": "drill"}) == Category(name="drill")
        with pytest.raises(ValueError, match="has no name"):
            Category.from_dict({})
        with pytest.raises(ValueError, match="a category is a table"):
            Category.from_dict(["drill"])

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[", "damaged JSON"),
            ("{}", "a list of categories"),
            ("[]", "at least one"),
            ("[1]", "a category is a table"),
            (json.dumps([{"name": 3}]), "lower-case letters"),
        ],
    )
    def test_text_that_is_no_set_is_refused(self, text, message):
        with pytest.raises(ValueError, match=message):
            CategorySet.from_text(text)

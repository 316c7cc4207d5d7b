# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from dataclasses import dataclass, fields

import pytest

from genpose_ros.settings import (
    check_settings,
    find_setting,
    nearest_name,
    parameter_name,
    setting,
    setting_from_text,
)


@dataclass(frozen=True)
class Camera:
    depth_min_m: float = setting(0.1, "Least depth.", low=0.0, high=9.0, group="depth")
    points: int = setting(64, "Points.", low=1, high=100, group="depth", advanced=True)
    colour: str = setting("red", "Colour.", choices=("red", "blue"))

    def __post_init__(self) -> None:
        check_settings(self)


def test_a_parameter_has_its_group_before_its_name_and_says_it_once():
    assert [parameter_name(item) for item in fields(Camera)] == [
        "depth.min_m", "depth.points", "colour"
    ]  # fmt: skip


def test_a_setting_is_found_by_its_own_and_by_its_parameter_name():
    for name in ("depth_min_m", "depth.min_m"):
        assert find_setting(Camera, name).name == "depth_min_m"
    with pytest.raises(ValueError, match=r"'depth.min'; did you mean depth.min_m\?"):
        find_setting(Camera, "depth.min")
    with pytest.raises(ValueError, match=r"there are depth_min_m, points, colour"):
        find_setting(Camera, "zzz")


def test_the_nearest_name_is_like_enough_or_none():
    assert nearest_name("modes", ["mode", "masks"]) == "mode"
    assert nearest_name("modes", ["mode", "masks"], 0.9) == ""


def test_a_whole_number_is_taken_for_a_float_and_other_types_are_refused():
    assert type(Camera(depth_min_m=1).depth_min_m) is float
    with pytest.raises(ValueError, match=r"points must be int, got float 2\.0"):
        Camera(points=2.0)
    with pytest.raises(ValueError, match=r"depth_min_m must lie in \[0, 9\], got nan"):
        Camera(depth_min_m=float("nan"))
    with pytest.raises(ValueError, match="colour must be one of red, blue; got 'green'"):
        Camera(colour="green")


@pytest.mark.parametrize(
    ("text", "kind", "expected"), [("True", bool, True), ("3", int, 3), ("1e-3", float, 0.001)]
)
def test_a_text_becomes_a_value_of_the_settings_type(text, kind, expected):
    assert setting_from_text("x", text, kind) == expected


@pytest.mark.parametrize(("text", "kind"), [("yes", bool), ("3.5", int), ("many", float)])
def test_a_text_of_another_type_is_refused(text, kind):
    with pytest.raises(ValueError, match=f"x expects .*, got '{text}'"):
        setting_from_text("x", text, kind)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Verdicts and reports of outcomes that are made up: no network is trained."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from simple_folders import tiny_weights, write_folder

from genpose_ros.evaluation.synthetic import SyntheticReport, ViewReport
from genpose_ros.geometry import CategorySet
from genpose_ros.own_categories import read_category_folder
from genpose_ros.own_categories.check import check_folder
from genpose_ros.own_categories.outcome import Outcome, accuracy_rows, by_category, verdict
from genpose_ros.own_categories.plan import Budget, Plan, make_plan
from genpose_ros.own_categories.report import training_html
from genpose_ros.own_categories.validation import CurvePoint
from genpose_ros.synthesis.clouds import CloudBatch

MakeOutcome = Callable[..., Outcome]


def view(category: str, degrees: float, axis: str = "x", standing: bool = True) -> ViewReport:
    """A view whose estimate is turned about an axis of the object."""
    T_true, T_est = np.eye(4), np.eye(4)
    T_true[2, 3] = T_est[2, 3] = 0.8
    T_est[:3, :3] = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
    return ViewReport(
        category, standing, (degrees, 0.5), np.empty((0, 2)), np.zeros(3), T_est, T_true, True, 0.9
    )


def report(category: str, errors: list[float], axis: str = "x") -> SyntheticReport:
    views = tuple(view(category, degrees, axis) for degrees in errors)
    plain = CategorySet.from_text("mug") if category == "mug" else None
    known = plain or CategorySet.from_text(f'[{{"name": "{category}"}}]')
    return SyntheticReport(views, known)


def clouds(count: int) -> CloudBatch:
    rng = np.random.default_rng(0)
    place, zeros = np.array([0, 0, 0.8]), np.zeros(count, np.int64)
    points = rng.uniform(-0.1, 0.1, (count, 64, 3)) + place
    eye, places = np.tile(np.eye(3), (count, 1, 1)), np.tile(place, (count, 1))
    up, level_m = np.tile([0.0, -1.0, 0.0], (count, 1)), np.zeros(count)
    sizes = np.full((count, 3), 0.2)
    return CloudBatch(points, eye, places, sizes, zeros, zeros, up, level_m)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = read_category_folder(write_folder(tmp_path_factory.mktemp("folders")))
    return make_plan([folder], keep="mug", budget=Budget(minutes=8))


@pytest.fixture
def make(plan: Plan) -> MakeOutcome:
    def made(errors: list[float], **changes: Any) -> Outcome:
        new = report("drill", errors, changes.pop("axis", "x"))
        outcome = Outcome(
            plan=plan,
            new=new,
            new_on_table=new,
            views=clouds(len(errors)),
            trained_on=new,
            kept_before=report("mug", [1.0] * 10),
            kept_after=report("mug", [1.0] * 10),
            curve=(),
            rendered=4096,
            stages={"score": {"clouds": 4096, "minutes": 5.0, "settings": {"seed": 0}}},
        )
        return replace(outcome, **changes)

    return made


def rising(last: float, clouds: int = 40_000) -> tuple[CurvePoint, ...]:
    shares = (10.0, 30.0, 40.0, last)
    return tuple(CurvePoint(clouds * (i + 1) // 4, s, s, None, None) for i, s in enumerate(shares))


def test_shares_count_views_within_both_limits(make: MakeOutcome) -> None:
    row = by_category(make([1.0, 4.0, 7.0, 30.0]).new)["drill"]["standing"]
    assert (row["share_5deg2cm"], row["share_10deg5cm"], row["instances"]) == (0.5, 0.75, 4)


class TestVerdict:
    def test_70_and_90_per_cent_are_usable(self, make: MakeOutcome) -> None:
        judged = verdict(make([1.0] * 7 + [8.0] * 2 + [90.0]))
        assert (judged.usable, judged.sentence, judged.advice) == (True, "drill: usable", ())

    def test_less_is_not_yet(self, make: MakeOutcome) -> None:
        judged = verdict(make([1.0] * 6 + [8.0] * 4))
        assert (judged.usable, judged.sentence) == (False, "drill: not yet usable")

    def test_where_the_table_helps_it_is_told(self, make: MakeOutcome) -> None:
        on_table = report("drill", [1.0] * 9 + [90.0])
        judged = verdict(make([1.0] * 6 + [8.0] * 4, new_on_table=on_table, curve=rising(60.0)))
        assert judged.usable
        assert judged.sentence == (
            "drill: usable where the table is seen or the direction up is known"
        )
        assert "still rising" in judged.advice[0]

    def test_poses_half_a_turn_off_suggest_a_symmetry(self, make: MakeOutcome) -> None:
        judged = verdict(make([1.0] * 7 + [178.0] * 3, axis="y"))
        assert "30 % of the poses are half a turn about y off" in judged.advice[0]
        assert "declare symmetry {y: half}" in judged.advice[0]

    def test_a_gap_to_the_meshes_trained_on_asks_for_meshes(self, make: MakeOutcome) -> None:
        judged = verdict(make([1.0] * 5 + [30.0] * 5, trained_on=report("drill", [1.0] * 10)))
        assert re.search(r"100 % .* held-out ones 50 %: add meshes .* 8 would", judged.advice[0])

    def test_a_curve_that_still_rises_asks_for_time(self, make: MakeOutcome) -> None:
        judged = verdict(make([30.0] * 10, curve=rising(60.0)))
        assert "still rising (+20 points in the second half): try --minutes 16" in judged.advice[0]

    def test_a_curve_that_is_flat_does_not(self, make: MakeOutcome) -> None:
        judged = verdict(make([30.0] * 10, curve=rising(41.0)))
        assert "more minutes will hardly help" in judged.advice[0]

    def test_few_clouds_ask_for_more_before_anything_else_is_concluded(
        self, make: MakeOutcome
    ) -> None:
        judged = verdict(make([30.0] * 10, curve=rising(41.0, clouds=5000)))
        assert judged.advice == (
            "trained on 5,000 clouds; a category takes some 20,000: try --minutes 32",
        )

    def test_forgotten_categories_are_told(self, make: MakeOutcome) -> None:
        judged = verdict(make([1.0] * 10, kept_after=report("mug", [1.0] * 8 + [60.0] * 2)))
        assert judged.usable
        assert "the kept categories fell from 100 to 80 %" in judged.advice[0]


def test_the_table_has_kept_categories_before_and_after(make: MakeOutcome) -> None:
    heads, rows = accuracy_rows(make([1.0, 7.0], kept_after=report("mug", [1.0, 60.0])))
    assert [row[:2] for row in rows] == [
        ["drill", "new"],
        ["drill", "table seen"],
        ["mug", "before"],
        ["mug", "after"],
        ["all that are kept", "before"],
        ["all that are kept", "after"],
    ]
    assert all(len(row) == len(heads) for row in rows)
    assert rows[0][3:5] == ["50.0", "100.0"]
    assert rows[3][3] == "50.0"


def test_the_report_is_one_file_with_pictures_and_no_requests(
    make: MakeOutcome, plan: Plan, tmp_path: Path
) -> None:
    weights = tiny_weights(tmp_path / "drill.safetensors")
    outcome = make([1.0] * 20 + [40.0] * 10, curve=rising(60.0))
    page = training_html(outcome, [check_folder(plan.folders[0].path)], weights)
    parts = ("Not yet", "Accuracy, % of the views", "How to go on")
    places = [page.index(part) for part in parts]
    assert places == sorted(places)
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "drill_4.ply" in page
    assert "genpose evaluate synthetic --weights drill.safetensors" in page


def test_a_refused_view_is_drawn_too(make: MakeOutcome, plan: Plan, tmp_path: Path) -> None:
    lost = replace(view("drill", 1.0), errors=None, T_cam_obj=np.full((4, 4), np.nan))
    outcome = make([1.0] * 3)
    outcome = replace(outcome, new=replace(outcome.new, views=(lost, *outcome.new.views[1:])))
    page = training_html(outcome, [], tiny_weights(tmp_path / "drill.safetensors"))
    assert page.count("data:image/png;base64,") == 1

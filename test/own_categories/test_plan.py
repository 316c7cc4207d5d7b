# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from dataclasses import replace
from pathlib import Path

import pytest
from simple_folders import tiny_weights, write_folder

from genpose_ros.geometry import NOCS, Category, CategorySet
from genpose_ros.networks import LightConfig, LightPoseModel, ReferencePoseModel, save_model
from genpose_ros.own_categories import CategoryFolder, read_category_folder
from genpose_ros.own_categories.plan import Budget, Plan, begin_run, make_plan


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> CategoryFolder:
    return read_category_folder(write_folder(tmp_path_factory.mktemp("folders")))


@pytest.fixture(scope="module")
def plan(drill: CategoryFolder) -> Plan:
    return make_plan([drill])


class TestKeep:
    def test_all_of_the_start_are_kept_after_the_new_ones(self, plan: Plan) -> None:
        assert plan.categories.names == ("drill", *NOCS.names)

    def test_none_are_kept_on_request(self, drill: CategoryFolder) -> None:
        plan = make_plan([drill], keep="none")
        assert plan.categories.names == ("drill",)
        assert plan.kept_library is None
        assert plan.shares == {"drill": 1.0}

    def test_some_are_kept_by_name(self, drill: CategoryFolder) -> None:
        assert make_plan([drill], keep="mug, bowl").categories.names == ("drill", "mug", "bowl")

    def test_an_unknown_one_is_refused_with_those_there_are(self, drill: CategoryFolder) -> None:
        with pytest.raises(ValueError, match="unknown category 'cup'; expected one of bottle"):
            make_plan([drill], keep="cup")

    def test_a_new_one_replaces_one_of_its_name_or_alias(self, drill: CategoryFolder) -> None:
        cup = replace(drill, category=replace(drill.category, name="cup", aliases=("Mug",)))
        assert "mug" not in make_plan([cup]).categories
        with pytest.raises(ValueError, match=r"names both cup and mug: leave .* out of --keep"):
            make_plan([cup], keep="mug")

    def test_one_whose_shapes_are_meshes_is_refused_with_the_cure(
        self, drill: CategoryFolder, tmp_path: Path
    ) -> None:
        model = LightPoseModel(LightConfig(patches=8, width=16, layers=1, head_width=32))
        model.categories = CategorySet((Category(name="saw"), NOCS["mug"]))
        save_model(model, tmp_path / "saws.safetensors", {})
        with pytest.raises(ValueError, match=r"saw cannot be kept: .* name its folder"):
            make_plan([drill], start=tmp_path / "saws.safetensors")
        plan = make_plan([drill], start=tmp_path / "saws.safetensors", keep="mug")
        assert plan.categories.names == ("drill", "mug")


def test_half_of_the_clouds_show_new_categories(drill: CategoryFolder) -> None:
    other = replace(drill, category=replace(drill.category, name="saw", aliases=()))
    other = replace(other, train=tuple(replace(m, category="saw") for m in drill.train))
    other = replace(other, test=other.train)
    shares = make_plan([drill, other], keep="mug").shares
    assert shares == {"drill": 0.5, "saw": 0.5, "mug": 1.0}


def test_held_out_meshes_are_not_trained_on(plan: Plan, drill: CategoryFolder) -> None:
    trained = {mesh.name for mesh in plan.training_library.meshes}
    assert trained == {mesh.name for mesh in drill.train}
    assert {mesh.name for mesh in plan.held_out.meshes} == {mesh.name for mesh in drill.test}
    assert trained.isdisjoint(mesh.name for mesh in plan.held_out.meshes)


def test_a_single_mesh_is_not_deformed(tmp_path: Path) -> None:
    folder = read_category_folder(write_folder(tmp_path, meshes=1))
    plan = make_plan([folder], keep="none")
    assert folder.is_instance
    assert plan.new[0].deform == "none"
    assert plan.held_out.meshes == plan.training_library.meshes


class TestBeginRun:
    def test_a_run_goes_on_with_the_same_plan(self, plan: Plan, tmp_path: Path) -> None:
        begin_run(tmp_path / "run", plan)
        recorded = (tmp_path / "run" / "plan.json").read_text()
        begin_run(tmp_path / "run", plan)
        assert (tmp_path / "run" / "plan.json").read_text() == recorded
        assert [file.name for file in (tmp_path / "run").iterdir()] == ["plan.json"]

    def test_changed_meshes_are_refused(self, plan: Plan, tmp_path: Path) -> None:
        begin_run(tmp_path, plan)
        changed = replace(plan, folders=(replace(plan.folders[0], digest="other"),))
        with pytest.raises(ValueError, match=r"other files of drill .*, or delete .* begin anew"):
            begin_run(tmp_path, changed)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"seed": 1}, "seed 0, not 1"),
            ({"kept": ()}, r"kept \['bottle', .*\], not \[\]"),
            ({"budget": Budget(minutes=9)}, r"minutes 8\.0, not 9"),
        ],
    )
    def test_other_options_are_refused(
        self, plan: Plan, tmp_path: Path, change: dict, message: str
    ) -> None:
        begin_run(tmp_path, plan)
        with pytest.raises(ValueError, match=message):
            begin_run(tmp_path, replace(plan, **change))

    def test_a_damaged_record_is_named(self, plan: Plan, tmp_path: Path) -> None:
        (tmp_path / "plan.json").write_text("[1")
        with pytest.raises(ValueError, match=r"plan\.json is damaged: delete"):
            begin_run(tmp_path, plan)


def test_weights_of_another_architecture_are_refused(drill: CategoryFolder, tmp_path: Path) -> None:
    tiny = tiny_weights(tmp_path / "tiny.safetensors")
    assert make_plan([drill], start=tiny).start == tiny
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        make_plan([drill], start=tmp_path / "none.safetensors")
    save_model(ReferencePoseModel(), tmp_path / "reference.safetensors", {})
    with pytest.raises(ValueError, match="is a genpose-reference: own categories are trained from"):
        make_plan([drill], start=tmp_path / "reference.safetensors")


@pytest.mark.parametrize(("minutes", "clouds"), [(0.0, 0), (float("nan"), 0), (8.0, -1)])
def test_budgets_out_of_range_are_refused(minutes: float, clouds: int) -> None:
    with pytest.raises(ValueError, match="must"):
        Budget(minutes, clouds)

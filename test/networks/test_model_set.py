# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Several checkpoints side by side: which belongs to which class, and what is refused."""

import pytest

from genpose_ros.geometry import Category, CategorySet
from genpose_ros.networks import (
    LightConfig,
    LightPoseModel,
    ModelSet,
    absolute_weights,
    checkpoint_files,
    default_weights,
    known_categories,
    save_model,
)

SMALL = LightConfig(
    patches=8, neighbours=8, subset=64, width=16, layers=1, attention_heads=2, head_width=16
)
DRILL = Category(name="drill", aliases=("Power Drill",))
TIN = Category(name="tin")


@pytest.fixture
def saved(tmp_path):
    """Saves a small model of some categories; gives its path."""

    def save(name: str, *categories: Category) -> str:
        model, path = LightPoseModel(SMALL), tmp_path / f"{name}.safetensors"
        model.categories = CategorySet(categories)
        save_model(model, path, {})
        return str(path)

    return save


class TestCheckpointFiles:
    def test_commas_part_files_and_spaces_do_not_count(self):
        assert list(map(str, checkpoint_files(" a.bin , b.bin,"))) == ["a.bin", "b.bin"]

    @pytest.mark.parametrize("nothing", ["", " ", ","])
    def test_no_name_stands_for_the_released_weights(self, nothing):
        assert checkpoint_files(nothing) == (default_weights(),)

    def test_a_comma_in_the_name_of_an_existing_file_is_part_of_it(self, tmp_path):
        path = tmp_path / "a,b.safetensors"
        path.touch()
        assert checkpoint_files(str(path)) == (path,)

    def test_relative_names_become_absolute_and_missing_files_are_named(
        self, saved, tmp_path, monkeypatch
    ):
        first, second = saved("a", DRILL), saved("b", TIN)
        monkeypatch.chdir(tmp_path)
        assert absolute_weights("a.safetensors, b.safetensors") == f"{first},{second}"
        with pytest.raises(FileNotFoundError, match=r"no checkpoint at c\.safetensors"):
            absolute_weights("a.safetensors,c.safetensors")


class TestModelSet:
    def test_each_class_belongs_to_the_checkpoint_that_knows_it(self, saved):
        weights = f"{saved('drills', DRILL)},{saved('tins', TIN)}"
        models = ModelSet.load(weights)
        assert models.categories.names == known_categories(weights).names == ("drill", "tin")
        assert [models.index_of(name) for name in ("drill", "tin")] == [0, 1]
        assert [file.name for file in models.files] == ["drills.safetensors", "tins.safetensors"]
        assert not any(model.training for model in models.models)

    def test_a_class_of_no_model_is_refused_with_those_that_are_known(self, saved):
        models = ModelSet.load(f"{saved('drills', DRILL)},{saved('tins', TIN)}")
        with pytest.raises(ValueError, match="unknown category 'mug'; expected one of drill, tin"):
            models.index_of("mug")

    @pytest.mark.parametrize("other", [DRILL, Category(name="tool", aliases=("POWER DRILL",))])
    def test_a_class_in_two_checkpoints_is_refused_with_the_names_of_both(self, saved, other):
        weights = f"{saved('tins', TIN)},{saved('ours', DRILL)},{saved('theirs', other)}"
        for load in (ModelSet.load, known_categories):
            with pytest.raises(ValueError, match=r"(?i)drill") as caught:
                load(weights)
            assert "known by both" in str(caught.value).lower()
            assert "ours.safetensors" in str(caught.value)
            assert "theirs.safetensors" in str(caught.value)
            assert "tins.safetensors" not in str(caught.value)

    def test_a_missing_checkpoint_of_several_is_named(self, saved):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            ModelSet.load(f"{saved('tins', TIN)},/nowhere.safetensors")

    def test_energy_weights_do_not_say_whose_of_several_they_are(self, saved):
        with pytest.raises(ValueError, match="energy weights belong to one checkpoint"):
            ModelSet.load(f"{saved('drills', DRILL)},{saved('tins', TIN)}", "energy.pth")

    def test_models_made_in_memory_are_told_apart_by_their_numbers(self):
        first, second = LightPoseModel(SMALL), LightPoseModel(SMALL)
        with pytest.raises(ValueError, match="known by both model 1 and model 2"):
            ModelSet((first, second))
        second.categories = CategorySet((DRILL,))
        assert ModelSet((first, second)).categories.names[-2:] == ("mug", "drill")

    def test_a_set_without_models_is_refused(self):
        with pytest.raises(ValueError, match="expected one model or more"):
            ModelSet(())

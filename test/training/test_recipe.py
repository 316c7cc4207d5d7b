# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genpose_ros.networks.checkpoints import describe_checkpoint
from genpose_ros.synthesis import ShapeLibrary
from genpose_ros.synthesis.shards import SHARD_SIZE, SetRecipe
from genpose_ros.training import load_recipe, parse_changes, recipe_names, train_run
from genpose_ros.training.objectives import objective_of
from genpose_ros.training.state import build_model


def test_those_of_the_package_can_be_trained() -> None:
    assert set(recipe_names()) >= {
        "light",
        "light-small",
        "gpu-25min",
        "paper",
        "real-depth",
        "release",
    }
    for name in recipe_names():
        recipe = load_recipe(name)
        assert recipe.description
        objective_of(build_model(recipe.architecture, recipe.model), recipe.score)


def test_the_small_one_is_small() -> None:
    sizes = [
        sum(p.numel() for p in build_model(recipe.architecture, recipe.model).parameters())
        for recipe in map(load_recipe, ("light-small", "light"))
    ]
    assert sizes[0] < sizes[1] / 2


def test_the_paper_s_is_the_reference_s() -> None:
    # Section 7 of the method: batch, draws, Adam, warm-up, decay, clip, EMA, uniform t.
    s = load_recipe("paper").score
    assert (s.batch, s.draws, s.learning_rate, s.warm_up) == (192, 20, 1e-3, 100)
    assert (s.schedule, s.epoch_decay, s.lowest_rate) == ("epochs", 0.98, 1e-4)
    assert (s.clip, s.average, s.weight_decay) == (1.0, 0.999, 0.0)
    assert (s.weighting, s.middle_share, s.sigma_low, s.sigma_high) == ("paper", 0.0, 0.01, 0.0)


def test_a_file_of_one_s_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    # YAML itself takes 1e-4 for a text.
    file.write_text("model: {width: 64}\nscore: {learning_rate: 1e-4, minutes: 5}\n")
    recipe = load_recipe(file)
    assert recipe.name == "mine"
    assert recipe.model == {"width": 64}
    assert recipe.score.learning_rate == 1e-4
    assert recipe.score.minutes == 5.0
    assert recipe.energy.target == "energy"
    assert recipe.changed("energy", {"draws": 4}).energy.draws == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scores: {}", "unknown key 'scores'; did you mean score?"),
        ("score: {drews: 3}", "unknown score setting 'drews'; did you mean draws?"),
        ("score: {target: energy}", "unknown score setting 'target'"),
        ("score: {draws: many}", "draws expects int, got 'many'"),
        ("score: {draws: 0}", r"score: draws must lie in \[1, 1024\], got 0"),
        ("score: {draws: 2.5}", "draws must be int, got float 2.5"),
        ("score: 3", "score must be a mapping"),
        ("architecture: big", "architecture must be genpose-light or genpose-reference"),
        ("model: {depth: 3}", "no config of genpose-light: .*depth"),
        ("model: {width: 63}", "not a multiple of 4 attention heads"),
        ("architecture: genpose-reference", "no config of genpose-reference: 'energy'"),
        ("- light", "a recipe is a mapping"),
        ("score: [", "not usable YAML"),
        ("data: 5", "data must be a mapping"),
        ("data: {cloud: 5}", "unknown data entry 'cloud'; did you mean clouds?"),
        ("data: {seed: 5}", "data: clouds must be a whole number of 1 or more, got None"),
        ("data: {clouds: 5, seed: -1}", "data: seed must be a whole number of 0 or more, got -1"),
        ("data: {clouds: 5, mesh_share: 2}", r"data: mesh_share must lie in \[0, 1\], got 2"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=rf"bad\.yaml.*{message}"):
        load_recipe(file)


def test_names_and_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no recipe is called 'lihgt'; there are .*light"):
        load_recipe("lihgt")
    with pytest.raises(FileNotFoundError):
        load_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("draws=8", {"draws": 8}),
        ("learning_rate=1e-4", {"learning_rate": 1e-4}),
        ("bf16=false", {"bf16": False}),
        ("weighting=paper", {"weighting": "paper"}),
    ],
)
def test_changes_take_the_setting_s_type(change: str, expected: dict[str, Any]) -> None:
    values = parse_changes([change])
    assert values == expected
    assert [type(value) for value in values.values()] == [type(v) for v in expected.values()]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("draws", "expects name=value"),
        ("draw=8", "did you mean draws"),
        ("bf16=yes", "bf16 expects true or false"),
        ("draws=1e3", "draws expects int"),
    ],
)
def test_changes_are_checked(change: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_changes([change])


class TestRelease:
    """The recipe that rebuilds weights: nothing in it depends on a clock."""

    def test_clouds_steps_and_seeds_are_given(self) -> None:
        recipe = load_recipe("release")
        assert recipe.data == SetRecipe(112 * SHARD_SIZE, 71, ShapeLibrary(mesh_share=0.25))
        assert (recipe.score.steps, recipe.score.batch, recipe.score.seed) == (30_000, 96, 7)
        assert (recipe.energy.steps, recipe.energy.batch, recipe.energy.seed) == (2_000, 96, 8)

    def test_the_steps_decide_and_not_the_minutes(self) -> None:
        # Even where a step takes three minutes.
        for target in ("score", "energy"):
            settings = load_recipe("release").settings(target)
            assert 3 * settings.steps < settings.minutes

    @pytest.mark.slow
    def test_its_first_steps_repeat_from_the_seed(
        self, tmp_path: Path, write_shard: Callable[..., None]
    ) -> None:
        data = tmp_path / "set"
        data.mkdir()
        write_shard(data / "shard-00000.safetensors")
        recipe = load_recipe("release")
        for target in ("score", "energy"):
            few = {"steps": 2, "batch": 8, "validate_every_min": 0, "device": "cpu"}
            recipe = recipe.changed(target, few)
        hashes = []
        for name, seed in (("first", 7), ("again", 7), ("other", 9)):
            changed = recipe.changed("score", {"seed": seed})
            for target in ("score", "energy"):
                result = train_run(data, tmp_path / name, changed, target)
                assert (result.training.steps, result.training.finished) == (2, True)
            hashes.append(describe_checkpoint(result.checkpoint)["tensor_sha256"])
        assert hashes[0] == hashes[1] != hashes[2]

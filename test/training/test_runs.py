# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from genpose_ros.files import folder_lock
from genpose_ros.geometry import NOCS, Category, CategorySet
from genpose_ros.networks import (
    LightConfig,
    ReferencePoseModel,
    describe_checkpoint,
    load_categories,
    load_model,
    save_model,
)
from genpose_ros.training import (
    CloudPool,
    Recipe,
    TrainingSettings,
    averaged_model,
    load_recipe,
    train_run,
)


@pytest.fixture
def recipe(small_config: LightConfig) -> Recipe:
    common: dict[str, Any] = {"batch": 8, "draws": 4, "bf16": False, "validate_every_min": 0.0}
    score = TrainingSettings(steps=3, device="cpu", **common)
    return Recipe(
        "small", "", "genpose-light", vars(small_config), score, replace(score, target="energy")
    )


@pytest.fixture
def data(pool: CloudPool, tmp_path: Path) -> Path:
    (tmp_path / "set" / "recipe.json").write_text('{"seed": 5}')
    return tmp_path / "set"


def longer(recipe: Recipe, steps: int = 6) -> Recipe:
    return recipe.changed("score", {"steps": steps}).changed("energy", {"steps": steps})


def test_a_second_training_in_the_same_folder_is_refused_and_harms_nothing(
    data: Path, tmp_path: Path, recipe: Recipe
) -> None:
    run = tmp_path / "run"
    with folder_lock(run), pytest.raises(BlockingIOError, match=r"another process .* works in"):
        train_run(data, run, recipe, "score")
    assert [file.name for file in run.iterdir()] == [".lock"]
    train_run(data, run, recipe, "score")


def test_score_then_energy_gives_a_complete_checkpoint(
    data: Path, tmp_path: Path, recipe: Recipe
) -> None:
    score = train_run(data, tmp_path / "run", recipe, "score").training.model
    result = train_run(data, tmp_path / "run", recipe, "energy")
    described = describe_checkpoint(result.checkpoint)
    assert described["training_data"] == '{"seed": 5}'
    assert described["has_trained_energy"] == "true"
    assert described["recipe"] == "small"
    assert json.loads(described["settings"])["draws"] == 4
    assert described["steps"] == "3"
    model = load_model(result.checkpoint)
    for name, value in score.state_dict().items():
        if not name.startswith("energy_head"):
            assert torch.equal(model.state_dict()[name], value)


def test_weights_know_the_categories_of_their_clouds(
    data: Path, tmp_path: Path, recipe: Recipe
) -> None:
    mugs = CategorySet((NOCS["mug"],))
    (data / "recipe.json").write_text(json.dumps({"categories": json.loads(mugs.to_text())}))
    assert load_categories(train_run(data, tmp_path / "a", recipe, "score").checkpoint) == mugs
    assert load_categories(train_run(data, tmp_path / "a", recipe, "energy").checkpoint) == mugs


def test_clouds_of_which_there_are_no_shapes_need_some_to_validate_on(
    data: Path, tmp_path: Path, recipe: Recipe
) -> None:
    drills = CategorySet((Category(name="drill"),))
    (data / "recipe.json").write_text(json.dumps({"categories": json.loads(drills.to_text())}))
    with pytest.raises(ValueError, match="no shapes of the category drill"):
        train_run(data, tmp_path / "run", recipe, "score")


class TestEnergy:
    def test_the_energy_starts_anew_when_the_score_has_been_trained_on(
        self, data: Path, tmp_path: Path, recipe: Recipe, caplog: pytest.LogCaptureFixture
    ) -> None:
        run = tmp_path / "run"
        train_run(data, run, recipe, "score")
        train_run(data, run, recipe, "energy")
        # The same score: the budget is used up, nothing is trained.
        assert train_run(data, run, recipe, "energy").training.steps == 0
        score = train_run(data, run, longer(recipe), "score").training.model
        result = train_run(data, run, recipe, "energy")
        assert "starts anew" in caplog.text
        assert result.training.steps == 3
        exported = load_model(result.checkpoint).state_dict()
        for name, value in score.state_dict().items():
            if not name.startswith("energy_head"):
                assert torch.equal(exported[name], value)

    def test_an_energy_run_goes_on_without_its_score(
        self, data: Path, tmp_path: Path, recipe: Recipe
    ) -> None:
        run = tmp_path / "run"
        train_run(data, run, recipe, "score")
        train_run(data, run, recipe, "energy")
        (run / "score.pt").unlink()
        result = train_run(data, run, longer(recipe), "energy")
        assert result.training.steps == 3
        assert describe_checkpoint(result.checkpoint)["last_trained"] == "energy"

    def test_a_new_energy_run_needs_a_score(
        self, data: Path, tmp_path: Path, recipe: Recipe
    ) -> None:
        with pytest.raises(ValueError, match="genpose train score first"):
            train_run(data, tmp_path / "run", recipe, "energy")

    def test_an_energy_run_needs_a_score_of_its_architecture(
        self, data: Path, tmp_path: Path, recipe: Recipe
    ) -> None:
        train_run(data, tmp_path / "run", recipe, "score")
        with pytest.raises(ValueError, match="holds a genpose-light, the recipe paper"):
            train_run(data, tmp_path / "run", load_recipe("paper"), "energy")

    @pytest.mark.slow
    def test_the_energy_of_the_reference_is_a_network_of_its_own(
        self, data: Path, tmp_path: Path
    ) -> None:
        recipe = load_recipe("paper")
        for target in ("score", "energy"):
            changes = {"steps": 1, "batch": 2, "draws": 2, "validate_every_min": 0.0}
            recipe = recipe.changed(target, {**changes, "device": "cpu"})
            result = train_run(data, tmp_path / "run", recipe, target)
        score = averaged_model(tmp_path / "run" / "score.pt")
        model = load_model(result.checkpoint)
        assert isinstance(model, ReferencePoseModel)
        assert model.has_energy
        for name, value in score.state_dict().items():
            assert torch.equal(model.state_dict()[name], value)


class TestInterruption:
    def test_an_interrupted_run_exports_its_weights(
        self, data: Path, tmp_path: Path, recipe: Recipe
    ) -> None:
        run = tmp_path / "run"
        train_run(data, run, recipe, "score")

        def stop(_progress: object) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train_run(data, run, longer(recipe), "score", stop)
        assert int(describe_checkpoint(run / "genpose.safetensors")["steps"]) > 3

    def test_a_run_stops_after_the_given_time_and_goes_on(
        self, data: Path, tmp_path: Path, recipe: Recipe
    ) -> None:
        run = tmp_path / "run"
        first = train_run(data, run, longer(recipe, 1000), "score", stop_after_minutes=0.01)
        assert not first.training.finished
        assert 1 <= first.training.steps < 1000
        assert first.checkpoint.exists()

    @pytest.mark.slow
    def test_sigkill_costs_no_more_than_the_time_between_states(
        self, data: Path, tmp_path: Path, recipe: Recipe
    ) -> None:
        run = tmp_path / "run"
        changed = longer(recipe, 10**6).changed("score", {"save_every_s": 0.5})
        (tmp_path / "job.py").write_text(_JOB.format(data=str(data), run=str(run), recipe=changed))
        process = subprocess.Popen([sys.executable, tmp_path / "job.py"])
        state = run / "score.pt"
        _wait_for(lambda: state.exists() and _step(state) >= 5)
        before = _step(state)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert _step(state) >= before
        rest = train_run(data, run, changed.changed("score", {"steps": _step(state) + 2}), "score")
        assert rest.training.steps == 2


class TestStart:
    def test_a_new_score_run_starts_from_the_given_weights(
        self, data: Path, tmp_path: Path, recipe: Recipe
    ) -> None:
        first = train_run(data, tmp_path / "a", recipe, "score")
        start = tmp_path / "start.safetensors"
        first.checkpoint.rename(start)
        still = recipe.changed("score", {"learning_rate": 1e-12, "steps": 1})
        result = train_run(data, tmp_path / "b", still, "score", start=start)
        before, after = load_model(start).state_dict(), load_model(result.checkpoint).state_dict()
        for name, value in before.items():
            torch.testing.assert_close(after[name], value, atol=1e-6, rtol=0)

    def test_start_weights_of_another_model_are_refused(
        self, data: Path, tmp_path: Path, recipe: Recipe
    ) -> None:
        save_model(ReferencePoseModel(), tmp_path / "reference.safetensors", {})
        with pytest.raises(ValueError, match=r"is genpose-reference .* trains genpose-light"):
            train_run(
                *(data, tmp_path / "run", recipe, "score"),
                start=tmp_path / "reference.safetensors",
            )


#: A run in a process of its own.
_JOB = """\
from pathlib import Path
from genpose_ros.training import Recipe, TrainingSettings, train_run
train_run(Path({data!r}), Path({run!r}), {recipe!r}, "score")
"""


def _step(state: Path) -> int:
    return torch.load(state, weights_only=True)["step"]


def _wait_for(condition: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize(("native", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_bfloat16_is_left_to_cpus_that_multiply_in_it(
    data: Path, tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch,
    native: bool, precision: str,
) -> None:  # fmt: skip
    seen = []

    class Spy(torch.autocast):
        def __init__(self, device: str, dtype: torch.dtype, *, enabled: bool = True) -> None:
            seen.append("bfloat16" if enabled else "float32")
            super().__init__(device, dtype, enabled=enabled)

    monkeypatch.setattr("genpose_ros.training.runs.emulates_bf16", lambda device: not native)
    monkeypatch.setattr("torch.autocast", Spy)
    train_run(data, tmp_path / "run", recipe.changed("score", {"bf16": True, "steps": 1}), "score")
    assert set(seen) <= {precision}
    assert ("bfloat16" in seen) == native

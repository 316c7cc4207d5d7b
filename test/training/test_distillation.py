# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Distilling: flows that are kept, a head beside what the weights hold, and where its flows end."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from genpose_ros.diffusion import sample_euler
from genpose_ros.networks import (
    LightConfig,
    LightPoseModel,
    describe_checkpoint,
    load_model,
    save_model,
)
from genpose_ros.networks.checkpoints import load_attachments
from genpose_ros.networks.interface import Up
from genpose_ros.networks.light import with_distilled_head, without_distilled_head
from genpose_ros.training import (
    CloudPool,
    Recipe,
    TrainingSettings,
    distil_run,
    load_recipe,
    train_run,
)
from genpose_ros.training.flows import FlowBatch, FlowPool, make_flows
from genpose_ros.training.objectives import DistilObjective, objective_of
from genpose_ros.training.parallel import Workers

SETTINGS = TrainingSettings(
    target="distil",
    steps=3,
    batch=16,
    draws=4,
    flow_clouds=600,
    flow_starts=3,
    flow_steps=4,
    distilled_layers=2,
    distilled_width=16,
    bf16=False,
    validate_every_min=0.0,
    device="cpu",
)


@pytest.fixture
def model(small_config: LightConfig) -> LightPoseModel:
    """A model whose score is not zero, unlike a fresh one's."""
    torch.manual_seed(0)
    made = LightPoseModel(small_config)
    torch.nn.init.normal_(made.score_head.leave.weight, std=0.05)
    return made.eval()


@pytest.fixture
def recipe(small_config: LightConfig) -> Recipe:
    other = TrainingSettings()
    return Recipe("small", "", "genpose-light", vars(small_config), other, other, distil=SETTINGS)


@pytest.fixture
def finished(model: LightPoseModel, tmp_path: Path) -> Path:
    file = tmp_path / "finished.safetensors"
    save_model(model, file, {"training_data": "blobs"}, {"mesh/000": torch.ones(3)})
    return file


def flow_pool(pool: CloudPool, model: LightPoseModel, folder: Path) -> FlowPool:
    return FlowPool(pool, model, SETTINGS, folder, workers=Workers(torch.device("cpu")))


class TestFlows:
    @pytest.mark.parametrize("number", [0, 1])
    def test_flows_end_where_the_solver_ends_from_every_place_along_them(
        self, pool: CloudPool, model: LightPoseModel, number: int
    ) -> None:
        made = make_flows(pool, model, SETTINGS, number, torch.device("cpu"))
        assert made["features"].shape == (512, model.encoder.out_features)
        assert made["state"].shape == (512, 3, 4, 9)
        batch = pool.draw(number, replace(SETTINGS, batch=512))
        encoding = model.encode(batch.points_cam, up=Up(batch.up, batch.level_m))
        levels = made["sigma"][0].double()
        for place in range(4):
            end = sample_euler(
                lambda x, s: model.score(x, s, encoding),
                made["state"][:, :, place].float(),
                levels[place:],
            ).x
            # States are kept in half precision: a thousandth of their level.
            assert (end - made["end"]).abs().max() < 2e-3 * max(1.0, 3 * float(levels[place]))

    def test_every_second_part_starts_lower_around_the_truth(
        self, pool: CloudPool, model: LightPoseModel
    ) -> None:
        parts = [make_flows(pool, model, SETTINGS, n, torch.device("cpu")) for n in range(2)]
        first, second = (float(part["sigma"][0, 0]) for part in parts)
        assert first == SETTINGS.flow_sigma
        assert 0.1 <= second < first
        # Noise of that level on vectors of unit columns.
        assert float(parts[0]["state"][:, :, 0].float().std()) == pytest.approx(first, rel=0.05)

    def test_parts_are_kept_and_a_damaged_one_is_named(
        self, pool: CloudPool, model: LightPoseModel, tmp_path: Path
    ) -> None:
        first = flow_pool(pool, model, tmp_path / "flows")
        files = sorted((tmp_path / "flows").iterdir())
        stamps = [file.stat().st_mtime_ns for file in files]
        again = flow_pool(pool, model, tmp_path / "flows")
        assert [file.stat().st_mtime_ns for file in files] == stamps
        assert len(files) == 2
        one, two = (p.draw(3, SETTINGS) for p in (first, again))
        assert torch.equal(one.state, two.state)
        files[1].write_bytes(b"nothing")
        with pytest.raises(ValueError, match=r"part-00001\.safetensors is damaged"):
            flow_pool(pool, model, tmp_path / "flows")

    def test_processes_share_a_step_without_changing_it(
        self, pool: CloudPool, model: LightPoseModel, tmp_path: Path
    ) -> None:
        flows = flow_pool(pool, model, tmp_path / "flows")
        whole = flows.draw(1, SETTINGS)
        halves = [flows.draw(1, SETTINGS, rank=rank, ranks=2) for rank in range(2)]
        assert torch.equal(whole.end[::2], halves[0].end)
        assert torch.equal(whole.state[1::2], halves[1].state)


class TestHead:
    def test_a_head_of_the_scores_size_begins_as_the_score(self, model: LightPoseModel) -> None:
        c = model.settings
        made = with_distilled_head(model, layers=c.head_layers, width=c.head_width, sigma=0.5)
        points = torch.rand(2, 64, 3) * 0.1 + torch.tensor([0.0, 0.0, 0.8])
        encoding = made.encode(points)
        pose, sigma = torch.randn(2, 5, 9), torch.tensor(0.7)
        end = made.flow_end(pose, sigma, encoding)
        assert torch.allclose(end, model.denoise(pose, sigma, model.encode(points)), atol=1e-6)
        assert made.distilled_sigma == 0.5

    def test_without_it_the_model_is_what_it_was(self, model: LightPoseModel) -> None:
        made = with_distilled_head(model, layers=1, width=8, sigma=0.5)
        back = without_distilled_head(made)
        assert back.config() == model.config()
        assert all(torch.equal(v, model.state_dict()[k]) for k, v in back.state_dict().items())
        encoding = back.encode(torch.rand(1, 64, 3) + 0.5)
        with pytest.raises(ValueError, match="no distilled head"):
            back.flow_end(torch.zeros(1, 1, 9), torch.tensor(1.0), encoding)

    def test_the_loss_is_zero_at_the_ends_and_grows_with_the_distance(
        self, model: LightPoseModel
    ) -> None:
        made = with_distilled_head(model, layers=1, width=8, sigma=0.5)
        objective = DistilObjective(made, SETTINGS)
        features, sigma = torch.randn(2, model.encoder.out_features), torch.full((2, 3, 1), 0.5)
        state = torch.randn(2, 3, 9)
        condition = made.distilled_head.condition(features)
        end = made.flow_end_of(state, sigma, condition).detach()
        nothing = objective(features, state, sigma, end)[0].detach()
        assert float(nothing) == pytest.approx(0, abs=1e-6)
        # At sigma = sigma_data = 0.5 the preconditioning scales answers by 0.5 / sqrt(2).
        off = end + torch.tensor([0.5, *[0.0] * 8])
        c, apart = SETTINGS.huber, 2**0.5
        expected = (apart**2 + c**2) ** 0.5 - c
        loss = objective(features, state, sigma, off)[0].detach()
        assert float(loss) == pytest.approx(expected, rel=1e-4)

    def test_only_the_head_is_trained(self, model: LightPoseModel) -> None:
        made = with_distilled_head(model, layers=1, width=8, sigma=0.5)
        objective_of(made, SETTINGS)
        trained = {name for name, p in made.named_parameters() if p.requires_grad}
        assert trained
        assert all(name.startswith("distilled_head.") for name in trained)
        with pytest.raises(ValueError, match="no distilled head to train"):
            objective_of(model, SETTINGS)


class TestRun:
    def test_everything_but_the_head_stays(
        self, pool: CloudPool, tmp_path: Path, recipe: Recipe, finished: Path
    ) -> None:
        result = distil_run(tmp_path / "set", tmp_path / "run", recipe, start=finished)
        assert (result.training.steps, result.training.finished) == (3, True)
        before, after = load_model(finished), load_model(result.checkpoint)
        assert isinstance(after, LightPoseModel)
        assert after.distilled_sigma == SETTINGS.distilled_sigma
        for name, values in before.state_dict().items():
            assert torch.equal(values, after.state_dict()[name]), name
        described = describe_checkpoint(result.checkpoint)
        made = json.loads(described["distillation"])
        assert (made["version"], made["steps"]) == (1, 3)
        assert made["teacher_sha256"] == describe_checkpoint(finished)["tensor_sha256"]
        assert described["training_data"] == "blobs"
        assert torch.equal(load_attachments(result.checkpoint)["mesh/000"], torch.ones(3))
        assert not list((tmp_path / "run").glob("flows-*"))

    def test_a_run_in_parts_takes_the_way_of_a_run_in_one_piece(
        self, pool: CloudPool, tmp_path: Path, recipe: Recipe, finished: Path
    ) -> None:
        hashes = []
        even = recipe.changed("distil", {"flat": 0.99})
        for name, ends in (("whole", (3,)), ("parts", (2, 3))):
            for end in ends:
                part = even.changed("distil", {"steps": end})
                result = distil_run(tmp_path / "set", tmp_path / name, part, start=finished)
            hashes.append(describe_checkpoint(result.checkpoint)["tensor_sha256"])
        assert hashes[0] == hashes[1]

    def test_another_model_starts_the_head_anew(
        self, pool: CloudPool, tmp_path: Path, recipe: Recipe, finished: Path, model: LightPoseModel
    ) -> None:
        distil_run(tmp_path / "set", tmp_path / "run", recipe, start=finished)
        torch.nn.init.ones_(model.score_head.leave.bias)
        save_model(model, finished, {})
        result = distil_run(tmp_path / "set", tmp_path / "run", recipe, start=finished)
        assert result.training.steps == 3
        # The run's own checkpoint, which has a head by now, is the same teacher.
        assert distil_run(tmp_path / "set", tmp_path / "run", recipe).training.steps == 0

    def test_a_score_run_drops_the_head_of_its_start(
        self, pool: CloudPool, tmp_path: Path, recipe: Recipe, finished: Path
    ) -> None:
        distilled = distil_run(tmp_path / "set", tmp_path / "a", recipe, start=finished).checkpoint
        changed = {"steps": 1, "batch": 8, "device": "cpu", "bf16": False}
        scored = recipe.changed("score", {**changed, "validate_every_min": 0.0})
        result = train_run(tmp_path / "set", tmp_path / "b", scored, "score", start=distilled)
        assert load_model(result.checkpoint).distilled_sigma is None

    def test_other_architectures_and_categories_are_refused(
        self, pool: CloudPool, tmp_path: Path, recipe: Recipe
    ) -> None:
        with pytest.raises(FileNotFoundError):
            distil_run(tmp_path / "set", tmp_path / "run", recipe)


def test_a_flow_batch_goes_to_a_device_whole() -> None:
    batch = FlowBatch(*(torch.zeros(1, 2) for _ in range(4)))
    assert vars(batch.to(torch.device("cpu"))).keys() == vars(batch).keys()


def test_recipes_say_how_to_distil() -> None:
    assert load_recipe("light").distil.target == "distil"
    assert load_recipe("gpu-10min").distil.minutes < 2

from pathlib import Path

import pytest
import torch

from genpose_ros.networks import ReferencePoseModel, describe_checkpoint, load_model, save_model
from genpose_ros.networks.light import LightConfig, LightPoseModel
from genpose_ros.training import CloudPool, TrainingSettings, train, train_run

SMALL = LightConfig(patches=8, neighbours=8, subset=64, width=16, layers=1, attention_heads=2)


def settings(target: str) -> TrainingSettings:
    return TrainingSettings(target=target, minutes=0.01, batch=8, draws=4, bf16=False)


def test_score_then_energy_gives_a_complete_checkpoint(pool: CloudPool, tmp_path: Path) -> None:
    data, run = tmp_path / "set", tmp_path / "run"
    (data / "recipe.json").write_text('{"seed": 5}')
    # A small network, so that the test is quick: the run goes on from this state.
    score = train(pool, run / "score.pt", settings("score"), config=SMALL)
    checkpoint = train_run(data, run, settings("energy"))
    described = describe_checkpoint(checkpoint)
    assert described["training_data"] == '{"seed": 5}'
    assert described["has_trained_energy"] == "true"
    assert int(described["steps"]) > 0
    model = load_model(checkpoint)
    for name, value in score.state_dict().items():
        if not name.startswith("energy_head"):
            assert torch.equal(model.state_dict()[name], value)


def test_an_energy_goes_on_with_its_own_score_alone(
    pool: CloudPool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    train(pool, run / "score.pt", settings("score"), config=SMALL)
    checkpoint = train_run(tmp_path / "set", run, settings("energy"))
    steps = int(describe_checkpoint(checkpoint)["steps"])
    # The same score: the budget is used up, nothing is trained.
    train_run(tmp_path / "set", run, settings("energy"))
    assert int(describe_checkpoint(checkpoint)["steps"]) == steps
    longer = TrainingSettings(minutes=0.04, batch=8, draws=4, bf16=False)
    score = train(pool, run / "score.pt", longer)
    train_run(tmp_path / "set", run, settings("energy"))
    assert "starts anew" in caplog.text
    exported = load_model(checkpoint).state_dict()
    for name, value in score.state_dict().items():
        if not name.startswith("energy_head"):
            assert torch.equal(exported[name], value)


def test_an_energy_goes_on_without_its_score(pool: CloudPool, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(pool, run / "score.pt", settings("score"), config=SMALL)
    train_run(tmp_path / "set", run, settings("energy"))
    (run / "score.pt").unlink()
    checkpoint = train_run(tmp_path / "set", run, settings("energy"))
    assert describe_checkpoint(checkpoint)["last_trained"] == "energy"


def test_an_energy_run_needs_a_score(pool: CloudPool, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="genpose train score first"):
        train_run(tmp_path / "set", tmp_path / "run", settings("energy"))


def test_what_is_there_is_exported_when_a_run_is_interrupted(
    pool: CloudPool, tmp_path: Path
) -> None:
    train(pool, tmp_path / "run" / "score.pt", settings("score"), config=SMALL)

    def stop(_progress: object) -> None:
        raise KeyboardInterrupt

    longer = TrainingSettings(minutes=1, batch=8, draws=4, bf16=False)
    with pytest.raises(KeyboardInterrupt):
        train_run(tmp_path / "set", tmp_path / "run", longer, stop)
    checkpoint = tmp_path / "run" / "genpose.safetensors"
    assert describe_checkpoint(checkpoint)["last_trained"] == "score"


def test_a_score_run_starts_from_a_checkpoint(pool: CloudPool, tmp_path: Path) -> None:
    torch.manual_seed(5)
    first = LightPoseModel(SMALL)
    save_model(first, tmp_path / "start.safetensors", {})
    still = TrainingSettings(minutes=0.001, batch=2, draws=1, bf16=False, learning_rate=1e-12)
    train_run(tmp_path / "set", tmp_path / "run", still, checkpoint=tmp_path / "start.safetensors")
    last = load_model(tmp_path / "run" / "genpose.safetensors")
    for name, value in first.state_dict().items():
        torch.testing.assert_close(last.state_dict()[name], value, atol=1e-6, rtol=0)


def test_a_score_run_does_not_start_from_another_architecture(
    pool: CloudPool, tmp_path: Path
) -> None:
    save_model(ReferencePoseModel(), tmp_path / "reference.safetensors", {})
    with pytest.raises(ValueError, match="genpose-light checkpoints only"):
        train_run(
            tmp_path / "set",
            tmp_path / "run",
            settings("score"),
            checkpoint=tmp_path / "reference.safetensors",
        )

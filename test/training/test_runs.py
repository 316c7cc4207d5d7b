from pathlib import Path

import pytest
import torch

from genpose_ros.networks import describe_checkpoint, load_model
from genpose_ros.networks.light import LightConfig
from genpose_ros.training import CloudPool, TrainingSettings, train, train_run

SMALL = LightConfig(patches=8, neighbours=8, subset=64, width=16, layers=1, attention_heads=2)


def settings(target: str) -> TrainingSettings:
    return TrainingSettings(target=target, minutes=0.02, batch=8, draws=4, bf16=False)


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

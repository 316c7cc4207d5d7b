# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

from pathlib import Path

import pytest
import torch

from genpose_ros.networks import LightConfig, LightPoseModel, load_model
from genpose_ros.networks.checkpoints import save_model
from genpose_ros.training.averaging import average_run
from genpose_ros.training.runs import averaged_model
from genpose_ros.training.state import write_state


def small(seed: int, width: int = 48) -> LightPoseModel:
    torch.manual_seed(seed)
    return LightPoseModel(LightConfig(width=width, layers=1, head_width=32, subset=128, patches=16))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose score is finished, and other.safetensors beside it."""
    model = small(0)
    state = {
        "architecture": model.architecture, "config": model.config(), "step": 3, "elapsed": 1.0,
        "model": model.state_dict(), "averaged": model.state_dict(), "optimizer": {},
    }  # fmt: skip
    write_state(state, tmp_path / "score.pt")
    save_model(small(1), tmp_path / "other.safetensors", {})
    return tmp_path


def test_score_and_encoder_become_the_mean_and_the_energy_stays(run: Path) -> None:
    before, other = small(0).state_dict(), load_model(run / "other.safetensors").state_dict()
    average_run(run, run / "other.safetensors", 0.25)
    after = averaged_model(run / "score.pt").state_dict()
    assert any((before[name] != other[name]).any() for name in before if "energy" in name)
    for name, values in after.items():
        share = 0.0 if name.startswith("energy_") else 0.25
        torch.testing.assert_close(values, (1 - share) * before[name] + share * other[name])


def test_what_has_no_mean_is_refused_and_the_state_stays(run: Path) -> None:
    state = (run / "score.pt").read_bytes()
    save_model(small(1, width=96), run / "wider.safetensors", {})
    for weights, share, why in (
        ("wider", 0.5, "only equal networks have a mean"),
        ("other", 1.0, "between 0 and 1, got 1"),
    ):
        with pytest.raises(ValueError, match=why):
            average_run(run, run / f"{weights}.safetensors", share)
        assert (run / "score.pt").read_bytes() == state
    with pytest.raises(ValueError, match="run genpose train score first"):
        average_run(run / "elsewhere", run / "other.safetensors", 0.5)


def test_a_score_is_averaged_once(run: Path) -> None:
    average_run(run, run / "other.safetensors", 0.5)
    with pytest.raises(ValueError, match="has been averaged with other weights already"):
        average_run(run, run / "other.safetensors", 0.5)

from pathlib import Path
from typing import Any

import pytest
import torch

from genpose_ros.networks import LightConfig
from genpose_ros.training import CloudPool, Progress, TrainingSettings, train
from genpose_ros.training import trainer as trainer_module

SMALL = LightConfig(patches=8, neighbours=8, subset=64, width=32, layers=1, attention_heads=2)


def settings(minutes: float, **changes: object) -> TrainingSettings:
    options: dict[str, Any] = {
        "batch": 16,
        "draws": 8,
        "warm_up": 5,
        "learning_rate": 3e-3,
        "bf16": False,
    }
    return TrainingSettings(minutes=minutes, **{**options, **changes})


def test_the_loss_falls_and_the_curve_is_written(pool: CloudPool, tmp_path: Path) -> None:
    seen: list[Progress] = []
    train(pool, tmp_path / "run" / "a.pt", settings(0.1), config=SMALL, on_progress=seen.append)
    assert seen[-1].loss < 0.93 * seen[0].loss
    assert seen[-1].size_loss < seen[0].size_loss
    lines = (tmp_path / "run" / "a.csv").read_text().splitlines()
    assert lines[0].startswith("step,elapsed_s")
    assert len(lines) == len(seen) + 1


def test_an_interrupted_run_goes_on_where_it_was(
    pool: CloudPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.pt"

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(pool, file, settings(0.05), config=SMALL, on_progress=stop)
    before = torch.load(file, weights_only=True)
    assert before["step"] > 0
    assert before["elapsed"] >= 1
    steps: list[int] = []
    original = trainer_module._Run._one_step

    def counted(run: trainer_module._Run, pool: CloudPool) -> tuple[float, float]:
        steps.append(run.step)
        return original(run, pool)

    monkeypatch.setattr(trainer_module._Run, "_one_step", counted)
    train(pool, file, settings(0.05), config=SMALL)
    after = torch.load(file, weights_only=True)
    assert steps[0] == before["step"]
    assert after["step"] == before["step"] + len(steps)
    assert after["elapsed"] >= 3


def test_a_finished_run_only_gives_its_model(pool: CloudPool, tmp_path: Path) -> None:
    first = train(pool, tmp_path / "a.pt", settings(0.02), config=SMALL)
    again = train(pool, tmp_path / "a.pt", settings(0.02))
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_an_energy_run_starts_from_a_score_model(pool: CloudPool, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs a trained score model"):
        train(pool, tmp_path / "e.pt", settings(0.02, target="energy"))
    score = train(pool, tmp_path / "s.pt", settings(0.02), config=SMALL)
    both = train(pool, tmp_path / "e.pt", settings(0.05, target="energy"), start=score)
    assert torch.equal(both.score_head.leave.weight, score.score_head.leave.weight)
    assert not torch.equal(both.energy_head.leave.weight, score.energy_head.leave.weight)


def test_a_loss_that_is_not_finite_stops_with_its_batch_saved(
    pool: CloudPool, tmp_path: Path
) -> None:
    for shard in pool._shards.values():
        shard["translation"].fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="lower learning rate"):
        train(pool, tmp_path / "a.pt", settings(0.05), config=SMALL)
    saved = torch.load(tmp_path / "a.nan-batch.pt", weights_only=True)
    assert saved["translation"].isnan().all()


def test_a_loss_that_is_not_finite_leaves_the_last_good_state(
    pool: CloudPool, tmp_path: Path
) -> None:
    file = tmp_path / "a.pt"
    train(pool, file, settings(0.005), config=SMALL)
    before = file.read_bytes()
    for shard in pool._shards.values():
        shard["translation"].fill_(float("nan"))
    with pytest.raises(FloatingPointError):
        train(pool, file, settings(1))
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut"])
def test_a_state_that_is_none_is_named(pool: CloudPool, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.pt is damaged"):
        train(pool, tmp_path / "a.pt", settings(0.01))
    torch.save({"step": 1}, tmp_path / "b.pt")
    with pytest.raises(ValueError, match=r"b\.pt is no state"):
        train(pool, tmp_path / "b.pt", settings(0.01))


def test_a_full_disk_keeps_the_state_before(
    pool: CloudPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.pt"
    train(pool, file, settings(0.005), config=SMALL)
    before = file.read_bytes()

    def full(_state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="is the disk full"):
        train(pool, file, settings(0.01))
    assert file.read_bytes() == before
    assert [path.suffix for path in tmp_path.glob("a.p*")] == [".pt"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "both"}, "score or energy"),
        ({"minutes": 0.0}, "above 0"),
        ({"minutes": float("nan")}, "above 0"),
        ({"minutes": float("inf")}, "above 0"),
        ({"batch": 0}, "batch"),
        ({"flat": 1.0}, "flat"),
    ],
)
def test_settings_are_checked(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingSettings(**changes)

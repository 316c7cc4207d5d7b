# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import builtins
from pathlib import Path
from typing import Any

import pytest

from genpose_ros.training.curves import Curves

COLUMNS = ("step", "loss", "share")


def test_a_new_run_begins_a_new_curve_file(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("of another run\n")
    curves = Curves(file, COLUMNS, step=0)
    curves.write({"step": 1, "loss": 0.123456789})
    curves.write({"step": 1, "share": 50.0})
    assert file.read_text().split() == ["step,loss,share", "1,0.123457,", "1,,50"]


def test_a_run_that_goes_on_drops_rows_after_its_state(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    # A run that was killed while it wrote, with columns of an older version.
    file.write_text("step,elapsed,loss\n1,0.5,9\n2,1.0,8\n3,1.5,7\n4,2")
    Curves(file, COLUMNS, step=2)
    assert file.read_text().split() == ["step,loss,share", "1,9,", "2,8,"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_curves_are_written_without_tensorboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any, **named: Any) -> Any:
        if name.startswith("torch.utils.tensorboard"):
            raise ModuleNotFoundError(name)
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    Curves(tmp_path / "a.csv", COLUMNS, step=0).write({"step": 1, "loss": 1.0})
    assert not (tmp_path / "a").exists()


def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    curves = Curves(tmp_path / "a.csv", COLUMNS, step=0)
    curves.write({"step": 7, "loss": 0.5})
    curves.close()
    events = EventAccumulator(str(tmp_path / "a"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(7, 0.5)]

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Processes that share the gradients, as torchrun starts them: two of them, on the CPU."""

import csv
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from ast import literal_eval
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from genpose_ros.networks import LightConfig
from genpose_ros.training import CloudPool, Recipe, TrainingSettings, train_run
from genpose_ros.training.parallel import connect

pytest.importorskip("lightning_fabric")

#: One process of two that train the score, and on it the energy. A step takes a second of their
#: clock, so that the loss of every step is written.
_EVERY_STEP = """\
import itertools
from pathlib import Path
import torch
from genpose_ros.networks import LightConfig, LightPoseModel
from genpose_ros.training import CloudPool, TrainingSettings, train

def both(data, run, settings):
    torch.manual_seed(0)
    model = LightPoseModel({config!r})
    for target, chosen in settings.items():
        clock = map(float, itertools.count()).__next__
        train(CloudPool(data), run / f"{{target}}.pt", chosen, model, clock=clock)

both(Path({data!r}), Path({run!r}), {settings!r})
"""

_ONE_RUN = """\
from pathlib import Path
from genpose_ros.training import Recipe, TrainingSettings, train_run
train_run(Path({data!r}), Path({run!r}), {recipe!r}, "score")
"""

_MADE_WHILE_TRAINING = """\
import os
from dataclasses import replace
from pathlib import Path
from genpose_ros.synthesis.shards import SetRecipe
from genpose_ros.training import Recipe, TrainingSettings, generated, train_run

made, rank = {{}}, os.environ["RANK"]

class Told(generated.GeneratedPool):
    def draw(self, step, settings, **processes):
        batch = super().draw(step, settings, **processes)
        made[step] = batch.size_m[0].tolist()
        return batch

from genpose_ros.training import runs
runs.GeneratedPool = Told
train_run(SetRecipe(1, seed=5), Path({run!r}), {recipe!r}, "score")
Path({run!r} + "-" + rank).write_text(repr(made))
"""


@pytest.fixture
def settings() -> dict[str, TrainingSettings]:
    common: dict[str, Any] = {"batch": 8, "draws": 4, "bf16": False, "validate_every_min": 0.0}
    return {
        target: TrainingSettings(
            target=target, steps=10, minutes=1e4, device="cpu", warm_up=2, **common
        )
        for target in ("score", "energy")
    }


@contextmanager
def two_processes(job: Path, program: str, **arguments: Any) -> "Iterator[subprocess.Popen[str]]":
    """The program in two processes on this machine, which end with the block."""
    job.write_text(program.format(**arguments))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    process = subprocess.Popen(
        [*torchrun, "--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", job],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        # It ends its own two.
        process.terminate()
        process.wait()


def losses(file: Path) -> dict[int, float]:
    with file.open(newline="") as stream:
        return {int(row["step"]): float(row["loss"]) for row in csv.DictReader(stream)}


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one(
    pool: CloudPool,
    tmp_path: Path,
    write_shard: Any,
    small_config: LightConfig,
    settings: dict[str, TrainingSettings],
) -> None:
    write_shard(tmp_path / "set" / "shard-00001.safetensors", seed=1)
    arguments = {"data": str(tmp_path / "set"), "config": small_config, "settings": settings}
    two = two_processes(tmp_path / "job.py", _EVERY_STEP, run=str(tmp_path / "two"), **arguments)
    with two as process:
        assert process.wait() == 0, process.stderr and process.stderr.read()
    exec(_EVERY_STEP.format(run=str(tmp_path / "one"), **arguments), {})
    for target in settings:
        alone, shared = (losses(tmp_path / run / f"{target}.csv") for run in ("one", "two"))
        assert list(alone) == list(shared) == list(range(1, 11))
        # Six digits are written; float32 sums come in another order.
        assert list(shared.values()) == pytest.approx(list(alone.values()), rel=2e-5)


@pytest.mark.slow
def test_two_processes_stop_together_and_go_on(
    pool: CloudPool,
    tmp_path: Path,
    small_config: LightConfig,
    settings: dict[str, TrainingSettings],
) -> None:
    run = tmp_path / "run"
    recipe = Recipe("small", "", "genpose-light", vars(small_config), **settings)
    recipe = recipe.changed("score", {"steps": 10**6, "save_every_s": 0.1})
    arguments = {"data": str(tmp_path / "set"), "run": str(run), "recipe": recipe}
    with two_processes(tmp_path / "job.py", _ONE_RUN, **arguments) as process:
        while not (run / "score.pt").exists():
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        process.wait()
    steps = torch.load(run / "score.pt", weights_only=True)["step"]
    assert steps > 0
    rest = train_run(tmp_path / "set", run, recipe.changed("score", {"steps": steps + 1}), "score")
    assert rest.training.steps == 1


@pytest.mark.slow
def test_two_processes_make_clouds_of_their_own_for_one_compiled_model(
    tmp_path: Path, small_config: LightConfig
) -> None:
    chosen = TrainingSettings(
        batch=8, draws=4, steps=4, minutes=1e4, device="cpu", bf16=False, validate_every_min=0.0,
        pool_clouds=32, pool_chunk=16, warm_up=2, compile=shutil.which("g++") is not None,
    )  # fmt: skip
    recipe = Recipe("small", "", "genpose-light", vars(small_config), chosen, chosen)
    run = tmp_path / "run"
    arguments = {"run": str(run), "recipe": recipe}
    with two_processes(tmp_path / "job.py", _MADE_WHILE_TRAINING, **arguments) as process:
        assert process.wait() == 0, process.stderr and process.stderr.read()
    first, second = (literal_eval(Path(f"{run}-{rank}").read_text()) for rank in range(2))
    assert first.keys() == second.keys() == set(range(4))
    assert not any(first[step] == second[step] for step in first)
    told = losses(run / "score.csv")
    assert list(told)[-1] == 4
    assert all(math.isfinite(loss) for loss in told.values())


def test_a_process_alone_needs_no_others() -> None:
    workers = connect("cpu")
    assert (workers.rank, workers.count) == (0, 1)
    assert workers.total([1.5, 2.0]) == [1.5, 2.0]


def test_several_processes_do_not_share_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    with pytest.raises(ValueError, match="takes its own GPU: cuda, not cuda:1"):
        connect("cuda:1")

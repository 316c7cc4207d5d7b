# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import csv
import math
import os
import resource
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from genpose_ros.networks import LightConfig, LightPoseModel, ReferencePoseModel, load_model
from genpose_ros.networks.interface import PoseModel
from genpose_ros.synthesis import NOCS_LIBRARY, ShapeLibrary
from genpose_ros.training import CloudPool, Progress, Training, TrainingSettings, train
from genpose_ros.training import trainer as trainer_module
from genpose_ros.training.validation import Validation

Clock = Callable[[], float]


def settings(steps: int, **changes: Any) -> TrainingSettings:
    options: dict[str, Any] = {
        "minutes": 1e4,
        "batch": 16,
        "draws": 8,
        "warm_up": 5,
        "learning_rate": 3e-3,
        "bf16": False,
        "validate_every_min": 0.0,
        "device": "cpu",
    }
    return TrainingSettings(steps=steps, **{**options, **changes})


@pytest.fixture
def fresh(small_config: LightConfig) -> Callable[[], LightPoseModel]:
    def make() -> LightPoseModel:
        torch.manual_seed(0)
        return LightPoseModel(small_config)

    return make


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_training_lowers_the_loss_and_writes_the_curve(
    pool: CloudPool, tmp_path: Path, small_model: LightPoseModel, ticking: Clock
) -> None:
    seen: list[Progress] = []
    file = tmp_path / "run" / "a.pt"
    done = train(pool, file, settings(150), small_model, on_progress=seen.append, clock=ticking)
    assert (done.steps, done.finished) == (150, True)
    assert [progress.step for progress in seen] == list(range(1, 151))
    late, early = (sum(p.loss for p in part) / 20 for part in (seen[-20:], seen[:20]))
    assert late < 0.93 * early
    assert seen[-1].size_loss < seen[0].size_loss
    assert seen[0].clouds_per_s == 16
    written = rows(file.with_suffix(".csv"))
    assert [int(row["step"]) for row in written] == list(range(1, 151))
    assert float(written[-1]["loss"]) == pytest.approx(seen[-1].loss, rel=1e-5)


class TestLearningRate:
    def rates(self, pool: CloudPool, file: Path, model: Any, clock: Clock, **changes: Any) -> list:
        seen: list[float] = []
        settings_ = settings(20, learning_rate=1e-6, **changes)
        train(
            *(pool, file, settings_, model),
            on_progress=lambda now: seen.append(now.learning_rate),
            clock=clock,
        )
        return seen

    def test_the_learning_rate_rises_stays_and_falls_to_zero(
        self, pool: CloudPool, tmp_path: Path, small_model: LightPoseModel, ticking: Clock
    ) -> None:
        rates = self.rates(pool, tmp_path / "a.pt", small_model, ticking, flat=0.5)
        assert rates[:5] == pytest.approx([2e-7, 4e-7, 6e-7, 8e-7, 1e-6])
        assert rates[5:11] == pytest.approx([1e-6] * 6)
        # Step i has used i / 20 of the budget.
        expected = [1e-6 * (0.5 + 0.5 * math.cos(math.pi * (i / 10 - 1))) for i in range(10, 20)]
        assert rates[10:] == pytest.approx(expected)

    def test_the_learning_rate_falls_by_epochs_as_that_of_the_reference(
        self, pool: CloudPool, tmp_path: Path, small_model: LightPoseModel, ticking: Clock
    ) -> None:
        # 64 clouds: an epoch is 4 steps.
        changes = {"schedule": "epochs", "epoch_decay": 0.5, "lowest_rate": 2e-7, "warm_up": 1}
        rates = self.rates(pool, tmp_path / "a.pt", small_model, ticking, **changes)
        expected = [1e-6] * 4 + [5e-7] * 4 + [2.5e-7] * 4 + [2e-7] * 8
        assert rates == pytest.approx(expected)


class TestResuming:
    @pytest.mark.parametrize(
        "beside", [{}, {"place_weight": 1.0, "regression_weight": 1.0, "pairing": "transport"}]
    )
    def test_a_run_in_parts_gives_the_weights_of_one_in_one_piece(
        self, beside: dict, pool: CloudPool, tmp_path: Path, fresh: Callable, ticking: Clock
    ) -> None:
        # Draws follow from the step: a run in two parts equals one without a break.
        changes = {"schedule": "epochs", **beside}
        whole = train(pool, tmp_path / "a.pt", settings(10, **changes), fresh())
        train(pool, tmp_path / "b.pt", settings(6, **changes), fresh())
        parts = train(pool, tmp_path / "b.pt", settings(10, **changes), fresh())
        assert parts.steps == 4
        _assert_equal(whole, parts)

    def test_a_run_goes_on_after_ctrl_c(
        self, pool: CloudPool, tmp_path: Path, fresh: Callable, ticking: Clock
    ) -> None:
        def stop(progress: Progress) -> None:
            if progress.step == 4:
                os.kill(os.getpid(), signal.SIGINT)

        file = tmp_path / "a.pt"
        before = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            train(pool, file, settings(10), fresh(), on_progress=stop, clock=ticking)
        assert signal.getsignal(signal.SIGINT) is before
        # The step under way is finished.
        assert torch.load(file, weights_only=True)["step"] == 5
        rest = train(pool, file, settings(10), fresh(), clock=ticking)
        assert rest.steps == 5
        _assert_equal(rest, train(pool, tmp_path / "b.pt", settings(10), fresh()))

    def test_a_run_goes_on_after_a_given_time(
        self, pool: CloudPool, tmp_path: Path, fresh: Callable, ticking: Clock
    ) -> None:
        file = tmp_path / "a.pt"
        first = train(pool, file, settings(50), fresh(), clock=ticking, stop_after_s=7)
        assert not first.finished
        assert 5 <= first.steps <= 8
        assert first.done == first.steps / 50
        rest = train(pool, file, settings(50), fresh(), clock=ticking)
        assert rest.steps == 50 - first.steps
        _assert_equal(rest, train(pool, tmp_path / "b.pt", settings(50), fresh()))

    def test_a_run_that_goes_on_drops_curve_rows_after_its_state(
        self, pool: CloudPool, tmp_path: Path, fresh: Callable, ticking: Clock
    ) -> None:
        file = tmp_path / "a.pt"
        train(pool, file, settings(4), fresh(), clock=ticking)
        with (tmp_path / "a.csv").open("a") as stream:
            stream.write("5,5\n6,")
        train(pool, file, settings(6), fresh(), clock=ticking)
        assert [row["step"] for row in rows(tmp_path / "a.csv")] == ["1", "2", "3", "4", "5", "6"]

    def test_a_finished_run_takes_no_more_steps(
        self, pool: CloudPool, tmp_path: Path, fresh: Callable
    ) -> None:
        first = train(pool, tmp_path / "a.pt", settings(3), fresh())
        again = train(pool, tmp_path / "a.pt", settings(3), fresh())
        assert (again.steps, again.finished) == (0, True)
        _assert_equal(first, again)

    def test_states_of_the_first_version_are_read(
        self, pool: CloudPool, tmp_path: Path, fresh: Callable
    ) -> None:
        file = tmp_path / "a.pt"
        train(pool, file, settings(3), fresh())
        state = torch.load(file, weights_only=True)
        for name in ("architecture", "best"):
            del state[name]
        torch.save({**state, "generator": torch.Generator().get_state()}, file)
        assert train(pool, file, settings(5), fresh()).steps == 2

    def test_the_state_of_another_model_is_refused(
        self, pool: CloudPool, tmp_path: Path, fresh: Callable, small_config: LightConfig
    ) -> None:
        file = tmp_path / "a.pt"
        train(pool, file, settings(1), fresh())
        with pytest.raises(ValueError, match="genpose-light, this recipe genpose-reference"):
            train(pool, file, settings(2, weighting="paper"), ReferencePoseModel())
        other = LightPoseModel(LightConfig(**{**vars(small_config), "width": 32}))
        with pytest.raises(ValueError, match="differs from this recipe's in width"):
            train(pool, file, settings(2), other)

    def test_a_state_with_other_auxiliary_heads_is_refused(
        self, pool: CloudPool, tmp_path: Path, fresh: Callable
    ) -> None:
        file = tmp_path / "a.pt"
        train(pool, file, settings(2, place_weight=1.0), fresh())
        with pytest.raises(ValueError, match="other auxiliary heads"):
            train(pool, file, settings(4), fresh())

    @pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 cut"])
    def test_a_damaged_state_is_named(
        self, pool: CloudPool, tmp_path: Path, small_model: LightPoseModel, content: bytes
    ) -> None:
        (tmp_path / "a.pt").write_bytes(content)
        with pytest.raises(ValueError, match=r"cannot read .*a\.pt: it is damaged"):
            train(pool, tmp_path / "a.pt", settings(1), small_model)
        torch.save({"step": 1}, tmp_path / "b.pt")
        with pytest.raises(ValueError, match=r"b\.pt is no state"):
            train(pool, tmp_path / "b.pt", settings(1), small_model)


def test_drawing_ahead_gives_the_same_weights(
    pool: CloudPool, tmp_path: Path, fresh: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = train(pool, tmp_path / "a.pt", settings(6, save_every_s=0.1), fresh())
    original = trainer_module._Run.loop

    def loop(run: Any, *arguments: Any) -> None:
        # As on a GPU, which computes while the CPU draws.
        run._ahead = ThreadPoolExecutor(1)
        original(run, *arguments)

    monkeypatch.setattr(trainer_module._Run, "loop", loop)
    _assert_equal(plain, train(pool, tmp_path / "b.pt", settings(6, save_every_s=0.1), fresh()))


class TestTargets:
    def test_energy_training_leaves_the_score_unchanged(
        self, pool: CloudPool, tmp_path: Path, small_model: LightPoseModel
    ) -> None:
        before = {name: p.clone() for name, p in small_model.named_parameters()}
        train(pool, tmp_path / "e.pt", settings(3, target="energy"), small_model)
        changed = {n for n, p in small_model.named_parameters() if not torch.equal(p, before[n])}
        assert {name.split(".")[0] for name in changed} == {"energy_head"}

    @pytest.mark.slow
    def test_both_networks_of_the_reference_learn(self, pool: CloudPool, tmp_path: Path) -> None:
        torch.manual_seed(0)
        changes = {"weighting": "paper", "batch": 4, "draws": 16, "sigma_low": 0.01}
        model = ReferencePoseModel()
        fixed = model.score_network.pose_score_net.t_encoder[0].W.clone()
        done = train(pool, tmp_path / "a.pt", settings(3, **changes), model)
        assert torch.equal(model.score_network.pose_score_net.t_encoder[0].W, fixed)
        name = "score_network.pts_encoder.SA_modules.0.mlps.0.layer0.bn.bn.running_mean"
        assert torch.equal(done.model.get_buffer(name), model.get_buffer(name))
        assert model.get_buffer(name).abs().max() > 0

    def test_without_averaging_the_result_has_the_trained_weights(
        self, pool: CloudPool, tmp_path: Path, small_model: LightPoseModel
    ) -> None:
        done = train(pool, tmp_path / "a.pt", settings(3, average=0.0), small_model)
        for ours, theirs in zip(done.model.parameters(), small_model.parameters(), strict=True):
            assert torch.equal(ours, theirs)


class TestValidation:
    def test_validation_runs_on_the_way_and_at_the_end_and_keeps_the_best(
        self,
        pool: CloudPool,
        tmp_path: Path,
        small_model: LightPoseModel,
        ticking: Clock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        shares = iter([10.0, 30.0, 20.0])
        states = []

        class Fake:
            def __init__(self, views: int, *, energy: bool, library: ShapeLibrary) -> None:
                assert (views, energy, library) == (12, False, NOCS_LIBRARY)

            def __call__(self, model: LightPoseModel) -> Validation:
                states.append(model.score_head.leave.weight.clone())
                return Validation(next(shares), 5.0, 12.5, 0.75)

        monkeypatch.setattr(trainer_module, "Validator", Fake)
        # A step takes a second of this clock: twice on the way, once at the end.
        s = settings(25, validate_every_min=1 / 6, validation_views=12)
        seen: list[Progress] = []
        train(pool, tmp_path / "a.pt", s, small_model, clock=ticking, on_progress=seen.append)
        written = [row for row in rows(tmp_path / "a.csv") if row["share_5d2cm"]]
        assert [float(row["share_5d2cm"]) for row in written] == [10, 30, 20]
        assert written[0]["median_deg"] == "12.5"
        assert seen[-1].validation is not None
        assert seen[-1].validation.share_5d2cm == 30
        best = load_model(tmp_path / "a-best.safetensors")
        assert torch.equal(best.score_head.leave.weight, states[1])

    def test_validations_are_spread_evenly_and_measured_as_one_likes(
        self, pool: CloudPool, tmp_path: Path, small_model: LightPoseModel
    ) -> None:
        steps: list[int] = []

        def validate(model: PoseModel, step: int) -> Validation:
            steps.append(step)
            return Validation(float(step), 5.0, 12.5, 0.75)

        s = settings(12, validations=4)
        train(pool, tmp_path / "a.pt", s, small_model, validate=validate)
        assert steps == [3, 6, 9, 12]
        written = [row for row in rows(tmp_path / "a.csv") if row["share_5d2cm"]]
        assert [float(row["share_5d2cm"]) for row in written] == [3, 6, 9, 12]

    def test_validation_does_not_use_up_the_budget(
        self,
        pool: CloudPool,
        tmp_path: Path,
        small_model: LightPoseModel,
        ticking: Clock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def validate(_run: object) -> None:
            for _ in range(1000):
                ticking()

        monkeypatch.setattr(trainer_module._Run, "_validate", validate)
        s = settings(0, minutes=0.5, validate_every_min=1 / 6)
        # 30 seconds: the clock's reading comes one step late.
        assert train(pool, tmp_path / "a.pt", s, small_model, clock=ticking).steps == 31


class TestMisfortune:
    def test_a_loss_that_is_not_finite_stops_and_saves_its_batch(
        self, pool: CloudPool, tmp_path: Path, fresh: Callable
    ) -> None:
        file = tmp_path / "a.pt"
        train(pool, file, settings(2), fresh())
        before = file.read_bytes()
        _spoil(pool)
        with pytest.raises(FloatingPointError, match="lower learning rate"):
            train(pool, file, settings(9), fresh())
        saved = torch.load(tmp_path / "a.nan-batch.pt", weights_only=True)
        assert saved["translation"].isnan().all()
        assert file.read_bytes() == before

    def test_a_full_disk_keeps_the_state_before(
        self, pool: CloudPool, tmp_path: Path, fresh: Callable
    ) -> None:
        file = tmp_path / "a.pt"
        train(pool, file, settings(2), fresh())
        before = file.read_bytes()
        with _largest_file(len(before) // 2), pytest.raises(OSError, match=r"a\.pt"):
            train(pool, file, settings(4), fresh())
        assert file.read_bytes() == before
        assert not list(tmp_path.glob("*.partial*"))
        assert train(pool, file, settings(4), fresh()).steps == 2

    def test_states_are_saved_at_their_interval(
        self, pool: CloudPool, tmp_path: Path, small_model: LightPoseModel, ticking: Clock
    ) -> None:
        steps = []

        def look(progress: Progress) -> None:
            if (tmp_path / "a.pt").exists():
                saved = torch.load(tmp_path / "a.pt", weights_only=True)["step"]
                steps.append(progress.step - saved)

        s = settings(30, save_every_s=5.0)
        train(pool, tmp_path / "a.pt", s, small_model, on_progress=look, clock=ticking)
        # A second per step: a crash costs no more than the time between two states and a step.
        assert len(steps) > 20
        assert max(steps) <= 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "both"}, "target must be one of score, energy"),
        ({"minutes": 0.0}, "minutes must lie in"),
        ({"minutes": float("nan")}, "minutes must lie in"),
        ({"batch": 0}, "batch must lie in"),
        ({"batch": 4.5}, "batch must be int"),
        ({"flat": 1.0}, "flat must lie in"),
        ({"sigma_high": 0.001}, "must be above sigma_low"),
        ({"weighting": "none"}, "weighting must be one of"),
    ],
)
def test_training_settings_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainingSettings(**changes)


def _assert_equal(a: Training, b: Training) -> None:
    for name, value in a.model.state_dict().items():
        assert torch.equal(b.model.state_dict()[name], value), name


def _spoil(pool: CloudPool) -> None:
    for shard in pool._read.values():
        shard._parts["translation"].fill_(float("nan"))


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose category train` and `genpose weights`: what they write, and refusals in one sentence."""

import json
from pathlib import Path

import pytest
from simple_folders import tiny_weights, write_folder
from typer.testing import CliRunner, Result

from genpose_ros.cli import app
from genpose_ros.files import folder_lock
from genpose_ros.networks import default_weights
from genpose_ros.own_categories import training, validation
from genpose_ros.own_categories.plan import run_folder

runner = CliRunner()


def run(*arguments: object) -> Result:
    return runner.invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("folders"))


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_weights(tmp_path_factory.mktemp("start") / "tiny.safetensors")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_SHARD", 32)
    monkeypatch.setattr(training, "_CALIBRATION_VIEWS", 24)
    monkeypatch.setattr(training, "NEW_VIEWS", 8)
    monkeypatch.setattr(training, "KEPT_VIEWS", 3)
    monkeypatch.setattr(validation, "_VIEWS", 6)


@pytest.mark.usefixtures("quick")
class TestTrain:
    def test_weights_and_report_are_written_and_described(
        self, drill: Path, start: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "new" / "drill.safetensors"
        options = ("--start", start, "--keep", "mug", "--clouds", 64, "--workers", 1)
        done = run("category", "train", drill, out, *options, "--device", "cpu")
        assert done.exit_code == 0, done.output
        assert "new: drill; kept: mug; from tiny.safetensors" in done.output
        assert "drill: not yet usable" in done.output
        assert "Not yet" in out.with_suffix(".html").read_text()
        assert sorted(path.name for path in out.parent.iterdir()) == [
            "drill.html", "drill.safetensors"
        ]  # fmt: skip
        assert "half" not in run("weights", out).output
        content = json.loads(run("weights", out, "--json").stdout)
        assert content["categories"][0]["aliases"] == ["power drill", "cordless_drill"]
        assert content["recorded"]["training_data"]["clouds"] == 64
        assert content["accuracy"]["drill"]["all"]["instances"] == 8

    def test_finished_weights_are_not_overwritten(
        self, drill: Path, start: Path, tmp_path: Path
    ) -> None:
        out = tmp_path / "drill.safetensors"
        out.write_bytes(b"precious")
        done = run("category", "train", drill, out, "--start", start)
        assert done.exit_code == 2
        assert "exists already: name another file, or delete it" in done.output
        assert out.read_bytes() == b"precious"

    def test_ctrl_c_says_how_to_go_on(
        self, drill: Path, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_arguments: object, **_options: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(training, "fine_tune", interrupted)
        done = run("category", "train", drill, tmp_path / "a.safetensors", "--start", start)
        assert done.exit_code == 130
        assert "the same genpose category train command goes on from here" in done.output

    def test_a_second_command_does_not_disturb_a_run(
        self, drill: Path, start: Path, tmp_path: Path
    ) -> None:
        with folder_lock(run_folder(tmp_path / "a.safetensors")):
            done = run("category", "train", drill, tmp_path / "a.safetensors", "--start", start)
        assert done.exit_code == 2
        assert "another process" in done.output
        assert not (tmp_path / "a.safetensors").exists()

    def test_one_mesh_is_announced_as_an_instance(
        self, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def stopped(*_arguments: object, **_options: object) -> None:
            raise ValueError("stopped here")

        monkeypatch.setattr(training, "fine_tune", stopped)
        folder = write_folder(tmp_path, meshes=1)
        done = run("category", "train", folder, tmp_path / "a.safetensors", "--start", start)
        assert "drill has one mesh: it becomes an instance, not a category" in done.output


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("out.safetensors",), "name a folder with a category.yaml before"),
            (("drill", "out.pth"), "name the weights to write last"),
            (("nowhere", "out.safetensors"), "nowhere"),
        ],
    )
    def test_arguments_that_are_missing_or_mixed_up(
        self, tmp_path: Path, arguments: tuple[str, ...], message: str
    ) -> None:
        done = run("category", "train", *(tmp_path / name for name in arguments))
        assert done.exit_code == 2
        assert message in " ".join(done.output.split())

    def test_an_output_that_cannot_be_written(self, drill: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        done = run("category", "train", drill, tmp_path / "file" / "out.safetensors")
        assert done.exit_code == 2
        assert "cannot be made" in " ".join(done.output.split())

    def test_meshes_that_the_check_refuses(self, tmp_path: Path) -> None:
        folder = write_folder(tmp_path)
        manifest = folder / "category.yaml"
        manifest.write_text(manifest.read_text().replace("unit: mm", "unit: m"))
        done = run("category", "train", folder, tmp_path / "out.safetensors")
        assert done.exit_code == 2
        assert "genpose category check shows all" in " ".join(done.output.split())


class TestWeights:
    def test_the_released_weights_are_recognised(self) -> None:
        done = run("weights")
        assert done.exit_code == 0
        output = " ".join(done.output.split())
        assert "the released weights genpose-light, 5.59 million parameters" in output
        assert "accuracy: in docs/accuracy.md" in output
        assert "not the released" not in output
        assert "y: any" in output

    def test_others_are_not(self, start: Path) -> None:
        assert "not the released weights" in " ".join(run("weights", start).output.split())

    def test_damaged_files_are_one_sentence(self, tmp_path: Path) -> None:
        broken = tmp_path / "broken.safetensors"
        content = bytearray(default_weights().read_bytes())
        content[-100] ^= 1
        broken.write_bytes(content)
        done = run("weights", broken)
        assert done.exit_code == 2
        assert "do not have the hash it states; copy it again" in " ".join(done.output.split())

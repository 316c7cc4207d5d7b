# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import errno
import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from genpose_ros.geometry import NOCS, Category, CategorySet, Symmetry
from genpose_ros.networks import checkpoints
from genpose_ros.networks.checkpoints import (
    convert_reference_checkpoint,
    default_weights,
    describe_checkpoint,
    load_attachments,
    load_categories,
    load_model,
    save_model,
)
from genpose_ros.networks.interface import PoseModel
from genpose_ros.networks.reference import (
    ReferenceEnergyNetwork,
    ReferencePoseModel,
    ReferenceScoreNetwork,
)

FIRST_CONV = "pts_encoder.SA_modules.0.mlps.0.layer0.conv.weight"
METADATA = {"training_data": "none", "git_commit": "0123abc"}
ATTACHED = {
    "mesh/a": torch.arange(6, dtype=torch.float32).view(2, 3),
    "flags": torch.tensor([True, False]),
}


def _as_authors(state: dict[str, Any], path: Path) -> Path:
    """Write a file of the authors' layout."""
    content = {
        "clock": {"epoch": 1900, "minibatch": 0, "step": 12345},
        "model_state_dict": state,
        "optimizer_state_dict": {"state": {0: {"step": 7}}, "param_groups": [{"lr": 1e-3}]},
        "scheduler_state_dict": {"gamma": 0.98, "_last_lr": [1e-4]},
    }
    torch.save(content, path)
    return path


@pytest.fixture
def states(golden_weights: Callable[[nn.Module, str], dict[str, Tensor]]) -> dict[str, dict]:
    """Weights of a score and of an energy network."""
    return {
        "score": golden_weights(ReferenceScoreNetwork(), "score"),
        "energy": golden_weights(ReferenceEnergyNetwork(), "energy"),
    }


@pytest.fixture
def authors(states: dict[str, dict], tmp_path: Path) -> dict[str, Path]:
    """The authors' two files."""
    return {role: _as_authors(state, tmp_path / f"{role}.pth") for role, state in states.items()}


@pytest.fixture
def ours(states: dict[str, dict], tmp_path: Path) -> Path:
    """One of our files, with both networks."""
    model = ReferencePoseModel(energy_network=ReferenceEnergyNetwork())
    model.score_network.load_state_dict(states["score"])
    model.energy_network.load_state_dict(states["energy"])
    save_model(model, tmp_path / "ours.safetensors", METADATA)
    return tmp_path / "ours.safetensors"


def _rewrite(path: Path, change: Callable[[dict[str, Tensor], dict[str, str]], None]) -> Path:
    """Change tensors and metadata of a file in place, without mending its hash."""
    with safe_open(path, framework="pt") as archive:
        metadata = dict(archive.metadata())
    tensors = load_file(path)
    change(tensors, metadata)
    save_file(tensors, path, metadata=metadata)
    return path


def _assert_same(model: PoseModel, states: dict[str, dict]) -> None:
    assert isinstance(model, ReferencePoseModel)
    networks = {"score": model.score_network, "energy": model.energy_network}
    for role, state in states.items():
        network = networks[role]
        assert network is not None
        for name, value in network.state_dict().items():
            assert torch.equal(value, state[name]), name


class TestAuthorsFiles:
    def test_an_authors_score_file_alone_makes_a_model_without_energy(
        self, authors: dict[str, Path], states: dict[str, dict]
    ) -> None:
        model = load_model(authors["score"])
        _assert_same(model, {"score": states["score"]})
        assert not model.has_energy
        assert not model.training
        assert not any(p.requires_grad for p in model.parameters())

    def test_the_authors_two_files_make_one_model(
        self, authors: dict[str, Path], states: dict[str, dict]
    ) -> None:
        model = load_model(authors["score"], authors["energy"])
        _assert_same(model, states)
        assert model.has_energy
        assert not model.training

    def test_the_old_file_format_of_torch_is_read(
        self, states: dict[str, dict], tmp_path: Path
    ) -> None:
        torch.save(
            {"model_state_dict": states["score"]},
            tmp_path / "old.pth",
            _use_new_zipfile_serialization=False,
        )
        _assert_same(load_model(tmp_path / "old.pth"), {"score": states["score"]})

    @pytest.mark.parametrize("inputs", [387, 483, 643, 899])
    def test_checkpoints_of_the_follow_up_are_refused(
        self, states: dict[str, dict], tmp_path: Path, inputs: int
    ) -> None:
        state = {**states["score"], FIRST_CONV: torch.zeros(16, inputs, 1, 1)}
        with pytest.raises(ValueError, match=rf"GenPose\+\+.*{inputs} inputs"):
            load_model(_as_authors(state, tmp_path / "plus.pth"))

    def test_checkpoints_with_image_features_are_refused(
        self, states: dict[str, dict], tmp_path: Path
    ) -> None:
        state = {**states["score"], "dino.patch_embed.weight": torch.zeros(3)}
        with pytest.raises(ValueError, match=r"GenPose\+\+.*dino\.patch_embed"):
            load_model(_as_authors(state, tmp_path / "plus.pth"))

    def test_missing_and_unexpected_weights_are_listed(
        self, states: dict[str, dict], tmp_path: Path
    ) -> None:
        state = dict(states["score"])
        del state[FIRST_CONV]
        state["module.extra"] = torch.zeros(1)
        path = _as_authors(state, tmp_path / "other.pth")
        with pytest.raises(ValueError, match=rf"163.*missing: 1 \({FIRST_CONV}\).*module\.extra"):
            load_model(path)

    def test_long_lists_of_missing_weights_are_cut(self, tmp_path: Path) -> None:
        with pytest.raises(
            ValueError, match=r"0 entries instead of 163; missing: 163 \(.*\.\.\.\)"
        ):
            load_model(_as_authors({}, tmp_path / "empty.pth"))

    def test_weights_of_a_wrong_shape_are_refused(
        self, states: dict[str, dict], tmp_path: Path
    ) -> None:
        state = {**states["score"], "pose_score_net.pose_encoder.0.bias": torch.zeros(128)}
        with pytest.raises(ValueError, match=r"pose_encoder\.0\.bias.*\(128,\).*\(256,\)"):
            load_model(_as_authors(state, tmp_path / "wrong.pth"))

    def test_authors_files_with_weights_that_are_not_finite_are_refused(
        self, states: dict[str, dict], tmp_path: Path
    ) -> None:
        state = {
            **states["score"],
            "pose_score_net.pose_encoder.0.bias": torch.full((256,), torch.nan),
        }
        with pytest.raises(ValueError, match="not finite"):
            load_model(_as_authors(state, tmp_path / "nan.pth"))

    @pytest.mark.parametrize("content", [{}, {"state": 1}, {"model_state_dict": {"a": 3}}, [1, 2]])
    def test_pickles_of_other_things_are_refused(self, tmp_path: Path, content: Any) -> None:
        torch.save(content, tmp_path / "other.pth")
        with pytest.raises(ValueError, match="model_state_dict"):
            load_model(tmp_path / "other.pth")

    def test_code_in_a_pickle_is_not_run(self, tmp_path: Path) -> None:
        target = tmp_path / "touched"

        class Harmful:
            def __reduce__(self) -> tuple:
                return Path.touch, (target,)

        torch.save({"model_state_dict": Harmful()}, tmp_path / "harmful.pth")
        (tmp_path / "plain.pth").write_bytes(pickle.dumps(Harmful(), protocol=2))
        for name in ("harmful.pth", "plain.pth"):
            with pytest.raises(ValueError, match="could run code"):
                load_model(tmp_path / name)
        assert not target.exists()

    @pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
    def test_a_truncated_authors_file_is_refused(
        self, authors: dict[str, Path], share: float
    ) -> None:
        whole = authors["score"].read_bytes()
        authors["score"].write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ValueError, match="cannot read"):
            load_model(authors["score"])

    def test_authors_files_have_no_metadata_to_describe(self, authors: dict[str, Path]) -> None:
        with pytest.raises(ValueError, match="convert it"):
            describe_checkpoint(authors["score"])


class TestConvert:
    def test_converted_files_make_the_same_model(
        self, authors: dict[str, Path], states: dict[str, dict], tmp_path: Path
    ) -> None:
        for role in ("score", "energy"):
            convert_reference_checkpoint(authors[role], role, tmp_path / f"{role}.safetensors")
        model = load_model(tmp_path / "score.safetensors", tmp_path / "energy.safetensors")
        _assert_same(model, states)

    def test_a_converted_file_records_where_it_comes_from(
        self, authors: dict[str, Path], tmp_path: Path
    ) -> None:
        out = tmp_path / "new" / "score.safetensors"
        convert_reference_checkpoint(authors["score"], "score", out, {"training_data": "CAMERA"})
        described = describe_checkpoint(out)
        assert described["converted_from"] == "score.pth"
        assert described["training_data"] == "CAMERA"
        assert described["architecture"] == "genpose-reference"
        assert json.loads(described["config"]) == {"energy": False}

    def test_an_energy_network_alone_is_no_model(
        self, authors: dict[str, Path], tmp_path: Path
    ) -> None:
        out = tmp_path / "energy.safetensors"
        convert_reference_checkpoint(authors["energy"], "energy", out)
        with pytest.raises(ValueError, match="only an energy network"):
            load_model(out)

    def test_converting_refuses_other_roles_and_files(
        self, authors: dict[str, Path], ours: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(ValueError, match="'scale'"):
            convert_reference_checkpoint(authors["score"], "scale", tmp_path / "x")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="not an authors' checkpoint"):
            convert_reference_checkpoint(ours, "score", tmp_path / "x")


class TestOurFiles:
    def test_a_saved_model_is_loaded_as_it_was(self, ours: Path, states: dict[str, dict]) -> None:
        model = load_model(ours)
        _assert_same(model, states)
        assert not model.training

    def test_our_files_are_known_whatever_length_their_header_has(self, tmp_path: Path) -> None:
        file, first_bytes = tmp_path / "own.safetensors", set()
        for length in range(256):
            metadata = {"architecture": "a" * length, "config": "{}", "tensor_sha256": ""}
            save_file({"a": torch.zeros(2)}, file, metadata)
            first_bytes.add(file.read_bytes()[0])
            assert describe_checkpoint(file) == metadata
        assert 0x80 in first_bytes  # what a pickle begins with

    def test_metadata_of_a_saved_model_can_be_read_alone(self, ours: Path) -> None:
        described = describe_checkpoint(ours)
        assert described["architecture"] == "genpose-reference"
        assert json.loads(described["config"]) == {"energy": True}
        assert CategorySet.from_text(described["categories"]) == NOCS
        assert described["git_commit"] == "0123abc"
        assert len(described["tensor_sha256"]) == 64

    def test_the_energy_of_one_file_beside_the_score_of_another(
        self, ours: Path, authors: dict[str, Path], states: dict[str, dict]
    ) -> None:
        _assert_same(load_model(authors["score"], ours), states)

    def test_energy_weights_without_an_energy_network_are_refused(
        self, authors: dict[str, Path], tmp_path: Path
    ) -> None:
        save_model(load_model(authors["score"]), tmp_path / "score.safetensors", METADATA)
        with pytest.raises(ValueError, match="holds no energy network"):
            load_model(authors["score"], tmp_path / "score.safetensors")

    def test_loading_leaves_the_random_numbers_alone(self, ours: Path) -> None:
        torch.manual_seed(0)
        expected = torch.rand(3)
        torch.manual_seed(0)
        load_model(ours)
        assert torch.equal(torch.rand(3), expected)

    def test_one_changed_weight_is_noticed(self, ours: Path) -> None:
        def change(tensors: dict[str, Tensor], _: dict[str, str]) -> None:
            tensors[f"score_network.{FIRST_CONV}"][3, 1] += 1e-6

        with pytest.raises(ValueError, match="hash"):
            load_model(_rewrite(ours, change))

    def test_an_unknown_architecture_is_refused(self, ours: Path) -> None:
        _rewrite(ours, lambda _, metadata: metadata.update(architecture="genpose-2031"))
        with pytest.raises(ValueError, match=r"'genpose-2031'.*genpose-reference.*update"):
            load_model(ours)

    def test_a_model_keeps_its_categories_in_its_file(self, ours: Path, tmp_path: Path) -> None:
        model = load_model(ours)
        assert model.categories == NOCS
        tin = Category(name="tin", symmetry=Symmetry.parse({"y": "quarter"}), mirror=False)
        model.categories = CategorySet((tin, NOCS["mug"]))
        save_model(model, tmp_path / "tin.safetensors", METADATA)
        assert load_model(tmp_path / "tin.safetensors").categories == model.categories
        assert load_categories(tmp_path / "tin.safetensors") == model.categories

    def test_a_file_that_names_no_categories_knows_the_six(
        self, ours: Path, authors: dict[str, Path]
    ) -> None:
        _rewrite(ours, lambda _, metadata: metadata.pop("categories"))
        assert load_model(ours).categories == load_categories(ours) == NOCS
        assert load_model(authors["score"]).categories == load_categories(authors["score"]) == NOCS

    @pytest.mark.parametrize("text", ["", "drill", "[", "{}", "[]", '[{"name": "tin", "mass": 1}]'])
    @pytest.mark.parametrize("load", [load_model, load_categories])
    def test_damaged_categories_are_refused_with_the_name_of_the_file(
        self, ours: Path, load: Callable[[Path], Any], text: str
    ) -> None:
        _rewrite(ours, lambda _, metadata: metadata.update(categories=text))
        with pytest.raises(
            ValueError, match=r"ours\.safetensors has categories that cannot be used"
        ):
            load(ours)

    @pytest.mark.parametrize("config", ["{}", "[]", "{", "null"])
    def test_a_config_that_does_not_describe_the_architecture_is_refused(
        self, ours: Path, config: str
    ) -> None:
        _rewrite(ours, lambda _, metadata: metadata.update(config=config))
        with pytest.raises(ValueError, match="config"):
            load_model(ours)

    def test_a_config_that_does_not_fit_the_tensors_is_refused(self, ours: Path) -> None:
        _rewrite(ours, lambda _, metadata: metadata.update(config='{"energy": false}'))
        with pytest.raises(ValueError, match=r"does not fit.*unexpected: 163"):
            load_model(ours)

    def test_safetensors_written_by_others_are_refused(self, tmp_path: Path) -> None:
        save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
        with pytest.raises(ValueError, match="not written by this package"):
            load_model(tmp_path / "other.safetensors")

    @pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
    def test_a_truncated_file_of_ours_is_refused(self, ours: Path, share: float) -> None:
        whole = ours.read_bytes()
        ours.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ValueError, match="damaged or incomplete"):
            load_model(ours)


class TestSave:
    def test_saved_files_can_be_read_by_everyone_the_umask_allows(self, ours: Path) -> None:
        (ours.parent / "other").touch()
        assert ours.stat().st_mode == (ours.parent / "other").stat().st_mode

    def test_a_failed_save_leaves_the_old_file(
        self, ours: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = ours.read_bytes()

        def fail(path: Path, content: bytes) -> int:
            with path.open("wb") as stream:
                stream.write(content[:9])
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", fail)
        with pytest.raises(OSError, match="No space left") as raised:
            save_model(ReferencePoseModel(), ours, METADATA)
        assert raised.value.filename == str(ours)
        assert ours.read_bytes() == before
        assert [p.name for p in ours.parent.iterdir() if "partial" in p.name] == []

    def test_saving_makes_the_folder(self, tmp_path: Path) -> None:
        path = tmp_path / "a" / "b.safetensors"
        save_model(ReferencePoseModel(), path, METADATA)
        assert describe_checkpoint(path)["training_data"] == "none"

    def test_metadata_cannot_override_what_the_model_is(self, tmp_path: Path) -> None:
        model = ReferencePoseModel()
        save_model(model, tmp_path / "right", METADATA)
        wrong = {"architecture": "other", "config": "?", "tensor_sha256": "0"}
        save_model(model, tmp_path / "wrong", {**METADATA, **wrong})
        described = describe_checkpoint(tmp_path / "wrong")
        assert described == describe_checkpoint(tmp_path / "right")
        assert described["architecture"] == "genpose-reference"
        _assert_same(load_model(tmp_path / "wrong"), {"score": model.score_network.state_dict()})

    def test_metadata_must_be_strings(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="epoch"):
            save_model(ReferencePoseModel(), tmp_path / "x", {"epoch": 3})  # type: ignore[dict-item]

    def test_weights_that_are_not_finite_are_not_saved(self, tmp_path: Path) -> None:
        model = ReferencePoseModel()
        with torch.no_grad():
            model.score_network.pose_score_net.pose_encoder[0].bias[0] = torch.nan
        with pytest.raises(ValueError, match="not finite"):
            save_model(model, tmp_path / "x", METADATA)
        assert not (tmp_path / "x").exists()


class TestAttachments:
    @pytest.fixture
    def both(self, ours: Path, tmp_path: Path) -> tuple[Path, Path]:
        """The same model without and with attachments."""
        save_model(load_model(ours), tmp_path / "plain.safetensors", METADATA)
        save_model(load_model(ours), tmp_path / "with.safetensors", METADATA, ATTACHED)
        return tmp_path / "plain.safetensors", tmp_path / "with.safetensors"

    def test_attachments_are_read_again_and_are_no_part_of_the_model(
        self, both: tuple[Path, Path]
    ) -> None:
        plain, more = both
        found = load_attachments(more)
        assert set(found) == set(ATTACHED)
        for name, tensor in ATTACHED.items():
            assert torch.equal(found[name], tensor)
        assert load_attachments(plain) == load_attachments() == {}
        state = load_model(more).state_dict()
        for name, value in load_model(plain).state_dict().items():
            assert torch.equal(state[name], value), name
        hashes = [describe_checkpoint(path)["tensor_sha256"] for path in both]
        assert hashes[0] == hashes[1]

    @pytest.mark.parametrize("change", ["value", "missing", "no hash"])
    def test_damaged_attachments_are_refused(self, both: tuple[Path, Path], change: str) -> None:
        def damage(tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
            if change == "value":
                tensors["attached/mesh/a"] = tensors["attached/mesh/a"] + 1
            elif change == "missing":
                del tensors["attached/flags"]
            else:
                del metadata["attached_sha256"]

        path = _rewrite(both[1], damage)
        for load in (load_model, load_attachments):
            with pytest.raises(ValueError, match="is damaged: its tensors"):
                load(path)

    def test_attachments_that_are_not_finite_are_refused(self, ours: Path, tmp_path: Path) -> None:
        nothing = {"mesh": torch.tensor([torch.nan])}
        with pytest.raises(ValueError, match="not finite, in attached/mesh"):
            save_model(load_model(ours), tmp_path / "a.safetensors", METADATA, nothing)


class TestOtherFiles:
    @pytest.mark.parametrize("load", [load_model, describe_checkpoint])
    def test_a_missing_file_is_named_in_the_error(self, tmp_path: Path, load: Callable) -> None:
        with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*nowhere.*released"):
            load(tmp_path / "nowhere.safetensors")

    def test_a_missing_energy_file_is_named_in_the_error(
        self, authors: dict[str, Path], tmp_path: Path
    ) -> None:
        with pytest.raises(FileNotFoundError, match="nowhere"):
            load_model(authors["score"], tmp_path / "nowhere.pth")

    @pytest.mark.parametrize(
        "content", [b"", b"abc", b"version https://git-lfs", b"\x89PNG\r\n\x1a\n.."]
    )
    def test_files_that_are_no_checkpoint_are_refused(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(ValueError, match="is not a checkpoint"):
            load_model(tmp_path / "x")


class TestDefaultWeights:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """An empty folder in place of the package's own weights."""
        monkeypatch.setattr(checkpoints, "_WEIGHTS", tmp_path)
        return tmp_path

    def test_the_released_weights_lie_in_the_package(self) -> None:
        package = Path(checkpoints.__file__).resolve().parents[1]
        assert default_weights() == package / "weights" / "genpose-base.safetensors"
        assert describe_checkpoint(default_weights())["architecture"] == "genpose-light"

    def test_the_model_card_names_the_file_s_hash(self) -> None:
        card = default_weights().with_name("README.md").read_text()
        assert hashlib.sha256(default_weights().read_bytes()).hexdigest() in card

    def test_an_installation_without_weights_is_told_where_they_belong(self, folder: Path) -> None:
        with pytest.raises(FileNotFoundError, match=rf"{folder}/genpose-base.*installation"):
            default_weights()

    @pytest.mark.parametrize("path", [None, ""])
    def test_no_path_means_the_released_weights(self, folder: Path, path: str | None) -> None:
        model = ReferencePoseModel()
        save_model(model, folder / "genpose-base.safetensors", METADATA)
        loaded = load_model(path, path)
        assert not loaded.has_energy
        _assert_same(loaded, {"score": model.score_network.state_dict()})

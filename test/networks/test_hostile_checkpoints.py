# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of checkpoints that were made to harm: refused in a sentence, without memory or code."""

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from genpose_ros.networks import LightConfig, LightPoseModel, load_model, save_model
from genpose_ros.networks.checkpoints import tensor_fingerprint
from genpose_ros.networks.description import describe_weights
from genpose_ros.networks.torch_files import load_torch_file

SMALL = LightConfig(patches=8, neighbours=8, subset=64, width=16, layers=1, attention_heads=2)


@pytest.fixture
def genuine(tmp_path: Path) -> Path:
    """A small light model's file."""
    save_model(LightPoseModel(SMALL), tmp_path / "a.safetensors", {"training_data": "none"})
    return tmp_path / "a.safetensors"


def with_config(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Let the file's metadata state another config."""
    with safe_open(file, framework="pt") as archive:
        metadata = dict(archive.metadata())
    config = json.loads(metadata["config"])
    changed = change(config)
    metadata["config"] = changed if isinstance(changed, str) else json.dumps(config)
    save_file(load_file(file), file, metadata)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c.update(width=192_000, head_width=256_000), "width must be .* 65536: 192000"),
        (lambda c: c.update(width=65536, head_width=65536), "does not fit the architecture"),
        (lambda c: c.update(layers=10**9), "layers must be a whole number from 1 to 64"),
        (lambda c: c.update(width=-1), "width must be a whole number from 1"),
        (lambda c: c.update(width=0), "width must be"),
        (lambda c: c.update(width=True), "width must be"),
        (lambda c: c.update(width="x"), "width must be"),
        (lambda c: c.update(sigma_max=float("nan")), "sigma_max must be a number above 0"),
        (lambda c: c.update(sigma_min="x" * 10**6), "sigma_min must be a number above 0"),
        (lambda c: c.update(evil=1), "evil"),
        (lambda c: "[" * 100_000, "recursion"),
        (lambda c: "[]", "config"),
        (lambda c: "9" * 5000, "config"),
    ],
)
def test_a_config_that_asks_for_too_much_or_nonsense_is_refused(
    genuine: Path, change: Callable, reason: str
) -> None:
    with_config(genuine, change)
    with pytest.raises(ValueError, match=reason) as refused:
        load_model(genuine)
    assert str(genuine) in str(refused.value)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("text", ["[" * 100_000, "[1", "1e999", "null", ""])
@pytest.mark.parametrize(
    "entry", ["categories", "score_calibration", "has_trained_energy", "accuracy"]
)
def test_an_entry_that_nests_without_end_or_is_none_is_refused_or_told_as_it_is(
    genuine: Path, entry: str, text: str
) -> None:
    with safe_open(genuine, framework="pt") as archive:
        metadata = dict(archive.metadata())
    save_file(load_file(genuine), genuine, {**metadata, entry: text})
    if entry in ("categories", "score_calibration"):
        with pytest.raises(ValueError, match=str(genuine)):
            describe_weights(genuine)
    else:
        assert describe_weights(genuine).architecture == "genpose-light"


@pytest.mark.parametrize("dtype", [torch.int64, torch.float64, torch.bool, torch.float16])
def test_weights_of_another_type_are_refused(genuine: Path, dtype: torch.dtype) -> None:
    with safe_open(genuine, framework="pt") as archive:
        metadata = dict(archive.metadata())
    tensors = load_file(genuine)
    name = next(iter(tensors))
    tensors[name] = torch.ones(tensors[name].shape, dtype=dtype)
    save_file(tensors, genuine, {**metadata, "tensor_sha256": tensor_fingerprint(tensors)})
    with pytest.raises(ValueError, match=rf"{name} is of {dtype} instead of torch\.float32"):
        load_model(genuine)


@pytest.mark.parametrize(
    "start", [struct.pack("<Q", 10 * 2**30), struct.pack("<Q", 2**63), struct.pack("<Q", 1000)]
)
def test_a_header_that_claims_more_than_the_file_has_is_refused(
    tmp_path: Path, start: bytes
) -> None:
    (tmp_path / "a.safetensors").write_bytes(start + b"{" + b" " * 100)
    with pytest.raises(ValueError, match=r"a\.safetensors: damaged or incomplete"):
        load_model(tmp_path / "a.safetensors")


def test_a_file_larger_than_any_network_is_refused_unread(genuine: Path) -> None:
    os.truncate(genuine, 2**30 + 1)  # takes no space on the disk
    with pytest.raises(ValueError, match=r"a\.safetensors has 1073741825 bytes, expected"):
        load_model(genuine)


class Harmful:
    def __reduce__(self):
        return os.system, ("touch was_here",)


class TestTorchFiles:
    def test_packed_records_are_refused_before_they_are_unpacked(self, tmp_path: Path) -> None:
        torch.save({"model_state_dict": {"a": torch.zeros(1_000_000)}}, tmp_path / "a.pth")
        with (
            zipfile.ZipFile(tmp_path / "a.pth") as genuine,
            zipfile.ZipFile(tmp_path / "b.pth", "w", zipfile.ZIP_DEFLATED) as packed,
        ):
            for record in genuine.infolist():
                packed.writestr(record.filename, genuine.read(record.filename))
        assert (tmp_path / "b.pth").stat().st_size < 10_000
        assert load_torch_file(tmp_path / "a.pth")["model_state_dict"]["a"].shape == (1_000_000,)
        with pytest.raises(ValueError, match=r"b\.pth: it has \d+ bytes, but unpacks to 40\d+"):
            load_model(tmp_path / "b.pth")

    @pytest.mark.parametrize("zipped", [True, False])
    def test_code_is_refused_and_not_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool
    ) -> None:
        monkeypatch.chdir(tmp_path)
        if zipped:
            torch.save({"model_state_dict": {"a": Harmful()}}, tmp_path / "a.pth")
        else:
            (tmp_path / "a.pth").write_bytes(pickle.dumps(Harmful(), 2))
        with pytest.raises(ValueError, match=r"a\.pth: it is damaged, .* could run code"):
            load_model(tmp_path / "a.pth")
        assert not (tmp_path / "was_here").exists()

    @pytest.mark.parametrize("content", [b"PK\x03\x04", b"PK\x03\x04" + b"\0" * 100, b"\x80"])
    def test_damaged_files_are_named(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.pth").write_bytes(content)
        with pytest.raises(ValueError, match=r"cannot read .*a\.pth: it is damaged"):
            load_model(tmp_path / "a.pth")

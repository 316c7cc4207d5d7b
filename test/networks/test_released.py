# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the table of released weights."""

import logging
from pathlib import Path

from genpose_ros.networks import default_weights, load_model
from genpose_ros.networks.released import RELEASED_WEIGHTS, file_sha256, released_name


def test_the_weights_of_the_package_are_the_newest_of_the_table() -> None:
    assert released_name(default_weights()) == RELEASED_WEIGHTS[-1].name


def test_the_model_card_states_the_hash_of_the_table(root: Path) -> None:
    for card in (root / "docs" / "model_card.md", default_weights().parent / "README.md"):
        assert f"`{RELEASED_WEIGHTS[-1].sha256}`" in card.read_text()


def test_one_changed_byte_makes_a_file_unknown(tmp_path: Path) -> None:
    content = bytearray(default_weights().read_bytes())
    content[-1] ^= 1
    (tmp_path / "forged.safetensors").write_bytes(content)
    (tmp_path / "short.safetensors").write_bytes(content[:100])
    for name in ("forged.safetensors", "short.safetensors"):
        assert released_name(tmp_path / name) is None


def test_hashes_are_those_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_sha256(tmp_path / "abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def test_the_loader_says_whether_weights_are_released_ones(caplog) -> None:
    with caplog.at_level(logging.INFO):
        load_model()
    assert f"(the released weights {RELEASED_WEIGHTS[-1].name})" in caplog.text

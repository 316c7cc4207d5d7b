# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import hashlib
from dataclasses import replace
from pathlib import Path

import torch

from genpose_ros.geometry import Category, CategorySet
from genpose_ros.networks import LightConfig, LightPoseModel, ReferenceScoreNetwork, save_model
from genpose_ros.networks.description import describe_weights
from genpose_ros.networks.score_calibration import Inflation


def test_a_file_of_ours_is_described(tmp_path: Path) -> None:
    model = LightPoseModel(LightConfig(patches=8, width=32, layers=1, head_width=32))
    model.categories = CategorySet((Category(name="drill"),))
    file = tmp_path / "mine.safetensors"
    recorded = {"accuracy": '{"drill": {}}', "note": "three", "has_trained_energy": "false"}
    save_model(model, file, recorded)
    described = describe_weights(file)
    assert described.parameters == sum(p.numel() for p in model.parameters())
    assert described.categories.names == ("drill",)
    assert described.accuracy == {"drill": {}}
    assert described.recorded["note"] == "three"
    assert (described.has_energy, described.released) == (False, False)
    assert described.calibrated == ()
    assert described.file_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_what_is_calibrated_is_told(tmp_path: Path) -> None:
    from genpose_ros.networks import default_weights, load_model

    model = load_model(default_weights())
    assert describe_weights(default_weights()).calibrated == ("scores", "covariances")
    calibration = model.score_calibration
    assert calibration is not None
    model.score_calibration = replace(calibration, inflation=Inflation())
    save_model(model, tmp_path / "plain.safetensors", {})
    assert describe_weights(tmp_path / "plain.safetensors").calibrated == ("scores",)


def test_the_released_weights_are_recognised_whatever_their_name(tmp_path: Path) -> None:
    from genpose_ros.networks import default_weights

    copy = tmp_path / "renamed.safetensors"
    copy.write_bytes(default_weights().read_bytes())
    assert describe_weights(copy).released


def test_an_authors_file_has_no_record(tmp_path: Path) -> None:
    network = ReferenceScoreNetwork()
    torch.save({"model_state_dict": network.state_dict()}, tmp_path / "scorenet.pth")
    described = describe_weights(tmp_path / "scorenet.pth")
    assert described.architecture == "genpose-reference"
    assert described.recorded == {}
    assert not described.released

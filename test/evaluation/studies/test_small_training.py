# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Small models: what they see, what they are trained for, and that a run can go on."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from genpose_ros.evaluation.studies import TABLES, ViewTruth, small_models, unseen
from genpose_ros.evaluation.studies.small_models import (
    load_small_diffusion,
    load_small_regression,
    read_record,
    small_file,
)
from genpose_ros.evaluation.studies.small_training import (
    SmallPool,
    SmallTraining,
    regression_loss,
    train_missing,
    train_small,
)
from genpose_ros.geometry.categories import CATEGORIES
from genpose_ros.networks import LightConfig
from genpose_ros.networks.regression import PoseRegression

TINY = SmallTraining(
    steps=2, batch=4, draws=2, warm_up=1, patches=4, width=16, layers=1, bf16=False, shards=1
)


class Saying(torch.nn.Sequential):
    """A head that says what it was told, whatever the features."""

    def __init__(self, said):
        super().__init__()
        self.said = said

    def forward(self, features):
        return self.said


@pytest.fixture(scope="module")
def data(views, tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    centre = views.points_cam.mean(1)
    save_file(
        {
            "points_centred": (views.points_cam - centre[:, None]).astype(np.float16),
            "centre": centre,
            "rotation": views.rotation,
            "translation": views.translation,
            "size_m": views.size_m,
            "category": views.category.astype(np.int64),
            "stance": views.stance.astype(np.int64),
        },
        folder / "shard-00000.safetensors",
    )
    return folder


def test_a_pool_can_leave_out_a_category(data, views):
    everything, without = SmallPool(data, 1), SmallPool(data, 1, ["mug"])
    mugs = int((views.category == CATEGORIES.index("mug")).sum())
    assert len(everything) - len(without) == mugs > 0
    _, category = without.draw(200, torch.Generator().manual_seed(0))
    assert set(category.tolist()) == set(range(6)) - {CATEGORIES.index("mug")}
    with pytest.raises(ValueError, match="unknown category 'cup'"):
        SmallPool(data, 1, ["cup"])
    with pytest.raises(ValueError, match="holds nothing but"):
        SmallPool(data, 1, CATEGORIES)


def test_regression_loss_that_knows_symmetry_ignores_unobservable_yaw(data):
    config = LightConfig(patches=4, neighbours=4, subset=32, width=8, layers=1, attention_heads=2)
    model = PoseRegression(config)
    batch, _ = SmallPool(data, 1).draw(2, torch.Generator().manual_seed(0))
    _, encoding = model(batch.points_cam)
    truth = model.trunk.encode_pose(batch.rotation[:, None], batch.translation[:, None], encoding)
    wrong = truth[:, 0].clone()
    wrong[:, :3] += 1.0  # the x axis
    model.head = Saying(wrong)
    can, mug = (torch.full((2,), CATEGORIES.index(name)) for name in ("can", "mug"))
    # Smooth L1 of 1 with beta 0.1 is 0.95, three times.
    assert regression_loss(model, batch, mug, symmetry=True).item() == pytest.approx(2.85, rel=1e-4)
    assert regression_loss(model, batch, can, symmetry=True).item() == pytest.approx(0, abs=1e-6)
    assert regression_loss(model, batch, can, symmetry=False).item() == pytest.approx(
        2.85, rel=1e-4
    )


def test_a_run_trains_missing_models_alone_and_is_read_again(data, tmp_path, views):
    run, names = tmp_path / "run", ["diffusion", "regression", "regression-symmetry"]
    steps = []
    train_missing(data, run, names, TINY, lambda name, step, loss: steps.append((name, step)))
    assert steps == [(name, step) for name in names for step in (1, 2)]
    record = read_record(run)
    assert record["settings"]["steps"] == 2
    assert set(record) == {"settings", *names}
    train_missing(data, run, [*names, "without-can"], TINY, lambda *a: steps.append(a))
    assert {a[0] for a in steps[6:]} == {"without-can"}
    with pytest.raises(ValueError, match="another budget"):
        train_missing(data, run, names, SmallTraining(steps=3))

    truth = ViewTruth.of(views)
    content = small_models(truth, run).content
    assert content["views"] == len(views) == sum(content["kinds"].values())
    assert set(content["rows"]) >= {"regression", "diffusion, largest mode"}
    assert "2 steps of 4 clouds" in TABLES["small-models"](json.loads(json.dumps(content)))
    left_out = unseen(truth, run).content
    assert list(left_out["rows"]) == ["can"]
    assert "(62.5)" in TABLES["unseen"](left_out)


def test_training_lowers_the_loss_and_repeats_from_its_seed(data):
    settings = replace(TINY, steps=30, batch=16, learning_rate=3e-3)
    losses = []
    model = train_small("regression", data, settings, lambda step, loss: losses.append(loss))
    # The mean pose alone is soon learnt: 3.2 to 2.8 here.
    assert np.mean(losses[-10:]) < 0.93 * np.mean(losses[:10])
    again = []
    train_small("regression", data, settings, lambda step, loss: again.append(loss))
    assert again == losses
    assert not any(p.requires_grad for p in model.parameters())


def test_a_missing_or_wrong_small_model_is_named(tmp_path, data):
    with pytest.raises(FileNotFoundError, match="study train"):
        load_small_diffusion(tmp_path)
    with pytest.raises(FileNotFoundError, match="study train"):
        read_record(tmp_path)
    with pytest.raises(FileNotFoundError, match="without"):
        unseen(None, tmp_path)
    small_file(tmp_path, "regression").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="no regression network"):
        load_small_regression(tmp_path, "regression")
    (tmp_path / "training.json").write_text("{}")
    with pytest.raises(ValueError, match="damaged"):
        read_record(tmp_path)
    with pytest.raises(ValueError, match="unknown model"):
        train_small("classification", data, TINY)
    with pytest.raises(ValueError, match="steps"):
        SmallTraining(steps=0)

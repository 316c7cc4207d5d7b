# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A small synthetic set that all training tests draw from."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from genpose_ros.networks import LightConfig, LightPoseModel
from genpose_ros.training import CloudPool


def write_blob_shard(path: Path, count: int = 64, seed: int = 0, rare: int = 0) -> None:
    """Clouds of 96 points scattered in a box, with the box's pose as the truth.

    The last `rare` of them are of another category, and ten times as long.
    """
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(count, 3, 3)))[0]
    rotation[:, :, 2] *= np.linalg.det(rotation)[:, None]
    size = np.tile([0.2, 0.1, 0.05], (count, 1))
    category = (np.arange(count) >= count - rare).astype(np.int64)
    size[category == 1, 0] = 2.0
    local = rng.uniform(-0.5, 0.5, (count, 96, 3)) * size[:, None]
    translation = rng.uniform([-0.2, -0.2, 0.6], [0.2, 0.2, 1.0], (count, 3))
    points = np.einsum("nij,nkj->nki", rotation, local) + translation[:, None]
    centre = points.mean(1)
    save_file(
        {
            "points_centred": (points - centre[:, None]).astype(np.float16),
            "centre": centre.astype(np.float32),
            "rotation": np.ascontiguousarray(rotation, dtype=np.float32),
            "translation": translation.astype(np.float32),
            "size_m": size.astype(np.float32),
            "category": category,
            "stance": np.zeros(count, np.int64),
            "up": np.ascontiguousarray(rotation[:, :, 1], dtype=np.float32),
            "level_m": (np.einsum("ni,ni->n", rotation[:, :, 1], translation) - 0.05).astype(
                np.float32
            ),
        },
        path,
    )


@pytest.fixture
def pool(tmp_path: Path) -> CloudPool:
    folder = tmp_path / "set"
    folder.mkdir()
    write_blob_shard(folder / "shard-00000.safetensors")
    return CloudPool(folder)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def write_shard() -> Callable[..., None]:
    return write_blob_shard


@pytest.fixture
def small_config() -> LightConfig:
    return LightConfig(patches=8, neighbours=8, subset=64, width=16, layers=1, attention_heads=2)


@pytest.fixture
def small_model(small_config: LightConfig) -> LightPoseModel:
    torch.manual_seed(0)
    return LightPoseModel(small_config)


@pytest.fixture
def ticking() -> Callable[[], float]:
    """A clock on which every step takes a second."""
    return map(float, itertools.count()).__next__

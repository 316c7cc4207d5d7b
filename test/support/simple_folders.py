# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The example's four categories as folders, and small weights to fine-tune from."""

import importlib.util
from pathlib import Path

import torch

from genpose_ros.networks import LightConfig, LightPoseModel, save_model

__all__ = ["tiny_weights", "write_folder"]

_EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "simple_categories.py"


def write_folder(folder: Path, name: str = "drill", *, meshes: int = 6) -> Path:
    """Write the folder of one of the example's categories: drill, banana, box or tin.

    Args:
        folder: of the category's folder.
        name: of the category.
        meshes: how many to leave; fewer than six are split by default.
    """
    spec = importlib.util.spec_from_file_location("simple_categories", _EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    example.write_category(folder / name, name)
    if meshes < 6:
        for number in range(meshes, 6):
            (folder / name / f"{name}_{number}.ply").unlink()
        manifest = folder / name / "category.yaml"
        lines = manifest.read_text().splitlines(keepends=True)
        manifest.write_text("".join(line for line in lines if not line.startswith("meshes:")))
    return folder / name


def tiny_weights(path: Path) -> Path:
    """Save a network that has learnt nothing and computes in milliseconds."""
    torch.manual_seed(0)
    config = LightConfig(patches=8, neighbours=8, subset=64, width=16, layers=1, attention_heads=2)
    save_model(LightPoseModel(config), path, {})
    return path

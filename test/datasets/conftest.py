# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Writes small recorded frames."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

K = [[60.0, 0.0, 31.5], [0.0, 60.0, 23.5], [0.0, 0.0, 1.0]]


def write(folder: Path, label: dict | None = None, instances: list[dict] | None = None) -> Path:
    """A frame of 64 x 48 pixels with instances 3 (at 0.8 m) and 7 (at 1 m) before a wall at 2 m."""
    folder.mkdir(parents=True)
    depth_mm = np.full((48, 64), 2000, dtype=np.uint16)
    labels = np.zeros((48, 64), dtype=np.uint8)
    depth_mm[5:20, 5:20], labels[5:20, 5:20] = 800, 3
    depth_mm[25:45, 30:50], labels[25:45, 30:50] = 1000, 7
    depth_mm[0, :] = 0
    color = np.zeros((48, 64, 3), dtype=np.uint8)
    color[..., 0] = 200
    Image.fromarray(depth_mm).save(folder / "depth.png")
    Image.fromarray(labels).save(folder / "mask.png")
    Image.fromarray(color).save(folder / "color.jpg")
    if instances is None:
        instances = [{"id": 3, "category": "mug"}, {"id": 7, "category": "bowl"}]
    content = {"K": K, "width": 64, "height": 48, "instances": instances, **(label or {})}
    (folder / "label.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def write_frame():
    return write

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The picture of a set."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genpose_ros.geometry.categories import CATEGORIES
from genpose_ros.synthesis import STANCES, SetRecipe, shards, write_set
from genpose_ros.synthesis.contact_sheet import draw_contact_sheet, examples


def test_a_contact_sheet_covers_categories_and_stances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD_SIZE", 150)
    write_set(tmp_path, SetRecipe(clouds=300, seed=2))
    clouds = examples(tmp_path, each=2)
    cells = clouds.category * len(STANCES) + clouds.stance
    counts = np.bincount(cells, minlength=len(CATEGORIES) * len(STANCES))
    assert counts.max() == 2
    assert counts.mean() > 1.8
    assert (np.diff(cells) >= 0).all()
    draw_contact_sheet(clouds, tmp_path / "sheet.png")
    picture = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB"))
    assert picture.shape[1] > picture.shape[0] > 300
    # Every cell holds points: something that is not paper.
    ink = (picture < 200).any(-1)
    rows = np.array_split(ink, len(CATEGORIES))
    assert min(part.mean() for row in rows for part in np.array_split(row, 8, axis=1)) > 0.01

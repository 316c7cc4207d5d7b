# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Baselines beside the model, and tracking beside the paper's."""

import json

import numpy as np
import pytest

from genpose_ros.evaluation.studies import (
    TABLES,
    ViewTruth,
    baselines,
    draw_view_candidates,
    tracking,
)
from genpose_ros.evaluation.studies.compared import view_kinds


def test_every_view_belongs_to_exactly_one_kind(views):
    kinds = view_kinds(ViewTruth.of(views))
    assert (np.sum(list(kinds.values()), axis=0) == 1).all()


def test_baselines_are_scored_on_the_model_s_views(estimator, views):
    drawn = draw_view_candidates(estimator, views[:9], 50)
    done = []
    content = baselines(drawn, estimator, views=4, on_views=done.append).content
    assert content["views"] == 4
    assert sum(done) == 3 * 4
    rows = content["rows"]
    assert set(rows) == {"PCA box", "ICP", "ICP, told that it stands", "this model"}
    assert rows["ICP"]["cpu_ms_per_object"] > rows["PCA box"]["cpu_ms_per_object"] > 0
    assert "CPU ms per object" in TABLES["baselines"](json.loads(json.dumps(content)))


SUMMARY = {
    "5d5cm": 50.0,
    "mean_rotation_deg": 9.0,
    "mean_translation_cm": 2.0,
    "per_category": {
        "mug": {"5d5cm": 40.0, "mean_rotation_deg": 6.0, "mean_translation_cm": 1.0},
        "can": {"5d5cm": 80.0, "mean_rotation_deg": 2.0, "mean_translation_cm": None},
    },
}


def test_tracking_numbers_are_means_over_the_classes(tmp_path):
    path = tmp_path / "tracking.json"
    parts = {"paper_protocol": SUMMARY, "per_kind": {"turntable": SUMMARY}}
    path.write_text(json.dumps({**SUMMARY, **parts, "provenance": {"seed": 1}}))
    content = tracking(path).content
    means = {"5d5cm": 60.0, "mean_rotation_deg": 4.0, "mean_translation_cm": 1.0}
    assert content["rows"] == {"tracker": means, "paper_protocol": means}
    assert content["tracking_provenance"] == {"seed": 1}
    table = TABLES["tracking"](content)
    assert "| tracker | 60.0 | 4.0 | 1.0 |" in table
    assert "| paper protocol | 60.0 | 4.0 | 1.0 |" in table
    assert "| *GenPose, REAL275* | 71.5 | 4.2 | 1.5 |" in table


def test_a_missing_or_broken_tracking_report_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="evaluate tracking"):
        tracking(tmp_path / "none.json")
    for text, what in (("{", "not JSON"), ('{"a": 1}', "no summary")):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(ValueError, match=what):
            tracking(tmp_path / "bad.json")

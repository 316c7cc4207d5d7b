# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Reports as one file: the numbers, the curves, and nothing from elsewhere."""

import re

import numpy as np
import pytest

from genpose_ros.datasets import MugOrigin
from genpose_ros.evaluation import (
    DetectedPoses,
    NocsReport,
    SyntheticReport,
    TruePoses,
    pose_average_precision,
    pose_precision_curves,
)
from genpose_ros.evaluation.html_page import write_html
from genpose_ros.evaluation.html_report import nocs_html, synthetic_html
from genpose_ros.evaluation.synthetic import ViewReport
from genpose_ros.geometry.categories import CATEGORIES


def poses(errors):
    """Cans, of an image each, of given degrees of tilt and centimetres; the first scores best."""
    n = len(errors)
    true = np.tile(np.eye(4), (n, 1, 1))
    found = true.copy()
    for T, (degrees, centimetres) in zip(found, errors, strict=True):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        T[:3, :3] = [[1, 0, 0], [0, c, -s], [0, s, c]]
        T[0, 3] = centimetres / 100
    image, category = np.arange(n), np.full(n, CATEGORIES.index("can"))
    box = np.tile([0.0, 0, 1, 1], (n, 1))
    return (
        DetectedPoses(image, category, found, box, 1.0 - 0.1 * image),
        TruePoses(image, category, true, box, np.ones(n, bool)),
    )


ERRORS = [(3.5, 20.0), (50.0, 1.1), (12.5, 4.1), (7.5, 0.1)]


def test_curves_limit_one_error_and_leave_the_other_free():
    curves = pose_precision_curves(*poses(ERRORS))
    degrees = {
        limit[0]: ap for limit, ap in zip(curves.degrees.limits, curve(curves.degrees), strict=True)
    }
    # Right at ranks 1, 3, 4 within 13 degrees: precisions 1, 3/4, 3/4 after interpolation.
    assert degrees[13] == pytest.approx((1 + 0.75 + 0.75) / 4)
    assert degrees[3] == 0
    assert degrees[60] == 1
    centimetres = {
        limit[1]: ap
        for limit, ap in zip(curves.centimetres.limits, curve(curves.centimetres), strict=True)
    }
    assert centimetres[15] == pytest.approx(3 * 0.75 / 4)
    assert centimetres[0] == 0
    detected, true = poses(ERRORS)
    (both,) = pose_average_precision(detected, true, [(13.0, 1e9)]).categories["can"].strict
    assert degrees[13] == both


def curve(precision):
    return precision.categories["can"].strict.tolist()


def self_contained(page):
    assert page.startswith("<!DOCTYPE html>")
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    return len(re.findall(r'src="data:image/png;base64,[A-Za-z0-9+/=]{1000,}"', page))


def test_the_nocs_page_has_tables_curves_and_provenance(tmp_path):
    detected, true = poses(ERRORS)
    report = NocsReport(
        split="real_test",
        frames=4,
        every=2,
        listed=True,
        masks="<detector>",
        pose_sources={"gts": 4},
        mug_origin=MugOrigin.BOX,
        unknown_handles=0,
        rejected=1,
        boxes="2d",
        unknown_sizes=0,
        precision=pose_average_precision(detected, true),
        curves=pose_precision_curves(detected, true),
    )
    page = nocs_html(report, {"weights": "my <weights>"})
    assert self_contained(page) == 2
    assert "&lt;detector&gt;" in page
    assert "my &lt;weights&gt;" in page
    assert "one of 2" in page
    cells = re.findall(r"<tr><td>can</td>(.*?)</tr>", page)
    # 10 degrees 5 cm: right at rank 4 of 4.
    assert len(cells) == 2
    assert cells[0].endswith("<td>6.2</td>")
    write_html(tmp_path / "new" / "page.html", page)
    assert (tmp_path / "new" / "page.html").read_text(encoding="utf-8") == page


def test_the_synthetic_page_has_tables_curves_and_provenance():
    detected, true = poses(ERRORS)
    views = tuple(
        ViewReport(
            "can", i < 2, error, np.array([error]), np.zeros(3),
            detected.T_cam_obj[i], true.T_cam_obj[i], True, float(detected.score[i]),
        )
        for i, error in enumerate(ERRORS)
    )  # fmt: skip
    report = SyntheticReport(views)
    assert report.to_json()["average_precision"]["can"]["10d5cm"] == 6.25
    assert report.to_json()["all"]["10d5cm"] == 25
    page = synthetic_html(report, {"commit": None})
    assert self_contained(page) == 1
    assert "<td>can, standing</td>" in page
    assert "<td>mug, standing</td><td>0</td><td>-</td>" in page

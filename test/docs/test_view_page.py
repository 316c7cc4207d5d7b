# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The page on the view quotes what was measured."""

import json


def test_what_the_view_costs_is_what_was_measured(root):
    page = (root / "docs" / "view.md").read_text()
    measured = json.loads((root / "docs" / "results" / "view.json").read_text())
    for name, row in measured["results"].items():
        width, height = row["canvas_px"]
        had = sum(row["processors"].values())
        assert (
            f"| {name} | {width} x {height} | {row['seen_per_s']:.1f} | {had:.2f} | "
            f"{row['processors_for_10_hz']:.1f} |"
        ) in page

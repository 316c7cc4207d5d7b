# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tables of stored numbers: `genpose evaluate frames` and `genpose evaluate synthetic`."""

from typing import Any

from genpose_ros.evaluation.markdown import markdown_table
from genpose_ros.evaluation.studies.report import LIMIT_HEADS, LIMIT_NAMES

__all__ = [
    "frame_objects_table",
    "frames_table",
    "synthetic_categories_table",
    "synthetic_table",
]


def frames_table(content: dict[str, Any]) -> str:
    """Medians and shares of the objects with ground truth, of all and per category."""
    rows = []
    for name, group in content["summary"].items():
        if not isinstance(group, dict) or not group.get("instances"):
            continue
        median = (group["median_rotation_error_deg"], group["median_translation_error_cm"])
        middle = "-" if None in median else f"{median[0]:.1f}° / {median[1]:.1f} cm"
        shares = [value for key, value in group.items() if key.startswith("share_")]
        cells = ["-" if share is None else f"{100 * share:.0f}" for share in shares]
        rows.append([name.replace("+", ", "), group["instances"], middle, *cells])
    return markdown_table(["", "n", "median", *LIMIT_HEADS], rows)


def frame_objects_table(content: dict[str, Any]) -> str:
    """Every object of every frame that has a truth."""
    rows = []
    for item in content["instances"]:
        if item["truth"] == "none":
            continue
        hidden = " (handle hidden)" if item["handle_visible"] is False else ""
        score = "-" if item["score"] is None else f"{item['score']:.2f}"
        errors = [item["rotation_error_deg"], item["translation_error_cm"]]
        rows.append([item["frame"], item["class"] + hidden, *errors, score, item["truth"]])
    heads = ["frame", "object", "rotation °", "translation cm", "score", "truth"]
    return markdown_table(heads, rows)


def synthetic_table(content: dict[str, Any]) -> str:
    """Standing, tipped and all views, with medians."""
    rows: list[list[Any]] = []
    for name in ("standing", "tipped", "all"):
        group = content[name]
        degrees, centimetres = group["median_rotation_deg"], group["median_translation_cm"]
        middle = "-" if degrees is None else f"{degrees:.1f}° / {centimetres:.2f} cm"
        rows.append([name, middle, *(group[limit] for limit in LIMIT_NAMES)])
    best = content["best_of_k"]
    rows.append(["best of the candidates, all", "", *(best[limit] for limit in LIMIT_NAMES)])
    return markdown_table(["", "median", *LIMIT_HEADS], rows)


def synthetic_categories_table(content: dict[str, Any]) -> str:
    """Per category, standing and tipped."""
    rows = [
        [
            name,
            *(groups["standing"][limit] for limit in LIMIT_NAMES),
            *(groups["tipped"][limit] for limit in LIMIT_NAMES),
        ]
        for name, groups in content["per_category"].items()
    ]
    heads = ["category", *(f"standing {limit}" for limit in LIMIT_HEADS)]
    return markdown_table([*heads, *(f"tipped {limit}" for limit in LIMIT_HEADS)], rows)

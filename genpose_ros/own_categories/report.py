# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""HTML report of a fine-tuning: verdict, table, curve, pictures of held-out views, how to go on."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genpose_ros.evaluation.html_page import html_image, html_page, html_table
from genpose_ros.evaluation.provenance import provenance
from genpose_ros.own_categories.check import FolderCheck
from genpose_ros.own_categories.outcome import (
    USABLE_5D2CM,
    USABLE_10D5CM,
    Outcome,
    Verdict,
    accuracy_rows,
    verdict,
)
from genpose_ros.own_categories.pictures import curve_figure, views_figure

__all__ = ["training_html"]

_GREEN, _AMBER = "#e3f4e6;border-left:6px solid #2e9e4f", "#fff3dc;border-left:6px solid #d98a00"


def training_html(outcome: Outcome, checks: Sequence[FolderCheck], weights: Path) -> str:
    """Return the page of a fine-tuning, in one file without outside requests.

    Args:
        outcome: what came out.
        checks: findings about the folders of the new categories.
        weights: the file that was written.

    Raises:
        OSError: the weights cannot be read.
    """
    names = ", ".join(category.name for category in outcome.plan.new)
    judged = verdict(outcome)
    heads, rows = accuracy_rows(outcome)
    parts = [
        _verdict_box(judged),
        "<h2>Accuracy, % of the views</h2>",
        _basis(outcome),
        html_table(heads, rows),
    ]
    if outcome.curve:
        parts += [
            "<h2>On the way</h2>",
            html_image(curve_figure(outcome.curve), _curve_words(outcome)),
        ]
    for name in outcome.new.categories.names:
        figure = views_figure(outcome, name)
        parts += [f"<h2>{html.escape(name)}: best, middling and worst</h2>", _PICTURE_KEY]
        parts.append(html_image(figure, f"held-out views of {name} with their estimated axes"))
    parts += ["<h2>What the check of the meshes says</h2>", _findings(checks)]
    parts += ["<h2>How to go on</h2>", _next_steps(outcome, weights)]
    return html_page(f"Own categories: {names}", parts, _source(outcome, weights))


_PICTURE_KEY = (
    "<p>Points as the camera sees them, near dark and far bright; thin grey box: the truth; axes: "
    "the estimate, x red (front), y green (up), z blue. Below each its errors and its score.</p>"
)


def _verdict_box(judged: Verdict) -> str:
    word = "Usable" if judged.usable else "Not yet"
    advice = "".join(f"<li>{html.escape(line)}</li>" for line in judged.advice)
    advice = f"<ul>{advice}</ul>" if advice else ""
    color = _GREEN if judged.usable else _AMBER
    return (
        f'<div style="background:{color};padding:.6em 1.2em">'
        f'<p style="font-size:1.5em;margin:.2em 0"><b>{word}</b></p>'
        f"<p>{html.escape(judged.sentence)}. Usable means: of the standing held-out objects at "
        f"least {100 * USABLE_5D2CM:.0f} % within 5° and 2 cm and {100 * USABLE_10D5CM:.0f} % "
        f"within 10° and 5 cm, modulo the symmetry.</p>{advice}</div>"
    )


def _basis(outcome: Outcome) -> str:
    instances = [f.category.name for f in outcome.plan.folders if f.is_instance]
    held_out = "synthetic views of held-out meshes, which were never trained on"
    if instances:
        held_out += f" (of {', '.join(instances)}, of which there is one mesh: fresh views of it)"
    stages = [
        f"{name} {record['clouds']:,} clouds in {record['minutes']:.1f} minutes"
        for name, record in outcome.stages.items()
    ]
    kept = (
        " Kept categories: fresh generated shapes, the same ones before and after."
        if outcome.kept_after is not None
        else ""
    )
    return (
        f"<p>New categories: {html.escape(held_out)}.{kept} Views: standing / all, 40 % of all "
        f"lying, upside down or in any orientation. Trained: {html.escape('; '.join(stages))}; "
        f"{outcome.rendered:,} clouds rendered.</p>"
    )


def _curve_words(outcome: Outcome) -> str:
    last = outcome.curve[-1]
    return f"shares over clouds seen; at the end {last.new_5d2cm:.0f} % of new views within 5°2cm"


def _findings(checks: Sequence[FolderCheck]) -> str:
    rows = [
        [check.path.name, finding.level.value, finding.mesh or "all", finding.text]
        for check in checks
        for finding in check.findings
    ]
    meshes = [
        [
            check.path.name,
            one.mesh.name,
            one.split,
            " x ".join(f"{100 * edge:.1f}" for edge in one.size),
            "yes" if one.mesh.closed else "no",
            one.symmetry,
            ", ".join(one.mirror_planes) or "-",
        ]
        for check in checks
        for one in check.meshes
    ]
    heads = ["folder", "mesh", "split", "x, y, z cm", "closed", "symmetry", "mirror planes"]
    found = html_table(["folder", "level", "mesh", "finding"], rows) if rows else "<p>Nothing.</p>"
    return found + html_table(heads, meshes)


def _next_steps(outcome: Outcome, weights: Path) -> str:
    name, file = outcome.plan.new[0].name, weights.name
    images = "--depth depth.png --mask mask.png --camera-info camera_info.yaml"
    commands = (
        f"genpose estimate {images} --classes 1={name} --weights {file}",
        f"genpose evaluate synthetic --weights {file}",
        f"genpose demo --weights {file}",
        f"ros2 launch genpose_ros estimate.launch.py weights:={file}",
        f"genpose weights {file}",
    )
    lines = "\n".join(html.escape(command) for command in commands)
    return (
        f"<pre>{lines}</pre><p>To train longer or with more meshes, run the command below again "
        "under another name.</p>"
    )


def _source(outcome: Outcome, weights: Path) -> dict[str, Any]:
    settings = {name: record["settings"] for name, record in outcome.stages.items()}
    source = provenance(weights, outcome.plan.seed)
    return {**source, "plan": outcome.plan.record(), "settings": settings}

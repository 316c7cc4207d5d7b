# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The pages say what is so: links lead somewhere, reasons and log lines exist, numbers are kept."""

import ast
import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from genpose_ros.estimation.reasons import Reason
from genpose_ros.robot.reasons import FrameReason
from genpose_ros.synthesis.scenes import table_scene

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "[de]*/*.md", "genpose_ros/weights/*.md")
    for path in ROOT.glob(pattern)
)
#: Groups of parameters.
GROUPS = {"depth", "sampling", "segmentation", "sync", "tracking"}
#: Arguments of estimate.launch.py that are called like a parameter of an earlier version.
LAUNCH_ARGUMENTS = {"mask_source", "default_category", "label_categories", "rectified"}
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def headings(path: Path) -> list[str]:
    text = _FENCE.sub("", path.read_text())
    return re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    kept = (re.sub(r"[^\w\s-]", "", h.replace("`", "").lower()) for h in headings(path))
    return {re.sub(r"\s+", "-", text.strip()) for text in kept}


def quoted_lines() -> list[str]:
    found = headings(ROOT / "docs" / "troubleshooting.md")
    return [heading.strip("`") for heading in found if heading.startswith("`")]


@cache
def texts_in_the_code() -> list[str]:
    """Every text of the product, `...` for what is put into it."""
    texts = []
    for path in (ROOT / "genpose_ros").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (p.value if isinstance(p, ast.Constant) else "..." for p in node.values)
                texts.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return texts


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_files_and_headings(page):
    broken = []
    for link in _LINK.findall(_FENCE.sub("", page.read_text())):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)
    assert broken == []


def test_python_files_that_the_pages_name_exist():
    known = {str(path.relative_to(ROOT)) for path in ROOT.glob("[!.]*/**/*.py")}
    missing = set()
    for page in ROOT.glob("docs/**/*.md"):
        for name in re.findall(r"`([\w/]+\.py)`", page.read_text()):
            if not any(path == name or path.endswith(f"/{name}") for path in known):
                missing.add(f"{page.name}: {name}")
    assert missing == set()


def test_pages_are_found_where_links_are_checked():
    names = {str(page.relative_to(ROOT)) for page in PAGES}
    assert {"README.md", "CONTRIBUTING.md", "docs/index.md", "docs/reference/messages.md"} <= names


def test_every_rejection_reason_has_a_section_and_no_other():
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    part = page.partition("## Rejection reasons")[2].partition("\n## ")[0]
    sections = re.findall(r"^### (\w+)$", part, re.MULTILINE)
    assert sorted(sections) == sorted(reason.value for reason in Reason)


def test_every_reason_for_no_task_frame_has_a_section_and_no_other():
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    part = page.partition("## Why there is no task frame")[2].partition("\n## ")[0]
    sections = re.findall(r"^### (\w+)$", part, re.MULTILINE)
    assert sorted(sections) == sorted(reason.value for reason in FrameReason)
    # A heading's link would lead to the first of the same name.
    assert not {r.value for r in FrameReason} & {r.value for r in Reason}


@pytest.mark.parametrize("line", quoted_lines())
def test_a_quoted_log_line_is_one_that_the_code_writes(line):
    assert any(line.rstrip() in text for text in texts_in_the_code())


def test_parameters_are_called_by_their_whole_and_present_names(root):
    reference = (root / "docs" / "reference" / "parameters.md").read_text()
    today, _, earlier = reference.partition("## Names of earlier versions")
    known = set(re.findall(r"^\| `([\w.]+)` \|", today, re.MULTILINE))
    old = set(re.findall(r"^\| `([\w.]+)` \|", earlier, re.MULTILINE))
    assert {"sampling.candidates", "tracking.max_coast_s"} <= known
    assert {"candidates", "slop_seconds"} <= old
    for name in ("troubleshooting.md", "ros_api.md", "concepts.md"):
        page = (root / "docs" / name).read_text()
        # A launch argument keeps its short name: it is written with what it is set to.
        named = set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)?)(?:: ?\w+)?`", page))
        assert {n for n in named & old if n not in LAUNCH_ARGUMENTS} == set(), name
        dotted = {n for n in named if n.partition(".")[0] in GROUPS and "." in n}
        assert dotted <= known, name


def test_the_accuracy_in_the_readme_is_that_of_the_stored_results(root):
    results = root / "docs" / "results"
    frames = json.loads((results / "frames.json").read_text())["summary"]["all"]
    views = json.loads((results / "synthetic.json").read_text())
    readme = (root / "README.md").read_text()
    near, wide = frames["share_5deg2cm"], frames["share_10deg5cm"]
    median = (
        f"{frames['median_rotation_error_deg']:.1f}° / "
        f"{frames['median_translation_error_cm']:.1f} cm"
    )
    expected = [f"| {frames['instances']} | {median} | {near:.0%} | {wide:.0%} |"]
    for stance in ("standing", "tipped"):
        part = views[stance]
        expected.append(
            f"| {part['views']} | {part['median_rotation_deg']:.1f}° / "
            f"{part['median_translation_cm']:.1f} cm | {part['5d2cm']:.0f} % | "
            f"{part['10d5cm']:.0f} % |"
        )
    for row in expected:
        assert re.sub(r"(\d)%", r"\1 %", row) in readme


def test_the_tracking_figures_in_the_readme_are_those_of_the_stored_results(root):
    results = root / "docs" / "results"
    tracking = json.loads((results / "tracking.json").read_text())
    node = json.loads((results / "tracking_node.json").read_text())["tracking_node"]
    readme = " ".join((root / "README.md").read_text().split())
    assert f"{tracking['5d5cm']:.0f} % of the visible poses within 5° and 5 cm" in readme
    mean_cm = tracking["mean_translation_cm"]
    assert f"mean {tracking['mean_rotation_deg']:.1f}° and {mean_cm:.1f} cm" in readme
    assert tracking["id_switches_without_occlusion"] == 0
    five, ten = (round(node[key]["frames_per_second"]) for key in ("5", "10"))
    assert f"five objects are tracked in {five} images a second, ten in {ten}" in readme


def test_the_python_of_the_readme_runs(root, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), re.S)
    scene = table_scene(0, categories=("mug",), extras=0)
    (mug,) = scene.objects
    names = {"depth_m": scene.depth_mm / np.float32(1000), "mask": scene.label == mug.instance_id}
    exec(code, names)
    (estimate,) = names["result"].estimates
    assert np.linalg.norm(estimate.T_cam_obj[:3, 3] - mug.T_cam_obj[:3, 3]) < 0.02
    assert capsys.readouterr().out.startswith("mug [[")


def test_the_readme_comes_to_its_picture_within_a_screen(root):
    before = (root / "README.md").read_text().partition("![")[0].splitlines()
    assert len(before) <= 16
    assert max(map(len, before)) <= 160


def test_every_topic_and_service_of_the_node_is_in_the_reference(root):
    page = (root / "docs" / "ros_api.md").read_text()
    code = "\n".join(
        (root / "genpose_ros" / "ros" / name).read_text()
        for name in ("inputs.py", "outputs.py", "estimator_node.py", "requests.py")
    )
    services = set(re.findall(r'(?:create_service|ActionServer)\([\w\s,]+"(~/\w+)"', code))
    outputs = set(re.findall(r'"(\w+)": (?:\w+Array|PointCloud2|\w+Info)\b', code))
    inputs = set(re.findall(r'"(\w+)"\]? ?[:=] _Topic\(', code))
    assert len(services) == 5
    assert len(outputs) == 10
    assert len(inputs) == 10
    missing = {n for n in services if f"`{n}`" not in page}
    missing |= {n for n in outputs if f"`~/{n}`" not in page}
    missing |= {n for n in inputs if f"`{n}`" not in page}
    assert missing == set()


def test_the_figures_of_raw_depth_are_those_of_the_stored_results(root):
    stored = json.loads((root / "docs" / "results" / "registration.json").read_text())
    page = (root / "docs" / "ros_api.md").read_text()
    for name, way in stored["ways"].items():
        row = next(line for line in page.splitlines() if line.startswith(f"| {_TITLES[name]} |"))
        assert row.split(" | ")[1:] == [
            str(way["objects"]),
            f"{way['median_deg']:.2f}° {way['median_cm']:.2f} cm",
            f"{way['5deg2cm']} %",
            f"{way['10deg5cm']} % |",
        ]
    assert f"take {stored['carried_over_ms']:.0f} ms of one core" in page


def test_the_figures_of_the_covariances_are_those_of_the_stored_results(root):
    stored = json.loads((root / "docs" / "results" / "covariance.json").read_text())
    page = (root / "docs" / "tracking.md").read_text()
    for row in stored["covariance"]:
        figures = f"{row['poses']} | {row['median']:.2f} | {row['p90']:.2f}"
        assert f"| {row['mode']} | {row['of']} | {figures} |" in page


#: What the ways of `benchmarks.registration` are called on the page.
_TITLES = {
    "raw depth, masks carried over": "raw depth, masks carried over",
    "aligned depth": "depth aligned to colour",
}

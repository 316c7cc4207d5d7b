# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The site builds without a warning and asks nobody else for anything."""

import html
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(root, tmp_path_factory):
    pytest.importorskip("mkdocs", reason="the extra `docs` is not installed; `make setup` does so")
    folder = tmp_path_factory.mktemp("site")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=root,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return folder


def text_of(page: Path) -> str:
    """A page without its tags."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))


def test_every_page_of_docs_is_in_the_site(site, root):
    pages = {path.relative_to(root / "docs").with_suffix("") for path in root.glob("docs/**/*.md")}
    built = {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")}
    assert pages <= built


def test_the_examples_page_shows_their_code(site):
    page = text_of(site / "examples.html")
    assert "estimator = PoseEstimator.from_settings(" in page
    assert "class ObjectPrinter(Node):" in page


def test_examples_in_docstrings_are_shown_as_code(site):
    page = text_of(site / "api" / "geometry.html")
    assert ">>> camera = PinholeCamera(fx=600.0" in page
    assert "Example:" not in page


def test_no_page_loads_anything_from_elsewhere(site):
    loaded = re.compile(r'(?:src|<link[^>]+href)="(?:https?:)?//[^"]+"')
    found = {m for page in site.rglob("*.html") for m in loaded.findall(page.read_text())}
    assert found == set()


def test_scripts_are_not_part_of_the_site(site):
    assert list(site.rglob("*.py")) == []


def test_the_library_reference_has_every_public_class_and_function(site):
    from genpose_ros import datasets, diffusion, estimation, geometry, networks, synthesis, tracking

    for package in (datasets, diffusion, estimation, geometry, networks, synthesis, tracking):
        page = (site / "api" / f"{package.__name__.rpartition('.')[2]}.html").read_text()
        public = [n for n in package.__all__ if inspect.isroutine(getattr(package, n))]
        public += [n for n in package.__all__ if inspect.isclass(getattr(package, n))]
        assert len(public) > 3
        missing = [n for n in public if f'id="{package.__name__}.{n}"' not in page]
        assert missing == [], package.__name__

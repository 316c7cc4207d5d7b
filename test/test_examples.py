# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Examples in docstrings: every public name has one, and pytest executes them all."""

import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import get_origin

import pytest

from genpose_ros import diffusion, estimation, geometry


def public_objects(package: ModuleType) -> dict[str, object]:
    """The functions and classes that a package exports; constants and type aliases left out."""
    exported = {name: getattr(package, name) for name in package.__all__}
    return {
        name: item
        for name, item in exported.items()
        # Of Python 3.10, aliases of callables are classes too.
        if inspect.isfunction(item) or (inspect.isclass(item) and get_origin(item) is None)
    }


@pytest.mark.parametrize("package", [geometry, diffusion, estimation], ids=lambda p: p.__name__)
def test_every_public_function_and_class_has_an_example(package):
    objects = public_objects(package)
    assert len(objects) >= 10
    assert [n for n, item in objects.items() if ">>> " not in (inspect.getdoc(item) or "")] == []


def test_every_file_with_an_example_is_among_those_that_pytest_runs(root: Path, pytestconfig):
    assert pytestconfig.getoption("doctestmodules")
    executed = [root / path for path in pytestconfig.getini("testpaths")]
    with_example = [
        path
        for path in (root / "genpose_ros").rglob("*.py")
        if re.search(r"^\s*>>> ", path.read_text(), re.MULTILINE)
    ]
    assert len(with_example) > 20
    assert [p for p in with_example if not any(p.is_relative_to(top) for top in executed)] == []

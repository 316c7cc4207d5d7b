# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The scripts of docs/ as modules."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def load_script(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def generate(root) -> ModuleType:
    pytest.importorskip("rclpy", reason="no ROS 2 here, so the node's settings cannot be read")
    return load_script(root / "docs" / "generate.py")


@pytest.fixture(scope="session")
def draw(root) -> ModuleType:
    return load_script(root / "docs" / "draw.py")

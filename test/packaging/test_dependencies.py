# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Imports against declared dependencies: package.xml (rosdep keys) and pyproject.toml (PyPI)."""

import ast
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

#: Modules of ROS 2 packages whose name in package.xml is another one.
ROS_NAMES = {"tf2_ros": "tf2_ros_py"}

#: Modules that belong to a ROS 2 package; PyPI's list does not concern them.
ROS_MODULES = {
    "action_msgs", "ament_index_python", "builtin_interfaces", "cv_bridge", "diagnostic_msgs",
    "geometry_msgs", "launch", "launch_ros", "lifecycle_msgs", "moveit_msgs", "rcl_interfaces",
    "rclpy", "rosgraph_msgs", "sensor_msgs", "sensor_msgs_py", "shape_msgs", "std_msgs", "std_srvs",
    "tf2_msgs", "tf2_ros", "vision_msgs", "visualization_msgs",
}  # fmt: skip

#: Other modules: their name on PyPI, and their rosdep key where package.xml names one.
PYTHON_NAMES = {
    "OpenEXR": ("openexr", None),
    "backports": ("backports-zstd", None),
    "PIL": ("pillow", "python3-pil"),
    "build": ("build", "python3-build"),
    "cv2": ("opencv-python-headless", "python3-opencv"),
    "hypothesis": ("hypothesis", "python3-hypothesis"),
    "lightning_fabric": ("lightning-fabric", None),
    "lz4": ("lz4", None),
    "matplotlib": ("matplotlib", "python3-matplotlib"),
    "mkdocs": ("mkdocs", None),
    "numpy": ("numpy", "python3-numpy"),
    "open3d": ("open3d", None),
    "pyrealsense2": ("pyrealsense2", None),
    "pytest": ("pytest", "python3-pytest"),
    "rich": ("rich", "python3-rich"),
    "rosbags": ("rosbags", None),
    "safetensors": ("safetensors", None),
    "scipy": ("scipy", "python3-scipy"),
    "sklearn": ("scikit-learn", None),
    "tensorboard": ("tensorboard", None),
    "torch": ("torch", None),
    "torchvision": ("torchvision", None),
    "trimesh": ("trimesh", None),
    "triton": ("triton", None),
    "typer": ("typer", None),
    "ultralytics": ("ultralytics", None),
    "viser": ("viser", None),
    "websockets": ("websockets", None),
    "yaml": ("pyyaml", "python3-yaml"),
}

#: Imported only where somebody asks for it, with a message that says what to install.
OPTIONAL = {
    "OpenEXR": "exr",
    "lightning_fabric": "train",
    "pyrealsense2": "realsense",
    "sklearn": "study",
    "tensorboard": "tensorboard",
    "torchvision": "mask_rcnn",
    "triton": "triton",
    "ultralytics": "",  # of an example
    "viser": "view",
    "websockets": "view",
}

#: Needed without an import: the `ros2 launch` command, generated interfaces, pytest's plug-in, and
#: what the environment of the Python packages and open3d's libraries need.
NOT_IMPORTED = {
    "exec": {
        "action_msgs",
        "libgomp1",
        "libusb-1.0",
        "python3-venv",
        "ros2launch",
        "rosidl_default_runtime",
    },
    "test": {
        "ament_cmake_pytest",
        "ament_cmake_xmllint",
        "python3-pytest-timeout",
        "python3-pytest-xdist",
    },
}

PRODUCT = ("genpose_ros", "launch", "scripts")

TESTS = ("test", "examples")


def imported(root: Path, folders: tuple[str, ...]) -> set[str]:
    """Top-level names of the foreign modules that the Python files of some folders import."""
    names: set[str] = set()
    for folder in folders:
        for path in (root / folder).rglob("*"):
            text = path.read_text() if path.suffix in {".py", ""} and path.is_file() else ""
            if path.suffix == ".py" or text.startswith("#!/usr/bin/env python3"):
                names |= imported_by(text)
    helpers = {path.stem for path in (root / "test").rglob("*.py")}
    own = {"genpose_ros", "embedded", *helpers}
    return names - own - set(sys.stdlib_module_names)


def imported_by(text: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.importorskip":
            names.add(str(ast.literal_eval(node.args[0])))
    # Of the standard library, from Python 3.14 on.
    return {name.partition(".")[0] for name in names} - {"compression"}


def ros_name(module: str) -> str | None:
    if module in ROS_MODULES:
        return ROS_NAMES.get(module, module)
    return PYTHON_NAMES[module][1]


@pytest.fixture(scope="module")
def product(root: Path) -> set[str]:
    return imported(root, PRODUCT)


@pytest.fixture(scope="module")
def tests(root: Path) -> set[str]:
    return imported(root, TESTS)


@pytest.fixture(scope="module")
def declared_ros(root: Path) -> dict[str, set[str]]:
    """Dependencies of package.xml by kind; those of `depend` count as exec."""
    manifest = ET.parse(root / "package.xml").getroot()
    kinds = {"exec": ("exec_depend", "depend"), "test": ("test_depend",)}
    return {
        kind: {str(item.text) for tag in tags for item in manifest.findall(tag)}
        for kind, tags in kinds.items()
    }


@pytest.fixture(scope="module")
def declared_pypi(root: Path) -> dict[str, set[str]]:
    """Names of pyproject.toml's dependencies; by extra, and "" for those of every installation."""
    text = (root / "pyproject.toml").read_text()
    (required,) = re.findall(r"^dependencies = \[(.*?)^\]", text, re.M | re.S)
    (extras,) = re.findall(r"^\[project\.optional-dependencies\]\n(.*?)^\[", text, re.M | re.S)
    lists = dict(re.findall(r"^(\w+) = \[(.*?)\]$", extras, re.M | re.S)) | {"": required}
    return {key: set(re.findall(r'"([\w-]+)[\[>=]', value)) for key, value in lists.items()}


def test_every_foreign_module_is_known_here(product: set[str], tests: set[str]) -> None:
    assert product | tests <= ROS_MODULES | set(PYTHON_NAMES)


def test_package_xml_declares_for_execution_what_the_product_imports(
    product: set[str], declared_ros: dict[str, set[str]]
) -> None:
    needed = {ros_name(module) for module in product} - {None}
    assert declared_ros["exec"] == needed | NOT_IMPORTED["exec"]


def test_package_xml_declares_for_tests_what_they_import_beside_that(
    tests: set[str], declared_ros: dict[str, set[str]]
) -> None:
    needed = {ros_name(module) for module in tests} - {None} - declared_ros["exec"]
    assert declared_ros["test"] == needed | NOT_IMPORTED["test"]


def test_pyproject_requires_what_the_product_imports(
    product: set[str], declared_pypi: dict[str, set[str]]
) -> None:
    needed = {PYTHON_NAMES[name][0] for name in product - ROS_MODULES - set(OPTIONAL)}
    assert declared_pypi[""] == needed


def test_what_is_imported_on_demand_has_an_extra(
    product: set[str], declared_pypi: dict[str, set[str]]
) -> None:
    for module in product & set(OPTIONAL):
        assert PYTHON_NAMES[module][0] in declared_pypi[OPTIONAL[module]]


def test_the_test_extra_has_what_only_tests_import(
    product: set[str], tests: set[str], declared_pypi: dict[str, set[str]]
) -> None:
    needed = {PYTHON_NAMES[m][0] for m in tests - product - ROS_MODULES - set(OPTIONAL)}
    assert needed <= declared_pypi["test"] | declared_pypi["dist"] | declared_pypi["docs"]


def test_benchmarks_import_nothing_beside_the_products_packages(
    root: Path, declared_pypi: dict[str, set[str]]
) -> None:
    others = imported(root, ("benchmarks",)) - ROS_MODULES - {"benchmarks"}
    needed = {PYTHON_NAMES[module][0] for module in others}
    assert needed <= declared_pypi[""]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import numpy as np, scipy.optimize", {"numpy", "scipy"}),
        ("def f():\n    from rich.table import Table", {"rich"}),
        ("from . import near\nfrom .near import it", set()),
        ('build = pytest.importorskip("build.env")', {"build"}),
    ],
)
def test_imports_are_found_wherever_they_stand(text: str, expected: set[str]) -> None:
    assert imported_by(text) == expected

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the order of the package's folders: imports run downward only, and ROS stays in ros/."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

#: Folders and single modules of the package, top to bottom: each imports only what stands below.
ORDER = (
    "__main__",
    "cli",
    "own_categories",
    "ros/demo",
    "ros/view",
    "ros/replay",
    "ros/robot",
    "ros",
    "view",
    "evaluation/studies",
    "evaluation/tracking",
    "evaluation",
    "training",
    "robot/simulation",
    "synthesis",
    "datasets",
    "segmentation",
    "realsense",
    "drawing",
    "robot",
    "tracking",
    "estimation",
    "networks",
    "diffusion",
    "geometry",
    "settings",
    "yaml_files",
    "files",
    "process_pool",
    "checkout",
    "stopping",
    "heap",
)
#: What runs on a robot; it needs nothing of the rest.
RUNTIME = {
    "ros", "ros/robot", "robot", "segmentation", "realsense", "tracking", "estimation", "networks",
    "diffusion", "geometry", "settings", "yaml_files", "files", "stopping",
    "heap",
}  # fmt: skip
#: Packages that come with ROS alone, beside those whose names end in `_msgs` or `_srvs`.
ROS_PACKAGES = {
    "ament_index_python", "builtin_interfaces", "cv_bridge", "launch", "launch_ros",
    "rcl_interfaces", "rclpy", "sensor_msgs_py", "tf2_ros",
}  # fmt: skip


def imported(source: str) -> Iterator[tuple[str, str]]:
    """What a module imports anywhere: the module's name and, of `from a.b import c`, also c."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not looked through"
            yield from ((str(node.module), alias.name) for alias in node.names)


def modules(package: Path) -> dict[str, Path]:
    """The files of a package by their modules' names."""
    found = {}
    for file in package.rglob("*.py"):
        parts = file.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def graph(package: Path) -> dict[str, set[str]]:
    """The modules of a package that each of them imports; a package stands for its __init__."""
    files = modules(package)
    found: dict[str, set[str]] = {name: set() for name in files}
    for name, file in files.items():
        for other, item in imported(file.read_text()):
            # `from package import module` is the module's import, whatever the package holds.
            target = f"{other}.{item}" if f"{other}.{item}" in files else other
            if target in files and target != name:
                found[name].add(target)
    return found


def place(module: str, package: Path) -> str:
    """The entry of `ORDER` that a module belongs to; empty: the package itself."""
    parts = module.split(".")[1:]
    folder = [part for i, part in enumerate(parts) if package.joinpath(*parts[: i + 1]).is_dir()]
    return "/".join(folder) or ".".join(parts)


@pytest.fixture(scope="module")
def package(root: Path) -> Path:
    return root / "genpose_ros"


@pytest.fixture(scope="module")
def arrows(package: Path) -> set[tuple[str, str, str]]:
    """Folder, folder that it imports, module that does so."""
    return {
        (place(name, package), place(other, package), name)
        for name, others in graph(package).items()
        for other in others
        if place(name, package) != place(other, package) and place(other, package)
    }


def test_every_folder_has_its_place_in_the_order(package):
    assert {place(name, package) for name in modules(package)} - {""} == set(ORDER)


def test_imports_run_downward_only(arrows):
    assert [a for a in arrows if ORDER.index(a[0]) >= ORDER.index(a[1])] == []


def test_no_module_imports_itself_round_a_circle(package):
    assert len(list(TopologicalSorter(graph(package)).static_order())) == len(modules(package))


def test_the_runtime_needs_no_evaluation_synthesis_datasets_drawing_or_training(arrows):
    assert [a for a in arrows if a[0] in RUNTIME and a[1] not in RUNTIME] == []


def test_nothing_outside_ros_imports_ros(package):
    strangers = [
        (name, other)
        for name, file in modules(package).items()
        if not name.startswith("genpose_ros.ros")
        for other, item in imported(file.read_text())
        if other.split(".")[0] in ROS_PACKAGES
        or other.split(".")[0].endswith(("_msgs", "_srvs"))
        or f"{other}.{item}".startswith(("genpose_ros.msg.", "genpose_ros.ros."))
    ]
    assert strangers == []


def imported_at_once(source: str) -> Iterator[str]:
    """The modules that a module imports when it is imported, and those of its functions."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    yield from (name for name, _ in imported(ast.unparse(tree)))


def test_replays_need_no_ros_though_they_use_the_adapters_of_the_node(package):
    files = modules(package)
    needed = [name for name in files if name.startswith("genpose_ros.ros.replay.")]
    assert needed
    strangers = []
    for name in needed:  # grows in the loop
        for other in imported_at_once(files[name].read_text()):
            if other in files and other not in needed:
                needed.append(other)
            top = other.split(".")[0]
            if (
                top in ROS_PACKAGES
                or top.endswith(("_msgs", "_srvs"))
                or "genpose_ros.msg" in other
            ):
                strangers.append((name, other))
    assert strangers == []


def test_the_diffusion_knows_nothing_of_poses_and_clouds(arrows):
    assert {b for a, b, _ in arrows if a == "diffusion"} == set()


def test_imports_are_found_wherever_they_stand(tmp_path):
    package = tmp_path / "thing"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "inner" / "__init__.py").write_text("from thing.inner.low import f\n")
    (package / "inner" / "low.py").write_text("def f():\n    import thing.high\n")
    (package / "high.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from thing import inner\n"
    )
    assert graph(package) == {
        "thing": set(),
        "thing.inner": {"thing.inner.low"},
        "thing.inner.low": {"thing.high"},
        "thing.high": {"thing.inner"},
    }
    assert [place(name, package) for name in ("thing.high", "thing.inner.low")] == [
        "high", "inner"
    ]  # fmt: skip


#: Packages and words by which arms and grippers are moved.
MOVING_PACKAGES = {"trajectory_msgs", "control_msgs", "xarm_msgs", "moveit_commander", "moveit"}
MOVING_WORDS = ("follow_joint_trajectory", "set_servo_angle", "move_group", "gripper_action")


def test_nothing_in_the_package_can_move_an_arm(package):
    """So that no flag can be forgotten: what is reached and planned is published as numbers."""
    moving = []
    for name, file in modules(package).items():
        text = file.read_text()
        roots = {module.split(".")[0] for module, _ in imported(text)}
        moving += [f"{name}: {word}" for word in roots & MOVING_PACKAGES]
        moving += [f"{name}: {word}" for word in MOVING_WORDS if word in text]
        if "ActionClient" in text:
            moving.append(f"{name}: ActionClient")
    assert moving == []

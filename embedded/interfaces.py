# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Builds message packages with CMake into the environment."""

import os
from pathlib import Path

from embedded.environment import interfaces_folder
from embedded.packages import python_of
from embedded.progress import Stamp, digest, run

__all__ = ["build"]

#: Folders whose files this package installs as links; a file that appears needs a new build.
_INSTALLED = ("config", "launch", "rviz", "scripts")


def build(venv: Path, root: Path, ros_is_sourced: bool) -> None:
    """Build what the embedded ROS lacks, and this package's interfaces, where they have changed."""
    if not ros_is_sourced:
        for name in ("tf2_msgs", "vision_msgs", "object_recognition_msgs", "moveit_msgs"):
            _build_one(venv, root / "embedded" / "interfaces" / name, {})
    options = {
        "PYTHON_INSTALL_DIR": str(interfaces_folder(venv).relative_to(venv)),
        "INSTALL_PYTHON": "OFF",
        "AMENT_CMAKE_SYMLINK_INSTALL": "ON",
    }
    _build_one(venv, root, options)


def _inputs(package: Path) -> tuple[list[Path], str]:
    """Files whose contents decide the build, and the names of those that only get linked."""
    contents = [package / "CMakeLists.txt", package / "package.xml"]
    for kind in ("msg", "srv", "action"):
        contents += (package / kind).glob(f"*.{kind}")
    linked = [
        str(path)
        for folder in _INSTALLED
        for path in sorted((package / folder).rglob("*"))
        if "__pycache__" not in path.parts
    ]
    return contents, "\n".join(linked)


def _build_one(venv: Path, package: Path, options: dict[str, str]) -> None:
    contents, linked = _inputs(package)
    ros = venv / ".genpose" / "ros"
    extra = f"{linked} {options} {ros.read_text() if ros.is_file() else os.environ['ROS_DISTRO']}"
    name = "genpose_ros" if (package / "setup.py").is_file() else package.name
    stamp = Stamp(venv, f"interfaces_{name}", digest(contents, extra))
    if stamp.is_current():
        return
    stamp.clear()
    tree = venv / ".genpose" / "build" / name
    settings = {
        "CMAKE_INSTALL_PREFIX": str(venv),
        "CMAKE_BUILD_TYPE": "Release",
        "BUILD_TESTING": "OFF",
        "Python3_EXECUTABLE": str(python_of(venv)),
        "Python3_FIND_VIRTUALENV": "ONLY",
        **options,
    }
    environment = _environment(venv)
    configure = ["cmake", "-S", package, "-B", tree, *(f"-D{k}={v}" for k, v in settings.items())]
    log = venv / ".genpose" / f"{name}.log"
    remedy = "read the output above; `make clean-setup` and a new try help against a torn state"
    run(f"messages of {name}: configure", configure, log=log, remedy=remedy, env=environment)
    jobs = str(os.cpu_count() or 1)
    compile_ = ["cmake", "--build", tree, "--parallel", jobs, "--target", "install"]
    run(f"messages of {name}: build", compile_, log=log, remedy=remedy, env=environment)
    stamp.set()


def _environment(venv: Path) -> dict[str, str]:
    """This process's variables with the environment in front, as a ROS setup file would."""
    result = dict(os.environ)
    for name in ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH"):
        others = [part for part in result.get(name, "").split(os.pathsep) if part]
        result[name] = os.pathsep.join([str(venv), *others])
    result["PATH"] = os.pathsep.join([str(venv / "bin"), result.get("PATH", os.defpath)])
    return result

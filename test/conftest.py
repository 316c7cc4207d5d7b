"""What all tests share: the folder of recorded data, and a DDS domain of their own."""

import importlib.util
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Nodes of another test run, or of a robot on the same network, must not be heard here.
os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
if os.environ.get("ROS_DISTRO") == "humble":
    os.environ.setdefault("ROS_LOCALHOST_ONLY", "1")

# Without any ROS 2 (`pip install -e .` alone) the rest can still be tested.
collect_ignore = (
    [] if importlib.util.find_spec("rclpy") else ["ros", "embedded/python", "test_launch.py"]
)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded frames and golden numbers beside the checkout; skips without it."""
    path = ROOT.parent / "shared"
    if not (path / "real").is_dir():
        pytest.skip(f"recorded data is not here: {path}")
    return path

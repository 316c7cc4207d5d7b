# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Frames to test with, simulated here or recorded elsewhere; threads and DDS domains of runs."""

import gc
import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genpose_ros.geometry import PinholeCamera
from genpose_ros.ros.demo.dds_domains import claim_domain
from genpose_ros.synthesis.scenes import SyntheticScene, table_scene

ROOT = Path(__file__).resolve().parent.parent
#: A RealSense D435's colour camera at half its resolution, for images that are soon rendered.
SMALL_CAMERA = PinholeCamera(307.85, 307.95, 160.65, 119.45, 320, 240)


# Nodes of another test run, or of a robot on the same network, must not be received here.
os.environ["ROS_DOMAIN_ID"] = str(claim_domain(int(os.environ.get("ROS_DOMAIN_ID", os.getpid()))))
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
if os.environ.get("ROS_DISTRO") == "humble":
    os.environ.setdefault("ROS_LOCALHOST_ONLY", "1")

# Threads of OpenMP wait for each other by spinning: tests that run side by side take one each.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

# Without any ROS 2 (`pip install -e .` alone) the rest can still be tested.
collect_ignore = (
    [] if importlib.util.find_spec("rclpy") else ["ros", "embedded/python", "test_launch.py"]
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of random cases, injected faults and long runs: `make fuzz`, `faults` and `soak`."""
    parser.addoption("--fuzz-cases", type=int, default=7000, help="random cases of each test")
    parser.addoption("--fuzz-seed", type=int, default=0, help="seed of the random cases")
    parser.addoption("--soak-images", type=int, default=1000, help="images of a test of memory")
    parser.addoption("--soak-frames", type=int, default=300, help="frames that are counted")
    parser.addoption("--soak-messages", type=int, default=300, help="malformed messages over DDS")
    parser.addoption("--soak-seed", type=int, default=0, help="seed of what they are")
    parser.addoption("--fault-rounds", type=int, default=1, help="how often a fault is injected")
    parser.addoption("--fault-seed", type=int, default=0, help="seed of the random moments")
    parser.addoption(
        "--fault-slack", type=float, default=10.0, help="times the promised seconds are allowed"
    )


@pytest.fixture
def fuzz_cases(request: pytest.FixtureRequest) -> int:
    """How many random files or messages a test takes."""
    return int(request.config.getoption("--fuzz-cases"))


@pytest.fixture
def fuzz_seed(request: pytest.FixtureRequest) -> int:
    """Seed of a test's random files or messages."""
    return int(request.config.getoption("--fuzz-seed"))


@pytest.fixture
def fault_rounds(request: pytest.FixtureRequest) -> int:
    """How often a test injects each fault."""
    return int(request.config.getoption("--fault-rounds"))


@pytest.fixture
def fault_seed(request: pytest.FixtureRequest) -> int:
    """Seed of a test's random moments."""
    return int(request.config.getoption("--fault-seed"))


class Figures:
    """Times that were promised and those that were measured, by what they are of.

    Args:
        slack: so many times the promised seconds are allowed, as on a machine that others use.
    """

    def __init__(self, slack: float) -> None:
        self._slack = slack
        self.measured: dict[tuple[str, float], list[float]] = {}

    def note(self, what: str, took_s: float, promised_s: float) -> None:
        """Note a time, which has to be within the promise and the slack."""
        self.measured.setdefault((what, promised_s), []).append(took_s)
        assert took_s <= promised_s * self._slack, f"{what}: {took_s:.2f} s, not {promised_s} s"

    def lines(self) -> list[str]:
        """A line about each: how often, median, greatest, promise, how often it was missed."""
        return [
            f"{what}: {len(times)} times, median {np.median(times):.2f} s, "
            f"at most {max(times):.2f} s of {promised_s:g} s, "
            f"{sum(took_s > promised_s for took_s in times)} longer"
            for (what, promised_s), times in sorted(self.measured.items())
        ]


_FIGURES = pytest.StashKey[Figures]()


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Where the times of injected faults are noted; the summary tells them."""
    stash, slack = request.config.stash, request.config.getoption("--fault-slack")
    return stash.setdefault(_FIGURES, Figures(float(slack)))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Tell the times of injected faults."""
    if _FIGURES in config.stash:
        terminalreporter.section("injected faults")
        for line in config.stash[_FIGURES].lines():
            terminalreporter.write_line(line)


@pytest.fixture
def soak_images(request: pytest.FixtureRequest) -> int:
    """How many images a test of the node's memory shows."""
    return int(request.config.getoption("--soak-images"))


@pytest.fixture
def soak_frames(request: pytest.FixtureRequest) -> int:
    """How many frames a test counts."""
    return int(request.config.getoption("--soak-frames"))


@pytest.fixture
def soak_messages(request: pytest.FixtureRequest) -> int:
    """How many malformed messages a test sends over DDS."""
    return int(request.config.getoption("--soak-messages"))


@pytest.fixture
def soak_seed(request: pytest.FixtureRequest) -> int:
    """Seed of a test's images or messages."""
    return int(request.config.getoption("--soak-seed"))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Tests of nodes, which set the threads of the whole process, leave no trace."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module", autouse=True)
def _ended_nodes() -> Iterator[None]:
    """Participants of DDS end when Python collects their contexts, before the next file's begin."""
    yield
    if "rclpy" in sys.modules:
        gc.collect()


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recorded frames and golden numbers beside the checkout; skips without it.

    Each test that takes it has a twin that needs nothing but the checkout.
    """
    path = ROOT.parent / "shared"
    for part in ("golden", "meshes", "nocs", "real", "reference"):
        if not (path / part).is_dir():
            pytest.skip(f"recorded data is not here: {path / part}")
    return path


def write_scene(folder: Path, scene: SyntheticScene) -> None:
    """Write a simulated table in the layout of recorded frames."""
    folder.mkdir(parents=True)
    Image.fromarray(scene.depth_mm).save(folder / "depth.png")
    Image.fromarray(scene.label).save(folder / "mask.png")
    Image.fromarray(scene.color).save(folder / "color.jpg")
    instances = [
        {
            "id": item.instance_id,
            "category": item.category,
            "R": item.T_cam_obj[:3, :3].tolist(),
            "t": item.T_cam_obj[:3, 3].tolist(),
            "size_m": item.size_m.tolist(),
            "gt": "simulated",
            "depth_px": int(np.sum((scene.label == item.instance_id) & (scene.depth_mm > 0))),
        }
        for item in scene.objects
    ]
    label = {"frame": folder.name, "K": scene.camera.matrix.tolist(), "instances": instances}
    (folder / "label.json").write_text(json.dumps(label))


@pytest.fixture(scope="session")
def simulated_frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two frames of seven objects each, in the layout of the recorded ones."""
    root = tmp_path_factory.mktemp("simulated")
    for seed in (0, 2):
        write_scene(root / f"table_{seed}", table_scene(seed, camera=SMALL_CAMERA))
    return root


@pytest.fixture(scope="session")
def recorded_frames(shared: Path) -> Path:
    """The folder of recorded frames, in folders by their source; skips without it."""
    return shared / "real"

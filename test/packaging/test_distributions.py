# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Wheel and source distribution: each works in an environment of its own, outside the checkout."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

pytestmark = pytest.mark.slow

K = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])
CAN_CENTRE = np.array([0.05, 0.02, 0.7])  # metres, camera frame
CAN_RADIUS, CAN_HEIGHT = 0.033, 0.12


@dataclass(frozen=True)
class Built:
    """The files that a release consists of, and the wheel that pip makes of the archive."""

    wheel: Path
    archive: Path
    wheel_of_archive: Path


def run(*command: object, cwd: Path) -> str:
    """Run a command as somebody would who has never heard of the checkout; return its output."""
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**environment, "OMP_NUM_THREADS": "1", "SOURCE_DATE_EPOCH": "1700000000"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Built of a copy, because setuptools takes what an earlier build left in the checkout."""
    pytest.importorskip("build", reason="pip install -e .[dist]")
    tmp = tmp_path_factory.mktemp("distributions")
    source, dist, again = tmp / "source", tmp / "dist", tmp / "again"
    left_out = ("[.]*", "build", "dist", "docs", "install", "log", "out", "runs", "site", "test")
    shutil.copytree(
        root, source, ignore=shutil.ignore_patterns(*left_out, "*.egg-info", "__pycache__")
    )
    build = (sys.executable, "-m", "build", "--no-isolation", "--outdir")
    run(*build, dist, "--sdist", "--wheel", source, cwd=tmp)
    (archive,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    with tarfile.open(archive) as file:
        file.extractall(tmp, **({"filter": "data"} if sys.version_info >= (3, 12) else {}))
    run(*build, again, "--wheel", tmp / archive.name.removesuffix(".tar.gz"), cwd=tmp)
    return Built(wheel, archive, *again.glob("*.whl"))


@pytest.fixture(scope="module", params=["wheel", "wheel_of_archive"])
def environment(
    built: Built, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A new virtual environment with the distribution in it.

    What the distribution depends on is seen through a path entry, added afterwards, to this
    environment's site-packages; path entries in those (the checkout's) do not count there.
    """
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "env", cwd=folder)
    python = folder / "env" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps")
    run(*pip, getattr(built, request.param), cwd=folder)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    entries = [p for p in sys.path if Path(p).name in {"site-packages", "dist-packages"}]
    site_packages = folder / "env" / "lib" / version / "site-packages"
    (site_packages / "others.pth").write_text("\n".join(entries) + "\n")
    return folder / "env"


def in_python(environment: Path, code: str) -> str:
    return run(environment / "bin" / "python", "-c", code, cwd=environment).strip()


def draw_can() -> tuple[np.ndarray, np.ndarray]:
    """Depth in millimetres and mask of a standing can before a wall, 480 x 640."""
    rows, columns = np.indices((480, 640))
    rays = np.stack([(columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1]], -1)
    x, y, z = CAN_CENTRE
    # |(t u - x, t - z)| = radius, the nearer root; t is the depth along the ray (u, v, 1).
    a, b, c = rays[..., 0] ** 2 + 1, -2 * (rays[..., 0] * x + z), x**2 + z**2 - CAN_RADIUS**2
    root = b**2 - 4 * a * c
    depth_m = (-b - np.sqrt(np.maximum(root, 0))) / (2 * a)
    mask = (root > 0) & (np.abs(depth_m * rays[..., 1] - y) < CAN_HEIGHT / 2)
    return np.where(mask, 1000 * depth_m, 1500).astype(np.uint16), mask.astype(np.uint8)


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    depth_mm, mask = draw_can()
    Image.fromarray(depth_mm).save(tmp_path / "depth.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    camera = {
        "image_width": 640,
        "image_height": 480,
        "camera_matrix": {"data": K.ravel().tolist()},
    }
    (tmp_path / "camera.yaml").write_text(yaml.safe_dump(camera))
    return tmp_path


def test_the_package_comes_from_the_new_environment(environment: Path, root: Path) -> None:
    code = "import genpose_ros, sys; print(genpose_ros.__file__, *sys.path, sep='\\n')"
    file, *path = in_python(environment, code).splitlines()
    assert Path(file).is_relative_to(environment)
    assert str(root) not in path


def test_the_command_tells_the_version_of_the_distribution(environment: Path, built: Built) -> None:
    version = run(environment / "bin" / "genpose", "--version", cwd=environment).strip()
    assert built.wheel.name.startswith(f"genpose_ros-{version}-")


def test_the_command_estimates_a_drawn_can(environment: Path, frame: Path) -> None:
    inputs = ("--depth", "depth.png", "--mask", "mask.png", "--camera-info", "camera.yaml")
    options = ("--classes", "1=can", "--device", "cpu", "--json", "-")
    answer = run(environment / "bin" / "genpose", "estimate", *inputs, *options, cwd=frame)
    (can,) = json.loads(answer)["objects"]
    T_cam_obj = np.array(can["T_cam_obj"])
    # Half the can is hidden from the camera: its centre is known to a part of its radius.
    assert np.linalg.norm(T_cam_obj[:3, 3] - CAN_CENTRE) < CAN_RADIUS / 2
    # Its axis is the image's vertical, up or down.
    assert abs(T_cam_obj[1, 1]) > np.cos(np.radians(10))


def test_recipes_and_weights_are_read_from_the_new_environment(environment: Path) -> None:
    code = (
        "from genpose_ros.training import load_recipe, recipe_names\n"
        "from genpose_ros.networks.checkpoints import default_weights, load_model\n"
        "print(*map(load_recipe, recipe_names()), sep='\\n')\n"
        "load_model()\n"
        "print(default_weights())"
    )
    *recipes, weights = in_python(environment, code).splitlines()
    assert [line.split("'")[1] for line in recipes] == sorted(
        path.stem for path in (Path(weights).parents[1] / "training" / "recipes").glob("*.yaml")
    )
    assert len(recipes) >= 5
    assert Path(weights).is_relative_to(environment)


def test_the_distribution_declares_itself_typed(environment: Path) -> None:
    code = "from importlib.resources import files; print(files('genpose_ros') / 'py.typed')"
    marker = Path(in_python(environment, code))
    assert marker.is_file()
    assert marker.is_relative_to(environment)


def wheel_contents(wheel: Path) -> dict[str, int]:
    """Sizes of the files of a wheel's package."""
    with zipfile.ZipFile(wheel) as file:
        return {i.filename: i.file_size for i in file.infolist() if "dist-info" not in i.filename}


def test_both_wheels_hold_every_file_of_the_package(built: Built, root: Path) -> None:
    package = root / "genpose_ros"
    expected = {
        str(path.relative_to(root)): path.stat().st_size
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wheel_contents(built.wheel) == expected
    assert wheel_contents(built.wheel_of_archive) == expected


def test_the_archive_holds_what_colcon_builds_from(built: Built, root: Path) -> None:
    with tarfile.open(built.archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    needed = {"package.xml", "CMakeLists.txt", "LICENSE", "README.md", "CHANGELOG.md"}
    for folder in ("action", "config", "launch", "msg", "resource", "rviz", "scripts", "srv"):
        found = [path for path in (root / folder).rglob("*") if path.is_file()]
        needed |= {str(p.relative_to(root)) for p in found if "__pycache__" not in p.parts}
    assert needed - names == set()

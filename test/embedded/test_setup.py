# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The set-up's own parts: stamps, path repair, what is missing on a machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from embedded import __main__ as program
from embedded import debian, packages
from embedded.progress import SetupError, Stamp, digest, run


def test_a_stamp_is_current_only_for_the_same_inputs(tmp_path):
    source = tmp_path / "input"
    source.write_text("one")
    stamp = Stamp(tmp_path, "step", digest([source]))
    assert not stamp.is_current()
    stamp.set()
    assert Stamp(tmp_path, "step", digest([source])).is_current()
    source.write_text("two")
    assert not Stamp(tmp_path, "step", digest([source])).is_current()


def test_a_failing_step_shows_its_output_and_a_remedy(tmp_path, capfd):
    command = [sys.executable, "-c", "print('broken here'); raise SystemExit(3)"]
    with pytest.raises(SetupError, match="exit status 3") as caught:
        run("a step", command, log=tmp_path / "log", remedy="mend it")
    assert caught.value.remedy == "mend it"
    assert "broken here" in capfd.readouterr().err


def test_build_machine_paths_are_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "python_of", lambda _: Path(sys.executable))
    file = tmp_path / "share" / "some_msgs" / "cmake" / "Export.cmake"
    file.parent.mkdir(parents=True)
    file.write_text(
        'INTERFACE_INCLUDE_DIRECTORIES "/opt/python/cp312-cp312/include/python3.12;'
        '/opt/python/cp312-cp312/lib/python3.12/site-packages/numpy/_core/include;/kept"'
    )
    assert packages.fix_build_paths(tmp_path) == 1
    folders = file.read_text().split('"')[1].split(";")
    assert (Path(folders[0]) / "Python.h").is_file()
    assert (Path(folders[1]) / "numpy" / "arrayobject.h").is_file()
    assert folders[2:] == ["/kept"]
    assert packages.fix_build_paths(tmp_path) == 0


@pytest.mark.parametrize(
    ("version", "sourced"), [((3, 10), False), ((3, 13), False), ((3, 14), True)]
)
def test_a_supported_python_is_accepted(monkeypatch, version, sourced):
    monkeypatch.setattr(program, "ros_is_sourced", lambda: sourced)
    program.check_python(version)


@pytest.mark.parametrize(
    ("version", "sourced"), [((3, 9), True), ((3, 14), False), ((3, 15), True)]
)
def test_another_python_is_refused(monkeypatch, version, sourced):
    monkeypatch.setattr(program, "ros_is_sourced", lambda: sourced)
    with pytest.raises(SetupError, match=rf"Python 3\.{version[1]} is not supported"):
        program.check_python(version)


def test_nothing_is_missing_after_the_set_up():
    assert debian.missing_packages(ros_is_sourced=False) == []


def test_missing_packages_without_rights_say_what_to_run(monkeypatch):
    monkeypatch.setattr(debian, "missing_packages", lambda _: ["libegl1"])
    monkeypatch.setattr(debian.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(
        debian.shutil, "which", lambda name: None if name == "sudo" else f"/bin/{name}"
    )
    with pytest.raises(SetupError) as caught:
        debian.install_missing(ros_is_sourced=False)
    assert "apt-get install libegl1" in caught.value.remedy


@pytest.mark.skipif("ROS_DISTRO" in os.environ, reason="a sourced ROS 2 is found by its variables")
def test_the_environment_needs_no_exported_variables():
    """ROS and the messages import in a process that inherits nothing, from any folder."""
    code = "import rclpy, vision_msgs.msg, tf2_ros, genpose_ros, genpose_ros.msg as m;"
    code += "print(genpose_ros.__file__); m.ObjectPose.__class__.__import_type_support__()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={}, cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    source = Path(__file__).resolve().parents[2] / "genpose_ros" / "__init__.py"
    assert Path(done.stdout.strip()) == source

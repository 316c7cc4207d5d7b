# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Which shared memory of Fast DDS is removed: that of programs that have ended, and no other."""

import fcntl
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import rclpy

from genpose_ros.ros.shared_memory import (
    Removed,
    abandoned_segments,
    remove_abandoned_memory,
)

NAME = "fastrtps_0123456789abcdef"
PROGRAM = """
import time
import rclpy
rclpy.init()
node = rclpy.create_node("killed")
print("made", flush=True)
time.sleep(600.0)
"""


@pytest.fixture
def make_segment(tmp_path):
    """Makes a segment of 4096 bytes and its lock file, with some age in seconds."""

    def make(name: str, age_s: float) -> None:
        for path in (tmp_path / name, tmp_path / f"{name}_el"):
            path.write_bytes(b"x" * 4096)
            os.utime(path, (time.time() - age_s,) * 2)

    return make


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_what_nobody_holds_the_lock_of_is_removed(tmp_path, make_segment):
    make_segment(NAME, 100.0)
    make_segment(NAME.replace("rtps", "dds"), 100.0)
    assert remove_abandoned_memory(tmp_path) == Removed(2, 8192)
    assert names(tmp_path) == set()
    assert remove_abandoned_memory(tmp_path) == Removed()


def test_a_segment_whose_program_lives_stays(tmp_path, make_segment):
    make_segment(NAME, 100.0)
    with (tmp_path / f"{NAME}_el").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert remove_abandoned_memory(tmp_path) == Removed()
    assert remove_abandoned_memory(tmp_path) == Removed(1, 4096)


def test_a_segment_that_may_not_have_been_locked_yet_stays(tmp_path, make_segment):
    make_segment(NAME, 10.0)
    assert remove_abandoned_memory(tmp_path) == Removed()
    assert names(tmp_path) == {NAME, f"{NAME}_el"}


@pytest.mark.parametrize(
    "name", ["fastrtps_port7413", "fastrtps_0123", "fastest_0123456789abcdef", "sem.fastrtps_port1"]
)
def test_files_that_are_no_segments_stay(tmp_path, make_segment, name):
    make_segment(name, 100.0)
    assert remove_abandoned_memory(tmp_path) == Removed()
    assert names(tmp_path) == {name, f"{name}_el"}


def test_links_and_folders_in_the_place_of_lock_files_are_left_alone(tmp_path, make_segment):
    make_segment("target", 100.0)
    (tmp_path / f"{NAME}_el").symlink_to(tmp_path / "target_el")
    (tmp_path / "fastdds_0123456789abcdef_el").mkdir()
    assert remove_abandoned_memory(tmp_path, older_s=0.0) == Removed()
    assert len(names(tmp_path)) == 4


def test_a_folder_that_is_not_there_has_none(tmp_path):
    assert remove_abandoned_memory(tmp_path / "none") == Removed()


@pytest.mark.ros
@pytest.mark.slow
def test_what_fast_dds_leaves_of_a_killed_program_is_found_and_not_before():
    if rclpy.get_rmw_implementation_identifier() != "rmw_fastrtps_cpp":
        pytest.skip("the memory is of Fast DDS")
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout.readline() == "made\n"
        maps = Path(f"/proc/{program.pid}/maps").read_text()
        held = {part for part in maps.split() if re.search(r"/fast[a-z]+_[0-9a-f]{16}$", part)}
        if not held:
            pytest.skip("this Fast DDS has no shared memory here")
        # By other names for the same files: those of other programs are not to be locked here.
        with tempfile.TemporaryDirectory(dir=Path(min(held)).parent) as name:
            for path in map(Path, held):
                for file in (path, path.with_name(f"{path.name}_el")):
                    (Path(name) / file.name).hardlink_to(file)
            assert abandoned_segments(Path(name), older_s=0.0) == []
            program.kill()
            program.wait()
            left = {path.name for path in abandoned_segments(Path(name), older_s=0.0)}
            assert left == {Path(path).name for path in held}
        for path in map(Path, held):
            path.unlink()
            path.with_name(f"{path.name}_el").unlink()
    finally:
        program.kill()
        program.communicate()

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of bounded reading, whole replacement and locks of folders."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from genpose_ros.files import (
    check_file,
    folder_lock,
    read_json,
    remove_unfinished,
    whole_file,
    write_whole,
)
from genpose_ros.yaml_files import read_yaml


class TestReading:
    def test_only_regular_files_within_the_limit_are_read(self, tmp_path: Path) -> None:
        (tmp_path / "ten").write_bytes(b"0123456789")
        os.mkfifo(tmp_path / "pipe")
        assert check_file(tmp_path / "ten", 10) == tmp_path / "ten"
        with pytest.raises(ValueError, match="ten has 10 bytes, expected 9 at most"):
            check_file(tmp_path / "ten", 9)
        with pytest.raises(ValueError, match="is a folder"):
            check_file(tmp_path, 10)
        for path in (tmp_path / "pipe", Path("/dev/zero")):
            with pytest.raises(ValueError, match="is a device or a pipe"):
                check_file(path, 10)
        with pytest.raises(FileNotFoundError):
            check_file(tmp_path / "none", 10)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"{", "is not JSON"),
            (b"\xff", "not text in UTF-8"),
            (b"[" * 100_000, "nests too deep"),
            (b'{"a":' * 100_000, "nests too deep"),
            (b"9" * 5000, "is not JSON"),
        ],
    )
    def test_bad_json_is_named(self, tmp_path: Path, content: bytes, reason: str) -> None:
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(ValueError, match=rf"a\.json.*{reason}"):
            read_json(tmp_path / "a.json")

    def test_yaml_gives_its_first_document(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_text("a: [1, {b: 0x10}]\n---\n*bad")
        assert read_yaml(tmp_path / "a.yaml") == {"a": [1, {"b": 16}]}

    @pytest.mark.parametrize(
        "text",
        [
            "a: &a [x, x]\nb: &b [*a, *a]",
            "a: &a {x: 1}\nb: {<<: [*a, *a]}",
            "&a [*a]",
        ],
    )
    def test_aliases_are_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "a.yaml").write_text(text)
        with pytest.raises(ValueError, match=r"a\.yaml .* alias [*]a: write it out"):
            read_yaml(tmp_path / "a.yaml")

    @pytest.mark.parametrize(
        "text",
        ["? {a: 1}\n: 2", "!!timestamp x", "!!binary ü", "!!int x", "2001-99-99", "\0", "%YAML 9"],
    )
    def test_what_a_loader_stumbles_over_is_named(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "a.yaml").write_text(text)
        with pytest.raises(ValueError, match=r"a\.yaml is not usable YAML"):
            read_yaml(tmp_path / "a.yaml")


def broken_off(file: Path) -> None:
    """Writing a file that an error ends midway."""
    with whole_file(file) as partial:
        partial.write_text("half")
        raise ZeroDivisionError


class TestWriting:
    def test_a_file_is_replaced_whole_or_stays(self, tmp_path: Path) -> None:
        file = tmp_path / "new" / "a.json"
        write_whole(file, "first ü")
        assert file.read_bytes() == "first ü".encode()
        with whole_file(file) as partial:
            partial.write_text("second")
            assert file.read_text() == "first ü"
        assert file.read_text() == "second"
        with pytest.raises(ZeroDivisionError):
            broken_off(file)
        assert file.read_text() == "second"
        assert [f.name for f in file.parent.iterdir()] == ["a.json"]

    def test_links_and_permissions_stay(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("before")
        (tmp_path / "a").chmod(0o600)
        (tmp_path / "link").symlink_to("a")
        write_whole(tmp_path / "link", b"after")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "a").read_text() == "after"
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600

    def test_devices_are_written_directly_and_a_full_one_is_named(self) -> None:
        write_whole(Path("/dev/null"), "gone")
        with pytest.raises(OSError, match="No space"):
            write_whole(Path("/dev/full"), "too much")

    def test_a_file_in_the_place_of_the_folder_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_text("a file")
        with pytest.raises(FileExistsError) as caught:
            write_whole(tmp_path / "a" / "b", "text")
        assert caught.value.filename == str(tmp_path / "a")

    def test_only_the_leftovers_of_ended_processes_of_this_machine_go(self, tmp_path: Path) -> None:
        ended = subprocess.run(
            [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
        )
        host = os.uname().nodename.replace(".", "_")
        names = {
            f".a.{host}-{int(ended.stdout)}.partial.pt": False,
            f".a.{host}-{os.getpid()}.partial.pt": True,
            f".a.elsewhere-{int(ended.stdout)}.partial.pt": True,
            f".a.{host}-{10**30}.partial.pt": True,
            "a.pt": True,
        }
        for name in names:
            (tmp_path / name).touch()
        remove_unfinished(tmp_path)
        assert {name: (tmp_path / name).exists() for name in names} == names


class TestLocks:
    def test_a_folder_is_held_once_and_free_again_afterwards(self, tmp_path: Path) -> None:
        folder = tmp_path / "new"
        second = folder_lock(folder)
        with (
            folder_lock(folder),
            pytest.raises(BlockingIOError, match=rf"pid {os.getpid()}\) works in"),
        ):
            second.__enter__()
        with folder_lock(folder):
            pass

    def test_the_lock_of_a_killed_process_is_free(self, tmp_path: Path) -> None:
        code = (
            "import os, sys, pathlib\nfrom genpose_ros.files import folder_lock\n"
            "folder_lock(pathlib.Path(sys.argv[1])).__enter__()\nos.kill(os.getpid(), 9)"
        )
        killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
        assert killed.returncode == -9
        with folder_lock(tmp_path):
            assert json.loads((tmp_path / ".lock").read_text()) == os.getpid()

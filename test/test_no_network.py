# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests that nothing of the package talks to a network, but for ROS 2's own DDS."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

#: Modules that open connections, or listen.
NETWORK = {
    "aiohttp", "asyncio", "ftplib", "http", "httpx", "imaplib", "requests", "smtplib", "socket",
    "socketserver", "ssl", "telnetlib", "urllib", "urllib3", "webbrowser", "xmlrpc",
}  # fmt: skip

#: Parts of them that do neither: names of answers, and what takes addresses apart.
HARMLESS = {"http", "urllib.parse"}

#: Ends the process at the first socket that leaves this machine's files.
GUARD = """
import os, sys
def guard(event, arguments):
    if event in ("socket.__new__", "socket.gethostname") or not event.startswith("socket."):
        return
    # Libraries try whether this machine knows IPv6, without talking to anybody.
    if not (event == "socket.bind" and arguments[1] == ("::1", 0)):
        os.write(2, f"{event} {arguments}".encode())
        os._exit(99)
sys.addaudithook(guard)
"""


def guarded(code: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """What a program did that may use no socket."""
    command = [sys.executable, "-c", GUARD + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)


def test_no_module_of_the_package_imports_what_opens_connections(root: Path) -> None:
    found = set()
    for folder in ("genpose_ros", "launch", "scripts"):
        for file in (root / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                asked = [n for n in names if n not in HARMLESS]
                found |= {(file.name, n) for n in asked if n.split(".")[0] in NETWORK}
    assert found == set()


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import urllib.request; urllib.request.urlopen('http://localhost:9')",
        "import socket; socket.getaddrinfo('localhost', 80)",
        "import socket; socket.socket().bind(('127.0.0.1', 0))",
    ],
)
def test_the_guard_notices_connections(code: str) -> None:
    assert guarded(code).returncode == 99


@pytest.mark.slow
def test_estimating_a_frame_uses_no_socket(simulated_frames: Path, tmp_path: Path) -> None:
    frame = simulated_frames / "table_0"
    done = guarded(
        "from genpose_ros.cli import app\napp()",
        "estimate", "--depth", frame / "depth.png", "--mask", frame / "mask.png",
        "--camera-info", frame / "label.json", "--json", tmp_path / "poses.json",
        "--picture", tmp_path / "poses.png",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "poses.json").is_file()


@pytest.mark.slow
def test_rendering_clouds_uses_no_socket() -> None:
    done = guarded(
        "import numpy as np\nfrom genpose_ros.synthesis import make_clouds\n"
        "print(len(make_clouds(8, np.random.default_rng(0))))"
    )
    assert (done.returncode, done.stdout) == (0, "8\n"), done.stderr

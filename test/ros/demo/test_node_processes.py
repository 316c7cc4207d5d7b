# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Programs that are started, watched and stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genpose_ros.ros.demo import node_processes
from genpose_ros.ros.demo.node_processes import (
    NodeEndedError,
    isolated_environment,
    node_process,
    terminable,
)

#: Claims a domain in a process of its own.
CLAIM = """
import sys
from genpose_ros.ros.demo.dds_domains import claim_domain
print(claim_domain(int(sys.argv[1])))
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Makes a module from a text and runs it."""
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1"}

    def run(text: str, parameters=None, remappings=None):
        (tmp_path / "probe_program.py").write_text(text)
        return node_process("probe", "probe_program", parameters or {}, remappings, environment)

    return run


def wait_for(condition, timeout_s: float = 30.0) -> bool:
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_parameters_and_remappings_reach_the_program(program):
    text = "import sys, time; print(sys.argv[1:]); time.sleep(60)"
    parameters = {"seed": 3, "rate": 2.5, "cycle": False, "frames": "it's here"}
    with program(text, parameters, {"depth": "/d"}) as node:
        assert wait_for(lambda: "ros-args" in node.last_lines())
        said = node.last_lines()
        for expected in ("'depth:=/d'", "'seed:=3'", "'rate:=2.5'", "'cycle:=false'"):
            assert expected in said
        assert "frames:='it''s here'" in said
        node.check()
    assert not alive(node.pid)


def test_an_ended_program_is_reported_with_its_last_lines(program):
    text = "print('one'); print('two'); raise SystemExit(3)"
    with program(text) as node:

        def ended() -> bool:
            try:
                node.check()
            except NodeEndedError:
                return True
            return False

        assert wait_for(ended)
        with pytest.raises(NodeEndedError, match=r"(?s)probe ended with code 3.*one.*two"):
            node.check()


def test_a_program_is_stopped_when_the_block_raises(program):
    with pytest.raises(ZeroDivisionError), program("import time; time.sleep(60)") as node:
        raise ZeroDivisionError
    assert not alive(node.pid)


def test_a_program_that_ignores_signals_is_killed(program, monkeypatch, caplog):
    monkeypatch.setattr(node_processes, "_STOP_S", 0.3)
    text = (
        "import signal, time\n"
        "for s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, signal.SIG_IGN)\n"
        "print('started')\n"
        "while True: time.sleep(1)\n"
    )
    with program(text) as node:
        assert wait_for(lambda: "started" in node.last_lines())
    assert not alive(node.pid)
    assert "does not end on SIGTERM" in caplog.text


def test_the_domain_is_one_that_nobody_else_has_unless_it_is_set(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", "77")
    assert isolated_environment()["ROS_DOMAIN_ID"] == "77"
    monkeypatch.delenv("ROS_DOMAIN_ID")
    domain = isolated_environment()["ROS_DOMAIN_ID"]
    assert isolated_environment()["ROS_DOMAIN_ID"] == domain
    other = subprocess.run([sys.executable, "-c", CLAIM, domain], capture_output=True, check=True)
    assert 1 <= int(other.stdout) <= 101
    assert int(other.stdout) != int(domain)


@pytest.mark.parametrize("error", [PermissionError, RuntimeError])
def test_where_no_domain_can_be_claimed_it_is_a_random_one(monkeypatch, error):
    def refuse(preferred):
        raise error(str(preferred))

    monkeypatch.setattr(node_processes, "claim_domain", refuse)
    domains = {node_processes._own_domain.__wrapped__() for _ in range(30)}
    assert len(domains) > 5
    assert min(domains) >= 1
    assert max(domains) <= 101


@pytest.mark.parametrize(
    ("distro", "set_", "unset"),
    [
        ("humble", "ROS_LOCALHOST_ONLY", None),
        ("jazzy", "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY"),
    ],
)
def test_dds_stays_on_this_machine(monkeypatch, distro, set_, unset):
    monkeypatch.setenv("ROS_DISTRO", distro)
    environment = isolated_environment()
    assert environment[set_] in ("1", "LOCALHOST")
    assert unset not in environment


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_interrupts_the_block_and_its_handler_is_restored(number):
    before = signal.getsignal(number)

    def ask_for_the_end() -> None:
        os.kill(os.getpid(), number)
        time.sleep(5)

    with pytest.raises(KeyboardInterrupt), terminable():
        ask_for_the_end()
    assert signal.getsignal(number) is before

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of stopping: programs that are asked to end, at moments of all kinds."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Code that says when it has come to the moment in question, and then takes long.
MOMENTS = {
    "python": "print('now', flush=True)\nwhile True: time.sleep(0.1)",
    "import": "import slow_module",
    "native": (
        "import hashlib, threading\n"
        "threading.Timer(1.0, print, ('now',), {'flush': True}).start()\n"
        "hashlib.pbkdf2_hmac('md5', b'', b'', 10**9)"
    ),
    "swallowed": (
        "while True:\n"
        "  try:\n    print('now', flush=True)\n    time.sleep(9)\n"
        "  except KeyboardInterrupt: pass"
    ),
    "taken over": (
        "signal.signal(signal.SIGINT, lambda *_: None)\n"
        "signal.signal(signal.SIGTERM, lambda *_: None)\n"
        "print('now', flush=True)\ntime.sleep(4)\nsys.exit(7)"
    ),
}


def ended(
    command: list[str], number: signal.Signals, folder: Path, *, delay_s: float | None = None
) -> tuple[int, float, str]:
    """Exit code, seconds it took and standard error of a program that a signal is sent to.

    It is sent after a line of output, or after some time.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    program = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    if delay_s is None:
        program.stdout.readline()
    else:
        time.sleep(delay_s)
    begin = time.monotonic()
    program.send_signal(number)
    _, complaint = program.communicate(timeout=60)
    return program.returncode, time.monotonic() - begin, complaint


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_program_ends_within_seconds_and_without_traceback(
    tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    (tmp_path / "slow_module.py").write_text("print('now', flush=True)\nimport time; time.sleep(9)")
    code = (
        "import signal, sys, time\nfrom genpose_ros.stopping import interrupt_soon\n"
        f"interrupt_soon('stopped')\ntry:\n  exec({MOMENTS[moment]!r})\n"
        "except KeyboardInterrupt: sys.exit('interrupted')"
    )
    exit_code, took_s, complaint = ended([sys.executable, "-c", code], number, tmp_path)
    if moment == "taken over":
        assert (exit_code, complaint) == (7, "")
        return
    assert took_s < 10  # two seconds, on a machine that does little else
    if moment == "python":
        assert (exit_code, complaint) == (1, "interrupted\n")
    else:
        assert (exit_code, complaint) == (128 + number, "stopped\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_program_without_anything_to_clean_up_ends_at_once(tmp_path, number) -> None:
    code = (
        "from genpose_ros.stopping import exit_at_once\nexit_at_once(0)\n"
        "print('now', flush=True)\nimport time; time.sleep(60)"
    )
    exit_code, took_s, complaint = ended([sys.executable, "-c", code], number, tmp_path)
    assert (exit_code, complaint) == (0, "")
    assert took_s < 10


def test_forked_processes_end_as_processes_do(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys, time\nfrom genpose_ros.stopping import interrupt_soon\n"
        "interrupt_soon('stopped')\nchild = os.fork()\n"
        "if not child: time.sleep(60)\n"
        "time.sleep(0.2)\nos.kill(child, signal.SIGTERM)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "time.sleep(2.5)  # this process was not asked to end\nprint('alive')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("-15\nalive\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_command_that_is_stopped_anywhere_says_so_in_a_line(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    command = [sys.executable, "-m", "genpose_ros", "synthesize", str(tmp_path / "set")]
    number = rng.choice(SIGNALS)
    # Not before Python itself has begun, which takes some ten milliseconds.
    exit_code, took_s, complaint = ended(
        [*command, "--clouds", "100000"], number, tmp_path, delay_s=rng.uniform(0.5, 6.0)
    )
    assert exit_code in (130, 128 + number)
    assert "Traceback" not in complaint
    assert "interrupted" in complaint
    assert took_s < 10
    assert not list(tmp_path.rglob("*.partial*"))

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from genpose_ros.process_pool import process_pool

#: Two processes that sleep for a minute, and say so.
SLEEPERS = """
import os, signal, time
from genpose_ros.process_pool import process_pool

def sleep(_):
    os.write(1, b"%d " % os.getpid() + os.linesep.encode())  # in one piece
    time.sleep(60)

if __name__ == "__main__":
    # Programs in the background of a shell script begin with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with process_pool(2, {method!r}) as pool:
        list(pool.map(sleep, range(8)))
"""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(pids: list[int], seconds: float = 20.0) -> list[int]:
    """Those that are still there after the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(map(is_alive, pids)):
        time.sleep(0.05)
    return [pid for pid in pids if is_alive(pid)]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_worker_processes_end_with_their_parent(tmp_path, method, by):
    script = tmp_path / "sleepers.py"
    script.write_text(SLEEPERS.format(method=method))
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    assert parent.stderr is not None
    children = [int(parent.stdout.readline()) for _ in range(2)]
    assert all(map(is_alive, children))
    parent.send_signal(by)
    assert wait_until_gone(children) == []
    parent.wait(timeout=20)
    # The tasks that were never begun, too, end without a word from the pool's own thread.
    assert "Exception in thread" not in parent.stderr.read()
    parent.stdout.close()
    parent.stderr.close()


def multiplied(number: int) -> tuple[int, int]:
    return number * _factor, torch.get_num_threads()


_factor = 0


def set_factor(factor: int) -> None:
    global _factor  # noqa: PLW0603 - what an initializer is for
    _factor = factor


def test_each_worker_runs_its_initializer_and_one_thread():
    with process_pool(2, "fork", set_factor, (3,)) as pool:
        assert list(pool.map(multiplied, range(4))) == [(0, 1), (3, 1), (6, 1), (9, 1)]


def sleep_or_fail(seconds: float) -> None:
    time.sleep(seconds)
    if not seconds:
        raise ValueError("no time")


def test_an_error_in_a_task_ends_the_pool_at_once():
    def work() -> None:
        with process_pool(2, "fork") as pool:
            list(pool.map(sleep_or_fail, [0.0, 60.0]))

    begun = time.monotonic()
    with pytest.raises(ValueError, match="no time"):
        work()
    assert time.monotonic() - begun < 20

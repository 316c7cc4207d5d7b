# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import subprocess
import sys

import pytest

#: A node whose start is broken off, or fails, with an error.
STARTS = """
import os, signal
from genpose_ros.ros.program import run_program

def make_node():
    if {interrupted}:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            while True: pass
        except KeyboardInterrupt:
            raise {error} from None
    raise {error}

run_program("starts", make_node, lambda node: None)
"""


def started(code: str) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-c", code]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.ros
@pytest.mark.parametrize("error", ["RuntimeError('rcl was broken off')", "KeyError('a handle')"])
def test_an_interrupt_that_comes_out_of_native_code_as_an_error_is_an_orderly_end(error):
    code = STARTS.format(interrupted=True, error=error)
    done = started(code)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


@pytest.mark.ros
def test_what_keeps_a_node_from_starting_is_told_in_a_line():
    code = STARTS.format(interrupted=False, error="ValueError('no such\\nweights')")
    done = started(code)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "cannot start" in line]
    assert line.endswith("cannot start: no such weights")

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The heap of a process: pages of large blocks that come and go are faulted in once."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys, threading
import numpy as np
from genpose_ros.heap import keep_heap
kept = keep_heap() if sys.argv[1] == "kept" else False

def image():  # a depth image in metres and five masks
    return [np.ones((480, 640), np.float32)] + [np.ones((480, 640), bool) for _ in range(5)]

def worker():
    for _ in range(5):
        image()
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(20):
        image()
    print(kept, resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before)

thread = threading.Thread(target=worker)
thread.start()
thread.join()
"""


def faults(mode: str, **variables: str) -> tuple[str, int]:
    """Whether the heap is kept, and page faults of twenty images."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True,
        env={"PATH": "/usr/bin", "OMP_NUM_THREADS": "1", **variables},
    )  # fmt: skip
    kept, count = done.stdout.split()
    return kept, int(count)


@pytest.mark.skipif(sys.platform != "linux", reason="page faults of a thread")
def test_images_that_come_and_go_fault_no_pages():
    kept, few = faults("kept")
    if kept == "False":
        pytest.skip("a C library without mallopt")
    _, many = faults("plain")
    # 2.8 MB are 680 pages of an image.
    assert few < 20 < 20 * 100 < many


def test_what_the_environment_says_of_malloc_holds():
    assert faults("kept", MALLOC_ARENA_MAX="2")[0] == "False"
    assert faults("kept", GLIBC_TUNABLES="glibc.malloc.arena_max=2")[0] == "False"

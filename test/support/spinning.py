# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Spinning of the nodes of a test until something is so."""

import time
from collections.abc import Callable
from typing import Any

from rclpy.executors import Executor

__all__ = ["spin_until"]

#: How long one wait for a callback takes at most, seconds.
_STEP_S = 0.02


def spin_until(executor: Executor, done: Callable[[], Any], timeout_s: float = 30.0) -> bool:
    """Spin until something is so; returns whether it has become so in time."""
    until_s = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > until_s:
            return False
        executor.spin_once(timeout_sec=_STEP_S)
    return True

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Stopping of programs by Ctrl-C and SIGTERM from their first moment on, within two seconds.

Imports nothing but the standard library, so that it is there before what takes long to import.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

__all__ = ["SIGNALS", "end_after_grace", "end_in_order", "exit_at_once", "interrupt_soon"]

#: What asks a program to end.
SIGNALS = (signal.SIGINT, signal.SIGTERM)

#: Seconds in which a program that was asked to end does so by itself.
_GRACE_S = 1.5


def exit_at_once(code: int) -> None:
    """Let SIGINT and SIGTERM end the process without a word, while there is nothing to clean up.

    For the time of the imports, which a KeyboardInterrupt would break in the midst of.

    Args:
        code: the exit code.
    """

    def leave(_number: int, _frame: FrameType | None) -> NoReturn:
        os._exit(code)

    for number in SIGNALS:
        signal.signal(number, leave)


def end_after_grace(code: int, complaint: str) -> None:
    """End the process, if need be, two seconds after the first SIGINT or SIGTERM.

    How the program answers them is left to it.

    Args:
        code: the exit code.
        complaint: printed on standard error by a process that has to be ended.
    """

    def leave(number: int) -> None:
        if number in SIGNALS:
            time.sleep(_GRACE_S)
            _leave(code, complaint)

    _watch_signals(leave)


def end_in_order(code: int) -> NoReturn:
    """End a process that has put everything in order, without the interpreter's own end.

    That one takes the better part of a second of a processor once PyTorch is loaded, and no other
    thread can cut it short.

    Args:
        code: the exit code.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(OSError, ValueError):  # whoever read it may be gone
            stream.flush()
    os._exit(code)


def interrupt_soon(complaint: str) -> None:
    """Let the first SIGINT or SIGTERM raise KeyboardInterrupt; end the process if that is no use.

    It is of no use during an import, which it would break with a traceback, and in native code that
    does not return within two seconds. The exit code is then the shell's, 130 or 143. Whoever takes
    a signal over with a handler of its own is left in peace.

    Args:
        complaint: printed on standard error by a process that has to be ended.
    """
    came = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if _imports(frame):
            _leave(128 + number, complaint)
        if not came:
            came = True
            raise KeyboardInterrupt

    def leave(number: int) -> None:
        if signal.getsignal(number) is interrupt:
            time.sleep(_GRACE_S)
            _leave(128 + number, complaint)

    for number in SIGNALS:
        signal.signal(number, interrupt)
    _watch_signals(leave)
    os.register_at_fork(after_in_child=_forget)


def _watch_signals(note: Callable[[int], None]) -> None:
    """Call `note` with each signal, in a thread of its own, as the main thread may be busy."""

    def watch(stream: int) -> None:
        while content := os.read(stream, 1):
            note(content[0])

    # Written to by the operating system's handler.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=watch, args=(reading,), daemon=True).start()


def _leave(code: int, complaint: str) -> NoReturn:
    """End the process at once, with a line on standard error."""
    # Not print: another thread may hold the stream.
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{complaint}\n".encode())
    os._exit(code)


def _forget() -> None:
    """In the processes of a pool: end as processes do."""
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def _imports(frame: Any) -> bool:
    """Whether a frame belongs to an import."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Node processes: nodes started as programs of their own, watched and stopped."""

import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from types import FrameType

from genpose_ros.ros.demo.dds_domains import DOMAINS, claim_domain
from genpose_ros.stopping import SIGNALS

__all__ = ["NodeEndedError", "NodeProcess", "isolated_environment", "node_process", "terminable"]

_log = logging.getLogger(__name__)

_STOP_S = 8.0


class NodeEndedError(RuntimeError):
    """Error of a node's program that ended by itself; the message holds its last lines."""


class NodeProcess:
    """Program of a running node; `node_process` starts it.

    Args:
        name: for messages.
        process: the program.
        log: file that holds its output.
    """

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Process id of the program."""
        return self._process.pid

    def check(self) -> None:
        """Check that the program still runs.

        Raises:
            NodeEndedError: it has ended.
        """
        code = self._process.poll()
        if code is not None:
            raise NodeEndedError(f"{self.name} ended with code {code}\n{self.last_lines()}")

    def last_lines(self, count: int = 12) -> str:
        """Return the last lines of its output, or that there is none."""
        lines = self._log.read_text(errors="replace").splitlines()[-count:]
        return "\n".join(f"  {self.name}: {line}" for line in lines or ["(no output)"])

    def stop(self) -> None:
        """Ask the program to end, and kill it when it does not within some seconds."""
        for request in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                return
            self._process.send_signal(request)
            try:
                self._process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                _log.warning("%s does not end on %s", self.name, request.name)


@contextmanager
def node_process(
    name: str,
    module: str,
    parameters: Mapping[str, object],
    remappings: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[NodeProcess]:
    """Start a node's module as a program; stop it when the block ends.

    Args:
        name: for messages.
        module: what `python -m` runs, in this Python.
        parameters: ROS parameters; True, numbers and texts.
        remappings: topics, from and to.
        environment: all variables of the program; default: those of this process.
    """
    command = [sys.executable, "-m", module, "--ros-args"]
    for source, target in (remappings or {}).items():
        command += ["-r", f"{source}:={target}"]
    for key, value in parameters.items():
        command += ["-p", f"{key}:={_yaml(value)}"]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="genpose_"))
        log = Path(folder) / "log"
        output = stack.enter_context(log.open("wb"))
        # A group of its own: Ctrl-C reaches this process alone, which then stops its nodes.
        process = subprocess.Popen(  # noqa: S603 - our own modules
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
        node = NodeProcess(name, process, log)
        stack.callback(node.stop)
        yield node


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    # Quoted, so that a folder named 1 or no stays a text.
    text = str(value).replace("'", "''")
    return f"'{text}'"


def isolated_environment() -> dict[str, str]:
    """Return this process's variables with a DDS domain that no other robot or demo is in.

    A ROS_DOMAIN_ID that is set is kept; communication stays on this machine in any case.
    """
    environment = dict(os.environ)
    if "ROS_DOMAIN_ID" not in environment:
        environment["ROS_DOMAIN_ID"] = str(_own_domain())
    if environment.get("ROS_DISTRO") == "humble":
        environment["ROS_LOCALHOST_ONLY"] = "1"
    else:
        environment.pop("ROS_LOCALHOST_ONLY", None)
        environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


@cache
def _own_domain() -> int:
    """The domain of this process's nodes; by chance alone where none can be claimed."""
    preferred = random.SystemRandom().choice(DOMAINS)
    try:
        return claim_domain(preferred)
    except (OSError, RuntimeError):
        return preferred


@contextmanager
def terminable() -> Iterator[None]:
    """Handle SIGTERM as Ctrl-C while the block lasts, so that nodes have the time to stop."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Running of a node as a program: start, spin, and an orderly end whatever ends it."""

import gc
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn, Protocol, TypeVar

import rclpy
from rclpy.exceptions import NameValidationException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from genpose_ros.stopping import SIGNALS, end_after_grace, end_in_order

__all__ = ["end_for_respawn", "run_program", "spin_through_errors"]

AnyNode = TypeVar("AnyNode", bound=Node)

#: What keeps a node from starting and is told in a line.
_TOLD = (ValueError, OSError, RuntimeError, NameValidationException)


class _ReportingNode(Protocol):
    """Node that can be told of an error."""

    context: rclpy.Context

    def report_error(self, error: BaseException) -> None: ...


def run_program(
    name: str,
    make_node: Callable[[], AnyNode],
    spin: Callable[[AnyNode], None],
    args: Sequence[str] | None = None,
    *,
    says_goodbye: bool = False,
) -> NoReturn:
    """Run a node until it is stopped, destroy it in any case, and end the process.

    A node that is asked to stop and cannot, as it is in the midst of native code, is ended with
    code 0 within two seconds.

    Ctrl-C under `ros2 launch` comes twice, once from the terminal and once from launch: the first
    one ends the spinning, the second must not disturb the end.

    Args:
        name: of the logger that says why the node did not start.
        make_node: makes the node.
        spin: returns when the node is to stop.
        args: as of `rclpy.init`.
        says_goodbye: whether the node publishes when it is destroyed. rclpy's own answer to a
            signal would make that impossible; without it spinning ends at the next callback, such
            as of a timer, which the node has to have.

    Raises:
        SystemExit: it could not start; the reason is logged.
    """
    end_after_grace(0, f"{name}: ended at once, as it did not stop by itself")
    with _one_interrupt() as interrupted:
        node = None
        try:
            handlers = SignalHandlerOptions.NO if says_goodbye else SignalHandlerOptions.ALL
            rclpy.init(args=args, signal_handler_options=handlers)
            node = make_node()
            spin(node)
        except (KeyboardInterrupt, ExternalShutdownException):
            pass
        except Exception as error:
            # An interrupt in the midst of native code comes out of it as any of them.
            if not interrupted():
                if node is not None or not isinstance(error, _TOLD):
                    raise
                reason = " ".join(str(error).split())
                rclpy.logging.get_logger(name).fatal(f"cannot start: {reason}")
                raise SystemExit(1) from None
        finally:
            if node is not None:
                node.destroy_node()
            with suppress(RuntimeError):  # rclpy's own answer to the signal may be first
                rclpy.try_shutdown()
        # Peers learn that it is gone from what its last parts do when they are freed.
        node = None
        gc.collect()
        end_in_order(0)


def spin_through_errors(node: _ReportingNode) -> None:
    """Spin until shutdown; what a callback or rclpy itself raises is reported, not fatal.

    A parameter of an unknown type from any peer, for one, raises out of rclpy's spin.
    """
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    while _spin_once_more(executor, node):
        pass
    executor.shutdown(timeout_sec=1.0)


def _spin_once_more(executor: SingleThreadedExecutor, node: _ReportingNode) -> bool:
    """Spin until something raises; returns whether to go on."""
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        return False
    except Exception as error:  # whatever a peer can provoke must not end the node
        node.report_error(error)
    return bool(node.context.ok())


def end_for_respawn() -> NoReturn:
    """End the process, whatever its threads are at, with the code that asks for another one."""
    os._exit(os.EX_SOFTWARE)  # 70


@contextmanager
def _one_interrupt() -> Iterator[Callable[[], bool]]:
    """While the block lasts, SIGINT or SIGTERM raises KeyboardInterrupt once, then does nothing.

    Yields what tells whether one has come.
    """
    came = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal came
        if not came:
            came = True
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield lambda: came
    finally:
        for number, handler in before.items():
            if came:
                # Not the one above: Python takes it away when it ends, and a third would kill.
                signal.signal(number, signal.SIG_IGN)
            elif handler is not None:
                signal.signal(number, handler)

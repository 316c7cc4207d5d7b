# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Flag that ends an estimate in hand between two steps of its solver."""

import threading

__all__ = ["EstimateStoppedError", "StopFlag"]


class EstimateStoppedError(Exception):
    """Error of an estimate that was asked to stop; it has no result."""


class StopFlag:
    """Flag that one thread sets and another one, which estimates, looks at.

    Example:
        >>> flag = StopFlag()
        >>> flag.check()
        >>> flag.set()
        >>> try:
        ...     flag.check()
        ... except EstimateStoppedError as error:
        ...     print(error)
        the estimate was stopped
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Let every `check` raise from now on."""
        self._event.set()

    def clear(self) -> None:
        """Let estimates go on again."""
        self._event.clear()

    def check(self) -> None:
        """Return where nobody has asked to stop; costs no more than a look, on a GPU too.

        Raises:
            EstimateStoppedError: the flag is set.
        """
        if self._event.is_set():
            raise EstimateStoppedError("the estimate was stopped")

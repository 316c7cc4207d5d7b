# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Server that answers its own pages alone: pages of strangers in the same browser are refused.

Any page may ask a browser to connect to 127.0.0.1. The browser says which page asks (Origin), and
by which name the server was called (Host), which viser does not look at.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from inspect import isawaitable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from genpose_ros.view.software_drawing import with_script

__all__ = ["answers_own_pages", "is_own_page"]

_REFUSED = "this view answers the pages that it serves itself\n"


def is_own_page(origin: str | None, host: str | None, *, loopback: bool) -> bool:
    """Return whether a request comes from a page of this server, or from no page at all.

    Args:
        origin: header of that name; None: a program asks, not a page.
        host: header of that name: by which the server was called.
        loopback: whether the server listens at this machine alone; then its name has to be one of
            this machine's, lest somebody else's name leads here.
    """
    try:
        named = urlsplit(f"//{host or ''}").hostname
        asking = None if origin is None else urlsplit(origin).netloc
    except ValueError:  # no such address
        return False
    if named is None or (loopback and not _is_loopback(named)):
        return False
    return asking is None or asking == host


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


@contextmanager
def answers_own_pages(*, loopback: bool) -> Iterator[None]:
    """Let servers of websockets that are started meanwhile refuse pages of strangers.

    Their own page gets the script of `software_drawing`.

    Args:
        loopback: as of `is_own_page`.
    """
    from websockets.asyncio import server as servers

    original: Callable[..., Any] = servers.serve

    def serve(*places: Any, process_request: Any = None, **options: Any) -> Any:
        async def process(connection: Any, request: Any) -> Any:
            origins = request.headers.get_all("Origin")
            origin = origins[0] if origins else None
            hosts = request.headers.get_all("Host")
            if (
                len(origins) > 1
                or len(hosts) != 1
                or not is_own_page(origin, hosts[0], loopback=loopback)
            ):
                return connection.respond(HTTPStatus.FORBIDDEN, _REFUSED)
            answer: Any | Awaitable[Any] = None
            if process_request is not None:
                answer = process_request(connection, request)
            return with_script(await answer if isawaitable(answer) else answer)

        return original(*places, process_request=process, **options)

    servers.__dict__["serve"] = serve
    try:
        yield
    finally:
        servers.__dict__["serve"] = original

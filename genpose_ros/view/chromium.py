# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Chromium without a screen, driven through its DevTools protocol: for pictures and tests."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["BrowserError", "Chromium", "find_chromium"]

#: Programs that speak the protocol, by the names that distributions give them.
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Software rendering, which every machine has; nothing that asks a network by itself.
_FLAGS = (
    "--headless=new",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    # What is drawn once by software need not be drawn a second time for the window.
    "--disable-gpu-compositing",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--remote-debugging-port=0",
)
#: Characters of an address that are kept: some hold a picture.
_URL_LENGTH = 200
_START_S, _POLL_S, _ANSWER_S, _END_S = 60.0, 0.1, 60.0, 10.0


class BrowserError(OSError):
    """Raised where there is no browser, or it does not do what it was told."""


def find_chromium() -> str:
    """Return the path of a Chromium or Chrome on this machine; empty: there is none."""
    return next(filter(None, map(shutil.which, _PROGRAMS)), "")


class Chromium:
    """One page in a browser without a screen, which ends with its context.

    Attributes:
        requests: addresses that the page has asked for so far.

    Args:
        socket: connection to the browser.
    """

    def __init__(self, socket: Any) -> None:
        self.requests: list[str] = []
        self._socket, self._sent, self._session = socket, 0, ""

    @classmethod
    @contextmanager
    def open(cls, url: str, size_px: tuple[int, int] = (1280, 800)) -> Iterator["Chromium"]:
        """Start a browser with a page.

        Args:
            url: of the page.
            size_px: width and height of the window.

        Raises:
            BrowserError: there is no Chromium, or it does not start.
            ModuleNotFoundError: websockets is not installed.
        """
        from websockets.sync.client import connect

        program = find_chromium()
        if not program:
            raise BrowserError(
                f"there is no Chromium on this machine ({', '.join(_PROGRAMS)}): apt install "
                "chromium, or open the view in any browser"
            )
        with (
            tempfile.TemporaryDirectory(prefix="genpose_browser_", ignore_cleanup_errors=True) as p,
            _process(program, Path(p), size_px) as process,
            connect(_address(Path(p), process), max_size=None, compression=None) as socket,
        ):
            browser = cls(socket)
            browser._attach(url, size_px)
            yield browser

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page; of a promise what it gives.

        Raises:
            BrowserError: it throws.
        """
        answer = self.command(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression} throws: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression: str, timeout_s: float = 60.0) -> Any:
        """Return the value of an expression once it is true.

        Raises:
            BrowserError: it is not within the time.
        """
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            value = self.evaluate(expression)
            if value:
                return value
            time.sleep(_POLL_S)
        raise BrowserError(f"within {timeout_s:g} s the page did not come to {expression}")

    def click(self, x_px: float, y_px: float) -> None:
        """Click with the left button, at a place in the page."""
        for kind, count in (("mouseMoved", 0), ("mousePressed", 1), ("mouseReleased", 1)):
            self.command(
                "Input.dispatchMouseEvent",
                type=kind,
                x=x_px,
                y=y_px,
                button="left" if count else "none",
                clickCount=count,
            )
            time.sleep(_POLL_S)

    def screenshot(self) -> bytes:
        """Return a picture of the page, PNG."""
        return b64decode(self.command("Page.captureScreenshot", format="png")["data"])

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol and return its answer.

        Raises:
            BrowserError: the browser refuses it, or does not answer.
        """
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        until_s = time.monotonic() + _ANSWER_S
        while True:
            try:
                answer = json.loads(self._socket.recv(timeout=until_s - time.monotonic()))
            except TimeoutError as error:
                raise BrowserError(f"the browser does not answer {method}") from error
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"][:_URL_LENGTH])
            elif answer.get("method") == "Network.webSocketCreated":
                self.requests.append(answer["params"]["url"])
            if answer.get("id") == self._sent:
                break
        if "error" in answer:
            raise BrowserError(f"the browser refuses {method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _attach(self, url: str, size_px: tuple[int, int]) -> None:
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        attached = self.command("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        width, height = size_px
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.command("Network.enable")
        self.command("Page.enable")
        self.command("Page.navigate", url=url)


@contextmanager
def _process(
    program: str, profile: Path, size_px: tuple[int, int]
) -> Iterator["subprocess.Popen[bytes]"]:
    """The browser's process, which ends with the context."""
    own = [f"--user-data-dir={profile}", "--window-size={},{}".format(*size_px), "about:blank"]
    # Chromium's sandbox cannot be used by root, as whom containers run.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with subprocess.Popen(  # noqa: S603 - a browser's program, with our own arguments
        [program, *_FLAGS, *sandbox, *own],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(profile: Path, process: "subprocess.Popen[bytes]") -> str:
    """The address that the browser listens at, on this machine alone; it writes it to a file."""
    file = profile / "DevToolsActivePort"
    until_s = time.monotonic() + _START_S
    while time.monotonic() < until_s and process.poll() is None:
        lines = file.read_text().split() if file.is_file() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(_POLL_S)
    raise BrowserError(f"{process.args!r:.60} ... does not start (code {process.poll()})")

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Picture of the view, taken by a browser without a screen that clicks on an object."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from genpose_ros.view.chromium import BrowserError, Chromium
from genpose_ros.view.page import Page
from genpose_ros.view.software_drawing import SMOOTH

__all__ = ["Shot", "opened", "take_shot"]

#: What tells that the page is drawn: its canvas, and several of its animation frames since.
_CANVAS = "document.querySelector('canvas') !== null"
_FRAMES = """new Promise(done => {
  let left = 3; const next = () => --left ? requestAnimationFrame(next) : done(true); next(); })"""
#: The page's note on software rendering is of no use to who looks at the picture.
_DISMISS = """document.querySelectorAll('.mantine-Notification-closeButton')
  .forEach(button => button.click())"""
#: What may take so long on a busy machine, seconds.
_DRAWN_S, _ANSWER_S = 120.0, 60.0


@dataclass(frozen=True)
class Shot:
    """Picture that was taken.

    Attributes:
        png: of the page.
        text: what the page says.
        requests: addresses that it asked for.
    """

    png: bytes
    text: str
    requests: tuple[str, ...]


@contextmanager
def opened(
    page: Page, size_px: tuple[int, int] = (1280, 800), *, smooth: bool = True
) -> Iterator[Chromium]:
    """Open a page in a browser without a screen, and wait until it is drawn.

    Args:
        page: with a frame.
        size_px: width and height of the window.
        smooth: whether edges are drawn smoothly, which takes software longer.

    Raises:
        BrowserError: there is no browser, or the page is not drawn in time.
    """
    with Chromium.open(page.url + (f"/{SMOOTH}" if smooth else ""), size_px) as browser:
        browser.wait_for(_CANVAS, _DRAWN_S)
        page.wait_for_browser(_DRAWN_S)
        settle(browser)
        yield browser


def settle(browser: Chromium) -> None:
    """Wait until what the page was told is drawn."""
    time.sleep(0.5)
    browser.evaluate(_FRAMES)
    browser.evaluate(_DISMISS)
    browser.evaluate(_FRAMES)


def take_shot(page: Page, click: str = "", size_px: tuple[int, int] = (1280, 800)) -> Shot:
    """Take a picture of a page as a browser shows it.

    Args:
        page: with a frame.
        click: object to click at, so that its numbers are shown; empty: none.
        size_px: width and height of the window.

    Raises:
        BrowserError: there is no browser, or it does not show the page or the object.
        ValueError: there is no such object.
    """
    with opened(page, size_px) as browser:
        if click:
            x, y = page.screen_place(page.place_of(click))
            if not (0 < x < 1 and 0 < y < 1):
                raise BrowserError(f"{click} is not in sight")
            browser.click(x * size_px[0], y * size_px[1])
            until_s = time.monotonic() + _ANSWER_S
            while page.chosen != click and time.monotonic() < until_s:
                time.sleep(0.1)
            if page.chosen != click:
                raise BrowserError(
                    f"a click at {click} chose {page.chosen or 'nothing'}: something is in front "
                    "of it"
                )
        settle(browser)
        text = browser.evaluate("document.body.innerText")
        return Shot(browser.screenshot(), str(text), tuple(browser.requests))

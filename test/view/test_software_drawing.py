# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Script for browsers without a graphics card: where it is put, and what it changes there."""

import gzip
import socket
from types import SimpleNamespace

import numpy as np
import pytest

from genpose_ros.view.chromium import find_chromium
from genpose_ros.view.content import Cloud, ViewedFrame
from genpose_ros.view.software_drawing import MOST_DRAWN_HZ, with_script

PAGE = b"<!doctype html><html><head><title>Viser</title></head><body></body></html>"
#: How many animation frames a page has in a second.
TICKS = """new Promise(done => {
  const began = performance.now(); let ticks = 0;
  const tick = () => { ticks += 1;
    if (performance.now() - began < 1000) requestAnimationFrame(tick); else done(ticks); };
  requestAnimationFrame(tick); })"""
SMOOTH_EDGES = """[...document.querySelectorAll('canvas')]
  .map(canvas => canvas.getContext('webgl2')).filter(found => found)
  .some(found => found.getContextAttributes().antialias)"""


def answer(body, kind="text/html; charset=utf-8", encoding="identity"):
    headers = {"Content-Type": kind, "Content-Encoding": encoding, "Content-Length": len(body)}
    return SimpleNamespace(headers=headers, body=body)


@pytest.mark.parametrize("zipped", [False, True])
def test_the_page_gets_the_script_before_all_its_own_and_its_length_is_told(zipped):
    sent = answer(gzip.compress(PAGE), encoding="gzip") if zipped else answer(PAGE)
    got = with_script(sent)
    body = gzip.decompress(got.body) if zipped else got.body
    assert body.split(b"<head>", 1)[1].startswith(b"<script>")
    assert body.endswith(b"</script><title>Viser</title></head><body></body></html>")
    assert int(got.headers["Content-Length"]) == len(got.body)


def test_other_answers_stay_as_they_are():
    assert with_script(None) is None
    plain = answer(b"not found", "text/plain")
    assert with_script(plain).body == b"not found"
    headless = answer(b"<html></html>")
    assert with_script(headless).body == b"<html></html>"


@pytest.fixture
def page():
    pytest.importorskip("viser", reason="the view's extra is not installed")
    if not find_chromium():
        pytest.skip("no Chromium on this machine (apt install chromium)")
    from genpose_ros.view.page import Page

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Page("genpose", port=port)
    points = np.random.default_rng(0).uniform((-1, -1, 2), (1, 1, 4), (300, 3))
    cloud = Cloud(points.astype(np.float32), np.full((300, 3), 200, np.uint8))
    made.show(ViewedFrame("a frame", "camera", 0, (), cloud))
    yield made
    made.close()


@pytest.mark.slow
def test_software_draws_no_smooth_edges_and_not_more_often_than_it_should(page):
    from genpose_ros.view.shot import opened

    with opened(page, (640, 480), smooth=False) as browser:
        assert browser.evaluate(SMOOTH_EDGES) is False
        assert browser.evaluate(TICKS) <= MOST_DRAWN_HZ + 2
        cancelled = "(() => { const id = requestAnimationFrame(() => { window.ran = true; });"
        browser.evaluate(cancelled + "cancelAnimationFrame(id); return true; })()")
        browser.evaluate(TICKS)
        assert browser.evaluate("window.ran === undefined")


@pytest.mark.slow
def test_a_page_that_is_to_be_smooth_is(page):
    from genpose_ros.view.shot import opened

    with opened(page, (640, 480), smooth=True) as browser:
        assert browser.evaluate(SMOOTH_EDGES) is True

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Page of the view: what a browser is shown, and that it asks nothing of any network."""

import io
import socket
import time
from dataclasses import replace

import numpy as np
import pytest
from fake_estimator import make_estimate
from PIL import Image

from genpose_ros.geometry import NOCS, PinholeCamera
from genpose_ros.view.chromium import BrowserError, Chromium, find_chromium
from genpose_ros.view.content import CameraImage, Cloud, ViewedFrame, viewed_object
from genpose_ros.view.page import Adjustable
from genpose_ros.view.scene import Shown, candidate_values

CAMERA = PinholeCamera(60.0, 60.0, 32.0, 24.0, 64, 48)


def some_frame(name="a frame", x_m=0.0, points=500):
    """A mug before a wall."""
    T = np.eye(4)
    T[:3, 3] = x_m, 0.0, 0.8
    mug = viewed_object(make_estimate(T_cam_obj=T), "mug_1", NOCS, np.eye(4))
    generator = np.random.default_rng(0)
    wall = generator.uniform((-0.3, -0.3, 1.2), (0.3, 0.3, 1.2), (points, 3)).astype(np.float32)
    cloud = Cloud(wall, generator.integers(0, 255, (points, 3)).astype(np.uint8))
    picture = CameraImage(np.full((48, 64, 3), 90, np.uint8), CAMERA, np.eye(4))
    return ViewedFrame(name, "camera", 0, (mug,), cloud, picture)


@pytest.fixture
def page():
    pytest.importorskip("viser", reason="the view's extra is not installed")
    from genpose_ros.view.page import Page

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Page("genpose", port=port)
    yield made
    made.close()


@pytest.fixture
def browser_here():
    if not find_chromium():
        pytest.skip("no Chromium on this machine (apt install chromium)")


def test_the_page_is_served_to_this_machine_alone_and_to_others_where_asked(page):
    assert page.url.startswith("http://127.0.0.1:")
    host, port = page.url.removeprefix("http://").split(":")
    socket.create_connection((host, int(port)), timeout=5).close()


def test_frames_come_and_go_with_their_objects(page):
    page.show(some_frame())
    page.choose("mug_1")
    assert page.chosen == "mug_1"
    np.testing.assert_allclose(page.place_of("mug_1"), [0, 0, 0.8])
    page.show(replace(some_frame(), objects=()))
    with pytest.raises(ValueError, match="no object mug_1 in the view; there are: none"):
        page.place_of("mug_1")


def test_everything_that_can_be_drawn_can_be_switched_off_and_on(page):
    page.show(some_frame())
    for value in (False, True):
        for name in Shown.switches():
            page.switch(name, value)
        if not value:
            assert page.drawn == set()
    assert {"cloud", "objects/mug_1", "labels/mug_1"} <= page.drawn
    assert {f"lines/{name}" for name in ("boxes", "axes", "candidates", "camera")} <= page.drawn
    page.switch("candidates", False)
    assert "lines/candidates" not in page.drawn


def test_a_recording_needs_a_frame(page):
    with pytest.raises(ValueError, match="no frame to show"):
        page.show_recording([])


def test_settings_of_every_kind_have_a_field(page):
    page.show_recording([some_frame(), some_frame("the next")])
    changed = {}
    made = page.add_settings(
        [
            Adjustable("sampling.steps", 8, "Evaluations.", 1, 1000, group="sampling"),
            Adjustable("keep", 0.5, low=0.0, high=1.0),
            Adjustable("sampling.sampler", "euler", choices=("euler", "rk45"), group="sampling"),
            Adjustable("up", True),
            Adjustable("text", "word"),
        ],
        lambda name, value: changed.update({name: value}) or "",
    )
    wanted = {"sampling.steps": 4, "keep": 0.25, "sampling.sampler": "rk45", "up": False}
    wanted["text"] = "another"
    given = {"sampling.steps": 8, "keep": 0.5, "sampling.sampler": "euler", "up": True}
    assert {name: field.value for name, field in made.items()} == {**given, "text": "word"}
    for name, value in wanted.items():
        made[name].value = value
    assert changed == wanted


def test_candidates_without_energies_are_shaded_by_density():
    mug = some_frame().objects[0]
    np.testing.assert_array_equal(candidate_values(mug, "energy"), mug.density)
    energies = np.array([[100.0, 1], [200, 1], [300, 1], [400, 1]])
    by_energy = candidate_values(replace(mug, energies=energies), "energy")
    assert (np.diff(by_energy) > 0).all()


def test_without_a_browser_a_picture_says_what_to_install(page, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with (
        pytest.raises(BrowserError, match="apt install chromium"),
        Chromium.open(page.url),
    ):
        pass


@pytest.mark.slow
def test_a_browser_draws_the_page_and_a_click_on_an_object_shows_its_numbers(page, browser_here):
    from genpose_ros.view.shot import take_shot

    page.show(some_frame())
    shot = take_shot(page, "mug_1", (900, 600))
    picture = np.asarray(Image.open(io.BytesIO(shot.png)).convert("RGB"))
    assert picture.shape == (600, 900, 3)
    left = picture[:, :600].reshape(-1, 3)  # of the panel
    assert len(np.unique(left, axis=0)) > 100, "nothing was drawn on the canvas"
    assert "a frame" in shot.text
    assert "0.000, 0.000, 0.800" in shot.text
    local = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:http://127.0.0.1:")
    assert [address[:80] for address in shot.requests if not address.startswith(local)] == []


@pytest.mark.slow
def test_what_is_shown_next_is_drawn_next(page, browser_here):
    from genpose_ros.view.shot import opened

    page.show(some_frame("the first"))
    with opened(page, (900, 600)) as browser:
        page.show(some_frame("the second", points=18_000))
        browser.wait_for("document.body.innerText.includes('the second')")
        time.sleep(0.1)
        assert "18000 points" in browser.evaluate("document.body.innerText")

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Page of the view: what a browser is shown, and that it asks nothing of any network."""

import io
import socket
import time
from dataclasses import replace
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from fake_estimator import make_estimate
from PIL import Image

from genpose_ros.geometry import NOCS, PinholeCamera
from genpose_ros.robot.grasps import GraspTable
from genpose_ros.view.chromium import BrowserError, Chromium, find_chromium
from genpose_ros.view.content import CameraImage, Cloud, ViewedFrame, viewed_object
from genpose_ros.view.numbers import object_text
from genpose_ros.view.own_pages import is_own_page
from genpose_ros.view.page import Adjustable
from genpose_ros.view.scene import Shown, candidate_values
from genpose_ros.view.task_frames import with_task_frames

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


def test_a_page_that_is_closed_draws_no_more(page, recwarn):
    page.show_recording([some_frame("one"), some_frame("two")])
    page.close()
    page.show(some_frame("three"))
    assert [str(warning.message) for warning in recwarn if "closed" in str(warning.message)] == []


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


#: The field that stands beside a text of the panel, or the text itself.
FIELD = """((text, kind) => {
  let node = [...document.querySelectorAll('body *')].filter(e => [...e.childNodes].some(
    n => n.nodeType === 3 && n.textContent.trim() === text)).pop();
  while (kind && node && !node.querySelector(kind)) node = node.parentElement;
  return kind ? node.querySelector(kind) : node; })"""


@pytest.mark.slow
def test_a_user_moves_the_slider_switches_and_is_told_of_a_refused_setting(page, browser_here):
    from genpose_ros.view.shot import opened

    page.show_recording([some_frame("the first"), some_frame("the second")])
    setting = Adjustable("sampling.steps", 8, low=1, high=1000, group="sampling")
    page.add_settings([setting], lambda name, value: f"{name} has to be even")
    said = "document.body.innerText.includes('{}')".format
    with opened(page, (900, 900)) as browser:
        browser.evaluate("document.querySelector('[role=slider]').focus()")
        key = {"key": "ArrowRight", "code": "ArrowRight", "windowsVirtualKeyCode": 39}
        browser.command("Input.dispatchKeyEvent", type="keyDown", **key)
        browser.wait_for(said("the second"))
        for folder in ("Show", "Settings", "sampling"):
            browser.wait_for(f"{FIELD}('{folder}', '')?.click() || true")
            time.sleep(0.5)
        browser.wait_for(f"{FIELD}('covariances', 'input[type=checkbox]').click() || true")
        until_s = time.monotonic() + 30
        while "lines/covariances" not in page.drawn and time.monotonic() < until_s:
            time.sleep(0.1)
        assert "lines/covariances" in page.drawn
        browser.wait_for(f"{FIELD}('steps', 'input').focus() || true")
        browser.evaluate("document.activeElement.select()")
        browser.command("Input.insertText", text="3")
        browser.wait_for(said("refused: sampling.steps has to be even"))


OWN, STRANGER = "127.0.0.1:8080", "http://evil.example"


@pytest.mark.parametrize(
    ("origin", "host", "loopback", "expected"),
    [
        (f"http://{OWN}", OWN, True, True),
        (None, OWN, True, True),  # a program, no page
        ("http://localhost:9000", "localhost:9000", True, True),  # a forwarded port
        ("http://[::1]:8080", "[::1]:8080", True, True),
        (STRANGER, OWN, True, False),
        ("null", OWN, True, False),
        ("http://127.0.0.1:3000", OWN, True, False),  # another server on this machine
        (STRANGER, "evil.example", True, False),  # a name that leads here
        (None, "evil.example:8080", True, False),
        (None, None, True, False),
        ("http://robot:8080", "robot:8080", False, True),
        (STRANGER, "robot:8080", False, False),
        ("http://[", OWN, True, False),
    ],
)
def test_a_request_is_own_where_the_page_that_asks_is(origin, host, loopback, expected):
    assert is_own_page(origin, host, loopback=loopback) is expected


def test_pages_of_strangers_reach_neither_the_page_nor_its_socket(page):
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    socket_url = page.url.replace("http", "ws")
    with pytest.raises(InvalidStatus, match="403"):
        connect(socket_url, origin=STRANGER)
    with pytest.raises(HTTPError, match="403"):
        urlopen(Request(page.url, headers={"Host": "evil.example"}), timeout=10)
    with urlopen(page.url, timeout=10) as answer:
        assert b"<html" in answer.read()
    with connect(socket_url, origin=page.url, subprotocols=["viser-v0.0.0"]):
        pass  # its own page


def test_recordings_have_the_task_frames_that_their_poses_are_sure_enough_for():
    mug = replace(some_frame().objects[0], score=0.9, score_axis=0.95, mode_shares=(1.0,))
    mug = replace(mug, size_m=np.array([0.10, 0.09, 0.07]))
    unsure = replace(mug, name="mug_2", score=0.2)
    frame = with_task_frames(replace(some_frame(), objects=(mug, unsure)), GraspTable.shipped())
    assert {"mug_1_grasp_side", "mug_1_grasp_top", "mug_1_pour"} <= set(frame.task_frames)
    assert not [name for name in frame.task_frames if name.startswith("mug_2")]
    assert frame.objects[0].without_frames == ()
    text = object_text(frame.objects[1])
    assert "no grasp_top: how it is turned about its y axis has a score of 0.20" in text


def test_the_frames_of_the_chosen_object_alone_are_named(page):
    made = with_task_frames(
        replace(some_frame(), objects=(replace(some_frame().objects[0], score=0.9),)),
        GraspTable.shipped(),
    )
    page.show(made)
    assert "lines/task_frames" in page.drawn
    assert "labels/frame_mug_1_grasp_top" not in page.drawn
    page.choose("mug_1")
    assert "labels/frame_mug_1_grasp_top" in page.drawn

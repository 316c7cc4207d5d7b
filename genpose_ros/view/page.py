# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Page of the view: the scene with its panels, served to browsers on this machine."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np

from genpose_ros.robot.grasps import GraspTable
from genpose_ros.view.content import ViewedFrame
from genpose_ros.view.numbers import frame_text, object_text
from genpose_ros.view.own_pages import answers_own_pages
from genpose_ros.view.scene import CANDIDATE_VALUES, Scene, Shown
from genpose_ros.view.task_frames import with_task_frames

__all__ = ["LOOPBACK", "Adjustable", "Page"]

#: Address that only this machine reaches.
LOOPBACK = "127.0.0.1"
_LOOPBACKS = (LOOPBACK, "localhost", "::1")
_NOTHING_CHOSEN = "Click on an object to see its numbers."
#: Recordings are played at this rate, frames a second.
_PLAY_HZ = 10.0
#: Distance from what is looked at, metres, where no camera tells it.
_FAR_M = 1.2
#: Field of view, and width by height that windows usually have; how far from the objects the eye is
#: tried, as multiples of the camera's distance.
_FOV_RAD, _ASPECT, _FACTORS = float(np.radians(45.0)), 1.6, (0.7, 0.85, 1.0, 1.2, 1.5, 2.0)
#: Least width of the camera's picture in the panel, pixels.
_PICTURE_PX = 320


@dataclass(frozen=True)
class Adjustable:
    """Setting that the page can change.

    Attributes:
        name: of the parameter.
        value: at the moment.
        description: one or two sentences.
        low: least value; None: no limit. `high` is the greatest one.
        choices: the values there are, for texts.
        group: of settings that stand together.
    """

    name: str
    value: Any
    description: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    group: str = ""


class Page:
    """Server of one view; frames are shown as they come, or all of a recording with a slider.

    Args:
        title: of the page.
        host: address to listen at.
        port: first one to try.
        grasps: of the objects of frames that come without task frames; None: they have none.

    Raises:
        ModuleNotFoundError: viser is not installed.
    """

    def __init__(
        self,
        title: str,
        host: str = LOOPBACK,
        port: int = 8080,
        grasps: GraspTable | None = None,
    ) -> None:
        try:
            import viser
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "the view needs viser: pip install 'genpose_ros[view]'"
            ) from error
        # It prints its address in a box of its own, whatever `verbose` says.
        with redirect_stdout(StringIO()), answers_own_pages(loopback=host in _LOOPBACKS):
            self._server = viser.ViserServer(host=host, port=port, label=title, verbose=False)
        self._server.gui.configure_theme(
            dark_mode=True, show_logo=False, show_share_button=False, control_width="medium"
        )
        self._lock, self._grasps = threading.RLock(), grasps
        self._frame: ViewedFrame | None = None
        self._frames: Sequence[ViewedFrame] = ()
        self._shown, self._chosen = Shown(), ""
        self._looked = False
        self._slider: Any = None
        self._ended = threading.Event()
        self._scene = Scene(self._server, self.choose)
        self._build_panels()

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{self._server.get_host()}:{self._server.get_port()}"

    @property
    def chosen(self) -> str:
        """The name of the object whose numbers are shown; empty: none."""
        return self._chosen

    @property
    def drawn(self) -> frozenset[str]:
        """The names of the nodes of the scene that are to be seen."""
        return self._scene.drawn

    def wait(self) -> None:
        """Return when the page was closed."""
        while not self._ended.wait(1.0):  # in steps, between which Ctrl-C is heard
            pass

    @property
    def nearest(self) -> str:
        """The object that is nearest to who looks at the page first; empty: there is none."""
        eye = np.asarray(self._server.initial_camera.position)
        objects = () if self._frame is None else self._frame.objects
        if not objects:
            return ""
        return min(objects, key=lambda o: float(np.linalg.norm(o.T_view_obj[:3, 3] - eye))).name

    def close(self) -> None:
        """End the server."""
        self._ended.set()
        # A frame that is being drawn, such as of a recording that plays, is drawn to its end.
        with self._lock, redirect_stdout(StringIO()):
            self._server.stop()

    def show(self, frame: ViewedFrame) -> None:
        """Show a frame in place of the one before."""
        if self._grasps is not None and not frame.task_frames:
            frame = with_task_frames(frame, self._grasps)
        with self._lock:
            if self._ended.is_set():
                return
            self._frame = frame
            if not self._looked:
                self._look_at(frame)
            self._draw()

    def show_recording(self, frames: Sequence[ViewedFrame], start: int = 0) -> None:
        """Show one of several frames, and a slider that leads to the others.

        Args:
            frames: in the order of time.
            start: number of the first one that is shown.

        Raises:
            ValueError: there is none.
        """
        if not frames:
            raise ValueError("there is no frame to show")
        self._frames = frames
        self.show(frames[start])
        gui = self._server.gui
        with self._time_folder:
            slider = gui.add_slider("frame", 0, max(len(frames) - 1, 1), 1, start)
            playing = gui.add_checkbox("play", initial_value=False)
        self._slider = slider
        slider.on_update(lambda _: self.show(frames[min(slider.value, len(frames) - 1)]))
        self._time_folder.visible = len(frames) > 1
        player = threading.Thread(target=self._play, args=(slider, playing), daemon=True)
        player.start()

    def choose(self, name: str) -> None:
        """Show the numbers of an object."""
        with self._lock:
            self._chosen = name
            self._draw()

    def switch(self, name: str, value: object) -> None:
        """Change what is shown, by the names of the fields of `Shown`."""
        with self._lock:
            self._shown = self._shown.switched(name, value)
            self._draw()

    def add_settings(
        self, settings: Sequence[Adjustable], change: Callable[[str, Any], str]
    ) -> dict[str, Any]:
        """Add a panel of settings; return its fields by the settings' names.

        Args:
            settings: in the order that they are shown in.
            change: called with a name and a value; returns why not, empty: it is done.
        """
        gui, made = self._server.gui, {}
        with gui.add_folder("Settings", expand_by_default=False):
            self._answer = gui.add_markdown("")
            for group in dict.fromkeys(item.group for item in settings):
                with gui.add_folder(group or "general", expand_by_default=False):
                    for item in settings:
                        if item.group == group:
                            made[item.name] = self._add_setting(item, change)
        return made

    def screen_place(self, point: np.ndarray, timeout_s: float = 30.0) -> tuple[float, float]:
        """Return where a point is in the window of the browser that connected first.

        Args:
            point: (3,) metres, the view's frame.
            timeout_s: that a browser is waited for.

        Returns:
            x and y as shares of the window's width and height.

        Raises:
            TimeoutError: there is no browser.
        """
        camera = self._client_camera(timeout_s)
        w, x, y, z = camera.wxyz
        R = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        )
        seen = R.T @ (point - camera.position)
        half = float(np.tan(camera.fov / 2)) * seen[2]
        return 0.5 + 0.5 * seen[0] / (half * camera.aspect), 0.5 + 0.5 * seen[1] / half

    def wait_for_browser(self, timeout_s: float = 30.0) -> None:
        """Wait until a browser shows the page.

        Raises:
            TimeoutError: there is none.
        """
        self._client_camera(timeout_s)

    def place_of(self, name: str) -> np.ndarray:
        """Return where an object of the frame is, (3,) metres, the view's frame.

        Raises:
            ValueError: there is no such object.
        """
        objects = () if self._frame is None else self._frame.objects
        for item in objects:
            if item.name == name:
                return item.T_view_obj[:3, 3]
        names = ", ".join(item.name for item in objects)
        raise ValueError(f"there is no object {name} in the view; there are: {names or 'none'}")

    def _client_camera(self, timeout_s: float) -> Any:
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s:
            clients = self._server.get_clients()
            if clients and clients[min(clients)].camera.image_width > 0:
                return clients[min(clients)].camera
            time.sleep(0.1)
        raise TimeoutError(f"no browser has come to {self.url} within {timeout_s:g} s")

    def _build_panels(self) -> None:
        gui = self._server.gui
        self._about = gui.add_markdown("waiting for a frame")
        self._picture: Any = None
        self._picture_folder = gui.add_folder("Picture", visible=False)
        self._time_folder = gui.add_folder("Recording", visible=False)
        self._numbers = gui.add_markdown(_NOTHING_CHOSEN)
        with gui.add_folder("Show", expand_by_default=False):
            for name in Shown.switches():
                self._add_switch(name)
            by = gui.add_dropdown("candidates by", CANDIDATE_VALUES)
            by.on_update(lambda _: self.switch("candidates_by", by.value))

    def _add_switch(self, name: str) -> None:
        box = self._server.gui.add_checkbox(name.replace("_", " "), getattr(self._shown, name))
        box.on_update(lambda _: self.switch(name, box.value))

    def _add_setting(self, item: Adjustable, change: Callable[[str, Any], str]) -> Any:
        gui, hint = self._server.gui, item.description
        label = item.name.rpartition(".")[2]
        if isinstance(item.value, bool):
            node: Any = gui.add_checkbox(label, item.value, hint=hint)
        elif item.choices:
            node = gui.add_dropdown(label, item.choices, initial_value=item.value, hint=hint)
        elif isinstance(item.value, int | float):
            node = gui.add_number(label, item.value, min=item.low, max=item.high, hint=hint)
        else:
            node = gui.add_text(label, str(item.value), hint=hint)
        node.on_update(lambda _: self._changed(item.name, node.value, change))
        return node

    def _changed(self, name: str, value: Any, change: Callable[[str, Any], str]) -> None:
        refused = change(name, value)
        self._answer.content = f"refused: {refused}" if refused else f"{name} is {value} now"
        if not refused and self._frames and self._slider is not None:
            self.show(self._frames[self._slider.value])

    def _play(self, slider: Any, playing: Any) -> None:
        while not self._ended.wait(1.0 / _PLAY_HZ):
            if playing.value:
                slider.value = (slider.value + 1) % len(self._frames)
                self.show(self._frames[slider.value])

    def _draw(self) -> None:
        frame = self._frame
        if frame is None:
            return
        self._scene.draw(frame, self._shown, self._chosen)
        self._about.content = frame_text(frame)
        self._draw_picture(frame)
        found = next((item for item in frame.objects if item.name == self._chosen), None)
        if found is not None:
            self._numbers.content = object_text(found)
        elif self._chosen:
            self._numbers.content = f"{self._chosen} is not in this frame."
        else:
            self._numbers.content = _NOTHING_CHOSEN

    def _draw_picture(self, frame: ViewedFrame) -> None:
        """The camera's picture, small, in the panel."""
        shown = frame.image is not None and self._shown.picture
        self._picture_folder.visible = shown
        if frame.image is None or not shown:
            return
        step = max(1, frame.image.pixels.shape[1] // _PICTURE_PX)
        small = np.ascontiguousarray(frame.image.pixels[::step, ::step])
        if self._picture is None:
            with self._picture_folder:
                self._picture = self._server.gui.add_image(small, jpeg_quality=80)
        else:
            self._picture.image = small

    def _look_at(self, frame: ViewedFrame) -> None:
        """Let browsers begin behind and above the camera, looking at the objects."""
        places = [item.T_view_obj[:3, 3] for item in frame.objects]
        points = places or list(frame.cloud.points)
        if not points:
            return
        self._looked = True
        target = np.mean(points, axis=0)
        eye = np.zeros(3) if frame.image is None else frame.image.T_view_cam[:3, 3]
        up = _up(frame)
        away = eye - target
        if np.linalg.norm(away) < 1e-6:
            away = _FAR_M * up
        camera = self._server.initial_camera
        self._server.scene.set_up_direction(up)
        camera.fov = _FOV_RAD
        side = _side(away, up)
        look_at = target + 0.12 * side  # so that the objects are left of the panel
        for factor in _FACTORS:
            eye = target + factor * (away + 0.35 * side + 0.25 * np.linalg.norm(away) * up)
            if _all_in_sight(np.asarray(points), eye, look_at, up):
                break
        camera.position, camera.look_at, camera.up = eye, look_at, up


def _all_in_sight(points: np.ndarray, eye: np.ndarray, look_at: np.ndarray, up: np.ndarray) -> bool:
    """Whether points (N, 3) are in a window, left of its panel and not at its border."""
    forward = (look_at - eye) / np.linalg.norm(look_at - eye)
    right = np.cross(forward, up)
    right /= max(float(np.linalg.norm(right)), 1e-9)
    offsets = points - eye
    depth = offsets @ forward
    if (depth <= 0).any():
        return False
    half = np.tan(_FOV_RAD / 2)
    x = offsets @ right / depth / half / _ASPECT
    y = offsets @ np.cross(right, forward) / depth / half
    return bool((np.abs(y) < 0.75).all() and (x > -0.85).all() and (x < 0.4).all())


def _side(away: np.ndarray, up: np.ndarray) -> np.ndarray:
    """To the right of who looks from there, as long as `away`."""
    side = np.cross(up, away)
    length = float(np.linalg.norm(side))
    if length < 1e-6 * float(np.linalg.norm(away)):
        return np.zeros(3)
    right: np.ndarray = side * float(np.linalg.norm(away)) / length
    return right


def _up(frame: ViewedFrame) -> np.ndarray:
    """Up as far as it is known: against gravity, else of the camera's picture, else z."""
    if frame.up is not None:
        return np.asarray(frame.up.direction_cam)
    if frame.image is not None:
        down: np.ndarray = frame.image.T_view_cam[:3, 1]
        return -down
    return np.array([0.0, 0.0, 1.0])

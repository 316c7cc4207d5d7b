# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Scene of the view: what a frame holds as nodes of a viser server."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from genpose_ros.geometry.rotations import quat_wxyz_from_rotation
from genpose_ros.view.content import ViewedFrame, ViewedObject
from genpose_ros.view.lines import (
    Lines,
    axes,
    box,
    camera_pyramid,
    candidate_lines,
    ellipsoid,
    joined,
    support_plane,
    trail,
)

__all__ = ["CANDIDATE_VALUES", "Scene", "Shown", "candidate_values"]

#: What candidates may be shaded by.
CANDIDATE_VALUES = ("density", "energy")
#: Colours of tracks by state; others have their category's.
_STATE_COLORS = {"coasting": (255, 165, 0), "lost": (140, 140, 140), "new": (240, 240, 240)}
_OTHER_COLOR, _CHOSEN_COLOR, _SIGMA_COLOR = (200, 120, 255), (255, 255, 255), (255, 210, 80)
#: Diameter of a point, in distances between points, and opacity of boxes.
_POINT, _FAINT, _CHOSEN = 1.2, 0.12, 0.35
#: Widths of lines, pixels, and the length of candidates' axes, metres.
_WIDE_PX, _THIN_PX, _CANDIDATE_M, _TASK_M = 3.0, 1.5, 0.04, 0.05
#: Height of the pyramid that stands for a camera, metres.
_CAMERA_M = 0.06


@dataclass(frozen=True)
class Shown:
    """What of a frame is drawn.

    Attributes:
        candidates_by: of `CANDIDATE_VALUES`.
    """

    cloud: bool = True
    picture: bool = True
    camera: bool = True
    boxes: bool = True
    axes: bool = True
    candidates: bool = False
    second_modes: bool = True
    covariances: bool = False
    trails: bool = True
    support: bool = True
    task_frames: bool = True
    labels: bool = True
    candidates_by: str = "density"

    @staticmethod
    def switches() -> tuple[str, ...]:
        """Return the names of the fields that are on or off."""
        return tuple(item.name for item in fields(Shown) if item.type in (bool, "bool"))

    def switched(self, name: str, value: Any) -> "Shown":
        """Return the same with one field changed."""
        return replace(self, **{name: value})


class Scene:
    """Nodes of one frame, which the next frame changes.

    Args:
        server: `viser.ViserServer`.
        on_pick: called with the name of an object that is clicked at.
    """

    def __init__(self, server: Any, on_pick: Callable[[str], None]) -> None:
        self._server, self._on_pick = server, on_pick
        self._boxes: dict[str, Any] = {}
        self._labels: dict[str, Any] = {}
        self._lines: dict[str, Any] = {}
        self._cloud: Any = None
        # viser gives a cloud a new material with its colours, and a browser forgets the shader of
        # the old one if nothing else is drawn with it: to compile it takes longer than to draw.
        # These two points, which nobody sees, are drawn with it all the time.
        server.scene.add_point_cloud(
            "/shader",
            np.zeros((2, 3), np.float32),
            np.zeros((2, 3), np.uint8),
            point_size=0.0,
            point_shading="flat",
            precision="float32",
        )
        server.scene.configure_environment_map(hdri=None)
        server.scene.configure_default_lights(cast_shadow=False)

    @property
    def drawn(self) -> frozenset[str]:
        """The names of the nodes that are to be seen."""
        cloud = {"cloud"} if self._cloud is not None and self._cloud.visible else set()
        parts = {"lines": self._lines, "objects": self._boxes, "labels": self._labels}
        return frozenset(cloud | {f"{part}/{name}" for part in parts for name in parts[part]})

    def draw(self, frame: ViewedFrame, shown: Shown, chosen: str = "") -> None:
        """Draw a frame in place of the one before.

        Args:
            frame: what there is.
            shown: what of it.
            chosen: name of the object whose numbers are shown; it stands out.
        """
        with self._server.atomic():
            self._draw_cloud(frame, shown)
            for name, lines, wide in _lines_of(frame, shown, chosen):
                self._draw_lines(name, lines, wide)
            self._draw_boxes(frame.objects if shown.boxes else (), chosen)
            self._draw_labels(_labels_of(frame, shown, chosen))

    def _draw_cloud(self, frame: ViewedFrame, shown: Shown) -> None:
        cloud = frame.cloud
        if not shown.cloud or not len(cloud.points):
            if self._cloud is not None:
                self._cloud.visible = False
            return
        self._cloud = self._server.scene.add_point_cloud(
            "/cloud",
            cloud.points,
            cloud.colors,
            point_size=_POINT * cloud.spacing_m,
            point_shading="flat",
            precision="float32",
        )

    def _draw_lines(self, name: str, lines: Lines, wide: bool) -> None:
        if len(lines.ends):
            self._lines[name] = self._server.scene.add_line_segments(
                f"/lines/{name}",
                lines.ends,
                lines.colors,
                thickness=_WIDE_PX if wide else _THIN_PX,
                thickness_units="screen",
            )
        elif name in self._lines:
            self._lines.pop(name).remove()

    def _draw_boxes(self, objects: Sequence[ViewedObject], chosen: str) -> None:
        """Faint boxes, which can be clicked at."""
        for name in set(self._boxes) - {item.name for item in objects}:
            self._boxes.pop(name).remove()
        for item in objects:
            wxyz, position = _pose(item.T_view_obj)
            node = self._boxes.get(item.name)
            if node is None:
                node = self._server.scene.add_box(
                    f"/objects/{item.name}",
                    color=item.rgb,
                    opacity=_FAINT,
                    cast_shadow=False,
                    receive_shadow=False,
                )
                node.on_click(lambda event, name=item.name: self._on_pick(name))
                self._boxes[item.name] = node
            node.dimensions = tuple(float(edge) for edge in item.size_m)
            node.wxyz, node.position = wxyz, position
            node.opacity = _CHOSEN if item.name == chosen else _FAINT

    def _draw_labels(self, labels: dict[str, tuple[str, np.ndarray]]) -> None:
        for name in set(self._labels) - set(labels):
            self._labels.pop(name).remove()
        for name, (text, place) in labels.items():
            if name not in self._labels:
                self._labels[name] = self._server.scene.add_label(
                    f"/labels/{name}", text, anchor="bottom-center", font_screen_scale=0.8
                )
            self._labels[name].text = text
            self._labels[name].position = place


def _pose(T: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quaternion (w, x, y, z) and position of a transform (4, 4)."""
    rotation = torch.from_numpy(np.ascontiguousarray(T[:3, :3], dtype=np.float64))
    return quat_wxyz_from_rotation(rotation).numpy(), T[:3, 3]


def candidate_values(item: ViewedObject, by: str) -> np.ndarray:
    """Return what an object's candidates are shaded by, (K,); without energies their density."""
    energies = item.energies
    if by == "energy" and energies is not None and len(energies) == len(item.T_view_candidates):
        # Rotation and translation have scales of their own.
        spread = np.nanstd(energies, axis=0)
        values: np.ndarray = (energies / np.where(spread > 0, spread, 1.0)).sum(-1)
        return values
    return item.density


def _lines_of(frame: ViewedFrame, shown: Shown, chosen: str) -> list[tuple[str, Lines, bool]]:
    """The lines of a frame by their node, and whether they are wide."""
    objects = frame.objects
    with_other = [item for item in objects if item.T_view_other is not None]
    parts: dict[str, tuple[bool, list[Lines], bool]] = {
        "boxes": (shown.boxes, [_box(item, chosen) for item in objects], True),
        "axes": (shown.axes, [axes(o.T_view_obj, _axis_m(o)) for o in objects], True),
        "candidates": (
            shown.candidates,
            [
                candidate_lines(
                    o.T_view_candidates, _CANDIDATE_M, candidate_values(o, shown.candidates_by)
                )
                for o in objects
            ],
            False,
        ),
        "second_modes": (
            shown.second_modes,
            [line for item in with_other for line in _other(item)],
            False,
        ),
        "covariances": (
            shown.covariances,
            [ellipsoid(o.covariance[:3, :3], o.T_view_obj[:3, 3], _SIGMA_COLOR) for o in objects],
            False,
        ),
        "trails": (
            shown.trails,
            [trail(frame.trails[o.name], o.rgb) for o in objects if o.name in frame.trails],
            True,
        ),
        "camera": (shown.camera, _camera(frame), False),
        "support": (shown.support, _support(frame), False),
        "task_frames": (
            shown.task_frames,
            [axes(T, _TASK_M) for T in frame.task_frames.values()],
            True,
        ),
    }
    return [
        (name, joined(lines if wanted else []), wide)
        for name, (wanted, lines, wide) in parts.items()
    ]


def _box(item: ViewedObject, chosen: str) -> Lines:
    color = _CHOSEN_COLOR if item.name == chosen else _STATE_COLORS.get(item.state, item.rgb)
    return box(item.T_view_obj, item.size_m, color)


def _axis_m(item: ViewedObject) -> float:
    """Length of an object's axes: beyond the faces of its box."""
    return float(0.75 * np.max(item.size_m))


def _other(item: ViewedObject) -> list[Lines]:
    """The second mode of an object that has one."""
    T = item.T_view_other
    if T is None:
        return []
    return [box(T, item.size_m, _OTHER_COLOR), axes(T, 0.6 * _axis_m(item))]


def _camera(frame: ViewedFrame) -> list[Lines]:
    if frame.image is None:
        return []
    return [camera_pyramid(frame.image.camera, frame.image.T_view_cam, _CAMERA_M)]


def _support(frame: ViewedFrame) -> list[Lines]:
    if frame.up is None:
        return []
    places = [item.T_view_obj[:3, 3] for item in frame.objects]
    near = np.mean(places, axis=0) if places else np.zeros(3)
    return [support_plane(frame.up, near)]


def _labels_of(frame: ViewedFrame, shown: Shown, chosen: str) -> dict[str, tuple[str, np.ndarray]]:
    if not shown.labels:
        return {}
    up = np.zeros(3) if frame.up is None else frame.up.direction_cam
    labels = {}
    for item in frame.objects:
        state = f" {item.state}" if item.state not in ("", "confirmed") else ""
        place = item.T_view_obj[:3, 3] + 0.6 * float(np.linalg.norm(item.size_m)) * up
        labels[item.name] = (f"{item.name} {item.score:.2f}{state}", place)
    if shown.task_frames and chosen:
        own = [name for name in frame.task_frames if name.startswith(f"{chosen}_")]
        for name in own:
            labels[f"frame_{name}"] = (name, frame.task_frames[name][:3, 3])
    return labels

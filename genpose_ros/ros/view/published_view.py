# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Published frames as they are shown, with the ways that their tracks have taken."""

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from genpose_ros.estimation.frame import Frame
from genpose_ros.estimation.reasons import Rejection
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry.categories import Category, CategorySet
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.published import PublishedFrame, PublishedObject
from genpose_ros.view.content import (
    Cloud,
    ViewedFrame,
    ViewedObject,
    cloud_of,
    picture_of,
    viewed_object,
)

__all__ = ["STATES", "Trails", "refusal_texts", "up_in", "viewed_frame"]

#: Words for the constants STATE_* of ObjectPose.
STATES = ("", "new", "confirmed", "coasting", "lost")
#: Places that a trail holds, and seconds without its track after which it is forgotten.
_PLACES, _FORGOTTEN_S = 150, 5.0


class Trails:
    """Ways of tracked objects in the view's frame."""

    def __init__(self) -> None:
        self._places: dict[str, deque[np.ndarray]] = {}
        self._seen_ns: dict[str, int] = {}

    def add(self, objects: Sequence[ViewedObject], now_ns: int) -> dict[str, np.ndarray]:
        """Take a frame's objects, and return the trails of those that are tracked, (M, 3) each.

        Args:
            objects: of the frame, in the view's frame.
            now_ns: its stamp, nanoseconds; where it jumps back, all trails are forgotten.
        """
        if any(now_ns < seen_ns for seen_ns in self._seen_ns.values()):
            self._places.clear()
            self._seen_ns.clear()
        for item in objects:
            if item.state:
                places = self._places.setdefault(item.name, deque(maxlen=_PLACES))
                places.append(item.T_view_obj[:3, 3])
                self._seen_ns[item.name] = now_ns
        for name, seen_ns in list(self._seen_ns.items()):
            if now_ns - seen_ns > _FORGOTTEN_S * 1e9:
                del self._seen_ns[name], self._places[name]
        return {name: np.array(places) for name, places in self._places.items()}


def viewed_frame(
    published: PublishedFrame,
    frame: Frame | None,
    categories: CategorySet,
    *,
    name: str,
    frame_id: str = "",
    T_view_cam: np.ndarray | None = None,
    color: np.ndarray | None = None,
    trails: Trails | None = None,
    task_frames: Mapping[str, np.ndarray] | None = None,
) -> ViewedFrame:
    """Return what the node would publish of a frame, as it is shown.

    Args:
        published: objects in the camera's frame.
        frame: what they were estimated from; None: it was refused before it was one.
        categories: that the estimator knows.
        name: of the frame.
        frame_id: of the view's frame; empty: the camera's.
        T_view_cam: (4, 4), camera to the view's frame; None: it is the camera's.
        color: (H, W, 3) uint8, RGB, of the camera; None: there is none.
        trails: of the frames before; None: none are drawn.
        task_frames: (4, 4) by name, in the view's frame.
    """
    T = np.eye(4) if T_view_cam is None else T_view_cam
    objects = tuple(_viewed(item, categories, T) for item in published.objects)
    cloud, image = Cloud.empty(), None
    if frame is not None:
        tints = [
            (i.mask, (categories.find(i.category) or Category(name=i.category)).rgb)
            for i in frame.instances
        ]
        cloud = cloud_of(frame.depth_m, frame.camera, color, tints).moved(T)
        image = picture_of(frame.depth_m, frame.camera, color, T)
    stamp = stamp_ns(published.header)
    return ViewedFrame(
        name=name,
        frame_id=frame_id or str(published.header.frame_id),
        stamp_ns=stamp,
        objects=objects,
        cloud=cloud,
        image=image,
        up=up_in(published.up_cam, T),
        refused=refusal_texts(published.rejections),
        timings_ms=published.timings_ms,
        task_frames=task_frames or {},
        trails={} if trails is None else trails.add(objects, stamp),
    )


def up_in(up: UpDirection | None, T_view_cam: np.ndarray) -> UpDirection | None:
    """Return the direction up, and the support's level, in the view's frame.

    Args:
        up: in the camera's frame; None: it is not known.
        T_view_cam: (4, 4).
    """
    if up is None:
        return None
    direction = T_view_cam[:3, :3] @ up.direction_cam
    level_m = None if up.level_m is None else up.level_m + float(direction @ T_view_cam[:3, 3])
    return UpDirection(direction / np.linalg.norm(direction), up.sigma_rad, level_m, up.source)


def refusal_texts(rejections: Sequence[Rejection]) -> tuple[str, ...]:
    """Return refusals as lines."""
    return tuple(
        f"{'frame' if r.instance_id is None else r.instance_id}: {r.reason.value}, {r.detail}"
        for r in rejections
    )


def _viewed(item: PublishedObject, categories: CategorySet, T_view_cam: np.ndarray) -> ViewedObject:
    tracked = bool(item.state)
    return viewed_object(
        item.estimate,
        item.id or item.frame,
        categories,
        T_view_cam,
        state=STATES[item.state],
        velocity_cam=item.velocity if tracked else None,
        age_s=item.age_s,
        unseen_s=item.unseen_s,
    )

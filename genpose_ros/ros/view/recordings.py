# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bags and kept frames in the view, without ROS."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.estimation.frame import Frame
from genpose_ros.estimation.reasons import Rejection
from genpose_ros.geometry.categories import CategorySet
from genpose_ros.ros.color_images import color_pixels
from genpose_ros.ros.estimate_mode import Estimating, MakeEstimator
from genpose_ros.ros.frame_builder import build_frame, stamp_ns
from genpose_ros.ros.frame_files import KeptFrame, read_frame_file
from genpose_ros.ros.model_loader import ModelLoader
from genpose_ros.ros.published import PublishedFrame
from genpose_ros.ros.replay.bag import Bag
from genpose_ros.ros.replay.bag_frames import RefusedFrame
from genpose_ros.ros.replay.bag_replay import BagReplay
from genpose_ros.ros.settings import Settings, changed
from genpose_ros.ros.transform_queue import LocatedFrame
from genpose_ros.ros.view.published_view import Trails, viewed_frame
from genpose_ros.view.content import ViewedFrame
from genpose_ros.view.folders import adjustable
from genpose_ros.view.lazy_frames import LazyFrames
from genpose_ros.view.page import Adjustable

__all__ = ["ColorImages", "KeptFrames", "bag_frames", "color_topic"]

_IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
#: Words in the names of colour images, and of images that are none.
_COLOR_WORDS = ("color", "colour", "rgb")
_OTHER_WORDS = ("depth", "label", "mask", "segment", "instance", "overlay")
#: A colour image is of a depth image's moment where their stamps differ by less, seconds.
_SAME_S = 0.02


class KeptFrames(LazyFrames):
    """The one frame of a file that the node kept, estimated again when a setting changes.

    Args:
        path: of the file.
        changes: values of parameters that are to be others, by their names.
        make_estimator: as of the node; None: loads the weights that the settings name.

    Raises:
        FileNotFoundError: no such file, or not the weights.
        ValueError: no such file, damaged, or the settings cannot be used.
    """

    def __init__(
        self, path: Path, changes: Mapping[str, Any], make_estimator: MakeEstimator | None = None
    ) -> None:
        super().__init__()
        self._kept: KeptFrame = read_frame_file(path)
        self._settings = changed(self._kept.settings, {"mode": "estimate", **changes})
        self._estimating = Estimating(make_estimator or ModelLoader(), self._settings)
        self._name = path.name

    def __len__(self) -> int:
        """One."""
        return 1

    def _make(self, number: int) -> ViewedFrame:
        """Estimate the frame."""
        located = self._kept.located
        published = _published(self._estimating.process(located), located)
        categories = self._estimating.categories
        frame = _frame(located, self._settings, categories)
        return viewed_frame(published, frame, categories, name=self._name)

    @property
    def settings(self) -> list[Adjustable]:
        """What can be changed, as it is."""
        return adjustable(self._settings.estimator)

    def change(self, name: str, value: Any) -> str:
        """Take another value of a parameter; return why not, or nothing."""
        try:
            self._settings = changed(self._settings, {name: value})
            self._estimating.configure(self._settings)
        except ValueError as error:
            return str(error)
        self._forget()
        return ""


def bag_frames(
    played: BagReplay,
    color: str = "",
    most: int = 600,
    progress: Callable[[int], None] = lambda done: None,
) -> list[ViewedFrame]:
    """Estimate or track a bag, and return its frames as they are shown, in the order of time.

    They are in the frame of the settings' `target_frame`, else `fixed_frame`, else the camera's.

    Args:
        played: opened.
        color: topic of the colour images; empty: none.
        most: frames that are kept; the rest of the bag is not read.
        progress: called with the number of messages that were read.
    """
    settings, trails = played.settings, Trails()
    node = settings.node
    view = node.target_frame or (node.fixed_frame if node.mode == "track" else "")
    found: list[ViewedFrame] = []
    with ColorImages.open(played.bag.path, color) as colors:
        for located, published in played.located_frames():
            progress(played.done)
            if published is None:
                continue
            frame = _frame(located, settings, played.processing.categories)
            T_view_cam = None
            if view and isinstance(located, LocatedFrame):
                T_view_cam = located.T_frame_cam[view]
            found.append(
                viewed_frame(
                    replace(published, T_out_cam=np.eye(4)),
                    frame,
                    played.processing.categories,
                    name=played.bag.path.name,
                    frame_id=view,
                    T_view_cam=T_view_cam,
                    color=colors.at(stamp_ns(published.header)),
                    trails=trails,
                )
            )
            if len(found) == most:
                played.notes.append(f"the view ends after {most} frames; --frames takes more")
                break
    return found


class ColorImages:
    """Colour images of a bag, read as far as they are asked for.

    Args:
        messages: time and message of each, in the order of time.
    """

    def __init__(self, messages: Iterator[Any]) -> None:
        self._messages = messages
        self._held: list[tuple[int, Any]] = []
        self._ended = False

    @classmethod
    def open(cls, path: Path, topic: str) -> "_OpenColors":
        """Return a context with the images of a topic; of an empty name there are none."""
        return _OpenColors(path, topic)

    def at(self, stamp: int) -> np.ndarray | None:
        """Return the image of a stamp, (H, W, 3) RGB; None: there is none of that moment.

        Args:
            stamp: nanoseconds, later than those before.
        """
        while not self._ended and (not self._held or self._held[-1][0] < stamp):
            message = next(self._messages, None)
            if message is None:
                self._ended = True
                break
            self._held = [*self._held[-1:], (stamp_ns(message.header), message)]
        near = min(self._held, key=lambda item: abs(item[0] - stamp), default=None)
        if near is None or abs(near[0] - stamp) > _SAME_S * 1e9:
            return None
        pixels = color_pixels(near[1])
        return None if isinstance(pixels, Rejection) else pixels


class _OpenColors:
    """Context of `ColorImages`: a second reader of the bag, as the first one has its own place."""

    def __init__(self, path: Path, topic: str) -> None:
        self._topic = topic
        self._bag = Bag.open(path) if topic else None

    def __enter__(self) -> ColorImages:
        if self._bag is None:
            return ColorImages(iter(()))
        bag = self._bag.__enter__()
        return ColorImages(message for _, _, message in bag.messages([self._topic]))

    def __exit__(self, *error: object) -> None:
        if self._bag is not None:
            self._bag.__exit__(None, None, None)


def color_topic(types: Mapping[str, str], depth: str) -> str:
    """Return the topic of a bag's colour images; empty: there is none, or more than one may be.

    Args:
        types: the type of each topic.
        depth: topic of the depth images.
    """
    names = [
        name
        for name, kind in types.items()
        if kind in _IMAGES and any(word in name.lower() for word in _COLOR_WORDS)
    ]
    found = [
        n
        for n in names
        if n != depth
        and not any(word in n.lower().replace("aligned_depth_to", "depth") for word in _OTHER_WORDS)
    ]
    raw = [n for n in found if types[n] == _IMAGES[0]] or found
    return raw[0] if len(raw) == 1 else ""


def _frame(
    located: LocatedFrame | RefusedFrame | None, settings: Settings, categories: CategorySet
) -> Frame | None:
    """The decoded frame; None: there is none."""
    if not isinstance(located, LocatedFrame):
        return None
    built = build_frame(located.matched, settings, categories)
    return None if isinstance(built, Rejection) else built.frame


def _published(result: PublishedFrame | Rejection, located: LocatedFrame) -> PublishedFrame:
    if isinstance(result, Rejection):
        return PublishedFrame((), (result,), located.matched.depth.header)
    return result

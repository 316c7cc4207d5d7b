# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Replay of a bag: its frames through the node's mode, one after the other, none left out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.ros.accounting import Drop
from genpose_ros.ros.estimate_mode import Estimating, MakeEstimator
from genpose_ros.ros.model_loader import ModelLoader
from genpose_ros.ros.published import PublishedFrame
from genpose_ros.ros.replay.bag import Bag
from genpose_ros.ros.replay.bag_frames import BagFrames, RefusedFrame, read_transforms
from genpose_ros.ros.replay.topics import BagTopics, WantedTopics, choose_topics
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.track_mode import MakeTracker, Tracking
from genpose_ros.ros.transform_queue import LocatedFrame
from genpose_ros.ros.up_sources import asks_imu
from genpose_ros.tracking.tracker import Tracker

__all__ = ["BagReplay"]

_BOXES = (
    "masks are guessed from boxes and depth: poses are less accurate than with masks; "
    "--masks-topic and --mask-source choose others"
)


@dataclass
class BagReplay:
    """Replay that has begun: `frames` runs it.

    Attributes:
        topics: that are replayed.
        messages: how many there are on them.
        done: how many of them were read.
        notes: what is out of the ordinary, in sentences.
    """

    topics: BagTopics
    messages: int
    settings: Settings
    bag: Bag
    processing: Estimating | Tracking
    done: int = 0
    notes: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def open(
        cls,
        path: Path,
        wanted: WantedTopics,
        settings: Settings,
        make_estimator: MakeEstimator | None = None,
        make_tracker: MakeTracker = Tracker,
    ) -> Iterator["BagReplay"]:
        """Open a bag and choose its topics, then load the networks.

        Args:
            path: of the bag.
            wanted: topics that are named; the mask source comes from them, not from the settings.
            settings: of the node.
            make_estimator: as of the node; None: loads the weights that the settings name.
            make_tracker: as of the node.

        Raises:
            FileNotFoundError: no such bag, or not the weights.
            ValueError: no bag, a topic is missing, or the settings cannot be used.
        """
        with Bag.open(path) as bag:
            topics = choose_topics(
                bag.types,
                wanted,
                bag.fields,
                aligned=settings.node.aligned,
                asks_imu=asks_imu(settings),
            )
            node = replace(settings.node, mask_source=topics.mask_source)
            settings = replace(settings, node=node)
            notes: list[str] = [_BOXES] if topics.mask_source == "boxes" else []
            make_estimator = make_estimator or ModelLoader()
            processing: Estimating | Tracking = (
                Tracking(make_estimator, make_tracker, settings, lambda _, note: notes.append(note))
                if node.mode == "track"
                else Estimating(make_estimator, settings)
            )
            count = sum(bag.counts[name] for name in topics.all)
            yield cls(topics, count, settings, bag, processing, notes=notes)

    def frames(self) -> Iterator[PublishedFrame | None]:
        """Yield what the node would publish of each frame; None: nothing, but time has passed.

        Of a frame that is refused as a whole, the refusal alone.
        """
        for _, published in self.located_frames():
            yield published

    def located_frames(
        self,
    ) -> Iterator[tuple[LocatedFrame | RefusedFrame | None, PublishedFrame | None]]:
        """Yield the same, each beside the frame that it is of; None where there is none yet."""
        source = BagFrames(self.topics, self.settings, read_transforms(self.bag))
        for number, frame in source.of(self.bag):
            self.done = number
            yield frame, None if frame is None else self._published(frame)
        self.notes += self.bag.damaged

    def _published(self, frame: LocatedFrame | RefusedFrame) -> PublishedFrame | None:
        if isinstance(frame, RefusedFrame):
            return PublishedFrame((), (frame.rejection,), frame.header or _no_header())
        header = frame.matched.depth.header
        result = self.processing.process(frame)
        if isinstance(result, Rejection):
            return PublishedFrame((), (result,), header)
        target = self.settings.node.target_frame
        if isinstance(result, Drop):
            return None
        if not target:
            return result
        there = SimpleNamespace(stamp=header.stamp, frame_id=target)
        return result.expressed_in(frame.T_frame_cam[target], there)


def _no_header() -> Any:
    return SimpleNamespace(stamp=SimpleNamespace(sec=0, nanosec=0), frame_id="")

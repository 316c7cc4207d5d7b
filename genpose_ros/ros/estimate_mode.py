# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mode `estimate` of the node: each frame by itself."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from genpose_ros.estimation.frame import Frame
from genpose_ros.estimation.reasons import Rejection
from genpose_ros.estimation.result import FrameResult
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.estimation.stop_flag import StopFlag
from genpose_ros.geometry.categories import CategorySet
from genpose_ros.ros.frame_builder import build_frame
from genpose_ros.ros.output_checks import publishable
from genpose_ros.ros.published import PublishedFrame, published_estimate
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.transform_queue import LocatedFrame

__all__ = ["ActiveEstimator", "Estimating", "Estimator", "MakeEstimator"]


class Estimator(Protocol):
    """Estimator as the node needs it."""

    @property
    def categories(self) -> CategorySet:
        """What it can estimate."""

    def estimate(self, frame: Frame) -> FrameResult:
        """Estimate the objects of a frame."""

    def warm_up(self) -> None:
        """Run once, so that the first frame is as fast as the others."""

    @property
    def stop(self) -> StopFlag:
        """What ends the estimate in hand."""


MakeEstimator = Callable[[EstimatorSettings], Estimator]


class ActiveEstimator:
    """Estimator and settings in force, replaced together, so that a frame takes both of one time.

    Attributes:
        current: the pair of them.

    Args:
        make_estimator: builds the estimator for given settings.
        settings: to begin with.

    Raises:
        ValueError: the settings name a category that the estimator does not know.
    """

    def __init__(self, make_estimator: MakeEstimator, settings: Settings) -> None:
        self._make_estimator = make_estimator
        estimator = make_estimator(settings.estimator)
        settings.node.object_filter(estimator.categories)
        self.current = (estimator, settings)

    def configure(self, settings: Settings) -> None:
        """Take other settings; the estimator is built anew where its own have changed.

        Raises:
            ValueError: they name a category that the estimator does not know.
        """
        estimator, old = self.current
        settings.node.object_filter(estimator.categories)
        if settings.estimator != old.estimator:
            estimator = self._make_estimator(settings.estimator)
        self.current = (estimator, settings)

    def estimate(self, located: LocatedFrame) -> PublishedFrame | Rejection:
        """Return what to publish of a frame by itself, or why all of it is refused."""
        estimator, settings = self.current
        built = build_frame(located.matched, settings, estimator.categories)
        if isinstance(built, Rejection):
            return built
        result = estimator.estimate(replace(built.frame, up_cam=located.up_cam))
        estimates, refused = publishable(result.estimates, settings.estimator.workspace_m)
        return PublishedFrame(
            objects=[published_estimate(estimate) for estimate in estimates],
            rejections=built.rejections + result.rejections + refused,
            header=located.matched.depth.header,
            timings_ms=result.timings_ms,
            up_cam=result.up_cam,
            lowered=result.lowered,
        )


class Estimating:
    """Estimation of frames, with nothing kept from one to the next.

    Args:
        make_estimator: builds the estimator for given settings.
        settings: to begin with.
    """

    def __init__(self, make_estimator: MakeEstimator, settings: Settings) -> None:
        self._active = ActiveEstimator(make_estimator, settings)

    @property
    def categories(self) -> CategorySet:
        """What the estimator knows."""
        return self._active.current[0].categories

    def configure(self, settings: Settings) -> None:
        """Take other settings from the next frame on."""
        self._active.configure(settings)

    def warm_up(self) -> None:
        """Make the first frame as fast as the others."""
        self._active.current[0].warm_up()

    def stop(self) -> None:
        """End the frame in hand, and all that come."""
        self._active.current[0].stop.set()

    def restart(self) -> None:
        """Begin anew: there is nothing to forget."""

    def process(self, located: LocatedFrame) -> PublishedFrame | Rejection:
        """Return what to publish of a frame, or why all of it is refused."""
        return self._active.estimate(located)

    def estimate(self, located: LocatedFrame) -> PublishedFrame | Rejection:
        """Return the estimates of a frame by itself, or why all of it is refused."""
        return self._active.estimate(located)

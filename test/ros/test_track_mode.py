# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of mode `track` without topics: what is tracked and published, and when it begins anew."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from genpose_ros.estimation.reasons import Reason
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.geometry import Calibration
from genpose_ros.ros import track_mode
from genpose_ros.ros.accounting import Drop
from genpose_ros.ros.matching import DepthMessage, MaskInput, Matched
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.track_mode import Tracking
from genpose_ros.ros.transform_queue import LocatedFrame
from genpose_ros.tracking.settings import TrackerSettings

S = 1_000_000_000
SETTINGS = Settings(
    EstimatorSettings(), NodeSettings(mode="track", default_category="mug"), TrackerSettings()
)
CAMERA = Calibration(k=(60.0, 0, 32.0, 0, 60.0, 24.0, 0, 0, 1), width=64, height=48)


class Bench:
    """A tracking with a fake tracker, and frames for it."""

    def __init__(self, ros, fixed_frame=""):
        self.ros, self.warnings = ros, []
        self.T_frame_cam: dict[str, np.ndarray] = {}
        self.labels = np.zeros((48, 64), dtype=np.uint8)
        self.labels[10:20, 10:25] = 3
        self.tracking = Tracking(
            ros.FakeEstimator,
            self._make_tracker,
            replace(SETTINGS, node=replace(SETTINGS.node, fixed_frame=fixed_frame)),
            lambda *line: self.warnings.append(line),
        )

    def _make_tracker(self, estimator, settings):
        self.tracker = self.ros.FakeTracker(estimator, settings)
        return self.tracker

    def masks(self, time_s: float, epoch: int = 0):
        return self._process(time_s, MaskInput(self.labels), epoch)

    def depth(self, time_s: float, epoch: int = 0):
        return self._process(time_s, None, epoch)

    def _process(self, time_s, masks, epoch):
        depth = DepthMessage(self.ros.header(round(time_s * S)), np.full((48, 64), 900, np.uint16))
        matched = Matched(depth, masks, CAMERA, epoch=epoch)
        return self.tracking.process(LocatedFrame(matched, dict(self.T_frame_cam)))


@pytest.fixture
def bench(ros):
    return Bench(ros)


def names(frame) -> list[str]:
    return [item.id for item in frame.objects]


def test_a_depth_image_without_anything_to_follow_publishes_nothing(bench):
    assert bench.depth(1.0) is Drop.NO_TRACKS
    assert not bench.tracker.calls
    assert names(bench.masks(1.0)) == ["mug_3"]
    assert names(bench.depth(1.1)) == ["mug_3"]


def test_published_frames_never_go_back_in_time(bench):
    bench.masks(1.0)
    assert names(bench.depth(1.3)) == ["mug_3"]
    assert bench.masks(1.1) is Drop.LATE_MASKS
    assert bench.masks(1.3) is Drop.LATE_MASKS
    assert bench.depth(1.2) is Drop.OUTDATED
    assert [call.kind for call in bench.tracker.calls] == ["masks", "depth", "masks", "masks"]
    assert names(bench.depth(1.4)) == ["mug_3"]


def test_rejections_of_delayed_masks_come_with_the_next_frame(bench):
    bench.masks(1.0)
    bench.depth(1.3)
    bench.labels = np.ones((7, 9), dtype=np.uint8)
    refused = bench.masks(1.1)
    assert refused.reason is Reason.SIZE_MISMATCH  # the whole frame: told at once
    bench.labels = np.full((48, 64), 255, dtype=np.uint8)
    bench.labels[0, 0] = 1
    bench.tracker.estimator.change = {"covariance": np.full((6, 6), np.nan)}
    assert bench.masks(1.2) is Drop.LATE_MASKS
    frame = bench.depth(1.4)
    assert [r.reason for r in frame.rejections].count(Reason.NOT_FINITE) >= 1
    assert all(np.isfinite(item.estimate.covariance).all() for item in frame.objects)


def test_masks_delayed_more_than_the_tracker_takes_are_refused(bench):
    bench.masks(1.0)
    bench.depth(3.0)
    assert bench.masks(1.9) is Drop.LATE_MASKS
    frame = bench.depth(3.1)
    (rejection,) = frame.rejections
    assert rejection.reason is Reason.STAMP_OUT_OF_ORDER
    assert "1.10 s" in rejection.detail
    assert [call.kind for call in bench.tracker.calls] == ["masks", "depth", "depth"]


@pytest.mark.parametrize("back_s", [0.3, 3600.0])
def test_another_epoch_clears_the_tracks_however_far_the_clock_jumped(bench, back_s):
    bench.masks(5000.0)
    bench.depth(5000.1)
    assert bench.depth(5000.1 - back_s, epoch=1) is Drop.NO_TRACKS
    assert bench.tracker.tracks == ()
    frame = bench.masks(5000.2 - back_s, epoch=1)
    assert names(frame) == ["mug_3"]
    assert bench.depth(5000.3 - back_s, epoch=1).header is not None


def test_reset_waits_for_the_frame_in_hand_and_counts(bench):
    bench.masks(1.0)
    bench.tracker.delay_s = 0.3
    worker = threading.Thread(target=bench.depth, args=(1.1,))
    worker.start()
    assert bench.tracking.reset() in (0, 1)
    worker.join()
    bench.tracking.reset()
    assert bench.tracking.reset() == 0
    bench.tracker.delay_s = 0.0
    assert names(bench.masks(1.2)) == ["mug_3"]


def test_settings_come_into_force_and_the_tracks_stay(bench):
    bench.masks(1.0)
    estimator = bench.tracker.estimator
    bench.tracking.configure(replace(SETTINGS, tracker=TrackerSettings(max_coast_s=2.0)))
    assert names(bench.depth(1.1)) == ["mug_3"]
    assert bench.tracker.settings.max_coast_s == 2.0
    assert bench.tracker.estimator is estimator
    bench.tracking.configure(replace(SETTINGS, estimator=EstimatorSettings(steps=3)))
    assert names(bench.depth(1.2)) == ["mug_3"]
    assert bench.tracker.estimator.settings.steps == 3


def test_a_camera_that_is_none_refuses_the_frame(bench):
    depth = DepthMessage(bench.ros.header(S), np.full((48, 64), 900, np.uint16))
    broken = Calibration(k=(float("nan"),) * 9)
    refused = bench.tracking.process(LocatedFrame(Matched(depth, None, broken)))
    assert refused.reason is Reason.BAD_INTRINSICS


class TestMovingCamera:
    @pytest.fixture
    def bench(self, ros):
        bench = Bench(ros, fixed_frame="world")
        bench.T_frame_cam["world"] = np.eye(4)
        bench.T_frame_cam["world"][:2, :2] = [[0, -1], [1, 0]]
        return bench

    def velocity(self, frame) -> list[float]:
        return frame.objects[0].velocity.tolist()

    def test_the_tracker_gets_the_pose_that_the_frame_came_with(self, bench):
        bench.masks(1.0)
        bench.depth(1.1)
        for call in bench.tracker.calls:
            np.testing.assert_array_equal(call.T_fixed_cam, bench.T_frame_cam["world"])

    def test_velocities_come_out_in_the_axes_of_the_camera(self, bench):
        assert self.velocity(bench.masks(1.0)) == pytest.approx([1, 0, 2, 4, -3, 5])
        assert self.velocity(bench.depth(1.1)) == pytest.approx([1, 0, 2, 4, -3, 5])

    @pytest.mark.parametrize("frame", ["masks", "depth"])
    def test_a_frame_without_its_pose_is_never_tracked(self, bench, frame):
        bench.masks(1.0)
        before = bench.tracker.tracks
        bench.T_frame_cam.clear()
        with pytest.raises(KeyError, match="world"):
            getattr(bench, frame)(1.1)
        assert bench.tracker.tracks is before

    def test_a_frame_is_tracked_with_the_settings_that_it_was_built_with(self, bench, monkeypatch):
        changed = replace(
            SETTINGS,
            node=NodeSettings(mode="track", default_category="can"),
            tracker=TrackerSettings(max_coast_s=2.0),
            estimator=EstimatorSettings(steps=3),
        )
        build_frame = track_mode.build_frame

        def build_and_change(*arguments):
            bench.tracking.configure(changed)
            return build_frame(*arguments)

        monkeypatch.setattr(track_mode, "build_frame", build_and_change)
        assert names(bench.masks(1.0)) == ["mug_3"]
        assert bench.tracker.settings.max_coast_s == SETTINGS.tracker.max_coast_s
        assert bench.tracker.estimator.settings == SETTINGS.estimator
        bench.tracking.reset()
        assert names(bench.masks(1.1)) == ["can_3"]
        assert bench.tracker.settings == changed.tracker
        assert bench.tracker.estimator.settings == changed.estimator

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the queue of frames that wait for transforms, on a clock of their own."""

import numpy as np
import pytest

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.matching import DepthMessage, MaskInput, Matched
from genpose_ros.ros.transform_queue import TransformQueue

S = 1_000_000_000
START_S = 1000.0
CAMERA = PinholeCamera(60.0, 60.0, 32.0, 24.0, 64, 48)
PIXELS = np.full((48, 64), 900, np.uint16)


def stamps(rate_hz, seconds=6.0):
    """Times of images or transforms, whole nanoseconds in seconds."""
    return [round((START_S + i / rate_hz) * S) / S for i in range(round(seconds * rate_hz))]


class Transforms:
    """Stands in for the buffer: poses of a camera are known at the stamps between two times."""

    def __init__(self):
        self.known_s = {}

    def camera_in(self, frame, header):
        first_s, last_s = self.known_s.get((frame, header.frame_id), (1.0, 0.0))
        if first_s <= stamp_ns(header) / S <= last_s or last_s == float("inf"):
            pose = np.eye(4)
            pose[0, 3] = stamp_ns(header) / S
            return pose
        return Rejection(Reason.NO_TRANSFORM, f"no {frame}")

    def newest_ns(self, frame, camera_frame):
        if (frame, camera_frame) not in self.known_s:
            return None
        last_s = self.known_s[frame, camera_frame][1]
        return 0 if last_s == float("inf") else round(last_s * S)


class Bench:
    """A queue, transforms that come at times of their own, and what became of the frames."""

    def __init__(self, ros, frames=("world",), wait_s=1.0):
        self.ros = ros
        self.now_s = START_S
        self.transforms = Transforms()
        self.delivered, self.refused = [], []
        self.queue = TransformQueue(
            self.transforms,
            frames,
            wait_s=lambda: wait_s,
            deliver=self._deliver,
            refuse=self._refuse,
            clock=lambda: self.now_s,
        )

    def _deliver(self, frames):
        self.delivered.append([(stamp_ns(f.matched.depth.header) / S, f) for f in frames])

    def _refuse(self, rejection, header):
        self.refused.append((stamp_ns(header) / S, rejection))

    @property
    def delivered_s(self):
        return [stamp for burst in self.delivered for stamp, _ in burst]

    @property
    def refused_s(self):
        return [stamp for stamp, _ in self.refused]

    def image(self, stamp_s, masks=None, depth=None, camera=""):
        header = self.ros.header(round(stamp_s * S), camera or self.ros.frame)
        depth = depth or DepthMessage(header, PIXELS)
        self.queue.add(Matched(depth, masks and MaskInput(PIXELS), CAMERA))
        return depth

    def hear(self, last_s, first_s=START_S - 10, frame="world", camera=""):
        """Transforms up to a stamp have come."""
        self.transforms.known_s[frame, camera or self.ros.frame] = (first_s, last_s)
        self.queue.look_up()

    def play(self, images_s, transforms):
        """Images come at their stamps, transforms (time of arrival, stamp) at theirs."""
        events = [(at, 1, at) for at in images_s] + [(at, 0, stamp) for at, stamp in transforms]
        newest_s = 0.0
        for at, is_image, stamp in sorted(events):
            while self.now_s + 0.05 < at:
                self.now_s += 0.05
                self.queue.refuse_overdue()
            self.now_s = at
            if is_image:
                self.image(stamp)
            else:
                newest_s = max(newest_s, stamp)
                self.hear(newest_s)


@pytest.fixture
def bench(ros):
    return Bench(ros)


def test_a_pose_known_at_the_image_is_enough_where_the_newest_is_not_known(bench, monkeypatch):
    """As after transforms that formed a loop for a while, of which old ones are left."""
    monkeypatch.setattr(bench.transforms, "newest_ns", lambda *_: None)
    bench.hear(START_S + 1)
    bench.image(START_S)
    bench.image(START_S + 2)
    assert bench.delivered_s == [START_S]
    bench.hear(START_S + 3)
    assert bench.delivered_s == [START_S, START_S + 2]
    assert bench.refused_s == []


def test_a_frame_whose_pose_is_known_is_delivered_at_once(bench):
    bench.hear(START_S + 1)
    bench.image(START_S)
    ((stamp, located),) = bench.delivered[0]
    assert stamp == START_S
    assert located.T_frame_cam["world"][0, 3] == START_S
    assert (len(bench.queue), bench.queue.found, bench.queue.waits_ms[0]) == (0, 1, 0.0)


def test_a_frame_waits_until_its_transform_has_come(bench):
    bench.hear(START_S - 0.1)
    bench.image(START_S)
    assert (bench.delivered, len(bench.queue)) == ([], 1)
    bench.now_s += 0.3
    bench.hear(START_S - 0.05)
    assert bench.delivered == []
    bench.hear(START_S + 0.01)
    assert bench.delivered_s == [START_S]
    assert bench.queue.waits_ms[0] == pytest.approx(300.0)


def test_frames_whose_poses_become_known_at_once_are_delivered_together_in_their_order(bench):
    bench.hear(START_S)
    images_s = stamps(30)[1:7]
    for stamp_s in images_s:
        bench.image(stamp_s)
    bench.hear(START_S + 0.15)
    assert [len(burst) for burst in bench.delivered] == [4]
    assert bench.delivered_s == images_s[:4]
    assert len(bench.queue) == 2


def test_static_transforms_hold_at_all_times(bench):
    bench.hear(float("inf"))
    bench.image(START_S)
    assert bench.delivered_s == [START_S]


def test_masks_replace_the_image_that_waits_without_them(bench):
    bench.hear(START_S - 1)
    depth = bench.image(START_S)
    other = bench.image(START_S + 0.1)
    bench.image(START_S, masks=True, depth=depth)
    bench.hear(START_S + 1)
    frames = [f.matched for _, f in bench.delivered[0]]
    assert [(f.depth is depth, f.masks is None) for f in frames] == [(False, True), (True, False)]
    assert frames[0].depth is other


def test_without_new_transforms_a_frame_is_refused_after_the_wait_with_the_reason(bench):
    bench.hear(START_S - 0.25)
    bench.image(START_S)
    bench.now_s += 0.99
    bench.queue.refuse_overdue()
    assert bench.refused == []
    bench.now_s += 0.02
    bench.queue.refuse_overdue()
    ((stamp, rejection),) = bench.refused
    assert (stamp, rejection.reason, rejection.instance_id) == (START_S, Reason.NO_TRANSFORM, None)
    assert rejection.detail == (
        "no world (waited 1.01 s, the newest transform is 0.25 s older than the image; "
        "see transform_wait_s)"
    )
    assert (bench.queue.refused, bench.queue.problem) == (1, rejection.detail)


def test_where_no_transform_ever_came_that_is_said(bench):
    bench.image(START_S)
    bench.now_s += 1.0
    bench.queue.refuse_overdue()
    assert "no transform has come yet" in bench.refused[0][1].detail


def test_while_transforms_keep_coming_a_frame_waits_on_for_two_seconds(bench):
    bench.hear(START_S - 5)
    bench.image(START_S)
    for step in range(1, 41):
        bench.now_s = START_S + 0.05 * step
        bench.hear(START_S - 5 + 0.05 * step)
        bench.queue.refuse_overdue()
        assert len(bench.refused) == (step == 40)
    assert "3.00 s older" in bench.refused[0][1].detail


def test_a_pose_of_before_the_first_transform_is_not_waited_for(bench):
    bench.hear(START_S + 1, first_s=START_S + 0.5)
    bench.image(START_S)
    assert (bench.refused_s, len(bench.queue)) == ([START_S], 0)


def test_an_image_without_a_stamp_is_not_waited_for(bench):
    bench.image(0.0)
    assert bench.refused_s == [0.0]


def test_both_frames_must_be_known(ros):
    bench = Bench(ros, frames=("world", "base", "world"))
    bench.hear(START_S + 1, frame="world")
    bench.image(START_S)
    assert bench.delivered == []
    bench.hear(float("inf"), frame="base")
    assert set(bench.delivered[0][0][1].T_frame_cam) == {"world", "base"}


def test_the_transforms_of_another_camera_do_not_keep_a_frame_waiting(bench):
    bench.hear(START_S - 1)
    bench.image(START_S)
    for _ in range(21):
        bench.now_s += 0.05
        bench.hear(bench.now_s, camera="other")
        bench.queue.refuse_overdue()
    assert bench.refused_s == [START_S]


def test_more_images_than_can_wait_push_out_the_oldest(bench):
    for stamp_s in stamps(90)[:70]:
        bench.image(stamp_s)
    assert bench.refused_s == stamps(90)[:6]
    assert "more than 64 newer images" in bench.refused[0][1].detail


def test_what_waits_can_be_forgotten(bench):
    bench.image(START_S)
    bench.queue.clear()
    bench.hear(START_S + 1)
    assert (bench.delivered, bench.refused, len(bench.queue)) == ([], [], 0)


@pytest.mark.parametrize("in_order", [True, False])
def test_three_late_transforms_in_180_cost_no_frame(bench, in_order):
    """Transforms at the images' stamps, 3 ms after them, and one in 60 of them 120 ms."""
    arrivals = [(s + (0.12 if i % 60 == 20 else 0.003), s) for i, s in enumerate(stamps(30))]
    if in_order:  # those behind a late one come no sooner
        arrivals = [(max(a for a, _ in arrivals[: i + 1]), s) for i, (_, s) in enumerate(arrivals)]
    bench.play(stamps(30), arrivals)
    assert (bench.delivered_s, bench.refused) == (stamps(30), [])


@pytest.mark.parametrize("image_hz", [6, 30])
@pytest.mark.parametrize("transform_hz", [5, 15, 50])
def test_slow_and_late_transforms_cost_waiting_and_no_frame(bench, image_hz, transform_hz):
    arrivals = [(s + 0.2, s) for s in stamps(transform_hz, 8.0)]
    bench.play(stamps(image_hz), arrivals)
    assert (bench.delivered_s, bench.refused) == (stamps(image_hz), [])
    assert max(bench.queue.waits_ms) <= 200 + 1000 / transform_hz + 1e-3


def test_transforms_that_pause_cost_only_the_frames_that_wait_longer_than_allowed(bench):
    """For two seconds none comes, then the arm's driver is back; frames of before are whole."""
    first, last = START_S + 2.0, START_S + 4.0
    arrivals = [(s + 0.003, s) for s in stamps(50, 8.0) if not first < s < last]
    bench.play(stamps(30), arrivals)
    refused = np.array(bench.refused_s)
    assert len(bench.delivered_s) + len(refused) == len(stamps(30))
    assert (refused > first).all()
    assert (refused < last - 1.0 + 0.05).all()

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the account of frames: of itself, and of a node whose inputs come mixed and broken."""

import random
import threading
from collections import Counter

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TransformStamped
from std_srvs.srv import SetBool, Trigger

from genpose_ros.estimation.reasons import Reason
from genpose_ros.ros.accounting import Drop, FrameAccount
from genpose_ros.ros.estimator_node import EstimatorNode

MS = 1_000_000


class TestFrameAccount:
    def test_what_came_in_is_answered_dropped_or_on_its_way(self):
        account = FrameAccount()
        for _ in range(6):
            account.receive()
        account.settle(None)
        account.settle(Drop.NEWER_FRAME, 2)
        account.settle(Reason.NO_TRANSFORM)
        account.settle(Drop.DISABLED, 0)
        assert (account.received, account.answered, account.waiting) == (6, 1, 2)
        assert account.dropped == {"newer_frame": 2, "no_transform": 1}
        assert account.counts() == {
            "received": 6, "answered": 1, "waiting": 2, "newer_frame": 2, "no_transform": 1,
        }  # fmt: skip

    def test_no_cause_has_the_name_of_a_reason_or_of_another_counter(self):
        names = [drop.value for drop in Drop] + [reason.value for reason in Reason]
        assert len({*names, "received", "answered", "waiting"}) == len(names) + 3

    def test_threads_lose_no_count(self):
        account = FrameAccount()

        def work() -> None:
            for _ in range(2000):
                account.receive()
                account.settle(Drop.NEWER_FRAME)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert account.counts() == {
            "received": 8000, "answered": 0, "waiting": 0, "newer_frame": 8000,
        }  # fmt: skip


class Mixed:
    """A node that is sent whatever comes, by its callbacks; counts what it should count."""

    def __init__(self, ros, benches, seed: int, **values) -> None:
        self.ros, self.draw = ros, random.Random(seed)
        self.estimator = ros.FakeEstimator()
        overrides = ros.overrides(
            segmentation__default_category="mug", sync__wait_s=0.1, transform_wait_s=0.1, **values
        )
        self.bench = benches(lambda: None)
        self.node = self.bench.node = EstimatorNode(
            make_estimator=lambda _: self.estimator,
            make_tracker=ros.FakeTracker,
            context=self.bench.context,
            parameter_overrides=overrides,
        )
        self.bench.executor.add_node(self.node)
        self.node.get_logger().set_level(50)
        self.masks_sent = self.alone = self.published = 0
        self.stamp_ns = 10**18
        self.depth_mm = np.full((48, 64), 800, dtype=np.uint16)
        self.labels = np.zeros((48, 64), dtype=np.uint8)
        self.labels[10:20, 10:25] = 3
        self._count_deliveries()

    def _count_deliveries(self) -> None:
        inputs, outputs = self.node._intake.inputs, self.node._outputs
        deliver, publish = inputs._deliver, outputs.publish

        def delivering(matched):
            self.alone += matched.masks is None
            deliver(matched)

        def publishing(*arguments):
            publish(*arguments)
            self.published += 1

        vars(inputs)["_deliver"], vars(outputs)["publish"] = delivering, publishing

    def depth(self, stamp_ns: int) -> None:
        self.node._intake.inputs._on_camera_info(self.ros.camera_info(stamp_ns=stamp_ns))
        self.node._intake.inputs._on_depth(self.ros.image(self.depth_mm, stamp_ns))

    def masks(self, stamp_ns: int, encoding: str = "") -> None:
        self.masks_sent += 1
        self.node._intake.inputs._on_masks(self.ros.image(self.labels, stamp_ns, encoding=encoding))

    def tell_camera(self) -> None:
        if self.node._intake.queue is not None:
            message = TransformStamped(header=self.ros.header(self.stamp_ns, "world"))
            message.child_frame_id = self.ros.frame
            message.transform.rotation.w = 1.0
            self.node._intake.transforms.buffer.set_transform(message, "test")
            self.node._intake.queue.look_up()

    def good(self) -> None:
        self.depth(self.stamp_ns)
        self.masks(self.stamp_ns)
        self.tell_camera()

    def depth_alone(self) -> None:
        self.depth(self.stamp_ns)
        self.tell_camera()

    def masks_twice_then_depth(self) -> None:
        self.masks(self.stamp_ns)
        self.masks(self.stamp_ns)
        self.depth_alone()

    def masks_without_depth(self) -> None:
        self.masks(self.stamp_ns - 15 * MS)

    def masks_of_a_bad_encoding(self) -> None:
        self.masks(self.stamp_ns, "rgb8")

    def masks_too_old(self) -> None:
        self.masks(self.stamp_ns - 2_100 * MS)

    def late_masks(self) -> None:
        self.masks(self.stamp_ns - 33 * MS)

    def clock_jump(self) -> None:
        self.masks(self.stamp_ns + 1)
        self.stamp_ns -= 3_600_000 * MS
        for _ in range(6):
            self.stamp_ns += 33 * MS
            self.depth(self.stamp_ns)

    def enable(self, on: bool) -> None:
        self.node._on_enable(SetBool.Request(data=on), SetBool.Response())

    def switch_off(self) -> None:
        self.good()
        self.enable(False)
        self.good()

    def without_transform(self) -> None:
        self.depth(self.stamp_ns)
        self.masks(self.stamp_ns)

    def masks_of_the_wrong_size(self) -> None:
        labels, self.labels = self.labels, self.labels[:7, :9]
        self.good()
        self.labels = labels

    def broken_estimator(self) -> None:
        self.estimator.error = ValueError("injected")
        self.good()

    def reset(self) -> None:
        self.node._on_reset_tracks(Trigger.Request(), Trigger.Response())

    def run(self, frames: int) -> None:
        """Send so many frames of all kinds; what counts must be right at every moment."""
        good = [self.good] * 16 + [self.depth_alone] * 6
        kinds = [
            self.masks_twice_then_depth, self.masks_without_depth, self.masks_of_a_bad_encoding,
            self.masks_too_old, self.late_masks, self.clock_jump, self.switch_off,
            self.without_transform, self.masks_of_the_wrong_size, self.broken_estimator, self.reset,
        ]  # fmt: skip
        for _ in range(frames):
            self.stamp_ns += 33 * MS
            self.estimator.error = None
            if self.draw.random() < 0.2:
                self.enable(True)
            self.estimator.delay_s = self.draw.choice((0.0, 0.0, 0.004))
            self.draw.choice(good + kinds)()
            self.bench.executor.spin_once(timeout_sec=self.draw.choice((0.0, 0.002)))
            counts = Counter(self.node.account.counts())
            assert counts["waiting"] >= 0
            assert counts["received"] == counts.total() - counts["received"]

    def settle(self) -> None:
        """Wait until nothing is on its way."""
        self.estimator.error = None
        assert self.bench.spin_until(lambda: self.node.account.waiting == 0)


@pytest.mark.ros
@pytest.mark.soak
@pytest.mark.parametrize(
    "values", [{"mode": "estimate"}, {"mode": "track"}, {"mode": "track", "fixed": True}]
)
def test_every_frame_of_a_wild_mixture_is_accounted_for(
    ros, benches, values, soak_frames, soak_seed
):
    fixed = {"fixed_frame": "world"} if values.get("fixed") else {}
    name = next(iter(fixed), "")
    mixed = Mixed(ros, benches, soak_seed, mode=values["mode"], **fixed)
    causes = {"same_stamp", "clock_jump", "disabled", "bad_encoding", "no_depth_for_masks"}
    causes |= {"size_mismatch", "internal_error", "stamp_out_of_order"}
    if values["mode"] == "track":
        causes |= {"no_tracks"}
    if name:
        causes |= {"no_transform", "masks_came"}
    account = mixed.node.account
    for _ in range(10):  # which causes there are depends on how fast the machine is, too
        mixed.run(soak_frames)
        mixed.settle()
        assert account.received == mixed.masks_sent + mixed.alone
        assert account.answered == mixed.published
        assert account.received == account.answered + account.dropped.total()
        if causes <= set(account.dropped):
            break
    assert causes <= set(account.dropped)
    assert account.answered > soak_frames / 20


@pytest.mark.ros
def test_the_account_is_published(ros, benches):
    mixed = Mixed(ros, benches, 0, mode="estimate")
    heard = mixed.bench.collect(DiagnosticArray, "/diagnostics")
    mixed.run(30)
    mixed.settle()
    expected = {k: str(v) for k, v in mixed.node.account.counts().items()}

    def newest() -> dict[str, str]:
        parts = [s for m in heard[-1:] for s in m.status if s.name == "genpose: frames"]
        return {v.key.removeprefix("dropped, "): v.value for s in parts for v in s.values}

    assert mixed.bench.spin_until(lambda: newest() == expected), (newest(), expected)

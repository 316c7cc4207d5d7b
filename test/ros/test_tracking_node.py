# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mode `track` over real topics, in one process, with a tracker that needs no network."""

import resource
import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseArray, TransformStamped
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage
from tf2_ros import TransformBroadcaster
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import MarkerArray

from genpose_ros.estimation.reasons import Reason
from genpose_ros.msg import ObjectPose, ObjectPoseArray
from genpose_ros.ros.estimator_node import EstimatorNode
from genpose_ros.tracking.tracks import TrackState

pytestmark = pytest.mark.ros
MS = 1_000_000


class Rig:
    """The node in mode `track`, a camera and everything that the node publishes."""

    def __init__(self, ros, benches, **parameters):
        values = {
            "mode": "track",
            "segmentation__default_category": "mug",
            "input_timeout_s": 0.0,
            # Until it is subscribed to reliably, an image may get lost that a test waits for.
            "input_reliability": "reliable",
            **parameters,
        }
        self.ros, self.bench = ros, benches(lambda: None)
        self.node = EstimatorNode(
            make_estimator=ros.FakeEstimator,
            make_tracker=self._make_tracker,
            context=self.bench.context,
            parameter_overrides=ros.overrides(**values),
        )
        self.bench.node = self.node
        self.bench.executor.add_node(self.node)
        self.lines: list[str] = []
        self.node.get_logger = lambda: type(
            "Log", (), {"warning": staticmethod(self.lines.append), "info": staticmethod(str)}
        )
        self.camera = ros.Camera(self.bench.peer)
        self.objects = self.bench.collect(ObjectPoseArray, "/genpose/objects")
        self.poses = self.bench.collect(PoseArray, "/genpose/poses")
        self.transforms = self.bench.collect(TFMessage, "/tf")
        assert self.bench.spin_until(lambda: self.camera.ready("depth", "camera_info", "masks"))
        outputs = ("/genpose/objects", "/genpose/poses", "/tf")
        assert self.bench.spin_until(lambda: all(map(self.node.count_subscribers, outputs)))
        self.bench.spin_for(0.1)

    def _make_tracker(self, estimator, settings):
        self.tracker = self.ros.FakeTracker(estimator, settings)
        return self.tracker

    def answer(self, **changes):
        """Send an image and return what is published about it."""
        stamp = self.camera.send(**changes)
        assert self.bench.spin_until(lambda: self.about(stamp)), self.node.rejections.counts
        return self.about(stamp)

    def answer_masks(self):
        """The same of an image whose depth comes last: it is never answered before its masks."""
        stamp = self.camera.send(depth=None)
        self.bench.spin_for(0.02)
        self.camera.publish(depth=self.ros.image(self.camera.depth_mm, stamp))
        assert self.bench.spin_until(lambda: self.about(stamp)), self.node.rejections.counts
        return self.about(stamp)

    def about(self, stamp):
        return next((m for m in reversed(self.objects) if stamp_of(m) == stamp), None)

    def depth_only(self):
        return self.answer(masks=None)

    def tell_camera(self, broadcaster, stamp_ns, x):
        """Publish where the camera is in the world."""
        message = TransformStamped(header=self.ros.header(stamp_ns, "world"))
        message.child_frame_id = self.ros.frame
        message.transform.translation.x = x
        message.transform.rotation.w = 1.0
        broadcaster.sendTransform(message)

    def children(self, stamp):
        """The frames on /tf of one stamp."""
        return [
            t.child_frame_id for m in self.transforms for t in m.transforms if stamp_of(t) == stamp
        ]


def stamp_of(message):
    """The stamp in nanoseconds."""
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


@pytest.fixture
def rig(ros, benches):
    return Rig(ros, benches)


def test_names_stay_and_are_the_same_everywhere(ros, benches):
    rig = Rig(ros, benches, tf_prefix="genpose/")
    detections = rig.bench.collect(Detection3DArray, "/genpose/detections")
    markers = rig.bench.collect(MarkerArray, "/genpose/markers")
    assert rig.bench.spin_until(lambda: rig.node.count_subscribers("/genpose/markers"))
    rig.bench.spin_for(0.2)
    for i in range(9):
        message = rig.depth_only() if i % 3 else rig.answer_masks()
        stamp = stamp_of(message)
        assert [o.id for o in message.objects] == ["mug_3", "mug_7"]
        assert [o.instance_id for o in message.objects] == ([-1, -1] if i % 3 else [3, 7])
        assert {o.tracking_state for o in message.objects} == {ObjectPose.STATE_CONFIRMED}
        assert [(t.stage, t.duration_ms) for t in message.timings] == [("fake", 1.0)]
        assert rig.bench.spin_until(lambda s=stamp: rig.children(s))
        assert rig.children(stamp) == ["genpose/mug_3", "genpose/mug_7"]
    assert rig.bench.spin_until(lambda: len(detections) == len(markers) == 9)
    assert {tuple(d.id for d in m.detections) for m in detections} == {("mug_3", "mug_7")}
    assert {tuple(sorted({x.id for x in m.markers})) for m in markers} == {(3, 7)}
    stamps = [stamp_of(m) for m in rig.objects]
    assert stamps == sorted(set(stamps))
    assert [len(m.poses) for m in rig.poses] == [2] * 9
    assert rig.tracker.threads == {"estimator"}


def test_images_without_a_stamp_in_between_leave_the_tracks_alone(rig):
    names = set()
    for i in range(12):
        if i in (4, 8):
            stamp = rig.camera.send(depth=rig.ros.image(rig.camera.depth_mm, 0))
            refused = lambda s=stamp: rig.about(0) and rig.about(s)  # noqa: E731
            assert rig.bench.spin_until(refused, 30.0)
            assert [r.reason for r in rig.about(0).rejections] == ["stamp_out_of_order"]
            assert [r.reason for r in rig.about(stamp).rejections] == ["no_depth_for_masks"]
            rig.objects.clear()
        names |= {o.id for o in rig.answer_masks().objects}
    assert names == {"mug_3", "mug_7"}
    assert not [line for line in rig.lines if "clock" in line]


def test_a_new_object_is_published_but_not_trusted(rig):
    rig.tracker.state = TrackState.NEW
    message = rig.answer()
    assert [o.tracking_state for o in message.objects] == [ObjectPose.STATE_NEW] * 2
    assert rig.bench.spin_until(lambda: rig.poses)
    assert rig.poses[-1].poses == []
    assert rig.transforms == []


def test_an_object_that_is_not_seen_coasts_and_leaves_tf_when_its_time_is_over(ros, benches):
    # An image by itself would be answered before its masks tell that something is missing.
    rig = Rig(ros, benches, tracking__track_without_masks=False)
    rig.answer()
    rig.camera.labels[rig.camera.labels == 7] = 0
    seen_ns = rig.camera.stamp_ns
    states = {}
    for _ in range(60):
        message = rig.answer()
        unseen_s = (stamp_of(message) - seen_ns) / 1e9
        (item,) = [o for o in message.objects if o.id == "mug_7"]
        since = item.time_since_seen
        assert since.sec + since.nanosec / 1e9 == pytest.approx(unseen_s, abs=1e-6)
        expected = ["mug_3", "mug_7"] if unseen_s <= 0.5 else ["mug_3"]
        assert rig.bench.spin_until(lambda m=message: len(rig.poses) == len(rig.objects))
        assert rig.bench.spin_until(lambda m=message: rig.children(stamp_of(m)))
        assert rig.children(stamp_of(message)) == expected, unseen_s
        assert len(rig.poses[-1].poses) == len(expected)
        states[item.tracking_state] = unseen_s
    assert list(states) == [ObjectPose.STATE_COASTING, ObjectPose.STATE_LOST]
    # Objects that are not trusted come last, so that poses and objects stay parallel.
    rig.camera.labels[30:40, 40:60], rig.camera.labels[10:20, 10:25] = 7, 0
    rig.answer()
    for _ in range(20):
        message = rig.answer()
    assert [o.id for o in message.objects] == ["mug_7", "mug_3"]


def test_reset_says_how_many_tracks_it_cleared(rig):
    client = rig.bench.peer.create_client(Trigger, "/genpose/reset_tracks")
    assert client.wait_for_service(10.0)
    for count in (2, 0):
        if count:
            rig.answer()
        future = client.call_async(Trigger.Request())
        assert rig.bench.spin_until(future.done)
        assert (future.result().success, future.result().message) == (
            True,
            f"{count} tracks cleared",
        )
    assert len(rig.answer().objects) == 2


def test_a_bag_that_starts_again_clears_the_tracks_with_one_line(rig):
    for _ in range(5):
        rig.answer()
    rig.camera.stamp_ns -= 3600 * 10**9
    rig.camera.labels[rig.camera.labels == 7] = 0
    message = rig.answer()  # the first one may have a wrong stamp
    assert [r.reason for r in message.rejections] == ["stamp_out_of_order"]
    assert rig.bench.spin_until(lambda: [o.id for o in rig.answer().objects] == ["mug_3"])
    for _ in range(3):
        rig.answer()
    (line,) = [line for line in rig.lines if "jumped back" in line]
    assert line.endswith("; starting again, 2 tracks cleared")


@pytest.mark.parametrize("offset_s", [-3600.0, -1.0, 1.0, 1e6])
def test_a_single_image_with_a_wrong_stamp_costs_itself_alone_and_renames_nothing(rig, offset_s):
    for _ in range(5):
        rig.answer()
    right_ns = rig.camera.stamp_ns
    rig.camera.stamp_ns += round(offset_s * 1e9)
    message = rig.answer(masks=None)
    assert [r.reason for r in message.rejections] == ["stamp_out_of_order"]
    rig.camera.stamp_ns = right_ns
    for _ in range(3):
        assert [o.id for o in rig.answer().objects] == ["mug_3", "mug_7"]
    assert [line for line in rig.lines if "jumped" in line] == []


class TestCameraMotion:
    def statuses(self, rig):
        collected = rig.bench.collect(DiagnosticArray, "/diagnostics")
        return lambda: [s for m in collected for s in m.status if s.name == "genpose: transforms"]

    def test_the_tracker_gets_the_camera_at_the_stamp_of_the_image(self, ros, benches):
        rig = Rig(ros, benches, fixed_frame="world", transform_wait_s=5.0)
        broadcaster = TransformBroadcaster(rig.bench.peer)
        rig.bench.spin_until(lambda: rig.bench.peer.count_subscribers("/tf") > 1)
        for i in range(6):
            # The transform comes after the image, as that of an arm does.
            now = rig.camera.send(masks=None if i % 2 else rig_masks(rig))
            rig.tell_camera(broadcaster, now - 10 * MS, 0.1 * i)
            rig.tell_camera(broadcaster, now + 10 * MS, 0.1 * i + 0.02)
            assert rig.bench.spin_until(lambda s=now: rig.about(s))
        of_stamp = {call.stamp_ns: call.T_fixed_cam for call in rig.tracker.calls}
        positions = [T_fixed_cam[0, 3] for T_fixed_cam in of_stamp.values()]
        np.testing.assert_allclose(positions, 0.1 * np.arange(6) + 0.01, atol=1e-6)
        assert rig.lines == []
        # Velocities of the fixed frame come out in the camera's axes, which are the same here.
        assert rig.objects[-1].objects[0].velocity.linear.z == pytest.approx(2.0)

    def test_frames_without_a_transform_are_refused_and_reported_and_leave_the_tracks_alone(
        self, ros, benches
    ):
        rig = Rig(ros, benches, fixed_frame="world", transform_wait_s=0.05)
        rig.node.rejections.warn = rig.lines.append
        statuses = self.statuses(rig)
        broadcaster = TransformBroadcaster(rig.bench.peer)
        rig.bench.spin_until(lambda: rig.bench.peer.count_subscribers("/tf") > 1)
        stamp = rig.camera.stamp_ns + 33 * MS
        for at in (stamp - MS, stamp + MS):
            rig.tell_camera(broadcaster, at, 1.0)
        assert [o.id for o in rig.answer().objects] == ["mug_3", "mug_7"]
        assert rig.bench.spin_until(lambda: rig.poses and rig.children(stamp))
        calls, tracks = len(rig.tracker.calls), rig.tracker.tracks
        transforms, poses = len(rig.transforms), len(rig.poses)
        for i in range(6):
            message = rig.answer() if i % 3 == 2 else rig.depth_only()
            assert list(message.objects) == []
            assert {r.reason for r in message.rejections} == {"no_transform"}
        assert len(rig.tracker.calls) == calls
        assert rig.tracker.tracks is tracks
        assert (len(rig.transforms), len(rig.poses)) == (transforms, poses)
        assert "no_transform" in rig.lines[0]
        assert "world" in rig.lines[0]
        assert rig.bench.spin_until(lambda: any("was not known" in s.message for s in statuses()))
        state = next(s for s in statuses() if "was not known" in s.message)
        assert state.level == DiagnosticStatus.WARN
        values = {item.key: item.value for item in state.values}
        assert int(values["frames without a transform"]) > 0
        assert "world" in values["last transform"]

    def test_images_wait_for_slow_and_late_transforms_and_none_is_lost(self, ros, benches):
        """Every sixth image's transform comes, six images late: at 30 Hz 5 Hz and 200 ms."""
        rig = Rig(ros, benches, fixed_frame="world", transform_wait_s=5.0)
        broadcaster = TransformBroadcaster(rig.bench.peer)
        rig.bench.spin_until(lambda: rig.bench.peer.count_subscribers("/tf") > 1)
        start = rig.camera.stamp_ns
        rig.tell_camera(broadcaster, start, 0.0)
        stamps, told = [], []
        for i in range(1, 43):
            if i <= 30:
                rig.camera.depth_mm[0, 0] += 1  # noise, as of every camera
                stamps.append(rig.camera.send())
                rig.bench.spin_for(0.01)
            if i % 6 == 0 and i > 6:
                told.append(start + 33 * MS * (i - 6))
                rig.tell_camera(broadcaster, told[-1], 0.1 * (i - 6))
                due = [s for s in stamps if s <= told[-1]]
                assert rig.bench.spin_until(lambda due=due: rig.about(due[-1]))
        assert [stamp_of(m) for m in rig.objects] == stamps
        of_stamp = {call.stamp_ns: call.T_fixed_cam[0, 3] for call in rig.tracker.calls}
        np.testing.assert_allclose(list(of_stamp.values()), 0.1 * np.arange(1, 31), atol=1e-6)
        assert rig.lines == []

    def test_without_a_fixed_frame_no_camera_is_looked_up(self, rig):
        for _ in range(3):
            rig.answer()
        assert rig.tracker.calls[-1].T_fixed_cam is None
        assert rig.lines == []


def rig_masks(rig):
    """The masks of the next image."""
    return rig.ros.image(rig.camera.labels, rig.camera.stamp_ns + 33 * MS)


class TestBetweenMasks:
    def run(self, rig, images=60, delay=3, pause=lambda stamp: None):
        """Masks of every sixth image, `delay` images late; after each image a pause."""
        late = []
        for i in range(images):
            stamp = rig.camera.send(masks=None)
            pause(stamp)
            if i % 6 == 0:
                late.append((i + delay, rig.ros.image(rig.camera.labels, stamp)))
            if late and late[0][0] == i:
                rig.camera.publish(masks=late.pop(0)[1])
        rig.bench.spin_for(0.2)

    def test_every_image_gets_its_objects(self, rig):
        """The camera is as fast as this machine, which may be busy: the next image comes at once.

        Until the first masks have come there is nothing to follow.
        """
        told = []

        def answered(stamp):
            tracked = bool(rig.tracker.calls)
            told.append(rig.bench.spin_until(lambda: rig.about(stamp), 5.0 if tracked else 0.1))

        self.run(rig, pause=answered)
        kinds = [call.kind for call in rig.tracker.calls]
        assert kinds.count("masks") == 10
        assert not any(told[:4])
        assert all(told[5:])
        stamps = [stamp_of(m) for m in rig.objects]
        assert stamps == sorted(set(stamps))
        assert all([o.id for o in m.objects] == ["mug_3", "mug_7"] for m in rig.objects)
        assert Reason.INTERNAL_ERROR not in rig.node.rejections.counts

    def test_tracking_without_masks_can_be_switched_off_while_it_runs(self, rig):
        pause = lambda _: rig.bench.spin_for(0.05)  # noqa: E731
        self.run(rig, 12, pause=pause)
        (result,) = rig.node.set_parameters(
            [Parameter("tracking.track_without_masks", value=False)]
        )
        assert result.successful
        rig.bench.spin_for(0.2)
        rig.objects.clear()
        before = rig.camera.stamp_ns
        self.run(rig, 12, pause=pause)
        # Only the images that masks came for.
        images = [(stamp_of(m) - before) / (33 * MS) for m in rig.objects]
        assert images == [1, 7]
        assert rig.objects[-1].objects[0].id == "mug_3"

    def test_nothing_queues_up_when_the_tracker_is_slow(self, rig):
        """Fifty objects: masks come through, the newest depth image wins, ids stay."""
        labels = np.zeros((48, 64), dtype=np.uint8)
        labels.flat[:3000] = 1 + np.arange(3000) // 60
        rig.camera.labels = labels
        rig.tracker.delay_s = 0.15
        start = time.monotonic()
        self.run(rig, pause=lambda _: rig.bench.spin_for(0.03))
        took_s = time.monotonic() - start
        assert rig.bench.spin_until(lambda: stamp_of(rig.objects[-1]) == rig.camera.stamp_ns)
        calls = list(rig.tracker.calls)
        kinds = [call.kind for call in calls]
        # At 0.15 s each, and what was in hand and in the two slots at the end.
        assert len(calls) <= took_s / 0.15 + 3
        # Three images by themselves for each with masks, where there are enough of them.
        assert kinds.count("masks") >= 3
        assert kinds.count("depth") >= 2 * kinds.count("masks") - 2
        assert rig.node.account.dropped["newer_frame"] >= 30
        assert len(rig.objects[-1].objects) == 50
        assert {o.id for o in rig.objects[-1].objects} == {f"mug_{i}" for i in range(1, 51)}

    def test_masks_at_the_rate_of_the_camera_are_tracked_once_each(self, rig):
        for _ in range(20):
            rig.answer()
        # The first ones may be answered before their masks come.
        kinds = [call.kind for call in rig.tracker.calls]
        assert kinds.count("masks") >= 17
        assert kinds.count("depth") <= 3


def test_a_change_of_parameters_keeps_the_tracks(rig):
    rig.answer()
    before = rig.tracker.estimator
    changes = [
        Parameter("tracking.max_coast_s", value=2.0),
        Parameter("sampling.steps", value=3),
        Parameter("sync.slop_s", value=0.02),
    ]
    assert all(result.successful for result in rig.node.set_parameters(changes))
    assert [o.id for o in rig.depth_only().objects] == ["mug_3", "mug_7"]
    assert rig.tracker.settings.max_coast_s == 2.0
    assert rig.tracker.estimator is not before
    assert rig.tracker.estimator.settings.steps == 3
    (result,) = rig.node.set_parameters([Parameter("mode", value="estimate")])
    assert not result.successful


class TestBadInput:
    def assert_refused(self, rig, reason, **changes):
        """Bad images between good ones: the tracks stay, nothing else is published."""
        good = rig.answer()
        for _ in range(3):
            stamp = rig.camera.stamp_ns + 33 * MS
            rig.camera.send(**{k: v(stamp) if callable(v) else v for k, v in changes.items()})
            rig.bench.spin_for(0.05)
        assert rig.bench.spin_until(lambda: rig.node.rejections.counts.get(reason, 0) >= 1)
        again = rig.answer()
        assert [o.id for o in again.objects] == [o.id for o in good.objects]
        assert Reason.INTERNAL_ERROR not in rig.node.rejections.counts

    def test_truncated_depth_is_refused_and_tracks_stay(self, rig):
        def cut(stamp):
            message = rig.ros.image(rig.camera.depth_mm, stamp)
            message.data = message.data[:100]
            return message

        self.assert_refused(rig, Reason.TRUNCATED_IMAGE, depth=cut, masks=None)

    def test_intrinsics_that_are_none_are_refused_and_tracks_stay(self, rig):
        broken = rig.ros.camera_info(fx=-1.0)
        self.assert_refused(rig, Reason.BAD_INTRINSICS, camera_info=broken)

    def test_masks_of_another_size_are_refused_and_tracks_stay(self, rig):
        small = np.ones((7, 9), dtype=np.uint8)
        self.assert_refused(
            rig, Reason.SIZE_MISMATCH, masks=lambda stamp: rig.ros.image(small, stamp)
        )

    def test_masks_of_no_class_are_refused_and_tracks_stay(self, ros, benches):
        rig = Rig(
            ros,
            benches,
            segmentation__default_category="",
            segmentation__label_categories="3:mug, 7:mug",
        )
        odd = np.where(rig.camera.labels == 3, 99, rig.camera.labels)
        self.assert_refused(
            rig, Reason.UNKNOWN_CATEGORY, masks=lambda stamp: rig.ros.image(odd, stamp)
        )

    def test_an_estimator_that_raises_does_not_end_the_node(self, rig):
        rig.answer()
        rig.tracker.estimator.error = RuntimeError("out of memory")
        rig.camera.send()
        assert rig.bench.spin_until(lambda: Reason.INTERNAL_ERROR in rig.node.rejections.counts)
        rig.tracker.estimator.error = None
        assert len(rig.answer().objects) == 2

    def test_poses_that_are_garbage_are_not_published(self, rig):
        rig.tracker.estimator.change = {"covariance": np.full((6, 6), np.nan)}
        message = rig.answer()
        assert list(message.objects) == []
        assert [r.reason for r in message.rejections] == ["not_finite"] * 2

    def test_masks_delayed_too_long_leave_the_tracks_alone(self, rig):
        """To the tracker they would look as if the clock had jumped back."""
        rig.answer()
        old = rig.ros.image(rig.camera.labels, stamp_of(rig.depth_only()))
        for _ in range(45):
            rig.camera.send(masks=None)
            rig.bench.spin_for(0.01)
        message = rig.depth_only()
        rig.camera.publish(masks=old)
        while not message.rejections:
            message = rig.depth_only()
        assert [r.reason for r in message.rejections] == ["stamp_out_of_order"]
        assert "clock_jump_s" in message.rejections[0].detail
        assert [o.id for o in message.objects] == ["mug_3", "mug_7"]
        kinds = [call.kind for call in rig.tracker.calls]
        assert kinds.count("masks") == 1

    def test_rejections_of_delayed_masks_come_with_the_next_image(self, ros, benches):
        rig = Rig(
            ros, benches, segmentation__default_category="", segmentation__label_categories="3:mug"
        )
        rig.answer()
        stamp = stamp_of(rig.depth_only())
        late = ros.image(rig.camera.labels, stamp)
        rig.depth_only()
        rig.camera.publish(masks=late)
        rig.bench.spin_until(lambda: len(rig.tracker.calls) == 4)
        message = rig.depth_only()
        assert [r.reason for r in message.rejections] == ["unknown_category"]
        assert [r.instance_id for r in message.rejections] == [7]


@pytest.mark.slow
def test_memory_stays_flat_over_many_images(rig):
    rig.camera.depth_mm = np.full((480, 640), 900, dtype=np.uint16)
    rig.camera.labels = np.kron(rig.camera.labels, np.ones((10, 10), dtype=np.uint8))
    info = rig.ros.camera_info(480, 640, fx=600.0, fy=600.0)

    def run(images):
        for i in range(images):
            rig.camera.send(camera_info=info, **({"masks": None} if i % 6 else {}))
            rig.bench.spin_for(0.005)
        for collected in (rig.objects, rig.poses, rig.transforms):
            collected.clear()
        time.sleep(0.1)
        return resident_mb()

    run(150)  # fills the ring of two seconds
    before = run(150)
    assert run(600) - before < 20


def resident_mb() -> float:
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20

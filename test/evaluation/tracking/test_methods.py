# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tracking methods: when they get masks and camera poses, and where they start from."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.estimation import (
    EstimatorSettings,
    Frame,
    FrameResult,
    Instance,
    ObjectEstimate,
    Reason,
    Rejection,
)
from genpose_ros.evaluation.tracking import methods
from genpose_ros.evaluation.tracking.methods import (
    FrameByFrame,
    Masks,
    PaperLoop,
    TrackerRun,
    perturbed,
)
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.synthesis.sequences import SequenceFrame, TrueObject
from genpose_ros.tracking import TrackerSettings, TrackState

CAMERA = PinholeCamera(100.0, 100.0, 1.5, 1.5, 4, 4)


def shifted(x: float) -> np.ndarray:
    T = np.eye(4)
    T[:3, 3] = x, 0, 1
    return T


def item(number: int, *ids: int, category: str = "mug", named: str = "mug") -> SequenceFrame:
    """Frame with objects 1, 2, ... whose masks have the given ids; -1: no mask."""
    masks = tuple(Instance(i, named, np.ones((4, 4), dtype=bool)) for i in ids if i > 0)
    objects = tuple(
        TrueObject(n + 1, category, shifted(0.1 * n), np.full(3, 0.1), 1.0, True, i)
        for n, i in enumerate(ids)
    )
    stamp_ns = 1000 + number
    frame = Frame(np.full((4, 4), float(number)), CAMERA, masks, stamp_ns)
    return SequenceFrame(frame, shifted(number), objects)


class RecordingTracker:
    """Writes down what it is given."""

    def __init__(self, estimator: object, settings: TrackerSettings) -> None:
        self.calls: list[tuple[str, int, bool]] = []
        self.tracks: tuple[Any, ...] = ()

    def track(self, frame, stamp_ns, T_fixed_cam=None):
        assert frame.depth_m[0, 0] == stamp_ns - 1000
        self.calls.append(("masks", stamp_ns - 1000, T_fixed_cam is not None))

    def track_depth(self, depth_m, camera, stamp_ns, T_fixed_cam=None):
        assert depth_m[0, 0] == stamp_ns - 1000
        self.calls.append(("depth", stamp_ns - 1000, T_fixed_cam is not None))


@pytest.fixture
def calls(monkeypatch):
    """Calls of the tracker over n frames."""
    monkeypatch.setattr(methods, "Tracker", RecordingTracker)

    def over(frames: int, masks: Masks, *, compensate: bool = True) -> list[tuple[str, int, bool]]:
        run = TrackerRun(None, TrackerSettings(), masks, compensate)
        for number in range(frames):
            run.step(item(number, 1))
        assert run.frames == frames
        assert run.seconds > 0
        tracker: Any = run.tracker
        return tracker.calls

    return over


def test_masks_come_with_every_frame(calls):
    assert calls(3, Masks()) == [("masks", i, True) for i in range(3)]


def test_camera_poses_can_be_held_back(calls):
    assert calls(3, Masks(every=2), compensate=False) == [
        ("masks", 0, False),
        ("depth", 1, False),
        ("masks", 2, False),
    ]


def test_masks_come_with_every_third_frame(calls):
    assert [name for name, *_ in calls(7, Masks(every=3))] == [
        *("masks", "depth", "depth"),
        *("masks", "depth", "depth"),
        "masks",
    ]


def test_delayed_masks_come_after_the_depth_of_newer_frames(calls):
    assert [call[:2] for call in calls(6, Masks(every=3, delay=2))] == [
        ("depth", 0),
        ("depth", 1),
        ("depth", 2),
        ("masks", 0),
        ("depth", 3),
        ("depth", 4),
        ("depth", 5),
        ("masks", 3),
    ]


def test_tracks_become_reported_poses(monkeypatch):
    class OneTrack(RecordingTracker):
        def track(self, frame, stamp_ns, T_fixed_cam=None):
            estimate = SimpleNamespace(category="mug", T_cam_obj=shifted(0.5))
            self.tracks = (
                SimpleNamespace(track_id=7, estimate=estimate, state=TrackState.COASTING),
            )

    monkeypatch.setattr(methods, "Tracker", OneTrack)
    (pose,) = TrackerRun(None, TrackerSettings()).step(item(0, 1))
    assert (pose.track_id, pose.category, pose.state) == (7, "mug", TrackState.COASTING)
    np.testing.assert_array_equal(pose.T_cam_obj, shifted(0.5))


class Estimator:
    """Moves every start by 1 m along x; refuses the masks named."""

    def __init__(self, refused: tuple[int, ...] = ()) -> None:
        self.refused, self.settings = refused, EstimatorSettings()
        self.starts: list[np.ndarray] = []
        self.categories: list[str] = []

    def object_clouds(self, frame):
        return [SimpleNamespace(instance=i) for i in frame.instances], []

    def estimate_clouds(self, clouds, *, T_cam_start, settings):
        self.starts.append(T_cam_start)
        self.categories += [cloud.instance.category for cloud in clouds]
        return [
            Rejection(Reason.NOT_FINITE, "", cloud.instance.id)
            if cloud.instance.id in self.refused
            else estimate(cloud.instance, start @ shifted_by_one())
            for cloud, start in zip(clouds, T_cam_start, strict=True)
        ]

    def estimate(self, frame):
        return FrameResult(tuple(estimate(i, shifted(0.1 * i.id)) for i in frame.instances))


def shifted_by_one() -> np.ndarray:
    T = np.eye(4)
    T[0, 3] = 1
    return T


def estimate(instance: Instance, T_cam_obj: np.ndarray) -> ObjectEstimate:
    return ObjectEstimate(
        instance_id=instance.id,
        category=instance.category,
        T_cam_obj=T_cam_obj,
        covariance=np.eye(6),
        score=1.0,
        score_axis=1.0,
        energy_rotation=None,
        energy_translation=None,
        size_m=np.ones(3),
        n_points=1,
        mode_shares=(1.0,),
        T_cam_candidates=T_cam_obj[None],
        points_cam=np.zeros((1, 3), np.float32),
    )


class TestPaperLoop:
    def test_the_loop_starts_near_the_truth_and_goes_on_from_its_own_poses(self):
        estimator = Estimator()
        loop = PaperLoop(estimator, TrackerSettings(), seed=3)
        first = loop.step(item(0, 5, 9))
        # The ids of the masks are others in the second frame, the objects the same.
        second = loop.step(item(1, 9, 5))
        expected = [
            perturbed(shifted(0.1 * n), np.random.default_rng([3, n + 1])) for n in range(2)
        ]
        np.testing.assert_allclose(estimator.starts[0], expected)
        assert [pose.track_id for pose in first] == [1, 2]
        # Masks come in the frame's order, 9 and 5, which is objects 1 and 2.
        np.testing.assert_allclose(estimator.starts[1], [p.T_cam_obj for p in first])
        np.testing.assert_allclose(second[0].T_cam_obj, first[0].T_cam_obj @ shifted_by_one())

    def test_poses_stay_where_nothing_is_seen_or_the_estimate_is_refused(self):
        loop = PaperLoop(Estimator(refused=(4,)), TrackerSettings())
        first = loop.step(item(0, 4, 2))
        second = loop.step(item(1, 4, -1))
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a.T_cam_obj, b.T_cam_obj)

    def test_classes_are_given_whatever_the_masks_say(self):
        estimator = Estimator()
        (pose,) = PaperLoop(estimator, TrackerSettings()).step(item(0, 1, named="bowl"))
        assert pose.category == "mug"
        assert estimator.categories == ["mug"]

    def test_poses_stay_in_a_frame_without_masks(self):
        loop = PaperLoop(Estimator(), TrackerSettings())
        poses = loop.step(item(0, -1, -1))
        assert [pose.track_id for pose in poses] == [1, 2]


def test_frame_by_frame_reports_what_is_estimated_under_the_objects_names():
    poses = FrameByFrame(Estimator()).step(item(0, 8, -1, 3, named="bowl"))
    assert [(pose.track_id, pose.category) for pose in poses] == [(1, "mug"), (3, "mug")]
    assert poses[0].T_cam_obj[0, 3] == pytest.approx(0.8)


def test_first_poses_are_off_by_half_normal_angles_and_distances():
    rng = np.random.default_rng(0)
    T = shifted(0.3)
    drawn = np.array([perturbed(T, rng) for _ in range(4000)])
    turn = Rotation.from_matrix(drawn[:, :3, :3]).as_rotvec(degrees=True)
    angle, distance = (
        np.linalg.norm(turn, axis=1),
        np.linalg.norm(drawn[:, :3, 3] - T[:3, 3], axis=1),
    )
    # The mean of |N(0, 1)| is 0.798, its standard deviation 0.6.
    tolerance = 4 * 0.6 / np.sqrt(4000)
    assert angle.mean() / 5 == pytest.approx(0.798, abs=tolerance)
    assert distance.mean() / 0.03 == pytest.approx(0.798, abs=tolerance)
    # Axes point everywhere: no direction has more than its share.
    assert np.abs((turn / angle[:, None]).mean(0)).max() < 4 / np.sqrt(3 * 4000)

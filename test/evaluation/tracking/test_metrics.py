# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Measures of tracking on hand-made histories, and the matching that they rest on."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.evaluation.tracking.metrics import (
    errors_over_time,
    identity_switches,
    pose_lags_ms,
    returns,
    summarise_tracking,
)
from genpose_ros.evaluation.tracking.records import (
    ObjectRecord,
    ReportedPose,
    SequenceRecord,
    match,
    record_sequence,
)
from genpose_ros.synthesis.motions import poses
from genpose_ros.synthesis.sequences import TrueObject
from genpose_ros.tracking import TrackState

RATE_HZ = 10.0


def at(x: float, y: float = 0.0, *, turn_deg: float = 0.0, axis: str = "x") -> np.ndarray:
    R = Rotation.from_euler(axis, turn_deg, degrees=True).as_matrix()
    return poses(R, np.array([x, y, 1.0]))


def true(number: int, T: np.ndarray, *, category: str = "can", share: float = 1.0) -> TrueObject:
    return TrueObject(number, category, T, np.full(3, 0.1), share, True, number)


def track(
    number: int,
    T: np.ndarray,
    *,
    category: str = "can",
    state: TrackState = TrackState.CONFIRMED,
) -> ReportedPose:
    return ReportedPose(number, category, T, state)


def history(
    tracks: list[int], visible: list[int] | None = None, *, state: TrackState | None = None
) -> ObjectRecord:
    """One can at one place over frames; of each the id of the track that is on it, -1 for none."""
    seen = [1] * len(tracks) if visible is None else visible
    frames = []
    for number, share in zip(tracks, seen, strict=True):
        mine = [] if number < 0 else [track(number, at(0), state=state or TrackState.CONFIRMED)]
        frames.append(([true(1, at(0), share=float(share))], mine))
    return record_sequence("made", 0, RATE_HZ, frames).objects[0]


def summary(*records: ObjectRecord) -> dict:
    return summarise_tracking([SequenceRecord("made", 0, RATE_HZ, records)], max_coast_s=0.2)


class TestMatching:
    def test_the_nearest_pose_of_the_class_within_10_cm_is_taken(self):
        objects = [true(1, at(0.0)), true(2, at(0.3)), true(3, at(0.6), category="mug")]
        tracks = [track(7, at(0.29)), track(8, at(0.02)), track(9, at(0.6), category="bowl")]
        assert match(objects, tracks, {}) == {1: 1, 2: 0}
        assert match(objects[:1], [track(7, at(0.101))], {}) == {}
        assert match(objects[:1], [track(7, at(0.099))], {}) == {1: 0}

    def test_an_object_keeps_its_track_although_another_is_nearer(self):
        objects = [true(1, at(0.0))]
        tracks = [track(7, at(0.01)), track(8, at(0.08))]
        assert match(objects, tracks, {1: 8}) == {1: 1}
        assert match(objects, tracks, {1: 9}) == {1: 0}

    def test_as_many_pairs_as_possible_are_taken_and_then_the_shortest(self):
        # Taking the nearest first would leave the second object without.
        objects = [true(1, at(0.0)), true(2, at(0.09))]
        tracks = [track(7, at(0.04)), track(8, at(-0.06))]
        assert match(objects, tracks, {}) == {1: 1, 2: 0}

    def test_nothing_is_taken_without_objects_or_tracks(self):
        assert match([], [track(7, at(0))], {}) == {}
        assert match([true(1, at(0))], [], {}) == {}

    def test_new_and_lost_tracks_are_not_reported(self):
        for state, expected in (
            (TrackState.NEW, -1),
            (TrackState.LOST, -1),
            (TrackState.COASTING, 7),
            (TrackState.CONFIRMED, 7),
        ):
            record = history([7], state=state)
            assert record.track[0] == expected
            assert record.confirmed[0] == (state is TrackState.CONFIRMED)


class TestErrors:
    def test_shares_count_all_and_means_those_with_a_pose(self):
        frames = [
            ([true(1, at(0), category="mug")], [track(1, at(0.03, turn_deg=4), category="mug")]),
            ([true(1, at(0), category="mug")], [track(1, at(0.06, turn_deg=1), category="mug")]),
            ([true(1, at(0), category="mug")], [track(1, at(0.0, turn_deg=100), category="mug")]),
            ([true(1, at(0), category="mug")], []),
        ]
        record = record_sequence("made", 0, RATE_HZ, frames)
        found = summarise_tracking([record])
        # The unreported one counts as wrong, but has no error to be averaged.
        assert found["5d5cm"] == 25.0
        assert found["mean_rotation_deg"] == pytest.approx(35.0)
        assert found["mean_translation_cm"] == pytest.approx(3.0)
        assert found["median_rotation_deg"] == pytest.approx(4.0)
        assert found["unreported_percent"] == 25.0
        assert found["half_turns_percent"] == pytest.approx(33.33)
        assert found["objects"] == 4
        assert found["per_category"]["mug"]["5d5cm"] == 25.0
        assert set(found["per_category"]) == {"mug"}

    def test_only_visible_objects_count(self):
        record = history([1, -1, -1, 1], [1, 0, 0, 1])
        assert summary(record)["5d5cm"] == 100.0
        assert summary(record)["objects"] == 2

    def test_axisymmetric_objects_may_turn_about_their_axis(self):
        turned = [([true(1, at(0))], [track(1, at(0, turn_deg=90, axis="y"))])]
        assert summarise_tracking([record_sequence("made", 0, RATE_HZ, turned)])["5d5cm"] == 100.0
        tipped = [([true(1, at(0))], [track(1, at(0, turn_deg=90, axis="x"))])]
        assert summarise_tracking([record_sequence("made", 0, RATE_HZ, tipped)])["5d5cm"] == 0.0

    def test_every_measure_of_nothing_is_unknown(self):
        found = summarise_tracking([])
        assert found["5d5cm"] is None
        assert found["mean_rotation_deg"] is None
        assert found["id_switches"] == 0
        assert found["recovered_in_3_frames_percent"] is None

    def test_poses_of_no_object_are_counted(self):
        coasting = track(3, at(0.9), state=TrackState.COASTING)
        frames = [([true(1, at(0))], [track(1, at(0)), track(2, at(0.5)), coasting])] * 2
        found = summarise_tracking([record_sequence("made", 0, RATE_HZ, frames)])
        assert found["false_percent"] == 50.0
        assert found["coasting_astray_percent"] == 100.0

    def test_errors_are_binned_over_time(self):
        frames = [([true(1, at(0))], [track(1, at(0.01 * (i // 5)))]) for i in range(20)]
        found = errors_over_time([record_sequence("made", 0, RATE_HZ, frames)], step_s=0.5)
        assert found["time_s"] == [0.0, 0.5, 1.0, 1.5]
        np.testing.assert_allclose(found["median_translation_cm"], [0, 1, 2, 3], atol=1e-6)
        assert found["5d5cm"] == [100.0] * 4


class TestIdentity:
    @pytest.mark.parametrize(
        ("tracks", "visible", "expected"),
        [
            ([1, 1, 1, 1], [1, 1, 1, 1], (0, 0)),
            ([1, 1, 2, 2], [1, 1, 1, 1], (1, 0)),
            ([1, 2, 1, 2], [1, 1, 1, 1], (3, 0)),
            # Unreported for a while, then another: a switch all the same.
            ([1, -1, -1, 2], [1, 1, 1, 1], (1, 0)),
            ([1, -1, -1, 1], [1, 1, 1, 1], (0, 0)),
            # Hidden in between.
            ([1, -1, -1, 2], [1, 0, 0, 1], (0, 1)),
            ([1, 1, 1, 1], [1, 0, 0, 1], (0, 0)),
            # What is matched while nobody sees the object is nobody's business.
            ([1, 5, 5, 1], [1, 0, 0, 1], (0, 0)),
        ],
    )
    def test_switches_are_counted_with_and_without_occlusion(self, tracks, visible, expected):
        assert identity_switches(history(tracks, visible), RATE_HZ) == expected

    def test_a_switch_within_a_second_of_an_occlusion_is_its_consequence(self):
        tracks = [1, 1, -1, *[1] * 8, *[2] * 20]
        visible = [1, 1, 0, *[1] * 28]
        assert identity_switches(history(tracks, visible), RATE_HZ) == (0, 1)
        tracks = [1, 1, -1, *[1] * 14, *[2] * 14]
        assert identity_switches(history(tracks, visible), RATE_HZ) == (1, 0)

    def test_swapped_tracks_of_two_objects_count_twice(self):
        frames = []
        for i in range(10):
            x = 0.5 - 0.1 * i
            objects = [true(1, at(x)), true(2, at(-x, 0.05))]
            own = [track(1, at(x)), track(2, at(-x, 0.05))]
            # From the middle on each track follows the other object.
            swapped = [track(2, at(x)), track(1, at(-x, 0.05))]
            frames.append((objects, own if i < 5 else swapped))
        record = record_sequence("made", 0, RATE_HZ, frames)
        assert summarise_tracking([record])["id_switches"] == 2
        assert summarise_tracking([record])["id_switches_without_occlusion"] == 2

    def test_broken_off_reports_are_counted(self):
        assert summary(history([1, -1, 1, -1, -1, 1]))["fragmentations"] == 2
        assert summary(history([-1, -1, 1, 1, -1]))["fragmentations"] == 0
        assert summary(history([1, -1, -1, 1], [1, 0, 0, 1]))["fragmentations"] == 0
        assert summary(history([-1, -1]))["fragmentations"] == 0


class TestReturns:
    HIDDEN = (1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1)

    def found(self, after: list[int]):
        tracks = [1, 1, -1, -1, -1, -1, *after]
        return returns(history(tracks, list(self.HIDDEN)), RATE_HZ)

    def test_an_object_is_seen_again_in_the_first_frame(self):
        (event,) = self.found([1, 1, 1, 1, 1, 1])
        assert (event.frame, event.frames, event.good_frames, event.same_id) == (6, 0, 0, True)
        assert event.hidden_s == pytest.approx(0.4)

    def test_an_object_is_seen_again_later_with_another_identity(self):
        (event,) = self.found([-1, -1, -1, 4, 4, 4])
        assert (event.frames, event.same_id) == (3, False)

    def test_an_object_is_never_seen_again(self):
        (event,) = self.found([-1] * 6)
        assert (event.frames, event.good_frames, event.same_id) == (None, None, None)
        found = summary(history([1, 1, *[-1] * 10], list(self.HIDDEN)))
        assert found["recovered_percent"] == 0.0
        assert found["recovered_in_3_frames_percent"] == 0.0
        assert found["recovery_frames_mean"] is None

    def test_a_prediction_is_no_recovery(self):
        record = history([1] * 12, list(self.HIDDEN), state=TrackState.COASTING)
        (event,) = returns(record, RATE_HZ)
        assert event.frames is None

    def test_flicker_and_first_appearances_are_no_returns(self):
        assert not returns(history([1] * 12, [1, 1, 0, 0, *[1] * 8]), RATE_HZ)
        assert not returns(history([1] * 12, [0, 0, 0, 0, *[1] * 8]), RATE_HZ)
        assert not returns(history([-1] * 4 + [1] * 8, [1, 0, 0, 0, *[1] * 8]), RATE_HZ)
        # Too short a glimpse to recover in.
        assert not returns(history([1] * 12, [1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0]), RATE_HZ)

    def test_identities_lost_count_for_occlusions_up_to_a_second(self):
        short = history([1, 1, -1, -1, -1, -1, *[2] * 6], list(self.HIDDEN))
        long = history([1, *[-1] * 12, *[2] * 6], [1, *[0] * 12, *[1] * 6])
        kept = history([1, 1, -1, -1, -1, -1, *[1] * 6], list(self.HIDDEN))
        found = summary(short, long, kept)
        assert found["returns"] == 3
        assert found["returns_within_1_s"] == 2
        assert found["id_lost_after_occlusion_percent"] == 50.0
        assert found["recovered_percent"] == 100.0
        assert found["recovered_in_3_frames_percent"] == 100.0

    def test_three_frames_are_in_time_and_four_are_not(self):
        for wait, expected in ((3, 100.0), (4, 0.0)):
            after = [-1] * wait + [1] * (6 - wait)
            record = history([1, 1, -1, -1, -1, -1, *after], list(self.HIDDEN))
            assert summary(record)["recovered_in_3_frames_percent"] == expected


class TestPresence:
    def test_tracks_lost_while_visible_are_counted(self):
        frames = []
        for i in range(10):
            state = TrackState.LOST if i >= 6 else TrackState.CONFIRMED
            frames.append(([true(1, at(0))], [track(1, at(0), state=state)]))
        found = summarise_tracking([record_sequence("made", 0, RATE_HZ, frames)])
        assert found["lost_while_visible_percent"] == 40.0
        assert found["unreported_percent"] == 40.0

    def test_objects_reported_while_gone_are_counted(self):
        frames = []
        for i in range(11):
            state = TrackState.CONFIRMED if i < 2 else TrackState.COASTING
            share = 1.0 if i == 0 else 0.0
            frames.append(([true(1, at(0), share=share)], [track(1, at(0), state=state)]))
        record = record_sequence("made", 0, RATE_HZ, frames)
        found = summarise_tracking([record], max_coast_s=0.2)
        # Gone in frames 1 to 10; taken for seen in one of them; of the 7 more than 0.2 s later all
        # are still reported.
        assert found["confirmed_while_gone_percent"] == 10.0
        assert found["reported_after_coasting_percent"] == 100.0
        honest = summarise_tracking([record], max_coast_s=5.0)
        assert honest["reported_after_coasting_percent"] is None


class TestLag:
    def made(self, lag_s: float, *, category: str = "laptop") -> SequenceRecord:
        times = np.arange(60) / RATE_HZ

        def pose(t: float) -> np.ndarray:
            T = at(0.3 * np.sin(1.2 * t), 0.1 * np.cos(0.9 * t))
            T[:3, :3] = Rotation.from_euler("zx", [0.5 * np.sin(t), 0.3 * t]).as_matrix()
            return T

        frames = [
            (
                [true(1, pose(t), category=category)],
                [track(1, pose(t - lag_s), category=category)],
            )
            for t in times
        ]
        return record_sequence("made", 0, RATE_HZ, frames)

    @pytest.mark.parametrize("lag_s", [0.0, 0.02, 0.05, -0.03])
    def test_a_delay_is_found(self, lag_s):
        moved, turned = pose_lags_ms([self.made(lag_s)])
        assert moved == pytest.approx(1e3 * lag_s, abs=1.0)
        assert turned == pytest.approx(1e3 * lag_s, abs=1.5)

    def test_axisymmetric_objects_have_no_orientation_to_trail(self):
        moved, turned = pose_lags_ms([self.made(0.03, category="bowl")])
        assert moved == pytest.approx(30, abs=1.0)
        assert turned is None

    def test_where_nothing_moves_nothing_trails(self):
        frames = [([true(1, at(0))], [track(1, at(0.01))])] * 5
        assert pose_lags_ms([record_sequence("made", 0, RATE_HZ, frames)]) == (None, None)

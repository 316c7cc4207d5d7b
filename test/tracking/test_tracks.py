# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""States of a track: the whole table."""

import pytest

from genpose_ros.tracking import TrackerSettings, TrackState
from genpose_ros.tracking.tracks import next_state

NEW, CONFIRMED, COASTING, LOST = TrackState
SETTINGS = TrackerSettings(confirm_frames=3, max_coast_s=0.5, keep_lost_s=3.0)


@pytest.mark.parametrize(
    ("state", "frame", "expected"),
    [
        (NEW, {"seen": True, "hits": 2}, NEW),
        (NEW, {"seen": True, "hits": 3}, CONFIRMED),
        (NEW, {"seen": True, "hits": 2, "missed": 2}, None),  # depth alone does not make it real
        (NEW, {"missed": 1, "unseen_s": 0.1}, NEW),
        (NEW, {"missed": 2, "unseen_s": 0.1}, None),
        (NEW, {"missed": 1, "unseen_s": 1.2}, NEW),  # a segmenter of one image a second
        (NEW, {"unseen_s": 2.9}, NEW),
        (NEW, {"unseen_s": 3.1}, None),
        (CONFIRMED, {"seen": True}, CONFIRMED),
        (CONFIRMED, {"seen": True, "missed": 9}, CONFIRMED),
        (CONFIRMED, {"unseen_s": 0.03}, COASTING),
        (CONFIRMED, {"unseen_s": 0.6}, LOST),
        (COASTING, {"seen": True}, CONFIRMED),
        (COASTING, {"unseen_s": 0.5}, COASTING),
        (COASTING, {"unseen_s": 0.51}, LOST),
        (COASTING, {"unseen_s": 0.05, "gone": True}, COASTING),  # one wrong prediction
        (COASTING, {"unseen_s": 0.15, "gone": True}, LOST),
        (LOST, {"seen": True}, CONFIRMED),
        (LOST, {"unseen_s": 0.2}, LOST),
        (LOST, {"unseen_s": 3.0}, LOST),
        (LOST, {"unseen_s": 3.01}, None),
    ],
)
def test_the_next_state_is_that_of_the_table(state, frame, expected):
    values = {"seen": False, "hits": 3, "missed": 0, "unseen_s": 0.0, "gone": False}
    assert next_state(state, **{**values, **frame}, settings=SETTINGS) is expected


def test_coasting_may_be_longer_than_lost_tracks_are_kept():
    settings = TrackerSettings(max_coast_s=5.0, keep_lost_s=1.0)
    frame = {"seen": False, "hits": 3, "missed": 0, "gone": False, "settings": settings}
    assert next_state(COASTING, unseen_s=4.0, **frame) is COASTING
    assert next_state(COASTING, unseen_s=5.1, **frame) is None

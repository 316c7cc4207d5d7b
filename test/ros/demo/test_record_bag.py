# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Recording of the simulated camera: the same bag again, found by its topics."""

import numpy as np
import pytest

from genpose_ros.ros.demo import record_bag as recording
from genpose_ros.ros.replay.bag import Bag
from genpose_ros.ros.replay.topics import WantedTopics, choose_topics

pytestmark = pytest.mark.slow


def test_two_recordings_are_the_same_and_hold_what_a_replay_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "_RATE_HZ", 2.0)
    contents = []
    for name in ("one", "two"):
        size = recording.record_bag(tmp_path / name, seconds=1.0)
        assert size < 2**20
        with Bag.open(tmp_path / name) as bag:
            topics = choose_topics(bag.types, WantedTopics(), bag.fields)
            contents.append(list(bag._reader.messages()))
            (transforms,) = [m for t, _, m in bag.messages(["/tf"])][:1]
            depth = next(m for t, _, m in bag.messages([topics.depth]))
    assert (topics.mask_source, topics.masks) == ("label_image", "/segmentation/label_image")
    assert topics.detections == "/segmentation/detections"
    assert transforms.transforms[0].header.frame_id == "world"
    assert np.count_nonzero(depth.data) > depth.data.size / 2
    assert [c[1:] for c in contents[0]] == [c[1:] for c in contents[1]]
    assert len(contents[0]) == 12
    assert {c[1] % 100_000_000 for c in contents[0]} == {0, 60_000_000}
    assert sorted(p.suffix for p in (tmp_path / "one").iterdir()) == [".db3", ".yaml"]
    with pytest.raises(ValueError, match="is there already"):
        recording.record_bag(tmp_path / "one")

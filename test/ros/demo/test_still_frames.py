# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Frames without motion: a table of what the weights know, or recorded ones."""

from pathlib import Path

import numpy as np
import pytest
from parcels_and_hooks import OWN, own_weights

from genpose_ros.ros.demo.still_frames import frames_to_show, simulated_frame


def test_the_table_shows_objects_of_what_the_weights_know(tmp_path: Path) -> None:
    weights = str(own_weights(tmp_path / "own.safetensors"))
    (frame,) = frames_to_show(3, weights=weights)
    assert {item.category for item in frame.instances} == set(OWN.names)
    assert all(item.mask.any() for item in frame.instances)
    np.testing.assert_array_equal(frame.depth_m, simulated_frame(3, weights).depth_m)


def test_recorded_frames_of_other_categories_are_refused(
    tmp_path: Path, simulated_frames: Path
) -> None:
    weights = str(own_weights(tmp_path / "own.safetensors"))
    assert frames_to_show(0, simulated_frames)
    with pytest.raises(ValueError, match=r"unknown category '\w+'; expected one of parcel, hook"):
        frames_to_show(0, simulated_frames, weights)

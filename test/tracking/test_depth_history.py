# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""History of depth images: which are kept for delayed masks, and which are replayed."""

import numpy as np
import pytest

from genpose_ros.geometry import PinholeCamera
from genpose_ros.tracking.depth_history import DepthImage, append, newer_than
from genpose_ros.tracking.ego_motion import StampedCameraPose

CAMERA = PinholeCamera(300.0, 300.0, 3.5, 2.5, 8, 6)
DEPTH_M = np.ones((6, 8), dtype=np.float32)


def image(ms):
    return DepthImage(DEPTH_M, CAMERA, StampedCameraPose(ms * 1_000_000, np.eye(4), known=False))


def times(images):
    return [i.camera_pose.stamp_ns // 1_000_000 for i in images]


def kept_of(stamps_ms, seconds, most=16):
    images: tuple[DepthImage, ...] = ()
    for ms in stamps_ms:
        images = append(images, image(ms), horizon_s=seconds, most=most)
    return images


def test_images_are_kept_for_their_time():
    assert times(kept_of(range(0, 1000, 100), 0.4)) == [500, 600, 700, 800, 900]
    assert kept_of(range(0, 1000, 100), 0.0) == ()
    # After a gap the old ones go.
    assert times(kept_of([0, 100, 5000], 0.4)) == [5000]


def test_there_are_never_more_than_so_many_and_none_is_copied():
    images = kept_of(range(100), 10.0, most=7)
    assert times(images) == list(range(93, 100))
    assert times(kept_of(range(100), 10.0, most=1)) == [99]
    assert all(i.depth_m is DEPTH_M for i in images)


@pytest.mark.parametrize(
    ("after_ms", "expected"),
    [(1500, []), (1300, [1400]), (1100, [1200, 1300, 1400]), (900, [1000, 1200, 1400])],
)
def test_few_images_lead_to_the_newest_one(after_ms, expected):
    images = kept_of(range(0, 1500, 100), 2.0)
    assert times(newer_than(images, after_ms * 1_000_000)) == expected
    assert len(newer_than(images, 0)) <= 3
    assert times(newer_than(images, 0))[-1] == 1400


@pytest.mark.parametrize(("objects", "expected"), [(4, 3), (6, 2), (10, 1), (50, 1)])
def test_many_objects_go_through_fewer_images(objects, expected):
    images = kept_of(range(0, 600, 100), 2.0)
    taken = newer_than(images, 0, objects=objects)
    assert len(taken) == expected
    assert times(taken)[-1] == 500

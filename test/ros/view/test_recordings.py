# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bags and kept frames in the view."""

import numpy as np
import pytest
import recorded_bags as rec
from fake_estimator import FakeEstimator, FakeTracker

from genpose_ros.ros.replay.bag_replay import BagReplay
from genpose_ros.ros.replay.settings import settings_of
from genpose_ros.ros.replay.topics import WantedTopics
from genpose_ros.ros.view.recordings import bag_frames, color_topic

COLOR = "/camera/camera/color/image_raw"
PERIOD_NS = 100_000_000
#: The mug in the camera's frame, as in the tests of replays.
MUG = [-0.2, -0.12667, 0.8]


def color_image(stamp_ns, value):
    pixels = np.full((48, 64, 3), value, np.uint8)
    return rec.make(
        "sensor_msgs/msg/Image", header=rec.header(stamp_ns), height=48, width=64,
        encoding="bgr8", step=192, data=pixels.reshape(-1),
    )  # fmt: skip


@pytest.fixture
def table(tmp_path):
    messages = []
    for n in range(3):
        stamp = rec.BEGIN_NS + n * PERIOD_NS
        messages += rec.frame(stamp)
        messages.append((stamp + 9, "/tf", rec.tf(rec.transform(stamp, 0.1 * n))))
        if n != 1:  # a colour image is lost
            messages.append((stamp + 40, COLOR, color_image(stamp + 1_000_000, (n, 0, 9))))
    return rec.write_bag(tmp_path / "table", messages)


def viewed(path, color=COLOR, most=600, **values):
    settings = settings_of("fast", values)
    with BagReplay.open(path, WantedTopics(), settings, FakeEstimator, FakeTracker) as played:
        return bag_frames(played, color, most), played


def test_frames_of_a_bag_have_objects_cloud_and_the_colour_image_of_their_moment(table):
    frames, _ = viewed(table)
    assert [len(f.objects) for f in frames] == [2, 2, 2]
    np.testing.assert_allclose(frames[0].objects[0].T_view_obj[:3, 3], MUG, atol=1e-4)
    assert len(frames[0].cloud.points) == 48 * 64
    assert frames[1].image.pixels[0, 0].tolist() not in ([9, 0, 0], [9, 0, 2])  # of depth
    assert [frames[n].image.pixels[0, 0].tolist() for n in (0, 2)] == [[9, 0, 0], [9, 0, 2]]
    assert frames[2].stamp_ns - frames[0].stamp_ns == 2 * PERIOD_NS


def test_tracks_stand_in_the_fixed_frame_with_their_trails(table):
    frames, _ = viewed(table, mode="track", fixed_frame="base")
    mug = next(o for o in frames[2].objects if o.category == "mug")
    np.testing.assert_allclose(mug.T_view_obj[:3, 3], np.add(MUG, [0.2, 0, 0]), atol=1e-4)
    assert frames[2].frame_id == "base"
    np.testing.assert_allclose(
        frames[2].trails[mug.name], [np.add(MUG, [x, 0, 0]) for x in (0, 0.1, 0.2)], atol=1e-4
    )
    np.testing.assert_allclose(frames[2].image.T_view_cam[:3, 3], [0.2, 0, 0])


def test_poses_in_a_target_frame_are_turned_into_it_once(table):
    frames, _ = viewed(table, target_frame="base")
    np.testing.assert_allclose(
        frames[2].objects[0].T_view_obj[:3, 3], np.add(MUG, [0.2, 0, 0]), atol=1e-4
    )


def test_a_long_bag_is_cut_and_says_so(table):
    frames, played = viewed(table, most=2)
    assert len(frames) == 2
    assert "the view ends after 2 frames; --frames takes more" in played.notes


def test_without_colour_the_picture_is_of_depth_near_bright(table):
    frames, _ = viewed(table, color="")
    for frame in frames:
        mug, wall = frame.image.pixels[15, 15].tolist(), frame.image.pixels[0, 0].tolist()
        assert mug[0] == mug[1] == mug[2] > wall[0]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((COLOR, "/camera/camera/depth/image_rect_raw"), COLOR),
        ((COLOR, f"{COLOR}/compressed"), COLOR),
        ((f"{COLOR}/compressed",), f"{COLOR}/compressed"),
        ((rec.DEPTH,), ""),
        ((COLOR, "/other/rgb/image"), ""),
        ((COLOR, "/segmentation/color_mask"), COLOR),
    ],
)
def test_the_colour_topic_is_the_only_one_of_its_name(names, expected):
    kinds = {
        n: "sensor_msgs/msg/" + ("CompressedImage" if "compr" in n else "Image") for n in names
    }
    assert color_topic(kinds, rec.DEPTH) == expected

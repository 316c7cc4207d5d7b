# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Delayed masks: what they show is propagated through the depth images since then."""

from itertools import pairwise

import numpy as np
import pytest

from genpose_ros.estimation import Frame
from genpose_ros.geometry import PinholeCamera

STEP_NS, START_NS = 33_333_333, 5_000_000_000
DELAY = 5


def stamp(i):
    return START_NS + i * STEP_NS


def follow(tracker, scene, frames, place, masked):
    """Feed depth images 0, 1, ...; masks of those in `masked` come `DELAY` frames later.

    Returns the frames, and the error in metres and state of the first track after each.
    """
    scene.misled = True  # the model knows each image's points, not where the object is now
    images, errors, states = [], [], []
    for i in range(frames):
        scene.put(1, "mug", place(i))
        images.append(scene.frame())
        result = tracker.track_depth(images[i].depth_m, images[i].camera, stamp(i))
        for track in result.tracks[:1]:
            away = track.estimate.T_cam_obj[:3, 3] - scene.truth(1)[:3, 3]
            errors.append(float(np.linalg.norm(away)))
            states.append(track.state.value)
        if i - DELAY in masked:
            assert tracker.track(images[i - DELAY], stamp(i - DELAY)).delayed
    return images, errors, states


def moving(i):
    """0.6 m/s: 10 cm, more than the object is wide, in the time that masks are delayed."""
    return (-0.3 + 0.02 * i, 0.0, 0.9)


class TestInitiation:
    def test_a_new_object_of_delayed_masks_is_where_it_is_now(self, scene, tracker):
        _, errors, states = follow(tracker(), scene, 14, moving, {0, 6})
        assert states == ["new"] * 6 + ["confirmed"] * 2
        assert max(errors) < 0.01

    def test_a_new_object_is_behind_where_no_depth_images_are_kept(self, scene, tracker):
        _, errors, _ = follow(tracker(delayed_mask_horizon_s=0.0), scene, 10, moving, {0})
        assert min(errors) > 0.05

    def test_a_new_object_is_behind_where_tracks_do_not_go_on_with_depth(self, scene, tracker):
        following = tracker(track_without_masks=False)
        _, errors, _ = follow(following, scene, 10, moving, {0})
        assert min(errors) > 0.05
        assert following.state.images == ()

    def test_a_new_object_costs_four_batches_at_most(self, scene, tracker):
        following = tracker()
        model = following.estimator.model
        follow(following, scene, DELAY, moving, {0})
        model.batch_sizes.clear()
        scene.put(1, "mug", moving(DELAY))
        image = scene.frame()
        following.track_depth(image.depth_m, image.camera, stamp(DELAY))
        assert model.batch_sizes == []
        scene.put(1, "mug", moving(0))
        following.track(scene.frame(), stamp(0))
        # Itself, and at most three images since.
        assert 2 <= sum(model.batch_sizes) <= 4


class TestCorrection:
    @staticmethod
    def jumps(i):
        """Away by more than a track can be followed, shortly before the image of the masks."""
        return (-0.1 if i < 9 else -0.05 + 0.015 * (i - 9), 0.0 if i < 9 else 0.1, 0.9)

    def test_a_track_that_strayed_is_brought_to_where_its_object_is_now(self, scene, tracker):
        for delayed_mask_horizon_s, right in ((0.4, True), (0.0, False)):
            following = tracker(delayed_mask_horizon_s=delayed_mask_horizon_s)
            _, errors, _ = follow(following, scene, 19, self.jumps, {0, 6, 12})
            assert errors[-8] > 0.05
            assert (errors[-1] < 0.01) is right
            assert [t.track_id for t in following.tracks] == [1]

    def test_a_track_that_is_right_stays_as_it_is(self, scene, tracker):
        scene.deviation = 0.001
        following = tracker()
        images, errors, _ = follow(following, scene, 16, lambda i: (0.0, 0.0, 0.8), {0, 6})
        (before,) = following.state.objects
        model = following.estimator.model
        model.batch_sizes.clear()
        following.track(images[10], stamp(10))
        (after,) = following.state.objects
        assert max(errors) < 0.01
        assert after.motion is before.motion
        assert after.estimate is before.estimate
        assert after.history == before.history
        assert after.masked_ns == stamp(10)
        assert model.batch_sizes == []  # its surface fits its mask

    def test_delayed_masks_turn_a_track_that_is_the_wrong_way_round(self, scene, tracker):
        a = np.diag([1.0, -1, -1])
        b = a @ np.diag([-1.0, 1, -1])
        following = tracker(verify_period_s=0.1, pose_switch_checks=3)
        turned = []
        for i in range(40):
            # The second image's masks show it as it is; its surface fits either way.
            rotation = a if i < 8 else b
            scene.put(1, "mug", (0.0, 0.0, 0.8), rotation, [(0.999, rotation), (0.001, a)])
            image = scene.frame()
            result = following.track_depth(image.depth_m, image.camera, stamp(i))
            if result.tracks:
                T = result.tracks[0].estimate.T_cam_obj
                turned.append(bool(T[:3, 0] @ b[:, 0] > 0.9))
            if i >= DELAY and i % DELAY == 0:
                following.track(image, stamp(i - DELAY))
        assert not any(turned[:15])
        assert turned[-1]
        assert sum(before != after for before, after in pairwise(turned)) == 1
        assert [t.track_id for t in following.tracks] == [1]

    def test_the_history_after_a_delayed_mask_is_that_of_the_propagation(self, scene, tracker):
        following = tracker()
        follow(following, scene, 18, self.jumps, {0, 6, 12})
        (obj,) = following.state.objects
        stamps = [stamp_ns for stamp_ns, _ in obj.history]
        assert stamps == sorted(set(stamps))
        for i in (12, 17):
            scene.put(1, "mug", self.jumps(i))
            away = obj.at(stamp(i))[:3, 3] - scene.truth(1)[:3, 3]
            assert np.linalg.norm(away) < 0.015


class TestImages:
    def test_depth_images_are_bounded_in_number_and_not_copied(self, scene, tracker):
        following = tracker(delayed_mask_horizon_s=10.0, max_depth_images=9)
        images, _, _ = follow(following, scene, 40, lambda i: (0.0, 0.0, 0.8), {0})
        held = following.state.images
        assert len(held) == 9
        assert all(a.depth_m is b.depth_m for a, b in zip(held, images[-9:], strict=True))

    def test_a_clock_that_jumps_back_and_a_reset_drop_the_depth_images(self, scene, tracker):
        following = tracker()
        images, _, _ = follow(following, scene, 8, lambda i: (0.0, 0.0, 0.8), {0})
        jumped = [stamp(i) - 2 * 10**9 for i in range(3)]
        for stamp_ns in jumped:
            following.track_depth(images[0].depth_m, images[0].camera, stamp_ns)
        assert [i.camera_pose.stamp_ns for i in following.state.images] == jumped[-1:]
        following.reset()
        assert following.state.images == ()

    def test_depth_images_may_change_their_size(self, scene, tracker):
        """From the sixth image on every second pixel is left out."""
        scene.misled = True
        following = tracker()
        half = PinholeCamera(150.0, 150.0, 79.75, 59.75, 160, 120)
        for i in range(8):
            scene.put(1, "mug", moving(i))
            image = scene.frame()
            if i == 1:
                masked = image
            if i > 4:
                image = Frame(image.depth_m[::2, ::2], half)
            following.track_depth(image.depth_m, image.camera, stamp(i))
        following.track(masked, stamp(1))
        (obj,) = following.state.objects
        away = obj.at(stamp(7))[:3, 3] - scene.truth(1)[:3, 3]
        assert np.linalg.norm(away) == pytest.approx(0, abs=0.012)

    def test_the_camera_pose_of_each_depth_image_counts(self, scene, tracker):
        scene.misled = True
        following = tracker()
        place = np.array([0.0, 0.0, 0.9])
        for i in range(7):
            T = np.eye(4)
            T[0, 3] = 0.03 * i
            scene.put(1, "mug", place - T[:3, 3])
            image = scene.frame()
            if i == 1:
                masked, T_then = image, T
            following.track_depth(image.depth_m, image.camera, stamp(i), T)
        following.track(masked, stamp(1), T_then)
        (obj,) = following.state.objects
        assert obj.motion.stamp_ns == stamp(6)
        assert obj.motion.T_fixed_obj[:3, 3] == pytest.approx([0, 0, 0.92], abs=0.01)
        assert np.linalg.norm(obj.motion.velocity[:3]) < 0.1

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tracker from frames to tracks, with a model whose answers are known."""

import math
import pickle
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from toy_models import POSE
from tracked_scene import SceneModel

from genpose_ros.estimation import EstimatorSettings, Frame, Instance, PoseEstimator, Reason
from genpose_ros.geometry import Category, CategorySet, PinholeCamera, Symmetry
from genpose_ros.networks import ModelSet
from genpose_ros.tracking import Tracker, TrackerSettings, TrackState, constants

STEP_NS = 33_333_333
START_NS = 5_000_000_000


def stamp(i):
    return START_NS + i * STEP_NS


def turn_y(degrees):
    return Rotation.from_rotvec([0, math.radians(degrees), 0]).as_matrix()


def turned_deg(T_a, T_b):
    return math.degrees(Rotation.from_matrix(T_a[:3, :3].T @ T_b[:3, :3]).magnitude())


def states(result):
    return [track.state.value for track in result.tracks]


def run(tracker, scene, count, *, first=0, move=None, depth_only=False, **frame):
    """Feed `count` frames; `move(i)` changes the scene before each. Returns the results."""
    results = []
    for i in range(first, first + count):
        if move is not None:
            move(i)
        image = scene.frame(**frame)
        if depth_only:
            results.append(tracker.track_depth(image.depth_m, image.camera, stamp(i)))
        else:
            results.append(tracker.track(image, stamp(i)))
    return results


def with_a_lost_mug(scene, tracker):
    """A tracker after 19 frames: of a mug, tracked as 1 in four of them, and then of a wall."""
    scene.put(1, "mug", (0.0, 0.0, 0.8))
    following = tracker(max_coast_s=0.2)
    run(following, scene, 4)
    run(following, scene, 15, first=4, depth_only=True, slab_m=0.4)
    assert following.tracks[0].state is TrackState.LOST
    return following


class TestFiniteGroups:
    """A box that looks the same after half a turn: the model takes both for possible."""

    def follow(self, scene, tracker, category, count=12):
        def turn(i):
            R = POSE.numpy() @ turn_y(4.0 * i)
            modes = [(0.5, R), (0.5, R @ turn_y(180))]
            scene.put(1, "box", (0.01 * i, 0.0, 0.8), R, modes[:: 1 if i % 2 else -1])

        turn(0)
        following = tracker()
        following.estimator.model.categories = CategorySet((category,))
        return run(following, scene, count, move=turn)

    def test_a_track_keeps_the_member_of_its_group_while_the_object_turns(self, scene, tracker):
        box = Category(name="box", symmetry=Symmetry.parse({"y": "half"}))
        results = self.follow(scene, tracker, box)
        poses = [result.tracks[0].estimate.T_cam_obj for result in results]
        steps = [turned_deg(a, b) for a, b in pairwise(poses)]
        assert max(steps) < 12  # 4 degrees a frame and what the candidates scatter
        assert turned_deg(poses[0], poses[-1]) == pytest.approx(44, abs=8)
        assert {track.track_id for result in results for track in result.tracks} == {1}
        assert min(result.tracks[0].estimate.score for result in results) > 0.9

    def test_without_the_symmetry_half_of_the_candidates_speak_against_the_pose(
        self, scene, tracker
    ):
        results = self.follow(scene, tracker, Category(name="box"), count=1)
        assert results[0].tracks[0].estimate.score < 0.8


class TestSeveralModels:
    """Mugs and drills, each with a model of its own."""

    @pytest.fixture
    def following(self, scene):
        parts = SceneModel(scene), SceneModel(scene)
        for model, name in zip(parts, ("mug", "drill"), strict=True):
            model.categories = CategorySet((Category(name=name),))
        settings = EstimatorSettings(candidates=20, steps=6, points=64, min_points=30)
        return Tracker(PoseEstimator(ModelSet(parts), settings), TrackerSettings())

    def test_ids_are_unique_over_all_models(self, scene, following):
        for number, name in enumerate(("mug", "drill", "mug", "drill"), start=1):
            scene.put(number, name, (-0.4 + 0.16 * number, 0.0, 0.8))
        results = run(following, scene, 6)
        names = [track.name for track in results[-1].tracks]
        assert names == ["mug_1", "drill_2", "mug_3", "drill_4"]
        assert states(results[-1]) == ["confirmed"] * 4
        for model in following.estimator.models.models:
            assert model.batch_sizes[-1] == 2
        for track in results[-1].tracks:
            truth = scene.truth(track.track_id)
            assert track.estimate.T_cam_obj[:3, 3] == pytest.approx(truth[:3, 3], abs=0.01)

    def test_an_object_is_hidden_by_one_of_another_model(self, scene, following):
        scene.put(1, "mug", (0.0, 0.0, 0.9))
        scene.put(2, "drill", (-0.2, 0.0, 0.6))
        run(following, scene, 5)

        def move(i):
            there, back = min(i - 5, 10), max(i - 24, 0)
            scene.put(2, "drill", (0.02 * (there + back) - 0.2, 0.0, 0.6))

        hidden = run(following, scene, 20, first=5, move=move)
        assert [(t.name, t.state.value) for t in hidden[-1].tracks] == [
            ("mug_1", "coasting"),
            ("drill_2", "confirmed"),
        ]
        back = run(following, scene, 12, first=25, move=move)
        assert [t.name for t in back[-1].tracks] == ["mug_1", "drill_2"]
        assert back[-1].tracks[0].state is TrackState.CONFIRMED

    def test_a_track_whose_class_changes_goes_over_to_the_other_model(self, scene, following):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        run(following, scene, 5)
        scene.put(1, "drill", (0.0, 0.0, 0.8))
        results = run(following, scene, following.settings.class_change_frames + 2, first=5)
        (track,) = results[-1].tracks
        assert (track.track_id, track.name, track.estimate.category) == (1, "drill_1", "drill")
        assert sum(following.estimator.models.models[1].batch_sizes) >= 2


class TestFollowing:
    def test_a_still_object_is_confirmed_and_stays(self, scene, tracker):
        scene.put(7, "mug", (0.02, 0.0, 0.8))
        results = run(tracker(confirm_frames=3), scene, 6)
        assert [states(r) for r in results] == [["new"]] * 2 + [["confirmed"]] * 4
        (track,) = results[-1].tracks
        assert (track.track_id, track.name, track.instance_id) == (1, "mug_1", 7)
        assert track.age_s == pytest.approx(5 * STEP_NS / 1e9)
        assert track.unseen_s == 0
        # Ten of 20 candidates of deviation 0.01.
        assert track.estimate.T_cam_obj[:3, 3] == pytest.approx(scene.truth(7)[:3, 3], abs=0.008)
        assert turned_deg(track.estimate.T_cam_obj, scene.truth(7)) < 1.5

    def test_a_moving_object_is_followed_and_its_velocity_known(self, scene, tracker):
        def move(i):
            angle = turn_y(2.0 * i)
            centre = (-0.15 + 0.4 * i / 30, 0.0, 0.8)
            scene.put(1, "mug", centre, angle @ np.diag([1.0, -1, -1]))

        results = run(tracker(), scene, 24, move=move)
        errors = []
        for i, result in enumerate(results):
            move(i)
            (track,) = result.tracks
            errors.append(np.linalg.norm(track.estimate.T_cam_obj[:3, 3] - scene.truth(1)[:3, 3]))
        assert max(errors) < 0.015
        assert track.velocity[:3] == pytest.approx([0.4, 0, 0], abs=0.06)
        assert np.rad2deg(track.velocity[3:]) == pytest.approx([0, 60, 0], abs=12)

    def test_tracked_objects_are_one_batch_and_new_ones_another(self, scene, tracker):
        for i in range(3):
            scene.put(i + 1, "mug", (-0.2 + 0.2 * i, 0.0, 0.8))
        following = tracker(verify_period_s=0.0)
        run(following, scene, 2)
        scene.put(4, "can", (0.0, 0.2, 0.8))
        model = following.estimator.model
        model.batch_sizes.clear()
        run(following, scene, 1, first=2)
        assert model.batch_sizes == [3, 1]

    def test_the_number_of_points_may_change_on_the_way(self, scene, tracker):
        scene.put(1, "mug", (-0.2, 0.0, 0.8))
        following = tracker()
        run(following, scene, 3)
        following.estimator.settings = replace(following.estimator.settings, points=1024)
        scene.put(2, "can", (0.2, 0.0, 0.8))
        results = run(following, scene, 3, first=3)
        assert states(results[-1]) == ["confirmed", "confirmed"]
        assert {len(o.points_obj) for o in following.state.objects} == {1024}

    def test_between_masks_the_depth_alone_is_enough(self, scene, tracker):
        def move(i):
            scene.put(1, "mug", (-0.1 + 0.2 * i / 30, 0.0, 0.8))

        following = tracker(max_unmasked_s=0.5)
        run(following, scene, 4, move=move)
        results = run(following, scene, 14, first=4, move=move, depth_only=True)
        assert {s for r in results for s in states(r)} == {"confirmed"}
        (track,) = results[-1].tracks
        assert track.instance_id == -1
        assert track.estimate.T_cam_obj[:3, 3] == pytest.approx(scene.truth(1)[:3, 3], abs=0.012)
        # Half a second after the last mask nobody vouches for it any more.
        results = run(following, scene, 6, first=18, move=move, depth_only=True)
        assert states(results[-1]) == ["coasting"]
        (said,) = [note for r in results for note in r.notes]
        assert said.startswith("no mask for 0.5 s: mug_1 no longer followed by depth alone")

    def test_with_masks_for_the_first_images_only_the_depth_vouches_for_as_long_as_is_set(
        self, scene, tracker
    ):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker(max_unmasked_s=0.0)
        run(following, scene, 4)
        results = run(following, scene, 60, first=4, depth_only=True)
        assert {s for r in results for s in states(r)} == {"confirmed"}

    def test_between_masks_of_a_slow_segmenter_the_depth_is_enough(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker(verify_period_s=0.0, max_unmasked_s=0.2, max_coast_s=0.1)
        seen, notes = [], []
        for i in range(60):
            result = following.track_depth(scene.frame().depth_m, scene.camera, stamp(i))
            seen.append(states(result))
            notes += result.notes
            if i in (3, 12, 21):  # every ninth image, 0.1 s late
                following.track(scene.frame(), stamp(i - 3))
        # For 2.5 times 0.3 s after the last mask, of image 18.
        assert {s for each in seen[13:40] for s in each} == {"confirmed"}
        assert seen[41] == ["coasting"]
        assert seen[-1] == ["lost"]
        assert [note.split(":")[0] for note in notes] == ["no mask for 0.75 s"]

    def test_between_masks_a_large_object_keeps_its_points(self, scene, tracker):
        scene.SIDE_M = 0.5
        scene.put(1, "laptop", (0.0, 0.0, 1.2))
        following = tracker(verify_period_s=0.0)
        following.estimator.settings = replace(following.estimator.settings, points=1024)
        run(following, scene, 2)
        results = run(following, scene, 5, first=2, depth_only=True)
        counts = [r.tracks[0].estimate.n_points for r in results]
        assert {s for r in results for s in states(r)} == {"confirmed"}
        # About 2000 pixels in and around it are looked at, three quarters of them on it; a third
        # of those fall between the points of its surface that they are compared with.
        assert min(counts) > 900

    def test_between_masks_a_lost_object_is_found_where_it_was(self, scene, tracker):
        following = with_a_lost_mug(scene, tracker)
        (back,) = run(following, scene, 1, first=19, depth_only=True)
        assert states(back) == ["confirmed"]
        assert back.tracks[0].track_id == 1

    def test_between_masks_something_else_in_its_place_is_not_taken_for_it(self, scene, tracker):
        following = with_a_lost_mug(scene, tracker)
        # As far away as it was, and turned by a right angle.
        scene.put(1, "mug", (0.0, 0.0, 0.8), scene.truth(1)[:3, :3] @ turn_y(90))
        results = run(following, scene, 5, first=19, depth_only=True)
        assert [states(r) for r in results] == [["lost"]] * 5

    def test_tracks_coast_between_masks_where_depth_alone_may_not_be_used(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker(track_without_masks=False)
        run(following, scene, 4)
        (result,) = run(following, scene, 1, first=4, depth_only=True)
        assert states(result) == ["coasting"]

    def test_the_first_points_of_a_surface_are_spread_over_all_of_it(self, scene, tracker):
        """Some of them are compared with images: without random order that would be one edge."""
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker(verify_period_s=0.0)
        following.estimator.settings = replace(following.estimator.settings, points=1024)
        run(following, scene, 4)
        run(following, scene, 2, first=4, depth_only=True)
        (obj,) = following.state.objects
        for points in (obj.points_obj, obj.estimate.points_cam):
            assert np.ptp(points[:96], axis=0) == pytest.approx(np.ptp(points, axis=0), abs=0.015)

    def test_smoothing_gives_the_filters_pose(self, scene, tracker):
        rng = np.random.default_rng(0)

        def jitter(i):
            scene.put(1, "mug", np.array([0.0, 0.0, 0.8]) + rng.normal(0, [0.004, 0.004, 0]))

        spreads = []
        for smoothing in (False, True):
            following = tracker(smoothing=smoothing, steady=False, verify_period_s=0.0)
            results = run(following, scene, 24, move=jitter)
            path = [r.tracks[0].estimate.T_cam_obj[:3, 3] for r in results[8:]]
            spreads.append(np.std(path, axis=0)[:2].mean())
        assert spreads[1] < 0.8 * spreads[0]

    def test_what_rests_is_steadied_until_it_is_pushed(self, scene, tracker):
        """Still for two seconds, but for noise, then carried by 0.3 m/s."""
        noise = np.random.default_rng(0).normal(0, [0.002, 0.002, 0], (80, 3))
        path = np.array([[0.0, 0.0, 0.8]]) + noise
        path[60:, 0] += 0.01 * np.arange(1, 21)
        errors = []
        for steady in (False, True):
            following = tracker(steady=steady, verify_period_s=0.0)
            results = run(following, scene, 80, move=lambda i: scene.put(1, "mug", path[i]))
            shown = [result.tracks[0].estimate.T_cam_obj[:3, 3] for result in results]
            errors.append(np.array(shown) - path)
        single, steadied = (np.std(e[30:60, :2] + noise[30:60, :2]) for e in errors)
        assert steadied < 0.4 * single
        lag = np.linalg.norm(errors[1] - errors[0], axis=1)
        assert lag[60:64].max() < 1.1 * constants.REST_M
        assert lag[66:].max() < 1.1 * constants.MOVING_SHARE * constants.REST_M

    def test_steadied_poses_stay_near_the_others_and_no_track_knows_of_them(self, scene, tracker):
        """Nudged, hidden in part, in whole and not at all, with a mask in every third frame."""
        noise = np.random.default_rng(1).normal(0, [0.002, 0.002, 0], (100, 3))
        runs = []
        for steady in (False, True):
            following, states = tracker(steady=steady, verify_period_s=0.0), []
            for i in range(100):
                scene.put(1, "mug", noise[i] + [0.002 * max(i - 50, 0), 0.0, 0.8])
                slab_m = 0.4 if 30 <= i < 45 else None
                behind = slice(0, 150 if i < 40 else None)
                how = {"depth_only": i % 3 > 0, "slab_m": slab_m, "behind": behind}
                result = run(following, scene, 1, first=i, **how)[0]
                states.append((following.state.objects[0], result.tracks[0].estimate.T_cam_obj))
            runs.append(states)
        gaps = []
        for (single, T_single), (steadied, T_steadied) in zip(*runs, strict=True):
            for name in ("T_fixed_obj", "velocity", "covariance"):
                np.testing.assert_array_equal(
                    getattr(single.motion, name), getattr(steadied.motion, name)
                )
            np.testing.assert_array_equal(single.points_obj, steadied.points_obj)
            gaps.append(np.linalg.norm(T_single[:3, 3] - T_steadied[:3, 3]))
            assert turned_deg(T_single, T_steadied) < constants.REST_DEG + 1e-6
        assert constants.MOVING_SHARE * constants.REST_M < max(gaps) < constants.REST_M + 1e-9

    def test_what_rests_does_not_jump_when_it_is_hidden(self, scene, tracker):
        noise = np.random.default_rng(2).normal(0, [0.002, 0.002, 0], (70, 3))
        shown = []
        for steady in (False, True):
            following, path = tracker(steady=steady, verify_period_s=0.0), []
            for i in range(70):
                scene.put(1, "mug", noise[i] + [0.0, 0.0, 0.8])
                hides = {"slab_m": 0.4} if 50 <= i < 60 else {}
                (result,) = run(following, scene, 1, first=i, **hides)
                path.append(result.tracks[0].estimate.T_cam_obj[:3, 3])
                assert (result.tracks[0].state is TrackState.COASTING) == bool(hides)
            shown.append(np.linalg.norm(np.diff(path[48:62], axis=0), axis=1).max())
        assert shown[1] < 0.001 < 0.002 < shown[0]

    def test_what_a_hand_hides_and_takes_away_does_not_rest_any_more(self, scene, tracker):
        following = tracker(verify_period_s=0.0)

        def carry(i):
            scene.put(1, "mug", (0.005 * max(i - 30, 0) - 0.05, 0.0, 0.8))

        run(following, scene, 30, move=carry)
        rests = []
        for i in range(30, 60):
            carry(i)
            left = int(159.5 + 300 * (scene.objects[1]["centre"][0] - 0.02) / 0.8)
            run(following, scene, 1, first=i, slab_m=0.4, behind=slice(0, left))
            (obj,) = following.state.objects
            assert obj.last.stamp_ns == stamp(i)
            rests.append(obj.rest is not None)
        # As long as it may be its occlusion that misleads, its rest is believed.
        assert rests[:5] == [True] * 5
        assert rests[15:] == [False] * 15

    def test_rest_ends_with_what_an_object_was_taken_for(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker(verify_period_s=0.0, class_change_frames=3)
        run(following, scene, 30)
        run(following, scene, 3, first=30, categories={1: "bottle"})
        (obj,) = following.state.objects
        assert (obj.category, obj.rest.frames) == ("bottle", 1)

    def test_what_is_known_of_the_rest_is_of_one_fixed_frame(self, scene, tracker):
        """Once the camera's pose is known, poses against the camera are not averaged with others"""
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker(verify_period_s=0.0)
        run(following, scene, 30)
        (obj,) = following.state.objects
        assert obj.rest.frames == 29
        T_fixed_cam = np.eye(4)
        T_fixed_cam[:3, 3] = 1.0, 2.0, 3.0
        following.track(scene.frame(), stamp(30), T_fixed_cam)
        (obj,) = following.state.objects
        assert obj.rest.frames == 1
        assert obj.rest.T_fixed_obj[:3, 3] == pytest.approx([1.0, 2.0, 3.82], abs=0.005)


class TestIdentity:
    def test_equal_objects_that_cross_keep_their_ids(self, scene, tracker):
        def move(i):
            x = 0.3 * (i - 15) / 15
            scene.put(1, "mug", (0.5 * x, 0.0, 0.7))
            scene.put(2, "mug", (-0.5 * x, 0.0, 0.9))

        results = run(tracker(), scene, 31, move=move)
        where = {t.track_id: t.estimate.T_cam_obj[:3, 3] for t in results[-1].tracks}
        start = {t.track_id: t.estimate.T_cam_obj[:3, 3] for t in results[3].tracks}
        assert set(where) == set(start) == {1, 2}
        for number in (1, 2):
            assert where[number][2] == pytest.approx(start[number][2], abs=0.02)
            assert np.sign(where[number][0]) == -np.sign(start[number][0])

    def test_ids_survive_a_second_of_full_occlusion(self, scene, tracker):
        scene.put(1, "mug", (-0.1, 0.0, 0.8))
        scene.put(2, "mug", (0.1, 0.0, 0.8))
        following = tracker(max_coast_s=0.5)
        run(following, scene, 5)
        before = {t.track_id: t.estimate.T_cam_obj for t in following.tracks}
        hidden = run(following, scene, 30, first=5, slab_m=0.4)
        assert states(hidden[0]) == states(hidden[13]) == ["coasting"] * 2
        assert states(hidden[-1]) == ["lost"] * 2
        assert hidden[-1].tracks[0].unseen_s == pytest.approx(30 * STEP_NS / 1e9)
        back = run(following, scene, 3, first=35)
        assert states(back[-1]) == ["confirmed"] * 2
        for track in back[-1].tracks:
            T = track.estimate.T_cam_obj
            assert T[:3, 3] == pytest.approx(before[track.track_id][:3, 3], abs=0.02)

    def test_what_is_taken_away_is_lost_and_then_forgotten(self, scene, tracker):
        scene.put(1, "mug", (-0.1, 0.0, 0.8))
        following = tracker(max_coast_s=0.5, keep_lost_s=1.0)
        run(following, scene, 5)
        # The wall behind its place is seen: no need to wait for max_coast_s.
        results = run(following, scene, 45, first=5, without=(1,))
        assert states(results[0]) == ["coasting"]
        assert states(results[5]) == ["lost"]
        assert states(results[27]) == ["lost"]
        assert states(results[31]) == []
        run(following, scene, 3, first=60)
        assert [t.track_id for t in following.tracks] == [2]

    def test_a_passing_wrong_class_changes_nothing(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker(class_change_frames=6)
        run(following, scene, 4)
        results = run(following, scene, 5, first=4, categories={1: "bowl"})
        assert all(t.name == "mug_1" for r in results for t in r.tracks)
        assert all(states(r) == ["confirmed"] for r in results)
        run(following, scene, 1, first=9)
        results = run(following, scene, 7, first=10, categories={1: "bowl"})
        assert [r.tracks[0].name for r in results] == ["mug_1"] * 5 + ["bowl_1"] * 2
        assert results[-1].tracks[0].estimate.category == "bowl"

    def test_a_new_track_takes_the_class_of_its_last_mask(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker(confirm_frames=2)
        run(following, scene, 1, categories={1: "laptop"})
        results = run(following, scene, 3, first=1)
        assert [r.tracks[0].name for r in results] == ["mug_1"] * 3
        assert states(results[0]) == ["new"]
        assert states(results[1]) == ["confirmed"]

    def test_a_second_mask_of_an_object_begins_no_track(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker()
        for i in range(6):
            frame = scene.frame()
            whole = frame.instances[0]
            half = replace(whole, id=9, mask=whole.mask & (np.arange(240)[:, None] < 120))
            result = following.track(replace(frame, instances=(whole, half)), stamp(i))
            assert [t.track_id for t in result.tracks] == [1]
            assert [r.reason for r in result.rejections] == [Reason.DUPLICATE]

    def test_an_object_split_into_two_masks_is_one(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker()
        for i in range(6):
            frame = scene.frame()
            mask, upper = frame.instances[0].mask, np.arange(240)[:, None] < 122
            parts = (Instance(1, "mug", mask & upper), Instance(2, "mug", mask & ~upper))
            result = following.track(replace(frame, instances=parts), stamp(i))
            assert len(result.tracks) == 1

    def test_a_single_wrong_mask_is_not_confirmed(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        scene.put(2, "can", (0.3, 0.1, 0.9))
        following = tracker(confirm_frames=2)
        run(following, scene, 3, masked=(1,))
        run(following, scene, 1, first=3)
        results = run(following, scene, 3, first=4, masked=(1,))
        assert all("can_2" not in [t.name for t in r.tracks if t.state != "new"] for r in results)
        assert [t.name for t in results[-1].tracks] == ["mug_1"]

    def test_trusted_mask_ids_win_over_nearness(self, scene, tracker):
        for trust, expected in ((False, 0.05), (True, -0.05)):
            scene.put(1, "mug", (-0.05, 0.0, 0.8))
            scene.put(2, "mug", (0.05, 0.0, 0.8))
            following = tracker(use_mask_ids=trust)
            run(following, scene, 4)
            # They change places between two frames: nearness says that nothing happened.
            scene.put(1, "mug", (0.05, 0.0, 0.8))
            scene.put(2, "mug", (-0.05, 0.0, 0.8))
            (result,) = run(following, scene, 1, first=4)
            second = result.tracks[1].estimate
            assert second.T_cam_obj[0, 3] == pytest.approx(expected, abs=0.02)


class TestAmbiguity:
    def test_the_unobservable_yaw_is_kept(self, scene, tracker):
        rng = np.random.default_rng(1)

        def spin(i):
            # What the model says about the unobservable yaw changes from frame to frame.
            yaw = turn_y(rng.uniform(0, 360))
            tilt = Rotation.from_rotvec([math.radians(20 * math.sin(i / 5)), 0, 0]).as_matrix()
            scene.put(1, "can", (0.0, 0.0, 0.8), tilt @ np.diag([1.0, -1, -1]) @ yaw)

        following = tracker(verify_period_s=0.1)
        results = run(following, scene, 30, move=spin)
        poses = [r.tracks[0].estimate.T_cam_obj for r in results]
        for a, b in pairwise(poses):
            tilt = math.degrees(math.acos(min(1.0, a[:3, 1] @ b[:3, 1])))
            assert turned_deg(a, b) == pytest.approx(tilt, abs=0.2)

    @pytest.mark.parametrize("smoothing", [False, True])
    def test_the_unobservable_yaw_is_never_known_seen_coasting_or_lost(
        self, scene, tracker, smoothing
    ):
        tilt = Rotation.from_rotvec([0.4, 0.0, 0.3]).as_matrix()
        scene.put(1, "can", (0.0, 0.0, 0.8), tilt @ np.diag([1.0, -1, -1]))
        scene.put(2, "mug", (0.2, 0.0, 0.8))
        following = tracker(max_coast_s=0.2, smoothing=smoothing)
        results = run(following, scene, 6)
        results += run(following, scene, 12, first=6, slab_m=0.4)
        for state in ("new", "confirmed", "coasting", "lost"):
            of_state = [t for r in results for t in r.tracks if t.state.value == state]
            assert of_state
            for track in of_state:
                estimate = track.estimate
                about_y = np.concatenate((np.zeros(3), estimate.T_cam_obj[:3, 1]))
                variance = about_y @ estimate.covariance @ about_y
                if estimate.category == "can":
                    assert variance == pytest.approx(math.pi**2 / 3, rel=1e-3)
                elif state != "lost":
                    assert variance < 0.5

    def test_a_tie_between_modes_does_not_flip(self, scene, tracker):
        a = np.diag([1.0, -1, -1])
        following = tracker(verify_period_s=0.05)

        def undecided(i):
            weight = 0.7 if i % 2 else 0.3
            modes = [(weight, a), (1 - weight, a @ turn_y(100))]
            scene.put(1, "mug", (0.0, 0.0, 0.8), a, modes)

        results = run(following, scene, 30, move=undecided)
        poses = [r.tracks[0].estimate.T_cam_obj for r in results]
        assert max(turned_deg(poses[2], T) for T in poses[2:]) < 5

    def test_a_clear_alternative_pose_is_switched_to_once(self, scene, tracker):
        a = np.diag([1.0, -1, -1])
        b = a @ turn_y(100)
        following = tracker(verify_period_s=0.1, pose_switch_checks=3)
        scene.put(1, "mug", (0.0, 0.0, 0.8), a)
        run(following, scene, 4)
        # The handle comes into view: it was the other pose. The old one is still possible.
        scene.put(1, "mug", (0.0, 0.0, 0.8), b, [(0.999, b), (0.001, a)])
        results = run(following, scene, 20, first=4)
        at_b = [turned_deg(r.tracks[0].estimate.T_cam_obj, b) < 10 for r in results]
        assert not any(at_b[:2])
        assert at_b[-1]
        assert sum(x != y for x, y in pairwise(at_b)) == 1
        assert {t.track_id for r in results for t in r.tracks} == {1}

    def test_without_masks_nothing_is_verified(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker(verify_period_s=0.01)
        run(following, scene, 4)
        model = following.estimator.model
        for depth_only, batches in ((False, [1, 1] * 5), (True, [1] * 5)):
            model.batch_sizes.clear()
            run(following, scene, 5, first=10 if depth_only else 4, depth_only=depth_only)
            assert model.batch_sizes == batches


class TestOcclusion:
    def test_what_is_left_of_a_still_object_does_not_pull_it_along(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        scene.misled = True
        following = tracker(verify_period_s=0.0)
        run(following, scene, 8)
        errors, raw = [], []
        for i in range(7):
            # A slab comes from the left: 6 of 8 parts of the 30 columns are hidden in the end.
            frame = scene.frame(slab_m=0.4, behind=slice(0, 145 + 30 * i // 8))
            result = following.track(frame, stamp(8 + i))
            x = scene.truth(1)[0, 3]
            errors.append(abs(result.tracks[0].estimate.T_cam_obj[0, 3] - x))
            visible = scene.camera.back_project(frame.depth_m, frame.instances[0].mask)
            raw.append(abs(visible[:, 0].mean() - x))
        assert max(raw) > 0.025
        assert max(errors) < 0.5 * max(raw)
        # It still knows how large it was: behind the slab it is hidden, not smaller.
        (obj,) = following.state.objects
        assert np.ptp(obj.points_obj, axis=0).max() > 0.07

    def test_the_border_of_the_image_does_not_pull_a_still_object_along(self, scene, tracker):
        scene.misled = True
        following = tracker(verify_period_s=0.0)
        x_m, errors, raw = -0.36, [], []
        for i in range(20):
            # From the sixth image on, its middle leaves after the thirteenth, a pixel or two each.
            T_fixed_cam = np.eye(4)
            T_fixed_cam[0, 3] = 0.005 * i
            scene.put(1, "mug", (x_m - T_fixed_cam[0, 3], 0.0, 0.8))
            frame = scene.frame()
            result = following.track(frame, stamp(i), T_fixed_cam)
            shown = scene.camera.back_project(frame.depth_m, frame.instances[0].mask)
            raw.append(abs(shown[:, 0].mean() - scene.truth(1)[0, 3]))
            errors.append(abs(result.tracks[0].estimate.T_cam_obj[0, 3] - scene.truth(1)[0, 3]))
        assert max(raw) > 0.025
        assert max(errors) < 0.2 * max(raw)
        (obj,) = following.state.objects
        assert np.ptp(obj.points_obj, axis=0).max() > 0.07

    def test_at_the_border_a_wrong_prediction_does_not_count_where_the_camera_is_not_known(
        self, scene, tracker
    ):
        scene.misled = True
        following = tracker(verify_period_s=0.0)
        places_m, errors = np.repeat([-0.35, -0.41, -0.34, -0.41], [8, 6, 6, 6]), []
        for i, x_m in enumerate(places_m):
            scene.put(1, "mug", (x_m, 0.0, 0.8))
            (track,) = following.track(scene.frame(), stamp(i)).tracks
            errors.append(abs(track.estimate.T_cam_obj[0, 3] - scene.truth(1)[0, 3]))
        assert max(errors) < 0.02

    def test_a_moving_object_is_followed_while_half_of_it_is_hidden(self, scene, tracker):
        def move(i):
            scene.put(1, "mug", (-0.1 + 0.3 * i / 30, 0.0, 0.8))

        following = tracker(verify_period_s=0.0)
        run(following, scene, 8, move=move)
        for i in range(8, 14):
            move(i)
            middle = round(159.5 + 300 * scene.truth(1)[0, 3] / 0.8)
            frame = scene.frame(slab_m=0.4, behind=slice(0, middle))
            (track,) = following.track(frame, stamp(i)).tracks
            assert track.estimate.T_cam_obj[0, 3] == pytest.approx(scene.truth(1)[0, 3], abs=0.02)

    def test_a_sliver_far_off_is_not_the_objects_return(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker(max_coast_s=0.1)
        run(following, scene, 4)
        run(following, scene, 6, first=4, slab_m=0.6)
        # A mask that is a little early: its pixels still show the slab.
        frame = scene.frame(slab_m=0.6)
        mask = np.zeros((240, 320), dtype=bool)
        mask[110:130, 170:178] = True
        scene.objects[1]["centre"] = np.array([0.02, 0.0, 0.6])
        result = following.track(replace(frame, instances=(Instance(3, "mug", mask),)), stamp(10))
        assert states(result) == ["lost"]
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        (result,) = run(following, scene, 1, first=11)
        assert [(t.track_id, t.state.value) for t in result.tracks] == [(1, "confirmed")]


class TestCamera:
    def poses(self, count):
        """A camera that moves by 0.3 m/s and turns by 60 degrees per second."""
        out = []
        for i in range(count):
            T = np.eye(4)
            T[:3, :3] = Rotation.from_rotvec([0, 0, math.radians(2.0 * i)]).as_matrix()
            T[:3, 3] = [0.01 * i, 0, 0]
            out.append(T)
        return out

    def test_coasting_poses_follow_the_cameras_motion_exactly(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker(predict=False, max_coast_s=1.0)
        for i in range(3):
            following.track(scene.frame(), stamp(i), np.eye(4))
        before = following.tracks[0].estimate.T_cam_obj
        places = []
        for i, T_fixed_cam in enumerate(self.poses(8)):
            result = following.track(scene.frame(slab_m=0.4), stamp(3 + i), T_fixed_cam)
            assert result.compensated
            places.append(T_fixed_cam @ result.tracks[0].estimate.T_cam_obj)
        assert all(np.allclose(T, places[0], atol=1e-12) for T in places)
        # The filter's pose, not that of the last frame alone.
        assert np.linalg.norm(places[0][:3, 3] - before[:3, 3]) < 0.005

    def test_without_the_cameras_pose_no_motion_is_compensated(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker(predict=False)
        poses = self.poses(6)
        results = [following.track(scene.frame(), stamp(i), poses[i]) for i in range(2)]
        assert [r.compensated for r in results] == [True, True]
        result = following.track(scene.frame(), stamp(2), None)
        assert not result.compensated
        assert states(result) == ["confirmed"]
        # Seen while the camera's pose was unknown: one more frame without compensation.
        result = following.track(scene.frame(), stamp(3), poses[3])
        assert not result.compensated
        assert result.tracks[0].estimate.T_cam_obj[:3, 3] == pytest.approx(
            scene.truth(1)[:3, 3], abs=0.01
        )
        assert following.track(scene.frame(), stamp(4), poses[4]).compensated

    @pytest.mark.parametrize(
        "bad", [np.full((4, 4), np.nan), np.diag([2.0, 2, 2, 1]), np.eye(3), np.diag([1, 1, -1, 1])]
    )
    def test_a_bad_camera_pose_is_taken_as_unknown(self, scene, tracker, bad):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        result = tracker().track(scene.frame(), stamp(0), bad)
        assert not result.compensated
        assert "rigid transform" in result.notes[0]
        assert len(result.tracks) == 1

    def test_a_moving_camera_leaves_still_objects_at_rest(self, scene, tracker):
        following = tracker()
        place = np.array([0.0, 0.0, 0.8])
        for i, T in enumerate(self.poses(15)):
            centre = T[:3, :3].T @ (place - T[:3, 3])
            rotation = T[:3, :3].T @ np.diag([1.0, -1, -1])
            scene.put(1, "mug", centre, rotation)
            result = following.track(scene.frame(), stamp(i), T)
        (track,) = result.tracks
        assert track.estimate.T_cam_obj[:3, 3] == pytest.approx(scene.truth(1)[:3, 3], abs=0.01)
        assert np.linalg.norm(track.velocity[:3]) < 0.08

    def test_the_result_tells_the_pose_that_velocities_are_turned_by(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker()
        poses = self.poses(6)
        result = following.track(scene.frame(), stamp(0))
        assert np.array_equal(result.T_fixed_cam, np.eye(4))
        for i in range(1, 4):
            result = following.track(scene.frame(), stamp(i), poses[i])
            assert np.array_equal(result.T_fixed_cam, poses[i])
        # Not known: the last one is in force, for depth images and masks, on time or not.
        image = scene.frame()
        assert np.array_equal(following.track(image, stamp(4)).T_fixed_cam, poses[3])
        delayed = following.track(image, stamp(2), poses[2])
        assert delayed.delayed
        assert np.allclose(delayed.T_fixed_cam, poses[2])
        refused = following.track_depth(np.zeros((3, 3), np.float32), image.camera, stamp(5))
        assert refused.rejections
        assert np.array_equal(refused.T_fixed_cam, poses[3])

    @pytest.mark.parametrize("how", ["reset", "clock"])
    def test_what_begins_anew_forgets_the_cameras_pose(self, scene, tracker, how):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker()
        following.track(scene.frame(), stamp(100), self.poses(9)[8])
        if how == "reset":
            following.reset()
        else:  # a clock that jumped is what three frames agree on
            following.track(scene.frame(), stamp(0))
            following.track(scene.frame(), stamp(1))
        result = following.track(scene.frame(), stamp(2))
        assert np.array_equal(result.T_fixed_cam, np.eye(4))


class TestDelayedMasks:
    def test_delayed_masks_initiate_and_confirm_tracks_without_moving_them_back(
        self, scene, tracker
    ):
        def move(i):
            scene.put(1, "mug", (-0.1 + 0.2 * i / 30, 0.0, 0.8))

        scene.misled = True  # the model knows each image's points, not where the object is now
        following = tracker(confirm_frames=2)
        pending = {}
        for i in range(30):
            move(i)
            if i % 6 == 0:
                pending[i + 4] = (scene.frame(), stamp(i))
            image = scene.frame()
            now = following.track_depth(image.depth_m, image.camera, stamp(i))
            if i in pending:
                positions = {t.track_id: t.estimate.T_cam_obj[0, 3] for t in following.tracks}
                delayed = following.track(*pending[i])
                assert delayed.delayed
                assert not delayed.rejections
                # Poses are those of the mask's own time: 4 frames and 2.7 cm ago.
                if i > 10:
                    shift = positions[1] - delayed.tracks[0].estimate.T_cam_obj[0, 3]
                    assert shift == pytest.approx(4 * 0.2 / 30, abs=0.01)
                assert {t.track_id: t.estimate.T_cam_obj[0, 3] for t in following.tracks} == (
                    positions
                )
            if i >= 5:
                assert [t.track_id for t in now.tracks] == [1]
                error = now.tracks[0].estimate.T_cam_obj[:3, 3] - scene.truth(1)[:3, 3]
                assert np.linalg.norm(error) < 0.012
            if i >= 11:
                assert states(now) == ["confirmed"]

    def test_delayed_masks_find_an_object_that_moved_while_it_was_lost(self, scene, tracker):
        following = with_a_lost_mug(scene, tracker)
        scene.put(1, "mug", (0.1, 0.0, 0.8))
        run(following, scene, 3, first=19, depth_only=True)
        assert following.tracks[0].state is TrackState.LOST
        delayed = following.track(scene.frame(), stamp(20))
        assert (delayed.delayed, [t.track_id for t in delayed.tracks]) == (True, [1])
        (result,) = run(following, scene, 1, first=22, depth_only=True)
        assert states(result) == ["confirmed"]
        assert result.tracks[0].track_id == 1

    def test_a_delayed_depth_image_is_refused(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker()
        run(following, scene, 4)
        (result,) = run(following, scene, 1, first=1, depth_only=True)
        assert [r.reason for r in result.rejections] == [Reason.STAMP_OUT_OF_ORDER]
        assert result.delayed
        assert len(following.tracks) == 1


class TestBadInput:
    def test_a_clock_that_jumps_back_clears_the_tracks(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker(clock_jump_s=1.0)
        run(following, scene, 4)
        for i in range(2):
            result = following.track(scene.frame(), stamp(i) - 2_000_000_000)
            assert [r.reason for r in result.rejections] == [Reason.STAMP_OUT_OF_ORDER]
            assert [t.name for t in following.tracks] == ["mug_1"]
        result = following.track(scene.frame(), stamp(2) - 2_000_000_000)
        (note,) = result.notes
        assert note.endswith(" s: 1 tracks cleared")
        assert [(t.name, t.state) for t in result.tracks] == [("mug_2", TrackState.NEW)]
        assert following.track(scene.frame(), stamp(3) - 2_000_000_000).notes == ()

    def test_a_single_frame_with_a_stamp_of_long_ago_renames_nothing(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker(clock_jump_s=1.0)
        for i in range(4):
            assert following.track(scene.frame(), stamp(i)).notes == ()
            result = following.track(scene.frame(), stamp(i) - 50 * 10**9)
            assert [r.reason for r in result.rejections] == [Reason.STAMP_OUT_OF_ORDER]
        assert [t.name for t in following.tracks] == ["mug_1"]

    def test_reset_forgets_everything_but_the_ids(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker()
        run(following, scene, 4)
        following.reset()
        assert following.tracks == ()
        (result,) = run(following, scene, 1)
        assert [t.track_id for t in result.tracks] == [2]

    def test_frames_of_the_same_stamp_count_once_and_long_gaps_end_tracks(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker(confirm_frames=3, keep_lost_s=3.0)
        for _ in range(5):
            result = following.track(scene.frame(), stamp(0))
        assert states(result) == ["new"]  # one frame, however often it comes
        run(following, scene, 3, first=1)
        result = following.track(scene.frame(), stamp(60))
        assert [(t.track_id, t.state.value) for t in result.tracks] == [(1, "confirmed")]
        result = following.track(scene.frame(), 10**18)
        assert [t.track_id for t in result.tracks] == [2]
        assert np.isfinite(result.tracks[0].estimate.covariance).all()

    def test_tracks_coast_through_empty_frames(self, scene, tracker):
        following = tracker()
        nothing = Frame(np.zeros((240, 320), dtype=np.float32), scene.camera)
        assert following.track(nothing, stamp(0)).tracks == ()
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        run(following, scene, 4, first=1)
        for i in range(3):
            result = following.track(
                replace(nothing, depth_m=nothing.depth_m * np.nan), stamp(5 + i)
            )
        assert states(result) == ["coasting"]

    def test_an_image_of_another_size_is_refused(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker()
        run(following, scene, 3)
        other = PinholeCamera(300.0, 300.0, 10.0, 10.0, 32, 24)
        result = following.track_depth(scene.frame().depth_m, other, stamp(3))
        assert [r.reason for r in result.rejections] == [Reason.SIZE_MISMATCH]
        (result,) = run(following, scene, 1, first=4)
        assert states(result) == ["confirmed"]

    def test_an_error_leaves_the_tracks_as_they_were(self, scene, tracker):
        scene.put(1, "mug", (0.0, 0.0, 0.8))
        following = tracker()
        run(following, scene, 4)
        before = pickle.dumps(following.state)
        following.estimator.model.fails = True
        with pytest.raises(RuntimeError, match="broke"):
            run(following, scene, 1, first=4)
        assert pickle.dumps(following.state) == before
        following.estimator.model.fails = False
        (result,) = run(following, scene, 1, first=5)
        assert [(t.track_id, t.state.value) for t in result.tracks] == [(1, "confirmed")]

    def test_many_objects_at_once_take_several_frames(self, scene, tracker):
        for i in range(24):
            x, y = divmod(i, 6)
            scene.put(i + 1, "can", (-0.3 + 0.155 * x, -0.38 + 0.14 * y, 1.2))
        following = tracker(
            max_new_per_frame=8, max_tracks=20, confirm_frames=1, verify_period_s=0.0
        )
        results = run(following, scene, 4)
        assert [len(r.tracks) for r in results] == [8, 16, 20, 20]
        reasons = {r.reason for r in results[0].rejections}
        assert reasons == {Reason.TOO_MANY_OBJECTS}
        # The same ones stay: those that came first.
        assert [t.track_id for t in results[-1].tracks] == list(range(1, 21))

    def test_more_objects_than_encodings_are_encoded_more_coarsely(self, scene, tracker):
        for number in range(1, 4):
            scene.put(number, "mug", (0.15 * number - 0.3, 0.0, 0.8))
        for most, patches in ((3, 0), (2, 24)):
            following = tracker(encoder_budget=most, patches_over_budget=24, verify_period_s=0.0)
            run(following, scene, 3)
            assert following.estimator.model.patches[-1] == patches
            assert following.estimator.model.patches[0] == 0  # new objects never

    def test_the_state_does_not_grow_without_end(self, scene, tracker):
        scene.put(1, "can", (0.0, 0.0, 0.8))
        following = tracker()
        sizes = []
        for i in range(60):
            # Ten frames a second: 2 s of history are 20 of them.
            hidden = i % 20 > 15
            image, stamp_ns = scene.frame(slab_m=0.4 if hidden else None), stamp(3 * i)
            if i % 5 == 0:
                following.track(image, stamp_ns, np.eye(4))
            else:
                following.track_depth(image.depth_m, image.camera, stamp_ns, np.eye(4))
            sizes.append(len(pickle.dumps(following.state)))
        assert max(sizes[40:]) <= max(sizes[21:40]) * 1.01
        assert all(np.isfinite(t.estimate.T_cam_obj).all() for t in following.tracks)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Simulated sequences: truth and images belong together, and what was promised happens."""

import numpy as np
import pytest
from parcels_and_hooks import PARCEL, own_library, parcel_mesh

from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import CATEGORIES, CategorySet
from genpose_ros.synthesis import held_out_library
from genpose_ros.synthesis.motions import rates
from genpose_ros.synthesis.sequences import (
    SEQUENCE_KINDS,
    Segmenter,
    TrackingSequence,
    tracking_sequence,
)

SMALL = PinholeCamera(153.9, 154.0, 80.4, 59.9, 160, 120)
PERFECT = Segmenter(0.0, 0.0, min_pixels=10)


def small(kind: str, seed: int, segmenter: Segmenter = PERFECT, frames: int = 200):
    return tracking_sequence(kind, seed, frames=frames, camera=SMALL, segmenter=segmenter)


def shares(sequence: TrackingSequence, step: int = 1) -> np.ndarray:
    """Visible shares (frames, objects)."""
    picked = range(0, len(sequence), step)
    return np.array([[o.visible_share for o in sequence[i].objects] for i in picked])


@pytest.mark.parametrize("kind", SEQUENCE_KINDS)
def test_points_of_a_mask_lie_in_the_true_box(kind):
    half = PinholeCamera(307.8, 308.0, 160.9, 119.7, 320, 240)
    sequence = tracking_sequence(kind, 1, camera=half, segmenter=PERFECT)
    checked = 0
    for index in (0, 70, 140):
        item = sequence[index]
        masks = {instance.id: instance.mask for instance in item.frame.instances}
        for true in item.objects:
            if true.instance_id < 0 or true.visible_share < 0.6:
                continue
            points_cam = half.back_project(item.frame.depth_m, masks[true.instance_id])
            points = (points_cam - true.T_cam_obj[:3, 3]) @ true.T_cam_obj[:3, :3]
            # A pixel is 3 mm wide at 1 m, and borders are a pixel or two off.
            inside = (np.abs(points) < true.size_m / 2 + 0.015).all(1)
            assert inside.mean() > 0.7, (index, true)
            checked += 1
    assert checked >= 3


def test_the_same_arguments_give_the_same_frames_in_any_order():
    one, other = small("carried_fast", 4), small("carried_fast", 4)
    forward = [one[i] for i in (3, 8)]
    backward = [other[i] for i in (8, 3)][::-1]
    for a, b in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(a.frame.depth_m, b.frame.depth_m)
        np.testing.assert_array_equal(a.T_fixed_cam, b.T_fixed_cam)
        for x, y in zip(a.frame.instances, b.frame.instances, strict=True):
            assert (x.id, x.category) == (y.id, y.category)
            np.testing.assert_array_equal(x.mask, y.mask)
    changed = small("carried_fast", 5)[3]
    assert (changed.frame.depth_m != forward[0].frame.depth_m).any()


def test_noise_is_drawn_anew_in_every_frame():
    # Seed 0 of this kind holds everything still but the slab, which waits for a second.
    a, b = small("occlusion", 0)[0], small("occlusion", 0)[1]
    assert np.array_equal(a.objects[0].T_cam_obj, b.objects[0].T_cam_obj)
    both = (a.frame.depth_m > 0) & (b.frame.depth_m > 0)
    assert (a.frame.depth_m != b.frame.depth_m)[both].mean() > 0.2


def test_frames_come_at_their_rate_in_metres():
    sequence = tracking_sequence("turntable", 0, frames=4, rate_hz=15.0, camera=SMALL)
    stamps = [item.stamp_ns for item in sequence]
    np.testing.assert_allclose(np.diff(stamps), 1e9 / 15, atol=1)
    frame = sequence[0].frame
    assert frame.depth_m.shape == (120, 160)
    assert frame.depth_m.dtype == np.float32
    assert 0.5 < np.median(frame.depth_m[frame.depth_m > 0]) < 2.5
    assert frame.frame_id == "camera_color_optical_frame"
    assert len(sequence) == 4


def test_an_eased_sequence_rests_at_both_ends():
    sequence = tracking_sequence("sweep", 0, frames=30, camera=SMALL, ease_s=0.3)
    stamps = [item.stamp_ns for item in sequence]
    np.testing.assert_allclose(np.diff(stamps), 1e9 / 30, atol=1)
    where = np.array([item.T_fixed_cam[:3, 3] for item in sequence])
    speed = np.linalg.norm(np.diff(where, axis=0), axis=1) * 30
    assert max(speed[0], speed[-1]) < 0.2 * speed[15]


def test_still_objects_stay_in_the_fixed_frame_while_the_camera_sweeps():
    sequence = small("sweep", 2)
    items = [sequence[i] for i in (0, 30, 60)]
    where = np.array([[i.T_fixed_cam @ o.T_cam_obj for o in i.objects] for i in items])
    np.testing.assert_allclose(where, where[:1].repeat(3, 0), atol=1e-12)
    assert where.shape[1] == 6
    cameras = np.array([sequence[i].T_fixed_cam for i in range(60)])
    speed, turning = rates(cameras, np.arange(60) / 30)
    assert np.sqrt((speed**2).mean()) == pytest.approx(0.3, rel=0.05)
    assert np.sqrt((turning**2).mean()) == pytest.approx(60, rel=0.25)


@pytest.mark.slow
def test_the_slab_hides_objects_for_0_3_to_1_s():
    durations = []
    for seed in (0, 1, 2):
        hidden = shares(small("occlusion", seed), step=3) <= 0.2
        for column in hidden.T:
            edges = np.flatnonzero(np.diff(np.concatenate(([0], column.astype(int), [0]))))
            runs = edges.reshape(-1, 2)
            durations += [(b - a) / 10 for a, b in runs if a > 0 and b < len(column)]
    assert len(durations) >= 12
    assert min(durations) > 0.15
    assert max(durations) < 1.3
    assert np.mean([0.3 <= d <= 1.0 for d in durations]) > 0.7


@pytest.mark.slow
def test_carried_objects_leave_the_image_and_come_back():
    for seed in (0, 1, 2):
        seen = shares(small("returns", seed), step=4)
        assert (seen[0] > 0.8).all()
        for column in seen[:, :2].T:
            gone = np.flatnonzero(column == 0)
            assert len(gone) / 7.5 > 0.2
            assert (column[gone[0] :] > 0.8).any()
        assert seen[:, 2].min() > 0.3


def test_two_equal_objects_pass_in_front_of_each_other():
    sequence = small("crossing", 0)
    first, last = sequence[0].objects, sequence[110].objects
    assert first[0].category == first[1].category
    np.testing.assert_array_equal(first[0].size_m, first[1].size_m)
    before = first[0].T_cam_obj[0, 3] - first[1].T_cam_obj[0, 3]
    after = last[0].T_cam_obj[0, 3] - last[1].T_cam_obj[0, 3]
    assert before * after < 0
    seen = shares(sequence, step=3)
    assert seen.min() < 0.4


def test_objects_move_as_fast_as_their_kind_says():
    for kind, speed in (("carried_slow", 0.1), ("carried_fast", 0.4)):
        # The root mean square over the whole sequence; chords of two frames are a little short.
        sequence = small(kind, 0)
        places = [
            [o.T_cam_obj[:3, 3] for o in sequence[i].objects] for i in range(0, len(sequence), 2)
        ]
        steps = np.linalg.norm(np.diff(places, axis=0), axis=-1) * 15
        assert np.sqrt((steps**2).mean(0)) == pytest.approx(speed, rel=0.05)


@pytest.mark.slow
def test_three_seeds_of_every_kind_show_all_categories_together():
    seen = {
        (kind, o.category)
        for kind in SEQUENCE_KINDS
        for seed in range(3)
        for o in small(kind, seed, frames=2)[0].objects
    }
    for kind in ("carried_slow", "carried_fast", "sweep", "occlusion", "returns"):
        assert {category for k, category in seen if k == kind} == set(CATEGORIES), kind


def test_mask_ids_are_mixed_or_kept():
    def ids(segmenter: Segmenter) -> set[tuple[int, ...]]:
        sequence = small("sweep", 0, segmenter)
        return {tuple(o.instance_id for o in sequence[i].objects) for i in range(8)}

    assert len(ids(PERFECT)) > 3
    kept = ids(Segmenter(0, 0, persistent_ids=True, min_pixels=10))
    assert all(number in (-1, place + 1) for row in kept for place, number in enumerate(row))


def test_masks_are_missed_and_misnamed_at_the_given_shares():
    sequence = small("crowd", 0, Segmenter(0.3, 0.2, min_pixels=10))
    items = [sequence[i] for i in range(40)]
    named = [
        (o.category, next(m.category for m in item.frame.instances if m.id == o.instance_id))
        for item in items
        for o in item.objects
        if o.instance_id > 0
    ]
    assert 1 - len(named) / 400 == pytest.approx(0.3, abs=0.08)
    assert np.mean([a != b for a, b in named]) == pytest.approx(0.2, abs=0.08)


def test_hidden_objects_have_no_mask_and_masks_do_not_overlap():
    sequence = small("occlusion", 1)
    without = 0
    for index in range(30, 150, 4):
        item = sequence[index]
        ids = [instance.id for instance in item.frame.instances]
        assert len(ids) == len(set(ids))
        if ids:
            assert np.sum([i.mask for i in item.frame.instances], axis=0).max() == 1
        for true in item.objects:
            if true.visible_share < 0.1:
                assert true.instance_id == -1
                without += 1
    assert without > 10


def test_a_mugs_handle_is_visible_when_it_points_to_the_camera():
    # Seed 1 has a mug on a table that turns all the way round.
    sequence = small("turntable", 1)
    mug = next(i for i, o in enumerate(sequence[0].objects) if o.category == "mug")
    handles = [sequence[i].objects[mug] for i in range(0, 200, 12)]
    # z of the mug's x axis is negative when the handle points towards the camera.
    toward = [true for true in handles if true.T_cam_obj[2, 0] < -0.3]
    assert toward
    assert all(true.handle_visible for true in toward)
    others = [o for o in sequence[0].objects if o.category != "mug"]
    assert all(o.handle_visible for o in others)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "dance", "seed": 0}, "unknown kind 'dance'"),
        ({"kind": "sweep", "seed": -1}, "seed"),
        ({"kind": "sweep", "seed": 0, "frames": 1}, "frames"),
        ({"kind": "sweep", "seed": 0, "rate_hz": 0.0}, "rate"),
        ({"kind": "sweep", "seed": 0, "ease_s": -1.0}, "easing"),
    ],
)
def test_sequence_arguments_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tracking_sequence(**arguments)


def test_segmenter_shares_out_of_range_are_refused():
    with pytest.raises(ValueError, match="missed_share"):
        Segmenter(missed_share=1.5)
    with pytest.raises(IndexError):
        small("sweep", 0, frames=3)[3]


class TestOwnCategories:
    @pytest.mark.parametrize("kind", SEQUENCE_KINDS)
    def test_points_of_a_mask_lie_in_the_true_box(self, kind):
        half = PinholeCamera(307.8, 308.0, 160.9, 119.7, 320, 240)
        sequence = tracking_sequence(
            kind, 2, frames=90, camera=half, segmenter=PERFECT, library=own_library()
        )
        item = sequence[5]
        assert {o.category for o in item.objects} <= {"parcel", "hook"}
        masks = {instance.id: instance.mask for instance in item.frame.instances}
        seen = [o for o in item.objects if o.instance_id >= 0 and o.visible_share > 0.7]
        assert seen
        for true in seen:
            points_cam = half.back_project(item.frame.depth_m, masks[true.instance_id])
            points = (points_cam - true.T_cam_obj[:3, 3]) @ true.T_cam_obj[:3, :3]
            assert (np.abs(points) < true.size_m / 2 + 0.015).all(1).mean() > 0.6, true

    def test_what_only_lies_lies_on_the_turntable(self):
        item = tracking_sequence("turntable", 1, frames=2, library=own_library())[0]
        upright = {}
        for true in item.objects:
            R_fixed_obj = item.T_fixed_cam[:3, :3] @ true.T_cam_obj[:3, :3]
            upright[true.category] = abs(R_fixed_obj[1, 1])
        assert upright["parcel"] == pytest.approx(1)
        assert upright["hook"] == pytest.approx(0, abs=1e-12)

    def test_a_single_category_is_never_confused_with_another(self):
        alone = held_out_library(CategorySet((PARCEL,)), (parcel_mesh(),))
        always = Segmenter(missed_share=0.0, wrong_class_share=1.0, min_pixels=10)
        item = tracking_sequence(
            "crossing", 0, frames=2, camera=SMALL, segmenter=always, library=alone
        )[0]
        assert {i.category for i in item.frame.instances} == {"parcel"}

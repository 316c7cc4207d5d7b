# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Masks with separate parts: which are of one object, and what becomes of the others."""

from dataclasses import replace

import numpy as np
import pytest

from genpose_ros.estimation import EstimatorSettings, Instance, Reason, Remark
from genpose_ros.estimation.mask_parts import separate_instances
from genpose_ros.geometry import NOCS, PinholeCamera

CAMERA = PinholeCamera(500.0, 500.0, 159.5, 119.5, 320, 240)
#: 500 pixels a metre at 1 m: a can of 7 x 12 cm has 35 x 60 pixels.
LEFT, RIGHT = (slice(60, 120), slice(60, 95)), (slice(60, 110), slice(125, 160))


@pytest.fixture
def scene() -> tuple[np.ndarray, np.ndarray]:
    """Two cans 6 cm apart at 1 m, before a wall at 1.2 m, with one mask."""
    depth_m, mask = np.full((240, 320), 1.2), np.zeros((240, 320), dtype=bool)
    for part in (LEFT, RIGHT):
        depth_m[part], mask[part] = 1.0, True
    return depth_m, mask


def separated(depth_m, *masks, parts="largest", category="can", ids=(7, 1)):
    instances = [Instance(i, category, m) for i, m in zip(ids, masks, strict=False)]
    settings = EstimatorSettings(parts=parts)
    return separate_instances(instances, depth_m, CAMERA, settings, NOCS)


def only(part) -> np.ndarray:
    mask = np.zeros((240, 320), dtype=bool)
    mask[part] = True
    return mask


def test_the_largest_of_two_objects_in_one_mask_is_taken_and_the_other_named(scene):
    (can,), (left_out,) = separated(*scene)
    np.testing.assert_array_equal(can.mask, only(LEFT))
    assert (can.id, can.remarks) == (7, (Remark.SEPARATE_PART,))
    assert (left_out.reason, left_out.instance_id) == (Reason.SEPARATE_PARTS, 7)
    assert "2 separate parts, of 2100, 1750 pixels" in left_out.detail
    assert "segmentation.parts" in left_out.detail


def test_two_objects_in_one_mask_become_instances_with_ids_that_are_free(scene):
    depth_m, mask = scene
    other = only((slice(180, 220), slice(20, 60)))
    split, left_out = separated(depth_m, mask, other, parts="split")
    assert ([i.id for i in split], left_out) == ([7, 2, 1], [])
    np.testing.assert_array_equal(split[1].mask, only(RIGHT))
    np.testing.assert_array_equal(split[2].mask, other)
    assert split[2].remarks == ()


def test_masks_are_left_as_they_are_where_that_is_wanted(scene):
    (can,), left_out = separated(*scene, parts="together")
    assert (can.mask is scene[1], left_out) == (True, [])


def test_parts_on_both_sides_of_something_in_front_are_one_object(scene):
    depth_m, mask = scene
    depth_m[:, 95:125] = 0.8
    (bottle,), left_out = separated(depth_m, mask, category="bottle")
    assert (bottle.mask is mask, bottle.remarks, left_out) == (True, (), [])


def test_parts_that_the_segmenter_tore_out_of_one_surface_are_one_object(scene):
    depth_m, mask = scene
    depth_m[:, 95:125] = 1.0
    (bottle,), _ = separated(depth_m, mask, category="bottle")
    assert bottle.mask is mask


def test_parts_farther_apart_than_an_object_is_large_are_separate_whatever_lies_between(scene):
    depth_m, mask = scene
    depth_m[:, 95:125] = 0.8  # a can is at most 18 cm across
    (can,), _ = separated(depth_m, mask)
    np.testing.assert_array_equal(can.mask, only(LEFT))


def test_specks_stay_with_a_mask_of_one_object(scene):
    depth_m, mask = scene
    mask[RIGHT] = False
    mask[200:205, 300:305] = True
    (can,), left_out = separated(depth_m, mask)
    assert (can.mask is mask, left_out) == (True, [])


def test_without_depth_nothing_is_separate(scene):
    depth_m, mask = scene
    depth_m[:, 95:125] = 0.0
    (bottle,), _ = separated(depth_m, mask, category="bottle")
    assert bottle.mask is mask
    (can,), _ = separated(np.zeros_like(depth_m), mask)
    assert can.mask is mask


def test_three_objects_of_which_two_hang_together_are_two(scene):
    depth_m, mask = scene
    depth_m[:, 95:125] = 0.8
    third = (slice(160, 200), slice(240, 280))
    depth_m[third], mask[third] = 1.0, True
    (bottle,), (left_out,) = separated(depth_m, mask, category="bottle")
    np.testing.assert_array_equal(bottle.mask, only(LEFT) | only(RIGHT))
    assert "2 separate parts" in left_out.detail


def test_what_cannot_be_judged_is_left_to_the_checks_that_follow(scene):
    depth_m, mask = scene
    assert separated(depth_m, mask[:100])[1] == []
    assert separated(depth_m, mask, category="chair")[1] == []
    assert separated(depth_m, np.zeros_like(mask))[1] == []


def test_noise_is_not_divided(scene):
    noise = np.random.default_rng(0).random((240, 320)) < 0.3
    (can,), _ = separated(scene[0], noise)
    assert can.mask is noise


def test_a_remark_that_was_there_stays(scene):
    depth_m, mask = scene
    guessed = replace(Instance(1, "can", mask), remarks=(Remark.GUESSED_MASK,))
    (can,), _ = separate_instances([guessed], depth_m, CAMERA, EstimatorSettings(), NOCS)
    assert can.remarks == (Remark.GUESSED_MASK, Remark.SEPARATE_PART)

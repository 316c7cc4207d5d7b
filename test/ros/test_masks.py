# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math

import numpy as np
import pytest
from sensor_msgs.msg import RegionOfInterest
from vision_msgs.msg import Detection2D, ObjectHypothesis, ObjectHypothesisWithPose

from genpose_ros.estimation.reasons import Reason
from genpose_ros.msg import InstanceMask, InstanceMasks
from genpose_ros.ros.detections import CategoryRules
from genpose_ros.ros.masks import instances_from_labels, instances_from_message

MUGS = CategoryRules(default="mug")
NO_RULES = CategoryRules()


def detection(class_id: str, score: float = 0.5, name: str = "") -> Detection2D:
    hypothesis = ObjectHypothesis(class_id=class_id, score=score)
    return Detection2D(results=[ObjectHypothesisWithPose(hypothesis=hypothesis)], id=name)


def mask_item(
    number: int, mask: np.ndarray, class_name: str = "mug", **region: int
) -> InstanceMask:
    roi = RegionOfInterest(**region)
    flat = mask.astype(np.uint8).tobytes()
    return InstanceMask(id=number, class_name=class_name, score=0.5, roi=roi, mask=flat)


class TestLabels:
    @pytest.mark.parametrize(
        ("dtype", "background"),
        [(np.uint8, 0), (np.uint8, 255), (np.uint16, 65535), (np.int32, -1), (np.int32, -(2**31))],
    )
    def test_each_label_but_the_background_is_an_object(self, dtype, background):
        labels = np.full((4, 6), background, dtype=dtype)
        labels[0, :2], labels[2:, 3:] = 1, 9
        found = instances_from_labels(labels, (4, 6), MUGS)
        assert [i.id for i in found.instances] == [1, 9]
        assert found.rejections == ()
        np.testing.assert_array_equal(found.instances[1].mask, labels == 9)
        assert found.instances[0].mask.dtype == bool

    def test_a_binary_mask_is_one_object(self):
        labels = np.zeros((4, 6), dtype=np.uint8)
        labels[1:3, 2:4] = 255
        (only,) = instances_from_labels(labels, (4, 6), MUGS).instances
        assert (only.id, only.category, int(only.mask.sum())) == (255, "mug", 4)

    def test_an_empty_image_has_no_object(self):
        found = instances_from_labels(np.zeros((4, 6), dtype=np.uint8), (4, 6), NO_RULES)
        assert (found.instances, found.rejections) == ((), ())

    def test_detections_give_class_and_score(self):
        labels = np.array([[1, 2, 0]], dtype=np.uint8)
        found = instances_from_labels(
            labels, (1, 3), NO_RULES, [detection("bowl", 0.25, "2"), detection("can", 0.75, "1")]
        )
        assert [(i.id, i.category, i.detection_score) for i in found.instances] == [
            (1, "can", 0.75),
            (2, "bowl", 0.25),
        ]

    def test_the_best_of_several_classes_counts_and_nan_is_the_worst(self):
        several = detection("can", math.nan)
        several.results += detection("bowl", 0.2).results + detection("mug", 0.6).results
        labels = np.ones((1, 2), dtype=np.uint8)
        (only,) = instances_from_labels(labels, (1, 2), NO_RULES, [several]).instances
        assert (only.category, only.detection_score) == ("mug", 0.6)

    def test_boxes_tell_the_class_when_numbers_differ(self):
        labels = np.zeros((40, 60), dtype=np.uint8)
        labels[5:15, 10:20] = 3
        right, wrong = detection("laptop"), detection("can")
        right.bbox.center.position.x, right.bbox.center.position.y = 15.0, 10.0
        right.bbox.size_x = right.bbox.size_y = 11.0
        found = instances_from_labels(labels, (40, 60), NO_RULES, [wrong, right])
        assert [i.category for i in found.instances] == ["laptop"]

    @pytest.mark.parametrize(
        "detections", [[], [detection("person")], [Detection2D()], [detection("")]]
    )
    def test_an_unknown_class_is_named(self, detections):
        labels = np.full((2, 2), 4, dtype=np.uint8)
        found = instances_from_labels(labels, (2, 2), NO_RULES, detections)
        assert found.instances == ()
        (rejection,) = found.rejections
        assert (rejection.reason, rejection.instance_id) == (Reason.UNKNOWN_CATEGORY, 4)

    def test_masks_of_equal_aspect_are_scaled(self):
        labels = np.zeros((2, 4), dtype=np.uint8)
        labels[1, 2:] = 5
        (up,) = instances_from_labels(labels, (6, 12), MUGS).instances
        np.testing.assert_array_equal(up.mask, np.kron(labels == 5, np.ones((3, 3), dtype=bool)))
        large = np.kron(labels, np.ones((3, 3), dtype=np.uint8))
        (down,) = instances_from_labels(large, (2, 4), MUGS).instances
        np.testing.assert_array_equal(down.mask, labels == 5)

    @pytest.mark.parametrize("shape", [(48, 65), (64, 48), (1, 1), (480, 848)])
    def test_masks_of_another_aspect_are_named(self, shape):
        result = instances_from_labels(np.ones(shape, dtype=np.uint8), (48, 64), MUGS)
        assert result.reason is Reason.SIZE_MISMATCH
        assert "64 x 48" in result.detail

    def test_of_too_many_the_largest_are_taken(self):
        labels = np.zeros((20, 100), dtype=np.uint16)
        labels[:, :] = 1000 + np.arange(2000).reshape(20, 100) // 10  # 200 objects of 10 pixels
        labels[:2, :10] = 77
        found = instances_from_labels(labels, (20, 100), MUGS, limit=3)
        assert len(found.instances) == 3
        assert 77 in [i.id for i in found.instances]
        taken = {i.id for i in found.instances}
        assert {r.reason for r in found.rejections} == {Reason.TOO_MANY_OBJECTS}
        refused = {r.instance_id for r in found.rejections}
        assert refused == set(np.unique(labels).tolist()) - taken

    @pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "i4"])
    def test_the_largest_are_the_same_in_every_type(self, dtype):
        labels = np.array([[1] * 5 + [200] * 3 + [7] * 4 + [0] * 8], dtype=dtype)
        found = instances_from_labels(labels, (1, 20), MUGS, limit=2)
        assert [(i.id, int(i.mask.sum())) for i in found.instances] == [(1, 5), (7, 4)]
        assert [r.instance_id for r in found.rejections] == [200]

    def test_noise_instead_of_labels_is_bounded(self):
        noise = np.random.default_rng(0).integers(-(2**31), 2**31, (480, 640), dtype=np.int32)
        found = instances_from_labels(noise, (480, 640), MUGS, limit=20)
        assert len(found.instances) == 20
        assert 0 < len(found.rejections) <= 1000


class TestInstanceMasks:
    def test_masks_of_whole_images_and_of_regions_are_read(self):
        whole = np.zeros((4, 6), dtype=bool)
        whole[0, 0] = True
        region = np.ones((2, 3), dtype=bool)
        message = InstanceMasks(
            height=4,
            width=6,
            instances=[
                mask_item(3, whole, "can"),
                mask_item(5, region, "Laptop", x_offset=3, y_offset=2, width=3, height=2),
            ],
        )
        found = instances_from_message(message, (4, 6), NO_RULES)
        assert [(i.id, i.category, i.detection_score) for i in found.instances] == [
            (3, "can", 0.5),
            (5, "laptop", 0.5),
        ]
        np.testing.assert_array_equal(found.instances[0].mask, whole)
        expected = np.zeros((4, 6), dtype=bool)
        expected[2:, 3:] = True
        np.testing.assert_array_equal(found.instances[1].mask, expected)

    def test_a_region_is_scaled_like_the_whole_image(self):
        whole = np.zeros((4, 6), dtype=bool)
        whole[1:3, 2:5] = True
        part = mask_item(2, whole[1:3, 2:5], x_offset=2, y_offset=1, width=3, height=2)
        message = InstanceMasks(height=4, width=6, instances=[mask_item(1, whole), part])
        a, b = instances_from_message(message, (8, 12), NO_RULES).instances
        np.testing.assert_array_equal(a.mask, np.kron(whole, np.ones((2, 2), dtype=bool)))
        np.testing.assert_array_equal(a.mask, b.mask)

    def test_overlapping_masks_are_both_kept(self):
        full = np.ones((4, 6), dtype=bool)
        message = InstanceMasks(height=4, width=6, instances=[mask_item(i, full) for i in (1, 2)])
        assert len(instances_from_message(message, (4, 6), NO_RULES).instances) == 2

    def test_each_bad_object_is_named_and_the_good_one_kept(self):
        full = np.ones((4, 6), dtype=bool)
        bad = [
            mask_item(2, full[:2]),
            mask_item(3, full, x_offset=1, width=6, height=4),
            mask_item(4, full, x_offset=2**32 - 1, y_offset=2**32 - 1, width=6, height=4),
            mask_item(5, full, "teapot"),
            mask_item(1, full),
            mask_item(0, full),
            mask_item(-7, full),
        ]
        message = InstanceMasks(height=4, width=6, instances=[mask_item(1, full), *bad])
        found = instances_from_message(message, (4, 6), NO_RULES)
        assert [i.id for i in found.instances] == [1]
        assert [(r.instance_id, r.reason) for r in found.rejections] == [
            (2, Reason.BAD_MASK_MESSAGE),
            (3, Reason.BAD_MASK_MESSAGE),
            (4, Reason.BAD_MASK_MESSAGE),
            (5, Reason.UNKNOWN_CATEGORY),
            (1, Reason.BAD_MASK_MESSAGE),
            (0, Reason.BAD_MASK_MESSAGE),
            (-7, Reason.BAD_MASK_MESSAGE),
        ]

    def test_a_size_that_no_memory_holds_allocates_nothing(self):
        item = mask_item(1, np.ones((3, 4)), width=4, height=3)
        message = InstanceMasks(height=3 * 10**9, width=4 * 10**9, instances=[item])
        (only,) = instances_from_message(message, (48, 64), NO_RULES).instances
        assert only.mask.shape == (48, 64)

    @pytest.mark.parametrize(("height", "width"), [(0, 0), (4, 0), (5, 6), (6, 4)])
    def test_a_message_of_another_size_is_refused_by_name(self, height, width):
        message = InstanceMasks(height=height, width=width)
        result = instances_from_message(message, (4, 6), NO_RULES)
        assert result.reason is Reason.SIZE_MISMATCH

    def test_a_message_without_objects_is_no_mistake(self):
        found = instances_from_message(InstanceMasks(height=4, width=6), (4, 6), NO_RULES)
        assert (found.instances, found.rejections) == ((), ())

    def test_of_too_many_the_largest_are_taken(self):
        items = [mask_item(i, np.arange(24).reshape(4, 6) < i) for i in range(1, 11)]
        message = InstanceMasks(height=4, width=6, instances=items)
        found = instances_from_message(message, (4, 6), NO_RULES, limit=3)
        assert [i.id for i in found.instances] == [8, 9, 10]
        assert {r.reason for r in found.rejections} == {Reason.TOO_MANY_OBJECTS}
        assert [r.instance_id for r in found.rejections] == [1, 2, 3, 4, 5, 6, 7]

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Objects of class images and of boxes alone."""

import numpy as np
import pytest
from vision_msgs.msg import Detection2D, ObjectHypothesis, ObjectHypothesisWithPose

from genpose_ros.estimation.reasons import Reason
from genpose_ros.ros.detections import CategoryRules
from genpose_ros.ros.mask_regions import instances_from_boxes, instances_from_classes

CANS = CategoryRules(names={"5": "can", "7": "mug"})


def table(height=120, width=160) -> np.ndarray:
    """Depth of a plane that comes nearer towards the lower edge, metres."""
    return 1.0 / np.linspace(0.8, 1.3, height)[:, None].repeat(width, axis=1)


class TestClassImages:
    @pytest.fixture
    def scene(self):
        """Two cans of one class apart, a mug, and a table and a wall of classes of their own."""
        labels = np.full((120, 160), 2, dtype=np.uint8)
        labels[60:] = 3
        labels[20:50, 10:40], labels[20:50, 60:90], labels[70:100, 100:130] = 5, 5, 7
        return labels, table()

    def test_separate_parts_of_a_class_are_objects_of_their_own(self, scene):
        labels, depth_m = scene
        found = instances_from_classes(labels, depth_m, CANS)
        assert [(i.id, i.category) for i in found.instances] == [(1, "can"), (2, "can"), (3, "mug")]
        np.testing.assert_array_equal(
            found.instances[0].mask, (labels == 5) & (np.arange(160) < 50)
        )
        assert found.rejections == ()

    def test_objects_that_touch_in_the_image_are_told_apart_by_depth(self, scene):
        labels, depth_m = scene
        labels[20:50, 40:60] = 5
        depth_m[20:50, 45:90] = 0.7
        sizes = [int(i.mask.sum()) for i in instances_from_classes(labels, depth_m, CANS).instances]
        assert sizes == pytest.approx([30 * 35, 30 * 45, 900], rel=0.1)

    def test_depth_that_is_not_measured_separates_nothing(self, scene):
        labels, depth_m = scene
        depth_m[:, 20:22] = 0.0
        assert len(instances_from_classes(labels, depth_m, CANS).instances) == 3

    def test_specks_are_no_objects(self, scene):
        labels, depth_m = scene
        labels[110:114, 5:9] = 5
        assert len(instances_from_classes(labels, depth_m, CANS).instances) == 3

    def test_classes_are_named_by_the_segmenters_label_info(self, scene):
        rules = CategoryRules(labels={2: "wall", 3: "dining table", 5: "tin can", 7: "cup"})
        labels, depth_m = scene
        found = instances_from_classes(labels, depth_m, rules)
        assert [i.category for i in found.instances] == ["can", "can", "mug"]

    def test_without_any_known_class_the_frame_is_refused_with_the_numbers(self, scene):
        labels, depth_m = scene
        refused = instances_from_classes(labels, depth_m, CategoryRules())
        assert refused.reason is Reason.UNKNOWN_CATEGORY
        assert "none of the class numbers 2, 3, 5, 7" in refused.detail
        assert "segmentation.label_categories" in refused.detail

    def test_an_image_of_background_has_no_object(self, scene):
        empty = instances_from_classes(np.zeros((120, 160), np.uint8), scene[1], CANS)
        assert (empty.instances, empty.rejections) == ((), ())

    def test_a_class_image_is_scaled(self, scene):
        labels, depth_m = scene
        found = instances_from_classes(labels[::2, ::2], depth_m, CANS)
        assert [int(i.mask.sum()) for i in found.instances] == [900, 900, 900]
        wide = instances_from_classes(labels[:40], depth_m, CANS)
        assert wide.reason is Reason.SIZE_MISMATCH


class TestBoxes:
    def detection(self, box, name="cup", score=0.75):
        left, top, right, bottom = box
        hypothesis = ObjectHypothesis(class_id=name, score=score)
        item = Detection2D(results=[ObjectHypothesisWithPose(hypothesis=hypothesis)])
        item.bbox.center.position.x = (left + right) / 2
        item.bbox.center.position.y = (top + bottom) / 2
        item.bbox.size_x, item.bbox.size_y = float(right - left), float(bottom - top)
        return item

    def test_what_stands_on_the_table_is_the_object(self):
        depth_m, true = table(), np.zeros((120, 160), dtype=bool)
        true[40:70, 60:85] = True
        depth_m[true] = 0.8
        found = instances_from_boxes([self.detection((58, 38, 87, 72))], depth_m, CANS)
        (mug,) = found.instances
        assert (mug.id, mug.category, mug.detection_score) == (1, "mug", 0.75)
        np.testing.assert_array_equal(mug.mask, true)

    def test_without_a_plane_behind_what_is_as_near_as_the_middle_is_the_object(self):
        depth_m, true = np.zeros((120, 160)), np.zeros((120, 160), dtype=bool)
        true[40:70, 60:85] = True
        depth_m[true] = 0.8
        depth_m[40:45, 58:60] = 2.0
        (mug,) = instances_from_boxes([self.detection((55, 38, 87, 72))], depth_m, CANS).instances
        np.testing.assert_array_equal(mug.mask, true)

    @pytest.mark.parametrize(
        "box", [(200, 10, 240, 50), (-90, 0, -10, 50), (50, 50, 50, 60), (np.nan, 0, 5, 5)]
    )
    def test_a_box_without_a_pixel_gives_an_empty_mask(self, box):
        (mug,) = instances_from_boxes([self.detection(box)], table(), CANS).instances
        assert not mug.mask.any()

    def test_a_box_of_an_unknown_class_is_refused(self):
        boxes = [self.detection((5, 5, 40, 40), "chair"), Detection2D()]
        found = instances_from_boxes(boxes, table(), CANS)
        assert [r.instance_id for r in found.rejections] == [1, 2]
        cans = CategoryRules(default="can")
        assert instances_from_boxes([Detection2D()], table(), cans).instances[0].category == "can"

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Messages of other packages, shaped as their .msg files say."""

import math
from types import SimpleNamespace as Message

import numpy as np
import pytest
from vision_msgs.msg import Detection2D, ObjectHypothesis, ObjectHypothesisWithPose

from genpose_ros.estimation.reasons import Reason
from genpose_ros.ros.detections import CategoryRules
from genpose_ros.ros.mask_arrays import (
    instances_from_array,
    instances_from_polygons,
    message_header,
)

RULES = CategoryRules()
SHAPE = (48, 64)


@pytest.fixture
def masks():
    """A block on the left and one on the right."""
    left, right = np.zeros((2, *SHAPE), dtype=bool)
    left[10:20, 5:25], right[30:40, 40:60] = True, True
    return left, right


def images(ros, masks, value=255):
    return [ros.image(mask.astype(np.uint8) * value, 7) for mask in masks]


def detection(name: str, score: float) -> Detection2D:
    hypothesis = ObjectHypothesis(class_id=name, score=score)
    return Detection2D(results=[ObjectHypothesisWithPose(hypothesis=hypothesis)])


class TestMaskArrays:
    def mask_rcnn(self, ros, masks, **changes):
        """mask_rcnn_ros/Result."""
        fields = {
            "header": ros.header(7),
            "boxes": [],
            "class_ids": [42, 1],
            "class_names": ["cup", "person"],
            "scores": [0.75, 0.5],
            "masks": images(ros, masks),
            **changes,
        }
        return Message(**fields)

    def test_mask_rcnn_results_have_names_and_scores(self, ros, masks):
        found = instances_from_array(self.mask_rcnn(ros, masks), SHAPE, RULES)
        (cup,) = found.instances
        assert (cup.id, cup.category, cup.detection_score) == (1, "mug", 0.75)
        np.testing.assert_array_equal(cup.mask, masks[0])
        (person,) = found.rejections
        assert (person.instance_id, person.reason) == (2, Reason.UNKNOWN_CATEGORY)

    def test_class_numbers_are_named_by_the_rules(self, ros, masks):
        message = self.mask_rcnn(ros, masks, class_names=[])
        rules = CategoryRules(names={"42": "mug", "1": "can"})
        found = instances_from_array(message, SHAPE, rules)
        assert [i.category for i in found.instances] == ["mug", "can"]

    def test_yolo_results_of_ultralytics_ros_have_detections_beside_the_masks(self, ros, masks):
        """ultralytics_ros/YoloResult."""
        inner = Message(detections=[detection("bottle", 0.9), detection("cup", math.nan)])
        message = Message(header=ros.header(7), detections=inner, masks=images(ros, masks))
        found = instances_from_array(message, SHAPE, RULES)
        assert [(i.category, i.detection_score) for i in found.instances] == [
            ("bottle", 0.9),
            ("mug", 0.0),
        ]

    def test_a_list_of_images_by_itself_takes_the_default_category(self, ros, masks):
        """SAM's masks, without a class and without a header of their own."""
        message = Message(masks=images(ros, masks, value=1))
        assert instances_from_array(message, SHAPE, RULES).instances == ()
        found = instances_from_array(message, SHAPE, CategoryRules(default="can"))
        assert [(i.id, i.category) for i in found.instances] == [(1, "can"), (2, "can")]
        np.testing.assert_array_equal(found.instances[1].mask, masks[1])
        assert message_header(message) == ros.header(7)
        assert message_header(Message(masks=[])) is None

    def test_soft_masks_count_from_the_middle_on(self, ros, masks):
        soft = masks[0] * np.float32(0.4)
        soft[12:18, 8:20] = 0.9
        grey = (soft * 255).astype(np.uint8)
        for image in (ros.image(soft), ros.image(grey)):
            found = instances_from_array(
                Message(masks=[image]), SHAPE, CategoryRules(default="can")
            )
            np.testing.assert_array_equal(found.instances[0].mask, soft > 0.5)

    def test_masks_are_scaled_to_the_depth_image(self, ros, masks):
        small = [ros.image(mask[::2, ::2].astype(np.uint8)) for mask in masks]
        found = instances_from_array(Message(masks=small), SHAPE, CategoryRules(default="can"))
        expected = np.kron(masks[0][::2, ::2], np.ones((2, 2), dtype=bool))
        np.testing.assert_array_equal(found.instances[0].mask, expected)

    def test_of_too_many_the_largest_are_taken(self, ros, masks):
        many = [*images(ros, masks), *images(ros, [np.ones(SHAPE, dtype=bool)])]
        found = instances_from_array(
            Message(masks=many), SHAPE, CategoryRules(default="can"), limit=1
        )
        assert [i.id for i in found.instances] == [3]
        assert [r.reason for r in found.rejections] == [Reason.TOO_MANY_OBJECTS] * 2

    def test_messages_that_do_not_fit_are_refused_by_name(self, ros, masks):
        other = instances_from_array(Message(points=[]), SHAPE, RULES)
        assert "has no list of masks" in other.detail
        inner = Message(detections=[detection("cup", 0.5)])
        uneven = Message(detections=inner, masks=images(ros, masks))
        assert "2 masks but 1 detections" in instances_from_array(uneven, SHAPE, RULES).detail
        wide = Message(masks=[ros.image(np.ones((48, 96), np.uint8))], class_names=["cup"])
        assert instances_from_array(wide, SHAPE, RULES).reason is Reason.SIZE_MISMATCH
        broken = self.mask_rcnn(ros, masks)
        broken.masks[0].data = b""
        (rejection, _) = instances_from_array(broken, SHAPE, RULES).rejections
        assert (rejection.instance_id, rejection.reason) == (1, Reason.TRUNCATED_IMAGE)


class TestPolygons:
    def item(self, points, name="cup", number="", size=SHAPE, **more):
        """yolo_msgs/Detection."""
        polygon = Message(
            height=size[0], width=size[1], data=[Message(x=float(x), y=float(y)) for x, y in points]
        )
        fields = {"class_id": 41, "class_name": name, "score": 0.8, "id": number, "mask": polygon}
        return Message(**{**fields, **more})

    def found(self, *items, rules=RULES, limit=1000):
        return instances_from_polygons(Message(detections=list(items)), SHAPE, rules, limit)

    BLOCK = ((5, 10), (24, 10), (24, 19), (5, 19))

    def test_a_polygon_is_filled(self, masks):
        (cup,) = self.found(self.item(self.BLOCK)).instances
        assert (cup.id, cup.category, cup.detection_score) == (1, "mug", 0.8)
        np.testing.assert_array_equal(cup.mask, masks[0])

    def test_a_polygon_of_another_resolution_is_scaled(self, masks):
        corners = [(2 * x + 0.5, 2 * y + 0.5) for x, y in self.BLOCK]
        (cup,) = self.found(self.item(corners, size=(96, 128))).instances
        np.testing.assert_array_equal(cup.mask, masks[0])

    def test_a_polygon_that_leaves_the_image_is_clipped(self):
        (cup,) = self.found(self.item([(-50, -1e9), (20, -20), (20, 1e30), (-50, 90)])).instances
        assert cup.mask[:, :20].all()
        assert not cup.mask[:, 22:].any()

    def test_corners_that_are_no_numbers_are_left_out(self, masks):
        corners = [*self.BLOCK[:2], (math.nan, 3), (math.inf, 5), *self.BLOCK[2:]]
        (cup,) = self.found(self.item(corners)).instances
        np.testing.assert_array_equal(cup.mask, masks[0])

    def test_a_polygon_without_an_inside_is_named(self):
        (rejection,) = self.found(self.item([(1, 1), (2, 2)])).rejections
        assert rejection.reason is Reason.MASK_EMPTY
        assert "2 points: does the model segment?" in rejection.detail

    @pytest.mark.parametrize(
        ("numbers", "ids"),
        [(("7", "3"), [7, 3]), (("7", ""), [1, 2]), (("7", "7"), [1, 2]), (("a", "b"), [1, 2])],
    )
    def test_a_trackers_ids_are_taken_where_all_have_one(self, numbers, ids):
        found = self.found(*(self.item(self.BLOCK, number=n) for n in numbers))
        assert [i.id for i in found.instances] == ids

    def test_a_class_is_told_by_its_name_or_number(self):
        rules = CategoryRules(names={"41": "bowl"})
        assert self.found(self.item(self.BLOCK, ""), rules=rules).instances[0].category == "bowl"
        (refused,) = self.found(self.item(self.BLOCK, "chair")).rejections
        assert "class 'chair' is none of bottle" in refused.detail

    def test_detections_without_masks_are_refused_with_a_hint(self):
        item = self.item(self.BLOCK)
        del item.mask
        assert "yolo11n-seg" in self.found(item).detail
        assert "yolo11n-seg" in instances_from_polygons(Message(), SHAPE, RULES).detail

    def test_a_polygon_of_another_aspect_refuses_the_frame(self):
        refused = self.found(self.item(self.BLOCK, size=(48, 96)))
        assert refused.reason is Reason.SIZE_MISMATCH

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What MoveIt's planning scene is told: once each, moved, removed in time, held ones left alone."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("moveit_msgs", reason="no MoveIt messages here")
from geometry_msgs.msg import Point, Pose, Quaternion
from moveit_msgs.msg import CollisionObject
from rclpy.serialization import deserialize_message, serialize_message
from shape_msgs.msg import SolidPrimitive
from std_msgs.msg import Header

from genpose_ros.ros.robot.collision_objects import PlacedObject, PlanningScene

HEADER = Header(frame_id="link_base")


def seen(name="can_1", x=0.4, category="can", size=(0.07, 0.12, 0.07)):
    pose = Pose(position=Point(x=x), orientation=Quaternion(w=1.0))
    return PlacedObject(name, category, pose, size)


def by_order(*places, **changes):
    """Objects that nobody tracks: their numbers are those of their order."""
    items = [seen(f"can_{i}", x, **changes) for i, x in enumerate(places)]
    return [replace(item, tracked=False) for item in items]


def operations(messages):
    names = {
        CollisionObject.ADD: "add",
        CollisionObject.MOVE: "move",
        CollisionObject.REMOVE: "remove",
    }
    return [(m.id, names[m.operation]) for m in messages]


def test_an_object_is_added_once_moved_when_it_moves_and_removed_when_its_time_is_over():
    scene = PlanningScene(live_s=2.0)
    assert operations(scene.update([seen()], HEADER, 0.0)) == [("genpose/can_1", "add")]
    assert scene.update([seen()], HEADER, 0.1) == []
    (moved,) = scene.update([seen(x=0.45)], HEADER, 0.2)
    assert operations([moved]) == [("genpose/can_1", "move")]
    assert moved.primitives == []
    assert moved.pose.position.x == 0.45
    assert scene.update([], HEADER, 2.1) == []
    (removed,) = scene.update([], HEADER, 2.3)
    assert operations([removed]) == [("genpose/can_1", "remove")]
    assert removed.header.frame_id == "link_base"
    assert operations(scene.update([seen()], HEADER, 3.0)) == [("genpose/can_1", "add")]


def test_small_moves_add_up_until_they_are_told():
    scene = PlanningScene()
    scene.update([seen(x=0.4)], HEADER, 0.0)
    told = [scene.update([seen(x=0.4 + 0.0004 * i)], HEADER, 0.0) for i in range(1, 6)]
    assert [len(messages) for messages in told] == [0, 0, 1, 0, 0]


def test_a_turn_in_place_is_a_move():
    scene, item = PlanningScene(), seen()
    scene.update([item], HEADER, 0.0)
    half = np.radians(5) / 2
    item.pose.orientation = Quaternion(x=float(np.sin(half)), w=float(np.cos(half)))
    turned = PlacedObject(item.id, item.category, item.pose, item.size_m)
    again = PlanningScene()
    again.update([seen()], HEADER, 0.0)
    assert operations(again.update([turned], HEADER, 0.1)) == [("genpose/can_1", "move")]


def test_a_round_object_is_a_cylinder_along_its_y_axis_and_others_are_boxes():
    scene = PlanningScene(padding_m=0.01)
    can, camera = scene.update(
        [seen(), seen("camera_1", category="camera", size=(0.08, 0.07, 0.12))], HEADER, 0.0
    )
    (cylinder,), (box,) = can.primitives, camera.primitives
    assert cylinder.type == SolidPrimitive.CYLINDER
    np.testing.assert_allclose(cylinder.dimensions, [0.14, 0.045])  # height, radius
    q = can.primitive_poses[0].orientation
    assert (q.x, q.w) == (pytest.approx(0.5**0.5), pytest.approx(0.5**0.5))  # z onto -y
    assert box.type == SolidPrimitive.BOX
    np.testing.assert_allclose(box.dimensions, [0.10, 0.09, 0.14])


def test_a_mesh_is_scaled_to_the_objects_box():
    corners = np.array([[-0.5, -0.5, -0.5], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5]])
    meshes = {"can": (corners, np.array([[0, 1, 2]]))}
    (message,) = PlanningScene(shape="mesh", meshes=meshes).update([seen()], HEADER, 0.0)
    first = message.meshes[0].vertices[0]
    assert (first.x, first.y) == (pytest.approx(-0.035), pytest.approx(-0.06))
    assert deserialize_message(serialize_message(message), CollisionObject) == message


def test_what_moveit_holds_is_left_alone_until_it_lets_go():
    scene = PlanningScene(live_s=1.0)
    scene.update([seen()], HEADER, 0.0)
    scene.attach("genpose/can_1", True)
    assert scene.update([seen(x=0.9)], HEADER, 0.5) == []
    assert scene.expired(9.0) == []
    assert scene.clear() == []
    scene.attach("genpose/can_1", False)
    assert operations(scene.update([seen(x=0.9)], HEADER, 9.5)) == [("genpose/can_1", "add")]


def test_what_is_let_go_and_not_seen_again_is_removed_in_its_time():
    scene = PlanningScene(live_s=1.0)
    scene.update([seen()], HEADER, 0.0)
    scene.attach("genpose/can_1", True)
    assert scene.expired(8.5) == []
    scene.attach("genpose/can_1", False)
    assert scene.expired(9.0) == []
    assert operations(scene.expired(9.6)) == [("genpose/can_1", "remove")]
    scene.update([seen()], HEADER, 10.0)
    scene.attach("genpose/can_1", True)
    scene.attach("genpose/can_1", False)
    assert operations(scene.clear()) == [("genpose/can_1", "remove")]


def test_without_an_id_a_link_lets_go_of_all_that_it_holds():
    scene = PlanningScene()
    items = [seen(f"can_{i}", 0.2 * i) for i in range(3)]
    scene.update(items, HEADER, 0.0)
    for i, link in enumerate(("left", "left", "right")):
        scene.attach(f"genpose/can_{i}", True, link)
    scene.attach("", False, "left")
    added = scene.update(items, HEADER, 0.1)
    assert operations(added) == [("genpose/can_0", "add"), ("genpose/can_1", "add")]
    scene.attach("", False)
    assert operations(scene.update(items, HEADER, 0.2)) == [("genpose/can_2", "add")]


def test_another_frame_or_size_is_a_new_shape():
    scene = PlanningScene()
    scene.update([seen()], HEADER, 0.0)
    other = Header(frame_id="world")
    assert operations(scene.update([seen()], other, 0.1)) == [("genpose/can_1", "add")]
    larger = seen(size=(0.08, 0.12, 0.08))
    assert operations(scene.update([larger], other, 0.2)) == [("genpose/can_1", "add")]


def test_a_shape_follows_growth_soon_and_what_seems_to_shrink_late():
    scene = PlanningScene()

    def told(edge):
        return operations(scene.update([seen(size=(0.07, edge, 0.07))], HEADER, 0.0))

    assert told(0.100) == [("genpose/can_1", "add")]
    assert told(0.104) == []
    assert told(0.108) == [("genpose/can_1", "add")]  # small changes add up
    assert told(0.095) == told(0.105) == []  # half hidden, and seen again
    assert told(0.080) == [("genpose/can_1", "add")]


@pytest.mark.parametrize("bad", ["nan", "quaternion", "size"])
def test_what_is_no_body_is_not_passed_on(bad):
    item = seen(size=(0.07, -1.0, 0.07) if bad == "size" else (0.07, 0.12, 0.07))
    if bad == "nan":
        item.pose.position.y = float("nan")
    if bad == "quaternion":
        item.pose.orientation.w = 0.0
    assert PlanningScene().update([item], HEADER, 0.0) == []


class TestObjectsThatNobodyTracks:
    def test_two_of_a_class_that_change_their_order_stay_what_they_are(self):
        scene = PlanningScene()
        added = scene.update(by_order(0.2, 0.5), HEADER, 0.0)
        assert operations(added) == [("genpose/can_0", "add"), ("genpose/can_1", "add")]
        assert scene.update(by_order(0.5, 0.2), HEADER, 0.1) == []
        (moved,) = scene.update(by_order(0.51, 0.2), HEADER, 0.2)
        assert (operations([moved]), moved.pose.position.x) == ([("genpose/can_1", "move")], 0.51)

    def test_the_one_that_is_left_is_the_one_that_stood_there(self):
        scene = PlanningScene(live_s=1.0)
        scene.update(by_order(0.2, 0.5), HEADER, 0.0)
        assert scene.update(by_order(0.5), HEADER, 0.9) == []
        assert operations(scene.update(by_order(0.5), HEADER, 1.5)) == [("genpose/can_0", "remove")]

    def test_a_new_one_gets_a_number_that_is_free(self):
        scene = PlanningScene()
        scene.update(by_order(0.2, 0.5), HEADER, 0.0)
        (added,) = scene.update(by_order(0.1, 0.2, 0.5), HEADER, 0.1)
        assert (added.id, added.pose.position.x) == ("genpose/can_2", 0.1)
        (added,) = scene.update(by_order(0.3, 0.1, 0.2, 0.5), HEADER, 0.2)
        assert (added.id, added.pose.position.x) == ("genpose/can_3", 0.3)

    def test_together_they_are_matched_by_the_least_sum_of_distances(self):
        scene = PlanningScene()
        scene.update(by_order(0.2, 0.3), HEADER, 0.0)
        # Both moved by 6 cm: the first is nearer to where the second was than to its own place.
        moved = scene.update(by_order(0.36, 0.26), HEADER, 0.1)
        assert {m.id: m.pose.position.x for m in moved} == {
            "genpose/can_0": 0.26,
            "genpose/can_1": 0.36,
        }

    def test_what_moveit_holds_is_followed_and_one_elsewhere_is_told(self):
        scene = PlanningScene()
        scene.update(by_order(0.2, 0.5), HEADER, 0.0)
        scene.attach("genpose/can_0", True)
        # The hand carries it over the other one, which stands still, while their order changes.
        for x in (0.2, 0.3, 0.4, 0.5, 0.6):
            standing, held = by_order(0.5, x)
            held.pose.position.z = 0.15
            assert scene.update([standing, held], HEADER, 0.1) == []
        (added,) = scene.update(by_order(0.5, 0.1), HEADER, 0.2)
        assert (added.id, added.pose.position.x) == ("genpose/can_2", 0.1)

    def test_what_moveit_lets_go_is_what_it_was_whatever_its_number(self):
        scene = PlanningScene()
        mugs = by_order(0.8, category="mug")
        scene.update([*by_order(0.2), *mugs], HEADER, 0.0)
        scene.attach("genpose/can_0", True)
        scene.attach("genpose/can_0", False)
        (can,) = by_order(0.25)
        (added,) = scene.update([*mugs, replace(can, id="can_1")], HEADER, 0.1)
        assert (added.id, added.pose.position.x) == ("genpose/can_0", 0.25)

    def test_tracked_ones_and_other_classes_keep_their_names(self):
        scene = PlanningScene()
        items = [seen("can_7", 0.2), *by_order(0.21), *by_order(0.2, category="mug")]
        added = scene.update(items, HEADER, 0.0)
        assert sorted(m.id for m in added) == ["genpose/can_0", "genpose/can_7", "genpose/mug_0"]
        assert scene.update(items, HEADER, 0.1) == []

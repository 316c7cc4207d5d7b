# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What `~/categories` says of the models, and what becomes of a box that two poses fit."""

import numpy as np
import pytest
import torch
from builtin_interfaces.msg import Time
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header
from toy_models import POSE, make_model

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.geometry import NOCS, Calibration, Category, CategorySet, Symmetry
from genpose_ros.ros.builders import object_array, posed_objects
from genpose_ros.ros.category_messages import category_array, label_info, vision_info
from genpose_ros.ros.estimate_mode import Estimating
from genpose_ros.ros.matching import DepthMessage, MaskInput, Matched
from genpose_ros.ros.model_loader import CheckpointFile
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.track_mode import Tracking
from genpose_ros.ros.transform_queue import LocatedFrame
from genpose_ros.tracking import Tracker, TrackerSettings

BOX = Category(
    name="box",
    aliases=("parcel",),
    symmetry=Symmetry.parse({"x": "half", "y": "quarter"}),
    mirror=False,
    size_m=(0.1, 0.4),
)


class TestCategoryArray:
    def test_a_category_is_told_with_its_symmetry_as_words_and_as_rotations(self):
        files = {"box": CheckpointFile("box.safetensors", "abc")}
        (info,) = category_array(CategorySet((BOX,)), files, Header()).categories
        assert (info.name, list(info.aliases), info.class_id) == ("box", ["parcel"], 0)
        assert (info.symmetry, info.symmetry_hidden) == ("{x: half, y: quarter}", "")
        assert (info.free_axis, info.mirror) == (False, False)
        assert (info.size_min, info.size_max) == pytest.approx((0.1, 0.4))
        assert (info.weights, info.weights_sha256) == ("box.safetensors", "abc")
        rotations = [Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix() for q in info.rotations]
        np.testing.assert_allclose(rotations, BOX.symmetry.rotations, atol=1e-12)

    def test_the_six_have_their_numbers_and_the_mug_a_handle_that_may_be_hidden(self):
        message = category_array(NOCS, {}, Header())
        told = {info.name: info for info in message.categories}
        assert [info.class_id for info in message.categories] == [1, 2, 3, 4, 5, 6]
        assert told["can"].free_axis
        assert (told["can"].symmetry, told["mug"].symmetry) == ("{y: any}", "{}")
        assert [info.symmetry_hidden for info in told.values()] == [""] * 5 + ["{y: any}"]
        assert {info.weights for info in told.values()} == {""}

    def test_programs_that_know_vision_msgs_alone_get_names_and_numbers(self):
        both = CategorySet((BOX, *NOCS))
        header = Header(frame_id="", stamp=Time(sec=7))
        info = label_info(category_array(both, {}, header))
        numbers = {c.class_name: c.class_id for c in info.class_map}
        assert numbers == {"box": 7, **{name: i + 1 for i, name in enumerate(NOCS.names)}}
        where = vision_info(header, "/left/genpose/label_info")
        assert (where.method, where.database_location) == ("GenPose", "/left/genpose/label_info")
        assert info.header == where.header == header


@pytest.mark.parametrize("mode", ["estimate", "track"])
@pytest.mark.parametrize(("symmetry", "agreeing"), [({"y": "half"}, True), ({}, False)])
def test_a_box_whose_candidates_are_half_of_them_turned_has_the_score_of_one_pose(
    ros, mode, symmetry, agreeing
):
    model = make_model(
        rotation=torch.stack((POSE @ torch.diag(torch.tensor([-1.0, 1, -1])).double(), POSE)),
        offset=torch.tensor([[0.0, 0.0, 0.05]]).expand(2, 3),
        deviation=0.005,
    )
    model.categories = CategorySet((Category(name="box", symmetry=Symmetry.parse(symmetry)),))
    settings = Settings(
        EstimatorSettings(candidates=200, steps=30, min_points=30),
        NodeSettings(mode=mode, default_category="box"),
        TrackerSettings(confirm_frames=1),
    )

    def make_estimator(estimator_settings):
        return PoseEstimator(model, estimator_settings)

    processing = (
        Estimating(make_estimator, settings)
        if mode == "estimate"
        else Tracking(make_estimator, Tracker, settings, lambda *line: None)
    )
    labels = np.zeros((48, 64), np.uint8)
    labels[15:35, 20:40] = 3
    depth_mm = np.where(labels, 800, 1500).astype(np.uint16)
    header = ros.header(1_000_000_000)
    camera = Calibration(k=(60.0, 0.0, 32.0, 0.0, 60.0, 24.0, 0.0, 0.0, 1.0), width=64, height=48)
    matched = Matched(DepthMessage(header, depth_mm), MaskInput(labels), camera, epoch=0)
    frame = processing.process(LocatedFrame(matched))
    message = object_array(posed_objects(frame.objects, np.eye(4)), frame.rejections, header)
    (item,) = message.objects
    assert (item.class_name, item.class_id) == ("box", 0)
    assert (item.score > 0.95) is agreeing
    assert (item.score < 0.65) is not agreeing
    assert item.score_axis > 0.95  # both have the same y axis

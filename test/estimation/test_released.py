# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Estimation with the released weights on a simulated table."""

from dataclasses import replace

import numpy as np
import pytest

from genpose_ros.estimation import EstimatorSettings, Frame, Instance, ObjectCloud, PoseEstimator
from genpose_ros.geometry import rotation_error_deg
from genpose_ros.synthesis.scenes import table_scene

SETTINGS = EstimatorSettings(device="cpu", encoder_precision="float32")


@pytest.fixture(scope="module")
def estimator() -> PoseEstimator:
    return PoseEstimator.from_settings(SETTINGS)


@pytest.fixture(scope="module")
def scene():
    return table_scene(0)


@pytest.fixture(scope="module")
def frame(scene) -> Frame:
    return Frame(
        scene.depth_mm.astype(np.float32) / 1000,
        scene.camera,
        tuple(
            Instance(o.instance_id, o.category, scene.label == o.instance_id) for o in scene.objects
        ),
    )


def errors(scene, estimates) -> np.ndarray:
    """Degrees and centimetres (B, 2) of estimates in the order of the scene's objects."""
    pairs = zip(scene.objects, estimates, strict=True)
    return np.array(
        [
            (
                rotation_error_deg(
                    e.T_cam_obj[:3, :3], o.T_cam_obj[:3, :3], o.category, o.handle_visible
                ),
                100 * np.linalg.norm(e.T_cam_obj[:3, 3] - o.T_cam_obj[:3, 3]),
            )
            for o, e in pairs
        ]
    )


def own_clouds(frame: Frame) -> list[ObjectCloud]:
    """All points of each mask, row by row as pixels come."""
    clouds = []
    for instance in frame.instances:
        points_cam = frame.camera.back_project(frame.depth_m, instance.mask)
        clouds.append(ObjectCloud(instance, points_cam, len(points_cam)))
    return clouds


def test_clouds_with_points_in_image_order_give_poses_as_good_as_shuffled_ones(
    estimator, scene, frame
):
    found = errors(scene, estimator.estimate_clouds(own_clouds(frame)))
    usual = errors(scene, estimator.estimate(frame).estimates)
    assert np.median(usual, axis=0) == pytest.approx([0, 0], abs=3)
    # The draws differ, and so does the border of the masks, which is not taken off here.
    assert (np.median(found, axis=0) - np.median(usual, axis=0) < [2.0, 0.5]).all()


def test_clouds_marked_as_shuffled_are_encoded_in_the_order_they_have(estimator, scene, frame):
    clouds, _ = estimator.object_clouds(frame)
    assert all(cloud.shuffled for cloud in clouds)
    for cloud, estimate in zip(clouds, estimator.estimate_clouds(clouds), strict=True):
        assert estimate.points_cam is cloud.points_cam
    # Why the mark matters: the first points alone are encoded, here the upper end of each object.
    by_height = [
        replace(c, points_cam=c.points_cam[np.argsort(c.points_cam[:, 1])]) for c in clouds
    ]
    found = errors(scene, estimator.estimate_clouds(by_height))
    usual = errors(scene, estimator.estimate_clouds(clouds))
    assert found[:, 1].mean() > 2 * usual[:, 1].mean()

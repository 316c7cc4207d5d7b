# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The node with the real estimator around a model whose score is known in closed form."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from geometry_msgs.msg import PoseArray
from torch import Tensor, nn

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.networks.interface import Encoding, PoseModel, Up
from genpose_ros.ros.estimator_node import EstimatorNode

pytestmark = pytest.mark.ros
SPREAD = 0.02


class Upright(PoseModel):
    """Every object is upright at the mean of its points, up to a Gaussian of width `SPREAD`."""

    architecture = "upright"
    sigma_min, sigma_max = 0.01, 50.0
    has_energy = False

    def __init__(self) -> None:
        super().__init__()
        self.register_parameter("mean", nn.Parameter(torch.tensor([1.0, 0, 0, 0, 1, 0, 0, 0, 0])))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Upright":
        return cls()

    def config(self) -> dict:
        return {}

    def encode(self, points_cam: Tensor, *, patches: int = 0, up: Up | None = None) -> Encoding:
        centre = points_cam.mean(dim=1)
        return Encoding(centre, torch.eye(3).expand(len(centre), 3, 3), score=centre)

    def score(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        return (self.mean - pose) / (sigma**2 + SPREAD**2)

    def energy(self, pose: Tensor, encoding: Encoding) -> Tensor:
        raise ValueError("no energy network")

    def encode_pose(self, rotation: Tensor, translation: Tensor, encoding: Encoding) -> Tensor:
        columns = torch.cat((rotation[..., 0], rotation[..., 1]), dim=-1)
        return torch.cat((columns, translation - encoding.centre[:, None]), dim=-1)

    def decode_pose(self, pose: Tensor, encoding: Encoding) -> tuple[Tensor, Tensor]:
        x = nn.functional.normalize(pose[..., :3], dim=-1)
        z = nn.functional.normalize(torch.linalg.cross(x, pose[..., 3:6]), dim=-1)
        rotation = torch.stack((x, torch.linalg.cross(z, x), z), dim=-1)
        return rotation, pose[..., 6:] + encoding.centre[:, None]


@pytest.fixture
def bench(benches, ros):
    bench = benches(lambda: None)
    values = {
        "segmentation__default_category": "laptop",
        "segmentation__mask_erosion_px": 0,
        "input_timeout_s": 0.0,
    }
    bench.node = EstimatorNode(
        make_estimator=lambda settings: PoseEstimator(Upright(), settings),
        context=bench.context,
        parameter_overrides=ros.overrides(**values),
    )
    bench.executor.add_node(bench.node)
    bench.camera = ros.Camera(bench.peer)
    bench.objects = bench.collect(ObjectPoseArray, "/genpose/objects")
    bench.poses = bench.collect(PoseArray, "/genpose/poses")
    assert bench.spin_until(lambda: bench.camera.ready("depth", "camera_info", "masks"))
    assert bench.spin_until(lambda: bench.node.count_subscribers("/genpose/objects"))
    bench.spin_for(0.2)
    return bench


def answer(bench, **changes) -> ObjectPoseArray:
    before = len(bench.objects)
    bench.camera.send(**changes)
    assert bench.spin_until(lambda: len(bench.objects) > before, 60.0)
    return bench.objects[-1]


def test_poses_are_where_the_points_are(bench):
    message = answer(bench)
    assert list(message.rejections) == []
    for item, label, depth_m in zip(message.objects, (3, 7), (0.8, 0.9), strict=True):
        v, u = np.nonzero(bench.camera.labels == label)
        centre = [np.mean(u - 32.0) / 60 * depth_m, np.mean(v - 24.0) / 60 * depth_m, depth_m]
        p, q = item.pose.pose.position, item.pose.pose.orientation
        # The mean of 30 candidates of spread 0.02 and of 1024 of the points.
        np.testing.assert_allclose([p.x, p.y, p.z], centre, atol=0.02)
        assert abs(q.w) > np.cos(np.radians(3))
        sd_m = np.sqrt(np.diag(np.reshape(item.pose.covariance, (6, 6)))[:3])
        assert (sd_m > 0.2 * SPREAD).all()
        assert (sd_m < 3 * SPREAD).all()
        assert 0 <= item.score <= 1
        assert not item.has_energies
        assert item.n_points == len(u)


def test_the_same_frame_gives_the_same_poses(bench):
    assert answer(bench).objects == answer(bench).objects


def test_objects_that_cannot_be_estimated_are_named_and_the_others_published(bench, ros):
    bench.camera.depth_mm[30:40, 40:60] = 0
    bench.camera.labels[0, :5] = 9
    message = answer(bench)
    assert [o.instance_id for o in message.objects] == [3]
    named = {r.instance_id: r.reason for r in message.rejections}
    assert named == {7: "no_valid_depth", 9: "too_few_points"}


def test_depth_of_garbage_gives_no_garbage(bench, ros):
    rng = np.random.default_rng(0)
    garbage = rng.normal(size=(48, 64)) * 10.0 ** rng.integers(-30, 30, (48, 64))
    garbage[::3, ::3] = np.nan
    garbage[::5] = np.inf
    stamp = bench.camera.stamp_ns + 33_000_000
    message = answer(bench, depth=ros.image(garbage.astype(np.float32), stamp))
    assert {r.reason for r in message.rejections} <= {"no_valid_depth", "too_few_points"}
    for item in message.objects:
        assert np.isfinite(item.pose.covariance).all()
        pose = item.pose.pose
        assert np.isfinite([pose.position.x, pose.orientation.w, item.score]).all()
    assert len(answer(bench).objects) == 2

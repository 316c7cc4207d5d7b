# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""A simulated scene of squares, and a pose model that knows what is in it."""

import numpy as np
import torch
from torch import Tensor
from toy_models import CAMERA, POSE, MixtureModel

from genpose_ros.estimation import Frame, Instance
from genpose_ros.geometry import columns_from_rotation
from genpose_ros.networks.interface import Encoding, Up


class Scene:
    """Squares in front of a wall at 2 m, and a model that knows where the objects behind them are.

    A square of `SIDE_M` faces the camera; the origin of its object is 2 cm behind its middle. Each
    object is a dict: category, centre (3,) of the square in the camera frame, rotation (3, 3), and
    `modes`: (weight, rotation) pairs that the model takes for possible.
    """

    SIDE_M = 0.08
    STEP_NS = 33_333_333

    def __init__(self, deviation: float = 0.01) -> None:
        self.objects: dict[int, dict] = {}
        self.deviation = deviation
        #: The model takes what it sees of an object for all of it.
        self.misled = False
        self.camera = CAMERA

    def put(self, number, category, centre, rotation=None, modes=None):
        rotation = POSE.numpy() if rotation is None else np.asarray(rotation)
        modes = [(1.0, rotation)] if modes is None else modes
        centre = np.asarray(centre, dtype=float)
        self.objects[number] = {
            "category": category,
            "centre": centre,
            "rotation": rotation,
            "modes": modes,
        }

    def truth(self, number) -> np.ndarray:
        item = self.objects[number]
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = item["rotation"], item["centre"] + [0, 0, 0.02]
        return T

    def depth(
        self, *, without=(), slab_m=None, behind=slice(None)
    ) -> tuple[np.ndarray, np.ndarray]:
        """Depth and label image; `slab_m` is a wall at that depth before the columns `behind`."""
        depth_m = np.full((240, 320), 2.0, dtype=np.float32)
        label = np.zeros((240, 320), dtype=int)
        far_first = sorted(self.objects, key=lambda n: -self.objects[n]["centre"][2])
        for number in far_first:
            if number in without:
                continue
            x, y, z = self.objects[number]["centre"]
            low = [(x - self.SIDE_M / 2) / z, (y - self.SIDE_M / 2) / z]
            high = [(x + self.SIDE_M / 2) / z, (y + self.SIDE_M / 2) / z]
            (left, top), (right, bottom) = (
                np.rint(300 * np.array(corner) + (159.5, 119.5)).astype(int)
                for corner in (low, high)
            )
            rows, columns = slice(max(top, 0), max(bottom, 0)), slice(max(left, 0), max(right, 0))
            depth_m[rows, columns], label[rows, columns] = z, number
        if slab_m is not None:
            depth_m[:, behind], label[:, behind] = slab_m, 0
        return depth_m, label

    def frame(
        self, *, without=(), slab_m=None, behind=slice(None), masked=None, categories=None
    ) -> Frame:
        """The frame; `masked`: only these have masks; `categories`: what masks say instead."""
        depth_m, label = self.depth(without=without, slab_m=slab_m, behind=behind)
        instances = tuple(
            Instance(number, (categories or {}).get(number, item["category"]), label == number)
            for number, item in self.objects.items()
            if (masked is None or number in masked) and (label == number).sum() > 100
        )
        return Frame(depth_m, CAMERA, instances)


class SceneModel(MixtureModel):
    """Knows for each cloud the object of a `Scene` whose square it comes from."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(POSE[None], torch.zeros(1, 3), deviation=scene.deviation)
        self.scene = scene
        self.fails = False
        self.patches: list[int] = []

    def encode(self, points_cam: Tensor, *, patches: int = 0, up: Up | None = None) -> Encoding:
        if self.fails:
            raise RuntimeError("the model broke")
        self.batch_sizes.append(len(points_cam))
        self.patches.append(patches)
        items = list(self.scene.objects.values())
        centres = torch.tensor(np.array([item["centre"] for item in items]))
        mean = points_cam.double().mean(dim=1)
        chosen = (mean[:, None] - centres).norm(dim=-1).argmin(dim=1)
        count = max(len(item["modes"]) for item in items)
        rows = [self._row(items[int(i)], m, count) for i, m in zip(chosen, mean, strict=True)]
        return Encoding(
            centre=points_cam.mean(dim=1),
            alignment=torch.eye(3).expand(len(mean), 3, 3),
            score=torch.stack(rows),
            size_m=torch.full((len(mean), 3), 1.2 * self.scene.SIDE_M),
        )

    def _row(self, item: dict, mean: Tensor, count: int) -> Tensor:
        """Pose vector and log weight (count, 10) of each mode."""
        rows = []
        centre = mean if self.scene.misled else torch.tensor(item["centre"])
        offset = centre + torch.tensor([0, 0, 0.02]) - mean
        for weight, rotation in [*item["modes"], *[(1e-30, np.eye(3))] * count][:count]:
            columns = columns_from_rotation(torch.tensor(np.asarray(rotation)))
            rows.append(torch.cat((columns, offset, torch.tensor([np.log(weight)]))))
        return torch.stack(rows)

    def score(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        modes, log_weights = encoding.score[..., :9], encoding.score[..., 9]
        variance = self.deviation**2 + sigma.double() ** 2
        away = modes[:, None] - pose.double()[:, :, None]
        share = log_weights[:, None] - away.square().sum(-1) / (2 * variance)
        return ((share.softmax(dim=-1)[..., None] * away).sum(dim=-2) / variance).float()

    def energy(self, pose: Tensor, encoding: Encoding) -> Tensor:
        modes, log_weights = encoding.score[..., :9], encoding.score[..., 9]
        away = (modes[:, None] - pose.double()[:, :, None]).square() / (2 * self.deviation**2)
        parts = torch.stack((away[..., :6].sum(-1), away[..., 6:].sum(-1)), dim=-1)
        return (log_weights[:, None, :, None] - parts).logsumexp(dim=-2).float()

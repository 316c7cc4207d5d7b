"""A pose model whose densities are known in closed form, and a frame of boxes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from genpose_ros.estimation import (
    EstimatorSettings,
    Frame,
    Instance,
    PoseEstimator,
    Tracker,
    TrackerSettings,
)
from genpose_ros.geometry import (
    PinholeCamera,
    columns_from_rotation,
    rotation_from_columns,
    so3_exp,
)
from genpose_ros.networks.interface import Encoding, PoseModel


class MixtureModel(PoseModel):
    """Poses are a mixture of Gaussians about given ones, wherever the cloud is.

    Args:
        rotation: (M, 3, 3), camera frame.
        offset: (M, 3), translation minus mean of the cloud, metres.
        weights: (M,), summing to 1; None: equal.
        deviation: standard deviation of each entry of the pose vector.
        broken_beyond_m: clouds farther than this get scores of NaN.
    """

    architecture = "mixture"
    sigma_min, sigma_max = 0.01, 50.0

    def __init__(
        self,
        rotation: Tensor,
        offset: Tensor,
        weights: Tensor | None = None,
        deviation: float = 0.02,
        *,
        with_energy: bool = True,
        size_m: Tensor | None = None,
        broken_beyond_m: float = torch.inf,
    ) -> None:
        super().__init__()
        modes = torch.cat((columns_from_rotation(rotation), offset), dim=-1).double()
        self.modes = torch.nn.Parameter(modes, requires_grad=False)
        self.log_weights = (
            (torch.full((len(modes),), 1 / len(modes)) if weights is None else weights)
            .double()
            .log()
        )
        self.deviation, self.size_m = deviation, size_m
        self.with_energy, self.broken_beyond_m = with_energy, broken_beyond_m
        self.batch_sizes: list[int] = []

    @classmethod
    def from_config(cls, config):
        raise NotImplementedError

    def config(self):
        raise NotImplementedError

    @property
    def has_energy(self) -> bool:
        return self.with_energy

    def encode(self, points_cam: Tensor, *, patches: int = 0) -> Encoding:
        self.batch_sizes.append(len(points_cam))
        centre = points_cam.mean(dim=1)
        return Encoding(
            centre=centre,
            alignment=torch.eye(3).expand(len(centre), 3, 3),
            score=torch.where(centre[:, 2] > self.broken_beyond_m, torch.nan, 1.0),
            size_m=None if self.size_m is None else self.size_m.expand(len(centre), 3),
        )

    def score(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        variance = self.deviation**2 + sigma.double() ** 2
        away = self.modes - pose.double()[..., None, :]
        share = (self.log_weights - away.square().sum(-1) / (2 * variance)).softmax(dim=-1)
        score = (share[..., None] * away).sum(dim=-2) / variance
        return (score * encoding.score[:, None, None]).float()

    def energy(self, pose: Tensor, encoding: Encoding) -> Tensor:
        away = (self.modes - pose.double()[..., None, :]).square() / (2 * self.deviation**2)
        parts = torch.stack((away[..., :6].sum(-1), away[..., 6:].sum(-1)), dim=-1)
        return (self.log_weights[:, None] - parts).logsumexp(dim=-2).float()

    def encode_pose(self, rotation: Tensor, translation: Tensor, encoding: Encoding) -> Tensor:
        offset = translation - encoding.centre[:, None]
        return torch.cat((columns_from_rotation(rotation), offset), dim=-1)

    def decode_pose(self, pose: Tensor, encoding: Encoding) -> tuple[Tensor, Tensor]:
        rotation = rotation_from_columns(pose[..., :3], pose[..., 3:6])
        return rotation, pose[..., 6:] + encoding.centre[:, None]


CAMERA = PinholeCamera(300.0, 300.0, 159.5, 119.5, 320, 240)
#: Upright and turned a little, in the optical frame.
UPRIGHT = torch.tensor([[0.0, 0, -1], [0, -1, 0], [-1, 0, 0]]).double()
POSE = so3_exp(torch.tensor([0.3, 0.2, -0.1]).double()) @ UPRIGHT


def make_frame(*boxes: tuple[str, int, int, float], size: int = 30) -> Frame:
    """A wall at 2 m and boxes (category, row, column, depth in metres) in front of it."""
    depth_m = np.full((240, 320), 2.0, dtype=np.float32)
    instances = []
    for i, (category, row, column, z) in enumerate(boxes):
        mask = np.zeros((240, 320), dtype=bool)
        mask[row : row + size, column : column + size] = True
        depth_m[mask] = z
        instances.append(Instance(i + 1, category, mask, detection_score=0.5))
    return Frame(depth_m, CAMERA, tuple(instances))


def make_model(**changes) -> MixtureModel:
    """One mode: `POSE`, 5 cm behind the cloud's mean."""
    values = {"rotation": POSE[None], "offset": torch.tensor([[0.0, 0.0, 0.05]])}
    return MixtureModel(**{**values, **changes})


class Stage:
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


class StageModel(MixtureModel):
    """Knows for each cloud the object of a `Stage` whose square it comes from."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(POSE[None], torch.zeros(1, 3), deviation=stage.deviation)
        self.stage = stage
        self.fails = False
        self.patches: list[int] = []

    def encode(self, points_cam: Tensor, *, patches: int = 0) -> Encoding:
        if self.fails:
            raise RuntimeError("the model broke")
        self.batch_sizes.append(len(points_cam))
        self.patches.append(patches)
        items = list(self.stage.objects.values())
        centres = torch.tensor(np.array([item["centre"] for item in items]))
        mean = points_cam.double().mean(dim=1)
        chosen = (mean[:, None] - centres).norm(dim=-1).argmin(dim=1)
        count = max(len(item["modes"]) for item in items)
        rows = [self._row(items[int(i)], m, count) for i, m in zip(chosen, mean, strict=True)]
        return Encoding(
            centre=points_cam.mean(dim=1),
            alignment=torch.eye(3).expand(len(mean), 3, 3),
            score=torch.stack(rows),
            size_m=torch.full((len(mean), 3), 1.2 * self.stage.SIDE_M),
        )

    def _row(self, item: dict, mean: Tensor, count: int) -> Tensor:
        """Pose vector and log weight (count, 10) of each mode."""
        rows = []
        centre = mean if self.stage.misled else torch.tensor(item["centre"])
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


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def tracker(stage):
    """Makes a tracker of the stage's objects; keyword arguments are its settings."""

    def make(**changes) -> Tracker:
        settings = EstimatorSettings(candidates=20, steps=6, points=64, min_points=30)
        return Tracker(PoseEstimator(StageModel(stage), settings), TrackerSettings(**changes))

    return make


@pytest.fixture
def toy() -> SimpleNamespace:
    return SimpleNamespace(
        Model=MixtureModel, model=make_model, frame=make_frame, camera=CAMERA, pose=POSE
    )

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Light model: patch transformer, score head with EDM preconditioning, energy and size heads."""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genpose_ros.geometry.rotations import columns_from_rotation, rotation_from_columns
from genpose_ros.networks.inference_linear import InferenceCopy
from genpose_ros.networks.interface import Encoding, NoiseLevels, PoseModel, Up
from genpose_ros.networks.patch_transformer import PatchTransformer

__all__ = [
    "LightConfig",
    "LightPoseModel",
    "with_distilled_head",
    "without_distilled_head",
]

#: Bounds of a config's sizes, far above what is of use.
_MAX_SIZE, _MAX_LAYERS = 2**16, 64


@dataclass(frozen=True)
class LightConfig:
    """Sizes and constants of a light model.

    Attributes:
        patches: per cloud.
        neighbours: points per patch.
        subset: points used of each cloud.
        width: token width of the transformer.
        layers: of the transformer.
        attention_heads: of each layer.
        head_width: width of the score and of the energy head.
        head_layers: layers of the score and of the energy head.
        up: the encoder takes the direction against gravity and the height above the support.
        length_unit_m: pose vectors hold lengths in this unit, so that they are as large as the
            rotation's entries.
        sigma_data: standard deviation of pose vectors, for the preconditioning.
        sigma_min: least noise level trained for.
        sigma_max: greatest noise level trained for.
        ranking_sigma: noise level at which the energies are read.
        distilled_layers: layers of the distilled head; 0: there is none.
        distilled_width: its width.
        distilled_sigma: noise level that the score goes on from, after its answer.
    """

    patches: int = 64
    neighbours: int = 16
    subset: int = 512
    width: int = 192
    layers: int = 4
    attention_heads: int = 4
    head_width: int = 256
    head_layers: int = 3
    up: bool = False
    length_unit_m: float = 0.1
    sigma_data: float = 0.5
    sigma_min: float = 0.01
    sigma_max: float = 20.0
    ranking_sigma: float = 0.1
    distilled_layers: int = 0
    distilled_width: int = 256
    distilled_sigma: float = 0.3

    def __post_init__(self) -> None:
        """Check types and bounds, as checkpoints bring these numbers along.

        Raises:
            ValueError: a size is not a whole number above 0 or beyond any use, or a length or
                noise level is not finite and above 0.
        """
        for item in fields(self):
            name, value = item.name, getattr(self, item.name)
            if isinstance(item.default, bool):
                if type(value) is not bool:
                    raise ValueError(f"{name} must be true or false: {value!r}")
            elif isinstance(item.default, int):
                most = _MAX_LAYERS if name.endswith("layers") else _MAX_SIZE
                least = min(1, item.default)
                if type(value) is not int or not least <= value <= most:
                    raise ValueError(
                        f"{name} must be a whole number from {least} to {most}: {value!r}"
                    )
            elif type(value) not in (int, float) or not 0 < value < math.inf:
                raise ValueError(f"{name} must be a number above 0: {value!r}")


class LightPoseModel(PoseModel):
    """Light architecture: score, energy and size from one shared encoder.

    The first `subset` points of a cloud are encoded, so clouds must come in random order. The
    pose vector is `[R[:,0], R[:,1], t - centre]` in a frame turned so that the cloud's centre
    lies on the optical axis, lengths in units of `length_unit_m`: a cloud is the same wherever
    in the image it lies.

    Args:
        config: sizes and constants; None: those of the released weights.
    """

    architecture: ClassVar[str] = "genpose-light"
    mirrors: ClassVar[bool] = True
    fixed_shapes: ClassVar[bool] = True
    #: Searched for the released weights, with two, four and eight steps (docs/evaluations.md).
    noise_curve: ClassVar[tuple[float, ...]] = (5.0, 1.4, 0.74, 0.44, 0.26, 0.135, 0.06, 0.02)

    def __init__(self, config: LightConfig | None = None) -> None:
        super().__init__()
        self.settings = config or LightConfig()
        c = self.settings
        self.sigma_min, self.sigma_max, self.uses_up = c.sigma_min, c.sigma_max, c.up
        self.encoder = PatchTransformer(
            patches=c.patches,
            neighbours=c.neighbours,
            subset=c.subset,
            width=c.width,
            layers=c.layers,
            heads=c.attention_heads,
            up=c.up,
        )
        features = self.encoder.out_features
        self.score_head = _PoseHead(features, c.head_width, c.head_layers)
        self.energy_head = _PoseHead(features, c.head_width, c.head_layers)
        self.distilled_head = (
            _PoseHead(features, c.distilled_width, c.distilled_layers)
            if c.distilled_layers
            else None
        )
        log_size = nn.Linear(128, 3)
        nn.init.zeros_(log_size.weight)
        self._half_encoder = InferenceCopy(self.encoder, torch.bfloat16)
        self.size_head = nn.Sequential(nn.Linear(features, 128), nn.GELU(), log_size)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "LightPoseModel":
        """Build the model a checkpoint describes.

        Raises:
            TypeError: an entry is not one of `LightConfig`.
        """
        return cls(LightConfig(**config))

    def config(self) -> dict[str, Any]:
        """Return what `from_config` needs to build this model again."""
        return asdict(self.settings)

    @property
    def has_energy(self) -> bool:
        return True

    @property
    def distilled_sigma(self) -> float | None:
        return None if self.distilled_head is None else self.settings.distilled_sigma

    def features(
        self, points_cam: Tensor, *, patches: int = 0, bf16: bool = False, up: Up | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return centre (B, 3), alignment (B, 3, 3) and features (B, F) of clouds.

        Args:
            points_cam: (B, N, 3), metres, camera frame, in random order.
            patches: see `encode`.
            bf16: run the encoder in bfloat16; poses and heads need the digits of float32.
            up: see `encode`.
        """
        centre = points_cam.mean(1)
        alignment = _towards_axis(centre)
        # Row vectors: the rotation from the right is its transpose from the left.
        seen = points_cam[:, : self.settings.subset]
        aligned = (seen - centre.unsqueeze(1)) @ alignment.mT
        distance = centre.norm(dim=-1, keepdim=True)
        view = torch.cat((centre / distance, distance.log()), -1)
        known = None if up is None or not self.uses_up else self._up_features(up, centre, alignment)
        encoder, context = self.encoder, cast(AbstractContextManager[None], nullcontext())
        if bf16 and torch.is_grad_enabled():
            context = torch.autocast(points_cam.device.type, torch.bfloat16)
        elif bf16:
            encoder = self._half_encoder.current()
        with context:
            features = encoder(aligned / self.settings.length_unit_m, view, patches, known)
        return centre, alignment, features.float()

    def _up_features(self, up: Up, centre: Tensor, alignment: Tensor) -> Tensor:
        """What the encoder takes of the direction up, (B, 5): in the frame of the pose vectors."""
        direction = (alignment @ up.direction.unsqueeze(-1)).squeeze(-1)
        height = ((centre * up.direction).sum(-1) - up.level_m) / self.settings.length_unit_m
        known = height.isfinite()
        level = torch.stack((torch.where(known, height, 0.0), known.to(height)), -1)
        return torch.cat((direction, level), -1)

    def encode(self, points_cam: Tensor, *, patches: int = 0, up: Up | None = None) -> Encoding:
        centre, alignment, features = self.features(
            points_cam, patches=patches, bf16=self.encodes_in_bf16, up=up
        )
        laid_out = self.encodes_in_bf16 and features.is_cpu and not torch.is_grad_enabled()
        return Encoding(
            centre=centre,
            alignment=alignment,
            score=self.score_head.condition(features, laid_out=laid_out),
            energy=self.energy_head.condition(features, laid_out=laid_out),
            distilled=None if self.distilled_head is None else features,
            size_m=self.settings.length_unit_m * self.size_head(features).exp(),
        )

    def score(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        return (self.denoise(pose, sigma, encoding) - pose) / sigma**2

    def denoise(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        """Return expected clean pose vectors (B, K, 9) of noisy ones, preconditioned as in EDM."""
        return self._preconditioned(self.score_head, pose, sigma, encoding.score)

    def flow_end(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        if self.distilled_head is None or encoding.distilled is None:
            return super().flow_end(pose, sigma, encoding)
        condition = self.distilled_head.condition(encoding.distilled)
        return self.flow_end_of(pose, sigma, condition)

    def flow_end_of(self, pose: Tensor, sigma: Tensor, condition: Tensor) -> Tensor:
        """Return what `flow_end` does, of the condition that the head makes of features.

        Raises:
            ValueError: the model has no distilled head.
        """
        if self.distilled_head is None:
            raise ValueError(f"this {self.architecture} has no distilled head")
        return self._preconditioned(self.distilled_head, pose, sigma, condition)

    def _preconditioned(
        self, head: "_PoseHead", pose: Tensor, sigma: Tensor, condition: Tensor
    ) -> Tensor:
        """A head's answer and the noisy poses themselves, shared by the noise level (EDM)."""
        data = self.settings.sigma_data
        total = sigma**2 + data**2
        skip, out = data**2 / total, sigma * data / total.sqrt()
        return skip * pose + out * head(pose / total.sqrt(), sigma, condition)

    def denoiser(self, encoding: Encoding, levels: NoiseLevels) -> Callable[[Tensor, int], Tensor]:
        if type(self).denoise is not LightPoseModel.denoise:
            return super().denoiser(encoding, levels)  # a variant's own way
        return self._preconditioned_at(
            self.score_head, encoding.score, levels, bf16=self.encodes_in_bf16
        )

    def flow_ends(self, encoding: Encoding, levels: NoiseLevels) -> Callable[[Tensor, int], Tensor]:
        if self.distilled_head is None or encoding.distilled is None:
            return super().flow_ends(encoding, levels)
        condition = self.distilled_head.condition(encoding.distilled)
        return self._preconditioned_at(self.distilled_head, condition, levels)

    def _preconditioned_at(
        self, head: "_PoseHead", condition: Tensor, levels: NoiseLevels, *, bf16: bool = False
    ) -> Callable[[Tensor, int], Tensor]:
        """What `_preconditioned` does at the noise levels of steps."""
        data = self.settings.sigma_data
        prepared = head.at_levels(condition, levels.sigmas, bf16=bf16)

        def clean(pose: Tensor, step: int) -> Tensor:
            sigma = levels.values[step]
            total = sigma**2 + data**2
            answer = prepared(pose / math.sqrt(total), step)
            return torch.add(pose * (data**2 / total), answer, alpha=sigma * data / total**0.5)

        return clean

    def energy(self, pose: Tensor, encoding: Encoding) -> Tensor:
        sigma = torch.full_like(pose[0, 0, 0], self.settings.ranking_sigma)
        return self.energy_at(pose, sigma, encoding)

    def energy_at(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        """Return rotation and translation energies (B, K, 2) at a noise level: <p, f(p) / sigma>.

        Raises:
            ValueError: the encoding holds no energy features.
        """
        if encoding.energy is None:
            raise ValueError("the encoding holds no energy features")
        total = (sigma**2 + self.settings.sigma_data**2).sqrt()
        product = pose * self.energy_head(pose / total, sigma, encoding.energy) / sigma
        return torch.stack((product[..., :6].sum(-1), product[..., 6:].sum(-1)), -1)

    def encode_pose(self, rotation: Tensor, translation: Tensor, encoding: Encoding) -> Tensor:
        alignment = encoding.alignment.unsqueeze(1)
        columns = columns_from_rotation(alignment @ rotation)
        offset = (translation - encoding.centre.unsqueeze(1)).unsqueeze(-1)
        length = (alignment @ offset).squeeze(-1) / self.settings.length_unit_m
        return torch.cat((columns, length), -1)

    def decode_pose(self, pose: Tensor, encoding: Encoding) -> tuple[Tensor, Tensor]:
        back = encoding.alignment.mT.unsqueeze(1).to(pose.dtype)
        rotation = back @ rotation_from_columns(pose[..., :3], pose[..., 3:6])
        offset = back @ (pose[..., 6:] * self.settings.length_unit_m).unsqueeze(-1)
        return rotation, offset.squeeze(-1) + encoding.centre.unsqueeze(1)


def with_distilled_head(
    model: LightPoseModel, *, layers: int, width: int, sigma: float
) -> LightPoseModel:
    """Return a model with a fresh distilled head beside what it has.

    A head of the score head's size begins as the score head: both map noisy poses to clean ones.

    Args:
        model: the finished one, which stays as it is.
        layers, width: of the head.
        sigma: noise level that the score goes on from, after its answer.
    """
    config = {"distilled_layers": layers, "distilled_width": width, "distilled_sigma": sigma}
    c = model.settings
    made = _rebuilt(model, config)
    if made.distilled_head is not None and (layers, width) == (c.head_layers, c.head_width):
        made.distilled_head.load_state_dict(model.score_head.state_dict())
    return made


def without_distilled_head(model: LightPoseModel) -> LightPoseModel:
    """Return the model without its distilled head, which is of no use once the others change."""
    if model.distilled_head is None:
        return model
    default = LightConfig()
    names = ("distilled_layers", "distilled_width", "distilled_sigma")
    return _rebuilt(model, {name: getattr(default, name) for name in names})


def _rebuilt(model: LightPoseModel, config: Mapping[str, Any]) -> LightPoseModel:
    """A model of another config with the weights, categories and calibration of this one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = LightPoseModel.from_config({**model.config(), **config})
    known = made.state_dict()
    shared = {name: v for name, v in model.state_dict().items() if name in known}
    made.load_state_dict(known | shared)
    made.categories, made.score_calibration = model.categories, model.score_calibration
    return made.to(model.device)


class _PoseHead(nn.Module):
    """Head that maps noisy poses, a noise level and a cloud's features to nine numbers per pose.

    The features act as a scale and a shift of each hidden layer: computed once per cloud, so that
    a candidate costs only the small layers.
    """

    def __init__(self, features: int, width: int, layers: int) -> None:
        super().__init__()
        self.width, self.depth = width, layers
        self.project = nn.Sequential(
            nn.Linear(features, 512), nn.GELU(), nn.Linear(512, 2 * width * layers)
        )
        self._laid_out_project = InferenceCopy(self.project, torch.float32)
        self.time = nn.Sequential(nn.Linear(33, 128), nn.GELU(), nn.Linear(128, width))
        self.enter = nn.Linear(9, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self._half_hidden = InferenceCopy(self.hidden, torch.bfloat16)
        self.leave = nn.Linear(width, 9)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def condition(self, features: Tensor, *, laid_out: bool = False) -> Tensor:
        """Scales and shifts (B, 2 * layers, width) of features (B, F).

        Args:
            features: of clouds.
            laid_out: by weights as a CPU multiplies them faster, without gradients.
        """
        project = self._laid_out_project.current() if laid_out else self.project
        return project(features).view(len(features), 2 * self.depth, self.width)

    def at_levels(
        self, condition: Tensor, sigmas: Tensor, *, bf16: bool = False
    ) -> Callable[[Tensor, int], Tensor]:
        """Return what `forward` does at some noise levels (S,), by their index; without gradients.

        What the steps have in common is computed here, and the steps write over their own numbers.
        In bfloat16 are the hidden layers' products alone, most of the work: what they err by in
        one step the next ones see as noise and remove. A single step has none.
        """
        first_bias = self.enter.bias + self.time(_wave(sigmas.unsqueeze(1)))
        scales, shifts = condition.unsqueeze(2).chunk(2, 1)
        scales, hidden = 1 + scales, self._half_hidden.current() if bf16 else self.hidden

        def head(pose: Tensor, step: int) -> Tensor:
            h = F.linear(pose, self.enter.weight, first_bias[step])
            for i, layer in enumerate(hidden):
                product = layer(h).float()
                h += F.silu(torch.addcmul(shifts[:, i], product, scales[:, i]), inplace=True)
            answer: Tensor = self.leave(h)
            return answer

        return head

    def forward(self, pose: Tensor, sigma: Tensor, condition: Tensor) -> Tensor:
        # One level for all is embedded once, not for each pose.
        h = self.enter(pose) + self.time(_wave(torch.atleast_1d(sigma)))
        scales, shifts = condition.unsqueeze(2).chunk(2, 1)
        for i, layer in enumerate(self.hidden):
            h = h + F.silu(layer(h) * (1 + scales[:, i]) + shifts[:, i])
        return self.leave(h)


def _wave(sigma: Tensor) -> Tensor:
    """Noise levels (..., 1) as features (..., 33): log sigma / 4 and 16 frequencies of it."""
    level = sigma.log() / 4
    angle = level * torch.linspace(0.5, 8, 16, device=sigma.device, dtype=sigma.dtype) * math.pi
    return torch.cat((level, angle.sin(), angle.cos()), -1)


def _towards_axis(centre: Tensor) -> Tensor:
    """Smallest rotations (B, 3, 3) that turn the directions of `centre` (B, 3) onto the z axis.

    Not finite for a centre at the origin or on the negative z axis, where no camera sees anything.
    """
    axis = centre / centre.norm(dim=-1, keepdim=True)
    across, along = axis[:, :2], axis[:, 2:]
    # Rodrigues' formula with the axis (y, -x, 0) / sin(angle) and cos(angle) = z.
    outer = (across / (1 + along)).unsqueeze(2) * across.unsqueeze(1)
    turned = torch.eye(2, dtype=axis.dtype, device=axis.device) - outer
    upper = torch.cat((turned, -across.unsqueeze(2)), 2)
    return torch.cat((upper, axis.unsqueeze(1)), 1)

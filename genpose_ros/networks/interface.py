# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Interface of the pose models: encoding, scores, energies and pose vectors."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from genpose_ros.geometry.categories import NOCS, CategorySet
from genpose_ros.networks.score_calibration import ScoreCalibration

__all__ = ["Encoding", "NoiseLevels", "PoseModel", "Up"]


@dataclass(frozen=True)
class Up:
    """Up, the direction against gravity, and the support below B clouds, as far as known.

    Attributes:
        direction: (B, 3) unit vectors against gravity, camera frame; zero where not known.
        level_m: (B,) coordinate along it of the support that the object stands on, or would;
            NaN where not known.
    """

    direction: Tensor
    level_m: Tensor

    def to(self, device: torch.device) -> "Up":
        """Return the same on another device."""
        return Up(self.direction.to(device), self.level_m.to(device))


@dataclass(frozen=True)
class Encoding:
    """Encoding of a batch of B clouds; pose vectors are relative to it.

    Attributes:
        centre: (B, 3) mean of the cloud, metres, camera frame.
        alignment: (B, 3, 3) rotation from the camera frame to the frame the pose vectors are in.
        score: features of the score network, (B, ...).
        energy: features of the energy network, (B, ...); None when the model has none.
        size_m: (B, 3) box edge lengths, metres; None when the model has no size head.
        distilled: features of the distilled head, (B, ...); None when the model has none.
    """

    centre: Tensor
    alignment: Tensor
    score: Tensor
    energy: Tensor | None = None
    size_m: Tensor | None = None
    distilled: Tensor | None = None

    def __getitem__(self, index: slice | Tensor) -> "Encoding":
        """Return the encoding of some of the clouds; `index` selects along the batch."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        taken: dict[str, Any] = {k: None if v is None else v[index] for k, v in parts.items()}
        return Encoding(**taken)


@dataclass(frozen=True)
class NoiseLevels:
    """Noise levels of a solver's steps, where they are needed: on the host and on the device.

    Attributes:
        values: of each step.
        sigmas: (steps,) float32, the same.
    """

    values: tuple[float, ...]
    sigmas: Tensor

    @classmethod
    def of(cls, values: Sequence[float], device: torch.device) -> "NoiseLevels":
        """Return the levels with their copy on a device."""
        numbers = tuple(float(value) for value in values)
        return cls(numbers, torch.tensor(numbers, dtype=torch.float32, device=device))


class PoseModel(nn.Module, ABC):
    """Score network, optionally with energy network and size head, for one kind of pose vector.

    Pose vectors `pose` are (B, K, 9): K candidates for each of B clouds, in the model's own units
    (`encode_pose`, `decode_pose`). `sigma` is a noise level in the same units, a tensor that
    broadcasts against (B, K, 1).
    """

    #: Name written into checkpoints.
    architecture: ClassVar[str]
    #: Smallest and largest noise level the model was trained for.
    sigma_min: float
    sigma_max: float
    #: Whether the model was trained for test-time augmentation: with mirrored clouds, and with
    #: other points of them first.
    mirrors: ClassVar[bool] = False
    #: Whether the shapes of everything it computes follow from those of its arguments, without a
    #: look at their content: only then can a GPU replay it.
    fixed_shapes: ClassVar[bool] = False
    #: Noise levels that few steps are best taken at, as of `diffusion.schedule_along`; none: not
    #: known.
    noise_curve: ClassVar[tuple[float, ...]] = ()
    #: What it was trained on; checkpoints hold it.
    categories: CategorySet = NOCS
    #: What makes probabilities of its estimates' evidence; None: their scores are agreement.
    score_calibration: ScoreCalibration | None = None
    #: Whether `encode` uses what is known of the direction up.
    uses_up: bool = False
    #: Whether the large products of `encode` and `denoiser` are in bfloat16, as far as the
    #: architecture can; poses and scores stay in float32.
    encodes_in_bf16: bool = False

    @abstractmethod
    def encode(self, points_cam: Tensor, *, patches: int = 0, up: Up | None = None) -> Encoding:
        """Encode a batch of clouds.

        Args:
            points_cam: (B, N, 3), metres, camera optical frame, in random order.
            patches: that each cloud is divided into, where the architecture does so; fewer are
                faster and coarser; 0: as many as it was trained with.
            up: which way is up, for models that use it; None: not known of any cloud.
        """

    @abstractmethod
    def score(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        """Return the gradient of the log density of noisy poses, (B, K, 9) (paper eq. 4).

        Args:
            pose: (B, K, 9) pose vectors with noise of `sigma` on them.
            sigma: noise level, broadcasts against (B, K, 1).
            encoding: of the B clouds.
        """

    def denoiser(self, encoding: Encoding, levels: NoiseLevels) -> Callable[[Tensor, int], Tensor]:
        """Return what maps noisy poses (B, K, 9) and a step to the clean ones that are expected.

        Without gradients. Architectures prepare here what all steps have in common.

        Args:
            encoding: of the B clouds.
            levels: of the steps.
        """

        def denoise(pose: Tensor, step: int) -> Tensor:
            score = self.score(pose, levels.sigmas[step], encoding)
            return pose + levels.values[step] ** 2 * score

        return denoise

    def flow_end(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        """Return where the probability flow from noisy poses ends, (B, K, 9), in one evaluation.

        What a solver finds by many evaluations of `score`, learnt from it: see `distilled_sigma`.

        Args:
            pose: (B, K, 9) pose vectors with noise of `sigma` on them.
            sigma: noise level, broadcasts against (B, K, 1).
            encoding: of the B clouds.

        Raises:
            ValueError: the model has no distilled head.
        """
        raise ValueError(f"this {self.architecture} has no distilled head")

    def flow_ends(self, encoding: Encoding, levels: NoiseLevels) -> Callable[[Tensor, int], Tensor]:
        """Return what maps noisy poses (B, K, 9) and a step to what `flow_end` finds of them.

        Without gradients, prepared as `denoiser` is.

        Args:
            encoding: of the B clouds.
            levels: of the steps.
        """
        return lambda pose, step: self.flow_end(pose, levels.sigmas[step], encoding)

    @abstractmethod
    def energy(self, pose: Tensor, encoding: Encoding) -> Tensor:
        """Return rotation and translation energies for ranking, (B, K, 2), higher is better.

        Args:
            pose: (B, K, 9) pose vectors.
            encoding: of the B clouds.

        Raises:
            ValueError: the model has no energy network.
        """

    @abstractmethod
    def encode_pose(self, rotation: Tensor, translation: Tensor, encoding: Encoding) -> Tensor:
        """Return the pose vectors of poses, (B, K, 9).

        Args:
            rotation: (B, K, 3, 3), object to camera.
            translation: (B, K, 3), metres, camera frame.
            encoding: of the B clouds.
        """

    @abstractmethod
    def decode_pose(self, pose: Tensor, encoding: Encoding) -> tuple[Tensor, Tensor]:
        """Return the poses of pose vectors, the inverse of `encode_pose`.

        Args:
            pose: (B, K, 9) pose vectors.
            encoding: of the B clouds.

        Returns:
            Rotations (B, K, 3, 3), object to camera, and translations (B, K, 3), metres, camera
            frame. Not finite where the two columns of a pose vector are parallel or zero.
        """

    @classmethod
    @abstractmethod
    def from_config(cls, config: Mapping[str, Any]) -> "PoseModel":
        """Build the model that a checkpoint's `config` describes, with random weights."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return what `from_config` needs to build this model again."""

    @property
    @abstractmethod
    def has_energy(self) -> bool:
        """True with an energy network, so that `energy` can be called."""

    @property
    def distilled_sigma(self) -> float | None:
        """Noise level that the score goes on from after `flow_end`; None: there is no such head."""
        return None

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next(self.parameters()).device

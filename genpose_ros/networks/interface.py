"""The small interface that both architectures stand behind."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

__all__ = ["Encoding", "PoseModel"]


@dataclass(frozen=True)
class Encoding:
    """What a model keeps of a batch of B clouds; its poses live relative to it.

    Attributes:
        centre: (B, 3) mean of the cloud, metres, camera frame.
        alignment: (B, 3, 3) rotation from the camera frame to the frame the pose vectors are in.
        score: features of the score network, (B, ...).
        energy: features of the energy network, (B, ...); None when the model has none.
        size_m: (B, 3) box edge lengths, metres; None when the model has no size head.
    """

    centre: Tensor
    alignment: Tensor
    score: Tensor
    energy: Tensor | None = None
    size_m: Tensor | None = None

    def __getitem__(self, index: slice | Tensor) -> "Encoding":
        """The encoding of some of the clouds; `index` selects along the batch."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        taken: dict[str, Any] = {k: None if v is None else v[index] for k, v in parts.items()}
        return Encoding(**taken)


class PoseModel(nn.Module, ABC):
    """A score network, optionally an energy network and a size head, over one kind of pose vector.

    Pose vectors `pose` are (B, K, 9): K candidates for each of B clouds, in the model's own units
    (`encode_pose`, `decode_pose`). `sigma` is a noise level in the same units, a tensor that
    broadcasts against (B, K, 1).
    """

    #: Name written into checkpoints.
    architecture: ClassVar[str]
    #: Smallest and largest noise level the model was trained for.
    sigma_min: float
    sigma_max: float
    #: Whether clouds may be mirrored, and other points of them come first.
    mirrors: ClassVar[bool] = False
    #: Whether `encode` computes in bfloat16, as far as the architecture can; poses and scores stay
    #: in float32.
    encodes_in_bf16: bool = False

    @abstractmethod
    def encode(self, points_cam: Tensor, *, patches: int = 0) -> Encoding:
        """Encode clouds (B, N, 3), metres, camera optical frame.

        Args:
            points_cam: the clouds.
            patches: that each cloud is divided into, where the architecture does so; fewer are
                faster and coarser; 0: as many as it was trained with.
        """

    @abstractmethod
    def score(self, pose: Tensor, sigma: Tensor, encoding: Encoding) -> Tensor:
        """Gradient of the log density of noisy poses, (B, K, 9) (paper eq. 4)."""

    @abstractmethod
    def energy(self, pose: Tensor, encoding: Encoding) -> Tensor:
        """Rotation and translation energies for ranking, (B, K, 2), higher is better.

        Raises:
            ValueError: the model has no energy network.
        """

    @abstractmethod
    def encode_pose(self, rotation: Tensor, translation: Tensor, encoding: Encoding) -> Tensor:
        """Pose vectors (B, K, 9) of rotations (B, K, 3, 3) and translations (B, K, 3), metres."""

    @abstractmethod
    def decode_pose(self, pose: Tensor, encoding: Encoding) -> tuple[Tensor, Tensor]:
        """Rotations (B, K, 3, 3) and translations (B, K, 3) in metres, camera frame."""

    @classmethod
    @abstractmethod
    def from_config(cls, config: Mapping[str, Any]) -> "PoseModel":
        """Build the model that a checkpoint's `config` describes, with random weights."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What `from_config` needs to build this model again."""

    @property
    @abstractmethod
    def has_energy(self) -> bool:
        """Whether `energy` can be called."""

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

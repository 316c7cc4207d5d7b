# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Settings of the estimator: one frozen dataclass for the library, the command line and ROS."""

from dataclasses import dataclass, fields, replace
from typing import Any

from genpose_ros.estimation.up import UP_SOURCES
from genpose_ros.settings import check_settings, setting

__all__ = [
    "PRESETS",
    "EstimatorSettings",
    "describe",
]

#: Candidates of one network call, which take 65 KB each on a CPU: whoever may set parameters could
#: have gigabytes otherwise.
_MOST_TOGETHER = 12_000


@dataclass(frozen=True)
class EstimatorSettings:
    """Settings that decide what the estimator computes, each with unit and range.

    Raises:
        ValueError: a value is of the wrong type, out of range, or none of the choices.

    Example:
        >>> EstimatorSettings(steps=16).steps
        16
        >>> EstimatorSettings.preset("paper", candidates=25).ranking
        'energy'
    """

    weights: str = setting(
        "",
        "Checkpoint file, or several with commas between, each class going to the one that knows "
        "it; empty: the released weights of this package.",
        fixed=True,
    )
    energy_weights: str = setting(
        "",
        "Energy checkpoint, only for the reference architecture, whose two networks are two files.",
        fixed=True,
        advanced=True,
    )
    device: str = setting(
        "auto", "auto (CUDA where there is one), cpu, cuda or cuda:N.", fixed=True
    )
    encoder_precision: str = setting(
        "auto",
        "What the light model multiplies in: bfloat16, float32, or auto: bfloat16 on CPUs that "
        "can. Poses stay in float32.",
        choices=("auto", "float32", "bfloat16"),
        fixed=True,
        advanced=True,
    )
    candidates: int = setting(
        50, "Pose candidates drawn per object (K).", low=1, high=1000, group="sampling"
    )
    tta_views: int = setting(
        2,
        "Times each cloud is encoded: with other points and, every second time, mirrored; the "
        "candidates are shared out among them. Models trained without mirrored clouds take one.",
        low=1,
        high=8,
        group="sampling",
        advanced=True,
        formerly="looks",
    )
    patches: int = setting(
        0,
        "Patches that the light model divides each cloud into: fewer are faster and coarser; 0: as "
        "many as it was trained with, 64.",
        low=0,
        high=512,
        group="sampling",
        advanced=True,
    )
    keep_fraction: float = setting(
        0.6,
        "Share of the candidates kept after ranking (delta).",
        low=0.01,
        high=1.0,
        group="sampling",
        advanced=True,
    )
    sampler: str = setting(
        "euler",
        "Solver of the reverse diffusion. distilled: the distilled head, and one step of the score "
        "after it; auto: the same. Weights without such a head take euler instead.",
        choices=("auto", "distilled", "euler", "dpmpp_2m", "rk45"),
        group="sampling",
        advanced=True,
    )
    steps: int = setting(
        4,
        "Network evaluations of the fixed-step solvers, per frame; architectures without noise "
        "levels of their own (see schedule) need 8.",
        low=1,
        high=1000,
        group="sampling",
    )
    schedule: str = setting(
        "auto",
        "Noise levels of the fixed-step solvers. auto: at equal shares of the curve that was "
        "searched for the model's architecture, where there is one; karras: equal steps in "
        "sigma^(1/7), which need about twice as many.",
        choices=("auto", "karras"),
        group="sampling",
        advanced=True,
    )
    start_sigma: float = setting(
        5.0,
        "Noise level the solver starts from, in units of the pose vector.",
        low=0.02,
        high=80.0,
        group="sampling",
        advanced=True,
    )
    max_latency_ms: float = setting(
        0.0,
        "Milliseconds that a frame may take: one that took longer lowers the next ones, first to "
        "half of the candidates and one roll, then to one view of each cloud, 32 patches and 2 "
        "steps; what is lowered is told in results and diagnostics. 0: nothing is lowered.",
        low=0.0,
        high=60_000.0,
        group="sampling",
    )
    tolerance: float = setting(
        1e-5,
        "Relative and absolute tolerance of rk45.",
        low=1e-9,
        high=0.1,
        group="sampling",
        advanced=True,
    )
    ranking: str = setting(
        "density",
        "What the candidates are sorted by. density: how many others lie near; energy: the energy "
        "network (paper); none: the order drawn.",
        choices=("density", "energy", "none"),
        group="sampling",
        advanced=True,
    )
    pooling: str = setting(
        "modes",
        "mean: average of all kept candidates (paper); modes: average of their largest cluster.",
        choices=("mean", "modes"),
        group="sampling",
        advanced=True,
    )
    points: int = setting(
        1024,
        "Points sampled per object; the networks are trained with 1024.",
        low=64,
        high=8192,
        group="depth",
        advanced=True,
    )
    min_points: int = setting(
        64,
        "Objects with fewer valid depth pixels are rejected.",
        low=1,
        high=8192,
        group="depth",
        advanced=True,
    )
    mask_erosion_px: int = setting(
        1,
        "Pixels taken off the mask's border; 0: none.",
        low=0,
        high=50,
        group="segmentation",
        advanced=True,
    )
    parts: str = setting(
        "largest",
        "What becomes of a mask with separate parts. largest: only that part is estimated; split: "
        "each is an object of its own; together: the mask is taken as it is.",
        choices=("largest", "split", "together"),
        group="segmentation",
    )
    depth_min_m: float = setting(
        0.1, "Depth nearer than this is ignored, metres.", low=0.0, high=100.0, group="depth"
    )
    depth_max_m: float = setting(
        5.0, "Depth farther than this is ignored, metres.", low=0.0, high=100.0, group="depth"
    )
    depth_window_m: float = setting(
        0.25,
        "Points farther than this from the object's median depth are ignored, metres; 0: off.",
        low=0.0,
        high=100.0,
        group="depth",
        advanced=True,
    )
    outlier_std_ratio: float = setting(
        0.0,
        "Statistical outlier filter: points whose mean distance to their neighbours exceeds the "
        "mean by this many standard deviations are ignored; 0: off.",
        low=0.0,
        high=100.0,
        group="depth",
        advanced=True,
    )
    outlier_neighbours: int = setting(
        16,
        "Neighbours of the statistical outlier filter.",
        low=1,
        high=256,
        group="depth",
        advanced=True,
    )
    up_source: str = setting(
        "auto",
        "Where the direction up comes from. tf: the z axis of up_frame; imu: the camera's IMU; "
        "plane: the support plane in the depth around the masks; auto: up_frame where it is named, "
        "else the IMU where it is heard, else that plane; none: it is not used.",
        choices=UP_SOURCES,
    )
    up_use: str = setting(
        "prior",
        "What the direction up is used for. prior: candidates that rest as objects do count more; "
        "condition: networks that take it are told; or both.",
        choices=("prior", "condition", "both"),
        advanced=True,
    )
    roll_views: int = setting(
        4,
        "Rolls of the camera at which an image is looked at where nothing tells which way is up "
        "and its objects do not clearly stand; the likeliest is believed. 1: cameras are upright.",
        low=1,
        high=12,
        group="sampling",
        advanced=True,
    )
    workspace_m: float = setting(
        10.0, "Estimates farther than this from the camera are refused, metres.", low=0.1, high=1e3
    )
    size_factor: float = setting(
        2.0,
        "Estimates whose box is more than this many times larger or smaller than the sizes of "
        "their category allow are refused; 0: none.",
        low=0.0,
        high=100.0,
        advanced=True,
    )
    max_objects: int = setting(
        64,
        "Objects estimated per frame; the ones with the largest masks are taken.",
        low=1,
        high=1000,
    )
    batch_size: int = setting(
        32,
        "Objects per network call; on a GPU, smaller batches are padded to a power of two.",
        low=1,
        high=256,
        group="sampling",
        advanced=True,
    )
    seed: int = setting(
        0, "Seed of all random draws.", low=0, high=2**31 - 1, group="sampling", advanced=True
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if 0 < self.size_factor < 1:
            raise ValueError(f"size_factor must be 0 or at least 1, got {self.size_factor:g}")
        if self.depth_min_m >= self.depth_max_m:
            raise ValueError(
                f"depth_min_m ({self.depth_min_m:g}) must be below "
                f"depth_max_m ({self.depth_max_m:g})"
            )

    @property
    def batch_objects(self) -> int:
        """Objects per network call, fewer than `batch_size` where candidates are very many."""
        return max(1, min(self.batch_size, _MOST_TOGETHER // self.candidates))

    @classmethod
    def preset(cls, name: str, **changes: Any) -> "EstimatorSettings":
        """Return the preset `name` ('fast' or 'paper') with `changes` on top.

        Raises:
            ValueError: no such preset.
        """
        if name not in PRESETS:
            raise ValueError(f"unknown preset {name!r}; expected one of {', '.join(PRESETS)}")
        return replace(PRESETS[name], **changes)


#: 'paper': T0 = 0.55 (sigma = 0.01 * 5000**0.55), RK45, one view, energies, the plain mean, raw
#: masks and depth.
PRESETS: dict[str, EstimatorSettings] = {
    "fast": EstimatorSettings(),
    "paper": EstimatorSettings(
        encoder_precision="float32",
        up_source="none",
        roll_views=1,
        tta_views=1,
        ranking="energy",
        sampler="rk45",
        start_sigma=0.01 * 5000**0.55,
        pooling="mean",
        mask_erosion_px=0,
        parts="together",
        depth_min_m=0.0,
        depth_max_m=100.0,
        depth_window_m=0.0,
        outlier_std_ratio=0.0,
    ),
}


def describe(name: str) -> dict[str, Any]:
    """Return the default of a setting and all that describes it, as given to `setting`.

    Args:
        name: of a field of `EstimatorSettings`.

    Raises:
        ValueError: no such setting.

    Example:
        >>> about = describe("candidates")
        >>> about["default"], about["low"], about["high"]
        (50, 1, 1000)
    """
    for item in fields(EstimatorSettings):
        if item.name == name:
            return {"default": item.default, **item.metadata}
    known = ", ".join(item.name for item in fields(EstimatorSettings))
    raise ValueError(f"no setting is called {name!r}; there are {known}")

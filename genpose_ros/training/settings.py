# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Settings of a training run: one frozen dataclass for the library, recipes and commands."""

from dataclasses import dataclass

from genpose_ros.settings import check_settings, setting

__all__ = ["TrainingSettings"]


@dataclass(frozen=True)
class TrainingSettings:
    """Settings that decide how a network is trained, each with unit and range.

    Noise levels (sigma) are in units of the model's pose vector: decimetres in the light model,
    metres in the reference.

    Raises:
        ValueError: a value is of the wrong type, out of range, or none of the choices.
    """

    target: str = setting(
        "score",
        "score: encoder, score head and size head; energy: the energy network alone; distil: the "
        "head that says where the score's flow ends.",
        choices=("score", "energy", "distil"),
    )
    minutes: float = setting(
        60.0,
        "Time budget, interruptions and validation not counted; the learning rate falls along it.",
        low=1e-4,
        high=1e5,
    )
    steps: int = setting(
        0, "Steps after which a run ends before its time; 0: time alone decides.", low=0, high=10**9
    )
    batch: int = setting(48, "Clouds per step, of all processes together.", low=1, high=65536)
    draws: int = setting(
        32, "(Noise level, noise) draws per encoded cloud and step.", low=1, high=1024
    )
    learning_rate: float = setting(1e-3, "Highest learning rate.", low=1e-12, high=1.0)
    warm_up: int = setting(200, "Steps until it is reached.", low=1, high=10**6)
    schedule: str = setting(
        "cosine",
        "How the learning rate falls: a cosine to zero along the budget, or by a factor per epoch.",
        choices=("cosine", "epochs"),
    )
    flat: float = setting(
        0.3, "Share of the budget at the highest rate before the cosine.", low=0.0, high=0.99
    )
    epoch_decay: float = setting(
        0.98, "Factor per epoch, a pass over as many clouds as the set has.", low=0.1, high=1.0
    )
    lowest_rate: float = setting(1e-4, "Learning rate at which the factors end.", low=0.0, high=1.0)
    optimizer: str = setting(
        "adamw",
        "adamw, or muon: Muon for the hidden layers' matrices, AdamW for the rest.",
        choices=("adamw", "muon"),
    )
    weight_decay: float = setting(0.01, "The optimizer's; 0 makes AdamW Adam.", low=0.0, high=1.0)
    beta2: float = setting(
        0.99, "Adam's decay of the squared gradients' average.", low=0.5, high=0.99999
    )
    clip: float = setting(2.0, "Largest norm of the gradient.", low=1e-3, high=1e9)
    average: float = setting(
        0.999, "Decay of the moving average of the weights; 0: none.", low=0.0, high=0.999999
    )
    weighting: str = setting(
        "edm",
        "Weight of a noise level's error: edm (every level alike after preconditioning, light "
        "model only) or paper (1 / sigma^2). An energy always takes the paper's.",
        choices=("edm", "paper"),
    )
    size_weight: float = setting(1.0, "Weight of the size head's loss.", low=0.0, high=100.0)
    place_weight: float = setting(
        0.0,
        "Weight of an auxiliary loss: where each patch lies on the object (light model).",
        low=0.0,
        high=100.0,
    )
    surface_weight: float = setting(
        0.0,
        "Weight of an auxiliary loss: the object's whole surface (light model; clouds made with "
        "surface points).",
        low=0.0,
        high=100.0,
    )
    surface_points: int = setting(
        64, "Points by which the whole surface is predicted.", low=1, high=4096
    )
    regression_weight: float = setting(
        0.0,
        "Weight of an auxiliary loss: the pose, regressed from the features (light model).",
        low=0.0,
        high=100.0,
    )
    pairing: str = setting(
        "independent",
        "How noise and the poses of symmetric objects are paired: independent (the paper's), or "
        "transport: of the poses that look alike the nearest to the noise.",
        choices=("independent", "transport"),
    )
    sigma_low: float = setting(0.008, "Smallest noise level trained.", low=1e-5, high=1.0)
    sigma_high: float = setting(
        0.0, "Largest noise level trained; 0: the model's largest.", low=0.0, high=100.0
    )
    middle_share: float = setting(
        0.75,
        "Share of the noise levels drawn log-normally around the middle, where the pose is "
        "decided; the others are log-uniform, which is the paper's uniform t.",
        low=0.0,
        high=1.0,
    )
    middle_sigma: float = setting(0.2, "The middle: median noise level.", low=1e-3, high=10.0)
    middle_spread: float = setting(
        1.2, "Standard deviation of the logarithm around it.", low=0.01, high=10.0
    )
    balanced: bool = setting(True, "Draw all categories equally often, whatever the set holds.")
    mirror_share: float = setting(0.5, "Share of the clouds that are mirrored.", low=0.0, high=1.0)
    roll_deg: float = setting(
        6.0, "Standard deviation of the camera's roll, degrees.", low=0.0, high=180.0
    )
    any_roll_share: float = setting(
        0.0,
        "Share of the clouds rolled by any angle instead, beyond those that the set's cameras "
        "were rolled by (genpose synthesize: 40 %).",
        low=0.0,
        high=1.0,
    )
    scale_range: float = setting(
        0.1, "Clouds are scaled by up to this share, up or down.", low=0.0, high=0.5
    )
    up_share: float = setting(
        0.5,
        "Share of the clouds that come with the direction up, for models that take it; the others "
        "teach to do without.",
        low=0.0,
        high=1.0,
    )
    up_noise_deg: float = setting(
        2.0, "Standard deviation of that direction about each axis, degrees.", low=0.0, high=45.0
    )
    up_wrong_share: float = setting(
        0.05,
        "Share of those directions that have nothing to do with gravity, as of a plane mistaken "
        "for the table.",
        low=0.0,
        high=1.0,
    )
    level_share: float = setting(
        0.6, "Share of those that come with the height of the support too.", low=0.0, high=1.0
    )
    level_noise_m: float = setting(
        0.008, "Standard deviation of that height, metres.", low=0.0, high=1.0
    )
    pool_clouds: int = setting(
        262144,
        "Clouds kept where they are made while training, of all processes together; 6.3 kB each.",
        low=1,
        high=10**9,
    )
    pool_chunk: int = setting(8192, "Of these, how many are made at a time.", low=1, high=10**6)
    pool_draws: float = setting(
        3.0, "How often each of them is drawn before another takes its place.", low=0.01, high=1e6
    )
    flow_clouds: int = setting(
        32768,
        "Clouds whose features and flows are computed before distilling, once.",
        low=1,
        high=10**8,
    )
    flow_starts: int = setting(16, "Flows per cloud, each from noise of its own.", low=1, high=1024)
    flow_solver: str = setting(
        "euler", "Solver that finds where they end, the estimator's.", choices=("euler", "dpmpp_2m")
    )
    flow_steps: int = setting(8, "Its evaluations, which are learnt from.", low=2, high=1000)
    flow_sigma: float = setting(
        5.0, "Noise level that flows start from, the estimator's start_sigma.", low=0.1, high=100.0
    )
    flow_first_share: float = setting(
        0.5,
        "Share of the draws at the beginning of a flow; the others are anywhere along it.",
        low=0.0,
        high=1.0,
    )
    distilled_layers: int = setting(3, "Layers of the distilled head.", low=1, high=64)
    distilled_width: int = setting(256, "Width of the distilled head.", low=8, high=4096)
    distilled_sigma: float = setting(
        0.3,
        "Noise level that the score goes on from, after the distilled head's answer.",
        low=0.01,
        high=10.0,
    )
    huber: float = setting(
        0.03,
        "Errors of the distilled head below this count by their square, others as they are: "
        "between two ends it decides for one.",
        low=1e-4,
        high=100.0,
    )
    bf16: bool = setting(True, "Run the encoder in bfloat16, but for CPUs that emulate it.")
    compile: bool = setting(False, "Compile the light encoder's patch layers (needs a compiler).")
    device: str = setting(
        "auto",
        "auto (CUDA where there is one), cpu, cuda or cuda:N. Draws are made on the CPU, so that "
        "they are the same everywhere.",
    )
    seed: int = setting(0, "Seed of all draws.", low=0, high=2**31 - 1)
    save_every_s: float = setting(
        60.0, "Seconds between saved states: what a crash costs.", low=0.1, high=3600.0
    )
    validate_every_min: float = setting(
        10.0, "Minutes between validations; 0: none.", low=0.0, high=1e5
    )
    validations: int = setting(
        0,
        "Validations, evenly along the budget; 0: by validate_every_min.",
        low=0,
        high=10**6,
    )
    validation_views: int = setting(192, "Synthetic views in the validation.", low=6, high=100_000)

    def __post_init__(self) -> None:
        check_settings(self)
        if 0 < self.sigma_high <= self.sigma_low:
            raise ValueError(
                f"sigma_high ({self.sigma_high:g}) must be above sigma_low ({self.sigma_low:g})"
            )

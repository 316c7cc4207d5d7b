# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Numbers of the paper on REAL275: per cent within 5°2cm, 5°5cm, 10°2cm and 10°5cm.

GenPose (NeurIPS 2023), tables 1 to 6.
"""

__all__ = [
    "BEST_OF_K",
    "CANDIDATES_10D2CM",
    "CATEGORY_5D2CM",
    "KEEP_SHARES",
    "POOLED",
    "RANKING",
    "TRACKING",
    "UNSEEN_5D2CM",
]

Row = tuple[float, float, float, float]

POOLED: Row = (52.1, 60.9, 72.4, 84.0)

BEST_OF_K: dict[int, Row] = {10: (71.5, 75.9, 85.2, 90.8), 50: (82.0, 84.5, 92.8, 95.9)}

#: Ranking and pooling.
RANKING: dict[tuple[str, str], Row] = {
    ("random", "single"): (13.5, 49.1, 21.5, 76.3),
    ("random", "mean"): (49.4, 58.6, 68.5, 80.7),
    ("energy", "mean"): POOLED,
    ("truth", "mean"): (62.1, 66.8, 80.9, 86.9),
}

KEEP_SHARES: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)

#: K candidates, of which the shares above are kept, at 10°2cm.
CANDIDATES_10D2CM: dict[int, tuple[float, ...]] = {
    10: (65.3, 67.7, 67.9, 67.7, 65.0),
    50: (70.2, 71.8, 72.4, 71.9, 69.7),
    100: (70.8, 72.2, 72.6, 72.5, 70.2),
}

CATEGORY_5D2CM: dict[str, float] = {
    "bottle": 52.6, "bowl": 85.4, "camera": 2.9, "can": 72.5, "laptop": 63.4, "mug": 35.7,
}  # fmt: skip

#: Trained without the category.
UNSEEN_5D2CM: dict[str, float] = {"bottle": 39.0, "bowl": 64.5, "can": 62.5}

#: Per cent of frames within 5°5cm, mean rotation error and mean translation error.
TRACKING: dict[str, tuple[float, float, float]] = {
    "GenPose, REAL275": (71.5, 4.2, 1.5),
    "CATRE, REAL275": (57.2, 6.8, 1.2),
}

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Procedural shapes of the six categories, in metres, in the NOCS object frame.

y is up; a mug's handle and a camera's lens point along +x; a laptop's hinge runs along z with the
screen on the -x side. The origin is the centre of the tight bounding box.
"""

from collections.abc import Callable

import numpy as np

from genpose_ros.geometry.categories import CATEGORIES
from genpose_ros.synthesis.electronics import cameras, laptops
from genpose_ros.synthesis.primitives import MeshBatch
from genpose_ros.synthesis.vessels import (
    USUAL,
    VesselVariety,
    bottles,
    bowls,
    cans,
    mugs,
)

__all__ = ["GENERATORS", "make_shapes"]

#: Category name -> generator of n random shapes of that category.
GENERATORS: dict[str, Callable[[np.random.Generator, int, VesselVariety], MeshBatch]] = {
    "bottle": bottles,
    "bowl": bowls,
    "camera": lambda rng, n, _: cameras(rng, n),
    "can": cans,
    "laptop": lambda rng, n, _: laptops(rng, n),
    "mug": mugs,
}


def make_shapes(
    category: str, n: int, rng: np.random.Generator, variety: VesselVariety = USUAL
) -> MeshBatch:
    """Return n random shapes of a category, centred on their bounding box, metres.

    Args:
        category: one of the six.
        n: how many.
        rng: source of the draws.
        variety: of bottles, bowls, cans and mugs.

    Raises:
        ValueError: the category is none of the six.
    """
    if category not in GENERATORS:
        raise ValueError(f"unknown category {category!r}; expected one of {', '.join(CATEGORIES)}")
    return GENERATORS[category](rng, n, variety).centred()

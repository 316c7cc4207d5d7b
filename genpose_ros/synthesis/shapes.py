# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Procedural shapes of the six categories, in metres, in the NOCS object frame.

y is up; a mug's handle and a camera's lens point along +x; a laptop's hinge runs along z with the
screen on the -x side. The origin is the centre of the tight bounding box.
"""

from collections.abc import Callable

import numpy as np

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

#: Name of a generator, see `Category.generator` -> makes n random shapes.
GENERATORS: dict[str, Callable[[np.random.Generator, int, VesselVariety], MeshBatch]] = {
    "bottle": bottles,
    "bowl": bowls,
    "camera": lambda rng, n, _: cameras(rng, n),
    "can": cans,
    "laptop": lambda rng, n, _: laptops(rng, n),
    "mug": mugs,
}


def make_shapes(
    generator: str, n: int, rng: np.random.Generator, variety: VesselVariety = USUAL
) -> MeshBatch:
    """Return n random shapes of a generator, centred on their bounding box, metres.

    Args:
        generator: its name.
        n: how many.
        rng: source of the draws.
        variety: of bottles, bowls, cans and mugs.

    Raises:
        ValueError: no generator has this name.
    """
    if generator not in GENERATORS:
        raise ValueError(f"unknown generator {generator!r}; there are {', '.join(GENERATORS)}")
    return GENERATORS[generator](rng, n, variety).centred()

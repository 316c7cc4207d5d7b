# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Constants of the tracker that are no settings: value, unit, meaning and provenance of each.

Modules read them as `constants.NAME` at the time they compute, so that a benchmark can replace one
by its name; `benchmarks/tracker_constants.py` halves and doubles each of them.
"""

import sys
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

__all__ = ["About", "DescribedConstant", "described_constants"]

_BY_HAND = "hand-tuned on simulated sequences"
_DEPTH_NOISE = "hand-tuned, beyond the depth noise of a D435 at 1 m"
_COST = "hand-tuned: computing time grows with it"
_LIMIT = "a bound on memory, above 2 s at 90 Hz"


@dataclass(frozen=True)
class About:
    """Documentation of a constant.

    Attributes:
        unit: such as m or s; share: of a whole, from 0 to 1; 1: a number without unit.
        meaning: what the tracker does with it.
        source: where the value comes from.
    """

    unit: str
    meaning: str
    source: str


@dataclass(frozen=True)
class DescribedConstant:
    """A constant by name, with its value and what is known about it."""

    name: str
    value: float
    about: About


# Association of masks and tracks
GATE_GROWTH_M_S: Annotated[
    float, About("m/s", "the association gate of an unseen object widens this fast", _BY_HAND)
] = 0.5
GATE_GROWTH_S: Annotated[
    float, About("s", "time after which that gate widens no more", _BY_HAND)
] = 1.0
OTHER_CLASS_OVERLAP: Annotated[
    float,
    About("share", "least part of a track's surface that a mask of another class covers", _BY_HAND),
] = 0.4
OTHER_CLASS_COST: Annotated[
    float,
    About(
        "1", "cost of another class in the assignment", "as much as a distance at the gate's edge"
    ),
] = 1.0
SAME_ID_GAIN: Annotated[
    float,
    About(
        "1",
        "gain of a trusted mask id in the assignment",
        "outweighs distance, overlap and class, 3 at most",
    ),
] = 3.0
DUPLICATE_SHARE: Annotated[
    float,
    About(
        "share",
        "a mask or cloud with more than this in another object is that object",
        "more than half",
    ),
] = 0.5

# Comparison with the depth image
SAME_SURFACE_M: Annotated[
    float,
    About("m", "measured and expected depth closer than this are one surface", _DEPTH_NOISE),
] = 0.025
VISIBILITY_POINTS: Annotated[
    int, About("points", "surface points of a track that are compared with an image", _COST)
] = 192
BOX_MARGIN_M: Annotated[
    float,
    About("m", "margin of each side of an object's box", _DEPTH_NOISE),
] = 0.01
BOX_MARGIN_SHARE: Annotated[
    float,
    About(
        "share",
        "further margin of each side, per half edge length",
        _BY_HAND,
    ),
] = 0.1

# Points of a track without mask
NEAR_SURFACE_M: Annotated[
    float,
    About("m", "depth this close to the last seen surface belongs to the object", _DEPTH_NOISE),
] = 0.012
CROP_SURFACE_POINTS: Annotated[
    int, About("points", "surface points that depth is compared with", _COST)
] = 512
CROP_FIRST_POINTS: Annotated[
    int, About("points", "of those, the ones that all depth is compared with", _COST)
] = 128
CROP_PIXELS: Annotated[
    int, About("pixels", "about how many pixels around an object are looked at", _COST)
] = 2000
SHIFT_RADIUS_M: Annotated[
    float,
    About(
        "m",
        "the surface is moved onto depth no farther off than this",
        "hand-tuned: 1.2 m/s at 30 Hz",
    ),
] = 0.04
SHIFT_STEPS: Annotated[
    int, About("steps", "iterations that move the surface onto the depth", _COST)
] = 4
SHIFT_POINTS: Annotated[
    int, About("points", "surface points that are moved onto the depth", _COST)
] = 96
SHIFT_SCENE_POINTS: Annotated[
    int, About("points", "depth points, about, that the surface is moved onto", _COST)
] = 700
SHIFT_LAST_STEP_M: Annotated[
    float,
    About("m", "a step of that move this short is the last one", "well below the depth noise"),
] = 0.001

# How long a track goes on
SEEN_SHARE: Annotated[
    float, About("share", "a track without mask needs this part of its surface in sight", _BY_HAND)
] = 0.3
SEEN_AGAIN_SHARE: Annotated[
    float, About("share", "a lost track without mask needs this part in sight", _BY_HAND)
] = 0.5
GONE_SHARE: Annotated[
    float,
    About("share", "an object is gone where the image looks through more than this", _BY_HAND),
] = 0.7
GONE_S: Annotated[
    float,
    About(
        "s",
        "time for which an object must be gone before it is lost",
        "three frames at 30 Hz: one wrong prediction is not enough",
    ),
] = 0.1
SLIVER_SHARE: Annotated[
    float,
    About("share", "least part of its area by which an object is found again elsewhere", _BY_HAND),
] = 0.3

# Verification
OTHER_POSE_DEG: Annotated[
    float, About("deg", "poses turned more than this are not the same one seen twice", _BY_HAND)
] = 25.0
OTHER_POSE_M: Annotated[
    float, About("m", "poses farther apart than this are not the same one seen twice", _BY_HAND)
] = 0.05
CLEAR_MODE_SHARE: Annotated[
    float,
    About("share", "an estimate is clear when this part of its candidates agrees", _BY_HAND),
] = 0.7
FULL_VIEW_SHARE: Annotated[
    float,
    About("share", "objects of which less is seen are not verified", _BY_HAND),
] = 0.7
ENERGY_DROP: Annotated[
    float,
    About(
        "share",
        "drop of the energy against the track's mean that asks for a verification",
        _BY_HAND,
    ),
] = 0.1
ENERGY_DROP_PERIODS: Annotated[
    float,
    About(
        "periods",
        "least time between that and the last verification, per `verify_period_s`",
        _BY_HAND,
    ),
] = 0.2
ENERGY_GAIN: Annotated[
    float, About("1", "gain of the running mean of the energy", "a mean over about ten frames")
] = 0.1

# Motion filter
VELOCITY_FADE_S: Annotated[
    float, About("s", "velocities fade with this time while unseen", _BY_HAND)
] = 0.4
TURN_FADE_S: Annotated[
    float, About("s", "angular velocities fade with this time while unseen", _BY_HAND)
] = 0.3
INITIAL_SPEED_M_S: Annotated[
    float,
    About(
        "m/s",
        "deviation of an unknown velocity",
        _BY_HAND,
    ),
] = 0.3
INITIAL_TURN_RAD_S: Annotated[
    float, About("rad/s", "deviation of an unknown angular velocity", _BY_HAND)
] = 1.0
ACCELERATION_S: Annotated[
    float, About("s", "time that an acceleration lasts", "hand-tuned: three frames at 30 Hz")
] = 0.1
SHORT_PREDICTION_S: Annotated[
    float,
    About("s", "longer predictions use only significant velocities", "three frames at 30 Hz"),
] = 0.1
NOISE_FLOOR_M: Annotated[
    float, About("m", "position error that all candidates share", _BY_HAND)
] = 0.002
NOISE_FLOOR_DEG: Annotated[
    float, About("deg", "rotation error that all candidates share", _BY_HAND)
] = 1.0
NEGLIGIBLE_HIDDEN_SHARE: Annotated[
    float, About("share", "with no more than this hidden an object counts as whole", _BY_HAND)
] = 0.1
NEGLIGIBLE_OUTSIDE_SHARE: Annotated[
    float,
    About(
        "share",
        "with no more than this beyond the image's border an object counts as whole",
        "none of `VISIBILITY_POINTS`: with four of them allowed its surface wore away at 30 Hz",
    ),
] = 0.005
UNMASKED_BORDER: Annotated[
    float,
    About(
        "1",
        "times that a share beyond the border counts as hidden where no mask says what is left",
        "hand-tuned on `arm`: what lies around a prediction agrees with it",
    ),
] = 5.0
HIDDEN_SHIFT: Annotated[
    float,
    About(
        "share",
        "position error of partly hidden objects, per hidden length",
        "half of what the middle of the rest moves",
    ),
] = 0.25
HIDDEN_TURN_RAD: Annotated[
    float,
    About("rad", "rotation error of partly hidden objects, per hidden share squared", _BY_HAND),
] = 0.5
HIDDEN_FRAMES: Annotated[
    int,
    About(
        "frames",
        "estimates in a row that share the error of partly hidden objects",
        "0.6 s at 30 Hz: an occlusion",
    ),
] = 18

# Objects at rest
REST_FRAMES: Annotated[
    int,
    About("frames", "an object that has not moved for so many is at rest", "0.7 s at 30 Hz"),
] = 20
REST_MEMORY: Annotated[
    int, About("frames", "the mean of its poses goes back about so far", "2 s at 30 Hz")
] = 60
REST_GAIN: Annotated[
    float,
    About("1", "gain of the mean of its newest poses", "a mean over about five frames"),
] = 0.2
REST_M: Annotated[
    float,
    About(
        "m",
        "an object has moved when that is farther off; so far poses are steadied at most",
        "the error of a single pose",
    ),
] = 0.005
REST_DEG: Annotated[
    float, About("deg", "the same of its orientation", "as `REST_M`; with 5, turntables rest")
] = 3.0
MOVING_SHARE: Annotated[
    float,
    About(
        "share",
        "of those two by which poses are steadied at most that are not at rest",
        "with more, the filter's lag shows in what is carried fast",
    ),
] = 0.3

# Slow segmenters
MASK_STAMPS: Annotated[
    int,
    About("frames", "with masks, of which the longest pause is the segmenter's", _BY_HAND),
] = 3
UNMASKED_PERIODS: Annotated[
    float,
    About(
        "periods",
        "of the segmenter that a track is followed without a mask at least",
        "one, a delay of one more, and a mask that is late",
    ),
] = 2.5
LONGEST_MASK_PERIOD_S: Annotated[
    float, About("s", "slower segmenters count as if they came this often", _BY_HAND)
] = 2.0

# Delayed masks
STRAYED_M: Annotated[
    float, About("m", "a track strayed when its delayed mask has it farther off", _BY_HAND)
] = 0.01
STRAYED_DEG: Annotated[
    float, About("deg", "a track strayed when its delayed mask has it turned more", _BY_HAND)
] = 5.0
FITTING_M: Annotated[
    float,
    About(
        "m",
        "a track fits its delayed mask when its surface is closer than this",
        "below `STRAYED_M`",
    ),
] = 0.007
FITTING_OUTSIDE_SHARE: Annotated[
    float, About("share", "and when no more of the mask's points lie outside its box", _BY_HAND)
] = 0.1
REPLAY_IMAGES: Annotated[
    int, About("images", "depth images that an object is propagated through at most", _COST)
] = 3
REPLAY_ESTIMATES: Annotated[
    int,
    About(
        "estimates",
        "estimates of all objects together that a propagation makes, or one image",
        _COST,
    ),
] = 12

# Memory
POSE_HISTORY_S: Annotated[
    float,
    About(
        "s",
        "past poses are kept for delayed masks",
        "twice the usual `clock_jump_s`",
    ),
] = 2.0
POSE_HISTORY_LENGTH: Annotated[int, About("poses", "past poses that are kept at most", _LIMIT)] = (
    256
)


def described_constants() -> tuple[DescribedConstant, ...]:
    """Return all constants of this module, in its order."""
    module = sys.modules[__name__]
    hints: dict[str, Any] = get_type_hints(module, include_extras=True)
    return tuple(
        DescribedConstant(name, getattr(module, name), hint.__metadata__[0])
        for name, hint in hints.items()
        if hasattr(hint, "__metadata__")
    )

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Rolled views of an image: the roll of the camera at which its objects are believed most.

Where nothing tells which way is up, networks take the image's top for it, as most cameras are
mounted upright: what a rolled one sees comes out worse, and turned over where the points leave that
open. The image is then looked at as cameras of other rolls would see it. At the right roll the
poses are sure, and most objects stand, seen from above. As all objects of an image have one camera,
what each tells of its roll is added up.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from genpose_ros.estimation.back_projection import ObjectCloud
from genpose_ros.estimation.levelling import leaves_roll_open
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.geometry.categories import CategorySet

__all__ = [
    "likeliest_view",
    "roll_rad",
    "rolled_by",
    "standing_share",
    "telling_objects",
    "told_of_view",
    "unsettled_images",
    "upright_evidence",
    "view_turns",
]

#: How much an object tells of a view being upright, in natural logarithms: for its score's logit
#: and for the share of its candidates that stand there. Fitted to 5,000 simulated views of objects
#: that were trained on, 60 % of them standing (`benchmarks.rolls --fit --views 2500`: 0.38, 3.55).
_OF_SCORE, _OF_STANDING = 0.36, 3.5
#: What the image as it is has beyond the others: most cameras are mounted upright.
_AS_IT_IS = 1.0
#: The image as it is is believed at once where its objects together tell so much more of it than
#: `_BETWEEN` each, which lies between what they tell of upright views and of others.
_SURE, _BETWEEN = 1.0, 1.5
#: Deviation from the image's up, and from the horizontal, at which objects stop to stand, and to be
#: seen from above, radians.
_LEANS_RAD, _FROM_BELOW_RAD = math.radians(20.0), math.radians(4.0)
#: Scores from here to its complement tell something, beyond nothing more.
_LEAST_SCORE = 1e-3


def view_turns(count: int) -> list[np.ndarray]:
    """Return the rotations (3, 3) from the camera's frame to those of `count` rolled cameras.

    The first one is the camera as it is, the others are rolled by equal steps of a full turn.

    Args:
        count: 1 or more.

    Example:
        >>> quarter = view_turns(4)[1]
        >>> quarter.astype(int).tolist()  # what was below is now on the left
        [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    """
    turns = []
    for k in range(count):
        angle = 2 * math.pi * k / count
        # Exact for quarters, so that they change no digit of a cloud.
        cos, sin = (round(f(angle), 15) for f in (math.cos, math.sin))
        turns.append(np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]))
    return turns


def standing_share(T_cam_obj: np.ndarray, turn: np.ndarray) -> float:
    """Return how far poses stand upright in a view, and are seen from above, 0 to 1 on average.

    Args:
        T_cam_obj: (K, 4, 4) of one object.
        turn: (3, 3) to the view, as of `view_turns`.

    Example:
        >>> T_cam_obj = np.diag([1.0, -1.0, -1.0, 1.0])[None]  # stands, y is the image's up
        >>> T_cam_obj[0, :3, 3] = 0.0, 0.3, 0.8  # below the optical axis: seen from above
        >>> upright, upside_down = view_turns(2)
        >>> [round(standing_share(T_cam_obj, turn), 2) for turn in (upright, upside_down)]
        [0.99, 0.0]
    """
    y_axis, t_m = T_cam_obj[:, :3, 1], T_cam_obj[:, :3, 3]
    right, down, _ = (y_axis @ turn.T).T
    leans_rad = np.arctan2(right, -down)
    distance_m = np.maximum(np.linalg.norm(t_m, axis=1), 1e-9)
    above_rad = np.arcsin(np.clip(-(y_axis * t_m).sum(1) / distance_m, -1, 1))
    from_above = 1 / (1 + np.exp(-above_rad / _FROM_BELOW_RAD))
    return float((np.exp(-0.5 * (leans_rad / _LEANS_RAD) ** 2) * from_above).mean())


def told_of_view(outcome: ObjectEstimate | Rejection, turn: np.ndarray) -> tuple[float, float]:
    """Return what `upright_evidence` weighs: the logit of the score, bounded, and the share of
    the candidates that stand in the view; arguments as there.
    """
    if isinstance(outcome, Rejection):
        return _bounded_logit(0.0), 0.0
    stands = standing_share(outcome.T_cam_candidates, turn)
    return _bounded_logit(outcome.score), stands


def upright_evidence(outcome: ObjectEstimate | Rejection, turn: np.ndarray) -> float:
    """Return what an object, as estimated in a view, tells of that view being upright.

    A logarithm of odds, up to what is the same in all views.

    Args:
        outcome: in the camera's frame; an object that was refused tells against the view.
        turn: (3, 3) to the view.
    """
    logit, stands = told_of_view(outcome, turn)
    return _OF_SCORE * logit + _OF_STANDING * stands


def telling_objects(
    outcomes: Sequence[ObjectEstimate | Rejection],
    clouds: Sequence[ObjectCloud],
    categories: CategorySet,
) -> list[bool]:
    """Return which objects tell of the camera's roll.

    Those of a category that stands, unless they were refused for where they are: of whatever roll
    the camera is, they are as far away.

    Args:
        outcomes: of the objects in the images as they are.
        clouds: of the objects.
        categories: that the model knows.
    """
    return [
        "standing" in categories[cloud.instance.category].rests
        and not (isinstance(outcome, Rejection) and outcome.reason is Reason.OUTSIDE_WORKSPACE)
        for outcome, cloud in zip(outcomes, clouds, strict=True)
    ]


def unsettled_images(
    clouds: Sequence[ObjectCloud],
    outcomes: Sequence[ObjectEstimate | Rejection],
    images: Sequence[int],
    telling: Sequence[bool],
) -> list[list[int]]:
    """Return the objects, by their places, of each image that has to be looked at in other views.

    Not of those where what is known of up tells the camera's roll, whose objects clearly stand in
    the image as it is, and where none tells.

    Args:
        clouds: of the objects.
        outcomes: of the objects in the images as they are.
        images: number of the image of each object.
        telling: of each object, as of `telling_objects`.
    """
    as_it_is, rows = np.eye(3), defaultdict[int, list[int]](list)
    for row, image in enumerate(images):
        rows[image].append(row)
    unsettled = []
    for of_image in rows.values():
        told = [upright_evidence(outcomes[row], as_it_is) for row in of_image if telling[row]]
        is_open = all(leaves_roll_open(clouds[row].up_cam) for row in of_image)
        if told and is_open and sum(told) - _BETWEEN * len(told) < _SURE:
            unsettled.append(of_image)
    return unsettled


def likeliest_view(
    views: Sequence[Sequence[ObjectEstimate | Rejection]],
    turns: Sequence[np.ndarray],
    telling: Sequence[bool],
) -> int:
    """Return which view of an image is most likely upright.

    Args:
        views: outcomes of the image's objects in each view, in the camera's frame; first those of
            the image as it is.
        turns: (3, 3) to each view.
        telling: of each object, as of `telling_objects`.
    """
    evidence = [
        sum(upright_evidence(o, turn) for o, tells in zip(view, telling, strict=True) if tells)
        for view, turn in zip(views, turns, strict=True)
    ]
    evidence[0] += _AS_IT_IS
    return int(np.argmax(evidence))


def rolled_by(outcome: ObjectEstimate | Rejection, turn: np.ndarray) -> ObjectEstimate | Rejection:
    """Return an outcome with the roll of the view that it was found in, where it is an estimate.

    Args:
        outcome: in the camera's frame.
        turn: (3, 3) to the view.
    """
    if isinstance(outcome, Rejection):
        return outcome
    return replace(outcome, view_roll_rad=roll_rad(turn))


def roll_rad(turn: np.ndarray) -> float:
    """Return the roll of a view, radians, from the turn (3, 3) to it."""
    return math.atan2(turn[1, 0], turn[0, 0])


def _bounded_logit(score: float) -> float:
    bounded = min(max(score, _LEAST_SCORE), 1 - _LEAST_SCORE)
    return math.log(bounded / (1 - bounded))

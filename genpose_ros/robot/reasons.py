# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Reasons why an object has no task frames, or the arm cannot use one: one list for all."""

from dataclasses import dataclass
from enum import Enum

__all__ = ["FrameReason", "FrameRefusal"]


class FrameReason(str, Enum):
    """Reason of a refusal; the value is what messages and log lines show.

    Example:
        >>> FrameReason("coasting") is FrameReason.COASTING
        True
    """

    NO_FRAMES = "no_frames"
    NOT_CONFIRMED = "not_confirmed"
    COASTING = "coasting"
    STALE = "stale"
    LOW_SCORE = "low_score"
    UNSURE_YAW = "unsure_yaw"
    SECOND_MODE = "second_mode"
    UNUSUAL_SIZE = "unusual_size"
    TOO_WIDE = "too_wide"
    NO_HAND = "no_hand"
    HAND_TOO_NEAR = "hand_too_near"


@dataclass(frozen=True)
class FrameRefusal:
    """Refusal of an object's frames, or of one of them, with a sentence for the user.

    Attributes:
        reason: one of the named ones.
        detail: a sentence with the expected and the actual value.
        frame: name of the frame that is refused; empty: all of the object's.

    Example:
        >>> FrameRefusal(FrameReason.TOO_WIDE, "95 mm, the gripper opens 85 mm", "grasp_side").frame
        'grasp_side'
    """

    reason: FrameReason
    detail: str
    frame: str = ""

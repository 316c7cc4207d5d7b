# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Reasons why a frame, an object or a request is rejected: one list for logs and tests."""

from dataclasses import dataclass
from enum import Enum

__all__ = ["Reason", "Rejection"]


class Reason(str, Enum):
    """Reason of a rejection; the value is what a log line or a diagnostic shows.

    Example:
        >>> Reason("mask_empty") is Reason.MASK_EMPTY
        True
    """

    TRUNCATED_IMAGE = "truncated_image"
    BAD_ENCODING = "bad_encoding"
    BAD_INTRINSICS = "bad_intrinsics"
    SIZE_MISMATCH = "size_mismatch"
    EMPTY_FRAME_ID = "empty_frame_id"
    TOO_LARGE = "too_large"
    NO_DEPTH_FOR_MASKS = "no_depth_for_masks"
    STAMP_OUT_OF_ORDER = "stamp_out_of_order"
    BAD_MASK_MESSAGE = "bad_mask_message"
    UNKNOWN_CATEGORY = "unknown_category"
    TOO_MANY_OBJECTS = "too_many_objects"
    SEPARATE_PARTS = "separate_parts"
    MASK_EMPTY = "mask_empty"
    NO_VALID_DEPTH = "no_valid_depth"
    TOO_FEW_POINTS = "too_few_points"
    NO_TRANSFORM = "no_transform"
    DUPLICATE = "duplicate"
    NOT_PLAUSIBLE = "not_plausible"
    NOT_FINITE = "not_finite"
    OUTSIDE_WORKSPACE = "outside_workspace"
    IMPLAUSIBLE_SIZE = "implausible_size"
    INTERNAL_ERROR = "internal_error"
    NOT_ACTIVE = "not_active"
    BAD_REQUEST = "bad_request"
    TOO_MANY_REQUESTS = "too_many_requests"
    REQUEST_TIMED_OUT = "request_timed_out"
    REQUEST_CANCELLED = "request_cancelled"


@dataclass(frozen=True)
class Rejection:
    """Rejection of a frame or of an object, with a text for the user.

    Attributes:
        reason: one of the named ones.
        detail: a sentence with the expected and the actual value.
        instance_id: of the object; None: the whole frame is rejected.

    Example:
        >>> Rejection(Reason.MASK_EMPTY, "the mask has no pixel", instance_id=3).reason.value
        'mask_empty'
    """

    reason: Reason
    detail: str
    instance_id: int | None = None

"""Why a frame or an object was not estimated: one list for logs, diagnostics and tests."""

from dataclasses import dataclass
from enum import Enum

__all__ = ["Reason", "Rejection"]


class Reason(str, Enum):
    """The named reasons; the value is what a log line or a diagnostic shows."""

    TRUNCATED_IMAGE = "truncated_image"
    BAD_ENCODING = "bad_encoding"
    BAD_INTRINSICS = "bad_intrinsics"
    SIZE_MISMATCH = "size_mismatch"
    EMPTY_FRAME_ID = "empty_frame_id"
    NO_DEPTH_FOR_MASKS = "no_depth_for_masks"
    STAMP_OUT_OF_ORDER = "stamp_out_of_order"
    BAD_MASK_MESSAGE = "bad_mask_message"
    UNKNOWN_CATEGORY = "unknown_category"
    TOO_MANY_OBJECTS = "too_many_objects"
    MASK_EMPTY = "mask_empty"
    NO_VALID_DEPTH = "no_valid_depth"
    TOO_FEW_POINTS = "too_few_points"
    NO_TRANSFORM = "no_transform"
    DUPLICATE = "duplicate"
    NOT_PLAUSIBLE = "not_plausible"
    NOT_FINITE = "not_finite"
    OUTSIDE_WORKSPACE = "outside_workspace"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True)
class Rejection:
    """One refused frame (`instance_id` is None) or object, with what to tell the user.

    `detail` is a sentence with the expected and the actual value.
    """

    reason: Reason
    detail: str
    instance_id: int | None = None

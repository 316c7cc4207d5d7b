"""What decides how the node connects to ROS, beside what the estimator computes."""

from dataclasses import dataclass, field, fields
from typing import Any

from genpose_ros.geometry.categories import CATEGORIES
from genpose_ros.ros.detections import CategoryRules

__all__ = ["MASK_SOURCES", "NodeSettings"]

#: The mask messages that the node understands.
MASK_SOURCES = ("label_image", "instance_masks")


def _option(
    default: Any,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    fixed: bool = False,
) -> Any:
    metadata = {
        "description": description,
        "low": low,
        "high": high,
        "choices": choices,
        "fixed": fixed,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class NodeSettings:
    """The node's own parameters, each with unit and range.

    Raises:
        ValueError: a value is of the wrong type, out of range, or none of the choices.
    """

    mask_source: str = _option(
        "label_image",
        "Kind of the mask messages: label_image (topics masks and mask_detections) or "
        "instance_masks (topic instance_masks).",
        choices=MASK_SOURCES,
        fixed=True,
    )
    default_category: str = _option(
        "",
        "Category of every object of a label image whose class nothing else tells; empty: none.",
        choices=("", *CATEGORIES),
    )
    label_categories: str = _option(
        "",
        "Categories of label values, class numbers or class names, such as '1:mug, 45:bowl, "
        "cup:mug'.",
    )
    rectified: bool = _option(
        True, "The depth image is rectified: P of camera_info describes it; false: K does."
    )
    ring_seconds: float = _option(
        2.0,
        "How long depth images are kept for masks that come later, seconds of stamps.",
        low=0.05,
        high=60.0,
    )
    slop_seconds: float = _option(
        0.01,
        "Greatest difference between the stamps of masks and depth, seconds.",
        low=0.0,
        high=1.0,
    )
    match_wait_seconds: float = _option(
        0.5, "How long masks wait for depth or detections that are late.", low=0.0, high=60.0
    )
    target_frame: str = _option(
        "",
        "Frame that the outputs are given in, looked up at the image's time; empty: the camera's.",
        fixed=True,
    )
    target_frame_wait_seconds: float = _option(
        0.2, "How long to wait for the transform to target_frame.", low=0.0, high=10.0
    )
    publish_tf: bool = _option(True, "Publish a transform for each object.")
    tf_prefix: str = _option("", "Put before the names of the objects' frames.")
    marker_seconds: float = _option(
        1.0, "Markers disappear after this long without a new frame; 0: never.", low=0.0, high=3600
    )
    silence_seconds: float = _option(
        5.0, "Say so when an input is silent for this long; 0: never.", low=0.0, high=3600.0
    )
    log_seconds: float = _option(
        5.0, "Least time between two log lines about the same reason.", low=0.0, high=3600.0
    )

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(self, item.name, type(item.default), dict(item.metadata))
        for name in ("target_frame", "tf_prefix"):
            if getattr(self, name).startswith("/") or " " in getattr(self, name):
                raise ValueError(f"{name} must be a frame name, got {getattr(self, name)!r}")
        CategoryRules.parse(self.default_category, self.label_categories)

    @property
    def category_rules(self) -> CategoryRules:
        """The categories of labels and class names."""
        return CategoryRules.parse(self.default_category, self.label_categories)


def _check(settings: NodeSettings, name: str, expected: type, rule: dict[str, Any]) -> None:
    value = getattr(settings, name)
    if expected is float and type(value) is int:
        value = float(value)
        object.__setattr__(settings, name, value)
    if type(value) is not expected:
        raise ValueError(
            f"{name} must be {expected.__name__}, got {type(value).__name__} {value!r}"
        )
    if rule["choices"] and value not in rule["choices"]:
        raise ValueError(f"{name} must be one of {', '.join(rule['choices'])}; got {value!r}")
    # Written so that NaN fails too.
    if rule["low"] is not None and not rule["low"] <= value <= rule["high"]:
        raise ValueError(f"{name} must lie in [{rule['low']:g}, {rule['high']:g}], got {value:g}")

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Settings of the node's connection to ROS, beside those of the estimator and the tracker."""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from genpose_ros.estimation.class_names import ClassNames
from genpose_ros.estimation.label_images import BACKGROUNDS
from genpose_ros.geometry.categories import CategorySet
from genpose_ros.ros.detections import (
    CategoryRules,
    ObjectFilter,
    parse_label_categories,
    parse_min_scores,
)
from genpose_ros.ros.message_sizes import MOST_PIXELS
from genpose_ros.settings import check_settings, setting

__all__ = ["MASK_SOURCES", "MODES", "RELIABILITIES", "NodeSettings"]

#: What the node does with a frame.
MODES = ("estimate", "track")
#: The mask messages that the node understands.
MASK_SOURCES = ("label_image", "instance_masks", "mask_array", "yolo", "semantic", "boxes")
#: How inputs can be subscribed to; see `AdaptiveSubscription`.
RELIABILITIES = ("auto", "reliable", "best_effort")


#: Characters of a frame's name, and of what is no such name as it is shown.
_FRAME_LENGTH, _SHOWN = 128, 64
_FRAME = re.compile(rf"(?!/)[A-Za-z0-9_\-./]{{0,{_FRAME_LENGTH}}}")


@dataclass(frozen=True)
class NodeSettings:
    """Settings of the node itself, each with unit and range.

    Raises:
        ValueError: a value is of the wrong type, out of range, or none of the choices.
    """

    mode: str = setting(
        "estimate",
        "estimate: each frame by itself, so that a result depends on nothing but its frame; track: "
        "objects keep id and frame over time, are followed between masks, and an unseen one is "
        "predicted for a while.",
        choices=MODES,
        fixed=True,
    )
    autostart: bool = setting(
        True,
        "The node configures and activates itself when it starts; false: a lifecycle manager or "
        "`ros2 lifecycle set` does.",
        fixed=True,
        advanced=True,
    )
    mask_source: str = setting(
        "label_image",
        "Kind of the mask messages: label_image (topics masks and mask_detections), instance_masks "
        "(topic instance_masks), mask_array (a message with a list of mask images), yolo "
        "(yolo_msgs/DetectionArray), semantic (topics masks, a class number per pixel, and "
        "label_info) or boxes (topic mask_detections alone: masks are guessed from the depth).",
        choices=MASK_SOURCES,
        fixed=True,
        group="segmentation",
    )
    input_reliability: str = setting(
        "auto",
        "How inputs are subscribed to: reliable, so that lost images are sent again; best_effort; "
        "or auto: reliable while every publisher of the topic offers it.",
        choices=RELIABILITIES,
        fixed=True,
        advanced=True,
    )
    default_category: str = setting(
        "",
        "Category of every object of a label image whose class is not known otherwise, one of "
        "those that the weights know; empty: none.",
        group="segmentation",
    )
    label_categories: str = setting(
        "",
        "Categories of label values, class numbers or class names, such as '1:mug, 45:bowl, "
        "cup:mug'.",
        group="segmentation",
    )
    class_names: str = setting(
        "",
        "YAML file with the words that segmenters use for the categories; empty: the shipped one, "
        "which knows those of COCO, LVIS, NOCS and YCB.",
        fixed=True,
        group="segmentation",
        advanced=True,
    )
    classes: str = setting(
        "",
        "Only objects of these categories are estimated, such as 'mug, can'; empty: all.",
        group="segmentation",
    )
    min_scores: str = setting(
        "",
        "Objects whose detection scores less are ignored, by category or for all, such as '0.3' or "
        "'0.3, mug:0.5'; empty: none.",
        group="segmentation",
    )
    background: int = setting(
        0,
        "Value of a label image where there is no object: 0, -1 or 255.",
        low=-1,
        high=255,
        group="segmentation",
        advanced=True,
    )
    depth_unit: float = setting(
        0.0,
        "Metres per count of the depth image, such as 0.00025 of a RealSense L515; 0: integers are "
        "millimetres and floats metres.",
        low=0.0,
        high=1.0,
        group="depth",
    )
    aligned: bool = setting(
        True,
        "The depth image is aligned to the image that was segmented; false: it is another "
        "camera's, and masks are carried over to it by mask_camera_info and by extrinsics or TF.",
        fixed=True,
        group="depth",
    )
    rectified: bool = setting(
        True,
        "The depth image is rectified: P of camera_info describes it; false: K does.",
        group="depth",
    )
    depth_history_s: float = setting(
        2.0,
        "How long depth images are kept for masks that come later, seconds of stamps.",
        low=0.05,
        high=60.0,
        group="sync",
        advanced=True,
        formerly="ring_seconds",
    )
    sync_slop_s: float = setting(
        0.01,
        "Greatest difference between the stamps of masks and depth, seconds.",
        low=0.0,
        high=1.0,
        group="sync",
        formerly="slop_seconds",
    )
    sync_wait_s: float = setting(
        0.5,
        "How long masks wait for depth or detections that come later, seconds.",
        low=0.0,
        high=60.0,
        group="sync",
        advanced=True,
        formerly="match_wait_seconds",
    )
    target_frame: str = setting(
        "",
        "Frame that the outputs are given in, looked up at the image's time; empty: the camera's.",
        fixed=True,
    )
    fixed_frame: str = setting(
        "",
        "Frame that stands still, such as world or the robot's base, for a camera that moves: in "
        "track mode its motion, looked up at the images' times, is taken out of the tracks; empty: "
        "off.",
        fixed=True,
    )
    up_frame: str = setting(
        "",
        "Frame whose z axis points against gravity, such as the robot's base: the direction up, "
        "looked up at the images' times, where up_source is tf or auto; empty: none.",
        fixed=True,
    )
    transform_wait_s: float = setting(
        1.0,
        "How long a frame waits for its transform to target_frame, fixed_frame or up_frame while "
        "no newer one comes, seconds; then it is refused. While newer ones come it waits on, 2 s "
        "in all.",
        low=0.0,
        high=10.0,
        advanced=True,
        formerly=(
            "target_frame_wait_s",
            "target_frame_wait_seconds",
            "fixed_frame_wait_s",
            "fixed_frame_wait_seconds",
        ),
    )
    threads: int = setting(
        0,
        "Threads that the network computes with on a CPU; 0: all cores but one, which is left for "
        "receiving and publishing.",
        low=0,
        high=1024,
        fixed=True,
        advanced=True,
    )
    publish_tf: bool = setting(True, "Publish a transform for each object.")
    tf_prefix: str = setting(
        "auto",
        "Put before the names of the objects' frames; auto: the node's namespace and a slash, such "
        "as left/, and nothing where it has none.",
    )
    marker_lifetime_s: float = setting(
        1.0,
        "Markers disappear after this long without a new frame, seconds; 0: never.",
        low=0.0,
        high=3600,
        advanced=True,
        formerly="marker_seconds",
    )
    input_timeout_s: float = setting(
        5.0,
        "Warn when no message comes on an input for this long, seconds; 0: never.",
        low=0.0,
        high=3600.0,
        advanced=True,
        formerly="silence_seconds",
    )
    dump_folder: str = setting(
        "",
        "Folder for frames that are kept as files, which `genpose replay` repeats: on request "
        "(~/dump_frame), and with dump.refused; empty: none.",
        fixed=True,
        group="dump",
        advanced=True,
    )
    dump_refused: bool = setting(
        False,
        "Keep frames that were refused, or an object of them, the first three of each reason.",
        fixed=True,
        group="dump",
        advanced=True,
    )
    dump_limit: int = setting(
        20,
        "Most files in dump.folder; then no more frames are kept.",
        low=1,
        high=10_000,
        fixed=True,
        group="dump",
        advanced=True,
    )
    limits_pixels: int = setting(
        MOST_PIXELS,
        "Images of more pixels are refused, unread: those of 4096 x 3072.",
        low=1,
        high=2**28,
        group="limits",
        advanced=True,
    )
    limits_held_mb: int = setting(
        512,
        "What depth images and the masks that wait for them may hold together, and again the "
        "frames that wait for a transform, MB (millions of bytes): the newest stay. No message of "
        "more is taken.",
        low=1,
        high=65536,
        group="limits",
        advanced=True,
    )
    lock_parameters: bool = setting(
        False,
        "Refuse every change of a parameter after the start, whoever asks: where no SROS2 keeps "
        "other programs from it.",
        fixed=True,
        advanced=True,
    )
    hang_timeout_s: float = setting(
        120.0,
        "The process ends with code 70, for a launch that starts it again, when one frame or the "
        "warm-up takes this long, seconds; 0: never.",
        low=0.0,
        high=3600.0,
        advanced=True,
    )
    log_period_s: float = setting(
        5.0,
        "Least time between two log lines about the same reason, seconds.",
        low=0.1,
        high=3600.0,
        advanced=True,
        formerly="log_seconds",
    )

    def __post_init__(self) -> None:
        check_settings(self)
        for name in ("target_frame", "fixed_frame", "up_frame", "tf_prefix"):
            if not _FRAME.fullmatch(getattr(self, name)):
                found = getattr(self, name)[:_SHOWN]
                raise ValueError(
                    f"{name} must be a frame name, of {_FRAME_LENGTH} letters, digits, _ - . / at "
                    f"most and no / in front, got {found!r}"
                )
        if self.background not in BACKGROUNDS:
            raise ValueError(f"background must be 0, -1 or 255, got {self.background}")
        _ = self.label_table
        parse_min_scores(self.min_scores)
        try:
            ClassNames.read(self.class_names)
        except OSError as error:
            raise ValueError(f"class_names names no file that can be read: {error}") from error

    @property
    def names_classes(self) -> bool:
        """Whether labels can have a category without detections."""
        return bool(self.default_category or self.label_table)

    @cached_property
    def label_table(self) -> dict[str, str]:
        """The entries of `label_categories`: label values, class numbers or names to categories."""
        return parse_label_categories(self.label_categories)

    def category_rules(self, categories: CategorySet) -> CategoryRules:
        """Return the categories of labels and class names.

        Args:
            categories: that the models know.

        Raises:
            ValueError: a parameter names another one.
        """
        return _category_rules(self, categories)

    def object_filter(self, categories: CategorySet) -> ObjectFilter:
        """Return which objects are wanted.

        Args:
            categories: that the models know.

        Raises:
            ValueError: a parameter names a category that no model knows.
        """
        return _object_filter(self, categories)


@lru_cache(maxsize=8)
def _category_rules(settings: NodeSettings, categories: CategorySet) -> CategoryRules:
    """The rules, made once for settings instead of once for every frame."""
    words = ClassNames.read(settings.class_names)
    return CategoryRules(settings.default_category, settings.label_table, categories, words)


@lru_cache(maxsize=8)
def _object_filter(settings: NodeSettings, categories: CategorySet) -> ObjectFilter:
    """The filter, made once likewise."""
    rules = _category_rules(settings, categories)
    return ObjectFilter.parse(settings.classes, settings.min_scores, rules)

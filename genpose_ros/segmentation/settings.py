# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Settings of the segmenter, for the library, the command line and ROS."""

from dataclasses import dataclass

from genpose_ros.settings import check_settings, setting

__all__ = ["SegmenterSettings"]


@dataclass(frozen=True)
class SegmenterSettings:
    """Settings of Mask R-CNN.

    Raises:
        ValueError: a value is of the wrong type, out of range, or none of the choices.

    Example:
        >>> SegmenterSettings(min_score=0.7).min_score
        0.7
    """

    weights: str = setting(
        "",
        "File with the state dict of torchvision's maskrcnn_resnet50_fpn_v2 or _fpn (.pth, .pt, "
        ".safetensors), as trained on COCO or on classes of one's own.",
        fixed=True,
    )
    download: bool = setting(
        False,
        "Without weights, let torchvision fetch those that were trained on COCO (180 MB) from "
        "download.pytorch.org, once; never without being asked.",
        fixed=True,
    )
    version: str = setting(
        "auto",
        "Architecture: v2 (maskrcnn_resnet50_fpn_v2), v1 (maskrcnn_resnet50_fpn), or auto: that of "
        "the weights.",
        choices=("auto", "v1", "v2"),
        fixed=True,
    )
    class_names: str = setting(
        "",
        "Names of the classes with commas between, from class 1 on; empty: those of COCO.",
        fixed=True,
    )
    device: str = setting(
        "auto", "auto (CUDA where there is one), cpu, cuda or cuda:N.", fixed=True
    )
    input_px: int = setting(
        480,
        "Shorter side of the image as the network sees it, pixels; the published networks were "
        "trained with 800, and smaller is faster and misses small objects.",
        low=64,
        high=2048,
        fixed=True,
    )
    proposals: int = setting(
        1000,
        "Regions of an image that the network looks into, the most promising ones; the published "
        "networks were evaluated with 1000, and a table needs fewer: 200 take a fraction of the "
        "time without a GPU.",
        low=10,
        high=2000,
        fixed=True,
    )
    min_score: float = setting(
        0.5, "Objects that the network is less sure of are left out.", low=0.0, high=1.0
    )
    mask_threshold: float = setting(
        0.5, "Probability from which on a pixel is of its object.", low=0.05, high=0.95
    )
    max_objects: int = setting(20, "Most objects of an image, the surest.", low=1, high=254)
    all_classes: bool = setting(
        False,
        "Keep objects of classes that are no category of the pose estimator too, under the "
        "segmenter's words.",
    )
    max_rate_hz: float = setting(
        5.0, "Images that are segmented a second at most; 0: all that can be.", low=0.0, high=120.0
    )

    def __post_init__(self) -> None:
        check_settings(self)

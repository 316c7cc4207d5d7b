# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose segment`: the label image of a colour image, by Mask R-CNN."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genpose_ros.cli.console import ERR, OUT, complain, readable_errors, write_json
from genpose_ros.cli.option_groups import grouped_options
from genpose_ros.cli.options import DeviceOption, WeightsOption

if TYPE_CHECKING:
    from genpose_ros.segmentation.segments import Segment
    from genpose_ros.segmentation.settings import SegmenterSettings

__all__ = ["segment"]


class Version(str, Enum):
    """Architectures of Mask R-CNN."""

    AUTO = "auto"
    V1 = "v1"
    V2 = "v2"


@dataclass(frozen=True, kw_only=True)
class SegmenterOptions:
    """Options of the segmenter; the defaults are those of its settings."""

    segmenter: Annotated[
        Path | None,
        typer.Option(help="State dict of torchvision's maskrcnn_resnet50_fpn_v2 or _fpn."),
    ] = None
    download: Annotated[
        bool,
        typer.Option("--download", help="Without one, let torchvision fetch that of COCO, 180 MB."),
    ] = False
    version: Annotated[Version, typer.Option(help="Architecture; auto: that of the file.")] = (
        Version.AUTO
    )
    segmenter_classes: Annotated[
        str,
        typer.Option(help="Names of its classes with commas between, if they are not COCO's."),
    ] = ""
    min_score: Annotated[
        float, typer.Option(help="Leave out objects it is less sure of.", min=0.0, max=1.0)
    ] = 0.5
    input_px: Annotated[
        int, typer.Option(help="Shorter side that the network sees, pixels.", min=64, max=2048)
    ] = 480
    all_classes: Annotated[
        bool, typer.Option("--all-classes", help="Keep objects that have no poses too.")
    ] = False
    device: DeviceOption = "auto"

    def settings(self) -> "SegmenterSettings":
        """As the segmenter takes them."""
        from genpose_ros.segmentation.settings import SegmenterSettings

        return SegmenterSettings(
            weights="" if self.segmenter is None else str(self.segmenter),
            download=self.download,
            version=self.version.value,
            class_names=self.segmenter_classes,
            min_score=self.min_score,
            input_px=self.input_px,
            all_classes=self.all_classes,
            device=self.device,
        )


@readable_errors
@grouped_options
def segment(
    color: Annotated[Path, typer.Argument(help="Colour image.")],
    mask: Annotated[
        Path, typer.Argument(help="Label image to write, PNG: 0 background, else ids.")
    ],
    options: SegmenterOptions,
    classes: Annotated[
        Path | None,
        typer.Option(
            help="JSON to write, as --classes of estimate takes it.",
            show_default="beside the label image",
        ),
    ] = None,
    weights: WeightsOption = None,
) -> None:
    """Segment a colour image for `genpose estimate`, by Mask R-CNN of torchvision.

    Of the classes of COCO, bottle, bowl, cup (mug) and laptop have poses; for cameras and cans it
    takes a segmenter that was trained on them. Where no object was found, the exit code is 1.

    Examples:

    - `genpose segment color.jpg mask.png --segmenter maskrcnn_v2.pth`

    - `genpose estimate --depth depth.png --mask mask.png --classes mask.json
      --camera-info camera_info.yaml`
    """
    if mask.suffix.lower() != ".png":
        raise ValueError(f"{mask}: a label image is written as .png, which keeps its values")
    listed = classes or mask.with_suffix(".json")
    segments, labels = _segmented(color, options, str(weights or ""))
    _write(mask, labels)
    instances = [_instance(n, item) for n, item in enumerate(segments, 1)]
    write_json(listed, {"instances": instances})
    for item in instances:
        OUT.print(
            f"{item['id']} {item['category']} ({item['class']}) {item['score']:.2f}, "
            f"{item['pixels']} pixels",
            highlight=False,
        )
    ERR.print(f"label image: {mask}, classes: {listed}", markup=False, soft_wrap=True)
    if not segments:
        complain("no object was found")
        raise typer.Exit(1)


def _segmented(color: Path, options: SegmenterOptions, weights: str) -> "tuple[list[Segment], Any]":
    from genpose_ros.datasets import read_color
    from genpose_ros.networks.model_set import known_categories
    from genpose_ros.segmentation.mask_rcnn import load_mask_rcnn
    from genpose_ros.segmentation.segments import label_image_of

    image = read_color(color)
    with ERR.status("loading the network"):
        segmenter = load_mask_rcnn(options.settings(), known_categories(weights))
    segments = segmenter.segment(image)
    labels, _ = label_image_of(segments, image.shape[:2])
    return segments, labels


def _instance(number: int, item: "Segment") -> dict[str, Any]:
    return {
        "id": number,
        "category": item.category,
        "class": item.class_name,
        "score": round(item.score, 4),
        "box_px": [round(float(edge), 1) for edge in item.box_px],
        "pixels": int(item.mask.sum()),
    }


def _write(path: Path, labels: Any) -> None:
    from PIL import Image

    from genpose_ros.files import whole_file

    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        Image.fromarray(labels).save(partial, format="PNG")

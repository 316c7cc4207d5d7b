# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose replay`: the poses of a recorded bag, or of a frame that the node kept, without ROS."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genpose_ros.cli.console import (
    ERR,
    OUT,
    check_outputs,
    complain,
    progress_bar,
    readable_errors,
    write_json,
)
from genpose_ros.cli.option_groups import grouped_options
from genpose_ros.cli.options import DeviceOption, Preset, SetOption, WeightsOption

if TYPE_CHECKING:
    from genpose_ros.cli.replay_report import ReplayReport

__all__ = ["replay"]

#: Modules that are imported by name: they stand among those of the node, though they need no ROS.
_KEPT, _BAG = "genpose_ros.ros.replay.kept_frame", "genpose_ros.ros.replay.bag_replay"
_POSE_BAG, _TOPICS = "genpose_ros.ros.replay.pose_bag", "genpose_ros.ros.replay.topics"
_SETTINGS = "genpose_ros.ros.replay.settings"


class Mode(str, Enum):
    """Modes of the node."""

    ESTIMATE = "estimate"
    TRACK = "track"


class MaskSource(str, Enum):
    """Kinds of messages with masks."""

    AUTO = "auto"
    LABEL_IMAGE = "label_image"
    INSTANCE_MASKS = "instance_masks"
    MASK_ARRAY = "mask_array"
    YOLO = "yolo"
    SEMANTIC = "semantic"
    BOXES = "boxes"


@dataclass(frozen=True, kw_only=True)
class TopicOptions:
    """Topics of a bag; those not named are found by name and type."""

    depth_topic: Annotated[str, typer.Option(help="Depth images.", show_default="found")] = ""
    camera_info_topic: Annotated[
        str, typer.Option(help="Their camera_info.", show_default="found")
    ] = ""
    mask_source: Annotated[
        MaskSource, typer.Option(help="Kind of the messages with masks, as of the node.")
    ] = MaskSource.AUTO
    masks_topic: Annotated[str, typer.Option(help="Masks.", show_default="found")] = ""
    detections_topic: Annotated[
        str, typer.Option(help="Classes of a label image.", show_default="found")
    ] = ""
    label_info_topic: Annotated[
        str, typer.Option(help="Class names of its values.", show_default="found")
    ] = ""
    mask_camera_info_topic: Annotated[
        str,
        typer.Option(
            help="With --unaligned, camera_info of the image that was segmented.",
            show_default="found",
        ),
    ] = ""
    extrinsics_topic: Annotated[
        str,
        typer.Option(
            help="With --unaligned, from the depth camera to that one; else the bag's TF tells.",
            show_default="found",
        ),
    ] = ""
    imu_topic: Annotated[
        str,
        typer.Option(help="The camera's IMU, which tells what is up.", show_default="found"),
    ] = ""

    def wanted(self) -> Any:
        """As the bag's reader takes them."""
        source = "" if self.mask_source is MaskSource.AUTO else self.mask_source.value
        return import_module(_TOPICS).WantedTopics(
            depth=self.depth_topic,
            camera_info=self.camera_info_topic,
            masks=self.masks_topic,
            detections=self.detections_topic,
            label_info=self.label_info_topic,
            mask_camera_info=self.mask_camera_info_topic,
            extrinsics=self.extrinsics_topic,
            imu=self.imu_topic,
            mask_source=source,
        )


@dataclass(frozen=True, kw_only=True)
class NodeOptions:
    """Parameters of the node."""

    mode: Annotated[
        Mode, typer.Option(help="estimate: each frame by itself; track: objects over time.")
    ] = Mode.ESTIMATE
    fixed_frame: Annotated[
        str, typer.Option(help="With --mode track, a frame that stands still, by the bag's TF.")
    ] = ""
    target_frame: Annotated[
        str, typer.Option(help="Frame of the poses, by the bag's TF.", show_default="the camera's")
    ] = ""
    up_frame: Annotated[
        str, typer.Option(help="Frame whose z axis points up, by the bag's TF.")
    ] = ""
    unaligned: Annotated[
        bool,
        typer.Option("--unaligned", help="The depth image is not aligned to the segmented image."),
    ] = False
    default_category: Annotated[
        str, typer.Option(help="Category of objects whose class nothing tells.")
    ] = ""
    preset: Annotated[Preset, typer.Option(help="As of `genpose estimate`.")] = Preset.FAST
    weights: WeightsOption = None
    device: DeviceOption = "auto"
    changes: SetOption = None

    def bag_settings(self) -> Any:
        """The node's settings for a bag.

        Raises:
            ValueError: no such parameter, or a value of another type or out of range.
        """
        values = {
            "mode": self.mode.value,
            "fixed_frame": self.fixed_frame,
            "target_frame": self.target_frame,
            "up_frame": self.up_frame,
            "depth.aligned": not self.unaligned,
            "segmentation.default_category": self.default_category,
        }
        return import_module(_SETTINGS).settings_of(self.preset.value, values | self.given())

    def given(self) -> dict[str, Any]:
        """Changes to the settings of a kept frame, by the parameters' names."""
        values = import_module(_SETTINGS).typed_changes(self.changes or ())
        if self.weights is not None:
            values["weights"] = str(self.weights)
        if self.device != "auto":
            values["device"] = self.device
        return dict(values)


@readable_errors
@grouped_options
def replay(
    source: Annotated[
        Path,
        typer.Argument(help="Bag (folder, .mcap or .db3), or a frame that the node kept (.npz)."),
    ],
    topics: TopicOptions,
    node: NodeOptions,
    json: Annotated[Path | None, typer.Option(help="Write the poses; -: print them.")] = None,
    bag: Annotated[
        Path | None, typer.Option(help="Write the poses as a bag, a new folder.")
    ] = None,
) -> None:
    """Estimate or track what a bag holds, or repeat a frame that the node kept; ROS is not needed.

    Every frame is processed, with masks matched to the depth image of their stamp as the node does.
    Settings are parameters of the node: `--set sync.slop_s=0.03`. Where no object was found, the
    exit code is 1.

    A kept frame has its settings with it, of which `--set`, `--weights` and `--device` change some.

    Examples:

    - `genpose replay demo_bag`

    - `genpose replay table --mode track --fixed-frame base_link --json poses.json --bag poses`

    - `genpose replay frame_1700000000123456789_too_few_points.npz`
    """
    check_outputs(json)
    if source.suffix == ".npz":
        if bag is not None:
            raise ValueError("--bag is for bags: a kept frame is one frame")
        report = _repeat(source, node)
    else:
        report = _replay_bag(source, topics, node, bag)
    if str(json) == "-":
        OUT.print_json(data=report.as_json())
    else:
        report.print(OUT)
        if json is not None:
            write_json(json, report.as_json())
    if not report.found:
        complain(f"no object was found in {len(report.frames)} frames")
        raise typer.Exit(1)


def _repeat(source: Path, node: NodeOptions) -> "ReplayReport":
    """Estimate a kept frame."""
    from genpose_ros.cli.replay_report import ReplayReport

    with ERR.status("estimating"):
        repeated = import_module(_KEPT).repeat_frame(source, node.given())
    report = ReplayReport(str(source), "estimate")
    report.add(repeated.result)
    report.notes += [f"kept for: {repeated.kept.why}", *repeated.notes]
    return report


def _replay_bag(
    source: Path, topics: TopicOptions, node: NodeOptions, bag: Path | None
) -> "ReplayReport":
    """Run a bag through the node's mode, with a progress bar."""
    from genpose_ros.cli.replay_report import ReplayReport

    settings = node.bag_settings()
    report = ReplayReport(str(source), node.mode.value)
    opened = import_module(_BAG).BagReplay.open(source, topics.wanted(), settings)
    with _pose_bag(bag, settings.node.tf_prefix) as write, opened as played:
        report.topics = played.topics.all
        with progress_bar("replaying", "{task.completed}/{task.total} messages") as progress:
            task = progress.add_task("", total=played.messages)
            for frame in played.frames():
                progress.update(task, completed=played.done)
                if frame is not None:
                    report.add(frame)
                    write(frame)
        report.notes += dict.fromkeys(played.notes)
    if bag is not None:
        report.notes.append(f"poses written to {bag}")
    return report


@contextmanager
def _pose_bag(path: Path | None, tf_prefix: str) -> Iterator[Any]:
    """A function that writes a frame to a new bag; without a path, nowhere."""
    if path is None:
        yield lambda frame: None
        return
    with import_module(_POSE_BAG).PoseBag(path, tf_prefix) as written:
        yield written.write

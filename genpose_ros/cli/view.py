# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose view`: frames, bags and a running node in the browser."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genpose_ros.cli.console import ERR, OUT, check_outputs, progress_bar, readable_errors
from genpose_ros.cli.option_groups import grouped_options
from genpose_ros.cli.options import load_estimator
from genpose_ros.cli.replay import NodeOptions, TopicOptions

if TYPE_CHECKING:
    from genpose_ros.robot.grasps import GraspTable
    from genpose_ros.view.content import ViewedFrame
    from genpose_ros.view.page import Page

__all__ = ["view"]

#: Imported by name: they stand among the node's modules, though two of them need no ROS.
_RECORDINGS, _LIVE = "genpose_ros.ros.view.recordings", "genpose_ros.ros.view.live"
_BAG = "genpose_ros.ros.replay.bag_replay"
#: Means the object that is nearest to who looks at the page.
_NEAREST = "nearest"


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """Where the page is served, what it draws, and pictures of it."""

    host: Annotated[
        str, typer.Option(help="Address to listen at; the default is this machine alone.")
    ] = "127.0.0.1"
    port: Annotated[int, typer.Option(help="First port to try.", min=1, max=65535)] = 8080
    show: Annotated[
        str, typer.Option(help="What is drawn beside the usual, such as candidates,covariances.")
    ] = ""
    hide: Annotated[str, typer.Option(help="What of the usual is not drawn.")] = ""
    grasps: Annotated[
        Path | None,
        typer.Option(
            help="Table of grasps, for the task frames of recordings; a running node's are those "
            "on /tf.",
            show_default="the shipped one",
        ),
    ] = None
    shot: Annotated[
        Path | None,
        typer.Option(help="Write a picture (PNG) by a Chromium without a screen, and end."),
    ] = None
    click: Annotated[
        str,
        typer.Option(help="Object that is clicked at for the picture, such as mug_4; or nearest."),
    ] = ""

    def switches(self) -> dict[str, bool]:
        """What is drawn and what not, by the names of `Shown`.

        Raises:
            ValueError: there is no such thing to draw.
        """
        from genpose_ros.view.scene import Shown

        wanted = dict.fromkeys(filter(None, self.show.split(",")), True)
        wanted |= dict.fromkeys(filter(None, self.hide.split(",")), False)
        unknown = set(wanted) - set(Shown.switches())
        if unknown:
            raise ValueError(
                f"--show and --hide take {', '.join(Shown.switches())}; "
                f"got {', '.join(sorted(unknown))}"
            )
        return wanted


@dataclass
class _Source:
    """Frames to be shown, and the settings that can be changed."""

    frames: "Sequence[ViewedFrame]"
    settings: list[Any] = field(default_factory=list)
    change: Callable[[str, Any], str] | None = None


@readable_errors
@grouped_options
def view(
    page: PageOptions,
    topics: TopicOptions,
    node: NodeOptions,
    source: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of recorded frames, bag (folder, .mcap or .db3), or a frame that the node "
            "kept (.npz); without one, the topics of a running node, which needs ROS."
        ),
    ] = None,
    color_topic: Annotated[
        str,
        typer.Option(
            "--color-topic", "--colour-topic", help="Colour images.", show_default="found"
        ),
    ] = "",
    node_name: Annotated[
        str, typer.Option("--node", help="Name of the running node.")
    ] = "/genpose",
    start: Annotated[int, typer.Option(help="Frame to begin with, from 0 on.", min=0)] = 0,
    frames: Annotated[int, typer.Option(help="Most frames of a bag that are shown.", min=1)] = 600,
) -> None:
    """Show frames, their objects and candidates in the browser, with a panel of numbers.

    The page is served to this machine alone, and asks nothing of any network. Without `--shot` it
    is served until Ctrl-C.

    Examples:

    - `genpose view recorded_frames`

    - `genpose view demo_bag --mode track --fixed-frame world`

    - `genpose view recorded_frames --shot view.png --click nearest --show candidates`

    - `genpose view --node /genpose`
    """
    check_outputs(None, page.shot)
    switches = page.switches()
    if source is None:
        _view_live(page, switches, topics, node_name, color_topic)
        return
    from genpose_ros.robot.grasps import SHIPPED_GRASPS, GraspTable

    grasps = GraspTable.read(page.grasps or SHIPPED_GRASPS)
    found = _opened(source, topics, node, color_topic, frames)
    shown = _page(page, f"genpose: {source.resolve().name}", switches, grasps)
    try:
        start = min(start, len(found.frames) - 1)
        shown.show_recording(found.frames, start)
        if found.change is not None:
            shown.add_settings(found.settings, found.change)
        if page.shot is not None:
            _shoot(shown, page, found.frames[start])
        else:
            _serve(shown)
    finally:
        shown.close()


def _page(
    options: PageOptions,
    title: str,
    switches: dict[str, bool],
    grasps: "GraspTable | None" = None,
) -> "Page":
    from genpose_ros.view.page import Page

    page = Page(title, options.host, options.port, grasps)
    for name, value in switches.items():
        page.switch(name, value)
    return page


def _opened(
    source: Path, topics: TopicOptions, node: NodeOptions, color_topic: str, most: int
) -> _Source:
    """The frames of a file or folder, by what it is."""
    if source.suffix == ".npz":
        with ERR.status("loading the network"):
            kept = import_module(_RECORDINGS).KeptFrames(source, node.given())
        return _Source(kept, kept.settings, kept.change)
    if source.suffix in (".mcap", ".db3", ".bag") or (source / "metadata.yaml").is_file():
        return _Source(_bag_frames(source, topics, node, color_topic, most))
    from genpose_ros.datasets import find_frames
    from genpose_ros.view.folders import FolderFrames

    folders = find_frames(source)
    recorded = FolderFrames(folders, load_estimator(node.bag_settings().estimator))
    return _Source(recorded, recorded.settings, recorded.change)


def _bag_frames(
    source: Path, topics: TopicOptions, node: NodeOptions, color_topic: str, most: int
) -> "Sequence[ViewedFrame]":
    recordings, settings = import_module(_RECORDINGS), node.bag_settings()
    opened = import_module(_BAG).BagReplay.open(source, topics.wanted(), settings)
    with opened as played, progress_bar("estimating", "{task.completed}/{task.total}") as bar:
        task = bar.add_task("", total=played.messages)
        color = color_topic or recordings.color_topic(played.bag.types, played.topics.depth)
        found: Sequence[ViewedFrame] = recordings.bag_frames(
            played, color, most, lambda done: bar.update(task, completed=done)
        )
        notes = dict.fromkeys(played.notes)
    for note in notes:
        ERR.print(note, markup=False, soft_wrap=True)
    if not found:
        raise ValueError(f"{source} has no frame to show: no masks meet a depth image")
    return found


def _shoot(page: "Page", options: PageOptions, frame: "ViewedFrame") -> None:
    """Take the picture, and tell what the page says."""
    from genpose_ros.files import write_whole
    from genpose_ros.view.shot import take_shot

    click = options.click
    if click == _NEAREST:
        if not frame.objects:
            raise ValueError("there is no object to click at")
        click = page.nearest
    with ERR.status("drawing the page"):
        shot = take_shot(page, click)
    if options.shot is not None:
        write_whole(options.shot, shot.png)
        ERR.print(f"picture: {options.shot}", markup=False, soft_wrap=True)


def _serve(page: "Page") -> None:
    OUT.print(f"the view is at {page.url} (Ctrl-C ends it)", highlight=False, soft_wrap=True)
    page.wait()


def _view_live(
    options: PageOptions,
    switches: dict[str, bool],
    topics: TopicOptions,
    node_name: str,
    color_topic: str,
) -> None:
    """Show what a running node publishes."""
    try:
        live = import_module(_LIVE)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the view of a running node needs ROS 2 ({error.name} is missing): source it, or "
            "name a folder, a bag or an .npz"
        ) from error
    page = _page(options, f"genpose: {node_name}", switches)
    wanted = live.LiveTopics(
        node=node_name,
        depth=topics.depth_topic or live.DEPTH,
        camera_info=topics.camera_info_topic,
        color=color_topic or live.COLOR,
    )
    try:
        with live.LiveView.started(page, wanted) as running:
            if options.shot is not None:
                _shoot(page, options, running.first_frame())
            else:
                _serve(page)
    finally:
        page.close()

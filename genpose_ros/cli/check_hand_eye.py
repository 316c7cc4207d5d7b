# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose check-hand-eye`: is the camera where the calibration says, by one object?"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genpose_ros.cli.console import ERR, OUT, check_outputs, readable_errors, write_json
from genpose_ros.cli.option_groups import grouped_options
from genpose_ros.cli.options import DeviceOption, WeightsOption

if TYPE_CHECKING:
    import numpy as np

    from genpose_ros.robot.hand_eye import HandEyeCheck
    from genpose_ros.robot.mounts import CameraMount

__all__ = ["check_hand_eye_command"]

_BAG, _FRAMES = "genpose_ros.ros.replay.bag", "genpose_ros.ros.replay.bag_frames"
_REPLAY, _TOPICS = "genpose_ros.ros.replay.bag_replay", "genpose_ros.ros.replay.topics"
_LIVE = "genpose_ros.ros.robot.hand_eye_live"


@dataclass(frozen=True, kw_only=True)
class FrameOptions:
    """Frames of the arm and the camera, in a bag or on /tf."""

    base: Annotated[str, typer.Option(help="Frame of the arm's base.")] = "link_base"
    flange: Annotated[str, typer.Option(help="Frame of the arm's flange.")] = "link_eef"
    camera_frame: Annotated[
        str, typer.Option(help="The camera's optical frame, on /tf; in a bag it is known.")
    ] = "camera_color_optical_frame"
    eye_to_hand: Annotated[
        bool,
        typer.Option(
            "--eye-to-hand",
            help="The camera stands beside the arm, whose gripper holds the object; as a "
            "calibration of that kind says too.",
        ),
    ] = False
    node: Annotated[str, typer.Option(help="Running node that estimates, without a SOURCE.")] = (
        "/genpose"
    )
    looks: Annotated[int, typer.Option(help="Looks to take of a running node.", min=6)] = 20


@dataclass
class _Seen:
    """Category, T_base_flange and T_cam_obj of each object that was seen; and the calibration."""

    rows: list[tuple[str, "np.ndarray", "np.ndarray"]] = field(default_factory=list)
    T_mount_cam: "np.ndarray | None" = None

    @property
    def most_seen(self) -> str:
        """The category with most rows; empty: nothing was seen."""
        names = Counter(name for name, _, _ in self.rows)
        return names.most_common(1)[0][0] if names else ""


@readable_errors
@grouped_options
def check_hand_eye_command(
    frames: FrameOptions,
    source: Annotated[
        Path | None,
        typer.Argument(
            help="Bag with transforms, or folder of recorded frames; without one, a running node "
            "and /tf, which needs ROS."
        ),
    ] = None,
    poses: Annotated[
        Path | None,
        typer.Option(
            help="Of a folder of frames: YAML with the flange's pose in the base for each frame, "
            "by name: {translation_m: [x, y, z], rotation_xyzw: [x, y, z, w]}."
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="YAML of the camera's mount; of a bag and /tf, the transforms are it."),
    ] = None,
    category: Annotated[
        str | None, typer.Option(help="Of the object; default: the one seen most.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the numbers.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the positions into this PNG.")] = None,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Check a hand-eye calibration by one object that is seen from six or more arm poses.

    A camera on the flange looks at an object at rest, whose pose in the base must come out the same
    each time; one beside the arm at an object in the gripper, whose pose on the flange must. What
    the calibration misplaces it by is fitted, with its uncertainty; exit code 1 where it is off.
    Nothing is moved: drive the arm yourself, from pose to pose, and turn the flange between them.

    Examples:

    - `genpose check-hand-eye looks_around_a_can`

    - `genpose check-hand-eye frames --poses poses.yaml --calibration xarm6_eye_in_hand.yaml`

    - `genpose check-hand-eye --node /genpose --looks 20`

    - `genpose check-hand-eye can_in_the_gripper --eye-to-hand`
    """
    from genpose_ros.geometry.categories import NOCS
    from genpose_ros.robot.hand_eye import Sighting, Verdict, check_hand_eye
    from genpose_ros.robot.mounts import CameraMount

    check_outputs(json, picture)
    mount = None if calibration is None else CameraMount.read(calibration)
    eye_to_hand = frames.eye_to_hand if mount is None else mount.kind == "eye_to_hand"
    if source is None:
        seen = _of_node(frames, category, eye_to_hand=eye_to_hand)
    elif source.is_dir() and poses is not None:
        if mount is None:
            raise ValueError("frames have no transforms: name the camera's --calibration")
        seen = _of_frames(source, poses, weights, device)
    else:
        seen = _of_bag(source, frames, weights, device, eye_to_hand=eye_to_hand)
    chosen = category or seen.most_seen
    rows = [Sighting(T_base, T_cam) for name, T_base, T_cam in seen.rows if name == chosen]
    symmetric = chosen in NOCS and NOCS[chosen].visible_symmetry(False).free_axis
    T_mount_cam = _calibration(mount, seen)
    check = check_hand_eye(rows, T_mount_cam, symmetric=symmetric, eye_to_hand=eye_to_hand)
    _tell(check, chosen, json, picture, eye_to_hand=eye_to_hand)
    if check.verdict is Verdict.OFF:
        raise typer.Exit(1)


def _tell(
    check: "HandEyeCheck",
    category: str,
    json: Path | None,
    picture: Path | None,
    *,
    eye_to_hand: bool,
) -> None:
    """Print a check, and write what was asked for of it."""
    _print(check, category)
    if json is not None:
        write_json(json, {"category": category, "eye_to_hand": eye_to_hand, **_plain(check)})
    if picture is not None:
        from genpose_ros.robot.simulation.hand_eye import draw_check

        draw_check({category: check}, picture)


def _calibration(mount: "CameraMount | None", seen: _Seen) -> "np.ndarray":
    """The optical frame on its mount, by a file or else by transforms.

    Raises:
        ValueError: neither is there.
    """
    if mount is not None:
        return mount.T_parent_optical
    if seen.T_mount_cam is None:
        raise ValueError(
            "no calibration is known: name the camera's --calibration, or see that its transforms "
            "are there and an object is seen"
        )
    return seen.T_mount_cam


def _of_node(frames: FrameOptions, category: str | None, *, eye_to_hand: bool) -> _Seen:
    """Looks that are taken while somebody drives the arm."""
    try:
        live = import_module(_LIVE)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"looks at a running node need ROS 2 ({error.name} is missing): source it, or name a "
            "bag or a folder of frames"
        ) from error
    names = live.LiveFrames(
        node=frames.node,
        base=frames.base,
        flange=frames.flange,
        camera=frames.camera_frame,
        eye_to_hand=eye_to_hand,
        category=category or "",
    )

    def say(text: str) -> None:
        ERR.print(text, markup=False, highlight=False, soft_wrap=True)

    say("drive the arm from place to place, let it rest at each, and turn the flange; Ctrl-C ends")
    taken = live.look_live(
        names,
        frames.looks,
        lambda now: say(f"look {len(now.looks.sightings)} of {frames.looks} at the {now.category}"),
        lambda why: say(f"waiting: {why or 'the arm has not come to rest elsewhere'}"),
    )
    rows = [(taken.category, s.T_base_flange, s.T_cam_obj) for s in taken.looks.sightings]
    return _Seen(rows, taken.T_mount_cam)


def _of_frames(folder: Path, poses: Path, weights: Path | None, device: str) -> _Seen:
    """Objects of frames whose arm poses are in a file."""
    from genpose_ros.datasets.frame_folders import find_frames, load_frame
    from genpose_ros.estimation import EstimatorSettings, PoseEstimator
    from genpose_ros.robot.mounts import pose_of
    from genpose_ros.yaml_files import read_yaml

    table = read_yaml(poses)
    if not isinstance(table, dict):
        raise ValueError(f"{poses}: expected a table of the frames' names, got {table!r}")
    settings = EstimatorSettings(device=device, weights=str(weights or ""))
    estimator = PoseEstimator.from_settings(settings)
    seen = _Seen()
    for path in find_frames(folder):
        if path.name not in table:
            raise ValueError(f"{poses} has no pose of the frame {path.name}")
        T_base_flange = pose_of(table[path.name], f"{poses}: {path.name}: ")
        found = estimator.estimate(load_frame(path).to_frame()).estimates
        seen.rows += [(item.category, T_base_flange, item.T_cam_obj) for item in found]
    return seen


def _of_bag(
    path: Path, frames: FrameOptions, weights: Path | None, device: str, *, eye_to_hand: bool
) -> _Seen:
    """Objects of a bag, whose transforms tell where the flange was, and the camera."""
    from genpose_ros.estimation.settings import EstimatorSettings

    settings_of = import_module("genpose_ros.ros.settings").Settings
    with import_module(_BAG).Bag.open(path) as bag:
        tree = import_module(_FRAMES).read_transforms(bag)
    given = EstimatorSettings(device=device, weights=str(weights or ""))
    seen = _Seen()
    mount = frames.base if eye_to_hand else frames.flange
    for frame in _replayed(path, settings_of(estimator=given)):
        at_flange = SimpleNamespace(stamp=frame.header.stamp, frame_id=frames.flange)
        T_base_flange = _known(tree.camera_in(frames.base, at_flange))
        if seen.T_mount_cam is None:
            found = tree.camera_in(mount, frame.header)
            seen.T_mount_cam = None if getattr(found, "detail", "") else found
        seen.rows += [
            (item.estimate.category, T_base_flange, item.estimate.T_cam_obj)
            for item in frame.objects
        ]
    if not seen.rows:
        raise ValueError(f"{path} has no frame with objects")
    return seen


def _replayed(path: Path, settings: Any) -> Iterator[Any]:
    wanted = import_module(_TOPICS).WantedTopics()
    with import_module(_REPLAY).BagReplay.open(path, wanted, settings) as played:
        yield from (frame for frame in played.frames() if frame is not None and frame.objects)


def _known(found: Any) -> "np.ndarray":
    """The transform.

    Raises:
        ValueError: it is a rejection.
    """
    detail = getattr(found, "detail", "")
    if detail:
        raise ValueError(f"{detail}; name the arm's frames as --base and --flange")
    return found


def _print(check: "HandEyeCheck", name: str) -> None:
    from rich.table import Table

    table = Table("hand-eye", "", title=f"{len(check.T_rest_obj)} sightings of a {name}")
    table.add_row("spread of its position", f"{check.spread_mm:.1f} mm")
    table.add_row("spread of its y axis", f"{check.spread_deg:.1f} degrees")
    table.add_row("misplaced by", f"{check.off_mm:.1f} +- {check.sigma_mm:.1f} mm")
    table.add_row("turned by", f"{check.off_deg:.2f} +- {check.sigma_deg:.2f} degrees")
    table.add_row("spread with the fitted one", f"{check.left_mm:.1f} mm")
    if left_out := int((~check.kept).sum()):
        table.add_row("left out, far from the others", f"{left_out}")
    OUT.print(table)
    OUT.print(f"{check.verdict.value}: {check.advice}", highlight=False, soft_wrap=True)


def _plain(check: "HandEyeCheck") -> dict[str, Any]:
    values = asdict(check)
    return {k: v.tolist() if hasattr(v, "tolist") else v for k, v in values.items()}

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose check-hand-eye`: is the camera where the calibration says, by an object at rest?"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genpose_ros.cli.console import OUT, check_outputs, readable_errors, write_json
from genpose_ros.cli.options import DeviceOption, WeightsOption

if TYPE_CHECKING:
    import numpy as np

    from genpose_ros.robot.hand_eye import HandEyeCheck

__all__ = ["check_hand_eye_command"]

_BAG, _FRAMES = "genpose_ros.ros.replay.bag", "genpose_ros.ros.replay.bag_frames"
_REPLAY, _TOPICS = "genpose_ros.ros.replay.bag_replay", "genpose_ros.ros.replay.topics"


@readable_errors
def check_hand_eye_command(
    source: Annotated[
        Path, typer.Argument(help="Bag with transforms, or folder of recorded frames.")
    ],
    poses: Annotated[
        Path | None,
        typer.Option(
            help="Of a folder of frames: YAML with the flange's pose in the base for each frame, "
            "by name: {translation_m: [x, y, z], rotation_xyzw: [x, y, z, w]}."
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="YAML of the camera's mount; of a bag, its transforms are the default."),
    ] = None,
    base: Annotated[str, typer.Option(help="Frame of the arm's base, in a bag.")] = "link_base",
    flange: Annotated[str, typer.Option(help="Frame of the arm's flange, in a bag.")] = "link_eef",
    category: Annotated[
        str | None, typer.Option(help="Of the object at rest; default: the one seen most.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the numbers.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the positions into this PNG.")] = None,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Check a hand-eye calibration: one object at rest, seen from six or more arm poses.

    Its pose in the base frame must come out the same each time. What the calibration misplaces it
    by is fitted, with its uncertainty; exit code 1 where it is off. Nothing is moved: drive the arm
    yourself, from pose to pose, and roll the flange between them.

    Examples:

    - `genpose check-hand-eye looks_around_a_can`

    - `genpose check-hand-eye frames --poses poses.yaml --calibration xarm6_eye_in_hand.yaml`
    """
    from genpose_ros.geometry.categories import NOCS
    from genpose_ros.robot.hand_eye import Sighting, Verdict, check_hand_eye

    check_outputs(json, picture)
    if source.is_dir() and poses is not None:
        seen, T_flange_cam = _of_frames(source, poses, calibration, weights, device)
    else:
        seen, T_flange_cam = _of_bag(source, base, flange, calibration, weights, device)
    names = Counter(name for name, _, _ in seen)
    chosen = category or (names.most_common(1)[0][0] if names else "")
    rows = [Sighting(T_base, T_cam) for name, T_base, T_cam in seen if name == chosen]
    symmetric = chosen in NOCS and NOCS[chosen].visible_symmetry(False).free_axis
    check = check_hand_eye(rows, T_flange_cam, symmetric=symmetric)
    _print(check, chosen)
    if json is not None:
        write_json(json, {"category": chosen, **_plain(check)})
    if picture is not None:
        from genpose_ros.robot.simulation.hand_eye import draw_check

        draw_check({chosen: check}, picture)
    if check.verdict is Verdict.OFF:
        raise typer.Exit(1)


def _of_frames(
    folder: Path, poses: Path, calibration: Path | None, weights: Path | None, device: str
) -> tuple[list[tuple[str, "np.ndarray", "np.ndarray"]], "np.ndarray"]:
    """Category, T_base_flange and T_cam_obj of each object of the frames; and T_flange_cam."""
    from genpose_ros.datasets.frame_folders import find_frames, load_frame
    from genpose_ros.estimation import EstimatorSettings, PoseEstimator
    from genpose_ros.robot.mounts import pose_of
    from genpose_ros.yaml_files import read_yaml

    if calibration is None:
        raise ValueError("a folder of frames has no transforms: name the camera's --calibration")
    table = read_yaml(poses)
    if not isinstance(table, dict):
        raise ValueError(f"{poses}: expected a table of the frames' names, got {table!r}")
    settings = EstimatorSettings(device=device, weights=str(weights or ""))
    estimator = PoseEstimator.from_settings(settings)
    seen = []
    for path in find_frames(folder):
        if path.name not in table:
            raise ValueError(f"{poses} has no pose of the frame {path.name}")
        T_base_flange = pose_of(table[path.name], f"{poses}: {path.name}: ")
        found = estimator.estimate(load_frame(path).to_frame()).estimates
        seen += [(item.category, T_base_flange, item.T_cam_obj) for item in found]
    return seen, _optical(calibration)


def _optical(calibration: Path) -> "np.ndarray":
    """T_flange_cam of the optical frame, by the YAML of a mount on the flange."""
    from genpose_ros.robot.mounts import CameraMount
    from genpose_ros.robot.xarm6 import T_CAMERA_LINK_OPTICAL

    mount = CameraMount.read(calibration)
    if mount.kind != "eye_in_hand":
        raise ValueError(
            f"{calibration} is {mount.kind}: a camera that stands still sees an object at rest "
            "from one side alone; let the gripper hold an object and calibrate by it"
        )
    return mount.T_parent_link @ T_CAMERA_LINK_OPTICAL


def _of_bag(
    path: Path,
    base: str,
    flange: str,
    calibration: Path | None,
    weights: Path | None,
    device: str,
) -> tuple[list[tuple[str, "np.ndarray", "np.ndarray"]], "np.ndarray"]:
    """The same of a bag, whose transforms tell where the flange was, and the camera on it."""
    from genpose_ros.estimation.settings import EstimatorSettings

    settings_of = import_module("genpose_ros.ros.settings").Settings
    with import_module(_BAG).Bag.open(path) as bag:
        tree = import_module(_FRAMES).read_transforms(bag)
    given = EstimatorSettings(device=device, weights=str(weights or ""))
    seen, T_flange_cam = [], None if calibration is None else _optical(calibration)
    for frame in _replayed(path, settings_of(estimator=given)):
        at_flange = SimpleNamespace(stamp=frame.header.stamp, frame_id=flange)
        T_base_flange = _known(tree.camera_in(base, at_flange))
        if T_flange_cam is None:
            T_flange_cam = _known(tree.camera_in(flange, frame.header))
        seen += [
            (item.estimate.category, T_base_flange, item.estimate.T_cam_obj)
            for item in frame.objects
        ]
    if T_flange_cam is None:
        raise ValueError(f"{path} has no frame with objects")
    return seen, T_flange_cam


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

    table = Table("hand-eye", "", title=f"{len(check.T_base_obj)} sightings of a {name}")
    table.add_row("spread of its position", f"{check.spread_mm:.1f} mm")
    table.add_row("spread of its y axis", f"{check.spread_deg:.1f} degrees")
    table.add_row("misplaced by", f"{check.off_mm:.1f} +- {check.sigma_mm:.1f} mm")
    table.add_row("turned by", f"{check.off_deg:.2f} +- {check.sigma_deg:.2f} degrees")
    table.add_row("spread with the fitted one", f"{check.left_mm:.1f} mm")
    OUT.print(table)
    OUT.print(f"{check.verdict.value}: {check.advice}", highlight=False, soft_wrap=True)


def _plain(check: "HandEyeCheck") -> dict[str, Any]:
    values = asdict(check)
    return {k: v.tolist() if hasattr(v, "tolist") else v for k, v in values.items()}

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose estimate`: the objects of one recorded frame."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genpose_ros.cli.console import (
    ERR,
    OUT,
    check_outputs,
    complain,
    readable_errors,
    write_json,
)
from genpose_ros.cli.option_groups import grouped_options
from genpose_ros.cli.options import EstimatorOptions, load_estimator
from genpose_ros.cli.results import estimate_json, rejection_json, up_json

if TYPE_CHECKING:
    from genpose_ros.estimation import Frame, FrameResult
    from genpose_ros.estimation.up import UpDirection
    from genpose_ros.geometry import CategorySet

__all__ = ["estimate"]

#: Deviation of a direction that is given on the command line.
_GIVEN_SIGMA_RAD = math.radians(1.0)


@dataclass(frozen=True, kw_only=True)
class FrameOptions:
    """Files of one recorded frame."""

    depth: Annotated[
        Path,
        typer.Option(
            help="Depth image: 16-bit PNG or TIFF in millimetres, .npy, .npz, .exr in metres; "
            "other units: --depth-unit."
        ),
    ]
    mask: Annotated[
        Path,
        typer.Option(help="Label image: 0 background (or --background), else instance ids."),
    ]
    camera_info: Annotated[
        Path,
        typer.Option(
            help="CameraInfo or calibration (YAML, JSON), cam_K.txt, camera.json of BOP or Open3D, "
            "meta.mat, or a label.json."
        ),
    ]
    colour: Annotated[
        Path | None, typer.Option("--colour", "--color", help="Colour image, for the picture.")
    ] = None
    classes: Annotated[
        str | None,
        typer.Option(
            help="1=mug,2=cup; mug where all are mugs; or a label.json; default: the camera file's "
            "instances."
        ),
    ] = None
    class_names: Annotated[
        Path | None,
        typer.Option(help="Other words for the classes, as YAML; default: the shipped table."),
    ] = None
    background: Annotated[
        int, typer.Option(help="Value of the mask where there is no object: 0, -1 or 255.")
    ] = 0
    depth_unit: Annotated[
        float | None,
        typer.Option(
            help="Metres per count; default: as the camera file says, else 0.001 for integers and "
            "1 for floats."
        ),
    ] = None
    mask_camera: Annotated[
        Path | None,
        typer.Option(
            help="Camera file of the image that was segmented, where the depth image is not "
            "aligned to it; needs --extrinsics."
        ),
    ] = None
    extrinsics: Annotated[
        Path | None,
        typer.Option(
            help="From the depth camera to that one: a 4 x 4 matrix as text, JSON, YAML or .npy, "
            "or rotation and translation as realsense-ros publishes them."
        ),
    ] = None
    rectified: Annotated[
        bool,
        typer.Option(
            "--rectified/--raw",
            help="The images are rectified, so that P of the camera file counts, where it has "
            "one; raw ones have K.",
        ),
    ] = True
    up: Annotated[
        str | None,
        typer.Option(
            help="Direction against gravity in the camera's frame (x right, y down, z forward), "
            "such as 0,-0.8,-0.6; default: as the setting up_source says."
        ),
    ] = None

    def read(self, weights: str) -> "Frame":
        """Read the frame.

        Args:
            weights: checkpoints whose categories the classes may name; empty: the released one.

        Raises:
            ValueError: a file is damaged, or the files do not fit together.
            FileNotFoundError: a file is missing.
        """
        from genpose_ros.datasets import read_frame
        from genpose_ros.estimation.class_names import ClassNames
        from genpose_ros.estimation.label_images import BACKGROUNDS
        from genpose_ros.networks.model_set import known_categories

        if self.background not in BACKGROUNDS:
            raise ValueError(f"--background is 0, -1 or 255, got {self.background}")
        if self.extrinsics is not None and self.mask_camera is None:
            raise ValueError("--extrinsics lead to the camera of --mask-camera, which is missing")
        frame = read_frame(
            self.depth,
            self.mask,
            self.camera_info,
            self.classes,
            self.depth_unit,
            rectified=self.rectified,
            background=self.background,
            mask_camera=self.mask_camera,
            extrinsics=self.extrinsics,
            categories=known_categories(weights),
            names=ClassNames.read(self.class_names or ""),
        )
        return frame if self.up is None else replace(frame, up_cam=_given_up(self.up))


@readable_errors
@grouped_options
def estimate(
    files: FrameOptions,
    options: EstimatorOptions,
    json: Annotated[Path | None, typer.Option(help="Write the estimates; -: print them.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Write a picture of the estimates.")] = None,
    warn_below: Annotated[
        float, typer.Option(help="Warn of poses that score less, 0 to 1.", min=0.0, max=1.0)
    ] = 0.5,
) -> None:
    """Estimate the objects of one recorded frame.

    Where none could be estimated, the exit code is 1.

    Examples:

    - `genpose estimate --depth depth.png --mask mask.png --camera-info label.json`

    - `genpose estimate --depth depth.png --mask mask.png --camera-info camera_info.yaml
      --classes 1=mug,2=bowl --colour color.jpg --picture poses.png --json poses.json`

    - `genpose estimate --depth depth.png --mask mask.png --camera-info camera_info.yaml
      --classes 1=drill,2=tin --weights drill.safetensors,tin.safetensors`
    """
    settings = options.settings()
    check_outputs(json, picture)
    frame = files.read(settings.weights)
    background = _background(files.colour, frame.depth_m)
    estimator = load_estimator(settings)
    result = estimator.estimate(frame)
    _report(result, json, warn_below)
    if picture is not None:
        _draw(background, frame, result, estimator.categories, picture)
    if not result.estimates:
        complain(f"none of the objects could be estimated ({len(result.rejections)} refused)")
        raise typer.Exit(1)


def _given_up(text: str) -> "UpDirection":
    """The direction of three numbers with commas between, of any length."""
    import numpy as np

    from genpose_ros.estimation.up import UpDirection

    try:
        vector = np.array([float(word) for word in text.split(",")])
    except ValueError:
        vector = np.empty(0)
    length = float(np.linalg.norm(vector)) if vector.shape == (3,) else 0.0
    if not 0 < length < np.inf:
        raise ValueError(f"--up is three numbers such as 0,-1,0, not all 0; got {text!r}")
    return UpDirection(vector / length, _GIVEN_SIGMA_RAD, source="given")


def _report(result: "FrameResult", json: Path | None, warn_below: float) -> None:
    """Print a table and write JSON, or print the JSON alone."""
    from genpose_ros.cli.tables import print_result

    if str(json) == "-":
        OUT.print_json(data=_result_json(result))
        return
    print_result(result, OUT, warn_below=warn_below)
    if json is not None:
        write_json(json, _result_json(result))


def _draw(
    image: Any, frame: "Frame", result: "FrameResult", categories: "CategorySet", path: Path
) -> None:
    from genpose_ros.drawing import draw_estimates, save_picture

    picture = draw_estimates(image, frame.camera, result.estimates, categories=categories)
    save_picture(picture, path)
    ERR.print(f"picture: {path}", markup=False, soft_wrap=True)


def _background(colour: Path | None, depth_m: Any) -> Any:
    from genpose_ros.datasets import read_color
    from genpose_ros.drawing import depth_picture

    if colour is None:
        return depth_picture(depth_m)
    image = read_color(colour)
    if image.shape[:2] != depth_m.shape:
        (height, width), (rows, columns) = image.shape[:2], depth_m.shape
        raise ValueError(
            f"{colour} is {width} x {height} (width x height), the depth image {columns} x {rows}: "
            "give the colour image that the depth is aligned to, or none"
        )
    return image


def _result_json(result: "FrameResult") -> dict[str, Any]:
    return {
        "frame": "camera optical frame: x right, y down, z forward, metres",
        "up": None if result.up_cam is None else up_json(result.up_cam),
        "objects": [estimate_json(e) for e in result.estimates],
        "rejected": [rejection_json(r) for r in result.rejections],
        "stages_ms": result.timings_ms,
    }

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose estimate`: the objects of one recorded frame."""

from dataclasses import dataclass
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

if TYPE_CHECKING:
    from genpose_ros.estimation import Frame, FrameResult
    from genpose_ros.geometry import CategorySet

__all__ = ["estimate"]


@dataclass(frozen=True, kw_only=True)
class FrameOptions:
    """Files of one recorded frame."""

    depth: Annotated[
        Path,
        typer.Option(help="Depth image: PNG in millimetres (or --depth-unit), .npy in metres."),
    ]
    mask: Annotated[Path, typer.Option(help="Label image: 0 background, else instance ids.")]
    camera_info: Annotated[
        Path, typer.Option(help="CameraInfo or calibration as YAML or JSON, or a label.json.")
    ]
    colour: Annotated[
        Path | None, typer.Option("--colour", "--color", help="Colour image, for the picture.")
    ] = None
    classes: Annotated[
        str | None,
        typer.Option(help="1=mug,2=bowl, or a label.json; default: the camera file's instances."),
    ] = None
    depth_unit: Annotated[
        float, typer.Option(help="Metres per count of an integer depth image.")
    ] = 0.001

    def read(self, weights: str) -> "Frame":
        """Read the frame.

        Args:
            weights: checkpoints whose categories the classes may name; empty: the released one.

        Raises:
            ValueError: a file is damaged, or the files do not fit together.
            FileNotFoundError: a file is missing.
        """
        from genpose_ros.datasets import read_frame
        from genpose_ros.networks.model_set import known_categories

        return read_frame(
            self.depth,
            self.mask,
            self.camera_info,
            self.classes,
            self.depth_unit,
            categories=known_categories(weights),
        )


@readable_errors
@grouped_options
def estimate(
    files: FrameOptions,
    options: EstimatorOptions,
    json: Annotated[Path | None, typer.Option(help="Write the estimates; -: print them.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Write a picture of the estimates.")] = None,
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
    _report(result, json)
    if picture is not None:
        _draw(background, frame, result, estimator.categories, picture)
    if not result.estimates:
        complain(f"none of the objects could be estimated ({len(result.rejections)} refused)")
        raise typer.Exit(1)


def _report(result: "FrameResult", json: Path | None) -> None:
    """Print a table and write JSON, or print the JSON alone."""
    from genpose_ros.cli.tables import print_result

    if str(json) == "-":
        OUT.print_json(data=_result_json(result))
        return
    print_result(result, OUT)
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
        raise ValueError(f"{colour} is {image.shape[:2]}, the depth image {depth_m.shape}")
    return image


def _result_json(result: "FrameResult") -> dict[str, Any]:
    objects = [
        {
            "id": e.instance_id,
            "class": e.category,
            "position_m": e.T_cam_obj[:3, 3].tolist(),
            "T_cam_obj": e.T_cam_obj.tolist(),
            "size_m": e.size_m.tolist(),
            "score": e.score,
            "score_axis": e.score_axis,
            "covariance": e.covariance.tolist(),
            "energy_rotation": e.energy_rotation,
            "energy_translation": e.energy_translation,
            "mode_shares": list(e.mode_shares),
            "n_points": e.n_points,
        }
        for e in result.estimates
    ]
    rejected = [
        {"id": r.instance_id, "reason": r.reason.value, "detail": r.detail}
        for r in result.rejections
    ]
    return {"objects": objects, "rejected": rejected, "stages_ms": result.timings_ms}

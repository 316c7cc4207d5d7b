# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Draw the pictures of the pages: object frames, symmetries, and the stages of the estimator.

`python docs/draw.py` writes docs/images/frames.png, symmetries.png and stages.svg.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.patheffects import withStroke
from PIL import Image

from genpose_ros.geometry import CATEGORIES, PinholeCamera, is_symmetric, transform_points
from genpose_ros.own_categories.sheet import oblique_view, picture_of_mesh
from genpose_ros.synthesis import primitives
from genpose_ros.synthesis.appearance import lit, object_albedo, smoothed
from genpose_ros.synthesis.placement import pixel_rays, usual_shape
from genpose_ros.synthesis.render import cast

__all__ = [
    "EVERYDAY",
    "STAGES",
    "draw_frames",
    "draw_stages",
    "draw_symmetries",
    "view_of_object",
]

IMAGES = Path(__file__).resolve().parent / "images"

_AXIS_COLORS = ("#d62728", "#2ca02c", "#1f6fd6")
#: Of each category: the shape's seed, its colour, and what x, y and z mean.
_SHAPES: dict[str, tuple[int, int, tuple[str, str, str]]] = {
    "bottle": (7, 2, ("x", "y: up", "z")),
    "bowl": (0, 4, ("x", "y: up", "z")),
    "camera": (8, 0, ("x: lens", "y: up", "z")),
    "can": (5, 1, ("x", "y: up", "z")),
    "laptop": (2, 5, ("x", "y: up", "z: hinge")),
    "mug": (0, 3, ("x: handle", "y: up", "z")),
}
_PANEL_PX, _CROP_PX, _SUPERSAMPLING = 420, 60, 3
_DISTANCE = 3.4


def draw_frames(path: Path) -> None:
    """Draw a procedural shape of each category with the axes of its frame, as a PNG."""
    page = Figure(figsize=(9, 5.7), dpi=140)
    for number, category in enumerate(CATEGORIES):
        axes = page.add_subplot(2, 3, number + 1)
        _draw_category(axes, category)
    page.subplots_adjust(0.0, 0.04, 1.0, 1.0, 0.0, 0.08)
    canvas = FigureCanvasAgg(page)
    canvas.draw()
    Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).save(path, optimize=True)


def _draw_category(axes: Any, category: str) -> None:
    seed, color, names = _SHAPES[category]
    shape = usual_shape(category, np.random.default_rng(seed))
    size_m = np.ptp(shape.vertices, axis=0)
    scale = 1.0 / np.linalg.norm(size_m)
    T_cam_obj = view_of_object()
    camera = _camera(_PANEL_PX)
    rendered = _render(category, shape.vertices * scale, shape.faces, T_cam_obj, color)
    axes.imshow(rendered, extent=(-0.5, _PANEL_PX - 0.5, _PANEL_PX - 0.5, -0.5))
    for axis in (2, 0, 1):
        _draw_axis(axes, camera, T_cam_obj, axis, size_m * scale, names[axis])
    if is_symmetric(category):
        _draw_free_rotation(axes, camera, T_cam_obj, float(size_m[1] * scale))
    axes.set_title(category, fontsize=13, y=-0.06)
    if category == "laptop":
        _label(axes, (60, 116), "screen at -x", _AXIS_COLORS[0])
    axes.set_xlim(0, _PANEL_PX)
    axes.set_ylim(_PANEL_PX - _CROP_PX, 0)
    axes.axis("off")


def view_of_object() -> np.ndarray:
    """Return T_cam_obj of an object seen from its front, from the right and from above."""
    T = np.eye(4)
    T[:3, :3] = oblique_view()
    T[2, 3] = _DISTANCE
    return T


def _camera(size_px: int) -> PinholeCamera:
    focal, middle = 2.3 * size_px, (size_px - 1) / 2
    return PinholeCamera(focal, focal, middle, middle, size_px, size_px)


def _render(
    category: str, vertices: np.ndarray, faces: np.ndarray, T_cam_obj: np.ndarray, color: int
) -> np.ndarray:
    """(H, W, 3) in [0, 1]: the object on white, several rays per pixel of the panel."""
    rays = pixel_rays(_camera(_PANEL_PX * _SUPERSAMPLING))
    hits = cast([(transform_points(T_cam_obj, vertices), faces)], rays, np.zeros(3))
    view = -rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    normals = hits.normals * np.sign(np.einsum("hwi,hwi->hw", hits.normals, view))[..., None]
    mask, T_obj_cam = hits.part == 0, np.linalg.inv(T_cam_obj)
    points_obj = transform_points(T_obj_cam, (rays * hits.depth_m[..., None])[mask])
    albedo = np.ones(rays.shape)
    R_obj_cam = T_obj_cam[:3, :3]
    size = np.ptp(vertices, axis=0)
    albedo[mask] = object_albedo(category, points_obj, normals[mask] @ R_obj_cam.T, size, color)
    normals = smoothed(normals, hits.part, 5.0)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-9
    light = np.array([-0.5, -0.7, -0.6]) / np.linalg.norm([0.5, 0.7, 0.6])
    up = T_cam_obj[:3, 1]
    image = lit(albedo, normals, view, light, up, np.ones(mask.shape), 0.25 * mask)
    image[~mask] = 1.0
    n = _SUPERSAMPLING
    return image.reshape(_PANEL_PX, n, _PANEL_PX, n, 3).mean(axis=(1, 3))


def _draw_axis(
    axes: Any,
    camera: PinholeCamera,
    T_cam_obj: np.ndarray,
    axis: int,
    size: np.ndarray,
    name: str,
) -> None:
    """Draw one axis from the origin to beyond the box, and its name at the tip."""
    tip = np.zeros(3)
    tip[axis] = size[axis] / 2 + 0.16
    start, end = camera.project(transform_points(T_cam_obj, np.stack([np.zeros(3), tip])))
    arrow = FancyArrowPatch(
        tuple(start),
        tuple(end),
        arrowstyle="-|>,head_length=7,head_width=3.5",
        linewidth=2.6,
        color=_AXIS_COLORS[axis],
        shrinkA=0,
        shrinkB=0,
        path_effects=[withStroke(linewidth=5, foreground="white")],
    )
    axes.add_patch(arrow)
    away = (end - start) / np.linalg.norm(end - start)
    below = np.array([0, -12]) if axis == 1 else np.array([6 * np.sign(away[0]), 16])
    _label(axes, tuple(end + below), name, _AXIS_COLORS[axis])


def _label(axes: Any, place: tuple[float, float], text: str, color: str) -> None:
    outline = [withStroke(linewidth=3, foreground="white")]
    axes.text(
        *place,
        text,
        color=color,
        fontsize=10.5,
        fontweight="bold",
        ha="center",
        va="center",
        path_effects=outline,
    )


def _draw_free_rotation(
    axes: Any, camera: PinholeCamera, T_cam_obj: np.ndarray, height: float
) -> None:
    """Draw a bent arrow about the y axis: that rotation has no meaning."""
    angle = np.radians(np.linspace(-60, 215, 60))
    ring = np.stack(
        [0.085 * np.sin(angle), np.full(60, height / 2 + 0.075), 0.085 * np.cos(angle)], axis=1
    )
    x, y = camera.project(transform_points(T_cam_obj, ring)).T
    outline = [withStroke(linewidth=4, foreground="white")]
    axes.plot(x[:-3], y[:-3], color="0.25", linewidth=1.6, path_effects=outline)
    axes.annotate(
        "",
        (x[-1], y[-1]),
        (x[-5], y[-5]),
        arrowprops={"arrowstyle": "-|>", "color": "0.25", "linewidth": 1.6},
    )


Shape = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Everyday:
    """Everyday object: its name, the words of its symmetry, its colour and its shape."""

    name: str
    symmetry: str
    color: tuple[int, int, int]
    shape: Callable[[], Shape]


def _plain_box(x: float, y: float, z: float, rounding: float = 0.0) -> Shape:
    batch = primitives.box(np.array([[x, y, z]]), rounding=rounding)
    return batch.vertices[0], batch.faces


def _turned(radius: Sequence[float], height: Sequence[float]) -> Shape:
    """A round shape about y, by its outline from the bottom's centre to the top's."""
    batch = primitives.lathe(np.array([radius]), np.array([height]), segments=64)
    return batch.vertices[0], batch.faces


def _together(*shapes: Shape) -> Shape:
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in shapes)])
    faces = [faces + start for (_, faces), start in zip(shapes, starts[:-1], strict=True)]
    vertices = np.concatenate([vertices for vertices, _ in shapes])
    return vertices - (vertices.max(0) + vertices.min(0)) / 2, np.concatenate(faces)


def _at(shape: Shape, x: float, y: float, z: float) -> Shape:
    return shape[0] + [x, y, z], shape[1]


def _swept(rings: np.ndarray, closed: bool = False) -> Shape:
    """Rings (R, S, 3) joined one after the other, the last to the first where `closed`."""
    count, around = rings.shape[:2]
    row, column = np.mgrid[: count if closed else count - 1, :around]
    below, right = (row + 1) % count, (column + 1) % around
    a, b, c, d = (
        (i * around + j).ravel()
        for i, j in ((row, column), (row, right), (below, column), (below, right))
    )
    faces = np.concatenate([np.stack([a, c, b], -1), np.stack([c, d, b], -1)])
    return rings.reshape(-1, 3), faces


def _book() -> Shape:
    angle = np.linspace(-np.pi / 2, np.pi / 2, 24)
    outline = np.stack([0.072 + 0.018 * np.cos(angle), 0.025 * np.sin(angle)], axis=1)
    outline = np.concatenate([outline, [[0.06, 0.021], [0.06, -0.021]]])
    rings = [
        np.insert(scale * outline + [(1 - scale) * 0.07, 0], 1, y, axis=1)
        for scale, y in ((0.0, -0.11), (1.0, -0.11), (1.0, 0.11), (0.0, 0.11))
    ]
    covers = [_at(_plain_box(0.16, 0.22, 0.004), 0, 0, side * 0.023) for side in (1, -1)]
    return _together(_swept(np.array(rings)), *covers, _plain_box(0.136, 0.208, 0.042))


def _hex_nut() -> Shape:
    angle = np.radians(np.arange(0, 360, 5))
    flat = np.cos(np.radians(30)) / np.cos(np.radians((np.degrees(angle) % 60) - 30))
    rings = [
        np.stack([r * np.cos(angle), np.full_like(angle, y), -r * np.sin(angle)], axis=1)
        for r, y in ((0.55, -0.4), (flat, -0.4), (flat, 0.4), (0.55, 0.4))
    ]
    return _swept(np.array(rings), closed=True)


def _banana() -> Shape:
    along = np.linspace(-1, 1.35, 47)  # beyond 1 it is the stem
    angle = np.radians(55) * along
    middle = np.stack([0.09 - 0.09 * np.cos(angle), 0.09 * np.sin(angle)], axis=1)
    radius = np.maximum(0.018 * np.sqrt(np.clip(1 - np.abs(along) ** 3, 0.03, 1)), 0.0055)
    around = np.radians(np.arange(0, 360, 10))
    outward = np.stack([-np.cos(angle), np.sin(angle)], axis=1)
    flat = (
        middle[:, None] + radius[:, None, None] * np.cos(around)[None, :, None] * outward[:, None]
    )
    z = radius[:, None] * np.sin(around)
    rings = np.concatenate([flat, z[..., None]], axis=-1)
    ends = [np.broadcast_to(ring.mean(axis=0), ring.shape)[None] for ring in (rings[0], rings[-1])]
    return _together(_swept(np.concatenate([ends[0], rings, ends[1]])))


def _hammer() -> Shape:
    grip = _turned([0, 0.016, 0.017, 0.012, 0.011, 0], [0, 0, 0.1, 0.14, 0.3, 0.3])
    vertices, faces = _turned([0, 0.018, 0.018, 0.012, 0.012, 0], [0, 0, 0.02, 0.03, 0.06, 0.06])
    face = (np.stack([-vertices[:, 1], vertices[:, 0], vertices[:, 2]], axis=1), faces)
    claw, triangles = _plain_box(0.07, 0.03, 0.034)
    out = (claw[:, 0] < 0).astype(float)
    claw = claw * np.stack([np.ones_like(out), 1 - 0.8 * out, np.ones_like(out)], axis=1)
    claw[:, 1] -= 0.03 * out
    head = _plain_box(0.045, 0.035, 0.034)
    return _together(
        grip,
        _at(head, 0, 0.295, 0),
        _at(face, 0.08, 0.295, 0),
        _at((claw, triangles), -0.055, 0.295, 0),
    )


def _of_generator(category: str, seed: int) -> Shape:
    shape = usual_shape(category, np.random.default_rng(seed))
    return shape.vertices, shape.faces


#: Objects with a symmetry of each kind, in the words of a category.yaml.
EVERYDAY = (
    Everyday("carton", "{x: half, y: half}", (196, 154, 108), lambda: _plain_box(0.06, 0.2, 0.13)),
    Everyday("book", "{x: half}", (96, 125, 178), _book),
    Everyday(
        "square tin",
        "{y: quarter}",
        (150, 165, 180),
        lambda: _together(
            _plain_box(0.09, 0.1, 0.09, 0.008),
            _at(_turned([0, 0.026, 0.026, 0], [0, 0, 0.03, 0.03]), 0, 0.05, 0),
        ),
    ),
    Everyday(
        "round tin",
        "{x: half, y: any}",
        (188, 190, 196),
        lambda: _turned([0, 0.034, 0.034, 0], [-0.05, -0.05, 0.05, 0.05]),
    ),
    Everyday("bottle", "{y: any}", (92, 160, 120), lambda: _of_generator("bottle", 7)),
    Everyday("mug", "{}", (214, 110, 90), lambda: _of_generator("mug", 0)),
    Everyday("banana", "{}", (232, 200, 70), _banana),
    Everyday("hammer", "{}", (140, 140, 148), _hammer),
    Everyday("hex nut", "{x: half, y: 6}", (170, 160, 140), _hex_nut),
    Everyday(
        "cube", "{x: quarter, y: quarter}", (205, 130, 160), lambda: _plain_box(0.1, 0.1, 0.1)
    ),
)


def draw_symmetries(path: Path) -> None:
    """Draw everyday objects with their axes and the words of their symmetry, as a PNG."""
    page = Figure(figsize=(12.5, 6.1), dpi=110)
    for number, thing in enumerate(EVERYDAY):
        axes = page.add_subplot(2, 5, number + 1)
        vertices, faces = thing.shape()
        scale = 1.1 * float(np.linalg.norm(np.ptp(vertices, axis=0)))
        axes.imshow(picture_of_mesh(vertices, faces, thing.color, 300, scale=scale))
        axes.set_title(thing.name, fontsize=13, fontweight="bold", y=-0.06)
        axes.text(150, 338, thing.symmetry, fontsize=10.5, family="monospace", ha="center")
        axes.axis("off")
    page.subplots_adjust(0.0, 0.09, 1.0, 1.0, 0.02, 0.2)
    canvas = FigureCanvasAgg(page)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


@dataclass(frozen=True)
class Stage:
    """Stage of an estimate: its name, what leaves it, its module, and the folder of that."""

    name: str
    form: str
    module: str
    folder: str


_FOLDER_COLORS = {
    "ros": ("#e3ecf9", "#2b5a9e"),
    "estimation": ("#e5f3e6", "#2f7a35"),
    "tracking": ("#fbeedd", "#a8661a"),
}
#: In the order that a frame passes them.
STAGES = (
    Stage("message", "Image, CameraInfo, masks", "ros/inputs", "ros"),
    Stage("adapter", "matched by stamp, decoded", "ros/matching, images, masks", "ros"),
    Stage("Frame", "depth in metres, instances", "estimation/frame", "estimation"),
    Stage("clouds", "1024 points per object", "estimation/back_projection", "estimation"),
    Stage("candidates", "K poses per object", "estimation/candidates", "estimation"),
    Stage("ranked", "by density or energy", "estimation/ranking", "estimation"),
    Stage("pooled", "mean of the largest mode", "estimation/pooling", "estimation"),
    Stage("estimate", "pose, size, covariance, score", "estimation/result", "estimation"),
    Stage("track", "name, state, velocity", "tracking/step", "tracking"),
    Stage("message", "objects, poses, detections, TF", "ros/outputs, builders", "ros"),
)
_BOX_W, _BOX_H, _GAP_X, _GAP_Y, _MARGIN = 196, 92, 34, 96, 24
_COLUMNS = 5
_SVG_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" \
text-anchor="middle">
<title>From messages to messages: the stages of the estimator</title>
<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" \
orient="auto"><path d="M0 0 L10 5 L0 10 z" fill="#444"/></marker></defs>"""


def draw_stages(path: Path) -> None:
    """Draw the way from the camera's messages to the published ones, as an SVG."""
    width = 2 * _MARGIN + _COLUMNS * _BOX_W + (_COLUMNS - 1) * _GAP_X
    height = 2 * _MARGIN + 2 * _BOX_H + _GAP_Y
    parts = [
        _SVG_HEAD.format(width=width, height=height),
        f'<rect width="{width}" height="{height}" rx="10" fill="white"/>',
        *(_box(stage, *_place(i)) for i, stage in enumerate(STAGES)),
        *(_arrow(_place(i), _place(i + 1)) for i in range(len(STAGES) - 1)),
        *_prediction(_place(8), _place(4)),
        "</svg>",
    ]
    path.write_text("\n".join(parts) + "\n")


def _place(index: int) -> tuple[int, int]:
    """The upper left corner of a stage's box; both rows run from left to right."""
    row, column = divmod(index, _COLUMNS)
    return _MARGIN + column * (_BOX_W + _GAP_X), _MARGIN + row * (_BOX_H + _GAP_Y)


def _box(stage: Stage, x: int, y: int) -> str:
    fill, line = _FOLDER_COLORS[stage.folder]
    middle = x + _BOX_W / 2
    frame = (
        f'<rect x="{x}" y="{y}" width="{_BOX_W}" height="{_BOX_H}" rx="8" fill="{fill}" '
        f'stroke="{line}" stroke-width="1.5"/>'
    )
    texts = [
        _text(middle, y + 30, stage.name, 18, line, "bold"),
        _text(middle, y + 54, stage.form, 12.5, "#222"),
        _text(middle, y + 77, stage.module, 11.5, "#555", family="monospace"),
    ]
    return "\n".join([frame, *texts])


def _text(
    x: float,
    y: float,
    text: str,
    size: float,
    color: str,
    weight: str = "normal",
    family: str = "sans-serif",
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{color}" font-weight="{weight}" '
        f'font-family="{family}">{escape(text)}</text>'
    )


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    """The arrow between two stages, the one from row to row around the corner."""
    (x0, y0), (x1, y1) = start, end
    if y0 == y1:
        return _line([(x0 + _BOX_W + 2, y0 + _BOX_H / 2), (x1 - 3, y1 + _BOX_H / 2)])
    half = y0 + _BOX_H + 30
    right, left = x0 + _BOX_W / 2, x1 + _BOX_W / 2
    return _line([(right, y0 + _BOX_H + 2), (right, half), (left, half), (left, y1 - 3)])


def _line(points: Sequence[tuple[float, float]], dash: str = "none") -> str:
    way = " ".join(f"{x:g},{y:g}" for x, y in points)
    return (
        f'<polyline points="{way}" fill="none" stroke="#444" stroke-width="1.8" '
        f'stroke-dasharray="{dash}" marker-end="url(#tip)"/>'
    )


def _prediction(track: tuple[int, int], candidates: tuple[int, int]) -> list[str]:
    """The dashed way back: candidates of tracked objects start around their prediction."""
    x0, y0 = track[0] + _BOX_W / 2, track[1] - 2
    x1, y1 = candidates[0] + _BOX_W * 0.78, candidates[1] + _BOX_H + 3
    half = y0 - 34
    middle = (x0 + x1) / 2
    return [
        _line([(x0, y0), (x0, half), (x1, half), (x1, y1)], dash="6 4"),
        _text(middle, half + 18, "next frame: candidates start at the prediction", 11.5, "#555"),
    ]


def main() -> None:
    """Write all of them."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    draw_frames(IMAGES / "frames.png")
    draw_symmetries(IMAGES / "symmetries.png")
    draw_stages(IMAGES / "stages.svg")


if __name__ == "__main__":
    main()

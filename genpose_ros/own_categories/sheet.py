# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sheet of checked categories: every mesh with its axes and measures, and what was found."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from textwrap import wrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from genpose_ros.drawing import check_picture_name, save_picture
from genpose_ros.own_categories.check import FolderCheck
from genpose_ros.own_categories.findings import CheckedMesh, Level, declared_words
from genpose_ros.own_categories.measure import AXES
from genpose_ros.synthesis.appearance import lit, smoothed
from genpose_ros.synthesis.render import cast

__all__ = ["draw_sheet", "oblique_view", "picture_of_mesh"]

_AXIS_COLORS = ((214, 39, 40), (34, 150, 60), (31, 111, 214))
_LEVEL_COLORS = {
    Level.REFUSAL: (200, 30, 40),
    Level.WARNING: (205, 120, 0),
    Level.REMARK: (70, 110, 150),
}
_INK, _FAINT, _PAPER, _CARD = (34, 38, 46), (112, 120, 132), (246, 247, 249), (255, 255, 255)
_EDGE = (222, 226, 232)
#: Cells of a row, their pixels, the picture in each, and the space between.
_COLUMNS, _CELL_PX, _PICTURE_PX, _GAP_PX = 4, (330, 414), 306, 18
_MARGIN_PX = 30
#: The picture is rendered this much larger, then averaged.
_SUPERSAMPLING = 2
#: Camera: distance and focal length, for objects whose box has a diagonal of 1.
_DISTANCE, _FOCAL = 3.2, 3.0
#: How far axes reach beyond the box, and their least length.
_BEYOND, _SHORTEST = 0.07, 0.25
#: Meshes whose sizes differ by more are not drawn to the same scale.
_SAME_SCALE = 2.5
#: Shares of light in linear colours of displays.
_GAMMA = 2.2


def draw_sheet(checks: Sequence[FolderCheck], picture: Path) -> None:
    """Draw checked categories, one below the other.

    Each mesh is seen from its front, its right and above, with x red (front), y green (up) and
    z blue, its size, split, measured symmetry and mirror planes. Meshes of a category have one
    scale.

    Args:
        checks: of the folders.
        picture: the file; its ending is the format.

    Raises:
        ValueError: the ending is no image format.
        OSError: it cannot be written.
    """
    check_picture_name(picture)
    blocks = [_block(check) for check in checks]
    width = _MARGIN_PX * 2 + _COLUMNS * _CELL_PX[0] + (_COLUMNS - 1) * _GAP_PX
    height = sum(block.height for block in blocks) + _MARGIN_PX
    page = Image.new("RGB", (width, height), _PAPER)
    top = 0
    for block in blocks:
        page.paste(block, (0, top))
        top += block.height
    save_picture(np.asarray(page), picture)


def picture_of_mesh(
    vertices: np.ndarray,
    faces: np.ndarray,
    color: tuple[int, int, int],
    size_px: int,
    *,
    scale: float | None = None,
) -> np.ndarray:
    """Return a mesh on white with its axes, seen from its front, its right and above.

    Args:
        vertices: (V, 3) in the category's frame, centred on the box.
        faces: (F, 3), vertex numbers.
        color: RGB, 0 to 255.
        size_px: width and height of the picture.
        scale: what is drawn as large as a diagonal of 1; None: the mesh's own diagonal.

    Returns:
        (size_px, size_px, 3) uint8, RGB.
    """
    unit = scale or float(np.linalg.norm(np.ptp(vertices, axis=0)))
    drawn = _lit_mesh(vertices / unit, faces, color, _SUPERSAMPLING * size_px)
    image = Image.fromarray(drawn.round().astype(np.uint8))
    _draw_axes(image, np.ptp(vertices, axis=0) / unit)
    return np.asarray(image.resize((size_px, size_px), Image.Resampling.BOX))


def _lit_mesh(
    vertices: np.ndarray, faces: np.ndarray, color: tuple[int, int, int], size_px: int
) -> np.ndarray:
    """(size_px, size_px, 3) in [0, 255]: the mesh under a lamp, on white."""
    R = oblique_view()
    step = (np.arange(size_px) - (size_px - 1) / 2) / (_FOCAL * size_px)
    rays = np.stack([*np.meshgrid(step, step), np.ones((size_px, size_px))], axis=-1)
    hits = cast([(vertices @ R.T + [0, 0, _DISTANCE], faces)], rays, np.zeros(3))
    mask = hits.part == 0
    image = np.full(rays.shape, 255.0)
    if not mask.any():
        return image
    rows, columns = (slice(int(a.min()), int(a.max()) + 1) for a in np.nonzero(mask))
    normals = hits.normals[rows, columns]
    view = -rays[rows, columns] / np.linalg.norm(rays[rows, columns], axis=-1, keepdims=True)
    normals = normals * np.sign(np.einsum("hwi,hwi->hw", normals, view))[..., None]
    mask = mask[rows, columns]
    normals = smoothed(normals, np.where(mask, 0, -1), size_px / 300)[mask][None]
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-9
    albedo = np.broadcast_to((np.array(color) / 255) ** _GAMMA, normals.shape)
    light = np.array([-0.5, -0.7, -0.6]) / np.linalg.norm([0.5, 0.7, 0.6])
    lamp = np.ones(normals.shape[:2])
    shaded = lit(albedo, normals, view[mask][None], light, R[:, 1], lamp, 0.2 * lamp)
    image[rows, columns][mask] = 255 * shaded[0]
    return image


def oblique_view() -> np.ndarray:
    """Return the rotation (3, 3), object to camera, of a look from the front, right and above.

    +x and +z come towards the camera, x to the right, y is up.
    """
    azimuth, elevation = np.radians(38), np.radians(28)
    forward = -np.array(
        [
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
            np.cos(elevation) * np.cos(azimuth),
        ]
    )
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])


def _draw_axes(image: Image.Image, size: np.ndarray) -> None:
    """Draw the axes from the middle of a box of some size, diagonal 1, to beyond its faces."""
    draw = ImageDraw.Draw(image)
    middle, n = (image.width - 1) / 2, _SUPERSAMPLING
    reach = np.maximum(size / 2 + _BEYOND, _SHORTEST)
    tips = (oblique_view() @ np.diag(reach)).T + np.array([0, 0, _DISTANCE])
    pixels = middle + _FOCAL * image.width * tips[:, :2] / tips[:, 2:]
    # The farthest first.
    for axis in np.argsort(-tips[:, 2]):
        end, color = pixels[axis], _AXIS_COLORS[axis]
        away = (end - middle) / max(float(np.linalg.norm(end - middle)), 1e-9)
        side = np.array([-away[1], away[0]])
        draw.line([(middle, middle), tuple(end - 6 * n * away)], "white", 6 * n)
        head = [end, end - n * (12 * away - 6 * side), end - n * (12 * away + 6 * side)]
        draw.polygon([tuple(p) for p in head], color, "white", n)
        draw.line([(middle, middle), tuple(end - 9 * n * away)], color, 3 * n)
        place, font = tuple(end + 10 * n * away), _font(15 * n, True)
        draw.text(place, AXES[axis], color, font, "mm", stroke_width=2 * n, stroke_fill="white")


def _block(check: FolderCheck) -> Image.Image:
    """One category: heading, meshes, findings."""
    rows = -(-len(check.meshes) // _COLUMNS)
    lines = _finding_lines(check)
    width = _MARGIN_PX * 2 + _COLUMNS * _CELL_PX[0] + (_COLUMNS - 1) * _GAP_PX
    grid_top = 108
    text_top = grid_top + rows * (_CELL_PX[1] + _GAP_PX)
    block = Image.new("RGB", (width, text_top + 25 * len(lines) + _MARGIN_PX), _PAPER)
    draw = ImageDraw.Draw(block)
    _write_heading(draw, check, width)
    largest, smallest = (f([m.mesh.diagonal for m in check.meshes] or [1.0]) for f in (max, min))
    scale = largest if largest < _SAME_SCALE * smallest else None
    for number, mesh in enumerate(check.meshes):
        row, column = divmod(number, _COLUMNS)
        x = _MARGIN_PX + column * (_CELL_PX[0] + _GAP_PX)
        _draw_cell(block, (x, grid_top + row * (_CELL_PX[1] + _GAP_PX)), check, mesh, scale)
    for number, (text, level) in enumerate(lines):
        y = text_top + 25 * number
        if level is not None:
            box = (_MARGIN_PX, y + 2, _MARGIN_PX + 76, y + 21)
            draw.rounded_rectangle(box, 5, _LEVEL_COLORS[level])
            middle = (_MARGIN_PX + 38, y + 11)
            draw.text(middle, level.value, "white", _font(12, True), "mm")
        draw.text((_MARGIN_PX + 90, y + 2), text, _INK, _font(15))
    return block


def _write_heading(draw: ImageDraw.ImageDraw, check: FolderCheck, width: int) -> None:
    category = check.category
    title = check.path.name if category is None else category.name
    draw.text((_MARGIN_PX, 26), title, _INK, _font(30, True))
    x = _MARGIN_PX + draw.textlength(title, _font(30, True)) + 16
    if category is not None and category.aliases:
        draw.text((x, 40), "also " + ", ".join(category.aliases), _FAINT, _font(16))
    texts: tuple[str, ...] = (f"unusable: {check.path}",)
    if category is not None:
        low, high = (100 * value for value in category.size_m)
        texts = (
            f"symmetry {declared_words(category.symmetry)}",
            f"mirror {str(category.mirror).lower()}",
            f"diagonal {low:.3g} to {high:.3g} cm",
            f"rests {', '.join(category.rests)}",
            f"deform {category.deform}",
        )
    draw.text((_MARGIN_PX, 72), "   ·   ".join(texts), _FAINT, _font(16))
    right = float(width - _MARGIN_PX)
    for axis, meaning in ((2, "z"), (1, "y up"), (0, "x front")):
        right -= draw.textlength(meaning, _font(16, True))
        draw.text((right, 40), meaning, _AXIS_COLORS[axis], _font(16, True))
        right -= 18


def _draw_cell(
    page: Image.Image,
    corner: tuple[int, int],
    check: FolderCheck,
    mesh: CheckedMesh,
    scale: float | None,
) -> None:
    draw = ImageDraw.Draw(page)
    x, y = corner
    levels = [f.level for f in check.findings if f.mesh == mesh.mesh.name]
    edge = _LEVEL_COLORS[levels[0]] if levels else _EDGE
    box = (x, y, x + _CELL_PX[0], y + _CELL_PX[1])
    draw.rounded_rectangle(box, 10, _CARD, edge, 3 if levels else 1)
    color = (150, 160, 175) if check.category is None else check.category.rgb
    picture = picture_of_mesh(mesh.mesh.vertices, mesh.mesh.faces, color, _PICTURE_PX, scale=scale)
    inset = (_CELL_PX[0] - _PICTURE_PX) // 2
    page.paste(Image.fromarray(picture[6:-6]), (x + inset, y + 8))
    place = y + 8 + _PICTURE_PX - 8
    draw.text((x + 16, place), _fitting(draw, mesh.mesh.name), _INK, _font(16, True))
    tag_color = (60, 120, 80) if mesh.split == "train" else (120, 70, 150)
    right = x + _CELL_PX[0] - 16
    draw.text((right, place + 1), mesh.split, tag_color, _font(14, True), "ra")
    for line, text in enumerate(_cell_lines(mesh)):
        draw.text((x + 16, place + 25 + 20 * line), text, _FAINT, _font(14))


def _cell_lines(mesh: CheckedMesh) -> tuple[str, ...]:
    edges = " x ".join(f"{100 * edge:.1f}" for edge in mesh.size)
    size = f"{edges} cm" if mesh.mesh.metric else f"{edges} % of the diagonal"
    closed = "closed" if mesh.mesh.closed else "with a border"
    planes = f"{', '.join(mesh.mirror_planes)} = 0" if mesh.mirror_planes else "none"
    return (
        size,
        f"{len(mesh.mesh.faces):,} triangles, {closed}",
        f"symmetry {mesh.symmetry}",
        f"mirror planes {planes}",
    )


def _finding_lines(check: FolderCheck) -> list[tuple[str, Level | None]]:
    """Lines of text; the first of each finding has its level."""
    lines: list[tuple[str, Level | None]] = []
    for finding in check.findings:
        prefix = f"{finding.mesh}: " if finding.mesh and finding.mesh not in finding.text else ""
        for number, line in enumerate(wrap(prefix + finding.text, 150)):
            lines.append((line, finding.level if number == 0 else None))
    return lines


def _fitting(draw: ImageDraw.ImageDraw, name: str) -> str:
    """The name, shortened in the middle to a cell's width."""
    shown = name
    while draw.textlength(shown, _font(16, True)) > _CELL_PX[0] - 90:
        keep = (len(shown) - 2) // 2
        shown = f"{name[:keep]}…{name[-keep:]}"
    return shown


@lru_cache(maxsize=32)
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    import matplotlib as mpl

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size)

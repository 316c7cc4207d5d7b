# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Depth rendering of many small images at once, by scan lines and a z-buffer, on any torch device.

The same answers as `render.cast` gives by ray casting, for images whose rays form a square grid:
each triangle becomes a span of pixels per row, each span its pixels, and the nearest one wins.
There is no loop over triangles, images or rows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Crops", "DepthImages", "Triangles", "rasterise"]

#: Triangles that come nearer than this to the camera are left out, as is what lies further, metres.
_NEAR_M, _FAR_M = 0.02, 4.0
#: Pixels this near to an edge count as inside, so that no gap opens between neighbours.
_SLACK_PX = 1e-3
#: Triangles of a smaller area, in pixels, are seen edge on.
_MIN_AREA_PX = 1e-3


@dataclass(frozen=True)
class Crops:
    """Grids of rays through the camera's centre, n square ones.

    Attributes:
        centre: (n, 2) tangents x / z and y / z of the middle.
        spacing: (n,) tangent per pixel.
        size: rays along each side.
    """

    centre: Tensor
    spacing: Tensor
    size: int

    def __len__(self) -> int:
        return len(self.spacing)

    def tangents(self) -> tuple[Tensor, Tensor]:
        """x / z of the columns (n, 1, size) and y / z of the rows (n, size, 1)."""
        steps = torch.arange(self.size, device=self.spacing.device) - (self.size - 1) / 2
        offset = steps * self.spacing[:, None]
        return (self.centre[:, :1] + offset)[:, None, :], (self.centre[:, 1:] + offset)[:, :, None]


@dataclass(frozen=True)
class DepthImages:
    """Depth images: the first surface that each ray hits.

    Attributes:
        depth_m: (n, H, W) z in metres, 0 where nothing was met.
        part: (n, H, W) int64 part met, -1 where nothing was met.
        cos_incidence: (n, H, W) cosine between the surface normal and the ray, in [0, 1].
    """

    depth_m: Tensor
    part: Tensor
    cos_incidence: Tensor


@dataclass(frozen=True)
class Triangles:
    """Triangles of all images, F of them.

    Attributes:
        vertices: (V, 3) float32 metres, camera frame.
        vertex_image: (V,) int64, image each vertex belongs to.
        faces: (F, 3) int64 vertex numbers, counter-clockwise seen from outside.
        part: (F,) int64 what each triangle is a part of, 0 or higher.
        closed: (F,) bool, true for triangles of closed surfaces, whose back is never seen.
    """

    vertices: Tensor
    vertex_image: Tensor
    faces: Tensor
    part: Tensor
    closed: Tensor


def rasterise(triangles: Triangles, crops: Crops, ground: Tensor | None = None) -> DepthImages:
    """Draw triangles into the images they belong to.

    Args:
        triangles: what to draw.
        crops: the images' rays.
        ground: (n, 3) a plane for each image, as the vector g with g x = 1 for the points x of the
            plane; its part is one more than the highest of the triangles.
    """
    drawn = _project(triangles, crops)
    inverse_depth, pixel, name = _pixels(drawn, crops.size)
    # Positive floats order as their bits do: one maximum finds the nearest triangle and its name.
    key = (inverse_depth.view(torch.int32).long() << 32) | name
    count = len(crops) * crops.size**2
    best = torch.full((count,), -1, device=key.device).scatter_reduce_(0, pixel, key, "amax")

    shape = (len(crops), crops.size, crops.size)
    met, best = best >= 0, best.clamp_min_(0)
    nearest = (best >> 32).int().view(torch.float32).view(shape)
    name = best & 0xFFFFFFFF
    plane_m = drawn.plane_m.index_select(0, name).view(shape)
    part = drawn.part.index_select(0, name).masked_fill_(~met, -1).view(shape)
    x, y = crops.tangents()
    if ground is not None:
        floor = ground[:, :1, None] * x + ground[:, 1:2, None] * y + ground[:, 2:, None]
        lower = (floor > nearest) & (floor > 1 / _FAR_M)
        nearest = torch.where(lower, floor, nearest)
        part = part.masked_fill_(lower, int(triangles.part.max()) + 1)
        plane_m = torch.where(lower, 1 / ground.norm(dim=1)[:, None, None], plane_m)
    beyond = (part < 0) | (nearest <= 1 / _FAR_M)
    cosine = (plane_m * nearest * torch.rsqrt(x * x + y * y + 1)).clamp_(max=1)
    return DepthImages(
        depth_m=(1 / nearest).masked_fill_(beyond, 0),
        part=part.masked_fill_(beyond, -1),
        cos_incidence=cosine.masked_fill_(beyond, 0),
    )


@dataclass(frozen=True)
class _Drawn:
    """Triangles that may be visible, T of them, in pixels; attributes are (T,) or lists of (T,).

    Attributes:
        first_row, rows: int64, the rows they reach over.
        slopes: du / dv of the three edges.
        left, right: u at v = 0 of those edges that bound the triangle on this side, else -+inf.
        columns: smallest and largest u.
        depth: a, b, c of 1 / z = a u + b v + c.
        first_pixel: number of the first pixel of their image.
        plane_m: distance of their plane from the camera.
        part: what they are a part of.
    """

    first_row: Tensor
    rows: Tensor
    slopes: list[Tensor]
    left: list[Tensor]
    right: list[Tensor]
    columns: list[Tensor]
    depth: list[Tensor]
    first_pixel: Tensor
    plane_m: Tensor
    part: Tensor


def _project(triangles: Triangles, crops: Crops) -> _Drawn:
    """Project triangles, and drop those that no pixel can see."""
    last, image = crops.size - 1, triangles.vertex_image
    inverse = 1 / triangles.vertices[:, 2].clamp_min(1e-6)
    scale = (1 / crops.spacing).index_select(0, image)
    x, y = (
        (triangles.vertices[:, axis] * inverse - crops.centre[:, axis].index_select(0, image))
        * scale
        + last / 2
        for axis in (0, 1)
    )
    faces = list(triangles.faces.unbind(1))
    u, v = ([a.index_select(0, corner) for corner in faces] for a in (x, y))
    top, bottom = _smallest(v), _largest(v)
    area = _cross(u, v)
    visible = ((top + 1).floor() <= bottom) & (bottom >= 0) & (top <= last)
    visible &= (_largest(u) >= 0) & (_smallest(u) <= last)
    visible &= torch.where(triangles.closed, -area, area.abs()) > _MIN_AREA_PX

    index = visible.nonzero()[:, 0]
    faces = [corner.index_select(0, index) for corner in faces]
    w = [inverse.index_select(0, corner) for corner in faces]
    near = _largest(w) < 1 / _NEAR_M
    if not bool(near.all()):
        index = index[near]
        faces, w = [corner[near] for corner in faces], [a[near] for a in w]
    u, v = ([a.index_select(0, index) for a in corner] for corner in (u, v))
    area = area.index_select(0, index)
    return _drawn(u, v, w, area, image.index_select(0, faces[0]), crops, triangles.part[index])


def _drawn(
    u: list[Tensor],
    v: list[Tensor],
    w: list[Tensor],
    area: Tensor,
    image: Tensor,
    crops: Crops,
    part: Tensor,
) -> _Drawn:
    """What the rows and pixels need to know of triangles with corners u, v and inverse depth w."""
    middle = (crops.size - 1) / 2
    slopes, left, right = [], [], []
    for i, j in ((0, 1), (1, 2), (2, 0)):
        du, dv = u[j] - u[i], v[j] - v[i]
        slope = torch.where(dv == 0, 0, du / dv)
        at_zero, side = u[i] - v[i] * slope, dv * area
        slopes.append(slope)
        left.append(torch.where(side < 0, at_zero, -torch.inf))
        right.append(torch.where(side > 0, at_zero, torch.inf))
    a, b = _cross(w, v) / area, _cross(u, w) / area
    c = w[0] - a * u[0] - b * v[0]
    # The same plane over tangents instead of pixels; its distance is one over its length.
    per_tangent = (1 / crops.spacing).index_select(0, image)
    centre_x, centre_y = (crops.centre[:, axis].index_select(0, image) for axis in (0, 1))
    g_x, g_y = a * per_tangent, b * per_tangent
    g_z = c + a * middle + b * middle - g_x * centre_x - g_y * centre_y
    first_row = (_smallest(v) - _SLACK_PX).ceil().clamp_min_(0)
    last_row = (_largest(v) + _SLACK_PX).floor().clamp_max_(crops.size - 1)
    return _Drawn(
        first_row=first_row.long(),
        rows=(last_row - first_row + 1).clamp_min_(0).long(),
        slopes=slopes,
        left=left,
        right=right,
        columns=[_smallest(u), _largest(u)],
        depth=[a, b, c],
        first_pixel=image * crops.size**2,
        plane_m=torch.rsqrt(g_x * g_x + g_y * g_y + g_z * g_z),
        part=part,
    )


def _smallest(of: list[Tensor]) -> Tensor:
    return of[0].minimum(of[1]).minimum(of[2])


def _largest(of: list[Tensor]) -> Tensor:
    return of[0].maximum(of[1]).maximum(of[2])


def _cross(x: list[Tensor], y: list[Tensor]) -> Tensor:
    """Twice the signed area of triangles with corners x, y."""
    return (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])


def _repeated(counts: Tensor) -> tuple[Tensor, Tensor]:
    """For each of `counts` (T,) that many entries: which one it belongs to, and its number."""
    owner = torch.repeat_interleave(counts)
    start = (counts.cumsum(0) - counts).index_select(0, owner)
    return owner, torch.arange(len(owner), device=counts.device) - start


def _pixels(drawn: _Drawn, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inverse depth, pixel number and triangle (P,) of every pixel that every triangle covers."""
    name, row = _repeated(drawn.rows)

    def of_row(values: Tensor) -> Tensor:
        return values.index_select(0, name)

    row += of_row(drawn.first_row)
    y = row.to(torch.float32)
    steps = [of_row(slope) * y for slope in drawn.slopes]
    left = _largest([step + of_row(a) for step, a in zip(steps, drawn.left, strict=True)])
    right = _smallest([step + of_row(a) for step, a in zip(steps, drawn.right, strict=True)])
    left, right = left.maximum(of_row(drawn.columns[0])), right.minimum(of_row(drawn.columns[1]))
    first = (left - _SLACK_PX).ceil().clamp_min_(0)
    count = ((right + _SLACK_PX).floor().clamp_max_(size - 1) - first + 1).clamp_min_(0)

    span, column = _repeated(count.long())
    column += first.long().index_select(0, span)
    a, b, c = (of_row(values) for values in drawn.depth)
    at_row, start = b * y + c, of_row(drawn.first_pixel) + row * size
    inverse_depth = a.index_select(0, span) * column + at_row.index_select(0, span)
    pixel = start.index_select(0, span) + column
    return inverse_depth.clamp_min_(1e-6), pixel, name.index_select(0, span)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Masks with separate parts: which of them are of one object, and what becomes of the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, count

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from genpose_ros.estimation.frame import Instance, Remark
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import CategorySet
from genpose_ros.geometry.clouds import bounding_box, erode_mask

__all__ = ["separate_instances"]

#: Parts with a smaller share of the largest one's depth are specks, which stay with their mask.
_SPECK = 0.1
#: Parts that are nearer to each other, metres, are of one object that was torn.
_TORN_M = 0.02
#: What lies this much behind both parts, metres and share of the depth, is seen between them.
_BEHIND_M, _BEHIND = 0.015, 0.01
#: Share of the gap in which something behind has to be seen.
_OPEN = 0.5
#: Lines across a gap that are looked at, and points of each.
_LINES, _POINTS = 64, 8
#: Parts that are looked at, and with how many, specks included, a mask is noise.
_MOST_PARTS, _NOISE = 8, 500
#: Points of a part that show how far it extends.
_MOST_POINTS = 1000
#: Percentiles of the points between which parts extend.
_ENDS = (5, 95)


@dataclass(frozen=True)
class _Part:
    """Connected part of a mask.

    Attributes:
        mask: (h, w) bool, in the box around the whole mask.
        border: (L, 2) rows and columns of its border, where that has a depth.
        points_cam: (M, 3) some of its points, metres.
    """

    mask: np.ndarray
    border: np.ndarray
    points_cam: np.ndarray


def separate_instances(
    instances: Sequence[Instance],
    depth_m: np.ndarray,
    camera: PinholeCamera,
    settings: EstimatorSettings,
    categories: CategorySet,
    whole: Sequence[bool] | None = None,
) -> tuple[tuple[Instance, ...], list[Rejection]]:
    """Return instances whose masks are of one object each, and what was left out.

    Parts of a mask are of several objects where what lies behind shows between them, or where they
    extend farther than any object of the category. Parts with something in front between them, as
    of an object behind a stick, stay together.

    Args:
        instances: of one frame.
        depth_m: (H, W), metres; 0 and what is not finite is no measurement.
        camera: of the depth image.
        settings: `parts` decides: `largest` goes on with the largest part and names the others as
            rejections; `split` makes instances of the others, with the lowest free ids; `together`
            leaves all masks as they are.
        categories: with the sizes that objects have.
        whole: which masks are known to be one connected part, and need no look; None: none is.

    Example:
        >>> depth_m = np.full((120, 160), 1.0)
        >>> mask = np.zeros((120, 160), dtype=bool)
        >>> mask[50:70, 40:60] = mask[50:70, 90:120] = True
        >>> depth_m[mask] = 0.9
        >>> camera = PinholeCamera(300.0, 300.0, 80.0, 60.0, 160, 120)
        >>> cans = (Instance(1, "can", mask),)
        >>> from genpose_ros.geometry import NOCS
        >>> settings = EstimatorSettings(parts="split")
        >>> split, _ = separate_instances(cans, depth_m, camera, settings, NOCS)
        >>> [(part.id, int(part.mask.sum())) for part in split]
        [(1, 600), (2, 400)]
    """
    if settings.parts == "together":
        return tuple(instances), []
    taken = {instance.id for instance in instances}
    free = (number for number in count(1) if number not in taken)
    kept: list[Instance] = []
    left_out: list[Rejection] = []
    for row, instance in enumerate(instances):
        masks: list[np.ndarray] = []
        if whole is None or not whole[row]:
            masks = _object_masks(instance, depth_m, camera, settings, categories)
        if len(masks) < 2:
            kept.append(instance)
            continue
        about = replace(instance, remarks=(*instance.remarks, Remark.SEPARATE_PART))
        kept.append(replace(about, mask=masks[0]))
        if settings.parts == "split":
            kept += [replace(about, id=next(free), mask=mask) for mask in masks[1:]]
        else:
            left_out.append(_left_out(instance, masks))
    return tuple(kept), left_out


def _left_out(instance: Instance, masks: Sequence[np.ndarray]) -> Rejection:
    sizes = [int(np.count_nonzero(mask)) for mask in masks]
    detail = (
        f"the mask has {len(masks)} separate parts, of {', '.join(map(str, sizes[:4]))} pixels: "
        "the largest is taken (segmentation.parts: split makes an object of each)"
    )
    return Rejection(Reason.SEPARATE_PARTS, detail, instance.id)


def _object_masks(
    instance: Instance,
    depth_m: np.ndarray,
    camera: PinholeCamera,
    settings: EstimatorSettings,
    categories: CategorySet,
) -> list[np.ndarray]:
    """The masks (H, W) of the objects in a mask, largest first; empty: it is not to be divided."""
    known = instance.category in categories and instance.mask.shape == depth_m.shape
    box = bounding_box(instance.mask) if known else None
    if box is None:
        return []
    parts = _parts(instance.mask[box], depth_m[box], camera.cropped(*box), settings.min_points)
    if len(parts) < 2:
        return []
    largest_m = categories[instance.category].size_m[1]
    owners = list(range(len(parts)))
    for a, b in combinations(range(len(parts)), 2):
        if not _are_separate(parts[a], parts[b], depth_m[box], camera, largest_m):
            joined, other = sorted((owners[a], owners[b]))
            owners = [joined if owner == other else owner for owner in owners]
    masks = []
    for owner in sorted(set(owners)):
        mask = np.zeros(depth_m.shape, dtype=bool)
        members = [part.mask for part, its in zip(parts, owners, strict=True) if its == owner]
        mask[box] = np.logical_or.reduce(members)
        masks.append(mask)
    return sorted(masks, key=np.count_nonzero, reverse=True)


def _parts(
    mask: np.ndarray, depth_m: np.ndarray, camera: PinholeCamera, min_points: int
) -> list[_Part]:
    """The connected parts of a mask that have enough depth to be objects, largest first."""
    whole, number = ndimage.label(mask, structure=np.ones((3, 3)))
    if not 2 <= number <= _NOISE:
        return []
    labels = np.where(np.isfinite(depth_m) & (depth_m > 0), whole, 0)
    sizes = np.bincount(labels.ravel(), minlength=number + 1)[1:]
    largest = np.argsort(-sizes, kind="stable")[:_MOST_PARTS]
    enough = sizes[largest] >= max(min_points, _SPECK * sizes[largest[0]])
    return [_part(whole == k, labels == k, depth_m, camera) for k in 1 + largest[enough]]


def _part(
    mask: np.ndarray, measured: np.ndarray, depth_m: np.ndarray, camera: PinholeCamera
) -> _Part:
    points_cam = camera.back_project(depth_m, measured)
    border = np.argwhere(measured & ~erode_mask(measured, 1))
    return _Part(mask, border, points_cam[:: 1 + len(points_cam) // _MOST_POINTS])


def _are_separate(
    a: _Part, b: _Part, depth_m: np.ndarray, camera: PinholeCamera, largest_m: float
) -> bool:
    """Whether two parts of a mask are of different objects."""
    ends_m = np.percentile(np.concatenate((a.points_cam, b.points_cam)), _ENDS, axis=0)
    if np.linalg.norm(ends_m[1] - ends_m[0]) > largest_m:
        return True
    near, far = _lines_between(a.border, b.border)
    z_m = depth_m[near[:, 0], near[:, 1]], depth_m[far[:, 0], far[:, 1]]
    pixels = np.linalg.norm((far - near) / (camera.fy, camera.fx), axis=1)
    if np.median(pixels * np.minimum(*z_m)) < _TORN_M:
        return False
    behind = list(_behind(near, far, *z_m, depth_m))
    return bool(np.mean(behind) > _OPEN)


def _lines_between(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (L, 2) of one part and those of the other where the gap is narrow."""
    distance, nearest = cKDTree(a).query(b)
    narrow = np.argsort(distance, kind="stable")
    narrow = narrow[distance[narrow] <= 1.5 * distance[narrow[0]]]
    chosen = narrow[np.linspace(0, len(narrow) - 1, min(_LINES, len(narrow))).astype(int)]
    return a[nearest[chosen]], b[chosen]


def _behind(
    near: np.ndarray, far: np.ndarray, z_near: np.ndarray, z_far: np.ndarray, depth_m: np.ndarray
) -> Iterator[np.ndarray]:
    """Where on lines (L,) what lies behind shows, point by point."""
    for share in (np.arange(_POINTS) + 0.5) / _POINTS:
        row, column = np.rint(near + share * (far - near)).astype(int).T
        expected = z_near + share * (z_far - z_near)
        yield depth_m[row, column] > expected + np.maximum(_BEHIND_M, _BEHIND * expected)

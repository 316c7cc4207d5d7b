# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Baselines without a network: ICP to a template of the category, and a box around the points.

Unlike the networks, both are given the category.
"""

from dataclasses import dataclass

import numpy as np
import open3d as o3d
from scipy.spatial.transform import Rotation

from genpose_ros.geometry.categories import CATEGORIES
from genpose_ros.geometry.symmetry import is_symmetric
from genpose_ros.synthesis import make_shapes

__all__ = ["Template", "coarse_rotations", "icp_pose", "make_template", "pca_box_pose"]

_TEMPLATE_SHAPES = 128
_TEMPLATE_POINTS = 800
_CLOUD_POINTS = 300
#: Correspondences farther than this share of the template's diagonal are left out, coarse to fine.
_REACH = (0.4, 0.15)
_ITERATIONS = (15, 15)
#: Stands upright and faces a camera that looks straight ahead: y up is -y of the optical frame.
_UPRIGHT = np.diag([1.0, -1.0, -1.0])
_LOOKING_DOWN = Rotation.from_euler("x", 35, degrees=True).as_matrix()


@dataclass(frozen=True)
class Template:
    """Template: a typical shape of a category.

    Attributes:
        category: its name.
        points_obj: (M, 3) float64 on its surface, metres, object frame.
        size_m: (3,) box edges, the category's mean.
    """

    category: str
    points_obj: np.ndarray
    size_m: np.ndarray


def make_template(category: str, seed: int = 0) -> Template:
    """Return the generated shape whose proportions are nearest to the mean, at the mean size."""
    rng = np.random.default_rng([seed, CATEGORIES.index(category)])
    shapes = make_shapes(category, _TEMPLATE_SHAPES, rng)
    sizes = np.ptp(shapes.vertices, axis=1)
    size_m = sizes.mean(0)
    nearest = int(np.abs(np.log(sizes / size_m)).sum(1).argmin())
    mesh = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(shapes.vertices[nearest] * size_m / sizes[nearest]),
        o3d.utility.Vector3iVector(shapes.faces),
    )
    o3d.utility.random.seed(seed)
    points = np.asarray(mesh.sample_points_uniformly(_TEMPLATE_POINTS).points)
    return Template(category, points, size_m)


def coarse_rotations(category: str, *, upright: bool = False) -> np.ndarray:
    """Return the orientations (S, 3, 3) that ICP starts from, in the camera frame.

    The 24 that bring the axes onto each other, of round shapes one for each direction of y, six;
    or only upright ones, eight about y, of round shapes one. All lean as an object does that is
    seen by a camera that looks down by 35 degrees.

    Args:
        category: its name.
        upright: whether the object is known to stand.
    """
    if upright:
        yaws = np.arange(0, 360, 360 if is_symmetric(category) else 45)[:, None]
        upright_ones = Rotation.from_euler("y", yaws, degrees=True).as_matrix()
        return np.asarray(_LOOKING_DOWN @ _UPRIGHT @ upright_ones)
    starts = Rotation.create_group("O").as_matrix()
    if is_symmetric(category):
        y_axes = np.round(starts[:, :, 1])
        starts = starts[np.unique(y_axes, axis=0, return_index=True)[1]]
    return np.asarray(_LOOKING_DOWN @ starts)


def icp_pose(points_cam: np.ndarray, template: Template, *, upright: bool = False) -> np.ndarray:
    """Return T_cam_obj (4, 4) of the template where ICP fits it best to a cloud.

    From every coarse start, point to point, from the cloud to the template (a cloud is one side of
    the object, the template all of it); the start with the smallest error wins.

    Args:
        points_cam: (N, 3), metres, camera frame.
        template: of the object's category.
        upright: whether the object is known to stand.
    """
    step = max(1, len(points_cam) // _CLOUD_POINTS)
    points = points_cam[::step].astype(np.float64)
    source, target = o3d.geometry.PointCloud(), o3d.geometry.PointCloud()
    source.points = o3d.utility.Vector3dVector(points)
    target.points = o3d.utility.Vector3dVector(template.points_obj)
    centre = points.mean(0)
    # The visible side lies in front of the centre, on average by a quarter of the size.
    centre = centre * (1 + 0.25 * np.median(template.size_m) / np.linalg.norm(centre))
    diagonal = float(np.linalg.norm(template.size_m))
    registration = o3d.pipelines.registration
    best: np.ndarray = np.eye(4)
    best_error = np.inf
    for rotation in coarse_rotations(template.category, upright=upright):
        T_obj_cam = np.eye(4)
        T_obj_cam[:3, :3], T_obj_cam[:3, 3] = rotation.T, -rotation.T @ centre
        for reach, iterations in zip(_REACH, _ITERATIONS, strict=True):
            result = registration.registration_icp(
                source, target, reach * diagonal, T_obj_cam,
                registration.TransformationEstimationPointToPoint(),
                registration.ICPConvergenceCriteria(max_iteration=iterations),
            )  # fmt: skip
            T_obj_cam = result.transformation
        # A point without a partner counts as far as the reach.
        lost = 1 - result.fitness
        error = result.fitness * result.inlier_rmse**2 + lost * (_REACH[-1] * diagonal) ** 2
        if error < best_error:
            best, best_error = np.linalg.inv(T_obj_cam), error
    return best


def pca_box_pose(points_cam: np.ndarray, template: Template) -> np.ndarray:
    """Return T_cam_obj (4, 4) of the box along the cloud's principal axes.

    The longest edge becomes the axis that is longest in the template, and so on; the y axis points
    against gravity's most likely direction, up in the image.

    Args:
        points_cam: (N, 3), metres, camera frame.
        template: of the object's category, for the order of its edges.
    """
    points = points_cam.astype(np.float64)
    mean = points.mean(0)
    axes = np.linalg.svd(points - mean, full_matrices=False)[2]
    places = (points - mean) @ axes.T
    low, high = places.min(0), places.max(0)
    by_length = np.argsort(-(high - low), kind="stable")
    columns = np.empty((3, 3))
    for axis, edge in zip(np.argsort(-template.size_m, kind="stable"), by_length, strict=True):
        columns[:, axis] = axes[edge]
    if columns[1, 1] > 0:
        columns[:, 1] *= -1
    # x towards the camera: the sides with handle, lens and keyboard are rather seen than not.
    if columns[2, 0] > 0:
        columns[:, 0] *= -1
    columns[:, 2] = np.cross(columns[:, 0], columns[:, 1])
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = columns, mean + ((low + high) / 2) @ axes
    return T

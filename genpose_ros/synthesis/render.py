# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Depth rendering of one scene by ray casting: any rays, from anywhere.

Many small images, each of one object, are what `rasterise` is for.
"""

from dataclasses import dataclass

import numpy as np
import open3d as o3d

__all__ = ["Hits", "cast"]

#: What is further than this is not met, in lengths of the rays' directions.
_FAR = 4.0


@dataclass(frozen=True)
class Hits:
    """First surface that each ray hits.

    Attributes:
        depth_m: (..., ) z of the hit in metres, 0 where nothing was met.
        part: (...) index of the geometry met, -1 where nothing was met.
        cos_incidence: (...) cosine between the surface normal and the ray, in [0, 1].
        normals: (..., 3) unit surface normals, camera frame.
    """

    depth_m: np.ndarray
    part: np.ndarray
    cos_incidence: np.ndarray
    normals: np.ndarray


def cast(
    parts: list[tuple[np.ndarray, np.ndarray]],
    directions: np.ndarray,
    origins: np.ndarray,
    *,
    threads: int = 0,
) -> Hits:
    """Cast rays against a list of triangle meshes.

    Args:
        parts: (vertices (V, 3), faces (F, 3)) of each geometry, in the order `Hits.part` counts.
        directions: (..., 3) ray directions scaled to z = 1, so that distance is depth.
        origins: (..., 3) start of the rays, broadcast against `directions`.
        threads: CPU threads; 0: all.
    """
    scene = o3d.t.geometry.RaycastingScene(nthreads=threads)
    for vertices, faces in parts:
        scene.add_triangles(
            o3d.core.Tensor(np.ascontiguousarray(vertices, dtype=np.float32)),
            o3d.core.Tensor(np.ascontiguousarray(faces, dtype=np.uint32)),
        )
    rays = np.empty((*directions.shape[:-1], 6), np.float32)
    rays[..., :3], rays[..., 3:] = origins, directions
    answer = scene.cast_rays(o3d.core.Tensor(rays), nthreads=threads)
    depth = answer["t_hit"].numpy()
    met = depth < _FAR
    normals = answer["primitive_normals"].numpy()
    unit = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    cosine = np.abs(np.einsum("...i,...i->...", normals, unit))
    part = np.where(met, answer["geometry_ids"].numpy().astype(np.int64), -1)
    return Hits(np.where(met, depth, 0), part, np.where(met, cosine, 0), normals)

"""Depth rendering of many small scenes at once, by ray casting.

All scenes of a batch are put into one ray-casting scene, each in a cell of its own on a grid in
x and y, far enough apart that a ray of one cell never meets another within the usable range.
"""

from dataclasses import dataclass

import numpy as np
import open3d as o3d

__all__ = ["Hits", "cast", "cell_offsets"]

#: Distance between cells, metres. Rays go forward within 45 degrees and are cut at half of it.
CELL_M = 8.0


@dataclass(frozen=True)
class Hits:
    """What each ray met first.

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


def cell_offsets(n: int) -> np.ndarray:
    """Centres (n, 3) of n cells on a square grid around the origin, metres."""
    side = int(np.ceil(np.sqrt(n)))
    index = np.arange(n)
    x, y = index % side - (side - 1) / 2, index // side - (side - 1) / 2
    return CELL_M * np.stack([x, y, np.zeros(n)], -1)


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
    met = depth < CELL_M / 2
    normals = answer["primitive_normals"].numpy()
    unit = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    cosine = np.abs(np.einsum("...i,...i->...", normals, unit))
    part = np.where(met, answer["geometry_ids"].numpy().astype(np.int64), -1)
    return Hits(np.where(met, depth, 0), part, np.where(met, cosine, 0), normals)

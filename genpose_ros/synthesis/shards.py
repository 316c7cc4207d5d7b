"""Synthetic sets on disk: shards of clouds, each decided by the set's seed and its own number."""

import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from genpose_ros.synthesis.clouds import CloudBatch, make_clouds
from genpose_ros.synthesis.meshes import Mesh, load_meshes

__all__ = ["SetRecipe", "read_shard", "shard_paths", "write_set"]

SHARD_SIZE = 8192
CHUNK = 256


@dataclass(frozen=True)
class SetRecipe:
    """What decides the content of a synthetic set.

    Attributes:
        clouds: how many clouds, rounded up to whole shards.
        seed: seed of all draws.
        meshes: folder of meshes with a manifest, or None for procedural shapes only.
        split: the manifest's split to take meshes from.
        mesh_share: share of the clouds made of meshes, where the category has any.
        first_shard: number of the first shard: ranks and later runs take other numbers.
    """

    clouds: int
    seed: int = 0
    meshes: Path | None = None
    split: str = "train"
    mesh_share: float = 0.25
    first_shard: int = 0


def write_set(
    folder: Path,
    recipe: SetRecipe,
    *,
    workers: int = 1,
    on_shard: Callable[[Path, int], None] | None = None,
) -> list[Path]:
    """Write the shards of a set; shards already there are kept, so that an interrupted run goes on.

    Args:
        folder: where the shards go; made when missing.
        recipe: what to make.
        workers: processes, one CPU thread each.
        on_shard: called after each shard with how many there are to write, for progress.

    Raises:
        OSError: the disk is full or not writable; no broken shard is left behind.
        ValueError: the mesh folder is unusable, or `folder` holds a set of another recipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if recipe.meshes is not None:
        load_meshes(recipe.meshes, recipe.split)
    _record(folder, recipe)
    count = -(-recipe.clouds // SHARD_SIZE)
    numbers = range(recipe.first_shard, recipe.first_shard + count)
    paths = [folder / f"shard-{number:05d}.safetensors" for number in numbers]
    missing = [path for path in paths if not path.exists()]
    with ProcessPoolExecutor(workers) as pool:
        for path in pool.map(partial(_write_shard, recipe), missing):
            if on_shard is not None:
                on_shard(path, len(missing))
    return paths


def _record(folder: Path, recipe: SetRecipe) -> None:
    """Write down what the set is made of; a folder holds one recipe's shards only."""
    content = {**asdict(recipe), "meshes": None if recipe.meshes is None else recipe.meshes.name}
    file = folder / "recipe.json"
    if file.exists():
        known = json.loads(file.read_text())
        same = ("seed", "meshes", "split", "mesh_share")
        if any(known.get(name) != content[name] for name in same):
            raise ValueError(
                f"{folder} holds a set of another recipe ({file}): choose another folder"
            )
    file.write_text(json.dumps(content) + "\n")


def _write_shard(recipe: SetRecipe, path: Path) -> Path:
    number = int(path.stem.split("-")[1])
    rng = np.random.default_rng([recipe.seed, number])
    meshes: tuple[Mesh, ...] = ()
    if recipe.meshes is not None:
        meshes = load_meshes(recipe.meshes, recipe.split)
    batches: list[CloudBatch] = []
    while sum(len(batch) for batch in batches) < SHARD_SIZE:
        batches.append(
            make_clouds(CHUNK, rng, meshes=meshes, mesh_share=recipe.mesh_share, threads=1)
        )
    clouds = CloudBatch.concatenate(batches)[:SHARD_SIZE]
    centre = clouds.points_cam.mean(1)
    partial_file = path.with_suffix(".partial")
    try:
        save_file(
            {
                # Half precision keeps 0.1 mm only near zero: store the cloud around its mean.
                "points_centred": (clouds.points_cam - centre[:, None]).astype(np.float16),
                "centre": centre,
                "rotation": clouds.rotation,
                "translation": clouds.translation,
                "size_m": clouds.size_m,
                "category": clouds.category.astype(np.int64),
                "stance": clouds.stance.astype(np.int64),
            },
            partial_file,
        )
        partial_file.replace(path)
    finally:
        partial_file.unlink(missing_ok=True)
    return path


def shard_paths(folder: Path) -> list[Path]:
    """The shards of a set, in order.

    Raises:
        ValueError: the folder holds none.
    """
    paths = sorted(folder.glob("shard-*.safetensors"))
    if not paths:
        raise ValueError(
            f"{folder} holds no shard-*.safetensors; make them with genpose synthesize"
        )
    return paths


def read_shard(path: Path) -> CloudBatch:
    """Read one shard."""
    parts = load_file(path)
    points = parts.pop("points_centred").astype(np.float32) + parts.pop("centre")[:, None]
    return CloudBatch(points_cam=points, **parts)

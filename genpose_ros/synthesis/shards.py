# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Synthetic sets on disk: shards of clouds, each decided by the set's seed and its own number."""

import errno
import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from genpose_ros.files import read_json, remove_unfinished, write_whole
from genpose_ros.process_pool import process_pool
from genpose_ros.synthesis.clouds import TRAINING_SURROUNDINGS, CloudBatch, make_clouds
from genpose_ros.synthesis.meshes import Mesh, load_meshes

__all__ = ["SHARD_SIZE", "SetRecipe", "read_shard", "shard_paths", "write_set"]

#: Clouds in a shard.
SHARD_SIZE = 8192
#: Clouds rendered at a time: what a core's cache holds, and what keeps a GPU busy.
CHUNK, CHUNK_GPU = 256, 4096
#: Bytes that a cloud takes on disk: half-precision points, and its truth.
_CLOUD_BYTES = 1024 * 3 * 2 + 100


@dataclass(frozen=True)
class SetRecipe:
    """Recipe of a synthetic set: everything that decides its content.

    Attributes:
        clouds: how many clouds the whole set has, rounded up to whole shards.
        seed: seed of all draws; a shard depends on it and on the shard's number alone.
        meshes: folder of meshes with a manifest, or None for procedural shapes only.
        split: the manifest's split to take meshes from.
        mesh_share: share of the clouds made of meshes, where the category has any.
        first_shard: number of the first shard, to make a later part of a set.
        rank, ranks: of `ranks` machines this one makes every `ranks`-th shard, from number `rank`
            on; the folders together are the set that one machine alone makes.
    """

    clouds: int
    seed: int = 0
    meshes: Path | None = None
    split: str = "train"
    mesh_share: float = 0.25
    first_shard: int = 0
    rank: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.ranks:
            raise ValueError(f"expected a rank from 0 to {self.ranks - 1}, got {self.rank}")

    @property
    def shards(self) -> range:
        """Numbers of the shards that this rank makes."""
        count = -(-self.clouds // SHARD_SIZE)
        return range(self.first_shard + self.rank, self.first_shard + count, self.ranks)


def write_set(
    folder: Path,
    recipe: SetRecipe,
    *,
    workers: int = 1,
    device: str = "cpu",
    on_shards: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write the shards of a set; shards already there are kept, so that an interrupted run goes on.

    Args:
        folder: where the shards go; made when missing.
        recipe: what to make.
        workers: processes, one CPU thread each.
        device: where they render, cpu or cuda; the same device makes the same clouds.
        on_shards: called with how many shards there are and how many there will be, for progress:
            before the first one is made and after each.

    Raises:
        OSError: the disk is full, too small for the set or not writable, or a process was killed;
            no broken shard is left behind.
        ValueError: the mesh folder is unusable, or `folder` holds a set of another recipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _meshes(recipe)  # raises before anything is made
    _record(folder, recipe)
    paths = [folder / f"shard-{number:05d}.safetensors" for number in recipe.shards]
    missing = [path for path in paths if not path.exists()]
    _check_space(folder, len(missing))
    done = len(paths) - len(missing)
    report = on_shards or (lambda done, total: None)
    report(done, len(paths))
    try:
        for _ in _in_processes(
            partial(_write_shard, recipe, device=device), missing, workers, device
        ):
            done += 1
            report(done, len(paths))
    finally:
        remove_unfinished(folder)  # of this command's processes, not of another's
    return paths


def _check_space(folder: Path, shards: int) -> None:
    """Raise OSError where the disk cannot hold that many more shards."""
    needed, free = shards * SHARD_SIZE * _CLOUD_BYTES, shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(
            errno.ENOSPC,
            f"no space for {shards} more shards: they take {needed / 1e9:.1f} GB, "
            f"{free / 1e9:.1f} GB are free",
            str(folder),
        )


def _in_processes(
    work: Callable[[Path], Path], paths: list[Path], workers: int, device: str
) -> Iterator[Path]:
    """Do the work on each path in processes, which end at once when it is broken off."""
    with process_pool(workers, "fork" if device == "cpu" else "spawn") as pool:
        try:
            yield from pool.map(work, paths)
        except BrokenProcessPool as error:
            raise OSError(
                "a process was killed, for want of memory perhaps: try fewer workers"
            ) from error


def _record(folder: Path, recipe: SetRecipe) -> None:
    """Write down what the set is made of; a folder holds one recipe's shards only."""
    file, clouds = folder / "recipe.json", recipe.clouds
    decisive = {
        "seed": recipe.seed,
        "meshes": None if recipe.meshes is None else recipe.meshes.name,
        "split": recipe.split,
        "mesh_share": recipe.mesh_share,
    }
    if file.exists():
        try:
            known = dict(read_json(file))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{file} is damaged: choose another folder") from error
        for name, value in decisive.items():
            if known.get(name) != value:
                raise ValueError(
                    f"{folder} holds a set of another recipe ({file}: {name} is "
                    f"{known.get(name)!r}, not {value!r}): choose another folder"
                )
        if known.get("clouds", 0) >= clouds:
            return
    elif next(folder.glob("shard-*.safetensors"), None) is not None:
        raise ValueError(f"{folder} holds shards of unknown origin: choose another folder")
    write_whole(file, json.dumps({"clouds": clouds, **decisive}) + "\n")


def _meshes(recipe: SetRecipe) -> tuple[Mesh, ...]:
    return () if recipe.meshes is None else _loaded(recipe.meshes, recipe.split)


# Simplifying meshes takes seconds: once for a run, as forked processes inherit the cache.
_loaded = lru_cache(maxsize=1)(load_meshes)


def _write_shard(recipe: SetRecipe, path: Path, device: str = "cpu") -> Path:
    number = int(path.stem.split("-")[1])
    rng = np.random.default_rng([recipe.seed, number])
    meshes = _meshes(recipe)
    batches: list[CloudBatch] = []
    while sum(len(batch) for batch in batches) < SHARD_SIZE:
        batches.append(
            make_clouds(
                CHUNK if device == "cpu" else CHUNK_GPU,
                rng,
                meshes=meshes,
                mesh_share=recipe.mesh_share,
                surroundings=TRAINING_SURROUNDINGS,
                device=device,
            )
        )
    clouds = CloudBatch.concatenate(batches)[:SHARD_SIZE]
    centre = clouds.points_cam.mean(1)
    content = save(
        {
            # Half precision keeps 0.1 mm only near zero: store the cloud around its mean.
            "points_centred": (clouds.points_cam - centre[:, None]).astype(np.float16),
            "centre": centre,
            "rotation": clouds.rotation,
            "translation": clouds.translation,
            "size_m": clouds.size_m,
            "category": clouds.category.astype(np.int64),
            "stance": clouds.stance.astype(np.int64),
        }
    )
    write_whole(path, content)
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
    """Read one shard.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        parts = load_file(path)
        points = parts.pop("points_centred").astype(np.float32) + parts.pop("centre")[:, None]
        return CloudBatch(points_cam=points, **parts)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: delete it and make it anew ({error})") from error

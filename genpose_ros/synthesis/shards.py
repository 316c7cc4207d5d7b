# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Synthetic sets on disk: shards of clouds, each decided by the set's seed and its own number."""

import errno
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from genpose_ros.files import read_json, remove_unfinished, write_whole
from genpose_ros.geometry.categories import NOCS, CategorySet
from genpose_ros.process_pool import process_pool
from genpose_ros.synthesis.clouds import TRAINING_SURROUNDINGS, CloudBatch, make_clouds
from genpose_ros.synthesis.domains import DOMAINS, WIDE
from genpose_ros.synthesis.library import NOCS_LIBRARY, ShapeLibrary

__all__ = [
    "SHARD_SIZE",
    "SetRecipe",
    "decisive_entries",
    "read_shard",
    "set_categories",
    "shard_paths",
    "with_up",
    "write_set",
]

#: Clouds in a shard.
SHARD_SIZE = 8192
#: Clouds rendered at a time: what a core's cache holds, and what keeps a GPU busy.
CHUNK, CHUNK_GPU = 256, 4096
#: Bytes that a point takes on disk, in half precision; and that a cloud takes with its truth.
_POINT_BYTES = 3 * 2
_CLOUD_BYTES = 1024 * _POINT_BYTES + 100


#: What a set's recipe is recorded in.
_RECIPE = "recipe.json"


@dataclass(frozen=True)
class SetRecipe:
    """Recipe of a synthetic set: everything that decides its content.

    Attributes:
        clouds: how many clouds the whole set has, rounded up to whole shards.
        seed: seed of all draws; a shard depends on it and on the shard's number alone.
        library: that the objects are drawn from.
        shares: relative frequency of each category, by name; None: all alike.
        domain: cameras, shapes, stances and rolls, a name of `DOMAINS`.
        first_shard: number of the first shard, to make a later part of a set.
        rank, ranks: of `ranks` machines this one makes every `ranks`-th shard, from number `rank`
            on; the folders together are the set that one machine alone makes.
        shard_size: clouds in a shard; 0: `SHARD_SIZE`.
        surface_points: points kept of each object's whole surface; 0: none.
    """

    clouds: int
    seed: int = 0
    library: ShapeLibrary = NOCS_LIBRARY
    shares: Mapping[str, float] | None = None
    domain: str = WIDE.name
    first_shard: int = 0
    rank: int = 0
    ranks: int = 1
    shard_size: int = 0
    surface_points: int = 0

    def __post_init__(self) -> None:
        if self.domain not in DOMAINS:
            raise ValueError(f"expected one of {', '.join(DOMAINS)}, got {self.domain!r}")
        if not 0 <= self.rank < self.ranks:
            raise ValueError(f"expected a rank from 0 to {self.ranks - 1}, got {self.rank}")

    @property
    def clouds_per_shard(self) -> int:
        """How many clouds a shard has."""
        return self.shard_size or SHARD_SIZE

    @property
    def shards(self) -> range:
        """Numbers of the shards that this rank makes."""
        count = -(-self.clouds // self.clouds_per_shard)
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
        ValueError: `folder` holds a set of another recipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _record(folder, recipe)
    paths = [folder / f"shard-{number:05d}.safetensors" for number in recipe.shards]
    missing = [path for path in paths if not path.exists()]
    _check_space(folder, len(missing), recipe)
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


def _check_space(folder: Path, shards: int, recipe: SetRecipe) -> None:
    """Raise OSError where the disk cannot hold that many more shards."""
    each = _CLOUD_BYTES + recipe.surface_points * _POINT_BYTES
    needed, free = shards * recipe.clouds_per_shard * each, shutil.disk_usage(folder).free
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
    file, clouds, decisive = folder / _RECIPE, recipe.clouds, decisive_entries(recipe)
    if file.exists():
        known = {**decisive_entries(SetRecipe(clouds)), **_recorded(file)}
        for name, value in decisive.items():
            if known[name] != value:
                differs = f"{name} is {known[name]!r}, not {value!r}"
                if name in ("categories", "meshes_sha256"):
                    differs = f"other {name.partition('_')[0]}"
                raise ValueError(
                    f"{folder} holds a set of another recipe ({file}: {differs}): "
                    "choose another folder"
                )
        if known.get("clouds", 0) >= clouds:
            return
    elif next(folder.glob("shard-*.safetensors"), None) is not None:
        raise ValueError(f"{folder} holds shards of unknown origin: choose another folder")
    write_whole(file, json.dumps({"clouds": clouds, **decisive}) + "\n")


def decisive_entries(recipe: SetRecipe) -> dict[str, Any]:
    """Return what decides the content of a set's shards, as JSON values."""
    library, digest = recipe.library, hashlib.sha256()
    for mesh in library.meshes:
        digest.update(f"{mesh.category} {mesh.name} {mesh.metric}".encode())
        digest.update(np.ascontiguousarray(mesh.vertices, dtype=np.float64).tobytes())
        digest.update(np.ascontiguousarray(mesh.faces, dtype=np.int64).tobytes())
    return {
        "seed": recipe.seed,
        "categories": json.loads(library.categories.to_text()),
        "shares": None if recipe.shares is None else dict(recipe.shares),
        "meshes_sha256": digest.hexdigest() if library.meshes else None,
        "mesh_share": library.mesh_share,
        "domain": recipe.domain,
        "deformation": library.deformation,
        "shard_size": recipe.shard_size,
        "surface_points": recipe.surface_points,
    }


def _recorded(file: Path) -> dict[str, Any]:
    """What a recipe.json holds.

    Raises:
        ValueError: it is damaged.
    """
    try:
        return dict(read_json(file))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file} is damaged: choose another folder") from error


def set_categories(folder: Path) -> CategorySet:
    """Return the categories that the clouds of a set are of; the six where it does not say.

    Raises:
        ValueError: its recipe.json is damaged.
    """
    file = folder / _RECIPE
    recorded = _recorded(file) if file.is_file() else {}
    if "categories" not in recorded:
        return NOCS
    try:
        return CategorySet.from_text(json.dumps(recorded["categories"]))
    except ValueError as error:
        raise ValueError(f"{file} has categories that cannot be used: {error}") from error


def _write_shard(recipe: SetRecipe, path: Path, device: str = "cpu") -> Path:
    number = int(path.stem.split("-")[1])
    rng = np.random.default_rng([recipe.seed, number])
    batches: list[CloudBatch] = []
    while sum(len(batch) for batch in batches) < recipe.clouds_per_shard:
        batches.append(
            make_clouds(
                CHUNK if device == "cpu" else CHUNK_GPU,
                rng,
                library=recipe.library,
                shares=recipe.shares,
                surroundings=TRAINING_SURROUNDINGS,
                domain=DOMAINS[recipe.domain],
                surface_points=recipe.surface_points,
                device=device,
            )
        )
    clouds = CloudBatch.concatenate(batches)[: recipe.clouds_per_shard]
    centre = clouds.points_cam.mean(1)
    known = clouds.surface_obj
    surface = {} if known is None else {"surface_obj": known.astype(np.float16)}
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
            "up": clouds.up,
            "level_m": clouds.level_m,
        }
        | surface
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


def with_up(parts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return a shard's arrays with the direction up: not known in sets from before it was kept.

    Raises:
        KeyError: they are no shard's.
    """
    if "up" in parts:
        return parts
    count = len(parts["category"])
    unknown = {
        "up": np.zeros((count, 3), np.float32),
        "level_m": np.full(count, np.nan, np.float32),
    }
    return parts | unknown


def read_shard(path: Path) -> CloudBatch:
    """Read one shard.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        parts = with_up(load_file(path))
        points = parts.pop("points_centred").astype(np.float32) + parts.pop("centre")[:, None]
        if "surface_obj" in parts:
            parts["surface_obj"] = parts["surface_obj"].astype(np.float32)
        return CloudBatch(points_cam=points, **parts)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: delete it and make it anew ({error})") from error

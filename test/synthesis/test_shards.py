# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import errno
import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from parcels_and_hooks import OWN, own_library, parcel_mesh

from genpose_ros.files import whole_file
from genpose_ros.geometry import NOCS
from genpose_ros.synthesis import (
    SetRecipe,
    ShapeLibrary,
    read_shard,
    set_categories,
    shard_paths,
    shards,
    write_set,
)
from genpose_ros.training import CloudPool, TrainingSettings


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_SIZE", 20)
    monkeypatch.setattr(shards, "CHUNK", 12)


def test_a_shard_depends_on_seed_and_number_alone(tmp_path: Path) -> None:
    all_at_once = write_set(tmp_path / "a", SetRecipe(clouds=40, seed=3))
    second_only = write_set(tmp_path / "b", SetRecipe(clouds=20, seed=3, first_shard=1))
    assert [path.name for path in all_at_once] == [
        "shard-00000.safetensors",
        "shard-00001.safetensors",
    ]
    first, second = (read_shard(path) for path in all_at_once)
    np.testing.assert_array_equal(read_shard(second_only[0]).points_cam, second.points_cam)
    assert not np.array_equal(first.points_cam, second.points_cam)
    assert len(first) == 20


def test_ranks_share_the_shards_of_one_set(tmp_path: Path) -> None:
    alone = write_set(tmp_path / "alone", SetRecipe(clouds=60, seed=3))
    shares = [
        write_set(tmp_path / "together", SetRecipe(clouds=60, seed=3, rank=rank, ranks=2))
        for rank in (0, 1)
    ]
    assert [[path.name[6:11] for path in share] for share in shares] == [
        ["00000", "00002"],
        ["00001"],
    ]
    for path in alone:
        assert path.read_bytes() == (tmp_path / "together" / path.name).read_bytes()


def test_a_set_can_have_shards_of_another_size_and_is_not_mixed_with_others(
    tmp_path: Path,
) -> None:
    paths = write_set(tmp_path, SetRecipe(clouds=30, seed=3, shard_size=15))
    assert [len(read_shard(path)) for path in paths] == [15, 15]
    with pytest.raises(ValueError, match="shard_size is 15, not 0"):
        write_set(tmp_path, SetRecipe(clouds=40, seed=3))


def test_a_rank_outside_the_ranks_is_refused() -> None:
    with pytest.raises(ValueError, match="a rank from 0 to 1, got 2"):
        SetRecipe(clouds=1, rank=2, ranks=2)


def test_a_shard_does_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    one, two = (
        write_set(tmp_path / str(workers), SetRecipe(clouds=40, seed=5), workers=workers)
        for workers in (1, 2)
    )
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]


def test_a_disk_that_is_too_small_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shards.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shards.shutil, "disk_usage", lambda _: usage._replace(free=100_000))
    with pytest.raises(OSError, match=r"2 more shards: they take 0\.0 GB") as raised:
        write_set(tmp_path, SetRecipe(clouds=40))
    assert raised.value.errno == errno.ENOSPC
    assert not list(tmp_path.glob("shard-*"))


def test_stored_points_keep_a_tenth_of_a_millimetre(tmp_path: Path) -> None:
    (path,) = write_set(tmp_path, SetRecipe(clouds=20, seed=1))
    rng = np.random.default_rng([1, 0])
    exact = shards.CloudBatch.concatenate(
        [
            shards.make_clouds(
                12, rng, surroundings=shards.TRAINING_SURROUNDINGS, domain=shards.WIDE
            )
            for _ in range(3)
        ]
    )[:20]
    stored = read_shard(path)
    np.testing.assert_allclose(stored.points_cam, exact.points_cam, atol=1.3e-4)
    np.testing.assert_array_equal(stored.rotation, exact.rotation)


def test_a_set_with_surfaces_has_the_clouds_of_one_without(tmp_path: Path) -> None:
    (plain,) = write_set(tmp_path / "plain", SetRecipe(clouds=20, seed=3))
    recipe = SetRecipe(clouds=20, seed=3, surface_points=32)
    (path,) = write_set(tmp_path / "whole", recipe)
    clouds = read_shard(path)
    np.testing.assert_array_equal(clouds.points_cam, read_shard(plain).points_cam)
    assert clouds.surface_obj is not None
    assert clouds.surface_obj.shape == (20, 32, 3)
    batch = CloudPool(tmp_path / "whole").draw(0, TrainingSettings(batch=4))
    assert batch.surface_obj.shape == (4, 32, 3)
    assert CloudPool(tmp_path / "plain").draw(0, TrainingSettings()).surface_obj.shape[1] == 0
    with pytest.raises(ValueError, match="surface_points is 0, not 32"):
        write_set(tmp_path / "plain", recipe)


def test_a_set_that_was_begun_goes_on_with_its_missing_shards(tmp_path: Path) -> None:
    first = write_set(tmp_path, SetRecipe(clouds=20, seed=3))[0]
    before = first.stat().st_mtime_ns
    reports: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        reports.append((done, total))

    write_set(tmp_path, SetRecipe(clouds=60, seed=3), on_shards=note)
    write_set(tmp_path, SetRecipe(clouds=20, seed=3))
    assert json.loads((tmp_path / "recipe.json").read_text())["clouds"] == 60
    assert reports == [(1, 3), (2, 3), (3, 3)]
    assert first.stat().st_mtime_ns == before
    assert not list(tmp_path.glob("*.partial*"))


def _slow_but_for_the_first(_recipe: SetRecipe, path: Path, device: str) -> Path:
    with whole_file(path) as partial:
        partial.write_text("half")
        if path.name != "shard-00000.safetensors":
            time.sleep(60)
    return path


def _killed(_recipe: SetRecipe, path: Path, device: str) -> Path:
    os.kill(os.getpid(), signal.SIGKILL)
    return path


def test_an_interruption_does_not_wait_for_shards_in_the_making(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_set(tmp_path, SetRecipe(clouds=20, first_shard=2))

    def interrupt(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(shards, "_write_shard", _slow_but_for_the_first)
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        write_set(tmp_path, SetRecipe(clouds=60), workers=2, on_shards=interrupt)
    assert time.monotonic() - begin < 30
    assert not list(tmp_path.glob("*.partial*"))


def test_the_end_of_one_command_leaves_what_another_has_under_way(tmp_path: Path) -> None:
    with whole_file(tmp_path / "shard-00007.safetensors") as partial:
        partial.write_text("half")  # of a process that lives: this one
        write_set(tmp_path, SetRecipe(clouds=20))
        assert partial.read_text() == "half"
    assert (tmp_path / "shard-00007.safetensors").read_text() == "half"


def test_a_killed_worker_process_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "_write_shard", _killed)
    with pytest.raises(OSError, match="fewer workers"):
        write_set(tmp_path, SetRecipe(clouds=40))


def test_shards_of_two_recipes_do_not_mix(tmp_path: Path) -> None:
    write_set(tmp_path, SetRecipe(clouds=20, seed=3))
    with pytest.raises(ValueError, match=r"another recipe .*: seed is 3, not 4"):
        write_set(tmp_path, SetRecipe(clouds=20, seed=4))


def test_a_set_says_which_categories_its_clouds_are_of(tmp_path: Path) -> None:
    library = own_library(deformed=True)
    (path,) = write_set(tmp_path, SetRecipe(20, 3, library, shares={"hook": 3, "parcel": 1}))
    assert set_categories(tmp_path) == OWN
    assert np.bincount(read_shard(path).category)[1] > 12
    (tmp_path / "recipe.json").unlink()
    assert set_categories(tmp_path) == NOCS


@pytest.mark.parametrize(
    ("library", "shares", "message"),
    [
        (own_library(), None, "other categories"),
        (ShapeLibrary(NOCS, mesh_share=0.5), None, r"mesh_share is 0\.25, not 0\.5"),
        (ShapeLibrary(), {"mug": 1}, r"shares is None, not \{'mug': 1\}"),
        (ShapeLibrary(meshes=(replace(parcel_mesh(), category="can"),)), None, "other meshes"),
    ],
)
def test_shards_of_two_libraries_do_not_mix(
    tmp_path: Path, library: ShapeLibrary, shares: dict | None, message: str
) -> None:
    write_set(tmp_path, SetRecipe(clouds=20, seed=3))
    with pytest.raises(ValueError, match=rf"another recipe .*: {message}"):
        write_set(tmp_path, SetRecipe(20, 3, library, shares))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged"),
        ("3", "is damaged"),
        ('{"categories": 3}', "categories that cannot be used"),
        ('{"categories": [{"name": 3}]}', "categories that cannot be used"),
    ],
)
def test_a_recipe_with_damaged_categories_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "recipe.json").write_text(text)
    with pytest.raises(ValueError, match=rf"recipe\.json {message}|recipe\.json has {message}"):
        set_categories(tmp_path)


def test_shards_of_two_domains_do_not_mix(tmp_path: Path) -> None:
    paths = write_set(tmp_path, SetRecipe(clouds=20, domain="d435"))
    assert json.loads((tmp_path / "recipe.json").read_text())["domain"] == "d435"
    with pytest.raises(ValueError, match=r"another recipe .*: domain is 'd435', not 'wide'"):
        write_set(tmp_path, SetRecipe(clouds=20))
    wide = write_set(tmp_path / "wide", SetRecipe(clouds=20))
    noisy, all_kinds = (read_shard(path[0]).points_cam for path in (paths, wide))
    assert not np.array_equal(noisy, all_kinds)


def test_a_set_of_an_unknown_domain_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of d435, wide, got 'kinect'"):
        SetRecipe(clouds=20, domain="kinect")


def test_shards_without_a_recipe_are_not_added_to(tmp_path: Path) -> None:
    (tmp_path / "shard-00002.safetensors").touch()
    with pytest.raises(ValueError, match="unknown origin"):
        write_set(tmp_path, SetRecipe(clouds=20))


def test_a_broken_recipe_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text("{")
    with pytest.raises(ValueError, match=r"recipe\.json is damaged"):
        write_set(tmp_path, SetRecipe(clouds=20))


def test_a_full_disk_leaves_no_broken_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Path, content: bytes) -> int:
        with file.open("wb") as stream:
            stream.write(content[:4])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left") as raised:
        shards._write_shard(SetRecipe(clouds=20), tmp_path / "shard-00000.safetensors")
    assert raised.value.filename == str(tmp_path / "shard-00000.safetensors")
    assert not list(tmp_path.iterdir())


def test_shards_have_the_permissions_of_the_umask(tmp_path: Path) -> None:
    (path,) = write_set(tmp_path, SetRecipe(clouds=20))
    (tmp_path / "other").touch()
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / "shard-00000.safetensors").write_bytes(b"not one")
    with pytest.raises(ValueError, match=r"shard-00000\.safetensors is damaged"):
        read_shard(tmp_path / "shard-00000.safetensors")


def test_the_error_of_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="genpose synthesize"):
        shard_paths(tmp_path)

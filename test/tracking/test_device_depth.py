# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Depth image on a device: what NumPy finds in it, without a look at numbers on the way."""

import importlib
import traceback
from collections import Counter
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from cube_scene import CAMERA, at, image
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.tracking import Tracker, TrackState, constants, step
from genpose_ros.tracking.depth_around import depth_around
from genpose_ros.tracking.device_depth import Expectations, look, look_on_device, most_pixels
from genpose_ros.tracking.visibility import visibility

CPU = torch.device("cpu")
SETTINGS = EstimatorSettings()


def scene(seed: int) -> tuple[np.ndarray, dict[str, Any], np.ndarray]:
    """A cube before a wall, clutter and holes, and tracks on it, beside it and out of sight."""
    rng = np.random.default_rng(seed)
    depth_m = image() + rng.normal(0, 0.001, (240, 320)).astype(np.float32)
    depth_m[60:100, 40:110] = 0.7 + 0.001 * np.arange(70, dtype=np.float32)
    depth_m[rng.random(depth_m.shape) < 0.05] = rng.choice([0.0, np.nan, np.inf, -1.0])
    poses = [at(), at(0.01, -0.01, 0.86), at(-0.2, -0.09, 0.75), at(3.0), at(z=-1.0), at(z=1.6)]
    poses += [at(*rng.uniform((-0.5, -0.4, 0.5), (0.5, 0.4, 1.0))) for _ in range(4)]
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    poses[1][:3, :3] = turn * np.sign(np.linalg.det(turn))
    surfaces = [rng.uniform(-0.05, 0.05, (600, 3)) for _ in poses]
    for surface in surfaces[::2]:
        surface[:, 2] = -0.05
    known = {
        "surfaces_obj": surfaces,
        "size_m": rng.uniform(0.08, 0.14, (len(poses), 3)),
        "axisymmetric": [bool(i % 2) for i in range(len(poses))],
    }
    return depth_m, known, np.array(poses)


def pixels_of(points_cam: np.ndarray) -> set[tuple[float, ...]]:
    """Where points lie in the image; their last digits may differ."""
    return set(map(tuple, np.rint(CAMERA.project(points_cam)).tolist()))


@pytest.mark.parametrize("pixels", [300, 2000, 20000])
@pytest.mark.parametrize("seed", range(4))
def test_a_look_on_the_device_finds_what_numpy_does(seed, pixels):
    depth_m, known, T = scene(seed)
    few = np.stack(known["surfaces_obj"])[:, :192]
    found = look_on_device(
        depth_m, CAMERA, T, few, settings=SETTINGS, pixels=pixels, device=CPU, **known
    )
    free = known["axisymmetric"]
    views = visibility(T, few, known["size_m"], depth_m, CAMERA, axisymmetric=free)
    for pair in zip(found.views, views, strict=True):
        of_device, of_numpy = ([getattr(v, item.name) for item in fields(v)] for v in pair)
        np.testing.assert_allclose(of_device, of_numpy, atol=1e-6)
    points = depth_around(
        depth_m, CAMERA, T, known["surfaces_obj"], known["size_m"], SETTINGS,
        axisymmetric=free, pixels=pixels,
    )  # fmt: skip
    for own, expected in zip(found.points_cam, points, strict=True):
        assert own.dtype == np.float32
        apart = pixels_of(own) ^ pixels_of(expected)
        # What lies on a limit may fall on either side of it: single precision knows 1e-7.
        assert len(apart) <= 0.01 * len(expected)
    assert [len(own) > 30 for own in points[:6]] == [True, True, True, False, False, False]


@pytest.mark.parametrize("size", [(640, 480), (1920, 1080), (320, 240), (2000, 40)])
def test_no_stride_leaves_more_pixels_than_there_is_room_for(size):
    rng = np.random.default_rng(0)
    camera = type(CAMERA)(300.0, 300.0, 0.0, 0.0, *size)
    for pixels in (100, 2000):
        rows = rng.integers(1, size[1] + 1, 20000)
        columns = rng.integers(1, size[0] + 1, 20000)
        strides = np.maximum(np.rint(np.sqrt(rows * columns / pixels)), 1)
        left = np.ceil(rows / strides) * np.ceil(columns / strides)
        assert left.max() <= most_pixels(camera, pixels)


class Counted(TorchDispatchMode):
    """Counts operations that compute; on `meta` a look at a number is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[func.overloadpacket.__name__] += not func.is_view
        tensors = [x for x in torch.utils._pytree.tree_leaves(args) if isinstance(x, torch.Tensor)]
        assert all(x.device.type == "meta" for x in tensors), f"{func} takes a tensor of the host"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("count", [1, 10, 32])
def test_a_look_never_looks_at_a_number_nor_copies_from_the_host(count):
    shapes = {"T_cam_obj": (4, 4), "few_obj": (192, 3), "surfaces_obj": (512, 3), "size_m": (3,)}
    parts = {name: torch.empty(count, *shape, device="meta") for name, shape in shapes.items()}
    parts = {name: part.double() for name, part in parts.items()}
    free = torch.empty(count, dtype=torch.bool, device="meta")
    depth_m = torch.empty(480, 640, device="meta")
    camera = type(CAMERA)(600.0, 600.0, 320.0, 240.0, 640, 480)
    with torch.no_grad(), Counted() as operations:
        told = look(depth_m, camera, Expectations(**parts, axisymmetric=free), (0.1, 3.0), 2000)
    assert told.shape == (count, 7 + 3 * most_pixels(camera, 2000))
    assert constants.CROP_PIXELS == 2000
    # Each is a launch where no graph holds them: a sixth more than there are.
    assert sum(operations.counts.values()) < 430


class Waits(TorchFunctionMode):
    """Counts what makes the host wait for a GPU: copies from it, and looks at a number."""

    WAITING = ("cpu", "item", "tolist", "__bool__", "__float__", "__int__", "__index__", "nonzero")

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in self.WAITING:
            lines = traceback.extract_stack()
            self.counts[next(x.name for x in lines[::-1] if "genpose_ros" in x.filename)] += 1
        return func(*args, **(kwargs or {}))


@pytest.fixture
def by_looks(monkeypatch):
    """Trackers look at depth images as they do on a GPU."""
    monkeypatch.setattr(step, "is_faster_on", lambda device: True)


def follow(scene: Any, following: Tracker) -> list[Any]:
    """Four images with masks, then ten without, of a mug that moves beside a can that stands."""
    results = []
    scene.put(2, "can", (0.1, 0.05, 0.9))
    for i in range(14):
        scene.put(1, "mug", (-0.1 + 0.005 * i, 0.0, 0.8))
        image, stamp_ns = scene.frame(), (i + 1) * 33_000_000
        if i < 4:
            results.append(following.track(image, stamp_ns))
        else:
            results.append(following.track_depth(image.depth_m, image.camera, stamp_ns))
    return results


def test_tracks_are_the_same_by_looks_on_the_device(scene, tracker, monkeypatch):
    by_numpy = follow(scene, tracker())
    monkeypatch.setattr(step, "is_faster_on", lambda device: True)
    monkeypatch.setattr(step, "depth_around", None)  # is not asked
    by_looks = follow(scene, tracker())
    for one, other in zip(by_numpy, by_looks, strict=True):
        assert [t.state for t in one.tracks] == [t.state for t in other.tracks]
        for a, b in zip(one.tracks, other.tracks, strict=True):
            np.testing.assert_allclose(a.estimate.T_cam_obj, b.estimate.T_cam_obj, atol=1e-5)
    assert [t.state for t in one.tracks] == [TrackState.CONFIRMED] * 2


def test_where_memory_lacks_tracks_are_looked_at_in_halves(scene, tracker, by_looks, monkeypatch):
    whole, counts = look_on_device, []

    def look_at_one(depth_m, camera, T_cam_obj, *others, **named):
        counts.append(len(T_cam_obj))
        if len(T_cam_obj) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return whole(depth_m, camera, T_cam_obj, *others, **named)

    monkeypatch.setattr(step, "look_on_device", look_at_one)
    results = follow(scene, tracker())
    assert [t.state for t in results[-1].tracks] == [TrackState.CONFIRMED] * 2
    assert counts[:4] == [2, 1, 1, 2]


def test_a_tracked_image_makes_the_host_wait_for_what_it_shows_and_for_the_estimates(
    by_looks, root, monkeypatch
):
    monkeypatch.syspath_prepend(str(root))
    shown = importlib.import_module("benchmarks.gpu_check").cans(4)
    following = Tracker(PoseEstimator.from_settings(EstimatorSettings(device="cpu")))
    for i in range(3):
        following.track(shown, i * 33_000_000)
    with Waits() as waits:
        result = following.track_depth(shown.depth_m, shown.camera, 99_000_000)
    assert [t.state for t in result.tracks] == [TrackState.CONFIRMED] * 4
    assert waits.counts == {"look_on_device": 1, "_run": 1}
    with Waits() as waits:
        following.track(shown, 132_000_000)
    # A GPU waits twice more, for the clouds of the masks: `clouds_on_device`.
    assert waits.counts == {"look_on_device": 1, "_run": 1}

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Check of a machine: parity of CPU, eager GPU and graph, times, launches, memory, clouds.

`python -m benchmarks.gpu_check --out DIR --minutes 3`, from a checkout, with torch, numpy, scipy
and safetensors alone. It writes `gpu_check.json` and `gpu_check.md`; without a GPU it runs what a
CPU can answer.
"""

import argparse
import importlib
import itertools
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from genpose_ros.estimation.back_projection import ObjectCloud
from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.frame import Frame, Instance
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.networks.light import LightPoseModel

#: Poses of two ways through the program may differ by this.
MOST_DEG, MOST_MM = 0.2, 0.5
#: Milliseconds that are aimed at on an H100-class card, by number of objects.
GOALS_MS = {1: 3.0, 10: 5.0}
#: The same of ten tracked objects.
GOAL_TRACKED_MS = 2.5
#: Of clouds per second.
GOAL_CLOUDS, GOAL_TRAINING_CLOUDS = 100_000, 60_000


#: Radius and half of the height of the cans that are shown, metres, and how far the wall is.
_RADIUS_M, _HALF_M, _WALL_M = 0.035, 0.06, 1.5


def cans(count: int) -> Frame:
    """A frame of upright cans in front of a wall, five in a row, in closed form but for the noise.

    Args:
        count: 1 to 20.
    """
    camera = PinholeCamera(610.0, 610.0, 320.0, 240.0, 640, 480)
    x = (np.arange(640) - camera.cx)[None] / camera.fx
    y = (np.arange(480) - camera.cy)[:, None] / camera.fy
    depth_m, label = np.full((480, 640), _WALL_M), np.zeros((480, 640), dtype=np.uint8)
    for number in range(count):
        column, row = number % 5, number // 5
        centre = 0.17 * (column - 2), 0.17 * (row - 1.5), 0.85 + 0.03 * column
        # The nearer of the two places where a ray meets the cylinder.
        a, b = x**2 + 1, x * centre[0] + centre[2]
        root = b**2 - a * (centre[0] ** 2 + centre[2] ** 2 - _RADIUS_M**2)
        z = np.where(root > 0, (b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
        seen = (np.abs(y * np.where(root > 0, z, 0) - centre[1]) < _HALF_M) & (root > 0)
        depth_m = np.where(seen, z, depth_m)
        label[seen] = number + 1
    depth_m += np.random.default_rng(0).normal(0, 0.001, depth_m.shape)
    shown = tuple(Instance(i + 1, "can", label == i + 1) for i in range(count))
    return Frame(depth_m.astype(np.float32), camera, shown)


class Budget:
    """Time that is left: what does not fit any more is left out, and said to be."""

    def __init__(self, minutes: float) -> None:
        self._ends = time.monotonic() + 60 * minutes
        self.left_out: list[str] = []

    def run(self, name: str, part: Callable[[], Any]) -> Any:
        """What a part answers; what it raises, as text; None where no time is left."""
        if time.monotonic() > self._ends:
            self.left_out.append(name)
            return None
        try:
            return part()
        except Exception as error:
            return {"failed": f"{type(error).__name__}: {str(error)[:300]}"}


def apart(one: Sequence[ObjectEstimate], other: Sequence[ObjectEstimate]) -> dict[str, float]:
    """The largest angle in degrees and distance in millimetres between two frames' poses."""
    if len(one) != len(other):
        raise ValueError(f"{len(one)} and {len(other)} estimates of the same frame")
    degrees, millimetres = [0.0], [0.0]
    for a, b in zip(one, other, strict=True):
        chord = np.linalg.norm(a.T_cam_obj[:3, :3] - b.T_cam_obj[:3, :3]) / np.sqrt(8)
        degrees.append(float(np.degrees(2 * np.arcsin(min(chord, 1.0)))))
        millimetres.append(1e3 * float(np.linalg.norm(a.T_cam_obj[:3, 3] - b.T_cam_obj[:3, 3])))
    return {"deg": round(max(degrees), 4), "mm": round(max(millimetres), 4)}


def estimator_on(device: str, **changes: Any) -> PoseEstimator:
    """An estimator with the released weights."""
    return PoseEstimator.from_settings(EstimatorSettings(device=device, **changes))


def without_graphs(estimator: PoseEstimator) -> PoseEstimator:
    """The estimator, which runs its program operation by operation from now on."""
    for batches in estimator._batches:
        batches._graphs.give_up()
    return estimator


def parity(device: str) -> dict[str, Any]:
    """Differences of ten poses from the CPU's in float32: bfloat16; on a GPU eager and graph."""
    frame = cans(10)
    reference = estimator_on("cpu", encoder_precision="float32").estimate(frame).estimates
    found = {"cpu bfloat16": estimator_on("cpu", encoder_precision="bfloat16")}
    if device == "cuda":
        full = {"encoder_precision": "float32"}
        found |= {
            "cuda eager": without_graphs(estimator_on("cuda", **full)),
            "cuda graph": estimator_on("cuda", **full),
            "cuda graph bfloat16": estimator_on("cuda", encoder_precision="bfloat16"),
        }
    rows: dict[str, Any] = {}
    for name, estimator in found.items():
        row: dict[str, Any] = dict(apart(estimator.estimate(frame).estimates, reference))
        rows[name] = {**row, "holds": row["deg"] <= MOST_DEG and row["mm"] <= MOST_MM}
    return rows


def times(device: str, counts: Sequence[int], repeats: int) -> dict[str, Any]:
    """Median milliseconds of frames with so many objects, and of each stage."""
    estimator, rows = estimator_on(device), {}
    for count in counts:
        shown, walls, stages = cans(count), [], []
        for _ in range(2):
            estimator.estimate(shown)
        for _ in range(repeats):
            start = time.perf_counter()
            stages.append(estimator.estimate(shown).timings_ms)
            walls.append(1e3 * (time.perf_counter() - start))
        row = {name: round(median(s.get(name, 0.0) for s in stages), 3) for name in stages[0]}
        rows[str(count)] = {"total_ms": round(median(walls), 3), "stages_ms": row}
    return rows


def followed(estimator: PoseEstimator, shown: Frame) -> Callable[[bool], Any]:
    """What takes one more image of a frame, with or without its masks, into a tracker of it."""
    from genpose_ros.tracking import Tracker

    tracker, stamps = Tracker(estimator), itertools.count(1)

    def step(masked: bool) -> Any:
        stamp_ns = 33_333_333 * next(stamps)
        if masked:
            return tracker.track(shown, stamp_ns)
        return tracker.track_depth(shown.depth_m, shown.camera, stamp_ns)

    for masked in (True, True, True, False):
        step(masked)
    return step


def tracked(device: str, counts: Sequence[int], repeats: int) -> dict[str, Any]:
    """Median milliseconds of tracked images, with masks and by depth alone, and their tracks."""
    estimator, rows = estimator_on(device), {}
    for count in counts:
        step, row = followed(estimator, cans(count)), {}
        for name, masked in (("masks_ms", True), ("depth_ms", False)):
            walls = []
            for _ in range(repeats):
                start = time.perf_counter()
                result = step(masked)
                walls.append(1e3 * (time.perf_counter() - start))
            row[name] = round(median(walls), 3)
        rows[str(count)] = {**row, "tracks": len(result.tracks)}
    return rows


def looks(device: str, repeats: int) -> dict[str, Any]:
    """Whether depth around tracks is the host's where it is looked for on the device; both times.

    Points on a limit may fall on either side of it.
    """
    from genpose_ros.tracking import constants
    from genpose_ros.tracking.depth_around import depth_around
    from genpose_ros.tracking.device_depth import look_on_device
    from genpose_ros.tracking.visibility import visibility

    shown, settings, count = cans(10), EstimatorSettings(), 10
    estimates = estimator_on(device).estimate(shown).estimates
    T = np.stack([e.T_cam_obj for e in estimates])
    size_m, free = np.stack([e.size_m for e in estimates]), [True] * count
    surfaces = [(e.points_cam - e.T_cam_obj[:3, 3]) @ e.T_cam_obj[:3, :3] for e in estimates]
    few, image = np.stack(surfaces)[:, : constants.VISIBILITY_POINTS], (shown.depth_m, shown.camera)
    known: dict[str, Any] = {"axisymmetric": free, "pixels": constants.CROP_PIXELS}

    def on_host() -> tuple[Any, list[np.ndarray]]:
        views = visibility(T, few, size_m, *image, axisymmetric=free)
        return views, depth_around(*image, T, surfaces, size_m, settings, **known)

    def on_device() -> tuple[Any, list[np.ndarray]]:
        place = torch.device(device)
        found = look_on_device(*image, T, few, surfaces, size_m, settings, device=place, **known)
        return found.views, found.points_cam

    (views, points), (device_views, device_points) = on_host(), on_device()
    pairs = list(zip(points, device_points, strict=True))
    each = zip(views, device_views, strict=True)
    row: dict[str, Any] = {
        "points": sum(map(len, points)),
        "most_apart": max(abs(len(a) - len(b)) for a, b in pairs),
        "most_seen_apart": max(abs(a.seen - b.seen) for a, b in each),
    }
    for name, run in (("host_ms", on_host), ("device_ms", on_device)):
        walls = []
        for _ in range(repeats):
            start = time.perf_counter()
            run()
            walls.append(1e3 * (time.perf_counter() - start))
        row[name] = round(median(walls), 3)
    return row


def operations(device: str) -> dict[str, Any]:
    """Launches and synchronisations of ten objects' frame, single and tracked by depth alone.

    On a CPU its operations.
    """
    estimator, shown = estimator_on(device), cans(10)
    estimator.estimate(shown)
    step = followed(estimator, shown)
    single, by_depth = (lambda: estimator.estimate(shown)), (lambda: step(False))
    return {"single": launches(device, single), "tracked": launches(device, by_depth)}


def launches(device: str, run: Callable[[], Any]) -> dict[str, int]:
    """Operations of a call, its launches, synchronisations and copies."""
    from torch.profiler import ProfilerActivity, profile

    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device == "cuda")
    with profile(activities=kinds) as profiler:
        run()
    events = profiler.key_averages()

    def count(*texts: str) -> int:
        return int(sum(e.count for e in events if any(text in e.key for text in texts)))

    return {
        "operations": count("aten::"),
        "launches": count("LaunchKernel", "GraphLaunch"),
        "synchronisations": count("Synchronize", "aten::item", "aten::_local_scalar_dense"),
        "copies": count("cudaMemcpyAsync"),
    }


def kernels(device: str) -> dict[str, Any]:
    """Whether the fused kernels answer as the plain operations do, and how long both take.

    On a CPU Triton's interpreter runs them, which says nothing of time.
    """
    from genpose_ros.networks.fused_kernels import fused_kernels
    from genpose_ros.networks.pointnet2 import _farthest_points_on_gpu

    count, size = (64, 512) if device == "cuda" else (8, 64)
    points = torch.randn(10, size, 3, generator=torch.Generator().manual_seed(0)).to(device)
    fused = fused_kernels(points)
    if device != "cuda":
        os.environ["TRITON_INTERPRET"] = "1"
        try:
            fused = importlib.import_module("genpose_ros.networks.triton_kernels")
        except ImportError as error:
            return {"used": False, "why": str(error)}
    if fused is None:
        return {"used": False, "why": "they do not compile here: see the log"}
    order, distances2 = fused.farthest_points(points, count)
    plain_order, plain = _farthest_points_on_gpu(points, count)
    nearest = distances2.gather(-1, fused.nearest_points(distances2, 16))
    smallest = plain.topk(16, dim=-1, largest=False).values
    row: dict[str, Any] = {
        "used": device == "cuda",
        "farthest_the_same": bool((order == plain_order).all() and (distances2 == plain).all()),
        "nearest_the_same": bool((nearest == smallest).all()),
    }
    if device == "cuda":
        row["farthest_ms"] = _milliseconds(lambda: fused.farthest_points(points, count))
        row["plain_farthest_ms"] = _milliseconds(lambda: _farthest_points_on_gpu(points, count))
        row["nearest_ms"] = _milliseconds(lambda: fused.nearest_points(plain, 16))
        row["plain_nearest_ms"] = _milliseconds(lambda: plain.topk(16, dim=-1, largest=False))
    return row


def clouds(device: str, repeats: int) -> dict[str, Any]:
    """Whether clouds made on the device are the host's, and how long both take for ten masks."""
    from genpose_ros.estimation.device_clouds import clouds_on_device
    from genpose_ros.estimation.label_clouds import clouds_of_pixels
    from genpose_ros.estimation.labelled_pixels import LabelledPixels, label_image

    shown, settings, place = cans(10), EstimatorSettings(), torch.device(device)
    known = shown.depth_m, shown.camera, shown.instances
    labels = label_image([instance.mask for instance in shown.instances])
    if labels is None:
        raise ValueError("the masks overlap")

    def on_host() -> list[ObjectCloud | None]:
        return clouds_of_pixels(*known, LabelledPixels.of(labels, 10), settings)

    def on_device() -> list[ObjectCloud | None]:
        return clouds_on_device(*known, labels, settings, place)

    pairs = zip(on_host(), on_device(), strict=True)
    off_m = [
        float(np.abs(one.points_cam - other.points_cam).max())
        for one, other in pairs
        if one is not None and other is not None
    ]
    row: dict[str, Any] = {"clouds": len(off_m), "most_off_mm": 1e3 * max(off_m)}
    for name, make in (("host_ms", on_host), ("device_ms", on_device)):
        walls = []
        for _ in range(repeats):
            start = time.perf_counter()
            make()
            walls.append(1e3 * (time.perf_counter() - start))
        row[name] = round(median(walls), 3)
    return row


def _milliseconds(part: Callable[[], Any], repeats: int = 20) -> float:
    """Mean time of a part on a GPU."""
    part()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        part()
    torch.cuda.synchronize()
    return round(1e3 * (time.perf_counter() - start) / repeats, 4)


def memory() -> dict[str, float]:
    """Peak megabytes of twenty objects, and what a hundred more frames add."""
    torch.cuda.reset_peak_memory_stats()
    estimator, shown = estimator_on("cuda"), cans(20)
    estimator.estimate(shown)
    peak, before = torch.cuda.max_memory_allocated(), torch.cuda.memory_allocated()
    for _ in range(100):
        estimator.estimate(shown)
    growth = torch.cuda.memory_allocated() - before
    return {"peak_mb": round(peak / 1e6, 1), "growth_mb": round(growth / 1e6, 3)}


def made_clouds(device: str, count: int) -> dict[str, float]:
    """Simulated clouds per second."""
    from genpose_ros.synthesis.clouds import TRAINING_SURROUNDINGS, make_clouds

    def make() -> None:
        rng = np.random.default_rng(0)
        make_clouds(count, rng, surroundings=TRAINING_SURROUNDINGS, device=device)

    make()
    start = time.perf_counter()
    make()
    _wait(device)
    return {"at_a_time": count, "per_second": round(count / (time.perf_counter() - start), 1)}


def trained_clouds(device: str, count: int, steps: int) -> dict[str, float]:
    """Clouds per second of training steps of the light model: forward, backward, Adam."""
    generator = torch.Generator().manual_seed(0)
    points = 0.03 * torch.randn(count, 1024, 3, generator=generator) + torch.tensor([0.0, 0.0, 0.8])
    points, model = points.to(device), LightPoseModel().to(device).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    noisy = torch.randn(count, 8, 9, generator=generator).to(device)
    sigma = torch.tensor(0.5, device=device)

    def step() -> None:
        clean = model.denoise(noisy, sigma, model.encode(points))
        optimiser.zero_grad()
        clean.square().mean().backward()
        optimiser.step()

    step()
    _wait(device)
    start = time.perf_counter()
    for _ in range(steps):
        step()
    _wait(device)
    rate = count * steps / (time.perf_counter() - start)
    return {"batch": count, "per_second": round(rate, 1)}


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def check(minutes: float, *, small: bool) -> dict[str, Any]:
    """All that this machine can answer, in its time; `small` asks for the least of everything."""
    budget, device = Budget(minutes), "cuda" if torch.cuda.is_available() else "cpu"
    gpu = device == "cuda"
    repeats = 2 if small else 50 if gpu else 7
    counts = [1] if small else [1, 10, 20]
    report: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if gpu else platform.processor() or "CPU",
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "parity": budget.run("parity", lambda: parity(device)),
        "frames": budget.run("frames", lambda: times(device, counts, repeats)),
        "tracked": budget.run("tracked", lambda: tracked(device, counts, repeats)),
        "looks": budget.run("looks", lambda: looks(device, repeats)),
        "operations": budget.run("operations", lambda: operations(device)),
        "clouds": budget.run("clouds", lambda: clouds(device, repeats)),
        "kernels": budget.run("kernels", lambda: kernels(device)),
        "memory": budget.run("memory", memory) if gpu else None,
    }
    made, batch = (4096, 2048) if gpu else (64, 64)
    if small:
        made = batch = 8
    report["made_clouds"] = budget.run("made clouds", lambda: made_clouds(device, made))
    report["trained_clouds"] = budget.run(
        "trained clouds", lambda: trained_clouds(device, batch, 1 if small else 5)
    )
    report["left_out"] = budget.left_out
    return report


def page(report: dict[str, Any]) -> str:
    """The report as a page of Markdown."""
    lines = [f"# Check of {report['device']}", "", f"torch {report['torch']}, ", ""]
    lines[2] += f"{report['threads']} threads"
    for name, part in report.items():
        if not isinstance(part, dict):
            continue
        lines += [f"## {name.replace('_', ' ')}", ""]
        lines += [f"- {key}: {json.dumps(value)}" for key, value in part.items()]
        lines.append("")
    goals = ", ".join(f"{ms:g} ms with {n} objects" for n, ms in GOALS_MS.items())
    goals += f", {GOAL_TRACKED_MS:g} ms with ten tracked ones"
    rates = f"{GOAL_CLOUDS:,} made and {GOAL_TRAINING_CLOUDS:,} trained clouds per second"
    lines += [
        "## Goals of an H100-class card",
        "",
        f"{goals}; {rates}.",
        f"Poses within {MOST_DEG:g} degrees and {MOST_MM:g} mm.",
        "",
    ]
    if report["left_out"]:
        lines += [f"Left out, for lack of time: {', '.join(report['left_out'])}.", ""]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Check and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the report")
    parser.add_argument("--minutes", type=float, default=3.0, help="no part begins after these")
    parser.add_argument("--small", action="store_true", help="the least of everything: a trial")
    options = parser.parse_args(arguments)
    report = check(options.minutes, small=options.small)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "gpu_check.json").write_text(json.dumps(report, indent=1) + "\n")
    (options.out / "gpu_check.md").write_text(page(report))
    sys.stdout.write(page(report))


if __name__ == "__main__":
    main()

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Speed of this checkout against another one, in turns: a ratio that a busy machine cannot bend.

`.venv/bin/python -m benchmarks.speed_pairs --before CHECKOUT`, where CHECKOUT is another work tree
of this repository (`git worktree add CHECKOUT COMMIT`). Both estimate the same frames, one after
the other, each in a process of its own; figures are medians, ratios are taken pair by pair.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np

_OWN = Path(__file__).resolve().parent.parent
#: Frames that a tracker follows before the clock starts.
_WARM_UP = 6
#: Of the images of depth one in so many has masks, and they are late by as many; nanoseconds
#: between two.
_MASK_EVERY, _FRAME_NS = 6, 33_333_333

Case = tuple[str, int]


def _make_scenes(file: Path, tracked: Sequence[int], frames: int) -> None:
    """Write the table of the demo and, where asked for, the crowd: plain arrays and JSON."""
    from genpose_ros.synthesis.scenes import table_scene
    from genpose_ros.synthesis.sequences import Segmenter, tracking_sequence

    scene = table_scene(0)
    categories = {item.instance_id: item.category for item in scene.objects}
    depths_mm, labels = [scene.depth_mm], [scene.label]
    told: list[Any] = [[categories, 0, None]]
    if tracked:
        segmenter = Segmenter(0, 0, persistent_ids=True)
        for item in tracking_sequence("crowd", 0, frames=frames + _WARM_UP, segmenter=segmenter):
            label = np.zeros(item.frame.depth_m.shape, dtype=np.uint8)
            for instance in item.frame.instances:
                label[instance.mask] = instance.id
            depths_mm.append(np.rint(1000 * item.frame.depth_m).astype(np.uint16))
            labels.append(label)
            named = {i.id: i.category for i in item.frame.instances}
            told.append([named, item.frame.stamp_ns, item.T_fixed_cam.tolist()])
    numbers = [getattr(scene.camera, n) for n in ("fx", "fy", "cx", "cy", "width", "height")]
    about = json.dumps({"camera": numbers, "frames": told})
    np.savez(file, depths_mm=np.stack(depths_mm), labels=np.stack(labels), about=np.array(about))


@dataclass(frozen=True)
class _Shown:
    """One image of the scenes: depth, labels, categories by label, stamp and camera pose."""

    depth_mm: np.ndarray
    label: np.ndarray
    categories: dict[int, str]
    stamp_ns: int
    T_fixed_cam: np.ndarray | None


def _read_scenes(file: Path) -> tuple[list[float], list[_Shown]]:
    """The numbers of the camera, and the images: the table, and then the crowd's."""
    with np.load(file) as arrays:
        about = json.loads(str(arrays["about"]))
        images = zip(arrays["depths_mm"], arrays["labels"], about["frames"], strict=True)
        shown = [
            _Shown(
                depth_mm,
                label,
                {int(number): name for number, name in categories.items()},
                stamp_ns,
                None if T is None else np.array(T),
            )
            for depth_mm, label, (categories, stamp_ns, T) in images
        ]
    return about["camera"], shown


class _Served:
    """Estimator of one checkout, which estimates what it is told to and says how long that took."""

    def __init__(self, scenes: Path, settings: dict[str, Any], threads: int) -> None:
        import torch

        from genpose_ros.estimation import EstimatorSettings, PoseEstimator, stage_timer

        torch.set_num_threads(threads)
        # Stages in processor time too: what else computes bends it less.
        vars(stage_timer)["time"] = SimpleNamespace(perf_counter=time.process_time)
        self.camera_numbers, self.shown = _read_scenes(scenes)
        self.estimator = PoseEstimator.from_settings(EstimatorSettings(**settings))
        self.trackers: dict[tuple[str, int], tuple[Any, int]] = {}

    def frame(self, shown: _Shown, labels: Sequence[int]) -> Any:
        """A frame with objects of some labels, under new ids."""
        from genpose_ros.estimation import Frame, Instance
        from genpose_ros.geometry import PinholeCamera

        instances = [
            Instance(i + 1, shown.categories[k], shown.label == k) for i, k in enumerate(labels)
        ]
        fx, fy, cx, cy, width, height = self.camera_numbers
        camera = PinholeCamera(fx, fy, cx, cy, int(width), int(height))
        depth_m = shown.depth_mm.astype(np.float32) / 1000
        return Frame(depth_m, camera, tuple(instances), shown.stamp_ns)

    def run(self, kind: str, n: int) -> dict[str, Any]:
        """Milliseconds and poses of one frame; of the table its objects in turn."""
        if kind == "frame":
            own = list(self.shown[0].categories)
            frame = self.frame(self.shown[0], [own[i % len(own)] for i in range(n)])
            return _timed(lambda: self.estimator.estimate(frame).estimates)
        if kind == "clouds":
            shown = self.shown[-1]
            frame = self.frame(shown, list(shown.categories)[:n])
            return _timed(lambda: self.estimator.object_clouds(frame) and ())
        return self._delayed(n) if kind == "delayed" else self._tracked(kind, n)

    def _delayed(self, n: int) -> dict[str, Any]:
        """Of six images as the node has them, each by depth alone; masks of one come 0.2 s late.

        The images come again and again, forth and back, under stamps that go on.
        """
        if ("delayed", n) not in self.trackers:
            from genpose_ros.tracking.tracker import Tracker

            self.trackers["delayed", n] = Tracker(self.estimator), 0
            for _ in range(_WARM_UP):
                self._delayed(n)
        (tracker, first), crowd = self.trackers["delayed", n], self.shown[1:]
        there_and_back = [*crowd, *crowd[-2:0:-1]]
        stages: dict[str, float] = {}
        tracks: list[Any] = []

        def six_images() -> Sequence[Any]:
            for number in range(first, first + _MASK_EVERY):
                late = [number - _MASK_EVERY] if number == first > 0 else []
                for at in (number, *late):
                    shown, stamp_ns = there_and_back[at % len(there_and_back)], (at + 1) * _FRAME_NS
                    frame = self.frame(shown, list(shown.categories)[:n])
                    if at == number:
                        depth = frame.depth_m, frame.camera
                        result = tracker.track_depth(*depth, stamp_ns, shown.T_fixed_cam)
                        tracks[:] = result.tracks
                    else:
                        result = tracker.track(frame, stamp_ns, shown.T_fixed_cam)
                    for name, ms in result.timings_ms.items():
                        stages[name] = stages.get(name, 0.0) + ms / _MASK_EVERY
            return [track.estimate for track in tracks]

        self.trackers["delayed", n] = tracker, first + _MASK_EVERY
        row = _timed(six_images)
        per_image = {f"{name}_ms": row[f"{name}_ms"] / _MASK_EVERY for name in ("wall", "cpu")}
        return {**row, **per_image, "stages": stages}

    def _tracked(self, kind: str, n: int) -> dict[str, Any]:
        """The next image of the crowd; of the kind `unmasked` every sixth one has masks."""
        if (kind, n) not in self.trackers:
            from genpose_ros.tracking.tracker import Tracker

            self.trackers[kind, n] = Tracker(self.estimator), 1
            for _ in range(_WARM_UP):
                self._tracked(kind, n)
        tracker, number = self.trackers[kind, n]
        shown = self.shown[number]
        self.trackers[kind, n] = tracker, number + 1
        told = shown.stamp_ns, shown.T_fixed_cam
        frame = self.frame(shown, list(shown.categories)[:n])
        if kind == "tracked" or number % 6 == 1:
            return _timed(lambda: [t.estimate for t in tracker.track(frame, *told).tracks])
        depth = frame.depth_m, frame.camera
        return _timed(lambda: [t.estimate for t in tracker.track_depth(*depth, *told).tracks])


def _timed(estimate: Callable[[], Any]) -> dict[str, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    estimates = estimate()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    poses = [e.T_cam_obj.tolist() for e in estimates]
    return {"wall_ms": 1e3 * wall, "cpu_ms": 1e3 * cpu, "poses": poses}


def _serve(scenes: Path, settings: dict[str, Any], threads: int) -> None:
    served = _Served(scenes, settings, threads)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(served.run(*json.loads(line))) + "\n")
        sys.stdout.flush()


class _Checkout:
    """Process that estimates with the code of one checkout."""

    def __init__(self, folder: Path, scenes: Path, settings: str, threads: int) -> None:
        environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": str(threads)}
        options = ["--serve", str(scenes), "--threads", str(threads), "--settings", settings]
        self._process = subprocess.Popen(  # noqa: S603 - this program once more
            [sys.executable, str(Path(__file__).resolve()), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment,
        )

    def run(self, case: Case) -> dict[str, Any]:
        """One frame of a case."""
        print(json.dumps(case), file=self._process.stdin, flush=True)
        line = next(iter(self._process.stdout or ()), "")
        if not line:
            raise SystemExit("a checkout's process ended: see above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def compare(before: _Checkout, after: _Checkout, case: Case, rounds: int) -> dict[str, float]:
    """Medians of both, and of the ratios of pairs; each goes first every second time."""
    pairs = []
    for number in range(rounds + 1):
        first, second = (before, after) if number % 2 else (after, before)
        one, other = first.run(case), second.run(case)
        if number:  # the first pair warms up
            pairs.append((one, other) if number % 2 else (other, one))
    row: dict[str, float] = {}
    for key in ("wall_ms", "cpu_ms"):
        row[f"before_{key}"] = round(median(b[key] for b, _ in pairs), 2)
        row[f"after_{key}"] = round(median(a[key] for _, a in pairs), 2)
        row[f"{key[:-3]}_ratio"] = round(median(a[key] / b[key] for b, a in pairs), 3)
    apart = [_apart(b["poses"], a["poses"]) for b, a in pairs]
    for name in pairs[0][1].get("stages", {}):
        each = [[side["stages"].get(name, 0.0) for side in pair] for pair in pairs]
        for side, values in zip(("before", "after"), zip(*each, strict=True), strict=True):
            row[f"{side}_{name}_ms"] = round(median(values), 2)
    row["most_apart_mm"] = round(max(mm for mm, _ in apart), 3)
    row["most_apart_deg"] = round(max(deg for _, deg in apart), 3)
    return row


def _apart(before: Sequence[Any], after: Sequence[Any]) -> tuple[float, float]:
    """The largest distance in millimetres and angle in degrees between the poses of one frame."""
    if len(before) != len(after):
        return float("inf"), float("inf")
    a, b = np.array(before).reshape(-1, 4, 4), np.array(after).reshape(-1, 4, 4)
    if not len(a):
        return 0.0, 0.0
    millimetres = 1e3 * np.linalg.norm(a[:, :3, 3] - b[:, :3, 3], axis=1)
    chord = np.linalg.norm(a[:, :3, :3] - b[:, :3, :3], axis=(1, 2)) / np.sqrt(8)
    return float(millimetres.max()), float(np.degrees(2 * np.arcsin(np.minimum(chord, 1))).max())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="another checkout")
    parser.add_argument("--after", type=Path, default=_OWN, help="default: this one")
    parser.add_argument("--objects", type=int, nargs="*", default=[1, 6, 20], help="single frames")
    parser.add_argument("--tracked", type=int, nargs="*", default=[1, 10], help="tracked objects")
    parser.add_argument(
        "--unmasked", type=int, nargs="*", default=[10], help="tracked, every sixth with masks"
    )
    parser.add_argument(
        "--delayed", type=int, nargs="*", default=[10], help="tracked, masks of a sixth 0.2 s late"
    )
    parser.add_argument("--clouds", type=int, nargs="*", default=[10], help="masks made clouds")
    parser.add_argument("--threads", type=int, default=1, help="of both")
    parser.add_argument("--rounds", type=int, default=15, help="pairs per case")
    parser.add_argument("--settings", default="{}", help="of the estimator, as JSON")
    parser.add_argument("--scenes", type=Path, help="file to keep the frames in, made once")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    settings = {"device": "cpu", **json.loads(options.settings)}
    if options.serve is not None:
        _serve(options.serve, settings, options.threads)
        return
    if options.before is None:
        parser.error("--before CHECKOUT: what to compare with")
    kinds = {
        "frame": options.objects,
        "tracked": options.tracked,
        "unmasked": options.unmasked,
        "delayed": options.delayed,
        "clouds": options.clouds,
    }
    cases = [(kind, n) for kind, counts in kinds.items() for n in counts]
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        scenes = (options.scenes or Path(folder) / "scenes.npz").resolve()
        if not scenes.is_file():
            _make_scenes(scenes, [n for kind in kinds for n in kinds[kind]], options.rounds + 1)
        before, after = (
            _Checkout(checkout.resolve(), scenes, json.dumps(settings), options.threads)
            for checkout in (options.before, options.after)
        )
        for kind, n in cases:
            rows[f"{kind} {n}"] = compare(before, after, (kind, n), options.rounds)
            sys.stdout.write(f"{kind} {n}: {json.dumps(rows[f'{kind} {n}'])}\n")
            sys.stdout.flush()
        before.close()
        after.close()
    if options.json is not None:
        options.json.write_text(json.dumps({"threads": options.threads, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Cost of training clouds, stage by stage, and of ray casting in their place.

`.venv/bin/python -m benchmarks.clouds` makes clouds as `genpose synthesize` does, on one thread,
and measures processor time, which other work on the machine changes little. Results go to
docs/results/clouds.json and into the table of docs/data.md. With `--device cuda` the stages on the
GPU are measured by the clock.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save

from genpose_ros.evaluation.markdown import rewrite_tables
from genpose_ros.evaluation.provenance import write_results
from genpose_ros.networks.devices import torch_device
from genpose_ros.synthesis import (
    NOCS_LIBRARY,
    TRAINING_SURROUNDINGS,
    ShapeLibrary,
    Surroundings,
    load_meshes,
    sample_views,
)
from genpose_ros.synthesis.clouds import crops_around, draw_in_air, render_views, sense_views
from genpose_ros.synthesis.domains import WIDE
from genpose_ros.synthesis.render import cast
from genpose_ros.synthesis.shards import CHUNK, CHUNK_GPU

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "clouds.json"
PAGE = ROOT / "docs" / "data.md"

STAGES = ("shapes", "placing", "rendering", "sensor, mask and sampling", "packing")


class Clock:
    """Milliseconds per stage: processor time of this process; on CUDA the time that passed."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.spent_ms = dict.fromkeys(STAGES, 0.0)
        self._last = self._now()

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            return 1000 * time.perf_counter()
        return 1000 * time.process_time()

    def stop(self, stage: str | None = None) -> float:
        """Book what has passed since the last stop on a stage, and return it."""
        now = self._now()
        passed, self._last = now - self._last, now
        if stage is not None:
            self.spent_ms[stage] += passed
        return passed


def one_batch(n: int, rng: np.random.Generator, library: ShapeLibrary, clock: Clock) -> None:
    """Make n clouds, and pack them for the disk."""
    clock.stop()
    shapes = library.draw(n, rng, vessels=WIDE.vessels)
    clock.stop("shapes")
    views, size_m = sample_views(n, rng, domain=WIDE), shapes.size_m
    objects = shapes.placed(views.rotation, views.translation)
    crops = crops_around(objects, clock.device)
    clock.stop("placing")
    images = render_views(
        objects, size_m, views, draw_in_air(views, rng), crops, TRAINING_SURROUNDINGS, rng
    )
    clock.stop("rendering")
    clouds, _ = sense_views(images, size_m, views, crops, TRAINING_SURROUNDINGS, WIDE, 1024, rng)
    clock.stop("sensor, mask and sampling")
    save({"points": clouds.cpu().numpy().astype(np.float16)})
    clock.stop("packing")


def rendering_alone_ms(n: int, rng: np.random.Generator, clock: Clock) -> tuple[float, float]:
    """Milliseconds per crop of the z-buffer and of ray casting, objects and tables only."""
    shapes, views = NOCS_LIBRARY.draw(n, rng), sample_views(n, rng)
    objects = shapes.placed(views.rotation, views.translation)
    crops = crops_around(objects, torch.device("cpu"))
    for _ in range(2):
        clock.stop()
        render_views(
            objects,
            shapes.size_m,
            views,
            draw_in_air(views, rng),
            crops,
            Surroundings(0, 0, 0),
            rng,
        )
        ours = clock.stop()
    x, y = crops.tangents()
    clock.stop()
    for rows, meshes in objects.groups:
        for row, vertices in zip(rows, meshes.vertices, strict=True):
            rays = np.stack(np.broadcast_arrays(x[row].numpy(), y[row].numpy(), 1.0), -1)
            cast([(vertices, meshes.faces)], rays, np.zeros(3), threads=1)
    return ours / n, clock.stop() / n


def table(content: dict[str, Any]) -> str:
    """The stages as a Markdown table."""
    lines = ["| stage | ms per cloud |", "|---|---|"]
    lines += [f"| {stage} | {ms:.2f} |" for stage, ms in content["stages_ms"].items()]
    lines.append(f"| **together** | **{content['total_ms']:.2f}** |")
    lines.append(f"| clouds/s of one core | {1000 / content['total_ms']:.0f} |")
    alone = content["rendering_alone_ms"]
    if alone is not None:
        lines.append(f"| object and table alone, z-buffer | {alone['z_buffer']:.2f} |")
        lines.append(f"| object alone, ray casting (Embree) | {alone['ray_casting']:.2f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--meshes", type=Path, help="folder of meshes, mixed in for a quarter")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        device = torch_device(options.device)
        meshes = () if options.meshes is None else load_meshes(options.meshes, "train")
        library = ShapeLibrary(meshes=meshes)
    except ValueError as error:
        parser.error(str(error))
    rng = np.random.default_rng(options.seed)
    size = CHUNK if device.type == "cpu" else CHUNK_GPU
    one_batch(size, rng, library, Clock(device))  # what is done once
    clock = Clock(device)
    for _ in range(options.batches):
        one_batch(size, rng, library, clock)
    per_cloud = {k: round(v / size / options.batches, 4) for k, v in clock.spent_ms.items()}
    alone = None
    if device.type == "cpu":
        ours, theirs = rendering_alone_ms(CHUNK, rng, clock)
        alone = {"z_buffer": round(ours, 4), "ray_casting": round(theirs, 4)}
    content = {
        "device": str(device),
        "stages_ms": per_cloud,
        "total_ms": round(sum(per_cloud.values()), 4),
        "rendering_alone_ms": alone,
    }
    text = table(content)
    if device.type == "cpu":
        write_results(RESULTS, content, seed=options.seed)
        rewrite_tables(PAGE, {"speed": text}.get)
    print(text)  # noqa: T201 - what a command answers


if __name__ == "__main__":
    main()

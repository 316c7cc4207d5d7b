# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Measure what the view costs in a browser with software rendering, a frame with 18,000 points.

`python -m benchmarks.view --json docs/results/view.json` needs Chromium and the extra `view`. Ten
frames a second are sent; those are counted that came to be seen, and what processors spent on them,
which other programs on the machine change less than what is seen.
"""

import argparse
import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.cli.console import OUT, write_json
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry import NOCS, PinholeCamera
from genpose_ros.view.chromium import Chromium
from genpose_ros.view.content import CameraImage, Cloud, ViewedFrame, viewed_object
from genpose_ros.view.page import Page
from genpose_ros.view.shot import opened

POINTS, OBJECTS, CANDIDATES, RATE_HZ = 18_000, 5, 50, 10.0
WINDOW_PX, WARM_UP_S = (1280, 800), 12.0
#: What a browser's processes are there for.
_PARTS = {"gpu-process": "drawing", "renderer": "page"}
#: Width and height of the scene's canvas.
CANVAS = """(() => { const all = [...document.querySelectorAll('canvas')];
  const canvas = all.reduce((a, b) => a.width > b.width ? a : b);
  return [canvas.width, canvas.height]; })()"""
#: Counts how often a cloud is drawn, and which frames of the view, of which the page has a number.
COUNTERS = r"""(() => {
  window.counted = { clouds: 0, seen: new Set() };
  const draw = WebGL2RenderingContext.prototype.drawArrays;
  WebGL2RenderingContext.prototype.drawArrays = function (mode, first, count) {
    if (mode === this.POINTS && count > 2) {
      const told = document.body.textContent.match(/frame (\d+)!/);
      counted.clouds += 1;
      if (told) counted.seen.add(told[1]);
    }
    return draw.call(this, mode, first, count);
  };
  return true;
})()"""


def table(rng: np.random.Generator) -> ViewedFrame:
    """A table with objects, as large as a camera's frame."""
    camera = PinholeCamera(615.0, 615.0, 320.0, 240.0, 640, 480)
    uv = rng.uniform((0, 0), (640, 480), (POINTS, 2))
    z = 0.9 + 0.1 * rng.random(POINTS)
    xy = (uv - (320, 240)) / 615 * z[:, None]
    cloud = Cloud(
        np.column_stack((xy, z)).astype(np.float32),
        rng.integers(0, 255, (POINTS, 3)).astype(np.uint8),
    )
    names = ("mug", "bowl", "can", "bottle", "laptop")
    objects = tuple(viewed_object(estimate(rng, n), f"{n}_1", NOCS, np.eye(4)) for n in names)
    picture = CameraImage(rng.integers(0, 255, (480, 640, 3)).astype(np.uint8), camera, np.eye(4))
    up = UpDirection(np.array([0.0, -0.8, -0.6]), 0.01, -0.5, "plane")
    return ViewedFrame("", "camera", 0, objects, cloud, picture, up)


def estimate(rng: np.random.Generator, category: str) -> ObjectEstimate:
    """An object somewhere on the table, with its candidates about it."""
    T = np.eye(4)
    T[:3, 3] = rng.uniform((-0.3, -0.2, 0.7), (0.3, 0.2, 0.9))
    candidates = np.stack([T] * CANDIDATES)
    candidates[:, :3, 3] += 0.005 * rng.standard_normal((CANDIDATES, 3))
    return ObjectEstimate(
        instance_id=1,
        category=category,
        T_cam_obj=T,
        covariance=np.eye(6) * 1e-5,
        score=0.9,
        score_axis=0.9,
        energy_rotation=None,
        energy_translation=None,
        size_m=np.array([0.08, 0.1, 0.08]),
        n_points=900,
        mode_shares=(1.0,),
        T_cam_candidates=candidates,
        points_cam=np.zeros((8, 3), np.float32),
    )


def processor_seconds() -> dict[str, float]:
    """Seconds of processors that the browser has used, by what its processes are there for."""
    ticks, parents, used = os.sysconf("SC_CLK_TCK"), {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
            kind = re.search(r"--type=([\w-]+)", (folder / "cmdline").read_text(errors="replace"))
        except OSError:  # it has ended
            continue
        parents[int(folder.name)] = int(words[1])
        seconds = (int(words[11]) + int(words[12])) / ticks
        used[int(folder.name)] = (_PARTS.get(kind[1] if kind else "", "other"), seconds)
    family, own = dict.fromkeys((*_PARTS.values(), "other"), 0.0), os.getpid()
    for process, (part, seconds) in used.items():
        above = parents.get(process, 0)
        while above not in (0, own):
            above = parents.get(above, 0)
        family[part] += seconds if above == own else 0.0
    return family


def send(page: Page, frame: ViewedFrame, frames: int) -> None:
    """Show frames ten times a second, whatever is drawn of them."""
    began_s = time.monotonic()
    for number in range(frames):
        page.show(replace(frame, name=f"frame {number}!", cloud=moved(frame.cloud, number)))
        time.sleep(max(0.0, began_s + (number + 1) / RATE_HZ - time.monotonic()))


def measured(browser: Chromium, page: Page, frame: ViewedFrame, frames: int) -> dict[str, Any]:
    """Send frames and tell how many were seen, and what that took.

    viser lowers the resolution by up to a quarter where drawing is slow, after some seconds of it:
    these are not measured.
    """
    send(page, frame, int(WARM_UP_S * RATE_HZ))
    browser.evaluate("counted.clouds = 0, counted.seen.clear()")
    began_s, before_s, own_s = time.monotonic(), processor_seconds(), time.process_time()
    send(page, frame, frames)
    took_s, after_s = time.monotonic() - began_s, processor_seconds()
    used_s = {part: after_s[part] - before_s[part] for part in after_s}
    in_browser_s = sum(used_s.values())
    used_s["server"] = time.process_time() - own_s
    seen, clouds = browser.evaluate("[counted.seen.size, counted.clouds]")
    return {
        "canvas_px": list(browser.evaluate(CANVAS)),
        "sent_per_s": frames / took_s,
        "seen_per_s": seen / took_s,
        "drawn_per_s": clouds / took_s,
        "processors": {part: used / took_s for part, used in used_s.items()},
        # The server's cost does not depend on what is seen.
        "processors_for_10_hz": used_s["server"] / took_s + RATE_HZ * in_browser_s / max(seen, 1),
    }


def moved(cloud: Cloud, number: int) -> Cloud:
    """The cloud a little farther on, so that every frame is another one."""
    return replace(cloud, points=cloud.points + np.float32(0.001 * (number % 10)))


def main() -> None:
    """Measure, print and, where asked to, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    frame = table(np.random.default_rng(0))
    results = {}
    for name, smooth in (("as served", False), ("smooth edges", True)):
        page = Page("view", port=8890)
        try:
            page.show(frame)
            with opened(page, WINDOW_PX, smooth=smooth) as browser:
                browser.evaluate(COUNTERS)
                results[name] = measured(browser, page, frame, options.frames)
                page.switch("candidates", True)
                page.switch("covariances", True)
                more = f"{name}, candidates and covariances too"
                results[more] = measured(browser, page, frame, options.frames)
        finally:
            page.close()
    content = {
        "points": POINTS,
        "objects": OBJECTS,
        "candidates": CANDIDATES,
        "window_px": list(WINDOW_PX),
        "renderer": "SwiftShader",
        "cores": os.cpu_count(),
        "load_average_1_min": os.getloadavg()[0],
        "results": results,
    }
    for name, values in results.items():
        OUT.print(name, values)
    if options.json is not None:
        write_json(options.json, content)


if __name__ == "__main__":
    main()

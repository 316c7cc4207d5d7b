# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The whole node under as many images as it can take, and the memory that it grows by.

A closed form stands for the network; all else is the node's own: callbacks, matching, the worker's
thread, the estimator or the tracker, messages, TF, timers and diagnostics. Images come by the
callbacks instead of DDS, the next one when the one before is settled. Prints JSON.

    python soaked_node.py MODE IMAGES SEED
"""

import gc
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import torch
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from std_msgs.msg import Header
from toy_models import CAMERA, MixtureModel, make_frame, make_model

from genpose_ros.datasets.frame_folders import RecordedFrame, RecordedInstance
from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.ros.demo.camera_messages import FrameMessages, frame_messages
from genpose_ros.ros.estimator_node import EstimatorNode

#: Of the network and all that follows it as little as there can be.
_SETTINGS = {
    "sampling.candidates": 2, "sampling.steps": 1, "sampling.tta_views": 1, "depth.points": 64,
    "tracking.candidates": 2, "tracking.steps": 1, "tracking.tta_views": 1, "size_factor": 0.0,
    "up_source": "none", "log_period_s": 3600.0,
}  # fmt: skip
#: Samples of the memory in all; the first ones are the warm-up.
_SAMPLES, _WARM_UP = 50, 20
_PERIOD_NS = 33_000_000
_IDLE_S = 0.0002


def messages(rng: random.Random) -> list[FrameMessages]:
    """Images of one to three objects here and there."""
    made = []
    for _ in range(8):
        count = rng.randrange(1, 4)
        places = [("can", 20 + 70 * i, rng.randrange(20, 270), 0.8) for i in range(count)]
        frame = make_frame(*places, size=24)
        instances = tuple(RecordedInstance(i.id, i.category, i.mask) for i in frame.instances)
        recorded = RecordedFrame("soak", frame.depth_m, CAMERA, instances)
        made.append(frame_messages(recorded, Header(frame_id="camera"), with_color=False))
    return made


def resident_mb() -> float:
    """What the process holds, without what only waits for the garbage collector."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


class Soak:
    """A node, and images for it."""

    def __init__(self, mode: str, seed: int) -> None:
        rclpy.init()
        self._model: MixtureModel = make_model(size_m=torch.tensor([0.07, 0.12, 0.07]))
        values = {"mode": mode, **_SETTINGS}
        self.node = EstimatorNode(
            make_estimator=lambda settings: PoseEstimator(self._model, settings),
            parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
        )
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._rng = random.Random(seed)
        self._shown = messages(self._rng)
        self._stamp_ns = 10**18

    def show(self, index: int) -> None:
        """Let an image come, in mode track every third one with masks, and wait for its end."""
        inputs: Any = self.node._intake.inputs
        self._stamp_ns += _PERIOD_NS
        header = Header(frame_id="camera")
        header.stamp.sec, header.stamp.nanosec = divmod(self._stamp_ns, 10**9)
        shown = self._rng.choice(self._shown).stamped(header)
        inputs._on_camera_info(shown.camera_info)
        inputs._on_depth(shown.depth)
        if self.node._tracking is None or index % 3 == 0:
            inputs._on_detections(shown.detections)
            inputs._on_masks(shown.label)
        self._executor.spin_once(timeout_sec=0.0)
        while self.node.account.waiting:
            time.sleep(_IDLE_S)
            self._executor.spin_once(timeout_sec=0.0)
        self._model.batch_sizes.clear()

    def run(self, images: int) -> list[float]:
        """Show so many images; returns the memory from time to time, MB."""
        samples = []
        for index in range(images):
            self.show(index)
            if (index + 1) % (images // _SAMPLES) == 0:
                samples.append(resident_mb())
        return samples


def main() -> None:
    """Run, and print what came of it."""
    mode, images, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    soak = Soak(mode, seed)
    start_s = time.process_time()
    samples = soak.run(images)
    steady = np.array(samples[_WARM_UP:])
    slope = float(np.polyfit(np.arange(len(steady)), steady, 1)[0])
    result = {
        "images": images,
        "growth_mb": round(slope * len(steady), 3),
        "resident_mb": [round(samples[i], 1) for i in (0, _WARM_UP, -1)],
        "account": soak.node.account.counts(),
        "rejections": {r.value: n for r, n in soak.node.rejections.counts.items()},
        "ms": round(1e3 * (time.process_time() - start_s) / images, 2),
    }
    soak.node.destroy_node()
    rclpy.shutdown()
    print(json.dumps(result))


if __name__ == "__main__":
    main()

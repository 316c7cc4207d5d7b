# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The whole node under as many images as it can take, and the memory that it grows by.

A closed form stands for the network; all else is the node's own: callbacks, matching, the worker's
thread, the estimator or the tracker, messages, TF, timers and diagnostics. What it publishes goes
over DDS to a listener; images come by the callbacks instead, the next one when the one before is
settled. Prints JSON, and meanwhile the memory so far on standard error. Ctrl-C ends the run early:
what is printed then is of the images until there.

    python soaked_node.py {estimate,track,tracker} IMAGES SEED [--leak-bytes BYTES]

`tracker` is the tracker alone, without ROS.
"""

import argparse
import gc
import json
import random
import signal
import sys
import time
from dataclasses import asdict
from typing import Any

import rclpy
import torch
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseArray
from memory_probe import Memory, growth, memory
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from toy_models import CAMERA, MixtureModel, make_frame, make_model
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import MarkerArray

from genpose_ros.datasets.frame_folders import RecordedFrame, RecordedInstance
from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.frame import Frame
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.demo.camera_messages import FrameMessages, frame_messages
from genpose_ros.ros.estimator_node import EstimatorNode
from genpose_ros.tracking.settings import TrackerSettings
from genpose_ros.tracking.tracker import Tracker

#: Of the network and all that follows it as little as there can be.
_ESTIMATOR: dict[str, Any] = {"steps": 1, "candidates": 2, "tta_views": 1}
_TRACKER: dict[str, Any] = {"steps": 1, "candidates": 2, "tta_views": 1}
_COMMON: dict[str, Any] = {"size_factor": 0.0, "up_source": "none"}
_POINTS = 64
#: Images of the warm-up, as a part of all and at most; samples of the memory after it, at least,
#: and images between two of them, at most; images of a run that leaks, at most.
_WARM_UP, _LONGEST_WARM_UP = 0.4, 10_000
_SAMPLES, _BETWEEN = 30, 1000
_LONGEST_LEAK = 5000
_PERIOD_NS = 33_000_000
_IDLE_S = 0.0002
#: Callbacks that run for each image.
_TAKEN = 4


def frames(rng: random.Random) -> list[Frame]:
    """Frames of one to three objects here and there."""
    made = []
    for _ in range(8):
        count = rng.randrange(1, 4)
        places = [("can", 20 + 70 * i, rng.randrange(20, 270), 0.8) for i in range(count)]
        made.append(make_frame(*places, size=24))
    return made


def messages(frame: Frame) -> FrameMessages:
    """A frame as its camera and segmenter send it."""
    instances = tuple(RecordedInstance(i.id, i.category, i.mask) for i in frame.instances)
    recorded = RecordedFrame("soak", frame.depth_m, CAMERA, instances)
    return frame_messages(recorded, Header(frame_id="camera"), with_color=False)


class Soak:
    """Something that is shown one image after the other, each third one with masks to track.

    Attributes:
        leak_bytes: kept of each image for good, to see whether it would be noticed.
        stopped: no more images are to be shown.

    Args:
        seed: of the images and their order.
    """

    def __init__(self, seed: int) -> None:
        self.leak_bytes = 0
        self.stopped = False
        self._leaked: list[bytearray] = []
        self._model: MixtureModel = make_model(size_m=torch.tensor([0.07, 0.12, 0.07]))
        self._rng = random.Random(seed)
        self._frames = frames(self._rng)
        self._stamp_ns = 10**18

    def show(self, index: int) -> None:
        """Let an image come, and wait for its end."""
        raise NotImplementedError

    def report(self) -> dict[str, Any]:
        """What became of the images."""
        return {}

    def close(self) -> None:
        """End what was begun."""

    def run(self, images: int, samples: int) -> tuple[list[int], list[Memory]]:
        """Show so many images; returns after how many the memory was what, from time to time."""
        counts, taken = [], []
        for index in range(images):
            self._stamp_ns += _PERIOD_NS
            self.show(index)
            self._model.batch_sizes.clear()
            if self.leak_bytes:
                self._leaked.append(bytearray(self.leak_bytes))
            if (index + 1) * samples // images > index * samples // images:
                counts.append(index + 1)
                taken.append(memory())
                print(index + 1, json.dumps(_rounded(taken[-1])), file=sys.stderr, flush=True)
                if self.stopped:
                    break
        return counts, taken


class SoakedTracker(Soak):
    """The tracker without ROS, in the thread that it is shown from."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        settings = EstimatorSettings(**_ESTIMATOR, **_COMMON, points=_POINTS)
        estimator = PoseEstimator(self._model, settings)
        self.tracker = Tracker(estimator, TrackerSettings(**_TRACKER))

    def show(self, index: int) -> None:
        frame = self._rng.choice(self._frames)
        if index % 3 == 0:
            self.tracker.track(frame, self._stamp_ns)
        else:  # each image is another one, as a camera's are
            self.tracker.track_depth(frame.depth_m.copy(), frame.camera, self._stamp_ns)

    def report(self) -> dict[str, Any]:
        return {"tracks": len(self.tracker.tracks)}


class SoakedNode(Soak):
    """The node in mode estimate or track."""

    def __init__(self, mode: str, seed: int) -> None:
        super().__init__(seed)
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self.heard = 0
        values = {"mode": mode, **_COMMON, "log_period_s": 3600.0, "depth.points": _POINTS}
        values |= {f"sampling.{name}": value for name, value in _ESTIMATOR.items()}
        values |= {f"tracking.{name}": value for name, value in _TRACKER.items()}
        self.node = EstimatorNode(
            make_estimator=lambda settings: PoseEstimator(self._model, settings),
            parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
        )
        self._executor = SingleThreadedExecutor()
        for node in (self.node, self._listener()):
            self._executor.add_node(node)
        self._shown = [messages(frame) for frame in self._frames]

    def _listener(self) -> Node:
        """A node that hears all that is published, so that it is made and sent."""
        listener = rclpy.create_node("listener")
        kinds = {
            **dict.fromkeys(("poses", "candidates"), PoseArray), "detections": Detection3DArray,
            "objects": ObjectPoseArray, "markers": MarkerArray, "points": PointCloud2,
        }  # fmt: skip
        topics = {f"/genpose/{name}": kind for name, kind in kinds.items()}
        topics |= {"/tf": TFMessage, "/diagnostics": DiagnosticArray}
        for topic, kind in topics.items():
            listener.create_subscription(kind, topic, self._hear, 1, raw=True)
        return listener

    def _hear(self, message: bytes) -> None:
        self.heard += 1

    def show(self, index: int) -> None:
        assert self.node._intake is not None
        inputs: Any = self.node._intake.inputs
        header = Header(frame_id="camera")
        header.stamp.sec, header.stamp.nanosec = divmod(self._stamp_ns, 10**9)
        shown = self._rng.choice(self._shown).stamped(header)
        inputs._on_camera_info(shown.camera_info)
        inputs._on_depth(shown.depth)
        if self.node._tracking is None or index % 3 == 0:
            inputs._on_detections(shown.detections)
            inputs._on_masks(shown.label)
        for _ in range(_TAKEN):
            self._executor.spin_once(timeout_sec=0.0)
        while self.node.account.waiting:
            time.sleep(_IDLE_S)
            self._executor.spin_once(timeout_sec=0.0)

    def report(self) -> dict[str, Any]:
        return {
            "account": self.node.account.counts(),
            "messages heard": self.heard,
            "rejections": {r.value: n for r, n in self.node.rejections.counts.items()},
        }

    def close(self) -> None:
        self.node.destroy_node()
        rclpy.shutdown()


def main() -> None:
    """Run, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("tracker", "estimate", "track"))
    parser.add_argument("images", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("--leak-bytes", type=int, default=0, help="kept of each of a second run")
    options = parser.parse_args()
    torch.set_num_threads(1)
    soak: Soak
    if options.what == "tracker":
        soak = SoakedTracker(options.seed)
    else:
        soak = SoakedNode(options.what, options.seed)
    signal.signal(signal.SIGINT, lambda *_: setattr(soak, "stopped", True))
    result = measured(soak, options.images, options.leak_bytes)
    soak.close()
    print(json.dumps(result))


def measured(soak: Soak, images: int, leak_bytes: int) -> dict[str, Any]:
    """Show so many images; with a leak, half as many more, of each of which something is kept."""
    start_s = time.process_time()
    warm_up = min(int(_WARM_UP * images), _LONGEST_WARM_UP)
    soak.run(warm_up, 1)
    gc.freeze()  # what is here to stay need not be looked through at each sample
    steady = images - warm_up
    counts, samples = soak.run(steady, max(_SAMPLES, steady // _BETWEEN))
    result: dict[str, Any] = {
        "images": warm_up + counts[-1],
        "growth": _rounded(growth(counts, samples)),
        "memory": [_rounded(sample) for sample in (samples[0], samples[-1])],
        "ms": round(1e3 * (time.process_time() - start_s) / (warm_up + counts[-1]), 2),
        **soak.report(),
    }
    if leak_bytes:
        soak.leak_bytes, soak.stopped = leak_bytes, False
        leaky = min(steady // 2, _LONGEST_LEAK)
        result["leaky"] = _rounded(growth(*soak.run(leaky, _SAMPLES // 2)))
    return result


def _rounded(numbers: Any) -> dict[str, float]:
    return {name: round(value, 5) for name, value in asdict(numbers).items()}


if __name__ == "__main__":
    main()

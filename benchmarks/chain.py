# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Latency from a camera's image to task frames with reach, with Mask R-CNN and without it.

`.venv/bin/python -m benchmarks.chain --help`. Estimator and task_frames run as programs of their
own; this one plays a simulated xArm6's camera to them, at 640 x 480 pixels, an image once the one
before is answered. Masks are the true ones: they come with the image or, with Mask R-CNN, once that
has worked through a colour image. Its weights are random, which its time does not depend on as long
as it finds as many objects: it is made to find ten. Processor time stands beside wall time, which a
busy machine stretches; Mask R-CNN runs in one thread, as threads that wait for one another use a
processor too.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import torch
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rich.console import Console
from rich.table import Table
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header, String
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray

from genpose_ros.evaluation.provenance import write_results
from genpose_ros.msg import ObjectPoseArray
from genpose_ros.ros.demo.arm_frames import ArmFrames
from genpose_ros.ros.demo.node_processes import NodeProcess, isolated_environment, node_process
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.segmentation.mask_rcnn import MaskRcnn
from genpose_ros.segmentation.operators import compiled_operators, import_torchvision
from genpose_ros.segmentation.settings import SegmenterSettings

OPTICAL = "camera_color_optical_frame"
CAMERA = "/camera/camera/aligned_depth_to_color"
#: Topics that this program publishes.
TOPICS: dict[str, tuple[Any, str]] = {
    "camera_info": (CameraInfo, f"{CAMERA}/camera_info"),
    "depth": (Image, f"{CAMERA}/image_raw"),
    "label": (Image, "/segmentation/label_image"),
    "detections": (Detection2DArray, "/segmentation/detections"),
}
#: What the nodes call them, as estimate.launch.py maps them.
REMAPPED = {
    "depth": f"{CAMERA}/image_raw",
    "camera_info": f"{CAMERA}/camera_info",
    "masks": "/segmentation/label_image",
    "mask_detections": "/segmentation/detections",
}
OBJECTS, START_S, ANSWER_S = 10, 240.0, 120.0
MASKS = ("label", "detections")


class Player:
    """Camera, and listener for what came of each of its images."""

    def __init__(self, context: Context, frames: ArmFrames) -> None:
        self.node, self._frames = Node("chain", context=context), frames
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._out = {
            name: self.node.create_publisher(kind, topic, 5)
            for name, (kind, topic) in TOPICS.items()
        }
        self._tf = self.node.create_publisher(TFMessage, "/tf", 100)
        self._came_s: dict[str, tuple[int, float]] = {}
        self.timings_ms: dict[str, float] = {}
        self.counts = (0, 0)
        self.node.create_subscription(ObjectPoseArray, "/genpose/objects", self._on_objects, 10)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        topic = "/task_frames/task_frames"
        self.node.create_subscription(String, topic, self._on_frames, latched)

    @property
    def is_heard(self) -> bool:
        """Whether the estimator listens, and task_frames answers."""
        return all(p.get_subscription_count() for p in self._out.values()) and bool(
            self.node.count_publishers("/task_frames/task_frames")
        )

    def show(self, number: int, segment: Callable[[], None]) -> dict[str, float] | None:
        """Play an image; return milliseconds to each stage, None: it was not answered in time."""
        header = Header(frame_id=OPTICAL, stamp=self.node.get_clock().now().to_msg())
        messages = self._frames.messages(number, header)
        self._came_s.clear()
        begin_s = time.perf_counter()
        self._tf.publish(TFMessage(transforms=self._frames.transforms(number, header)))
        for name in ("camera_info", "depth"):
            self._out[name].publish(getattr(messages, name))
        segment()
        masks_s = time.perf_counter()
        for name in MASKS:
            self._out[name].publish(getattr(messages, name))
        while "frames" not in self._came_s and time.perf_counter() - begin_s < ANSWER_S:
            self.wait(0.005)
        if set(self._came_s) != {"objects", "frames"}:
            return None
        objects_s, frames_s = self._came_s["objects"][1], self._came_s["frames"][1]
        return {
            "masks": 1e3 * (masks_s - begin_s),
            "objects": 1e3 * (objects_s - masks_s),
            "task_frames": 1e3 * (frames_s - objects_s),
            "whole": 1e3 * (frames_s - begin_s),
            "estimator": sum(self.timings_ms.values()),
        }

    def wait(self, seconds: float) -> None:
        """Let messages come."""
        self._executor.spin_once(timeout_sec=seconds)

    def _on_objects(self, message: ObjectPoseArray) -> None:
        if message.objects:
            self._came_s["objects"] = (stamp_ns(message.header), time.perf_counter())
            self.timings_ms = {t.stage: t.duration_ms for t in message.timings}

    def _on_frames(self, message: String) -> None:
        if "objects" in self._came_s:
            self._came_s["frames"] = (0, time.perf_counter())
            self.counts = (message.data.count('"object":'), message.data.count('"frame": "'))


def mask_rcnn(version: str, input_px: int, proposals: int) -> Callable[[], None]:
    """Return what segments one image of noise with random weights, and finds ten objects."""
    detection = import_torchvision().models.detection
    makers = {
        "v1": detection.maskrcnn_resnet50_fpn,
        "v2": detection.maskrcnn_resnet50_fpn_v2,
    }
    torch.manual_seed(0)
    network = makers[version](
        weights=None,
        weights_backbone=None,
        min_size=input_px,
        box_detections_per_img=OBJECTS,
        rpn_post_nms_top_n_test=proposals,
    ).eval()
    # Random scores are all below the threshold: with these, one class is found everywhere.
    with torch.no_grad():
        network.roi_heads.box_predictor.cls_score.bias[1] += 20.0
    names = ("__background__", *(f"class {n}" for n in range(1, 91)))
    settings = SegmenterSettings(min_score=0.0, all_classes=True, input_px=input_px)
    segmenter = MaskRcnn(network, names, settings)
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)

    def segment() -> None:
        segmenter.segment(image)

    return segment


def timed(run: Callable[[], None], times: int) -> dict[str, float]:
    """Return wall and processor milliseconds of something, medians."""
    run()  # the first one prepares
    wall_ms, processor_ms = [], []
    for _ in range(times):
        begin_s, used_s = time.perf_counter(), time.process_time()
        run()
        wall_ms.append(1e3 * (time.perf_counter() - begin_s))
        processor_ms.append(1e3 * (time.process_time() - used_s))
    return {
        "wall_ms": round(float(np.median(wall_ms)), 1),
        "least_wall_ms": round(min(wall_ms), 1),
        "processor_ms": round(float(np.median(processor_ms)), 1),
    }


def measure(images: int, segmenters: dict[str, Callable[[], None]]) -> dict[str, Any]:
    """Play images in turns with each segmenter; return the milliseconds of the stages."""
    os.environ.update(isolated_environment())
    frames = ArmFrames(0, 3.0, 1.0, OPTICAL)
    context = Context()
    rclpy.init(context=context)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in segmenters}
    with ExitStack() as stack:
        estimator, reach = (
            stack.enter_context(node_process(name, f"genpose_ros.ros.{module}", given, topics))
            for name, module, given, topics in (
                ("estimator", "estimator_node", {"device": "cpu"}, REMAPPED),
                (
                    "task_frames",
                    "robot.task_frames_node",
                    {"robot": "xarm6"},
                    {"objects": "/genpose/objects"},
                ),
            )
        )
        player = Player(context, frames)
        _wait(player, (estimator, reach))
        for number in range(images):
            for name, segment in segmenters.items():
                used_s = {p.name: processor_s(p.pid) for p in (estimator, reach)}
                own_s = time.process_time()
                took = player.show(number, segment)
                if took is not None:
                    for p in (estimator, reach):
                        took[f"{p.name}_processor"] = 1e3 * (processor_s(p.pid) - used_s[p.name])
                    took["player_processor"] = 1e3 * (time.process_time() - own_s)
                    rows[name].append(took)
        counts = player.counts
    rclpy.shutdown(context=context)
    return {
        "objects": counts[0],
        "task_frames": counts[1],
        "chains": {
            name: {
                "answered": len(found),
                **{
                    f"{stage}_ms": {
                        "p50": round(float(np.median([row[stage] for row in found])), 1),
                        "least": round(min(row[stage] for row in found), 1),
                    }
                    for stage in (found[0] if found else {})
                },
            }
            for name, found in rows.items()
        },
    }


def processor_s(pid: int) -> float:
    """Seconds of processors that a program has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _wait(player: Player, programs: Sequence[NodeProcess]) -> None:
    until_s = time.monotonic() + START_S
    while not player.is_heard or player.show(0, lambda: None) is None:
        for program in programs:
            program.check()
        player.wait(0.1)
        if time.monotonic() > until_s:
            raise TimeoutError("\n".join(program.last_lines() for program in programs))
    player.show(1, lambda: None)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--runs", type=int, default=3, help="of Mask R-CNN at each size")
    parser.add_argument("--sizes", type=int, nargs="+", default=[240, 320, 480, 800])
    parser.add_argument("--proposals", type=int, nargs="+", default=[1000, 200])
    parser.add_argument("--in-chain", type=int, default=320, help="size of Mask R-CNN in the chain")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    segmenters: dict[str, Callable[[], None]] = {"masks with the image": lambda: None}
    torch.set_num_threads(1)
    segment = mask_rcnn("v1", options.in_chain, options.proposals[-1])
    segment()
    segmenters["Mask R-CNN v1"] = segment
    load = [round(os.getloadavg()[0], 1)]
    content: dict[str, Any] = {
        "compiled_operators": compiled_operators(),
        "threads": torch.get_num_threads(),
        "load": load,
    }
    content |= measure(options.images, segmenters)
    load.append(round(os.getloadavg()[0], 1))
    content |= {"in_chain": {"input_px": options.in_chain, "proposals": options.proposals[-1]}}
    content["mask_rcnn"] = []
    for version in ("v1", "v2"):
        for proposals in options.proposals:
            for px in options.sizes:
                took = timed(mask_rcnn(version, px, proposals), options.runs)
                load.append(round(os.getloadavg()[0], 1))
                row = {"version": version, "input_px": px, "proposals": proposals, **took}
                content["mask_rcnn"].append(row)
                if options.json is not None:  # what there is, should it be stopped
                    write_results(options.json, content, weights=None, seed=0)
    _show(content)


def _show(content: dict[str, Any]) -> None:
    stages = ("masks", "objects", "task_frames", "whole")
    table = Table("ms, median (least)", *stages)
    for name, row in content["chains"].items():
        values = (row.get(f"{stage}_ms", {"p50": 0, "least": 0}) for stage in stages)
        table.add_row(name, *(f"{v['p50']:.0f} ({v['least']:.0f})" for v in values))
    Console().print(table)
    sizes = Table("Mask R-CNN", "input", "proposals", "ms, median", "least", "of processors")
    for row in content["mask_rcnn"]:
        sizes.add_row(*(str(value) for value in row.values()))
    Console().print(sizes, f"load of the machine: {content['load']}")


if __name__ == "__main__":
    main()

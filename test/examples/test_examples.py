# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The examples run as programs and print what they promise."""

import importlib.util
import json
import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from genpose_ros.geometry import CATEGORIES
from genpose_ros.synthesis.sequences import tracking_sequence

pytestmark = pytest.mark.slow

POSE_LINE = re.compile(r"(\w+) +(-?\d+\.\d+) +(-?\d+\.\d+) +(-?\d+\.\d+) m  score (\d\.\d\d)")


def run_example(root: Path, name: str, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, str(root / "examples" / name), *arguments],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def write_frame(folder: Path, frame) -> None:
    """Write a frame as the recorded ones are: depth.png, mask.png, label.json."""
    folder.mkdir()
    Image.fromarray(np.round(frame.depth_m * 1000).astype(np.uint16)).save(folder / "depth.png")
    mask = np.zeros(frame.depth_m.shape, np.uint8)
    for instance in frame.instances:
        mask[instance.mask] = instance.id
    Image.fromarray(mask).save(folder / "mask.png")
    camera = frame.camera
    K = [[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]]
    instances = [{"id": i.id, "category": i.category} for i in frame.instances]
    (folder / "label.json").write_text(json.dumps({"K": K, "instances": instances}))


def poses(lines: list[str]) -> dict[str, np.ndarray]:
    found = (POSE_LINE.match(line) for line in lines)
    return {m[1]: np.array([float(m[i]) for i in (2, 3, 4)]) for m in found if m}


@pytest.fixture(scope="module")
def sequence():
    return tracking_sequence("sweep", 0, frames=2)


def test_estimate_prints_the_place_of_every_object_in_the_simulated_frame(root, sequence):
    found = poses(run_example(root, "estimate.py"))
    true = {o.category: o.T_cam_obj[:3, 3] for o in sequence[0].objects if o.instance_id >= 0}
    assert set(found) == set(true)
    for category, place in true.items():
        assert np.linalg.norm(found[category] - place) < 0.05, category


def test_estimate_takes_a_recorded_frame(root, sequence, tmp_path):
    write_frame(tmp_path / "frame", sequence[0].frame)
    found = poses(run_example(root, "estimate.py", str(tmp_path / "frame")))
    assert set(found) == {instance.category for instance in sequence[0].frame.instances}


def test_follow_sequence_keeps_the_names_and_confirms_them(root):
    lines = run_example(root, "follow_sequence.py")
    assert len(lines) == 12
    names = [set(re.findall(r"\w+_\d+", line)) for line in lines]
    assert len(names[0]) >= 3
    assert all(seen == names[0] for seen in names)
    assert lines[0].count(" new ") == len(names[0])
    assert lines[-1].count(" confirmed ") == len(names[0])


def test_follow_sequence_takes_recorded_frames(root, sequence, tmp_path):
    for number, item in enumerate(sequence):
        write_frame(tmp_path / f"{number:03}", item.frame)
    lines = run_example(root, "follow_sequence.py", str(tmp_path))
    assert len(lines) == len(sequence)
    assert set(re.findall(r"\w+_\d+", lines[0])) <= set(re.findall(r"\w+_\d+", lines[-1]))


def test_own_weights_loads_the_checkpoint_that_is_named(root, tmp_path):
    from genpose_ros.networks import LightConfig, LightPoseModel, save_model

    small = LightPoseModel(LightConfig(patches=8, width=32, layers=1, head_width=32))
    save_model(small, tmp_path / "mine.safetensors", {})
    lines = run_example(root, "own_weights.py", str(tmp_path / "mine.safetensors"))
    count = sum(p.numel() for p in small.parameters())
    assert lines[0] == f"genpose-light, {count / 1e6:.2f} million parameters"
    assert {line.split()[0] for line in lines[1:]} <= set(CATEGORIES)


def test_simple_categories_writes_folders_that_the_check_passes(root, tmp_path):
    from genpose_ros.own_categories.check import check_folders

    lines = run_example(root, "simple_categories.py", str(tmp_path))
    names = ["drill", "banana", "box", "tin"]
    assert [line.split(":")[0] for line in lines] == [str(tmp_path / name) for name in names]
    checks = {check.path.name: check for check in check_folders([tmp_path])}
    assert set(checks) == set(names)
    for name, check in checks.items():
        assert [finding.text for finding in check.findings] == [], name
        assert [mesh.split for mesh in check.meshes] == ["train"] * 4 + ["test"] * 2
        assert all(mesh.mesh.closed for mesh in check.meshes), name


@pytest.mark.ros
@pytest.mark.skipif(not importlib.util.find_spec("rclpy"), reason="no ROS 2 here")
def listen_to(root: Path, command: list[str], kind, topic: str, messages) -> str:
    """What an example prints while messages are published to it again and again."""
    import rclpy

    program = [sys.executable, str(root / "examples" / command[0]), *command[1:]]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        node = rclpy.create_node("publisher", context=context)
        publisher = node.create_publisher(kind, topic, 10)
        deadline = time.monotonic() + 60
        while not select.select([process.stdout], [], [], 0.1)[0] and time.monotonic() < deadline:
            for message in messages(node):
                publisher.publish(message)
    finally:
        process.terminate()
        try:
            printed, _ = process.communicate(timeout=30)
        finally:
            process.kill()
            rclpy.try_shutdown(context=context)
    return printed


def test_subscribe_to_objects_prints_what_is_published_and_trusted(root):
    from genpose_ros.msg import ObjectPose, ObjectPoseArray

    message = ObjectPoseArray()
    message.header.frame_id = "camera"
    for name, state in (("mug_3", ObjectPose.STATE_CONFIRMED), ("can_4", ObjectPose.STATE_LOST)):
        item = ObjectPose(id=name, class_name=name[:3], score=0.75, tracking_state=state)
        message.objects.append(item)
    printed = listen_to(
        root,
        ["subscribe_to_objects.py"],
        ObjectPoseArray,
        "/genpose/objects",
        lambda _node: [message],
    )
    expected = "mug_3 at (0.000, 0.000, 0.000) m in camera, score 0.75"
    assert set(printed.splitlines()) == {expected}


def test_a_grasp_is_above_the_middle_of_a_mugs_body_and_points_down(root):
    """A mug that stands 1 m before the base; its handle is at +x, its up the base's z."""
    from geometry_msgs.msg import TransformStamped
    from tf2_ros import StaticTransformBroadcaster

    from genpose_ros.msg import ObjectPose, ObjectPoseArray

    item = ObjectPose(id="mug_1", class_name="mug", score_axis=0.95)
    item.size.x, item.size.y, item.size.z = 0.12, 0.10, 0.08
    placed = TransformStamped(child_frame_id="mug_1")
    placed.header.frame_id = "base"
    placed.transform.translation.x, placed.transform.translation.z = 1.0, 0.05
    placed.transform.rotation.x = placed.transform.rotation.w = 0.5**0.5  # y up is z up
    kept = []

    def messages(node):
        if not kept:
            kept.append(StaticTransformBroadcaster(node))
            kept[0].sendTransform(placed)
        return [ObjectPoseArray(objects=[item])]

    printed = listen_to(root, ["grasp.py", "base"], ObjectPoseArray, "/genpose/objects", messages)
    found = re.findall(r"gripper to \(([^)]*)\) m, turned \(([^)]*)\) in base", printed)
    place, turned = (np.array([float(v) for v in text.split(",")]) for text in found[-1])
    np.testing.assert_allclose(place, [1.0 - 0.02, 0.0, 0.05 + 0.05 + 0.02], atol=1e-3)
    down = Rotation.from_quat(turned).apply([0.0, 0.0, 1.0])
    np.testing.assert_allclose(down, [0.0, 0.0, -1.0], atol=1e-2)


ULTRALYTICS = """
import sys
import types
import numpy as np

class Mask:
    def __init__(self, pixels): self.pixels = pixels
    def cpu(self): return self
    def numpy(self): return self.pixels

class Masks(list):
    data = property(lambda self: self)

class YOLO:
    def __init__(self, weights): assert weights == "any-seg.pt"
    def __call__(self, image, retina_masks, verbose):
        assert image.shape == (4, 6, 3) and image[0, 0].tolist() == [1, 2, 9], image[0, 0]
        pixels = np.zeros((4, 6), np.float32)
        pixels[1:3, 2:5] = 1.0
        boxes = types.SimpleNamespace(conf=[0.75], cls=[41.0])
        return [types.SimpleNamespace(masks=Masks([Mask(pixels)]), boxes=boxes, names={41: "cup"})]
"""


def test_masks_of_an_ultralytics_model_carry_the_images_stamp(root, tmp_path):
    """With a model that stands in: it finds a cup."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from sensor_msgs.msg import Image as ImageMessage

    from genpose_ros.msg import InstanceMasks

    (tmp_path / "ultralytics.py").write_text(ULTRALYTICS)
    image = ImageMessage(height=4, width=6, step=20, encoding="rgb8")
    image.header.stamp.sec = 7
    image.data = bytes([9, 2, 1] * 6 + [0, 0]) * 4
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    program = [sys.executable, str(root / "examples" / "segment_with_ultralytics.py")]
    process = subprocess.Popen(
        [*program, "any-seg.pt", "/colour"], env={**os.environ, "PYTHONPATH": path}
    )
    context = rclpy.Context()
    rclpy.init(context=context)
    heard: list[InstanceMasks] = []
    try:
        node = rclpy.create_node("camera", context=context)
        publisher = node.create_publisher(ImageMessage, "/colour", 5)
        node.create_subscription(InstanceMasks, "/segmentation/instance_masks", heard.append, 5)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        deadline = time.monotonic() + 60
        while not heard and time.monotonic() < deadline:
            publisher.publish(image)
            executor.spin_once(timeout_sec=0.1)
    finally:
        process.terminate()
        process.wait(timeout=30)
        rclpy.try_shutdown(context=context)
    (item,) = heard[0].instances
    assert heard[0].header.stamp.sec == 7
    assert (item.id, item.class_name, item.score) == (1, "cup", 0.75)
    mask = np.frombuffer(item.mask, np.uint8).reshape(heard[0].height, heard[0].width)
    assert mask[1:3, 2:5].all()
    assert mask.sum() == 6


def test_every_example_is_described_and_none_else(root):
    text = (root / "examples" / "README.md").read_text()
    site = (root / "docs" / "examples.md").read_text()
    names = {path.name for path in (root / "examples").glob("*.py")}
    assert set(re.findall(r"\]\((\w+\.py)\)", text)) == names
    assert set(re.findall(r'--8<-- "examples/(\w+\.py):4:"', site)) == names

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The examples run as programs and print what they promise."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
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


def over_topics(test):
    """Mark a test of an example that needs ROS 2."""
    missing = pytest.mark.skipif(not importlib.util.find_spec("rclpy"), reason="no ROS 2 here")
    return pytest.mark.ros(missing(test))


@contextmanager
def beside(*arguments: str):
    """A node that an example needs beside it."""
    process = subprocess.Popen([sys.executable, "-m", *arguments])
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def listen_to(root: Path, command: list[str], kind, topic: str, messages, done: str = ".") -> str:
    """What an example prints, until `done`, while messages are published again and again."""
    import rclpy

    program = [sys.executable, str(root / "examples" / command[0]), *command[1:]]
    context = rclpy.Context()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(program, stdout=output, text=True)
        rclpy.init(context=context)
        try:
            node = rclpy.create_node("publisher", context=context)
            publisher = node.create_publisher(kind, topic, 10)
            deadline = time.monotonic() + 90
            while not re.search(done, printed_in(output)) and time.monotonic() < deadline:
                for message in messages(node):
                    publisher.publish(message)
                time.sleep(0.1)
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            finally:
                process.kill()
                rclpy.try_shutdown(context=context)
        return printed_in(output)


def printed_in(file) -> str:
    return os.pread(file.fileno(), 2**20, 0).decode()


@over_topics
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


@over_topics
def test_a_grasp_is_that_of_task_frames_and_what_is_not_sure_has_none(root):
    """A can that stands 1 m before the base, its up the base's z; of another the axis is unsure."""
    from geometry_msgs.msg import TransformStamped
    from tf2_ros import StaticTransformBroadcaster

    from genpose_ros.msg import ObjectPose, ObjectPoseArray

    items = []
    for name, score in (("can_1", 0.95), ("can_2", 0.3)):
        item = ObjectPose(id=name, class_name="can", score=score, score_axis=score)
        item.size.x, item.size.y, item.size.z = 0.06, 0.10, 0.06
        item.pose.pose.orientation.x = item.pose.pose.orientation.w = 0.5**0.5  # y up is z up
        items.append(item)
    placed = TransformStamped(child_frame_id="can_1")
    placed.header.frame_id = "base"
    placed.transform.translation.x, placed.transform.translation.z = 1.0, 0.05
    placed.transform.rotation = items[0].pose.pose.orientation
    kept = []

    def messages(node):
        if not kept:
            kept.append(StaticTransformBroadcaster(node))
            kept[0].sendTransform(placed)
        message = ObjectPoseArray(objects=items)
        message.header.frame_id = "base"
        message.header.stamp = node.get_clock().now().to_msg()
        return [message]

    arguments = ("--ros-args", "-r", "objects:=/genpose/objects")
    with beside("genpose_ros.ros.robot.task_frames_node", *arguments):
        topic = "/genpose/objects"
        done = r"can_1_grasp_top: gripper"
        printed = listen_to(root, ["grasp.py", "base"], ObjectPoseArray, topic, messages, done)
    found = re.findall(
        r"can_1_grasp_top(\w*): gripper to \(([^)]*)\) m, turned \(([^)]*)\) in base", printed
    )
    places = {
        which: [np.array([float(v) for v in text.split(",")]) for text in pose]
        for which, *pose in found
    }
    place, turned = places[""]
    np.testing.assert_allclose(place, [1.0, 0.0, 0.05 + 0.05 - 0.03], atol=1e-3)
    np.testing.assert_allclose(places["_before"][0], place + np.array([0, 0, 0.08]), atol=1e-3)
    down = Rotation.from_quat(turned).apply([0.0, 0.0, 1.0])
    np.testing.assert_allclose(down, [0.0, 0.0, -1.0], atol=1e-2)
    assert "can_2: no grasp_top, its pose has a score of 0.30" in printed


@pytest.mark.parametrize(
    ("task", "lines"),
    [
        ("pour", [r"can at \(.*\) m, score 0\.\d\d", r"grasp_side: \d+ of 16 frames around it",
                  r"tilted by \d+ degrees", "touched: nothing", "pour: done"]),
        ("stack", [r"bowl below at", r"grasp_top: the fingers are \d+\.\d mm apart",
                   r"mm off the other's axis", "stack: done"]),
        ("handover", [r"points of the depth images", r"frames keep clear",
                      r"gripper and hand were \d+ mm apart", "handover: done"]),
    ],
)  # fmt: skip
def test_a_task_is_carried_out_and_judged_and_drawn(root, tmp_path, task, lines):
    printed = "\n".join(run_example(root, f"{task}.py", "0", str(tmp_path / "end.png")))
    for line in lines:
        assert re.search(line, printed), printed
    width, height = Image.open(tmp_path / "end.png").size
    assert (width % 360, height) == (0, 315)
    assert width >= 3 * 360  # what it sees, takes, and how it ends


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


@over_topics
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

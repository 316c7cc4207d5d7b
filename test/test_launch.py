# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the launch files: their arguments, and that a node comes up as they say."""

import ast
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest
import yaml

pytest.importorskip("rclpy", reason="no ROS 2 here")
import rclpy
from rcl_interfaces.srv import GetParameters
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.ros.node_settings import MASK_SOURCES, NodeSettings
from genpose_ros.settings import parameter_name
from genpose_ros.synthesis.sequences import SEQUENCE_KINDS
from genpose_ros.tracking.settings import TrackerSettings

FILES = ("estimate.launch.py", "demo.launch.py")
WITH_INCLUDES = (*FILES, "xarm6.launch.py")
ALL = (*WITH_INCLUDES, "realsense.launch.py", "mask_rcnn.launch.py")

LATCHED = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)

RUNNER = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

given = [item.split(":=") for item in sys.argv[2:]]
service = LaunchService(noninteractive=True)
included = IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=[tuple(item) for item in given]
)
service.include_launch_description(LaunchDescription([included]))
sys.exit(service.run())
"""


def tree(root: Path, name: str) -> ast.Module:
    return ast.parse((root / "launch" / name).read_text())


def declared(module: ast.Module) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "DeclareLaunchArgument"
    ]


def constant(module: ast.Module, name: str) -> Any:
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"no constant {name}")


@pytest.mark.parametrize("name", ALL)
def test_every_argument_is_described_and_has_a_default(root, name):
    for call in declared(tree(root, name)):
        keywords = {k.arg: k.value for k in call.keywords}
        assert "default_value" in keywords, ast.unparse(call)
        assert len(ast.literal_eval(keywords["description"])) > 15, ast.unparse(call)


def test_both_launch_files_give_the_fast_dds_profile_in_the_same_way(root):
    rules = [
        [
            ast.unparse(node)
            for node in tree(root, name).body
            if getattr(node, "name", "") == "profile" or "PROFILE_VARIABLES =" in ast.unparse(node)
        ]
        for name in FILES
    ]
    assert len(rules[0]) == 2
    assert rules[0] == rules[1]


@pytest.mark.parametrize("name", ALL)
def test_launch_files_run_nothing_by_themselves(root, name):
    module = tree(root, name)
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(module)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in (
            [ast.alias(node.module or "")] if isinstance(node, ast.ImportFrom) else node.names
        )
    }
    # pathlib: to look for a parameter file, and to write rviz's view beside launch's own log.
    assert imported <= {"launch", "launch_ros", "collections", "pathlib"}
    names = {node.id for node in ast.walk(module) if isinstance(node, ast.Name)}
    assert not names & {"eval", "exec", "open", "__import__"}


def test_arguments_set_parameters_that_the_node_has(root):
    module = tree(root, "estimate.launch.py")
    arguments = {ast.literal_eval(call.args[0]) for call in declared(module)}
    known = {
        parameter_name(item): type(item.default)
        for c in (NodeSettings, EstimatorSettings)
        for item in fields(c)
    }
    known |= {"preset": str, "use_sim_time": bool}
    kinds = {"TEXT_PARAMETERS": str, "BOOLEAN_PARAMETERS": bool, "NUMBER_PARAMETERS": float}
    for name, kind in kinds.items():
        for argument, parameter in constant(module, name).items():
            assert argument in arguments
            assert known[parameter] is kind, parameter


def test_the_mask_sources_are_those_of_the_node(root):
    assert tuple(constant(tree(root, "estimate.launch.py"), "MASK_SOURCES")) == MASK_SOURCES


def test_the_demo_offers_the_motions_that_there_are(root):
    motions = constant(tree(root, "demo.launch.py"), "MOTIONS")
    assert motions == ["still", *SEQUENCE_KINDS]
    camera = pytest.importorskip("genpose_ros.ros.demo.moving_frames")
    assert camera.MOTIONS == SEQUENCE_KINDS


@pytest.mark.parametrize("name", WITH_INCLUDES)
def test_actions_that_can_fail_come_before_those_that_would_be_left_running(root, name):
    """Launch starts actions in order, and an exception leaves the programs before it running."""
    (call,) = [
        node
        for node in ast.walk(tree(root, name))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "LaunchDescription"
    ]
    (actions,) = call.args
    assert isinstance(actions, ast.List)
    order = [ast.unparse(item) for item in actions.elts]
    expected = {
        "estimate.launch.py": ["*arguments()", "*functions"],
        "demo.launch.py": [
            "*arguments()",
            "OpaqueFunction(function=check)",
            "estimator",
            "OpaqueFunction(function=camera)",
        ],
        "xarm6.launch.py": [
            "*arguments()",
            "OpaqueFunction(function=check)",
            "OpaqueFunction(function=estimator)",
            "OpaqueFunction(function=camera)",
            "OpaqueFunction(function=nodes)",
        ],
    }
    assert order == expected[name]
    if name == "estimate.launch.py":
        assert "for function in (check, view, estimator)" in (root / "launch" / name).read_text()


class Fakes:
    """As much of launch and launch_ros as launch files need to be run without them."""

    def __init__(self, log_dir: Path, root: Path) -> None:
        class Text:
            def __init__(self, name: str) -> None:
                self.name = name

            def perform(self, context: SimpleNamespace) -> str:
                value = context.values[self.name]
                return value.perform(context) if hasattr(value, "perform") else value

        def path(parts: list[Any]) -> SimpleNamespace:
            return SimpleNamespace(perform=lambda _: str(root.joinpath(*parts[1:])))

        def path_of(substitution: SimpleNamespace) -> str:
            return str(substitution.perform(None))

        def action(kind: str) -> Any:
            return lambda *args, **keywords: SimpleNamespace(kind=kind, args=args, **keywords)

        names = {
            "launch": {
                "Action": object,
                "LaunchContext": SimpleNamespace,
                "LaunchDescription": list,
            },
            "launch.actions": {
                "DeclareLaunchArgument": action("argument"),
                "GroupAction": action("group"),
                "IncludeLaunchDescription": action("include"),
                "LogInfo": action("log"),
                "OpaqueFunction": action("function"),
                "TimerAction": action("timer"),
            },
            "launch.conditions": {"IfCondition": action("condition")},
            "launch.events": {},
            "launch.events.process": {"ProcessExited": SimpleNamespace},
            "launch.launch_description_sources": {"PythonLaunchDescriptionSource": path_of},
            "launch.logging": {"launch_config": SimpleNamespace(log_dir=str(log_dir))},
            "launch.substitutions": {"LaunchConfiguration": Text, "PathJoinSubstitution": path},
            "launch_ros": {},
            "launch_ros.actions": {"Node": action("node")},
            "launch_ros.parameter_descriptions": {
                "ParameterValue": lambda value, value_type: value_type(value)
            },
            "launch_ros.substitutions": {"FindPackageShare": str},
        }
        self.modules = {name: ModuleType(name) for name in names}
        for name, values in names.items():
            vars(self.modules[name]).update(values)


class LaunchFile:
    """Launch file, with arguments as of the command line."""

    name = ""
    #: Arguments of files that are included before.
    included: ClassVar[dict[str, str]] = {}

    def __init__(self, root: Path, log_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, module in Fakes(log_dir, root).modules.items():
            monkeypatch.setitem(sys.modules, name, module)
        path = root / "launch" / self.name
        spec = importlib.util.spec_from_file_location("a_launch_file", path)
        assert spec is not None
        assert spec.loader is not None
        self.file = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.file)

    def context(self, **arguments: str) -> SimpleNamespace:
        values = {action.args[0]: action.default_value for action in self.file.arguments()}
        values |= self.included
        assert set(arguments) <= set(values)
        values |= arguments
        return SimpleNamespace(
            values=values, launch_configurations=arguments, environment={}, is_shutdown=False
        )


class Estimate(LaunchFile):
    name = "estimate.launch.py"

    def node(self, **arguments: str) -> SimpleNamespace:
        (node,) = self.file.estimator(self.context(**arguments))
        return node


@pytest.fixture
def estimate(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Estimate:
    return Estimate(root, tmp_path, monkeypatch)


class TestCamera:
    def topics(self, estimate: Estimate, **arguments: str) -> tuple[str, str]:
        remapped = dict(estimate.node(**arguments).remappings)
        return remapped["depth"], remapped["camera_info"]

    @pytest.mark.parametrize(
        ("arguments", "folder"),
        [
            ({}, "/camera/camera/aligned_depth_to_color"),
            ({"camera": "left"}, "/camera/left/aligned_depth_to_color"),
            ({"camera": "d405", "camera_namespace": "/arm/"}, "/arm/d405/aligned_depth_to_color"),
            ({"camera_namespace": "/"}, "/camera/aligned_depth_to_color"),
        ],
    )
    def test_its_name_and_namespace_give_the_topics(self, estimate, arguments, folder):
        expected = (f"{folder}/image_raw", f"{folder}/camera_info")
        assert self.topics(estimate, **arguments) == expected

    def test_with_raw_depth_the_camera_need_not_align(self, estimate):
        node = estimate.node(camera="wrist", camera_namespace="arm", aligned="false")
        remapped, camera = dict(node.remappings), "/arm/wrist"
        assert remapped["depth"] == f"{camera}/depth/image_rect_raw"
        assert remapped["camera_info"] == f"{camera}/depth/camera_info"
        assert remapped["mask_camera_info"] == f"{camera}/color/camera_info"
        assert remapped["extrinsics"] == f"{camera}/extrinsics/depth_to_color"

    def test_the_camera_info_is_the_one_beside_the_depth_image(self, estimate):
        given = {"depth_topic": "/zed/depth/image/compressedDepth"}
        assert self.topics(estimate, **given)[1] == "/zed/depth/camera_info"
        given["camera_info_topic"] = "/zed/left/camera_info"
        assert self.topics(estimate, **given) == tuple(given.values())


class Xarm6(LaunchFile):
    name = "xarm6.launch.py"
    included: ClassVar[dict[str, str]] = {
        "camera": "camera",
        "camera_namespace": "camera",
        "publish_tf": "",
    }

    def flags(self, **arguments: str) -> tuple[str, dict[str, str]]:
        """Folder and file of the camera's launch file, and what it is given."""
        (group,) = self.file.camera(self.context(**arguments))
        assert group.scoped, "the flags would be the estimator's too"
        (included,) = group.args[0]
        return Path(included.args[0]).name, dict(included.launch_arguments)


@pytest.fixture
def xarm6(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Xarm6:
    return Xarm6(root, tmp_path, monkeypatch)


class TestCameraOfTheArm:
    def test_realsense_ros_aligns_and_synchronises_depth(self, xarm6):
        name, flags = xarm6.flags(camera="wrist", camera_namespace="arm")
        assert name == "rs_launch.py"
        assert flags == {
            "camera_name": "wrist",
            "camera_namespace": "arm",
            "align_depth.enable": "true",
            "enable_sync": "true",
            "publish_tf": "true",
        }

    def test_the_own_node_is_the_one_of_realsense_launch(self, xarm6, root):
        name, flags = xarm6.flags(driver="realsense", camera="wrist")
        declared_there = {
            ast.literal_eval(call.args[0]) for call in declared(tree(root, "realsense.launch.py"))
        }
        assert name == "realsense.launch.py"
        assert set(flags) <= declared_there
        assert (flags["camera"], flags["camera_namespace"]) == ("wrist", "camera")

    @pytest.mark.parametrize("driver", ["realsense_ros", "realsense"])
    def test_the_cameras_frames_are_its_own_unless_the_arms_description_has_them(
        self, xarm6, driver
    ):
        """Whether the estimator publishes frames of objects is another question."""
        assert xarm6.flags(driver=driver, publish_tf="false")[1]["publish_tf"] == "true"
        assert xarm6.flags(driver=driver, calibration="")[1]["publish_tf"] == "false"

    def test_somebody_elses_camera_is_left_to_them(self, xarm6):
        assert xarm6.file.camera(xarm6.context(driver="none")) == []

    def test_poses_and_up_are_of_the_arms_base(self, xarm6):
        (included,) = xarm6.file.estimator(xarm6.context(prefix="left_"))
        frames = dict(included.launch_arguments)
        assert frames == dict.fromkeys(
            ("target_frame", "fixed_frame", "up_frame"), "left_link_base"
        )

    def test_a_height_of_the_table_that_is_none_starts_nothing(self, xarm6):
        with pytest.raises(ValueError, match="table_height must be a number, got 'low'"):
            xarm6.file.check(xarm6.context(table_height="low"))


class TestView:
    def displays(self, estimate: Estimate, **arguments: str) -> tuple[dict[str, Any], str]:
        (rviz,) = estimate.file.view(estimate.context(rviz="true", **arguments))
        text = Path(rviz.arguments[1]).read_text()
        manager = yaml.safe_load(text)["Visualization Manager"]
        assert (
            manager["Views"]["Current"]["Target Frame"] == manager["Global Options"]["Fixed Frame"]
        )
        shown = {display["Class"].split("/")[1]: display for display in manager["Displays"]}
        return shown, manager["Global Options"]["Fixed Frame"]

    def test_it_is_only_shown_where_it_was_asked_for(self, estimate):
        assert estimate.file.view(estimate.context()) == []

    def test_it_shows_the_given_node_and_camera(self, estimate):
        shown, frame = self.displays(
            estimate, namespace="left", name="pose6d", camera="d405", camera_namespace="arm"
        )
        assert shown["MarkerArray"]["Topic"]["Value"] == "/left/pose6d/markers"
        assert shown["PointCloud2"]["Topic"]["Value"] == "/left/pose6d/points"
        assert shown["PoseArray"]["Topic"]["Value"] == "/left/pose6d/candidates"
        assert shown["Camera"]["Topic"]["Value"] == "/arm/d405/color/image_raw"
        assert shown["DepthCloud"]["Color Image Topic"] == "/arm/d405/color/image_raw"
        depth = "/arm/d405/aligned_depth_to_color/image_raw"
        assert shown["DepthCloud"]["Depth Map Topic"] == depth
        assert frame == "d405_color_optical_frame"

    def test_with_the_usual_names_it_is_the_file_in_the_package(self, estimate, root):
        (rviz,) = estimate.file.view(estimate.context(rviz="true"))
        usual = (root / "rviz" / "estimate.rviz").read_text()
        assert Path(rviz.arguments[1]).read_text() == usual

    def test_it_shows_all_that_there_is(self, estimate):
        shown, _ = self.displays(estimate)
        namespaces = {"axes", "box", "covariance", "label"}
        assert set(shown["MarkerArray"]["Namespaces"]) == namespaces
        in_space = {display["Name"] for display in shown.values()} - {"Camera", "Depth"}
        assert set(shown["Camera"]["Visibility"]) - {"Value"} == in_space

    def test_it_is_seen_from_the_frame_of_the_outputs(self, estimate):
        frames = {"target_frame": "base", "fixed_frame": "world"}
        assert self.displays(estimate, **frames)[1] == "base"
        assert self.displays(estimate, fixed_frame="world")[1] == "world"


class TestRespawn:
    def after(self, estimate: Estimate, code: int, **arguments: str) -> list[Any]:
        node = estimate.node(**arguments)
        if node.on_exit is None:
            return []
        return node.on_exit(SimpleNamespace(returncode=code), estimate.context()) or []

    def test_a_node_whose_worker_died_is_started_again(self, estimate):
        arguments = {"name": "probe", "fixed_frame": "world"}
        first = estimate.node(**arguments)
        log, timer = self.after(estimate, 70, **arguments)
        assert log.msg == "the estimator ended with 70; started again in 5 s"
        assert timer.period == 5.0
        (again,) = timer.actions[0].function(None)
        for name in ("name", "parameters", "remappings", "arguments"):
            assert getattr(again, name) == getattr(first, name)
        assert again is not first
        assert again.on_exit is not None  # and so on

    @pytest.mark.parametrize("code", [0, 1, -9, 71])
    def test_any_other_end_is_one(self, estimate, code):
        assert self.after(estimate, code) == []

    def test_it_can_be_turned_off(self, estimate):
        assert self.after(estimate, 70, respawn="false") == []

    def test_nothing_is_started_while_everything_ends(self, estimate):
        context = estimate.context()
        context.is_shutdown = True
        assert not estimate.node().on_exit(SimpleNamespace(returncode=70), context)


class TestCheck:
    def test_a_parameter_file_that_is_missing_is_refused(self, estimate):
        with pytest.raises(ValueError, match=r"params_file names no file: '/nope\.yaml'"):
            estimate.file.check(estimate.context(params_file="/nope.yaml"))

    def test_numbers_that_are_none_are_refused(self, estimate):
        with pytest.raises(ValueError, match="sync_slop_s must be a number, got 'wide'"):
            estimate.file.check(estimate.context(sync_slop_s="wide"))

    def test_the_defaults_are_taken(self, estimate):
        context = estimate.context()
        estimate.file.check(context)
        assert Path(estimate.file.given(context, "params_file")).is_file()

    def test_what_is_given_becomes_a_parameter(self, estimate):
        node = estimate.node(sync_slop_s="0.05", autostart="false", tf_prefix="a_")
        expected = {"sync.slop_s": 0.05, "autostart": False, "tf_prefix": "a_"}
        assert node.parameters[1] == expected


def launch_is_here() -> bool:
    # The folder launch/ of the checkout is no package, but Python takes it for one.
    spec = importlib.util.find_spec("launch")
    return spec is not None and spec.origin is not None and _has("launch_ros")


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@pytest.fixture
def launched(root: Path, request: pytest.FixtureRequest) -> Iterator["subprocess.Popen[bytes]"]:
    if not launch_is_here():
        pytest.skip("ros2 launch is not in this environment (it is not on PyPI)")
    name, *arguments = request.param
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(root / "launch" / name), *arguments],
        start_new_session=True,
    )
    yield process
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.ros
@pytest.mark.parametrize(
    ("launched", "parent"),
    [
        (
            (
                "xarm6.launch.py",
                "driver:=none",
                "prefix:=left_",
                f"calibration:={Path(__file__).parents[1] / 'config' / f'xarm6_{kind}.yaml'}",
            ),
            parent,
        )
        for kind, parent in (("eye_in_hand", "left_link_eef"), ("eye_to_hand", "left_link_base"))
    ],
    indirect=["launched"],
)
def test_the_arms_launch_file_puts_the_camera_where_the_calibration_says(launched, parent):
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("asks", context=context)
    heard: list[tuple[str, str]] = []
    try:
        node.create_subscription(
            TFMessage,
            "/tf_static",
            lambda m: heard.extend((t.header.frame_id, t.child_frame_id) for t in m.transforms),
            LATCHED,
        )
        executor = rclpy.executors.SingleThreadedExecutor(context=context)
        executor.add_node(node)
        client = node.create_client(GetParameters, "/genpose/get_parameters")
        assert client.wait_for_service(timeout_sec=120), "the estimator did not come up"
        future = client.call_async(GetParameters.Request(names=["target_frame", "fixed_frame"]))
        executor.spin_until_future_complete(future, timeout_sec=30)
        assert [v.string_value for v in future.result().values] == ["left_link_base"] * 2
        deadline = time.monotonic() + 60
        while not heard and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.1)
        assert heard == [(parent, "camera_link")]
        executor.shutdown()
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


@pytest.mark.slow
@pytest.mark.ros
@pytest.mark.parametrize(
    "launched", [("demo.launch.py", "robot:=xarm6", "rate_hz:=0.5")], indirect=True
)
def test_the_demo_with_an_arm_tells_what_it_reaches(launched):
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("asks", context=context)
    heard: list[dict[str, Any]] = []
    try:
        node.create_subscription(
            String, "/task_frames/task_frames", lambda m: heard.append(json.loads(m.data)), 10
        )
        executor = rclpy.executors.SingleThreadedExecutor(context=context)
        executor.add_node(node)
        deadline = time.monotonic() + 240
        reached: set[str] = set()
        while not reached and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.5)
            reached = {
                frame["frame"]
                for message in heard
                for item in message["objects"]
                for frame in item["frames"]
                if frame["reachable"] == "reachable"
            }
        assert reached & {"grasp_side", "grasp_top"}, heard[-1:]
        executor.shutdown()
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


@pytest.mark.slow
@pytest.mark.ros
@pytest.mark.parametrize(
    "launched",
    [
        (
            "estimate.launch.py",
            "name:=probe",
            "preset:=paper",
            "tf_prefix:=arm_",
            "publish_tf:=false",
            "mode:=track",
            "fixed_frame:=world",
        )
    ],
    indirect=True,
)
def test_the_node_gets_topics_and_parameters(launched):
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node("asks", context=context)
    try:
        client = node.create_client(GetParameters, "/probe/get_parameters")
        assert client.wait_for_service(timeout_sec=120), "the node did not come up"
        names = [
            "tf_prefix",
            "publish_tf",
            "sampling.sampler",
            "segmentation.mask_source",
            "mode",
            "fixed_frame",
        ]
        request = GetParameters.Request(names=[*names, "tracking.max_coast_s"])
        executor = rclpy.executors.SingleThreadedExecutor(context=context)
        future = client.call_async(request)
        executor.add_node(node)
        executor.spin_until_future_complete(future, timeout_sec=30)
        values = future.result().values
        assert values[0].string_value == "arm_"
        assert values[1].bool_value is False
        assert values[2].string_value == "rk45"  # the preset's
        assert values[3].string_value == "label_image"  # the parameter file's
        assert [values[4].string_value, values[5].string_value] == ["track", "world"]
        assert values[6].double_value == TrackerSettings().max_coast_s  # the nested ones too
        topic = "/camera/camera/aligned_depth_to_color/image_raw"
        deadline = time.monotonic() + 10
        while not node.count_subscribers(topic) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert node.count_subscribers(topic) == 1
        executor.shutdown()
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)

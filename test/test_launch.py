# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the launch files: their arguments, and that a node comes up as they say."""

import ast
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rcl_interfaces.srv import GetParameters

from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.ros.node_settings import MASK_SOURCES, NodeSettings
from genpose_ros.settings import parameter_name
from genpose_ros.synthesis.sequences import SEQUENCE_KINDS
from genpose_ros.tracking.settings import TrackerSettings

FILES = ("estimate.launch.py", "demo.launch.py")

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


@pytest.mark.parametrize("name", FILES)
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


@pytest.mark.parametrize("name", FILES)
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
    assert imported <= {"launch", "launch_ros"}
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


@pytest.mark.parametrize("name", FILES)
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
        "estimate.launch.py": ["*arguments()", "rviz", "OpaqueFunction(function=estimator)"],
        "demo.launch.py": [
            "*arguments()",
            "OpaqueFunction(function=check)",
            "estimator",
            "OpaqueFunction(function=camera)",
        ],
    }
    assert order == expected[name]


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

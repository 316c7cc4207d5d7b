# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Launch of a RealSense D435 on (or beside) an xArm6, the estimator, and the objects' task frames.

The arm's own driver or description, of xarm_ros2, is started by itself; nothing here moves it:

    ros2 launch xarm_planner xarm6_planner_realmove.launch.py robot_ip:=192.168.1.200
    ros2 launch genpose_ros xarm6.launch.py calibration:=my_hand_eye.yaml

Arguments of estimate.launch.py are taken too, and with `driver:=realsense` those of
realsense.launch.py.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

YES_OR_NO = ["true", "false"]
#: Who publishes the images: realsense-ros, this package's own node, or somebody else.
CAMERAS = ["realsense_ros", "realsense", "none"]


def arguments() -> list[DeclareLaunchArgument]:
    """Return what can be given on the command line, beside the estimator's arguments."""
    share = FindPackageShare("genpose_ros")
    return [
        DeclareLaunchArgument(
            "prefix",
            default_value="",
            description="Before the arm's names of joints and links, as of xarm_ros2.",
        ),
        DeclareLaunchArgument(
            "calibration",
            default_value=PathJoinSubstitution([share, "config", "xarm6_eye_in_hand.yaml"]),
            description="YAML file that says where the camera is, in the hand or beside the arm; "
            "empty: the arm's description does (add_d435i_links).",
        ),
        DeclareLaunchArgument(
            "driver",
            default_value="realsense_ros",
            choices=CAMERAS,
            description="Who publishes the camera's images: realsense-ros, this package's node "
            "realsense_node, or none, somebody else.",
        ),
        DeclareLaunchArgument(
            "grasps",
            default_value="",
            description="YAML file with the categories' grasp and task frames; empty: the "
            "shipped ones.",
        ),
        DeclareLaunchArgument(
            "table_height",
            default_value="0.0",
            description="Height of the table in the frame of the arm's base, metres.",
        ),
        DeclareLaunchArgument(
            "moveit",
            default_value="false",
            choices=YES_OR_NO,
            description="Put the objects into MoveIt's planning scene as collision objects.",
        ),
    ]


def check(context: LaunchContext) -> None:
    """Refuse a height that is no number, as long as nothing is started."""
    text = LaunchConfiguration("table_height").perform(context)
    try:
        float(text)
    except ValueError:
        raise ValueError(f"table_height must be a number, got {text!r}") from None


def estimator(context: LaunchContext) -> list[IncludeLaunchDescription]:
    """Return the estimator, its poses in the frame of the arm's base, which tells the up too."""
    base = LaunchConfiguration("prefix").perform(context) + "link_base"
    given = context.launch_configurations
    frames = {name: given.get(name) or base for name in ("target_frame", "fixed_frame", "up_frame")}
    file = PathJoinSubstitution([FindPackageShare("genpose_ros"), "launch", "estimate.launch.py"])
    source = PythonLaunchDescriptionSource(file)
    return [IncludeLaunchDescription(source, launch_arguments=frames.items())]


def camera(context: LaunchContext) -> list[GroupAction]:
    """Return what publishes the images, if it is started here, by the names of the estimator."""
    driver = LaunchConfiguration("driver").perform(context)
    if driver == "none":
        return []
    calibration = LaunchConfiguration("calibration").perform(context)
    camera, namespace = (
        LaunchConfiguration(name).perform(context) for name in ("camera", "camera_namespace")
    )
    # Its frames below camera_link are its own, unless the arm's description has the camera: then
    # there is no calibration either. Said here, since publish_tf is an argument of the estimator.
    flags = {"publish_tf": "true" if calibration else "false", "camera_namespace": namespace}
    if driver == "realsense":
        package, name = "genpose_ros", "realsense.launch.py"
        flags |= {"camera": camera, "align": "true"}
    else:
        package, name = "realsense2_camera", "rs_launch.py"
        flags |= {"camera_name": camera, "align_depth.enable": "true", "enable_sync": "true"}
    file = PathJoinSubstitution([FindPackageShare(package), "launch", name])
    source = PythonLaunchDescriptionSource(file)
    included = IncludeLaunchDescription(source, launch_arguments=flags.items())
    return [GroupAction([included], scoped=True)]  # so that its flags are nobody else's


def nodes(context: LaunchContext) -> list[Node]:
    """Return the calibration's transform, the task frames and MoveIt's bridge."""
    prefix = LaunchConfiguration("prefix").perform(context)
    calibration = LaunchConfiguration("calibration").perform(context)
    started = []
    if calibration:
        started.append(
            Node(
                package="genpose_ros",
                executable="camera_mount",
                name="camera_mount",
                parameters=[{"calibration": calibration, "prefix": prefix}],
                output="screen",
            )
        )
    height = ParameterValue(LaunchConfiguration("table_height"), value_type=float)
    started.append(
        Node(
            package="genpose_ros",
            executable="task_frames",
            name="task_frames",
            parameters=[
                {
                    "robot": "xarm6",
                    "prefix": prefix,
                    "grasps": LaunchConfiguration("grasps"),
                    "table_height": height,
                }
            ],
            remappings=[("objects", "/genpose/objects")],
            output="screen",
        )
    )
    started.append(
        Node(
            package="genpose_ros",
            executable="moveit_bridge",
            name="moveit_bridge",
            remappings=[("objects", "/genpose/objects")],
            condition=IfCondition(LaunchConfiguration("moveit")),
            output="screen",
        )
    )
    return started


def generate_launch_description() -> LaunchDescription:
    """Return camera, calibration, estimator, task frames and, if asked for, MoveIt's bridge."""
    # The includes first: where one fails, as without realsense-ros, nothing has been started.
    return LaunchDescription(
        [
            *arguments(),
            OpaqueFunction(function=check),
            OpaqueFunction(function=estimator),
            OpaqueFunction(function=camera),
            OpaqueFunction(function=nodes),
        ]
    )

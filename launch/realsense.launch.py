# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Launch of a RealSense camera without realsense-ros, under its topics and frames.

ros2 launch genpose_ros realsense.launch.py
ros2 launch genpose_ros realsense.launch.py bag:=recording.bag loop:=true
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

#: Arguments, and the parameters that they set with their kinds.
PARAMETERS = {
    "serial": ("serial", str),
    "bag": ("bag", str),
    "loop": ("loop", bool),
    "width": ("stream.width", int),
    "height": ("stream.height", int),
    "fps": ("stream.fps", int),
    "align": ("align", bool),
    "imu": ("imu", bool),
    "emitter": ("emitter", bool),
    "spatial": ("filters.spatial", bool),
    "temporal": ("filters.temporal", bool),
    "hole_filling": ("filters.hole_filling", bool),
    "max_m": ("depth.max_m", float),
    "publish_tf": ("publish_tf", bool),
}
SWITCH = ["true", "false"]


def arguments() -> list[DeclareLaunchArgument]:
    """Return what can be given on the command line."""
    return [
        DeclareLaunchArgument(
            "camera", default_value="camera", description="Name of the camera, as of realsense-ros."
        ),
        DeclareLaunchArgument(
            "camera_namespace",
            default_value="camera",
            description="Namespace of the camera, as of realsense-ros.",
        ),
        DeclareLaunchArgument(
            "serial", default_value="", description="Serial number; empty: the first camera."
        ),
        DeclareLaunchArgument(
            "bag",
            default_value="",
            description="Recording of librealsense to play instead of a camera.",
        ),
        DeclareLaunchArgument(
            "loop",
            default_value="false",
            choices=SWITCH,
            description="Play the recording again when it is over.",
        ),
        DeclareLaunchArgument(
            "width", default_value="640", description="Width of depth and colour, pixels."
        ),
        DeclareLaunchArgument(
            "height", default_value="480", description="Height of depth and colour, pixels."
        ),
        DeclareLaunchArgument("fps", default_value="30", description="Images per second."),
        DeclareLaunchArgument(
            "align",
            default_value="true",
            choices=SWITCH,
            description="Publish depth aligned to the colour image too.",
        ),
        DeclareLaunchArgument(
            "imu",
            default_value="true",
            choices=SWITCH,
            description="Publish the IMU of cameras that have one.",
        ),
        DeclareLaunchArgument(
            "emitter",
            default_value="true",
            choices=SWITCH,
            description="Project the infrared pattern.",
        ),
        DeclareLaunchArgument(
            "spatial",
            default_value="false",
            choices=SWITCH,
            description="Smooth surfaces; it turns cans over.",
        ),
        DeclareLaunchArgument(
            "temporal",
            default_value="false",
            choices=SWITCH,
            description="Smooth over time; what moves leaves a trail.",
        ),
        DeclareLaunchArgument(
            "hole_filling",
            default_value="false",
            choices=SWITCH,
            description="Fill holes with depth that nobody measured.",
        ),
        DeclareLaunchArgument(
            "max_m",
            default_value="0.0",
            description="Farther depth is left out, metres; 0.0: none is.",
        ),
        DeclareLaunchArgument(
            "publish_tf",
            default_value="true",
            choices=SWITCH,
            description="Publish the frames below camera_link; false where a robot's description "
            "has them.",
        ),
    ]


def generate_launch_description() -> LaunchDescription:
    """Return the camera's node."""
    node = Node(
        package="genpose_ros",
        executable="realsense_node",
        name=LaunchConfiguration("camera"),
        namespace=LaunchConfiguration("camera_namespace"),
        parameters=[
            {
                "camera_name": ParameterValue(LaunchConfiguration("camera"), value_type=str),
                **{
                    parameter: ParameterValue(LaunchConfiguration(argument), value_type=kind)
                    for argument, (parameter, kind) in PARAMETERS.items()
                },
            }
        ],
        output="screen",
    )
    return LaunchDescription([*arguments(), node])

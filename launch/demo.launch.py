"""A simulated RealSense D435 over a table of objects, the estimator on its topics, and rviz.

The simulated camera takes the names of realsense-ros, so everything that estimate.launch.py can be
told holds here too, for example `preset:=paper` or `device:=cuda`.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare


def arguments() -> list[DeclareLaunchArgument]:
    """What can be given on the command line, beside the estimator's arguments."""
    return [
        DeclareLaunchArgument(
            "seed", default_value="0", description="Which table of objects is simulated, 0 or more."
        ),
        DeclareLaunchArgument(
            "rate_hz",
            default_value="1.0",
            description="Frames published per second; a CPU needs about a second for each.",
        ),
        DeclareLaunchArgument(
            "frames",
            default_value="",
            description="Folder of recorded frames to publish in turn; empty: the simulated table.",
        ),
        DeclareLaunchArgument(
            "mask_delay_s",
            default_value="0.0",
            description="How long after a depth image its masks come, as with a slow segmenter.",
        ),
    ]


def generate_launch_description() -> LaunchDescription:
    """Camera and estimator; rviz with `rviz:=true`."""
    camera = Node(
        package="genpose_ros",
        executable="simulated_camera_node",
        # realsense-ros's own names, which put its topics under /camera/camera.
        name="camera",
        namespace="camera",
        parameters=[
            {
                "seed": ParameterValue(LaunchConfiguration("seed"), value_type=int),
                "rate_hz": ParameterValue(LaunchConfiguration("rate_hz"), value_type=float),
                "frames": ParameterValue(LaunchConfiguration("frames"), value_type=str),
                "mask_delay_s": ParameterValue(
                    LaunchConfiguration("mask_delay_s"), value_type=float
                ),
            }
        ],
        output="screen",
    )
    estimator = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(
            PathJoinSubstitution([FindPackageShare("genpose_ros"), "launch", "estimate.launch.py"])
        )
    )
    return LaunchDescription([*arguments(), camera, estimator])

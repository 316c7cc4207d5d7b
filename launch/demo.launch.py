# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Launch of a simulated RealSense D435, the estimator on its topics, and rviz.

The camera shows a table of objects under the names of realsense-ros, so all arguments of
estimate.launch.py are taken here too, for example `preset:=paper` or `device:=cuda`. Tracking, with
a camera that moves and masks that are slow and delayed:

    ros2 launch genpose_ros demo.launch.py mode:=track motion:=sweep fixed_frame:=world \\
        rate_hz:=15.0 mask_rate_hz:=5.0 mask_delay_s:=0.2 rviz:=true
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

#: The camera's parameters and their kinds.
PARAMETERS = {
    "seed": int,
    "rate_hz": float,
    "frames": str,
    "weights": str,
    "motion": str,
    "robot": str,
    "motion_s": float,
    "mask_rate_hz": float,
    "mask_delay_s": float,
    "tf_rate_hz": float,
    "tf_delay_s": float,
}
#: Variables that name the profile of Fast DDS 2 and 3.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
MOTIONS = [
    "still", "turntable", "carried_slow", "carried_fast", "sweep", "occlusion", "returns",
    "crossing", "crowd", "arm",
]  # fmt: skip


def arguments() -> list[DeclareLaunchArgument]:
    """Return what can be given on the command line, beside the estimator's arguments."""
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
            "weights",
            default_value="",
            description="Checkpoint, or several with commas between, that the node estimates with; "
            "objects of their categories are simulated. Empty: the released one.",
        ),
        DeclareLaunchArgument(
            "motion",
            default_value="still",
            choices=MOTIONS,
            description="What moves: nothing, the objects or (sweep, arm) the camera, whose pose "
            "in the frame world is then on /tf.",
        ),
        DeclareLaunchArgument(
            "robot",
            default_value="",
            choices=["", "xarm6"],
            description="Arm that the camera is on, simulated: its joints and frames are "
            "published, and task frames with what it reaches; for fixed_frame:=link_base.",
        ),
        DeclareLaunchArgument(
            "motion_s",
            default_value="6.0",
            description="How long it moves before it goes back the way it came, seconds.",
        ),
        DeclareLaunchArgument(
            "mask_rate_hz",
            default_value="0.0",
            description="Masks per second, as of a segmenter slower than the camera; 0: one for "
            "each image.",
        ),
        DeclareLaunchArgument(
            "mask_delay_s",
            default_value="0.0",
            description="How long after a depth image its masks come, as with a slow segmenter.",
        ),
        DeclareLaunchArgument(
            "tf_rate_hz",
            default_value="0.0",
            description="Transforms of a moving camera per second, as of an arm's driver; 0: one "
            "at each image.",
        ),
        DeclareLaunchArgument(
            "tf_delay_s",
            default_value="0.0",
            description="How late the transforms of a moving camera are published, seconds.",
        ),
        DeclareLaunchArgument(
            "fastdds_profile",
            default_value=PathJoinSubstitution(
                [FindPackageShare("genpose_ros"), "config", "fastdds.xml"]
            ),
            description="Fast DDS profile of camera and estimator, where the environment names "
            "none: without it images fill the shared memory, and transforms come seconds late.",
        ),
    ]


def profile(context: LaunchContext) -> dict[str, str]:
    """Return the variables that give a program the Fast DDS profile; none where one is set."""
    path = LaunchConfiguration("fastdds_profile").perform(context)
    own = (*PROFILE_VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS")  # which a profile would overrule
    is_set = any(name in context.environment for name in own)
    return dict.fromkeys(PROFILE_VARIABLES, path) if path and not is_set else {}


def check(context: LaunchContext) -> None:
    """Refuse numbers that are none, as long as nothing is started that would be left running."""
    for name, kind in PARAMETERS.items():
        text = LaunchConfiguration(name).perform(context)
        try:
            kind(text)
        except ValueError:
            raise ValueError(f"{name} must be a number ({kind.__name__}), got {text!r}") from None


def camera(context: LaunchContext) -> list[Node]:
    """Return the simulated camera with the parameters that were given."""
    robot = LaunchConfiguration("robot").perform(context)
    frames = Node(
        package="genpose_ros",
        executable="task_frames",
        name="task_frames",
        parameters=[{"robot": robot}],
        remappings=[("objects", "/genpose/objects")],
        output="screen",
    )
    return [
        *([frames] if robot else []),
        Node(
            package="genpose_ros",
            executable="simulated_camera_node",
            # As of realsense-ros: arguments of estimate.launch.py, which follows them.
            name=LaunchConfiguration("camera"),
            namespace=LaunchConfiguration("camera_namespace"),
            parameters=[
                {
                    name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                    for name, kind in PARAMETERS.items()
                }
            ],
            additional_env=profile(context),
            output="screen",
        ),
    ]


def generate_launch_description() -> LaunchDescription:
    """Return camera and estimator; rviz with `rviz:=true`."""
    estimator = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(
            PathJoinSubstitution([FindPackageShare("genpose_ros"), "launch", "estimate.launch.py"])
        )
    )
    # The include first: where it fails, as without rviz2, nothing has been started.
    return LaunchDescription(
        [*arguments(), OpaqueFunction(function=check), estimator, OpaqueFunction(function=camera)]
    )

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Launch of the estimator on a camera's topics; by default those of realsense-ros.

The camera must align its depth to its colour image and publish both with one stamp:

    ros2 launch realsense2_camera rs_launch.py align_depth.enable:=true enable_sync:=true
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

YES_OR_NO = ["true", "false"]

#: Topics of the node and the arguments that say where they come from.
REMAPPINGS = {
    "depth": "depth_topic",
    "camera_info": "camera_info_topic",
    "masks": "masks_topic",
    "mask_detections": "mask_detections_topic",
    "label_info": "label_info_topic",
    "instance_masks": "instance_masks_topic",
    "mask_array": "mask_array_topic",
    "yolo": "yolo_topic",
    "imu": "imu_topic",
}
MASK_SOURCES = ["label_image", "instance_masks", "mask_array", "yolo", "semantic", "boxes"]

#: Arguments and the parameters that they set; left empty, the parameter file or the node's default
#: holds.
TEXT_PARAMETERS = {
    "preset": "preset",
    "weights": "weights",
    "energy_weights": "energy_weights",
    "device": "device",
    "mask_source": "segmentation.mask_source",
    "default_category": "segmentation.default_category",
    "label_categories": "segmentation.label_categories",
    "classes": "segmentation.classes",
    "min_scores": "segmentation.min_scores",
    "target_frame": "target_frame",
    "fixed_frame": "fixed_frame",
    "up_frame": "up_frame",
    "tf_prefix": "tf_prefix",
    "mode": "mode",
}
NUMBER_PARAMETERS = {
    "transform_wait_s": "transform_wait_s",
}
BOOLEAN_PARAMETERS = {
    "publish_tf": "publish_tf",
    "rectified": "depth.rectified",
    "use_sim_time": "use_sim_time",
}
#: Variables that name the profile of Fast DDS 2 and 3.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def share(*parts: str) -> PathJoinSubstitution:
    """Return the path of an installed file of this package."""
    return PathJoinSubstitution([FindPackageShare("genpose_ros"), *parts])


def arguments() -> list[DeclareLaunchArgument]:
    """Return what can be given on the command line."""
    camera = "/camera/camera/aligned_depth_to_color"
    return [
        DeclareLaunchArgument(
            "mode",
            default_value="",
            choices=["", "estimate", "track"],
            description="estimate: each frame by itself; track: objects keep id and frame over "
            "time. Empty: as in the parameter file.",
        ),
        DeclareLaunchArgument(
            "depth_topic",
            default_value=f"{camera}/image_raw",
            description="Depth image (16UC1, mono16: millimetres; 32FC1: metres), or its "
            "compressedDepth.",
        ),
        DeclareLaunchArgument(
            "camera_info_topic",
            default_value=f"{camera}/camera_info",
            description="Intrinsics of the depth image.",
        ),
        DeclareLaunchArgument(
            "mask_source",
            default_value="",
            choices=["", *MASK_SOURCES],
            description="Kind of the mask messages: label_image (labels, and detections that name "
            "the classes), instance_masks (genpose_ros/InstanceMasks), mask_array (a list of mask "
            "images: Mask R-CNN, ultralytics_ros, SAM), yolo (yolo_msgs/DetectionArray), semantic "
            "(a class number per pixel) or boxes (detections alone). Empty: as in the parameter "
            "file.",
        ),
        DeclareLaunchArgument(
            "masks_topic",
            default_value="/segmentation/label_image",
            description="Label image (mono8, 8UC1, mono16, 16UC1, 32SC1 or compressed): one value "
            "per object, or per class, 0 outside. Read when mask_source is label_image or "
            "semantic.",
        ),
        DeclareLaunchArgument(
            "mask_detections_topic",
            default_value="/segmentation/detections",
            description="vision_msgs/Detection2DArray with the class and score of each label, or "
            "with boxes alone. Read when mask_source is label_image or boxes.",
        ),
        DeclareLaunchArgument(
            "label_info_topic",
            default_value="/segmentation/label_info",
            description="vision_msgs/LabelInfo with the class names of label values. Read when "
            "mask_source is label_image or semantic.",
        ),
        DeclareLaunchArgument(
            "mask_array_topic",
            default_value="/segmentation/result",
            description="Message with a list of mask images, of any type. Read when mask_source is "
            "mask_array.",
        ),
        DeclareLaunchArgument(
            "yolo_topic",
            default_value="/yolo/detections",
            description="yolo_msgs/DetectionArray of a model that segments. Read when mask_source "
            "is yolo.",
        ),
        DeclareLaunchArgument(
            "instance_masks_topic",
            default_value="/segmentation/instance_masks",
            description="genpose_ros/InstanceMasks. Read when mask_source is instance_masks.",
        ),
        DeclareLaunchArgument(
            "default_category",
            default_value="",
            description="Category of the objects of a label image whose class is not known "
            "otherwise; one of those that the weights know.",
        ),
        DeclareLaunchArgument(
            "label_categories",
            default_value="",
            description="Categories of label values, class numbers or class names, such as "
            "'1:mug, 45:bowl, cup:mug'.",
        ),
        DeclareLaunchArgument(
            "classes",
            default_value="",
            description="Only objects of these categories are estimated, such as 'mug, can'.",
        ),
        DeclareLaunchArgument(
            "min_scores",
            default_value="",
            description="Objects whose detection scores less are ignored, such as '0.3' or "
            "'0.3, mug:0.5'.",
        ),
        DeclareLaunchArgument(
            "rectified",
            default_value="",
            choices=["", *YES_OR_NO],
            description="Whether the depth image is rectified, so that P of its camera_info holds "
            "and not K. Empty: as in the parameter file.",
        ),
        DeclareLaunchArgument(
            "preset",
            default_value="",
            choices=["", "fast", "paper"],
            description="Defaults of the estimator: 8 solver steps and cleaned masks, or as in "
            "the paper. Empty: as in the parameter file.",
        ),
        DeclareLaunchArgument(
            "weights",
            default_value="",
            description="Checkpoint, or several with commas between, each class going to the one "
            "that knows it; empty: the released one.",
        ),
        DeclareLaunchArgument(
            "energy_weights",
            default_value="",
            description="Checkpoint of the energy network, for the reference architecture alone.",
        ),
        DeclareLaunchArgument(
            "device",
            default_value="",
            description="Where the networks run: auto, cpu, cuda or cuda:N. Empty: as in the "
            "parameter file.",
        ),
        DeclareLaunchArgument(
            "target_frame",
            default_value="",
            description="Frame of the outputs, looked up at the image's time; empty: the camera's.",
        ),
        DeclareLaunchArgument(
            "imu_topic",
            default_value="/camera/camera/imu",
            description="sensor_msgs/Imu of the camera, which tells the direction up where "
            "up_source is imu, or auto without up_frame.",
        ),
        DeclareLaunchArgument(
            "up_frame",
            default_value="",
            description="Frame whose z axis points against gravity, such as the robot's base; "
            "empty: none.",
        ),
        DeclareLaunchArgument(
            "fixed_frame",
            default_value="",
            description="For mode track and a camera that moves, on an arm for example: a frame "
            "that stands still, such as world; its transform to the camera must be on /tf.",
        ),
        DeclareLaunchArgument(
            "transform_wait_s",
            default_value="",
            description="How long a frame waits for its transform to target_frame, fixed_frame or "
            "up_frame while no newer one comes, seconds. Empty: as in the parameter file.",
        ),
        DeclareLaunchArgument(
            "publish_tf",
            default_value="",
            choices=["", *YES_OR_NO],
            description="Whether each object gets a frame on /tf. Empty: as in the parameter file.",
        ),
        DeclareLaunchArgument(
            "tf_prefix",
            default_value="",
            description="Put before the names of the objects' frames.",
        ),
        DeclareLaunchArgument(
            "params_file",
            default_value=share("config", "estimator.yaml"),
            description="Parameter file; arguments given here come before it.",
        ),
        DeclareLaunchArgument(
            "name",
            default_value="genpose",
            description="Name of the node; its outputs are /<namespace>/<name>/poses and so on.",
        ),
        DeclareLaunchArgument(
            "namespace", default_value="", description="Namespace of the node; empty: none."
        ),
        DeclareLaunchArgument(
            "use_sim_time",
            default_value="",
            choices=["", *YES_OR_NO],
            description="Take the time from /clock, as when a bag is played with --clock.",
        ),
        DeclareLaunchArgument(
            "fastdds_profile",
            default_value="",
            description="Fast DDS profile of the node, where the environment names none, such as "
            "config/fastdds.xml of this package; best given to all programs that send images or "
            "transforms.",
        ),
        DeclareLaunchArgument(
            "respawn",
            default_value="false",
            choices=YES_OR_NO,
            description="Start the node again when it ends by itself.",
        ),
        DeclareLaunchArgument(
            "log_level",
            default_value="info",
            choices=["debug", "info", "warn", "error", "fatal"],
            description="What the node logs.",
        ),
        DeclareLaunchArgument(
            "rviz",
            default_value="false",
            choices=YES_OR_NO,
            description="Show the camera's images and the estimates in rviz.",
        ),
    ]


def profile(context: LaunchContext) -> dict[str, str]:
    """Return the variables that give a program the Fast DDS profile; none where one is set."""
    path = LaunchConfiguration("fastdds_profile").perform(context)
    is_set = any(name in context.environment for name in PROFILE_VARIABLES)
    return dict.fromkeys(PROFILE_VARIABLES, path) if path and not is_set else {}


def number(argument: str, text: str) -> float:
    """Return the number that an argument was given as."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{argument} must be a number, got {text!r}") from None


def estimator(context: LaunchContext) -> list[Node]:
    """Return the estimator node with the parameters that were given."""

    def given(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    parameters: dict[str, object] = {}
    for argument, parameter in TEXT_PARAMETERS.items():
        if given(argument):
            parameters[parameter] = ParameterValue(given(argument), value_type=str)
    for argument, parameter in BOOLEAN_PARAMETERS.items():
        if given(argument):
            parameters[parameter] = given(argument) == "true"
    for argument, parameter in NUMBER_PARAMETERS.items():
        if given(argument):
            parameters[parameter] = number(argument, given(argument))
    logger = ".".join(part for part in (*given("namespace").split("/"), given("name")) if part)
    return [
        Node(
            package="genpose_ros",
            executable="estimator_node",
            name=given("name"),
            namespace=given("namespace"),
            parameters=[given("params_file"), parameters],
            remappings=[(topic, given(argument)) for topic, argument in REMAPPINGS.items()],
            arguments=["--ros-args", "--log-level", f"{logger}:={given('log_level')}"],
            additional_env=profile(context),
            output="screen",
            emulate_tty=True,
            respawn=given("respawn") == "true",
            respawn_delay=5.0,
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Return the estimator, and rviz when asked for."""
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", share("rviz", "genpose.rviz")],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
    # What can fail comes first: where rviz2 is not installed, nothing is left running.
    return LaunchDescription([*arguments(), rviz, OpaqueFunction(function=estimator)])

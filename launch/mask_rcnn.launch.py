# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Launch of the segmenter Mask R-CNN on a camera's colour images.

Its topics are those that estimate.launch.py expects:

    ros2 launch genpose_ros mask_rcnn.launch.py weights:=maskrcnn_resnet50_fpn_v2.pth
    ros2 launch genpose_ros estimate.launch.py
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

#: The node's parameters and their kinds.
PARAMETERS = {
    "weights": str,
    "download": bool,
    "version": str,
    "class_names": str,
    "device": str,
    "input_px": int,
    "proposals": int,
    "min_score": float,
    "max_rate_hz": float,
    "all_classes": bool,
}


def arguments() -> list[DeclareLaunchArgument]:
    """Return what can be given on the command line."""
    return [
        DeclareLaunchArgument(
            "image_topic",
            default_value="/camera/camera/color/image_raw",
            description="Colour images, raw or compressed.",
        ),
        DeclareLaunchArgument(
            "weights",
            default_value="",
            description="State dict of torchvision's maskrcnn_resnet50_fpn_v2 or _fpn (.pth, "
            ".safetensors).",
        ),
        DeclareLaunchArgument(
            "download",
            default_value="false",
            choices=["true", "false"],
            description="Without weights, let torchvision fetch those of COCO, 180 MB, once.",
        ),
        DeclareLaunchArgument(
            "version",
            default_value="auto",
            choices=["auto", "v1", "v2"],
            description="Architecture of the weights; auto: as they tell.",
        ),
        DeclareLaunchArgument(
            "class_names",
            default_value="",
            description="Names of the weights' classes with commas between, if not COCO's.",
        ),
        DeclareLaunchArgument(
            "device", default_value="auto", description="auto, cpu, cuda or cuda:N."
        ),
        DeclareLaunchArgument(
            "input_px",
            default_value="480",
            description="Shorter side of the image as the network sees it, pixels.",
        ),
        DeclareLaunchArgument(
            "proposals",
            default_value="1000",
            description="Regions that the network looks into; 200 are faster without a GPU.",
        ),
        DeclareLaunchArgument(
            "min_score",
            default_value="0.5",
            description="Objects that the network is less sure of are left out.",
        ),
        DeclareLaunchArgument(
            "max_rate_hz",
            default_value="5.0",
            description="Images that are segmented a second at most; 0.0: all that can be.",
        ),
        DeclareLaunchArgument(
            "all_classes",
            default_value="false",
            choices=["true", "false"],
            description="Publish objects of classes without poses too.",
        ),
    ]


def generate_launch_description() -> LaunchDescription:
    """Return the segmenter's node."""
    node = Node(
        package="genpose_ros",
        executable="mask_rcnn_node",
        name="segmentation",
        parameters=[
            {
                name: ParameterValue(LaunchConfiguration(name), value_type=kind)
                for name, kind in PARAMETERS.items()
            }
        ],
        remappings=[("image", LaunchConfiguration("image_topic"))],
        output="screen",
    )
    return LaunchDescription([*arguments(), node])

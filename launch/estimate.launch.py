# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Launch of the estimator on a camera's topics; by default those of realsense-ros.

The camera must align its depth to its colour image and publish both with one stamp:

    ros2 launch realsense2_camera rs_launch.py align_depth.enable:=true enable_sync:=true

Of two cameras each gets a node, in a namespace of its own:

    ros2 launch genpose_ros estimate.launch.py camera:=left namespace:=left
"""

from collections.abc import Callable
from pathlib import Path

from launch import Action, LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, TimerAction
from launch.events.process import ProcessExited
from launch.logging import launch_config
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

YES_OR_NO = ["true", "false"]

#: Topics of the node and the arguments that say where they come from, beside the camera's.
REMAPPINGS = {
    "masks": "masks_topic",
    "mask_detections": "mask_detections_topic",
    "label_info": "label_info_topic",
    "instance_masks": "instance_masks_topic",
    "mask_array": "mask_array_topic",
    "yolo": "yolo_topic",
    "imu": "imu_topic",
}
#: Topics of the node that are the camera's.
CAMERA_TOPICS = ("depth", "camera_info", "mask_camera_info", "extrinsics")
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
    "parts": "segmentation.parts",
    "min_scores": "segmentation.min_scores",
    "target_frame": "target_frame",
    "fixed_frame": "fixed_frame",
    "up_frame": "up_frame",
    "tf_prefix": "tf_prefix",
    "mode": "mode",
}
NUMBER_PARAMETERS = {
    "sync_slop_s": "sync.slop_s",
    "sync_wait_s": "sync.wait_s",
    "depth_history_s": "sync.depth_history_s",
    "transform_wait_s": "transform_wait_s",
}
BOOLEAN_PARAMETERS = {
    "publish_tf": "publish_tf",
    "rectified": "depth.rectified",
    "aligned": "depth.aligned",
    "use_sim_time": "use_sim_time",
    "autostart": "autostart",
}
#: Names in rviz/estimate.rviz, which the given ones take the place of.
VIEW_NODE = "/genpose/"
VIEW_COLOR = "/camera/camera/color/image_raw"
VIEW_DEPTH = "/camera/camera/aligned_depth_to_color/image_raw"
VIEW_FRAME = "camera_color_optical_frame"
#: How the node ends when its worker died or the GPU is lost; a new process can go on.
EXIT_RESPAWN = 70
RESPAWN_DELAY_S = 5.0
#: Variables that name the profile of Fast DDS 2 and 3.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def share(*parts: str) -> PathJoinSubstitution:
    """Return the path of an installed file of this package."""
    return PathJoinSubstitution([FindPackageShare("genpose_ros"), *parts])


def arguments() -> list[DeclareLaunchArgument]:
    """Return what can be given on the command line."""
    return [
        DeclareLaunchArgument(
            "mode",
            default_value="",
            choices=["", "estimate", "track"],
            description="estimate: each frame by itself; track: objects keep id and frame over "
            "time. Empty: as in the parameter file.",
        ),
        DeclareLaunchArgument(
            "camera",
            default_value="camera",
            description="Name of the camera, as realsense-ros is given it with camera_name; its "
            "topics are under /<camera_namespace>/<camera>.",
        ),
        DeclareLaunchArgument(
            "camera_namespace",
            default_value="camera",
            description="Namespace of the camera; / is none, as of realsense-ros before 4.54.",
        ),
        DeclareLaunchArgument(
            "depth_topic",
            default_value="",
            description="Depth image (16UC1, mono16: millimetres; 32FC1: metres), or its "
            "compressedDepth. Empty: aligned_depth_to_color/image_raw of the camera, with "
            "aligned:=false depth/image_rect_raw.",
        ),
        DeclareLaunchArgument(
            "camera_info_topic",
            default_value="",
            description="Intrinsics of the depth image. Empty: the camera_info beside it.",
        ),
        DeclareLaunchArgument(
            "aligned",
            default_value="",
            choices=["", *YES_OR_NO],
            description="Whether the depth image is aligned to the image that is segmented; false: "
            "masks are carried over to the raw one, and the camera need not align. Empty: as in "
            "the parameter file.",
        ),
        DeclareLaunchArgument(
            "mask_camera_info_topic",
            default_value="",
            description="Intrinsics of the image that is segmented; read with aligned:=false. "
            "Empty: color/camera_info of the camera.",
        ),
        DeclareLaunchArgument(
            "extrinsics_topic",
            default_value="",
            description="realsense2_camera_msgs/Extrinsics from the depth image's camera to that "
            "one; where nothing comes, TF tells; read with aligned:=false. Empty: "
            "extrinsics/depth_to_color of the camera.",
        ),
        DeclareLaunchArgument(
            "color_topic",
            default_value="",
            description="Colour image, for rviz alone. Empty: color/image_raw of the camera.",
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
            "parts",
            default_value="",
            choices=["", "largest", "split", "together"],
            description="What becomes of a mask with separate parts: the largest is an object, "
            "each is, or all together are. Empty: as in the parameter file.",
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
            description="Defaults of the estimator: 4 solver steps and cleaned masks, or as in "
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
            "sync_slop_s",
            default_value="",
            description="Greatest difference between the stamps of masks and depth, seconds. "
            "Empty: as in the parameter file.",
        ),
        DeclareLaunchArgument(
            "sync_wait_s",
            default_value="",
            description="How long masks wait for depth or detections that come later, seconds. "
            "Empty: as in the parameter file.",
        ),
        DeclareLaunchArgument(
            "depth_history_s",
            default_value="",
            description="How long depth images are kept for masks that come later, seconds. "
            "Empty: as in the parameter file.",
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
            description="Put before the names of the objects' frames. Empty: as in the parameter "
            "file, where auto is the namespace and a slash.",
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
            default_value=PathJoinSubstitution(
                [FindPackageShare("genpose_ros"), "config", "fastdds.xml"]
            ),
            description="Fast DDS profile of the node, where the environment names none: without "
            "it a camera that starts is found up to 3 s later. Best given to all programs.",
        ),
        DeclareLaunchArgument(
            "autostart",
            default_value="",
            choices=["", *YES_OR_NO],
            description="Whether the node configures and activates itself; false: a lifecycle "
            "manager, or `ros2 lifecycle set`, does. Empty: as in the parameter file.",
        ),
        DeclareLaunchArgument(
            "respawn",
            default_value="true",
            choices=YES_OR_NO,
            description="Start the node again, after 5 s, when it ends with exit code 70: its "
            "worker died or the GPU was lost. Any other end is one.",
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
            description="Show the camera's images and the estimates in rviz, in target_frame or "
            "fixed_frame where they are given, else in the camera's.",
        ),
    ]


def profile(context: LaunchContext) -> dict[str, str]:
    """Return the variables that give a program the Fast DDS profile; none where one is set."""
    path = LaunchConfiguration("fastdds_profile").perform(context)
    own = (*PROFILE_VARIABLES, "FASTDDS_BUILTIN_TRANSPORTS")  # which a profile would overrule
    is_set = any(name in context.environment for name in own)
    return dict.fromkeys(PROFILE_VARIABLES, path) if path and not is_set else {}


def given(context: LaunchContext, name: str) -> str:
    """Return the text that an argument was given as."""
    return LaunchConfiguration(name).perform(context)


def camera_topics(context: LaunchContext) -> dict[str, str]:
    """Return the names of the camera's topics."""
    parts = (given(context, "camera_namespace"), given(context, "camera"))
    camera = "".join(f"/{part.strip('/')}" for part in parts if part.strip("/"))
    raw = given(context, "aligned") == "false"
    usual = "depth/image_rect_raw" if raw else "aligned_depth_to_color/image_raw"
    depth = given(context, "depth_topic") or f"{camera}/{usual}"
    segmented = given(context, "mask_camera_info_topic") or f"{camera}/color/camera_info"
    extrinsics = given(context, "extrinsics_topic") or f"{camera}/extrinsics/depth_to_color"
    beside = depth.removesuffix("/compressedDepth").rpartition("/")[0]
    return {
        "depth": depth,
        "camera_info": given(context, "camera_info_topic") or f"{beside}/camera_info",
        "color": given(context, "color_topic") or f"{camera}/color/image_raw",
        "mask_camera_info": segmented,
        "extrinsics": extrinsics,
    }


def full_name(context: LaunchContext) -> tuple[str, ...]:
    """Return the parts of the node's name, its namespace's first."""
    names = (*given(context, "namespace").split("/"), given(context, "name"))
    return tuple(name for name in names if name)


def number(context: LaunchContext, argument: str) -> float:
    """Return the number that an argument was given as."""
    text = given(context, argument)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{argument} must be a number, got {text!r}") from None


def check(context: LaunchContext) -> None:
    """Refuse what no node can start with, as long as nothing is started."""
    for argument in NUMBER_PARAMETERS:
        if given(context, argument):
            number(context, argument)
    file = given(context, "params_file")
    if not Path(file).is_file():
        raise ValueError(f"params_file names no file: {file!r}")


def parameters(context: LaunchContext) -> dict[str, object]:
    """Return the node's parameters that were given."""
    found: dict[str, object] = {}
    for argument, parameter in TEXT_PARAMETERS.items():
        if given(context, argument):
            found[parameter] = ParameterValue(given(context, argument), value_type=str)
    for argument, parameter in BOOLEAN_PARAMETERS.items():
        if given(context, argument):
            found[parameter] = given(context, argument) == "true"
    for argument, parameter in NUMBER_PARAMETERS.items():
        if given(context, argument):
            found[parameter] = number(context, argument)
    return found


def respawning(
    make_node: Callable[[], Node],
) -> Callable[[ProcessExited, LaunchContext], list[Action] | None]:
    """Return what is done at a process's end: nothing but where a new one can go on."""

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[Action] | None:
        if event.returncode != EXIT_RESPAWN or context.is_shutdown:
            return None
        line = f"the estimator ended with {EXIT_RESPAWN}; started again in {RESPAWN_DELAY_S:g} s"
        again = OpaqueFunction(function=lambda _: [make_node()])
        return [LogInfo(msg=line), TimerAction(period=RESPAWN_DELAY_S, actions=[again])]

    return on_exit


def estimator(context: LaunchContext) -> list[Node]:
    """Return the estimator node with the parameters that were given."""
    camera = camera_topics(context)
    remappings = [(topic, camera[topic]) for topic in CAMERA_TOPICS]
    remappings += [(topic, given(context, argument)) for topic, argument in REMAPPINGS.items()]
    level = f"{'.'.join(full_name(context))}:={given(context, 'log_level')}"
    options = {
        "name": given(context, "name"),
        "namespace": given(context, "namespace"),
        "parameters": [given(context, "params_file"), parameters(context)],
        "remappings": remappings,
        "arguments": ["--ros-args", "--log-level", level],
        "additional_env": profile(context),
    }
    respawns = given(context, "respawn") == "true"

    def make_node() -> Node:
        return Node(
            package="genpose_ros",
            executable="estimator_node",
            **options,
            output="screen",
            emulate_tty=True,
            on_exit=respawning(make_node) if respawns else None,
        )

    return [make_node()]


def view_file(context: LaunchContext) -> str:
    """Write rviz's configuration for the names that were given; return the file's name."""
    camera = camera_topics(context)
    frame = given(context, "target_frame") or given(context, "fixed_frame")
    names = {
        VIEW_NODE: f"/{'/'.join(full_name(context))}/",
        VIEW_COLOR: camera["color"],
        VIEW_DEPTH: camera["depth"],
        VIEW_FRAME: frame or f"{given(context, 'camera').strip('/')}_color_optical_frame",
    }
    text = Path(share("rviz", "estimate.rviz").perform(context)).read_text()
    for usual, name in names.items():
        text = text.replace(usual, name)
    file = Path(launch_config.log_dir) / f"{'_'.join(full_name(context))}.rviz"
    file.write_text(text)
    return str(file)


def view(context: LaunchContext) -> list[Node]:
    """Return rviz where it was asked for."""
    if given(context, "rviz") != "true":
        return []
    return [Node(package="rviz2", executable="rviz2", arguments=["-d", view_file(context)])]


def generate_launch_description() -> LaunchDescription:
    """Return the estimator, and rviz when asked for."""
    # What can fail comes first: where rviz2 is not installed, nothing is left running.
    functions = [OpaqueFunction(function=function) for function in (check, view, estimator)]
    return LaunchDescription([*arguments(), *functions])

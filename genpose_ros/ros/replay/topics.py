# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Choice of a bag's topics, by name and type: depth, camera_info, masks and their classes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["BagTopics", "WantedTopics", "choose_topics", "listed"]

#: Of realsense-ros, newer and older.
_DEPTH_NAMES = (
    "/camera/camera/aligned_depth_to_color/image_raw",
    "/camera/aligned_depth_to_color/image_raw",
)
#: Of the same where depth is not aligned, and where the segmented image's camera_info is.
_RAW_DEPTH_NAMES = ("/camera/camera/depth/image_rect_raw", "/camera/depth/image_rect_raw")
_COLOUR_INFO = "/color/camera_info"
_IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
_DETECTIONS = "vision_msgs/msg/Detection2DArray"
_LABEL_INFO = "vision_msgs/msg/LabelInfo"
_INSTANCE_MASKS = "genpose_ros/msg/InstanceMasks"
_POLYGONS = "yolo_msgs/msg/DetectionArray"
_EXTRINSICS, _TO_COLOUR = "realsense2_camera_msgs/msg/Extrinsics", "depth_to_color"
_IMU = "sensor_msgs/msg/Imu"
#: Words in the names of label images, and fields of messages with a list of mask images.
_LABEL_WORDS = ("label", "mask", "segment", "instance")
_MASK_FIELDS = ("masks", "segmentation_masks", "mask_array")
_SHOWN = 40


@dataclass(frozen=True)
class WantedTopics:
    """Topics that are named by the user; empty: to be found.

    Attributes:
        depth: depth images.
        camera_info: their calibration.
        masks: of the mask source; of label images and class images, the images.
        detections: classes and boxes of a label image.
        label_info: class names of a label image.
        mask_camera_info: with depth that is not aligned, of the image that was segmented.
        extrinsics: with depth that is not aligned, from the depth camera to that one.
        imu: the camera's IMU.
        mask_source: one of the node's mask sources.
    """

    depth: str = ""
    camera_info: str = ""
    masks: str = ""
    detections: str = ""
    label_info: str = ""
    mask_camera_info: str = ""
    extrinsics: str = ""
    imu: str = ""
    mask_source: str = ""


@dataclass(frozen=True)
class BagTopics:
    """Topics of a bag that are replayed, see `WantedTopics`; empty: there is none."""

    depth: str
    camera_info: str
    masks: str
    mask_source: str
    detections: str = ""
    label_info: str = ""
    mask_camera_info: str = ""
    extrinsics: str = ""
    imu: str = ""

    @property
    def all(self) -> tuple[str, ...]:
        """The names of those there are."""
        first = (self.depth, self.camera_info, self.masks, self.detections, self.label_info)
        return tuple(filter(None, (*first, self.mask_camera_info, self.extrinsics, self.imu)))


def choose_topics(
    types: Mapping[str, str],
    wanted: WantedTopics,
    fields: Callable[[str], Mapping[str, bool]] = lambda kind: {},
    *,
    aligned: bool = True,
    asks_imu: bool = False,
) -> BagTopics:
    """Return the topics to replay.

    Args:
        types: the type of each topic.
        wanted: what is named already.
        fields: fields of a type of message, and whether each is a list of messages.
        aligned: depth is that of the segmented image's pixels.
        asks_imu: the camera's IMU may tell which way is up, where there is one.

    Raises:
        ValueError: a topic is missing or not of its type, or there are several; what there is, is
            listed.
    """
    chooser = _Chooser(types, fields)
    depth = chooser.depth(wanted.depth, aligned)
    camera_info = chooser.camera_info(wanted.camera_info, depth)
    mask_camera_info = extrinsics = ""
    if not aligned:
        mask_camera_info = chooser.mask_camera_info(wanted.mask_camera_info, camera_info)
        extrinsics = chooser.one("extrinsics", wanted.extrinsics, (_EXTRINSICS,), _TO_COLOUR)
    imu = chooser.one("imu", wanted.imu, (_IMU,), "/imu") if asks_imu or wanted.imu else ""
    source, masks = chooser.masks(wanted, depth)
    detections = label_info = ""
    if source == "label_image":
        detections = chooser.one("detections", wanted.detections, (_DETECTIONS,))
    if source in ("label_image", "semantic"):
        label_info = chooser.one("label-info", wanted.label_info, (_LABEL_INFO,))
    return BagTopics(
        depth,
        camera_info,
        masks,
        source,
        detections,
        label_info,
        mask_camera_info,
        extrinsics,
        imu,
    )


def listed(types: Mapping[str, str]) -> str:
    """Return topics with their types, for messages."""
    names = sorted(types)
    shown = ", ".join(f"{name} ({types[name]})" for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{shown or 'nothing'}{more}"


class _Chooser:
    def __init__(
        self, types: Mapping[str, str], fields: Callable[[str], Mapping[str, bool]]
    ) -> None:
        self._types, self._fields = types, fields

    def depth(self, name: str, aligned: bool) -> str:
        if name:
            return self._named("depth", name, _IMAGES)
        found = [n for n in self._of(_IMAGES) if self._may_be_depth(n)]
        usual = [n for n in (_DEPTH_NAMES if aligned else _RAW_DEPTH_NAMES) if n in found]
        alike = [n for n in found if ("aligned_depth" in n) == aligned]
        for names in (usual[:1], alike, found):
            # An image and its compressed twin are one topic.
            raw = [n for n in names if self._types[n] == _IMAGES[0]] or names
            if len(raw) == 1:
                return raw[0]
        return self._none_or_several("depth image", "--depth-topic", found)

    def camera_info(self, name: str, depth: str) -> str:
        if name:
            return self._named("camera info", name, (_CAMERA_INFO,))
        found = self._of((_CAMERA_INFO,))
        folder = depth.removesuffix("/compressedDepth").removesuffix("/compressed")
        sibling = f"{folder.rpartition('/')[0]}/camera_info"
        if sibling in found:
            return sibling
        if len(found) == 1:
            return found[0]
        return self._none_or_several("camera_info", "--camera-info-topic", found)

    def mask_camera_info(self, name: str, camera_info: str) -> str:
        """That of the segmented image, which is not the depth image's."""
        option = "--mask-camera-info-topic"
        if name:
            return self._named("mask camera info", name, (_CAMERA_INFO,))
        found = [n for n in self._of((_CAMERA_INFO,)) if n != camera_info]
        colour = [n for n in found if n.endswith(_COLOUR_INFO)]
        for names in (colour, found):
            if len(names) == 1:
                return names[0]
        return self._none_or_several("camera_info of the segmented image", option, found)

    def masks(self, wanted: WantedTopics, depth: str) -> tuple[str, str]:
        """The mask source and its topic."""
        if wanted.masks:
            if wanted.masks not in self._types:
                self._named("masks", wanted.masks, ())
            source = wanted.mask_source or self._source_of(wanted.masks)
            return source, wanted.masks
        sources = [self._source_of(n) for n in self._types if n != depth]
        order = ("instance_masks", "label_image", "mask_array", "yolo", "boxes")
        source = wanted.mask_source or next((s for s in order if s in sources), "")
        kind = "label_image" if source == "semantic" else source
        others = [n for n in sorted(self._types) if n != depth]
        found = [n for n in others if source and self._source_of(n) == kind]
        if source and len(found) == 1:
            return source, found[0]
        what = f"topic with masks ({source})" if source else "topic with masks"
        return source, self._none_or_several(what, "--masks-topic and --mask-source", found)

    def one(self, option: str, name: str, kinds: Sequence[str], ending: str = "") -> str:
        """The named topic, the only one of its type or with the usual ending, or none."""
        if name:
            return self._named(option, name, kinds)
        found = self._of(kinds)
        usual = [n for n in found if ending and n.endswith(ending)]
        for names in (usual, found):
            if len(names) == 1:
                return names[0]
        return ""

    def _may_be_depth(self, name: str) -> bool:
        compressed = self._types[name] == _IMAGES[1]
        if compressed and not name.endswith("/compressedDepth"):
            return False
        return "depth" in name.lower() and not any(w in name.lower() for w in _LABEL_WORDS)

    def _source_of(self, name: str) -> str:
        """The mask source that a topic may be of; empty: none."""
        kind = self._types[name]
        by_type = {
            _INSTANCE_MASKS: "instance_masks", _POLYGONS: "yolo", _DETECTIONS: "boxes"
        }  # fmt: skip
        if kind in by_type:
            return by_type[kind]
        if kind in _IMAGES:
            return "label_image" if any(w in name.lower() for w in _LABEL_WORDS) else ""
        lists = self._fields(kind)
        return "mask_array" if any(lists.get(field) for field in _MASK_FIELDS) else ""

    def _of(self, kinds: Sequence[str]) -> list[str]:
        return sorted(name for name, kind in self._types.items() if kind in kinds)

    def _named(self, what: str, name: str, kinds: Sequence[str]) -> str:
        if name not in self._types:
            raise ValueError(f"the bag has no topic {name}; there are {listed(self._types)}")
        if self._types[name] not in kinds:
            raise ValueError(
                f"{name} is {self._types[name]}, expected {' or '.join(kinds)} for {what}"
            )
        return name

    def _none_or_several(self, what: str, option: str, found: Sequence[str]) -> str:
        if found:
            raise ValueError(
                f"the bag has more than one {what}: {', '.join(found)}; choose by {option}"
            )
        raise ValueError(
            f"the bag has no {what} that is known by its name and type; choose by {option} from "
            f"{listed(self._types)}"
        )

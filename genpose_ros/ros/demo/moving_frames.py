# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Moving frames for the simulated camera: a sequence, forwards and backwards without end."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from geometry_msgs.msg import Transform, TransformStamped, Vector3
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from genpose_ros.datasets.frame_folders import RecordedFrame, RecordedInstance, Truth
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.ros.builders import pose_messages
from genpose_ros.ros.demo.camera_messages import FrameMessages, color_message, frame_messages

if TYPE_CHECKING:
    from genpose_ros.synthesis.sequences import SequenceFrame, TrackingSequence

__all__ = ["MOTIONS", "WORLD", "MovingFrames"]

#: Motions of `genpose_ros.synthesis.sequences`, which is not imported for this list alone.
MOTIONS = (
    "turntable", "carried_slow", "carried_fast", "sweep", "occlusion", "returns", "crossing",
    "crowd", "arm",
)  # fmt: skip
#: The frame that stands still.
WORLD = "world"
#: Motions slow down before they turn back, and gather speed again, within this time, seconds.
_EASE_S = 0.4


class MovingFrames:
    """Messages of a simulated sequence, made once; they depend on the arguments alone.

    Args:
        motion: one of `MOTIONS`.
        seed: 0 or more.
        seconds: length, from rest to rest; then it goes back to the start the way it came.
        rate_hz: images per second.
        weights: checkpoints, with commas between, that say what objects there are; empty: the
            released one.
        progress: called after each image with how many are made, and of how many.

    Raises:
        FileNotFoundError: there is no such checkpoint.
        ValueError: no such motion, a number is out of range, or there are no shapes of a category.
    """

    def __init__(
        self,
        motion: str,
        seed: int,
        seconds: float,
        rate_hz: float,
        weights: str = "",
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        from genpose_ros.synthesis.library import library_of
        from genpose_ros.synthesis.sequences import tracking_sequence

        count = max(2, round(seconds * rate_hz))
        sequence = tracking_sequence(
            motion,
            seed,
            frames=count,
            rate_hz=rate_hz,
            ease_s=_EASE_S,
            library=library_of(weights),
        )
        self._T_world_cam: list[np.ndarray] = []
        self._render(f"{motion}_{seed}", sequence, progress)

    def _render(
        self, name: str, sequence: "TrackingSequence", progress: Callable[[int, int], None]
    ) -> None:
        """Make the messages of all images, and keep where the camera was."""
        self.camera: PinholeCamera = sequence.camera
        self._messages: list[FrameMessages] = []
        for item in sequence:
            self._messages.append(_messages(name, item))
            self._T_world_cam.append(item.T_fixed_cam)
            progress(len(self._messages), len(sequence))

    def transforms(self, number: int, header: Header) -> list[TransformStamped]:
        """Return what is on /tf at an image: where the camera is."""
        return [self.transform(self.camera_pose(number), header)]

    def __len__(self) -> int:
        return len(self._messages)

    def messages(self, number: int, header: Header) -> FrameMessages:
        """Return the messages of an image, numbered from the start on, without colour."""
        return self._messages[self._index(number)].stamped(header)

    def color(self, number: int, header: Header) -> Image:
        """Return the colour image of an image, which shows its depth as grey."""
        depth = self._messages[self._index(number)].depth
        depth_mm = np.frombuffer(depth.data, dtype="<u2").reshape(depth.height, depth.width)
        frame = RecordedFrame("", depth_mm.astype(np.float32) / 1000, self.camera, ())
        return color_message(frame, header)

    def camera_pose(self, number: int) -> np.ndarray:
        """Return T_world_cam, (4, 4), at an image."""
        return self._T_world_cam[self._index(number)]

    def transform(self, T_world_cam: np.ndarray, header: Header) -> TransformStamped:
        """Return the pose (4, 4) in the world of the camera, the header's frame, as a message."""
        (pose,) = pose_messages(T_world_cam[None])
        position = pose.position
        return TransformStamped(
            header=Header(stamp=header.stamp, frame_id=WORLD),
            child_frame_id=header.frame_id,
            transform=Transform(
                translation=Vector3(x=position.x, y=position.y, z=position.z),
                rotation=pose.orientation,
            ),
        )

    def _index(self, number: int) -> int:
        """Return the index: forwards and backwards, without repeating the first and last image."""
        last = len(self) - 1
        return last - abs(number % (2 * last) - last)


def _messages(name: str, item: "SequenceFrame") -> FrameMessages:
    frame = item.frame
    instances = tuple(RecordedInstance(i.id, i.category, i.mask) for i in frame.instances)
    # The ground truth holds hidden objects too, which have no mask.
    no_mask = np.zeros((0, 0), dtype=bool)
    truths = [
        RecordedInstance(o.object_id, o.category, no_mask, Truth.DATASET, o.T_cam_obj, o.size_m)
        for o in item.objects
    ]
    recorded = RecordedFrame(name, frame.depth_m, frame.camera, instances)
    return frame_messages(recorded, Header(), truths=truths, with_color=False)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Maker of random messages of the node's inputs, sensible in parts."""

import io
import math
import random
import struct
from array import array

import numpy as np
from PIL import Image as Picture
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, ObjectHypothesisWithPose

from genpose_ros.msg import InstanceMask, InstanceMasks

__all__ = ["Sender"]

BYTES = {"16UC1": 2, "mono16": 2, "32FC1": 4, "mono8": 1, "8UC1": 1, "32SC1": 4}
ENCODINGS = [
    *BYTES, "rgb8", "64FC1", "16SC1", "", "16UC1 ", "16uc1", "\0", "yuv422", "A" * 10_000,
    "32FC1; compressedDepth png",
]  # fmt: skip
NUMBERS = [
    0.0, -0.0, 1.0, -1.0, 600.0, 1e-300, 1e300, -1e300, math.nan, math.inf, -math.inf, 1e6, 1e-6,
    319.5, 2.0**31, 2.0**63,
]  # fmt: skip
SIZES = [0, 1, 2, 3, 7, 64, 480, 640, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1]
NAMES = ["mug", "MUG ", "cup", "41", "", "x" * 5000, "\0", "\u0131nvalid", "\n", "bowl"]


class Sender:
    """Maker of messages, sensible in parts, from a seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._bytes = np.random.default_rng(seed)
        self.pick = self._rng.choice
        self.chance = self._rng.random

    def number(self) -> float:
        return self.pick(NUMBERS) if self.chance() < 0.5 else self._rng.uniform(-2000, 2000)

    def size(self) -> int:
        return self.pick((0, 1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32))

    def header(self) -> Header:
        header = Header(frame_id=self.pick(("camera", "", "x" * 1000, "\n")))
        header.stamp.sec = self.pick((-(2**31), -1, 0, 1, 2, 3, 4, 5, 2**31 - 1))
        header.stamp.nanosec = self.pick((0, 1, 500_000_000, 999_999_999, 2**32 - 1))
        return header

    def data(self, count: int) -> array:
        kind = self._rng.randrange(3)
        if kind == 0:
            return array("B", self._bytes.integers(0, 256, count, dtype=np.uint8).tobytes())
        return array("B", bytes([self.pick((0, 1, 127, 255))]) * count)

    def image(self) -> Image:
        message = Image(header=self.header(), is_bigendian=self.pick((0, 1, 255)))
        message.encoding = self.pick(ENCODINGS[:6] if self.chance() < 0.8 else ENCODINGS)
        if self.chance() < 0.75:
            message.height, message.width = self.size(), self.size()
            pad = self.pick((0, 0, 0, 1, 3, 64))
            message.step = message.width * BYTES.get(message.encoding, 2) + pad
            count = message.step * message.height + self.pick((0, 0, 0, 0, -1, 1, 17))
        else:
            message.height, message.width = self.pick(SIZES), self.pick(SIZES)
            message.step, count = self.pick(SIZES), self.pick((0, 1, 64, 4096))
        message.data = self.data(max(count, 0))
        return message

    def compressed(self) -> CompressedImage:
        """A file of any format that Pillow writes, or a stream of RVL, mostly damaged."""
        pixels = self._bytes.integers(0, 256, (4, 6)).astype(self.pick((np.uint8, np.uint16)))
        content = io.BytesIO()
        kind = self.pick(("PNG", "PNG", "PNG", "JPEG", "TIFF", "EPS", "GIF", "ICO", "RVL", "RVL"))
        if kind == "RVL":
            content.write(struct.pack("<2I", self.pick((6, *SIZES)), self.pick((4, *SIZES))))
            content.write(self.data(4 * self.size()))
        else:
            wide = kind in ("PNG", "TIFF")
            Picture.fromarray(pixels if wide else pixels.astype(np.uint8)).save(content, kind)
        data = bytearray(content.getvalue())
        for _ in range(self.pick((0, 0, 1, 3)) if data else 0):
            data[self._rng.randrange(len(data))] = self._rng.randrange(256)
        head = self._bytes.bytes(12) if self.chance() < 0.5 else b""
        message = CompressedImage(header=self.header(), data=head + data)
        words = ("16UC1", "32FC1; compressedDepth", "png", "jpeg compressed", "x" * 5000)
        message.format = f"{self.pick(words)} {'rvl' if kind == 'RVL' else self.pick(('', 'rvl'))}"
        return message

    def region(self) -> RegionOfInterest:
        numbers = [self.size() if self.chance() < 0.7 else self.pick(SIZES) for _ in range(4)]
        names = ("x_offset", "y_offset", "height", "width")
        return RegionOfInterest(**dict(zip(names, numbers, strict=True)))

    def camera(self, shape: tuple[int, ...]) -> CameraInfo:
        message = CameraInfo(header=self.header())
        sizes = shape if self.chance() < 0.6 else (self.pick(SIZES), self.pick(SIZES))
        message.height, message.width = sizes
        good = [600.0, 0.0, 5.0, 0.0, 600.0, 5.0, 0.0, 0.0, 1.0]
        message.k = good if self.chance() < 0.5 else [self.number() for _ in range(9)]
        message.p = [0.0] * 12 if self.chance() < 0.4 else [self.number() for _ in range(12)]
        message.d = [self.number() for _ in range(self.pick((0, 4, 5, 1000)))]
        message.binning_x, message.binning_y = self.pick((0, 1, 2, 2**32 - 1)), self.pick((0, 1))
        if self.chance() < 0.4:
            message.roi = self.region()
        return message

    def detections(self) -> tuple[Detection2D, ...]:
        found = []
        for _ in range(self.pick((0, 0, 1, 2, 20))):
            item = Detection2D(id=self.pick(("1", "2", "255", "", " 3 ", "-1", "\u0661", "1.0")))
            item.bbox.center.position.x, item.bbox.center.position.y = self.number(), self.number()
            item.bbox.size_x, item.bbox.size_y = self.number(), self.number()
            for _ in range(self.pick((0, 1, 1, 3))):
                hypothesis = ObjectHypothesisWithPose()
                hypothesis.hypothesis.class_id = self.pick(NAMES)
                hypothesis.hypothesis.score = self.number()
                item.results.append(hypothesis)
            found.append(item)
        return tuple(found)

    def masks(self, shape: tuple[int, ...]) -> InstanceMasks:
        message = InstanceMasks(header=self.header())
        sizes = shape if self.chance() < 0.7 else (self.pick(SIZES), self.pick(SIZES))
        message.height, message.width = sizes
        for _ in range(self.pick((0, 1, 2, 5, 100))):
            score = self.number()
            item = InstanceMask(id=self.pick((0, 1, 2, -1, 2**31 - 1, -(2**31), 255)))
            item.class_name = self.pick(NAMES)
            item.score = score if abs(score) < 3e38 or not math.isfinite(score) else 0.0
            item.roi = self.region()
            whole = item.roi.height * item.roi.width or message.height * message.width
            item.mask = self.data(min(whole if self.chance() < 0.7 else self.size(), 10_000))
            message.instances.append(item)
        return message

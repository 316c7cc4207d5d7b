# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Transforms between frames over /tf and /tf_static: the part of tf2_ros that is used here.

Stands in for the real package, which is not on PyPI: same names, topics, qualities of service and
behaviour, in Python on top of scipy. Left out: the `_full` and asynchronous look-ups, the action
client, the tf2_frames service and conversion of stamped data.
"""

from tf2_ros.buffer import Buffer
from tf2_ros.exceptions import (
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TimeoutException,
    TransformException,
)
from tf2_ros.static_transform_broadcaster import StaticTransformBroadcaster
from tf2_ros.transform_broadcaster import TransformBroadcaster
from tf2_ros.transform_listener import TransformListener

__all__ = [
    "Buffer",
    "ConnectivityException",
    "ExtrapolationException",
    "InvalidArgumentException",
    "LookupException",
    "StaticTransformBroadcaster",
    "TimeoutException",
    "TransformBroadcaster",
    "TransformException",
    "TransformListener",
]

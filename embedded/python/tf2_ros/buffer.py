# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Keeps received transforms and answers where a frame was in another one at some time."""

import math
import threading
import time as wall
from typing import Literal, overload

from geometry_msgs.msg import TransformStamped
from rclpy.clock import Clock, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from tf2_ros.exceptions import (
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TransformException,
)
from tf2_ros.history import History, Sample
from tf2_ros.poses import IDENTITY, Pose

__all__ = ["Buffer"]

_DEFAULT_CACHE = Duration(seconds=10)
_POLL_SECONDS = 0.02
#: How far the squared length of a quaternion may be from 1.
_QUATERNION_TOLERANCE = 0.01


class Buffer:
    """A store of transforms; safe to use from several threads.

    A time of zero in a look-up asks for the newest time at which the whole chain is known.
    """

    def __init__(self, cache_time: Duration | None = None, node: Node | None = None) -> None:
        self._keep_ns = (cache_time or _DEFAULT_CACHE).nanoseconds
        self._histories: dict[str, History] = {}
        self._frames: set[str] = set()
        self._lock = threading.RLock()
        self.clock = node.get_clock() if node is not None else Clock()
        backwards = JumpThreshold(
            min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
        )
        self._jump_handle = self.clock.create_jump_callback(
            backwards, post_callback=self.time_jump_callback
        )

    def time_jump_callback(self, time_jump: TimeJump) -> None:
        """Forget everything: after a jump back, old transforms would look like the future."""
        self.clear()

    def clear(self) -> None:
        """Forget all transforms that are not static."""
        with self._lock:
            self._histories = {k: h for k, h in self._histories.items() if h.is_static}

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Add a transform that holds at its stamp.

        Raises:
            InvalidArgumentException: a name is empty or repeated, the stamp is negative, a number
                is NaN, or the quaternion is not of unit length.
        """
        self._insert(transform, is_static=False)

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Add a transform that holds at all times; raises as `set_transform` does."""
        self._insert(transform, is_static=True)

    def _insert(self, message: TransformStamped, *, is_static: bool) -> None:
        child, sample = _checked(message)
        with self._lock:
            history = self._histories.get(child)
            if history is None or history.is_static != is_static:
                history = self._histories[child] = History(is_static=is_static)
            history.add(sample, self._keep_ns)
            self._frames.update((child, sample.parent))

    def lookup_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Time,
        timeout: Duration = Duration(),  # noqa: B008 (the real signature)
    ) -> TransformStamped:
        """Return the transform that takes points from the source frame into the target frame.

        Waits up to `timeout` for it to become available.

        Raises:
            LookupException: a frame is unknown.
            ConnectivityException: nothing joins the frames.
            ExtrapolationException: the time lies outside what has been received.
            InvalidArgumentException: a name is empty or starts with a slash.
        """
        deadline = wall.monotonic() + timeout.nanoseconds * 1e-9
        while True:
            try:
                return self.lookup_transform_core(target_frame, source_frame, time)
            except TransformException:
                if wall.monotonic() >= deadline:
                    raise
            wall.sleep(_POLL_SECONDS)

    def lookup_transform_core(
        self, target_frame: str, source_frame: str, time: Time
    ) -> TransformStamped:
        """`lookup_transform` without waiting."""
        for name in (target_frame, source_frame):
            _check_name(name)
        with self._lock:
            for name in (target_frame, source_frame):
                if name not in self._frames:
                    raise LookupException(f'"{name}" does not exist.')
            stamp_ns = time.nanoseconds
            if stamp_ns == 0:
                stamp_ns = self._latest_common_ns(target_frame, source_frame)
            pose = self._relative(target_frame, source_frame, stamp_ns)
        return _message(target_frame, source_frame, stamp_ns, pose)

    @overload
    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Time,
        timeout: Duration = ...,
        return_debug_tuple: Literal[False] = ...,
    ) -> bool: ...

    @overload
    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Time,
        timeout: Duration,
        return_debug_tuple: Literal[True],
    ) -> tuple[bool, str]: ...

    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Time,
        timeout: Duration = Duration(),  # noqa: B008 (the real signature)
        return_debug_tuple: bool = False,
    ) -> bool | tuple[bool, str]:
        """Say whether `lookup_transform` would succeed, waiting up to `timeout` until it does.

        With `return_debug_tuple` also the reason why not.
        """
        try:
            self.lookup_transform(target_frame, source_frame, time, timeout)
        except TransformException as error:
            return (False, str(error)) if return_debug_tuple else False
        return (True, "") if return_debug_tuple else True

    def all_frames_as_yaml(self) -> str:
        """Return each frame with its parent and the newest time it is known at."""
        with self._lock:
            lines = [
                f"{child}: \n  parent: '{history.latest.parent}'\n"
                f"  most_recent_transform: {history.latest.stamp_ns * 1e-9:.6f}"
                for child, history in sorted(self._histories.items())
            ]
        return "\n".join(lines) + "\n" if lines else "{}"

    def _latest_common_ns(self, target: str, source: str) -> int:
        """The newest time at which each link between the two frames is known; static: 0."""
        up_target, up_source = self._newest_links(target), self._newest_links(source)
        ancestor = next((name for name in up_source if name in up_target), None)
        if ancestor is None:
            raise _unconnected(target, source)
        stamps = []
        for links in (up_target, up_source):
            for name in links:
                if name == ancestor:
                    break
                if not self._histories[name].is_static:
                    stamps.append(self._histories[name].latest.stamp_ns)
        return min(stamps, default=0)

    def _newest_links(self, frame: str) -> list[str]:
        """The frame and its ancestors, by the newest samples."""
        names = [frame]
        while (history := self._histories.get(names[-1])) is not None:
            if history.latest.parent in names:
                raise LookupException(f"the frames above {frame} form a loop")
            names.append(history.latest.parent)
        return names

    def _relative(self, target: str, source: str, stamp_ns: int) -> Pose:
        """Pose of `source` in `target`."""
        in_source, source_gap = self._ascend(source, stamp_ns)
        in_target, target_gap = self._ascend(target, stamp_ns)
        ancestor = next((name for name in in_source if name in in_target), None)
        if ancestor is None:
            # A link that is missing only at this time may be the one that joins them.
            raise source_gap or target_gap or _unconnected(target, source)
        return in_target[ancestor].inverse() @ in_source[ancestor]

    def _ascend(
        self, frame: str, stamp_ns: int
    ) -> tuple[dict[str, Pose], ExtrapolationException | None]:
        """Pose of `frame` in itself and each ancestor, nearest first, and what ended the way up."""
        pose = IDENTITY
        poses = {frame: pose}
        name = frame
        while (history := self._histories.get(name)) is not None:
            try:
                link = history.at(stamp_ns)
            except ExtrapolationException as error:
                return poses, error
            if link.parent in poses:
                raise LookupException(f"the frames above {frame} form a loop")
            name, pose = link.parent, link.pose @ pose
            poses[name] = pose
        return poses, None


def _unconnected(target: str, source: str) -> ConnectivityException:
    return ConnectivityException(
        f"Could not find a connection between '{target}' and '{source}' because they are not part "
        "of the same tree."
    )


def _check_name(name: str) -> None:
    if not name or name.startswith("/"):
        raise InvalidArgumentException(f"frame name {name!r} is empty or starts with a slash")


def _checked(message: TransformStamped) -> tuple[str, Sample]:
    """Child frame and sample of a message that is well formed."""
    parent, child = message.header.frame_id.lstrip("/"), message.child_frame_id.lstrip("/")
    if not parent or not child or parent == child:
        raise InvalidArgumentException(f"cannot join frame {child!r} to parent {parent!r}")
    if message.header.stamp.sec < 0:
        raise InvalidArgumentException(f"the stamp of {child!r} is negative")
    t, q = message.transform.translation, message.transform.rotation
    translation, quat_xyzw = (t.x, t.y, t.z), (q.x, q.y, q.z, q.w)
    if any(map(math.isnan, (*translation, *quat_xyzw))):
        raise InvalidArgumentException(f"the transform of {child!r} has a NaN")
    squared = sum(value * value for value in quat_xyzw)
    if abs(squared - 1) > _QUATERNION_TOLERANCE:
        raise InvalidArgumentException(f"the quaternion of {child!r} is not of unit length")
    stamp_ns = Time.from_msg(message.header.stamp).nanoseconds
    x, y, z, w = (value / math.sqrt(squared) for value in quat_xyzw)
    return child, Sample(stamp_ns, parent, Pose(translation, (x, y, z, w)))


def _message(target: str, source: str, stamp_ns: int, pose: Pose) -> TransformStamped:
    result = TransformStamped()
    result.header.frame_id, result.child_frame_id = target, source
    result.header.stamp = Time(nanoseconds=stamp_ns).to_msg()
    vector, quaternion = result.transform.translation, result.transform.rotation
    vector.x, vector.y, vector.z = pose.translation
    quaternion.x, quaternion.y, quaternion.z, quaternion.w = pose.quat_xyzw
    return result

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One frame's transforms to its parent over time."""

from bisect import bisect_left
from dataclasses import dataclass

from tf2_ros.exceptions import ExtrapolationException
from tf2_ros.poses import Pose

__all__ = ["History", "Sample"]


@dataclass(frozen=True)
class Sample:
    """The pose of a frame in its parent at one time."""

    stamp_ns: int
    parent: str
    pose: Pose


class History:
    """Samples in the order of their stamps; a static frame has one that holds at all times."""

    def __init__(self, *, is_static: bool) -> None:
        self.is_static = is_static
        self.samples: list[Sample] = []

    def add(self, sample: Sample, keep_ns: int) -> bool:
        """Insert a sample; return whether it was taken.

        A second sample for the same time, and one that is older than `keep_ns` before the newest,
        are not.
        """
        if self.is_static:
            self.samples = [sample]
            return True
        index = self._first_from(sample.stamp_ns)
        known = index < len(self.samples) and self.samples[index].stamp_ns == sample.stamp_ns
        if known or (self.samples and sample.stamp_ns < self.latest.stamp_ns - keep_ns):
            return False
        self.samples.insert(index, sample)
        del self.samples[: self._first_from(self.latest.stamp_ns - keep_ns)]
        return True

    @property
    def latest(self) -> Sample:
        """The newest sample."""
        return self.samples[-1]

    def at(self, stamp_ns: int) -> Sample:
        """The pose at a time, between two samples by linear and spherical interpolation.

        Raises:
            ExtrapolationException: the time lies before the first or after the last sample.
        """
        if self.is_static:
            return self.latest
        index = self._first_from(stamp_ns)
        if index < len(self.samples) and self.samples[index].stamp_ns == stamp_ns:
            return self.samples[index]
        if index in (0, len(self.samples)):
            known, where = (self.samples[0], "past") if index == 0 else (self.latest, "future")
            raise ExtrapolationException(
                f"Lookup would require extrapolation into the {where}.  Requested time "
                f"{stamp_ns * 1e-9:.9f} but the nearest data is at {known.stamp_ns * 1e-9:.9f}"
            )
        return _between(self.samples[index - 1], self.samples[index], stamp_ns)

    def _first_from(self, stamp_ns: int) -> int:
        """The index of the first sample that is not older than a time."""
        return bisect_left(self.samples, stamp_ns, key=lambda sample: sample.stamp_ns)


def _between(before: Sample, after: Sample, stamp_ns: int) -> Sample:
    """Interpolate; across a change of parent the earlier sample holds."""
    if before.parent != after.parent:
        return Sample(stamp_ns, before.parent, before.pose)
    share = (stamp_ns - before.stamp_ns) / (after.stamp_ns - before.stamp_ns)
    return Sample(stamp_ns, before.parent, before.pose.towards(after.pose, share))

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Filter of an IMU's samples: the direction against gravity, and why it is not to be trusted."""

import math
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass

import numpy as np

from genpose_ros.estimation.up import UpDirection

__all__ = ["GravityFilter", "ImuSample"]

_GRAVITY = 9.81
#: Time constant of the low-pass, seconds; so long a filter has to have run before it is believed.
_SMOOTHING_S = 0.3
#: Samples farther apart begin anew, and a direction farther from an image is none of it, seconds.
_GAP_S, _STALE_S = 0.5, 0.1
#: How far from gravity the mean acceleration may be, m/s^2, and how fast an IMU may turn, rad/s.
_ROUGH, _FAST_RAD_S = 0.6, 1.5
#: The least deviation of a direction, and how far from it an orientation may be, radians.
_SIGMA_RAD, _CONTRADICTS_RAD = math.radians(1.0), math.radians(15.0)
#: Directions that are remembered, and the least time between two of them, nanoseconds.
_REMEMBERED, _STEP_NS = 1000, 5_000_000


@dataclass(frozen=True)
class ImuSample:
    """Sample of an IMU, in its own frame; what it does not measure is None.

    Attributes:
        stamp_ns: when it was taken.
        acceleration: (3,) m/s^2; at rest it points against gravity.
        rate: (3,) rad/s.
        up: (3,) unit vector against gravity, by its orientation.
        up_sigma_rad: deviation of that.
    """

    stamp_ns: int
    acceleration: np.ndarray | None = None
    rate: np.ndarray | None = None
    up: np.ndarray | None = None
    up_sigma_rad: float = _SIGMA_RAD


@dataclass(frozen=True)
class _State:
    """Means after a sample: acceleration, what it is scattered by, the rate, and the direction."""

    stamp_ns: int
    began_ns: int
    acceleration: np.ndarray
    scatter: float
    rate_rad_s: float


@dataclass(frozen=True)
class _Entry:
    stamp_ns: int
    up: UpDirection | None
    problem: str


class GravityFilter:
    """Direction against gravity in the frame of an IMU: its orientation, or its acceleration.

    The acceleration is low-passed and turned along with the rate, where that is measured. While it
    is not that of gravity, or the IMU turns fast, it tells nothing. An orientation is believed
    while the acceleration at rest has not contradicted it.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._state: _State | None = None
        self._contradicts = False
        self._rested = False
        self._entries: deque[_Entry] = deque(maxlen=_REMEMBERED)

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest sample; None before the first."""
        return self._entries[-1].stamp_ns if self._entries else None

    def add(self, sample: ImuSample) -> None:
        """Take a sample; one older than the last is left out, and one much older begins anew."""
        if self._entries and sample.stamp_ns < self._entries[-1].stamp_ns:
            if (self._entries[-1].stamp_ns - sample.stamp_ns) / 1e9 < _GAP_S:
                return
            self._begin()
        if sample.acceleration is not None or sample.rate is not None:
            self._state = _advanced(self._state, sample)
        entry = self._entry(sample)
        if len(self._entries) > 1 and sample.stamp_ns - self._entries[-2].stamp_ns < _STEP_NS:
            self._entries.pop()
        self._entries.append(entry)

    def up_at(self, stamp_ns: int) -> UpDirection | str:
        """Return the direction at a stamp, or why it is not known, in words."""
        entries = self._entries
        if not entries:
            return "nothing was heard of the IMU"
        after = bisect_left(entries, stamp_ns, key=lambda entry: entry.stamp_ns)
        near = [entries[i] for i in (after - 1, after) if 0 <= i < len(entries)]
        entry = min(near, key=lambda item: abs(item.stamp_ns - stamp_ns))
        apart_s = abs(entry.stamp_ns - stamp_ns) / 1e9
        if apart_s > _STALE_S:
            return f"the IMU's nearest sample is {apart_s:.2f} s from the image's stamp"
        return entry.problem if entry.up is None else entry.up

    def _entry(self, sample: ImuSample) -> _Entry:
        """What is known after a sample."""
        problem = _problem(self._state)
        measured = None
        if self._state is not None and not problem:
            measured = _unit(self._state.acceleration)
        if sample.up is not None:
            if measured is not None:
                self._rested = True
                self._contradicts = float(measured @ sample.up) < math.cos(_CONTRADICTS_RAD)
            if not self._contradicts and (self._rested or self._state is None):
                return _Entry(
                    sample.stamp_ns, UpDirection(sample.up, sample.up_sigma_rad, None, "imu"), ""
                )
        if measured is None or self._state is None:
            return _Entry(sample.stamp_ns, None, problem)
        sigma = math.hypot(_SIGMA_RAD, self._state.scatter / _GRAVITY)
        return _Entry(sample.stamp_ns, UpDirection(measured, sigma, None, "imu"), "")


def _advanced(state: _State | None, sample: ImuSample) -> _State | None:
    """The means after one more sample."""
    passed_s = 0.0 if state is None else (sample.stamp_ns - state.stamp_ns) / 1e9
    if state is None or passed_s > _GAP_S:
        if sample.acceleration is None:
            return None
        return _State(sample.stamp_ns, sample.stamp_ns, sample.acceleration, 0.0, 0.0)
    share = -math.expm1(-passed_s / _SMOOTHING_S)
    mean, scatter, rate = state.acceleration, state.scatter, state.rate_rad_s
    if sample.rate is not None:
        mean = mean - passed_s * np.cross(sample.rate, mean)
        rate += share * (float(np.linalg.norm(sample.rate)) - rate)
    if sample.acceleration is not None:
        off = sample.acceleration - mean
        mean = mean + share * off
        # Of the mean, which averages over two time constants.
        scatter += share * (float(np.linalg.norm(off)) * math.sqrt(share / 2) - scatter)
    return _State(sample.stamp_ns, state.began_ns, mean, scatter, rate)


def _problem(state: _State | None) -> str:
    """Why a state tells no direction; empty: it does."""
    if state is None:
        return "the IMU measures no acceleration"
    length = float(np.linalg.norm(state.acceleration))
    if abs(length - _GRAVITY) > _ROUGH:
        unit = "; are these units of g?" if 0.9 < length < 1.1 else ""
        return f"the IMU's acceleration is {length:.2f} m/s^2, expected near {_GRAVITY}{unit}"
    if state.rate_rad_s > _FAST_RAD_S:
        return f"the IMU turns at {state.rate_rad_s:.1f} rad/s, expected at most {_FAST_RAD_S}"
    if (state.stamp_ns - state.began_ns) / 1e9 < _SMOOTHING_S:
        return "the IMU has just begun"
    return ""


def _unit(vector: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vector / np.linalg.norm(vector)
    return unit

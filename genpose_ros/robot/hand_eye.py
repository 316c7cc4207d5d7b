# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Hand-eye calibration of a camera on an arm or beside it, checked by one object.

A camera on the flange looks at an object at rest from several arm poses: its pose in the base must
be the same. A camera beside the arm looks at an object in the gripper: its pose on the flange must
be the same. What it is not, a wrong pose of the camera explains in part: that part is fitted, with
its uncertainty. It is told where the object is: a camera that always looks at the same distance
cannot tell whether it is turned or moved aside, but by how much the object is misplaced.

Estimates scatter along an object's y axis otherwise than across it (what fingers hide of a can
makes it look shorter), so each direction counts by its own scatter; a sighting that is far from all
others, a bottle taken for one upside down, is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from scipy.optimize import OptimizeResult, least_squares
from scipy.spatial.transform import Rotation

from genpose_ros.robot.kinematics import rotation_vectors

__all__ = ["HandEyeCheck", "Sighting", "Verdict", "check_hand_eye"]

#: A single estimate is at least so sure, metres and radians, however well a few of them agree.
_SUREST_M, _SUREST_RAD = 0.0005, np.radians(0.3)
#: Sightings are left out that are further away than this, and than five medians of all distances.
_FAR_M, _FAR_MEDIANS = 0.01, 5.0
#: Where more than this share were to be left out, the sightings disagree, and all count.
_MOST_LEFT_OUT = 0.25
#: Fits, each by the scatter that the one before left.
_FITS = 4
#: A calibration that is off by more is off, metres and degrees.
GOOD_M, GOOD_DEG = 0.003, 0.6
#: One that seems off by less is good; an object's own bias, up to 2.5 mm or so, lies between.
_SURELY_GOOD_M = 0.0025
#: Standard deviations beyond which an offset is none of chance.
_SIGMAS = 3.0
#: Arm poses that are needed, and how far the camera's directions have to spread, degrees.
FEWEST, _SPREAD_DEG = 6, 25.0


class Verdict(str, Enum):
    """Verdict on a calibration; the value is what is printed."""

    GOOD = "good"
    OFF = "off"
    UNSURE = "unsure"


@dataclass(frozen=True)
class Sighting:
    """An object as seen from one arm pose.

    Attributes:
        T_base_flange: (4, 4) by the arm's joints, metres.
        T_cam_obj: (4, 4) as estimated, camera optical frame.
    """

    T_base_flange: np.ndarray
    T_cam_obj: np.ndarray


@dataclass(frozen=True, kw_only=True)
class HandEyeCheck:
    """What a resting object tells of a calibration.

    Attributes:
        verdict: good, off or unsure.
        T_rest_obj: (N, 4, 4) where the object seems to be, by each sighting and the calibration: in
            the base frame or, of a camera beside the arm, in the flange's.
        kept: (N,) bool, the sightings that count; the others are far from all of these.
        spread_mm: root mean square distance of the kept ones' positions from their mean.
        spread_deg: root mean square angle between their y axes, as lines, and their mean.
        off_mm: by how much the calibration misplaces the object in the camera's frame, as fitted.
        off_deg: how much the camera is turned, as fitted.
        sigma_mm: standard deviation of that, by what is left unexplained.
        sigma_deg: the same of the angle.
        left_mm: spread of the positions that would be left with the fitted calibration.
        T_mount_cam: (4, 4) the fitted calibration: on the flange, or in the base frame.
        advice: a sentence that says what to do next.
    """

    verdict: Verdict
    T_rest_obj: np.ndarray
    kept: np.ndarray
    spread_mm: float
    spread_deg: float
    off_mm: float
    off_deg: float
    sigma_mm: float
    sigma_deg: float
    left_mm: float
    T_mount_cam: np.ndarray
    advice: str


def check_hand_eye(
    sightings: Sequence[Sighting],
    T_mount_cam: np.ndarray,
    *,
    symmetric: bool,
    eye_to_hand: bool = False,
) -> HandEyeCheck:
    """Return how well a calibration agrees with sightings of one object at rest.

    Args:
        sightings: from arm poses that show it from different sides.
        T_mount_cam: (4, 4) the calibration: the optical frame on the flange or, of a camera beside
            the arm, in the base frame.
        symmetric: whether the object's yaw is unobservable; then its y axis alone counts.
        eye_to_hand: whether the camera stands beside the arm, whose gripper holds the object.

    Raises:
        ValueError: there are too few sightings, or all from about the same side.
    """
    if len(sightings) < FEWEST:
        raise ValueError(
            f"{len(sightings)} sightings of the object, {FEWEST} are needed: look at it from more "
            "arm poses"
        )
    # Of what carries the camera, in what the object rests in: the base sees the flange move as the
    # flange sees the base move.
    T_rest_mount = np.stack([s.T_base_flange for s in sightings])
    if eye_to_hand:
        T_rest_mount = np.linalg.inv(T_rest_mount)
    T_cam_obj = np.stack([s.T_cam_obj for s in sightings])
    turns = rotation_vectors(T_rest_mount[:, :3, :3] @ T_rest_mount[0, :3, :3].T)
    widest = float(np.degrees(np.linalg.norm(turns, axis=1).max()))
    if widest < _SPREAD_DEG:
        raise ValueError(
            f"the arm poses differ by {widest:.0f} degrees at most, {_SPREAD_DEG:.0f} are needed: "
            "look at the object from several sides, or turn it where the gripper holds it"
        )
    everything = np.ones(len(sightings), bool)
    problem, fit = _fitted(_Problem(T_rest_mount, T_cam_obj, T_mount_cam, symmetric, everything))
    sigma = _sigmas(fit.jac, problem.residuals(fit.x))
    kept = problem.kept
    before, after = problem.placed(np.zeros(6)), problem.placed(fit.x[:6])
    off_mm = 1000 * float(np.linalg.norm(fit.x[:3]))
    off_deg = float(np.degrees(np.linalg.norm(fit.x[3:6])))
    sigma_mm, sigma_deg = 1000 * sigma[:3].max(), float(np.degrees(sigma[3:6].max()))
    verdict = _verdict(off_mm, off_deg, sigma_mm, sigma_deg)
    return HandEyeCheck(
        verdict=verdict,
        T_rest_obj=before,
        kept=kept,
        spread_mm=_spread_mm(before[kept]),
        spread_deg=_spread_deg(before[kept]),
        off_mm=off_mm,
        off_deg=off_deg,
        sigma_mm=float(sigma_mm),
        sigma_deg=sigma_deg,
        left_mm=_spread_mm(after[kept]),
        T_mount_cam=T_mount_cam @ problem.motion(fit.x[:6]),
        advice=_ADVICE[verdict],
    )


_ADVICE = {
    Verdict.GOOD: "the calibration agrees with what is seen: nothing is to be done",
    Verdict.OFF: "the calibration is off: calibrate again, or take the fitted one and check it",
    Verdict.UNSURE: "these sightings cannot tell: look from more sides, or at another object whose "
    "pose is surer",
}


def _verdict(off_mm: float, off_deg: float, sigma_mm: float, sigma_deg: float) -> Verdict:
    """Off where an offset is beyond what is good and three standard deviations."""
    good_mm = 1000 * GOOD_M
    if off_mm > max(good_mm, _SIGMAS * sigma_mm) or off_deg > max(GOOD_DEG, _SIGMAS * sigma_deg):
        return Verdict.OFF
    sure = 2 * sigma_mm <= good_mm and sigma_deg <= GOOD_DEG
    return Verdict.GOOD if sure and off_mm <= 1000 * _SURELY_GOOD_M else Verdict.UNSURE


@dataclass(frozen=True)
class _Scatter:
    """Deviations of a single estimate that count as one: metres, metres, radians."""

    along_m: float = 0.003
    across_m: float = 0.003
    angle_rad: float = float(np.radians(1.5))


@dataclass(frozen=True)
class _Problem:
    """Least squares: the camera's offset on its mount (6), and where the object rests (6)."""

    T_rest_mount: np.ndarray
    T_cam_obj: np.ndarray
    T_mount_cam: np.ndarray
    symmetric: bool
    kept: np.ndarray
    scatter: _Scatter = _Scatter()

    def motion(self, offset: np.ndarray) -> np.ndarray:
        """T_cam_moved (4, 4): turned about the object's mean place in the camera's frame."""
        pivot = np.median(self.T_cam_obj[:, :3, 3], axis=0)
        T = np.eye(4)
        T[:3, :3] = Rotation.from_rotvec(offset[3:6]).as_matrix()
        T[:3, 3] = offset[:3] + pivot - T[:3, :3] @ pivot
        return T

    def placed(self, offset: np.ndarray) -> np.ndarray:
        """T_rest_obj (N, 4, 4) where the camera is moved by an offset in its own frame."""
        T_mount_cam = self.T_mount_cam @ self.motion(offset)
        return np.asarray(self.T_rest_mount @ T_mount_cam @ self.T_cam_obj)

    def start(self) -> np.ndarray:
        """Values (12,) to begin with: the calibration is right, the object where most see it."""
        T = self.placed(np.zeros(6))
        R = T[0, :3, :3]
        if not self.symmetric:
            R = Rotation.from_matrix(T[:, :3, :3]).mean().as_matrix()
        return np.r_[np.zeros(6), np.median(T[:, :3, 3], axis=0), rotation_vectors(R[None])[0]]

    def deviations(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of every sighting: moved_obj (N, 3) in metres, turned (N, 3) in radians."""
        T = self.placed(values[:6])
        R = Rotation.from_rotvec(values[9:12]).as_matrix()
        moved = (T[:, :3, 3] - values[6:9]) @ R
        if self.symmetric:
            return moved, np.cross(T[:, :3, 1], R[:, 1])
        return moved, rotation_vectors(T[:, :3, :3] @ R.T)

    def residuals(self, values: np.ndarray) -> np.ndarray:
        """Deviations of the kept sightings by their scatter, in one row."""
        moved, turned = (deviation[self.kept] for deviation in self.deviations(values))
        scatter = self.scatter
        moved = moved / np.array([scatter.across_m, scatter.along_m, scatter.across_m])
        hold = 1e-3 * values[9:12]  # the yaw, which nothing else determines
        rest = hold if self.symmetric else np.zeros(0)
        return np.concatenate([moved.ravel(), turned.ravel() / scatter.angle_rad, rest])


def _fitted(problem: _Problem) -> tuple[_Problem, OptimizeResult]:
    """Fit a few times, by the scatter that the last fit left and without what is far away."""
    values = problem.start()
    for i in range(_FITS):
        moved, turned = problem.deviations(values)
        away = np.linalg.norm(moved, axis=1)
        kept = away <= max(_FAR_M, _FAR_MEDIANS * float(np.median(away)))
        if np.mean(~kept) > _MOST_LEFT_OUT:
            kept[:] = True
        scatter = _scatter(moved[kept], turned[kept]) if i else problem.scatter
        problem = replace(problem, kept=kept, scatter=scatter)
        fit = least_squares(problem.residuals, values, loss="soft_l1", method="trf")
        values = fit.x
    return problem, fit


def _scatter(moved_obj: np.ndarray, turned: np.ndarray) -> _Scatter:
    """Root mean squares of deviations (N, 3), with the freedom that a fit takes of each."""
    share = len(moved_obj) / (len(moved_obj) - 3)
    along = np.sqrt(share * (moved_obj[:, 1] ** 2).mean())
    across = np.sqrt(share * (moved_obj[:, [0, 2]] ** 2).mean())
    angle = np.sqrt(share * (turned**2).sum(1).mean() / 2)
    return _Scatter(
        max(float(along), _SUREST_M), max(float(across), _SUREST_M), max(float(angle), _SUREST_RAD)
    )


def _sigmas(jacobian: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """Standard deviations (12,) of the fitted values, by the residuals' own size."""
    free = max(len(residuals) - jacobian.shape[1], 1)
    inverse = np.linalg.pinv(jacobian.T @ jacobian)
    return np.sqrt(np.maximum(inverse.diagonal(), 0) * float(residuals @ residuals) / free)


def _spread_mm(T_rest_obj: np.ndarray) -> float:
    away = T_rest_obj[:, :3, 3] - T_rest_obj[:, :3, 3].mean(0)
    return 1000 * float(np.sqrt((away**2).sum(1).mean()))


def _spread_deg(T_rest_obj: np.ndarray) -> float:
    """Of the y axes as lines: a can that is taken for one upside down is where it is."""
    axes = T_rest_obj[:, :3, 1]
    mean = np.linalg.eigh(axes.T @ axes)[1][:, -1]
    angles = np.arccos(np.clip(np.abs(axes @ mean), 0, 1))
    return float(np.degrees(np.sqrt((angles**2).mean())))

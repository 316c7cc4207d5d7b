"""A frame whose masks come late: what they tell is carried up to the newest image."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from genpose_ros.estimation.frame import Frame
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.geometry.clouds import inverse_transform_points
from genpose_ros.tracking.depth_history import since
from genpose_ros.tracking.state import (
    Moment,
    TrackMemory,
    re_anchored,
    rewound,
)
from genpose_ros.tracking.step import Follower, TrackingStep, World
from genpose_ros.tracking.tracks import TrackingResult, TrackState
from genpose_ros.tracking.verification import far_apart, turn_deg
from genpose_ros.tracking.visibility import outside_fraction, shift_onto

__all__ = ["LateStep"]

#: A track has strayed when its late mask shows it farther off than this.
_STRAYED_M, _STRAYED_DEG = 0.01, 5.0
#: It fits its mask when its surface is less than this far off, metres, and no more than this share
#: of what the mask shows lies outside its box.
_FITS_M, _FITS_OUTSIDE = 0.007, 0.1


class LateStep(TrackingStep):
    """The way of a frame that is older than the newest one; `world` is what it leaves."""

    def look_back(
        self, stamp_ns: int, T_fixed_cam: np.ndarray | None, *, has_masks: bool
    ) -> TrackingResult:
        """Learn from the frame without moving any track back in time.

        Masks tell which object is which. New objects, and those that were not where they were
        thought to be, are estimated in this frame and carried through the images since then.
        """
        path = self.world.path
        T = path.at(stamp_ns) if T_fixed_cam is None or not path.known else T_fixed_cam
        self.moment = Moment(stamp_ns, np.asarray(T, dtype=np.float64), path.known)
        if not has_masks:
            detail = "the depth image is older than the newest one; only masks may come late"
            self.rejections.append(Rejection(Reason.STAMP_OUT_OF_ORDER, detail))
            return self._result(compensated=False, late=True)
        clouds = self._clouds()
        with self.timer.stage("associate"):
            followers = self._back_then()
            pairs = self._pairs(followers, clouds)
        masked = [self._with_mask(followers[j], clouds[i]) for j, i in pairs.items()]
        fits = [_fits(follower) for follower in masked]
        fitting = [f for f, fit in zip(masked, fits, strict=True) if fit]
        judged = [self._anew_where_far(f) for f, fit in zip(masked, fits, strict=True) if not fit]
        estimates = self._warm(judged)
        urgent = self._to_check(fitting)
        if urgent is not None:
            estimates[len(judged)] = _as_it_stands(fitting[urgent])
            judged.append(fitting[urgent])
        checks = self._fresh(judged)
        known = {memory.track_id: memory for memory in self.world.memories}
        known |= {follower.memory.track_id: follower.memory for follower in masked}
        behind: list[TrackMemory] = []
        with self.timer.stage("judge"):
            warm, fresh = (self._findings(judged, some) for some in (estimates, checks))
            for j, follower in enumerate(judged):
                after = self._after(follower, warm.get(j), fresh.get(j))
                number = follower.memory.track_id
                known[number] = _with_evidence(known[number], after)
                if after is not None and self._strayed(follower, after):
                    behind.append(_out_of_sight(rewound(after)))
        free = [cloud for i, cloud in enumerate(clouds) if i not in pairs.values()]
        used = [clouds[i] for i in pairs.values()]
        behind += self._births(free, used, list(known.values()))
        known |= {memory.track_id: memory for memory in self._carried_up(behind)}
        self._settle(list(known.values()))
        return self._result(compensated=False, late=True)

    def _back_then(self) -> list[Follower]:
        """The tracks where they were taken to be at the time of this frame."""
        memories, stamp_ns = self.world.memories, self.moment.stamp_ns
        motions = [
            replace(memory.motion, stamp_ns=stamp_ns, T_fixed_obj=memory.at(stamp_ns))
            for memory in memories
        ]
        return self._placed(memories, motions)

    def _anew_where_far(self, follower: Follower) -> Follower:
        """The follower, to be found without its last pose where that was not even near its mask."""
        memory, cloud = follower.memory, follower.cloud
        if cloud is None:
            return follower
        outside = outside_fraction(
            cloud.points_cam,
            follower.T_cam_obj,
            memory.estimate.size_m,
            symmetric=memory.symmetric,
        )
        if memory.state is TrackState.COASTING or outside > self.settings.max_outside_share:
            return replace(follower, memory=replace(memory, refused=memory.refused + 1))
        return follower

    def _strayed(self, follower: Follower, after: TrackMemory) -> bool:
        """Whether a track is better off with what its late mask shows."""
        memory = follower.memory
        if after.last.stamp_ns != self.moment.stamp_ns:
            return False
        if memory.needs_fresh_start:
            return True
        T_then, T_seen, symmetric = follower.T_cam_obj, after.estimate.T_cam_obj, memory.symmetric
        if not since(self.world.images, self.moment.stamp_ns):
            return far_apart(T_then, T_seen, symmetric=symmetric)
        distance_m = np.linalg.norm(T_seen[:3, 3] - T_then[:3, 3])
        degrees = turn_deg(T_then, T_seen, symmetric=symmetric)
        return bool(distance_m > _STRAYED_M) or degrees > _STRAYED_DEG

    def _carried_up(self, memories: Sequence[TrackMemory]) -> Sequence[TrackMemory]:
        """Tracks as of this frame, after the images since then."""
        for image in since(self.world.images, self.moment.stamp_ns, len(memories)):
            if not memories:
                break
            if image.moment.known:
                memories = [re_anchored(memory, image.moment) for memory in memories]
            frame = Frame(image.depth_m, image.camera)
            step = TrackingStep(self.estimator, self.settings, World(tuple(memories)), frame)
            step.moment, step.timer = image.moment, self.timer
            step.carry(has_masks=False)
            memories = step.world.memories
        return memories


def _fits(follower: Follower) -> bool:
    """Whether a track's surface lies where its mask shows the object: no need to estimate it."""
    memory, cloud, T = follower.memory, follower.cloud, follower.T_cam_obj
    if cloud is None or memory.needs_fresh_start or memory.state is TrackState.COASTING:
        return False
    size_m, symmetric = memory.estimate.size_m, memory.symmetric
    if outside_fraction(cloud.points_cam, T, size_m, symmetric=symmetric) > _FITS_OUTSIDE:
        return False
    shown = inverse_transform_points(T, cloud.points_cam)
    return float(np.linalg.norm(shift_onto(shown, memory.points_obj))) < _FITS_M


def _as_it_stands(follower: Follower) -> ObjectEstimate:
    """A track's estimate where it is taken to be, with the points of its mask."""
    estimate, cloud = follower.memory.estimate, follower.cloud
    placed = estimate.placed(follower.T_cam_obj)
    return placed if cloud is None else replace(placed, points_cam=cloud.points_cam)


def _with_evidence(memory: TrackMemory, after: TrackMemory | None) -> TrackMemory:
    """A track where it is, with what a check in a late frame said of it."""
    if after is None:
        return memory
    return replace(
        memory,
        checked_ns=max(memory.checked_ns, after.checked_ns),
        rival=after.rival,
        rival_checks=after.rival_checks,
    )


def _out_of_sight(memory: TrackMemory) -> TrackMemory:
    """Where a track is now, only the images since then can tell."""
    if memory.state is TrackState.NEW:
        return memory
    return replace(memory, state=TrackState.COASTING)

"""What the tracker remembers of an object, and how one frame changes it."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from genpose_ros.estimation.result import ObjectEstimate
from genpose_ros.geometry.clouds import inverse_transform_points
from genpose_ros.geometry.symmetry import is_symmetric, pin_yaw
from genpose_ros.geometry.transforms import rotate_covariance
from genpose_ros.tracking.ego_motion import pose_at, remembered
from genpose_ros.tracking.motion import (
    Motion,
    MotionNoise,
    begin_motion,
    carried,
    corrected,
    predicted,
    significant_velocity,
)
from genpose_ros.tracking.settings import TrackerSettings
from genpose_ros.tracking.tracks import Track, TrackState, next_state

__all__ = [
    "Moment",
    "TrackMemory",
    "area_of",
    "as_track",
    "begun",
    "identified",
    "keep_free_angle",
    "predicted_motion",
    "re_anchored",
    "rewound",
    "seen",
    "unseen",
]

#: An object of which no more than this share is hidden counts as whole.
_WHOLE = 0.1
#: Estimates of partly hidden objects err towards what is left, by about this share of the hidden
#: length, and turn by this much, radians, times the share squared; not anew in every frame, but
#: for so many frames.
_HIDDEN_SHIFT, _HIDDEN_TURN_RAD, _HIDDEN_FRAMES = 0.25, 0.5, 18
#: Points of its last seen surface that are enough to compare it with an image.
_FEW_POINTS = 192
#: Longer predictions, seconds, go by velocities that are surely none of the noise.
_BRIEFLY_S = 0.1
#: Share by which the running mean of the energy follows.
_ENERGY_GAIN = 0.1
#: What candidates agree on is still off by about 2 mm and 1 degree.
_NOISE_FLOOR = np.diag(np.repeat([0.002, np.deg2rad(1.0)], 3) ** 2)


@dataclass(frozen=True)
class Moment:
    """When and from where a frame was taken.

    Attributes:
        stamp_ns: acquisition time.
        T_fixed_cam: (4, 4) camera in the fixed frame.
        known: whether that is the frame's own, not carried on from an earlier one.
    """

    stamp_ns: int
    T_fixed_cam: np.ndarray
    known: bool

    @property
    def T_cam_fixed(self) -> np.ndarray:
        """Fixed frame to camera, (4, 4)."""
        return np.linalg.inv(self.T_fixed_cam)

    def since_s(self, stamp_ns: int) -> float:
        """Seconds since another time."""
        return (self.stamp_ns - stamp_ns) / 1e9


@dataclass(frozen=True)
class TrackMemory:
    """One object from frame to frame.

    Attributes:
        track_id: as in `Track`.
        category: as it stands; masks that say otherwise are counted in `other_frames`.
        state: see `TrackState`.
        born_ns: when it was first seen.
        motion: filtered pose and velocity when it was last seen, fixed frame.
        estimate: the last one accepted, in the camera of `last`.
        last: when and from where it was last seen.
        points_obj: (M, 3) float32, where a mask last showed its surface as a whole, object
            frame, in random order.
        area: pixels of its mask when it was last seen as a whole, times its distance in metres
            squared.
        masked_ns: when it last had a mask.
        instance_id: of that mask.
        hits: masks it has had, counted up to the confirmation.
        missed: frames in a row with masks but none for it.
        refused: estimates in a row that were not plausible.
        other_category: what masks lately name it instead; empty: they agree.
        other_frames: how often in a row.
        checked_ns: when it was last checked.
        rival: (4, 4) pose, in its own object frame, that checks see instead; None: they agree.
        rival_checks: how often in a row.
        energy: running mean of its total energy; None without energies.
        history: (stamp, T_fixed_obj) of its last poses, oldest first.
    """

    track_id: int
    category: str
    state: TrackState
    born_ns: int
    motion: Motion
    estimate: ObjectEstimate
    last: Moment
    points_obj: np.ndarray
    area: float
    masked_ns: int
    instance_id: int
    hits: int = 1
    missed: int = 0
    refused: int = 0
    other_category: str = ""
    other_frames: int = 0
    checked_ns: int = 0
    rival: np.ndarray | None = None
    rival_checks: int = 0
    energy: float | None = None
    history: tuple[tuple[int, np.ndarray], ...] = ()

    @property
    def symmetric(self) -> bool:
        """Whether the object is round about y."""
        return is_symmetric(self.category)

    @property
    def few_points_obj(self) -> np.ndarray:
        """Some of its surface, (192, 3), spread over all of it."""
        points = self.points_obj[:_FEW_POINTS]
        return points if len(points) == _FEW_POINTS else np.resize(points, (_FEW_POINTS, 3))

    @property
    def needs_fresh_start(self) -> bool:
        """Whether its last pose is no place to start from."""
        return self.state is TrackState.LOST or self.refused > 0

    def at(self, stamp_ns: int) -> np.ndarray:
        """Return T_fixed_obj (4, 4) at a stamp, between the frames around it."""
        return pose_at(self.history, stamp_ns)


def begun(
    track_id: int, estimate: ObjectEstimate, moment: Moment, settings: TrackerSettings
) -> TrackMemory:
    """Return the memory of an object seen for the first time."""
    T_fixed_obj = moment.T_fixed_cam @ estimate.T_cam_obj
    confirmed = settings.confirm_frames <= 1
    return TrackMemory(
        track_id=track_id,
        category=estimate.category,
        state=TrackState.CONFIRMED if confirmed else TrackState.NEW,
        born_ns=moment.stamp_ns,
        motion=begin_motion(moment.stamp_ns, T_fixed_obj, _measurement_noise(estimate, moment)),
        estimate=estimate,
        last=moment,
        points_obj=_surface(estimate),
        area=area_of(estimate),
        masked_ns=moment.stamp_ns,
        instance_id=estimate.instance_id,
        checked_ns=moment.stamp_ns,
        energy=estimate.energy,
        history=((moment.stamp_ns, T_fixed_obj),),
    )


def predicted_motion(memory: TrackMemory, stamp_ns: int, settings: TrackerSettings) -> Motion:
    """Return where an object is expected at a time."""
    motion = memory.motion
    if not settings.predict or memory.state is TrackState.LOST:
        motion = replace(motion, velocity=np.zeros(6))
    elif (stamp_ns - motion.stamp_ns) / 1e9 > _BRIEFLY_S:
        motion = replace(motion, velocity=significant_velocity(motion))
    noise = MotionNoise(settings.acceleration_m_s2, settings.angular_acceleration_rad_s2)
    return predicted(motion, stamp_ns, noise)


def seen(
    memory: TrackMemory,
    motion: Motion,
    estimate: ObjectEstimate,
    moment: Moment,
    settings: TrackerSettings,
    *,
    restart: bool,
    hidden: float = 0.0,
) -> TrackMemory | None:
    """Return the memory after an estimate was accepted; None: the track ends all the same.

    What is left of a partly hidden object misleads: it counts less, and the pose is the filter's.

    Args:
        memory: before.
        motion: predicted to this moment.
        estimate: in this frame's camera.
        moment: of the frame.
        settings: the limits.
        restart: the estimate is far from the prediction: nothing of the motion is kept.
        hidden: share of its surface behind something else.
    """
    T_fixed_obj = moment.T_fixed_cam @ estimate.T_cam_obj
    noise = _measurement_noise(estimate, moment, hidden)
    if restart:
        motion = begin_motion(moment.stamp_ns, T_fixed_obj, noise)
    else:
        motion = corrected(motion, T_fixed_obj, noise)
    whole = hidden <= _WHOLE
    if settings.smoothing or not whole:
        estimate = _filtered(estimate, motion, moment)
    state = next_state(
        memory.state,
        seen=True,
        hits=memory.hits,
        missed=memory.missed,
        unseen_s=0.0,
        gone=False,
        settings=settings,
    )
    if state is None:
        return None
    masked = memory.masked_ns == moment.stamp_ns
    energy = estimate.energy
    if energy is not None and memory.energy is not None and not restart:
        energy = memory.energy + _ENERGY_GAIN * (energy - memory.energy)
    return replace(
        memory,
        state=state,
        motion=motion,
        estimate=estimate,
        last=moment,
        # Without mask it would creep over what it touches.
        points_obj=_surface(estimate) if (whole and masked) or restart else memory.points_obj,
        area=area_of(estimate) if whole and masked else memory.area,
        refused=0,
        rival=None if restart else memory.rival,
        rival_checks=0 if restart else memory.rival_checks,
        energy=energy,
        history=remembered(memory.history, moment.stamp_ns, motion.T_fixed_obj),
    )


def unseen(
    memory: TrackMemory, moment: Moment, settings: TrackerSettings, *, gone: bool, refused: bool
) -> TrackMemory | None:
    """Return the memory after a frame without an accepted estimate; None: the track ends.

    Args:
        memory: before.
        moment: of the frame.
        settings: the limits.
        gone: the depth image shows what lies behind its place.
        refused: there was an estimate, but not a plausible one.
    """
    state = next_state(
        memory.state,
        seen=False,
        hits=memory.hits,
        missed=memory.missed,
        unseen_s=moment.since_s(memory.last.stamp_ns),
        gone=gone,
        settings=settings,
    )
    if state is None:
        return None
    motion = predicted_motion(memory, moment.stamp_ns, settings)
    history = remembered(memory.history, moment.stamp_ns, motion.T_fixed_obj)
    return replace(memory, state=state, refused=memory.refused + refused, history=history)


def identified(
    memory: TrackMemory, category: str, instance_id: int, stamp_ns: int, settings: TrackerSettings
) -> TrackMemory:
    """Return the memory after a mask was found to be this object's.

    A confirmed track keeps its class until `class_change_frames` masks in a row name the same
    other one; a new one takes it over at once and begins to count again.
    """
    again = stamp_ns == memory.masked_ns
    hits = min(memory.hits + (not again), settings.confirm_frames)
    memory = replace(
        memory,
        hits=hits,
        missed=0,
        masked_ns=max(stamp_ns, memory.masked_ns),
        instance_id=instance_id,
    )
    if category == memory.category:
        return replace(memory, other_category="", other_frames=0)
    frames = memory.other_frames + 1 if category == memory.other_category else 1
    if memory.state is TrackState.NEW:
        return replace(memory, category=category, hits=1, refused=1)
    if frames < settings.class_change_frames:
        return replace(memory, other_category=category, other_frames=frames)
    # What was known of the pose was known under other symmetries.
    return replace(memory, category=category, other_category="", other_frames=0, refused=1)


def re_anchored(memory: TrackMemory, moment: Moment) -> TrackMemory:
    """Return the memory of an object, seen last while the camera's pose was unknown, now known.

    It stays where the camera saw it; its velocity and its history were against the camera.
    """
    if memory.last.known:
        return memory
    motion = carried(memory.motion, moment.T_fixed_cam @ memory.last.T_cam_fixed)
    last = Moment(memory.last.stamp_ns, moment.T_fixed_cam, known=True)
    return replace(memory, motion=motion, last=last, history=((last.stamp_ns, motion.T_fixed_obj),))


def rewound(memory: TrackMemory) -> TrackMemory:
    """Return the memory without the poses it was thought to have after its newest one."""
    newest = memory.history[-1]
    older = tuple(item for item in memory.history if item[0] < newest[0])
    return replace(memory, history=(*older, newest))


def as_track(
    memory: TrackMemory, moment: Moment, settings: TrackerSettings, *, late: bool = False
) -> Track:
    """Return what users see of a memory in a frame."""
    estimate = memory.estimate
    if late or memory.last.stamp_ns != moment.stamp_ns:
        motion = predicted_motion(memory, moment.stamp_ns, settings)
        T_fixed_obj = memory.at(moment.stamp_ns) if late else motion.T_fixed_obj
        estimate = estimate.placed(moment.T_cam_fixed @ T_fixed_obj)
        covariance = rotate_covariance(motion.covariance[:6, :6], moment.T_cam_fixed[:3, :3])
        estimate = replace(estimate, covariance=covariance)
    masked = memory.masked_ns == moment.stamp_ns
    instance_id = memory.instance_id if masked else -1
    estimate = replace(estimate, category=memory.category, instance_id=instance_id)
    return Track(
        track_id=memory.track_id,
        name=f"{memory.category}_{memory.track_id}",
        state=memory.state,
        estimate=estimate,
        velocity=memory.motion.velocity,
        age_s=moment.since_s(memory.born_ns),
        unseen_s=max(moment.since_s(memory.last.stamp_ns), 0.0),
        instance_id=instance_id,
    )


def keep_free_angle(estimate: ObjectEstimate, T_cam_obj: np.ndarray) -> ObjectEstimate:
    """Return the estimate of a round object with its free angle turned to that of another pose."""
    T = estimate.T_cam_obj.copy()
    rotation, reference = torch.from_numpy(T[:3, :3]), torch.from_numpy(T_cam_obj[:3, :3].copy())
    T[:3, :3] = pin_yaw(rotation, reference).numpy()
    return replace(estimate, T_cam_obj=T)


def area_of(estimate: ObjectEstimate) -> float:
    """Return the pixels an estimate was made from times the points' squared distance, m^2."""
    return estimate.n_points * float(estimate.points_cam[:, 2].mean()) ** 2


def _filtered(estimate: ObjectEstimate, motion: Motion, moment: Moment) -> ObjectEstimate:
    T_cam_fixed = moment.T_cam_fixed
    return replace(
        estimate,
        T_cam_obj=T_cam_fixed @ motion.T_fixed_obj,
        covariance=rotate_covariance(motion.covariance[:6, :6], T_cam_fixed[:3, :3]),
    )


def _measurement_noise(estimate: ObjectEstimate, moment: Moment, hidden: float = 0.0) -> np.ndarray:
    """Covariance (6, 6) of an estimate for the motion filter, fixed axes."""
    shift_m = _HIDDEN_SHIFT * hidden * float(np.linalg.norm(estimate.size_m))
    turn_rad = _HIDDEN_TURN_RAD * hidden**2
    misled = _HIDDEN_FRAMES * np.diag(np.repeat([shift_m**2, turn_rad**2], 3))
    noise = estimate.covariance + _NOISE_FLOOR + misled
    return rotate_covariance(noise, moment.T_fixed_cam[:3, :3])


def _surface(estimate: ObjectEstimate) -> np.ndarray:
    """Where an object's surface was seen, (M, 3) float32, object frame."""
    return inverse_transform_points(estimate.T_cam_obj, estimate.points_cam).astype(np.float32)

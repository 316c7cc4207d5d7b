# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Settings of the tracker: one frozen dataclass for the library, the command line and ROS."""

from dataclasses import dataclass, replace

from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.settings import check_settings, setting

__all__ = ["TrackerSettings"]


@dataclass(frozen=True)
class TrackerSettings:
    """Settings of the tracker, each with unit and range; `constants.py` has what is not set.

    Raises:
        ValueError: a value is of the wrong type, out of range, or none of the choices.
    """

    candidates: int = setting(
        16,
        "Pose candidates drawn per tracked object, around its prediction.",
        low=1,
        high=1000,
        advanced=True,
    )
    start_sigma: float = setting(
        0.2,
        "Noise level that tracked objects start from, in units of the pose vector.",
        low=0.02,
        high=80.0,
        advanced=True,
    )
    steps: int = setting(
        2,
        "Network evaluations of the fixed-step solvers for tracked objects.",
        low=1,
        high=1000,
        advanced=True,
    )
    tta_views: int = setting(
        2,
        "Times each tracked object's cloud is encoded, as of new objects (see `tta_views` there).",
        low=1,
        high=8,
        advanced=True,
        formerly="looks",
    )
    encoder_budget: int = setting(
        8,
        "Encodings per frame for tracked objects, and for lost ones: where `tta_views` would make "
        "more, each object is encoded less often, but once.",
        low=1,
        high=1000,
        advanced=True,
        formerly="max_encodings",
    )
    patches_over_budget: int = setting(
        32,
        "Patches that tracked objects' clouds are divided into (see `patches` of new ones) where "
        "there are more of them than `encoder_budget`; 0: as many as always.",
        low=0,
        high=512,
        advanced=True,
        formerly="crowd_patches",
    )
    confirm_frames: int = setting(
        2,
        "Frames with a mask that a new object needs before its track is confirmed.",
        low=1,
        high=100,
    )
    max_coast_s: float = setting(
        0.5,
        "A track not seen for this long, seconds, is lost; until then its pose is predicted.",
        low=0.0,
        high=60.0,
    )
    keep_lost_s: float = setting(
        3.0,
        "Lost tracks keep their id for an object that returns for this long, seconds.",
        low=0.0,
        high=600.0,
    )
    max_tracks: int = setting(
        64, "Tracks kept at once, lost ones included.", low=1, high=1000, advanced=True
    )
    max_new_per_frame: int = setting(
        8,
        "Objects estimated without a previous pose per frame; more have to wait for the next one.",
        low=1,
        high=1000,
        advanced=True,
        formerly="new_per_frame",
    )
    use_mask_ids: bool = setting(
        False,
        "The segmenter's ids stay with the objects from frame to frame.",
        formerly="trust_ids",
    )
    track_without_masks: bool = setting(
        True,
        "Tracks without a mask go on with the depth around their prediction.",
        formerly="keep_between_masks",
    )
    max_unmasked_s: float = setting(
        1.0,
        "A track without a mask for this long, seconds, or for 2.5 periods of a slower segmenter, "
        "5 s at most, is no longer followed by depth alone; 0: it is for as long as the depth "
        "shows it, as where masks come for the first images only.",
        low=0.0,
        high=60.0,
        advanced=True,
    )
    delayed_mask_horizon_s: float = setting(
        0.4,
        "Depth images are kept this long, seconds, to propagate what delayed masks show to the "
        "newest one; 0: not at all.",
        low=0.0,
        high=10.0,
        advanced=True,
        formerly="late_s",
    )
    max_depth_images: int = setting(
        16,
        "Depth images kept for delayed masks at once, however short a time they cover; each takes "
        "1.2 MB at 640x480.",
        low=1,
        high=1000,
        advanced=True,
    )
    predict: bool = setting(
        True,
        "Objects are expected to go on at their estimated velocity; false: to stay.",
        advanced=True,
    )
    steady: bool = setting(
        True,
        "Objects at rest are where the mean of their last poses is, moving ones nearer to where "
        "the motion filter has them; both stay within millimetres of the frame's own estimate.",
    )
    smoothing: bool = setting(
        False,
        "Poses are those of the motion filter, however far from the frame's own estimate.",
    )
    acceleration_m_s2: float = setting(
        1.5,
        "How fast velocities change, for the motion filter.",
        low=0.01,
        high=100.0,
        advanced=True,
    )
    angular_acceleration_rad_s2: float = setting(
        6.0,
        "How fast angular velocities change, for the motion filter.",
        low=0.01,
        high=1000.0,
        advanced=True,
    )
    association_gate_m: float = setting(
        0.10,
        "Distance between an object and its prediction that still counts as the same, metres, on "
        "top of half the object's size.",
        low=0.0,
        high=10.0,
        advanced=True,
        formerly="gate_m",
    )
    class_change_frames: int = setting(
        10,
        "Frames in a row that masks must name another class before a track takes it over.",
        low=1,
        high=1000,
        advanced=True,
        formerly="class_frames",
    )
    pose_switch_checks: int = setting(
        3,
        "Verifications in a row that must clearly see another pose before a track switches to it.",
        low=1,
        high=100,
        advanced=True,
        formerly="switch_frames",
    )
    verify_period_s: float = setting(
        0.5,
        "Tracked objects are verified by an estimate without previous pose this often, seconds, "
        "one object per frame with masks; 0: never.",
        low=0.0,
        high=60.0,
        advanced=True,
        formerly="check_s",
    )
    max_outside_share: float = setting(
        0.5,
        "An estimate with a larger share of the object's points outside its box is refused.",
        low=0.0,
        high=1.0,
        advanced=True,
        formerly="max_outside",
    )
    max_residual_m: float = setting(
        0.03,
        "An estimate whose moved points lie farther off the measured depth is refused, metres.",
        low=0.001,
        high=10.0,
        advanced=True,
    )
    max_jump_m: float = setting(
        0.15,
        "An estimate farther than this from the prediction is refused, metres.",
        low=0.001,
        high=10.0,
        advanced=True,
    )
    max_jump_deg: float = setting(
        45.0,
        "An estimate turned more than this from the prediction is refused, degrees.",
        low=0.1,
        high=180.0,
        advanced=True,
    )
    max_spread_m: float = setting(
        0.05,
        "An estimate whose candidates spread more, standard deviation in metres, is refused.",
        low=0.001,
        high=10.0,
        advanced=True,
    )
    clock_jump_s: float = setting(
        1.0,
        "A frame this much older than the newest one, seconds, is refused; the third in a row "
        "means that the clock jumped back: all tracks are cleared.",
        low=0.0,
        high=600.0,
        advanced=True,
    )

    def __post_init__(self) -> None:
        check_settings(self)

    def of_estimator(self, settings: EstimatorSettings, tracked: int) -> EstimatorSettings:
        """Return an estimator's settings with the candidates and views of tracked objects.

        Args:
            settings: of new objects.
            tracked: how many objects a frame has.
        """
        patches = self.patches_over_budget if tracked > self.encoder_budget else 0
        return replace(
            settings,
            candidates=self.candidates,
            start_sigma=self.start_sigma,
            steps=self.steps,
            patches=patches or settings.patches,
            tta_views=min(self.tta_views, self.of_lost(settings, tracked).tta_views),
        )

    def of_lost(self, settings: EstimatorSettings, lost: int) -> EstimatorSettings:
        """Return an estimator's settings with the views that so many lost objects may have.

        Args:
            settings: of new objects.
            lost: how many objects a frame has that are estimated without their last pose.
        """
        most = max(self.encoder_budget // max(lost, 1), 1)
        return replace(settings, tta_views=min(settings.tta_views, most))

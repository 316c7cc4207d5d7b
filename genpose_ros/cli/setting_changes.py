"""Settings changed on the command line: NAME=VALUE texts, in the type that each setting has."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from genpose_ros.settings import setting_from_text

__all__ = ["RENAMED_SETTINGS", "estimator_changes", "tracker_changes"]

#: Settings under the names that they had in 0.1.
RENAMED_SETTINGS = {
    "looks": "tta_views",
    "max_encodings": "encoder_budget",
    "crowd_patches": "patches_over_budget",
    "trust_ids": "use_mask_ids",
    "keep_between_masks": "track_without_masks",
    "late_s": "delayed_mask_horizon_s",
    "gate_m": "association_gate_m",
    "class_frames": "class_change_frames",
    "switch_frames": "pose_switch_checks",
    "check_s": "verify_period_s",
    "max_outside": "max_outside_share",
    "new_per_frame": "max_new_per_frame",
}


def estimator_changes(changes: Iterable[str] | None) -> dict[str, Any]:
    """The estimator's settings of --set options, by name.

    Raises:
        ValueError: not of the form NAME=VALUE, no such setting, or no value of its type.
    """
    from genpose_ros.estimation import EstimatorSettings

    return _typed("--set", changes, _kinds(EstimatorSettings))


def tracker_changes(changes: Iterable[str] | None) -> dict[str, Any]:
    """The tracker's settings of --tracker options, by name.

    Raises:
        ValueError: not of the form NAME=VALUE, no such setting, or no value of its type.
    """
    from genpose_ros.tracking import TrackerSettings

    return _typed("--tracker", changes, _kinds(TrackerSettings))


def _kinds(settings: Any) -> dict[str, type]:
    return {item.name: type(item.default) for item in fields(settings)}


def _typed(option: str, changes: Iterable[str] | None, kinds: Mapping[str, type]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for change in changes or ():
        name, equals, text = change.partition("=")
        if not equals:
            raise ValueError(f"{option} expects name=value, got {change!r}")
        if name not in kinds:
            raise ValueError(f"{option}: no setting is called {name!r}; {_meant(name, kinds)}")
        values[name] = setting_from_text(f"{option} {name}", text, kinds[name])
    return values


def _meant(name: str, known: Iterable[str]) -> str:
    """The setting's present name, the nearest one, or all of them."""
    names = list(known)
    if RENAMED_SETTINGS.get(name) in names:
        return f"it is called {RENAMED_SETTINGS[name]} now"
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"

"""Settings changed on the command line: NAME=VALUE texts, in the type that each setting has."""

from collections.abc import Iterable
from dataclasses import Field, fields
from typing import Any

from genpose_ros.settings import find_setting, setting_from_text

__all__ = ["RENAMED_SETTINGS", "estimator_changes", "tracker_changes"]

#: Names of earlier versions -> present ones.
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

#: First part of the tracker's ROS parameters.
_TRACKER_GROUP = "tracking."


def estimator_changes(changes: Iterable[str] | None) -> dict[str, Any]:
    """The estimator's settings of --set options, by their fields' names.

    Args:
        changes: texts of the form NAME=VALUE; a name is the field's or the ROS parameter's.

    Raises:
        ValueError: not of that form, no such setting, or no value of its type.
    """
    from genpose_ros.estimation import EstimatorSettings

    return _typed("--set", changes or (), EstimatorSettings)


def tracker_changes(changes: Iterable[str] | None) -> dict[str, Any]:
    """The tracker's settings of --tracker options; arguments and errors as for the estimator's."""
    from genpose_ros.tracking import TrackerSettings

    return _typed("--tracker", changes or (), TrackerSettings, _TRACKER_GROUP)


def _typed(option: str, changes: Iterable[str], settings: type, group: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals:
            raise ValueError(f"{option} expects name=value, got {change!r}")
        try:
            item = _find(name.removeprefix(group), settings)
        except ValueError as error:
            raise ValueError(f"{option}: {error}") from error
        values[item.name] = setting_from_text(f"{option} {name}", text, type(item.default))
    return values


def _find(name: str, settings: type) -> Field[Any]:
    present = RENAMED_SETTINGS.get(name)
    if present in {item.name for item in fields(settings)}:
        raise ValueError(f"no setting is called {name!r}; it is called {present} now")
    return find_setting(settings, name)

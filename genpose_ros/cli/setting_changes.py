# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Settings changed on the command line: NAME=VALUE texts, in the type that each setting has."""

from collections.abc import Iterable
from typing import Any

from genpose_ros.settings import find_setting, setting_from_text

__all__ = ["estimator_changes", "tracker_changes"]

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
            item = find_setting(settings, name.removeprefix(group))
        except ValueError as error:
            raise ValueError(f"{option}: {error}") from error
        values[item.name] = setting_from_text(f"{option} {name}", text, type(item.default))
    return values

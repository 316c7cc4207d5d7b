# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Settings of a replay: parameters of the node, given as texts."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.parameter_names import NAMES, unknown_name
from genpose_ros.ros.settings import Settings, changed
from genpose_ros.settings import setting_from_text
from genpose_ros.tracking.settings import TrackerSettings

__all__ = ["settings_of", "typed_changes"]


def settings_of(preset: str, values: Mapping[str, Any]) -> Settings:
    """Return a preset's settings with values of some parameters, by their names.

    Raises:
        ValueError: the settings are not valid as a whole.
    """
    defaults = Settings(EstimatorSettings.preset(preset), NodeSettings(), TrackerSettings())
    return changed(defaults, values)


def typed_changes(changes: Iterable[str]) -> dict[str, Any]:
    """Return the values of texts such as `sync.slop_s=0.03`, by the parameters' names.

    Raises:
        ValueError: not of that form, no such parameter, or no value of its type.
    """
    settings = settings_of("fast", {})
    kinds = {
        NAMES[part][item.name]: type(item.default)
        for part in NAMES
        for item in fields(getattr(settings, part))
    }
    values: dict[str, Any] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals:
            raise ValueError(f"--set expects name=value, got {change!r}")
        if name not in kinds:
            raise ValueError(f"--set: {unknown_name(name)}")
        values[name] = setting_from_text(f"--set {name}", text, kinds[name])
    return values

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Settings of all the node's parameters as one value, and changes by the parameters' names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.parameter_names import NAMES
from genpose_ros.tracking.settings import TrackerSettings

__all__ = ["Settings", "changed"]


@dataclass(frozen=True)
class Settings:
    """Settings of all the node's parameters, as one value; its parts are those of `NAMES`.

    Raises:
        ValueError: parts do not go together.
    """

    estimator: EstimatorSettings
    node: NodeSettings
    tracker: TrackerSettings

    def __post_init__(self) -> None:
        if self.estimator.up_source == "tf" and not self.node.up_frame:
            raise ValueError("up_source tf needs up_frame, the frame whose z axis points up")


def changed(current: Settings, values: Mapping[str, Any]) -> Settings:
    """Return the settings with the values of some parameters; other names are ignored.

    Raises:
        ValueError: the new settings are not valid as a whole.
    """
    parts = {}
    for part, names in NAMES.items():
        new = {field: values[name] for field, name in names.items() if name in values}
        try:
            parts[part] = replace(getattr(current, part), **new)
        except ValueError as error:
            raise ValueError(_with_parameter_names(str(error), names)) from error
    return Settings(**parts)


def _with_parameter_names(sentence: str, names: Mapping[str, str]) -> str:
    """A settings class's sentence, which begins with a field's name, for users of parameters.

    Fields whose names are English words are only replaced at the beginning.
    """
    first, space, rest = sentence.partition(" ")
    rest = re.sub(r"\w+_\w+", lambda word: names.get(word[0], word[0]), rest)
    return f"{names.get(first, first)}{space}{rest}"

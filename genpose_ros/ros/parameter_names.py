# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Names of the node's parameters: those of the settings, and old or misspelt ones given instead."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.settings import nearest_name, parameter_name
from genpose_ros.tracking.settings import TrackerSettings

__all__ = [
    "NAMES",
    "OLD_NAMES",
    "PRESET",
    "check_names",
    "node_parameters",
    "unknown_name",
]

#: The parameter that gives the estimator's other ones their defaults.
PRESET = "preset"
_PARTS: dict[str, type] = {
    "estimator": EstimatorSettings,
    "node": NodeSettings,
    "tracker": TrackerSettings,
}
#: Stands before the names of a part's parameters.
_PREFIXES = {"estimator": "", "node": "", "tracker": "tracking."}
#: The settings by part, each field's name -> its parameter's.
NAMES: dict[str, dict[str, str]] = {
    part: {item.name: _PREFIXES[part] + parameter_name(item) for item in fields(kind)}
    for part, kind in _PARTS.items()
}
_KNOWN = frozenset({PRESET}.union(*(part.values() for part in NAMES.values())))


def _old_names() -> dict[str, str]:
    """Names of earlier versions: of another word, or without the group."""
    old: dict[str, str] = {}
    for part, kind in _PARTS.items():
        prefix = _PREFIXES[part]
        for item in fields(kind):
            for name in (*item.metadata["formerly"], item.name):
                if f"{prefix}{name}" not in _KNOWN:
                    old[f"{prefix}{name}"] = NAMES[part][item.name]
    return old


#: Names of earlier versions -> today's.
OLD_NAMES: dict[str, str] = _old_names()

#: Parameters of every ROS 2 node, and where the names of others begin.
_OF_ROS = frozenset({"use_sim_time", "start_type_description_service"})
_OF_ROS_PREFIXES = ("qos_overrides.",)
#: Names that are so much alike (0 to 1) differ by a slip of the pen: `model` and `mode` do not.
_MISSPELT = 0.9
#: Characters of an unknown name that are looked at and shown.
_NAME_LENGTH = 64


def node_parameters(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by the names of their parameters instead of the fields of the settings.

    Args:
        settings: values by the fields' names in `EstimatorSettings` or `NodeSettings`; other names
            stay as they are.
    """
    names = NAMES["estimator"] | NAMES["node"]
    return {names.get(name, name): value for name, value in settings.items()}


def check_names(given: Iterable[str]) -> list[str]:
    """Check the names of the values that the node is started with.

    Args:
        given: all of them. Where a file gives parameters to every node, there are some among them
            that are meant for another one.

    Returns:
        a sentence about each name that is not a parameter of this node and not like one.

    Raises:
        ValueError: some are names of earlier versions, or differ from a parameter by a letter or
            two; today's names are given.
    """
    unknown = sorted(set(given) - _KNOWN - _OF_ROS)
    unknown = [name for name in unknown if not name.startswith(_OF_ROS_PREFIXES)]
    faulty = [n for n in unknown if n in OLD_NAMES or nearest_name(n, _KNOWN, _MISSPELT)]
    if faulty:
        sentences = "; ".join(map(unknown_name, faulty))
        raise ValueError(
            f"{sentences} (one that is meant for another node must stand under its name, not /**)"
        )
    return [unknown_name(name) for name in unknown]


def unknown_name(name: str) -> str:
    """Return a sentence about a name that is no parameter, with the one that may be meant."""
    if name in OLD_NAMES:
        return f"parameter {name} is now called {OLD_NAMES[name]}"
    name = name[:_NAME_LENGTH]  # a peer may send one of megabytes, which take seconds to compare
    nearest = _old_name_in_a_group(name) or nearest_name(name, _KNOWN)
    hint = f"; did you mean {nearest}?" if nearest else ""
    return f"there is no parameter {name}{hint}"


def _old_name_in_a_group(name: str) -> str:
    """Return the parameter whose name of before the groups stands behind one; empty: none."""
    group, _, last = name.rpartition(".")
    today = OLD_NAMES.get(last, "")
    return today if group and today.startswith(f"{group}.") else ""

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
#: The settings by part, each field's name -> its parameter's.
NAMES: dict[str, dict[str, str]] = {
    "estimator": {item.name: parameter_name(item) for item in fields(EstimatorSettings)},
    "node": {item.name: parameter_name(item) for item in fields(NodeSettings)},
    "tracker": {item.name: f"tracking.{parameter_name(item)}" for item in fields(TrackerSettings)},
}
_KNOWN = frozenset({PRESET}.union(*(part.values() for part in NAMES.values())))

_RENAMED = {
    "fixed_frame_wait_seconds": "fixed_frame_wait_s",
    "log_seconds": "log_period_s",
    "looks": "sampling.tta_views",
    "marker_seconds": "marker_lifetime_s",
    "match_wait_seconds": "sync.wait_s",
    "ring_seconds": "sync.depth_history_s",
    "silence_seconds": "input_timeout_s",
    "slop_seconds": "sync.slop_s",
    "target_frame_wait_seconds": "target_frame_wait_s",
    "tracking.check_s": "tracking.verify_period_s",
    "tracking.class_frames": "tracking.class_change_frames",
    "tracking.crowd_patches": "tracking.patches_over_budget",
    "tracking.gate_m": "tracking.association_gate_m",
    "tracking.keep_between_masks": "tracking.track_without_masks",
    "tracking.late_s": "tracking.delayed_mask_horizon_s",
    "tracking.looks": "tracking.tta_views",
    "tracking.max_encodings": "tracking.encoder_budget",
    "tracking.max_outside": "tracking.max_outside_share",
    "tracking.new_per_frame": "tracking.max_new_per_frame",
    "tracking.switch_frames": "tracking.pose_switch_checks",
    "tracking.trust_ids": "tracking.use_mask_ids",
}
#: Names of earlier versions -> today's: without a group, or of another word.
OLD_NAMES: dict[str, str] = _RENAMED | {
    field: name
    for part in (NAMES["estimator"], NAMES["node"])
    for field, name in part.items()
    if field not in _KNOWN
}

#: Parameters of every ROS 2 node, and where the names of others begin.
_OF_ROS = frozenset({"use_sim_time", "start_type_description_service"})
_OF_ROS_PREFIXES = ("qos_overrides.",)
#: Names that are so much alike (0 to 1) differ by a slip of the pen: `model` and `mode` do not.
_MISSPELT = 0.9


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
    nearest = nearest_name(name, _KNOWN)
    hint = f"; did you mean {nearest}?" if nearest else ""
    return f"there is no parameter {name[:64]}{hint}"

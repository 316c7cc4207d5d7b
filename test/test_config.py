"""The parameter file that users edit agrees with the settings that the node declares."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.tracking.settings import TrackerSettings

pytest.importorskip("rclpy", reason="no ROS 2 here, so the node's settings cannot be read")
from genpose_ros.ros.node_settings import NodeSettings

#: The settings, and what stands before the names of their parameters.
SETTINGS = ((NodeSettings, ""), (EstimatorSettings, ""), (TrackerSettings, "tracking."))


def parameters(text: str) -> dict[str, Any]:
    """The parameters by their whole names, as ROS reads nested ones."""
    found = {}
    for name, value in yaml.safe_load(text)["/**"]["ros__parameters"].items():
        nested = value.items() if isinstance(value, dict) else ()
        found |= {f"{name}.{inner}": held for inner, held in nested} or {name: value}
    return found


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    return (root / "config" / "estimator.yaml").read_text()


def test_the_file_names_every_setting_with_its_default(text):
    everything = re.sub(r"^    #(\w+:)", r"    \1", text, flags=re.MULTILINE)
    defaults = {
        f"{prefix}{item.name}": item.default for kind, prefix in SETTINGS for item in fields(kind)
    }
    assert parameters(everything) == {"preset": "fast", **defaults}


def test_the_file_as_it_is_leaves_the_estimator_to_the_preset(text):
    active = set(parameters(text))
    tracking = {f"tracking.{item.name}" for item in fields(TrackerSettings)}
    assert active == {"preset", *(item.name for item in fields(NodeSettings))} | tracking


def test_numbers_keep_their_type(text):
    """A ROS parameter that is a float must not be written as an integer."""
    everything = parameters(re.sub(r"^    #(\w+:)", r"    \1", text, flags=re.MULTILINE))
    for kind, prefix in SETTINGS:
        for item in fields(kind):
            assert type(everything[f"{prefix}{item.name}"]) is type(item.default), item.name

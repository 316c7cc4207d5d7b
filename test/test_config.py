"""The parameter file that users edit agrees with the settings that the node declares."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from genpose_ros.estimation.settings import EstimatorSettings

pytest.importorskip("rclpy", reason="no ROS 2 here, so the node's settings cannot be read")
from genpose_ros.ros.node_settings import NodeSettings


def parameters(text: str) -> dict[str, Any]:
    return yaml.safe_load(text)["/**"]["ros__parameters"]


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    return (root / "config" / "estimator.yaml").read_text()


def test_the_file_names_every_setting_with_its_default(text):
    everything = re.sub(r"^    #(\w+:)", r"    \1", text, flags=re.MULTILINE)
    defaults = {
        item.name: item.default for c in (NodeSettings, EstimatorSettings) for item in fields(c)
    }
    assert parameters(everything) == {"preset": "fast", **defaults}


def test_the_file_as_it_is_leaves_the_estimator_to_the_preset(text):
    active = set(parameters(text))
    assert active == {"preset", *(item.name for item in fields(NodeSettings))}


def test_numbers_keep_their_type(text):
    """A ROS parameter that is a float must not be written as an integer."""
    everything = parameters(re.sub(r"^    #(\w+:)", r"    \1", text, flags=re.MULTILINE))
    for settings in (NodeSettings, EstimatorSettings):
        for item in fields(settings):
            assert type(everything[item.name]) is type(item.default), item.name

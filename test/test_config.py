# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the parameter file that users edit: it agrees with the settings of the node."""

import re
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from genpose_ros.estimation.settings import PRESETS, EstimatorSettings
from genpose_ros.tracking.settings import TrackerSettings

pytest.importorskip("rclpy", reason="no ROS 2 here, so the node's settings cannot be read")
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.parameter_names import NAMES

PARTS = {"estimator": EstimatorSettings, "node": NodeSettings, "tracker": TrackerSettings}
ADVANCED = "    # Advanced\n"


def settings() -> dict[str, Field[Any]]:
    """The settings by the names of their parameters."""
    return {NAMES[part][i.name]: i for part, kind in PARTS.items() for i in fields(kind)}


def whole(text: str) -> str:
    """The file with those values too that stand behind a #."""
    return re.sub(r"^( +)#([\w.]+:)", r"\1\2", text, flags=re.MULTILINE)


def parameters(text: str) -> dict[str, Any]:
    """The parameters by their whole names, as ROS reads nested ones; none stands there twice."""
    found: dict[str, Any] = {}

    def add(prefix: str, node: yaml.MappingNode) -> None:
        for key, value in node.value:
            name = f"{prefix}{key.value}"
            if isinstance(value, yaml.MappingNode):
                add(f"{name}.", value)
            else:
                assert name not in found, f"{name} stands there twice"
                found[name] = yaml.safe_load(yaml.serialize(value))

    (every_node,) = yaml.compose(text).value
    assert every_node[0].value == "/**"
    ((_, values),) = every_node[1].value
    add("", values)
    return found


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    return (root / "config" / "estimator.yaml").read_text()


def test_the_file_names_every_setting_with_its_default(text):
    defaults = {name: item.default for name, item in settings().items()}
    assert parameters(whole(text)) == {"preset": "fast", **defaults}


def test_the_file_leaves_to_the_preset_what_presets_differ_in(text):
    fast, paper = PRESETS["fast"], PRESETS["paper"]
    by_preset = {
        NAMES["estimator"][item.name]
        for item in fields(EstimatorSettings)
        if getattr(fast, item.name) != getattr(paper, item.name)
    }
    assert set(parameters(text)) == {"preset", *settings()} - by_preset


def test_settings_that_few_need_stand_in_the_advanced_part(text):
    first, advanced, _ = whole(text).partition(ADVANCED)
    assert advanced
    basic = {name for name, item in settings().items() if not item.metadata["advanced"]}
    assert set(parameters(first)) == {"preset", *basic}


def test_numbers_keep_their_type(text):
    """A ROS parameter that is a float must not be written as an integer."""
    everything = parameters(whole(text))
    for name, item in settings().items():
        assert type(everything[name]) is type(item.default), name


def test_every_setting_is_described_as_the_node_describes_it(text):
    lines = " ".join(line.strip().removeprefix("#").strip() for line in text.splitlines())
    for name, item in settings().items():
        assert item.metadata["description"].rstrip(".") in lines, name

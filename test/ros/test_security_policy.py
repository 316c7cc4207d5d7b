# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the SROS2 policy: it allows what the node does, and little else."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from fake_estimator import FakeEstimator

from genpose_ros.ros.estimator_node import EstimatorNode

#: Topics of the node, and of its policy, whose names a launch file decides.
REMAPPED = {
    "/depth": "depth_topic",
    "/camera_info": "camera_info_topic",
    "/masks": "masks_topic",
    "/mask_detections": "mask_detections_topic",
    "/label_info": "label_info_topic",
    "/instance_masks": "instance_masks_topic",
    "/imu": "imu_topic",
}
#: Used with use_sim_time alone, and not on Humble.
NOT_ALWAYS = {"/clock", "/genpose/get_type_description"}


@pytest.fixture
def allowed(root: Path) -> dict[str, set[str]]:
    """What the policy allows, by what is done."""
    policy = ET.parse(root / "config" / "sros2_policy.xml").getroot()
    assert [policy.tag, policy.get("version")] == ["policy", "0.2.0"]
    profiles = policy.findall("./enclaves/enclave[@path='/genpose']/profiles/profile")
    assert [(p.get("ns"), p.get("node")) for p in profiles] == [("/", "genpose")]
    found: dict[str, set[str]] = {}
    for rules in profiles[0]:
        ((what, verdict),) = rules.attrib.items()
        assert (rules.tag, what) in {
            ("topics", "publish"), ("topics", "subscribe"), ("services", "reply"),
            ("actions", "execute"),
        }  # fmt: skip
        assert verdict == "ALLOW"
        names = [name.text or "" for name in rules]
        assert all(re.fullmatch(r"(/\w+)+", name) for name in names), "no wildcards"
        found[what] = set(names)
    for action in found.pop("execute"):
        found["publish"] |= {f"{action}/_action/{name}" for name in ("feedback", "status")}
        services = ("cancel_goal", "get_result", "send_goal")
        found["reply"] |= {f"{action}/_action/{name}" for name in services}
    return found


@pytest.fixture
def launched(root: Path) -> dict[str, str]:
    """The default topics of the launch file, by its arguments."""
    text = (root / "launch" / "estimate.launch.py").read_text()
    found = dict(re.findall(r'"(\w+_topic)",\s+default_value="([^"]*)"', text))
    camera = "/camera/camera/aligned_depth_to_color"  # see test_launch.py
    return found | {
        "depth_topic": f"{camera}/image_raw",
        "camera_info_topic": f"{camera}/camera_info",
    }


@pytest.mark.ros
def test_the_policy_allows_what_the_node_does_and_nothing_more(ros, benches, allowed, launched):
    used: dict[str, set[str]] = {"publish": set(), "subscribe": set(), "reply": set()}

    def named(what: str) -> set[str]:
        """The names as a launch gives them."""
        own = {re.sub(r"^/policy_[ab]/", "/genpose/", name) for name in used[what]}
        return {launched[REMAPPED[name]] if name in REMAPPED else name for name in own}

    # Names of their own: of several nodes of one name the graph may show one that is gone.
    for name, values in {
        "policy_a": {"mode": "track", "fixed_frame": "map", "target_frame": "base"},
        "policy_b": {"segmentation__mask_source": "instance_masks"},
    }.items():
        bench = benches(lambda: None)
        node = bench.node = EstimatorNode(
            node_name=name,
            make_estimator=FakeEstimator,
            context=bench.context,
            parameter_overrides=ros.overrides(**values),
        )
        me = (node.get_name(), node.get_namespace())

        def all_is_seen(node=node, me=me) -> bool:
            """Note what the graph shows by now; whether it is all that is to be used."""
            used["publish"] |= {n for n, _ in node.get_publisher_names_and_types_by_node(*me)}
            used["subscribe"] |= {n for n, _ in node.get_subscriber_names_and_types_by_node(*me)}
            used["reply"] |= {n for n, _ in node.get_service_names_and_types_by_node(*me)}
            return all(allowed[what] - named(what) <= NOT_ALWAYS for what in used)

        bench.spin_until(all_is_seen, 5.0)  # the first of them does not use it all
    for what in used:
        assert named(what) <= allowed[what]
        assert allowed[what] - named(what) <= NOT_ALWAYS

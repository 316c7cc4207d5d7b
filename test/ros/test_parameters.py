# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import math
import re
import time

import pytest
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.exceptions import ParameterNotDeclaredException
from rclpy.node import Node
from rclpy.parameter import Parameter

from genpose_ros.estimation.settings import PRESETS, EstimatorSettings
from genpose_ros.geometry.categories import NOCS
from genpose_ros.ros import node_settings
from genpose_ros.ros.detections import parse_label_categories
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.parameter_names import NAMES as FIELDS
from genpose_ros.ros.parameter_names import OLD_NAMES, check_names, node_parameters, unknown_name
from genpose_ros.ros.parameters import Parameters
from genpose_ros.tracking.settings import TrackerSettings

pytestmark = pytest.mark.ros
NAMES = [name for part in FIELDS.values() for name in part.values()]


class Parametrised(Node):
    def __init__(self, context, overrides=None, **options):
        values = [Parameter(name, value=value) for name, value in (overrides or {}).items()]
        super().__init__("parametrised", context=context, parameter_overrides=values, **options)
        self.parameters = Parameters(self)
        self.seen = []
        self.parameters.on_change(self.seen.append)


@pytest.fixture
def context(benches):
    return benches(lambda: None).context


@pytest.fixture
def node(context):
    node = Parametrised(context)
    yield node
    node.destroy_node()


def test_no_name_stands_for_two_settings():
    assert len(NAMES) == len(set(NAMES))


def test_every_setting_is_a_described_parameter(node):
    for name in NAMES:
        rule = node.describe_parameter(name)
        assert len(rule.description) > 10
    steps = node.describe_parameter("sampling.steps").integer_range[0]
    assert (steps.from_value, steps.to_value) == (1, 1000)
    workspace = node.describe_parameter("workspace_m").floating_point_range[0]
    assert (workspace.from_value, workspace.to_value) == (0.1, 1000.0)
    assert "rk45" in node.describe_parameter("sampling.sampler").additional_constraints
    assert node.describe_parameter("device").read_only
    assert not node.describe_parameter("sampling.steps").read_only


def test_without_values_the_settings_are_the_defaults(node):
    assert node.parameters.current.estimator == EstimatorSettings()
    assert node.parameters.current.node == NodeSettings()
    assert node.parameters.current.tracker == TrackerSettings()


def test_a_preset_gives_the_defaults_and_values_go_on_top(context):
    node = Parametrised(context, {"preset": "paper", "sampling.candidates": 10})
    expected = EstimatorSettings.preset("paper", candidates=10)
    assert node.parameters.current.estimator == expected
    assert node.get_parameter("sampling.start_sigma").value == PRESETS["paper"].start_sigma
    node.destroy_node()


def test_a_whole_number_is_taken_for_a_floating_point_one(context):
    node = Parametrised(context, {"sampling.start_sigma": 4})
    assert node.parameters.current.estimator.start_sigma == 4.0
    (result,) = node.set_parameters([Parameter("sampling.start_sigma", value=6)])
    assert result.successful
    assert node.parameters.current.estimator.start_sigma == 6.0
    node.destroy_node()


def test_ros_reads_the_parameter_file_nested_names_and_whole_ones(context, root, tmp_path):
    text = (root / "config" / "estimator.yaml").read_text()
    text = text.replace("slop_s: 0.01", "slop_s: 0.5").replace(
        "#depth.window_m: 0.25", "depth.window_m: 0.5"
    )
    text = text.replace("tracking.max_jump_m: 0.15", "tracking.max_jump_m: 0.3")
    file = tmp_path / "estimator.yaml"
    file.write_text(text)
    node = Parametrised(context, cli_args=["--ros-args", "--params-file", str(file)])
    assert node.parameters.current.node == NodeSettings(sync_slop_s=0.5)
    assert node.parameters.current.estimator == EstimatorSettings(depth_window_m=0.5)
    assert node.parameters.current.tracker == TrackerSettings(max_jump_m=0.3)
    node.destroy_node()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sampling.steps", 0),
        ("sampling.steps", "many"),
        ("sampling.steps", 2.5),
        ("sampling.start_sigma", math.nan),
        ("sampling.start_sigma", "big"),
        ("sampling.sampler", "magic"),
        ("preset", "slow"),
        ("segmentation.mask_source", "psychic"),
        ("sync.depth_history_s", -1.0),
        ("mode", "guess"),
        ("tracking.candidates", 0),
        ("tracking.max_coast_s", math.nan),
    ],
)
def test_a_bad_value_at_start_is_a_value_error_that_names_it(context, name, value):
    with pytest.raises(ValueError, match=name):
        Parametrised(context, {name: value})


def test_a_change_comes_into_force(node):
    (result,) = node.set_parameters([Parameter("sampling.steps", value=6)])
    assert result.successful
    assert node.parameters.current.estimator.steps == 6
    assert [s.estimator.steps for s in node.seen] == [6]


def test_settings_of_the_tracker_are_not_those_of_the_estimator(node):
    (result,) = node.set_parameters([Parameter("tracking.candidates", value=7)])
    assert result.successful
    current = node.parameters.current
    assert (current.tracker.candidates, current.estimator.candidates) == (7, 50)
    (result,) = node.set_parameters([Parameter("tracking.candidates", value=0)])
    assert "tracking.candidates" in result.reason


def test_a_value_that_is_the_same_changes_nothing(node):
    node.set_parameters([Parameter("sampling.steps", value=4)])
    assert node.seen == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sampling.steps", 0),
        ("sampling.steps", 10**15),
        ("sampling.steps", "4"),
        ("sampling.start_sigma", math.nan),
        ("sampling.start_sigma", math.inf),
        ("sampling.start_sigma", True),
        ("sampling.sampler", "magic"),
        ("depth.min_m", 99.0),
        ("input_timeout_s", math.nan),
        ("segmentation.label_categories", "nonsense"),
        ("tf_prefix", "/left"),
        ("tf_prefix", "left\nright"),
        ("tf_prefix", "x" * 129),
        ("segmentation.label_categories", "1:mug," * 100_000),
        ("segmentation.classes", "spoon, " * 10_000),
        ("log_period_s", 0.0),
        ("limits.held_mb", 0),
        ("device", "cuda"),
        ("target_frame", "world"),
        ("mode", "track"),
        ("fixed_frame", "world"),
        ("tracking.steps", 0),
        ("tracking.max_coast_s", math.inf),
        ("use_sim_time", "yes"),
    ],
)
def test_a_bad_change_is_refused_with_a_sentence_and_changes_nothing(node, name, value):
    before = node.parameters.current
    held = node.get_parameter(name).value
    (result,) = node.set_parameters([Parameter(name, value=value)])
    assert not result.successful
    assert len(result.reason) > 10
    assert node.parameters.current == before
    assert node.get_parameter(name).value == held


def test_a_long_text_is_parsed_once_and_not_for_every_frame(monkeypatch):
    calls = []

    def counting(text):
        calls.append(text)
        return parse_label_categories(text)

    monkeypatch.setattr(node_settings, "parse_label_categories", counting)
    settings = NodeSettings(label_categories="1:mug, 2:bowl")
    for _ in range(5):
        assert settings.names_classes
        assert settings.category_rules(NOCS) is settings.category_rules(NOCS)
    assert len(calls) == 1


def test_a_refusal_of_a_long_text_is_short(node):
    (result,) = node.set_parameters([Parameter("tf_prefix", value="x y" * 100_000)])
    assert not result.successful
    assert len(result.reason) < 300


def test_locked_parameters_cannot_be_changed_and_say_so(context):
    node = Parametrised(context, {"lock_parameters": True, "sampling.steps": 4})
    try:
        for name, value in (("sampling.steps", 5), ("publish_tf", False), ("use_sim_time", True)):
            (result,) = node.set_parameters([Parameter(name, value=value)])
            assert not result.successful
            assert result.reason == (
                f"{name} cannot be changed: the node was started with lock_parameters"
            )
        assert node.parameters.current.estimator.steps == 4
        assert node.declare_parameter("of_a_later_subscription", 1).value == 1
        assert node.parameters.changes == {}
    finally:
        node.destroy_node()


def test_what_was_changed_since_the_start_is_known(node):
    node.set_parameters([Parameter("sampling.steps", value=6)])
    node.set_parameters([Parameter("tf_prefix", value="left/" * 25)])
    assert node.parameters.changes == {
        "sampling.steps": "4 -> 6",
        "tf_prefix": f"auto -> {('left/' * 25)[:100]}",
    }
    node.set_parameters(
        [Parameter("sampling.steps", value=4), Parameter("tf_prefix", value="auto")]
    )
    assert node.parameters.changes == {}


def test_a_parameter_cannot_be_unset(node):
    for name in ("sampling.start_sigma", "sampling.steps"):
        (result,) = node.set_parameters([Parameter(name, Parameter.Type.NOT_SET)])
        assert not result.successful
    assert node.has_parameter("sampling.start_sigma")


def test_several_parameters_are_taken_or_refused_together(node):
    both = [Parameter("depth.min_m", value=6.0), Parameter("depth.max_m", value=8.0)]
    assert not node.set_parameters(both[:1])[0].successful
    assert node.set_parameters_atomically(both).successful
    mixed = [Parameter("sampling.steps", value=3), Parameter("sampling.sampler", value="magic")]
    assert not node.set_parameters_atomically(mixed).successful
    assert node.parameters.current.estimator.steps == 4


def test_a_change_that_the_owner_refuses_is_refused(node):
    def refuse(settings):
        raise ValueError("the model has no energy network")

    node.parameters.on_change(refuse)
    (result,) = node.set_parameters([Parameter("sampling.ranking", value="none")])
    assert (result.successful, result.reason) == (False, "the model has no energy network")
    assert node.parameters.current.estimator.ranking == "density"


def message(name: str, kind: int = ParameterType.PARAMETER_INTEGER, **value) -> ParameterMessage:
    return ParameterMessage(name=name, value=ParameterValue(type=kind, **value))


@pytest.mark.parametrize("service", [SetParameters, SetParametersAtomically])
@pytest.mark.parametrize("name", ["", "no_such_parameter", "looks"])
def test_an_unknown_or_empty_name_from_a_peer_is_refused(benches, service, name):
    bench = benches(lambda: None)
    node = Parametrised(bench.context)
    bench.executor.add_node(node)
    suffix = "set_parameters_atomically" if service is SetParametersAtomically else "set_parameters"
    client = bench.peer.create_client(service, f"/parametrised/{suffix}")
    assert client.wait_for_service(10.0)
    future = client.call_async(service.Request(parameters=[message(name, integer_value=3)]))
    assert bench.spin_until(future.done)
    answer = future.result()
    result = answer.result if service is SetParametersAtomically else answer.results[0]
    assert not result.successful
    if name and hasattr(node, "add_pre_set_parameters_callback"):
        assert result.reason == unknown_name(name)
    node.destroy_node()


class TestNames:
    """Names of earlier versions and slips of the pen."""

    def test_every_old_name_stands_for_a_parameter_that_there_is(self):
        assert set(OLD_NAMES.values()) <= set(NAMES)
        assert not set(OLD_NAMES) & {"preset", *NAMES}

    @pytest.mark.parametrize(
        ("given", "meant"),
        [
            ("looks", "sampling.tta_views"),
            ("candidates", "sampling.candidates"),
            ("ring_seconds", "sync.depth_history_s"),
            ("depth_history_s", "sync.depth_history_s"),
            ("tracking.check_s", "tracking.verify_period_s"),
            ("depth_min_m", "depth.min_m"),
            ("tracking.max_coast", "tracking.max_coast_s"),
            ("segmentation.mask_sorce", "segmentation.mask_source"),
            ("taget_frame", "target_frame"),
        ],
    )
    def test_an_old_or_misspelt_name_at_start_is_refused_with_the_new_one(
        self, context, given, meant
    ):
        with pytest.raises(ValueError, match=rf"{given}.* {meant}\b"):
            Parametrised(context, {given: 1})

    def test_all_faulty_names_are_reported_at_once(self, context):
        with pytest.raises(ValueError, match=r"looks is now .*; parameter seed is now"):
            Parametrised(context, {"seed": 1, "looks": 2, "sampling.steps": 8})

    def test_names_of_another_node_are_ignored_with_the_nearest_one(self):
        lines = check_names(["model", "frame_rate", "sampling.steps", "preset"])
        assert lines == [
            "there is no parameter frame_rate",
            "there is no parameter model; did you mean mode?",
        ]

    def test_a_very_long_name_from_a_peer_costs_no_time(self):
        begin_s = time.process_time()
        sentence = unknown_name("sync.slop_" * 500_000)
        assert time.process_time() - begin_s < 0.2
        assert len(sentence) < 200

    def test_an_old_name_in_today_s_group_is_answered_with_the_parameter_of_today(self):
        assert check_names(["sampling.looks", "sync.ring_seconds"]) == [
            "there is no parameter sampling.looks; did you mean sampling.tta_views?",
            "there is no parameter sync.ring_seconds; did you mean sync.depth_history_s?",
        ]

    def test_parameters_that_every_node_has_are_not_reported(self):
        names = ["use_sim_time", "start_type_description_service"]
        assert check_names([*names, "qos_overrides./depth.subscription.depth"]) == []

    def test_values_by_field_become_values_by_parameter(self):
        values = {"depth_min_m": 0.2, "seed": 3, "mode": "track", "tracking.steps": 4}
        assert node_parameters(values) == {
            "depth.min_m": 0.2, "sampling.seed": 3, "mode": "track", "tracking.steps": 4
        }  # fmt: skip

    def test_a_value_out_of_range_is_reported_under_the_name_of_the_parameter(self, node):
        both = [Parameter("depth.min_m", value=6.0), Parameter("tracking.steps", value=2)]
        (refused, _) = node.set_parameters(both)
        assert refused.reason == "depth.min_m (6) must be below depth.max_m (5)"

    @pytest.mark.skipif(
        not hasattr(Node, "add_pre_set_parameters_callback"), reason="Humble answers in its words"
    )
    def test_an_unknown_name_while_it_runs_is_refused_with_the_right_one(self, node):
        for name, sentence in (
            ("looks", "parameter looks is now called sampling.tta_views"),
            ("sampling.step", "there is no parameter sampling.step; did you mean sampling.steps?"),
        ):
            with pytest.raises(ParameterNotDeclaredException, match=re.escape(sentence)):
                node.set_parameters([Parameter(name, value=3)])
        assert node.parameters.current.estimator == EstimatorSettings()

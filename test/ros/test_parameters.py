import math
from dataclasses import fields

import pytest
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.node import Node
from rclpy.parameter import Parameter

from genpose_ros.estimation.settings import PRESETS, EstimatorSettings
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.parameters import Parameters
from genpose_ros.tracking.settings import TrackerSettings

pytestmark = pytest.mark.ros
NAMES = [item.name for cls in (EstimatorSettings, NodeSettings) for item in fields(cls)]
NAMES += [f"tracking.{item.name}" for item in fields(TrackerSettings)]


class Parametrised(Node):
    def __init__(self, context, **overrides):
        values = [Parameter(name, value=value) for name, value in overrides.items()]
        super().__init__("parametrised", context=context, parameter_overrides=values)
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
    steps = node.describe_parameter("steps").integer_range[0]
    assert (steps.from_value, steps.to_value) == (1, 1000)
    workspace = node.describe_parameter("workspace_m").floating_point_range[0]
    assert (workspace.from_value, workspace.to_value) == (0.1, 1000.0)
    assert "rk45" in node.describe_parameter("sampler").additional_constraints
    assert node.describe_parameter("device").read_only
    assert not node.describe_parameter("steps").read_only


def test_without_values_the_settings_are_the_defaults(node):
    assert node.parameters.current.estimator == EstimatorSettings()
    assert node.parameters.current.node == NodeSettings()
    assert node.parameters.current.tracker == TrackerSettings()


def test_a_preset_gives_the_defaults_and_values_go_on_top(context):
    node = Parametrised(context, preset="paper", candidates=10)
    expected = EstimatorSettings.preset("paper", candidates=10)
    assert node.parameters.current.estimator == expected
    assert node.get_parameter("start_sigma").value == PRESETS["paper"].start_sigma
    node.destroy_node()


def test_a_whole_number_is_taken_for_a_floating_point_one(context):
    node = Parametrised(context, start_sigma=4)
    assert node.parameters.current.estimator.start_sigma == 4.0
    (result,) = node.set_parameters([Parameter("start_sigma", value=6)])
    assert result.successful
    assert node.parameters.current.estimator.start_sigma == 6.0
    node.destroy_node()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("steps", "many"),
        ("steps", 2.5),
        ("start_sigma", math.nan),
        ("start_sigma", "big"),
        ("sampler", "magic"),
        ("preset", "slow"),
        ("mask_source", "psychic"),
        ("depth_history_s", -1.0),
        ("label_categories", "1:teapot"),
        ("mode", "guess"),
        ("tracking.candidates", 0),
        ("tracking.max_coast_s", math.nan),
    ],
)
def test_a_bad_value_at_start_is_a_value_error_that_names_it(context, name, value):
    with pytest.raises(ValueError, match=name if name != "label_categories" else "teapot"):
        Parametrised(context, **{name: value})


def test_a_change_comes_into_force(node):
    (result,) = node.set_parameters([Parameter("steps", value=4)])
    assert result.successful
    assert node.parameters.current.estimator.steps == 4
    assert [s.estimator.steps for s in node.seen] == [4]


def test_settings_of_the_tracker_are_told_from_those_of_the_estimator(node):
    (result,) = node.set_parameters([Parameter("tracking.candidates", value=7)])
    assert result.successful
    current = node.parameters.current
    assert (current.tracker.candidates, current.estimator.candidates) == (7, 50)
    (result,) = node.set_parameters([Parameter("tracking.candidates", value=0)])
    assert "tracking.candidates" in result.reason


def test_a_value_that_is_the_same_changes_nothing(node):
    node.set_parameters([Parameter("steps", value=8)])
    assert node.seen == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("steps", 10**15),
        ("steps", "4"),
        ("start_sigma", math.nan),
        ("start_sigma", math.inf),
        ("start_sigma", True),
        ("sampler", "magic"),
        ("depth_min_m", 99.0),
        ("input_timeout_s", math.nan),
        ("default_category", "cup"),
        ("label_categories", "nonsense"),
        ("tf_prefix", "/left"),
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


def test_a_parameter_cannot_be_unset(node):
    for name in ("start_sigma", "steps"):
        (result,) = node.set_parameters([Parameter(name, Parameter.Type.NOT_SET)])
        assert not result.successful
    assert node.has_parameter("start_sigma")


def test_several_are_taken_or_refused_together(node):
    both = [Parameter("depth_min_m", value=6.0), Parameter("depth_max_m", value=8.0)]
    assert not node.set_parameters(both[:1])[0].successful
    assert node.set_parameters_atomically(both).successful
    mixed = [Parameter("steps", value=3), Parameter("sampler", value="magic")]
    assert not node.set_parameters_atomically(mixed).successful
    assert node.parameters.current.estimator.steps == 8


def test_what_the_owner_refuses_is_refused(node):
    def refuse(settings):
        raise ValueError("the model has no energy network")

    node.parameters.on_change(refuse)
    (result,) = node.set_parameters([Parameter("ranking", value="none")])
    assert (result.successful, result.reason) == (False, "the model has no energy network")
    assert node.parameters.current.estimator.ranking == "density"


def message(name: str, kind: int = ParameterType.PARAMETER_INTEGER, **value) -> ParameterMessage:
    return ParameterMessage(name=name, value=ParameterValue(type=kind, **value))


@pytest.mark.parametrize("service", [SetParameters, SetParametersAtomically])
@pytest.mark.parametrize("name", ["", "no_such_parameter"])
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
    node.destroy_node()

"""Settings dataclasses as ROS parameters: declared, validated whole, swapped atomically."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, fields, replace
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from genpose_ros.estimation.settings import PRESETS, EstimatorSettings
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.tracking.settings import TrackerSettings

__all__ = ["PREFIXES", "Parameters", "Settings", "changed", "descriptor"]

#: The parts of `Settings`, and what stands before the names of their parameters.
PREFIXES = {"estimator": "", "node": "", "tracker": "tracking."}


@dataclass(frozen=True)
class Settings:
    """All that the node's parameters say, as one value."""

    estimator: EstimatorSettings
    node: NodeSettings
    tracker: TrackerSettings


def descriptor(item: Field[Any], prefix: str = "") -> ParameterDescriptor:
    """Return the parameter description of a settings field: name, text, range, read_only.

    A floating-point parameter is declared with dynamic typing, so that `5` is taken for `5.0`; its
    type is then checked with its value.
    """
    rule = item.metadata
    result = ParameterDescriptor(
        name=f"{prefix}{item.name}",
        description=rule["description"],
        read_only=rule["fixed"],
        dynamic_typing=isinstance(item.default, float),
    )
    if rule["choices"]:
        result.additional_constraints = f"one of {', '.join(map(repr, rule['choices']))}"
    if rule["low"] is not None and isinstance(item.default, float):
        result.floating_point_range = [
            FloatingPointRange(from_value=float(rule["low"]), to_value=float(rule["high"]))
        ]
    elif rule["low"] is not None:
        result.integer_range = [
            IntegerRange(from_value=int(rule["low"]), to_value=int(rule["high"]), step=1)
        ]
    return result


def changed(current: Settings, values: Mapping[str, Any]) -> Settings:
    """Return the settings with some values replaced; names that are none of theirs are ignored.

    Raises:
        ValueError: the new settings are not valid as a whole.
    """
    parts = {}
    for name, prefix in PREFIXES.items():
        part = getattr(current, name)
        own = {f"{prefix}{item.name}": item.name for item in fields(part)}
        try:
            parts[name] = replace(part, **{own[k]: v for k, v in values.items() if k in own})
        except ValueError as error:  # which begins with the field's name
            raise ValueError(f"{prefix}{error}") from error
    return Settings(**parts)


class Parameters:
    """The node's parameters and the settings that they stand for.

    Attributes:
        current: the settings in force; replaced as a whole.

    Args:
        node: declares the parameters here.

    Raises:
        ValueError: a value given at start is not valid.
    """

    def __init__(self, node: Node) -> None:
        preset = _declare_preset(node)
        self.current = Settings(preset, NodeSettings(), TrackerSettings())
        self._on_change: Callable[[Settings], None] | None = None
        values = {}
        for name, prefix in PREFIXES.items():
            part = getattr(self.current, name)
            for item in fields(part):
                rule = descriptor(item, prefix)
                values[rule.name] = _declare(node, rule.name, getattr(part, item.name), rule)
        self.current = changed(self.current, values)
        node.add_on_set_parameters_callback(self._validate)

    def on_change(self, callback: Callable[[Settings], None]) -> None:
        """Call this with new settings before they come into force; its ValueError refuses them."""
        self._on_change = callback

    def _validate(self, parameters: Iterable[Parameter]) -> SetParametersResult:
        try:
            values = {p.name: _value(p) for p in parameters}
            settings = changed(self.current, values)
            if self._on_change is not None and settings != self.current:
                self._on_change(settings)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.current = settings
        return SetParametersResult(successful=True)


def _declare_preset(node: Node) -> EstimatorSettings:
    rule = ParameterDescriptor(
        description="Defaults of the estimator's parameters: fast, or as in the paper.",
        additional_constraints=f"one of {', '.join(PRESETS)}",
        read_only=True,
    )
    return EstimatorSettings.preset(_declare(node, "preset", "fast", rule))


def _declare(node: Node, name: str, default: Any, rule: ParameterDescriptor) -> Any:
    try:
        return node.declare_parameter(name, default, rule).value
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        raise ValueError(f"parameter {name}: {error}") from error


def _value(parameter: Parameter) -> Any:
    """The value of a parameter that a peer wants to set.

    Raises:
        ValueError: it has no name or no value, is not finite, or is a wrong `use_sim_time`.
    """
    name, value = parameter.name, parameter.value
    if not name:
        raise ValueError("a parameter's name must not be empty")
    if value is None:
        raise ValueError(f"{name} cannot be unset")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    if name == "use_sim_time" and type(value) is not bool:
        raise ValueError(f"use_sim_time must be bool, got {type(value).__name__}")
    return value

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Parameters of the node, made of settings: declared, validated whole, swapped atomically."""

import math
from collections.abc import Callable, Iterable
from dataclasses import Field, fields
from functools import partial
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterNotDeclaredException,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from genpose_ros.estimation.settings import PRESETS, EstimatorSettings
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.parameter_names import NAMES, PRESET, check_names, unknown_name
from genpose_ros.ros.settings import Settings, changed
from genpose_ros.tracking.settings import TrackerSettings

__all__ = ["Parameters", "declared", "descriptor", "value_of"]

#: Names in a refusal, and characters of each and of a value.
_NAMES_SHOWN, _NAME_LENGTH, _VALUE_LENGTH = 5, 64, 100


def descriptor(item: Field[Any], name: str) -> ParameterDescriptor:
    """Return the description of a setting's parameter `name`: text, range, read_only.

    A floating-point parameter is declared with dynamic typing, so that `5` is taken for `5.0`; its
    type is then checked with its value.
    """
    rule = item.metadata
    result = ParameterDescriptor(
        name=name,
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


class Parameters:
    """Parameters of the node, and the settings that they stand for.

    Attributes:
        current: the settings in force; replaced as a whole.
        preset: name of the preset that gave the estimator's settings their defaults.

    Args:
        node: declares the parameters here.

    Raises:
        ValueError: a value given at start is not valid, or under an old or misspelt name.
    """

    def __init__(self, node: Node) -> None:
        for line in check_names(_given(node)):
            node.get_logger().warning(f"{line} (ignored)")
        self.preset = _declare_preset(node)
        preset = EstimatorSettings.preset(self.preset)
        self.current = Settings(preset, NodeSettings(), TrackerSettings())
        self._on_change: Callable[[Settings], None] | None = None
        values = {}
        for part, names in NAMES.items():
            defaults = getattr(self.current, part)
            for item in fields(defaults):
                name, default = names[item.name], getattr(defaults, item.name)
                values[name] = declared(node, name, default, descriptor(item, name))
        self.current = self._started = changed(self.current, values)
        self._is_declared = node.has_parameter
        node.add_on_set_parameters_callback(self._validate)
        if hasattr(node, "add_pre_set_parameters_callback"):  # not in Humble
            node.add_pre_set_parameters_callback(partial(_refuse_unknown, node))

    @property
    def changes(self) -> dict[str, str]:
        """What was changed since the start: each such parameter's values, then and now."""
        changes = {}
        for part, names in NAMES.items():
            then, now = getattr(self._started, part), getattr(self.current, part)
            for field, name in names.items():
                if getattr(then, field) != getattr(now, field):
                    values = (str(getattr(each, field))[:_VALUE_LENGTH] for each in (then, now))
                    changes[name] = " -> ".join(values)
        return changes

    def on_change(self, callback: Callable[[Settings], None]) -> None:
        """Call this with new settings before they come into force; its ValueError refuses them."""
        self._on_change = callback

    def _validate(self, parameters: Iterable[Parameter]) -> SetParametersResult:
        parameters = list(parameters)
        locked = [p.name for p in parameters if self._is_locked(p.name)]
        if locked:
            shown = ", ".join(name[:_NAME_LENGTH] for name in locked[:_NAMES_SHOWN])
            return SetParametersResult(
                successful=False,
                reason=f"{shown} cannot be changed: the node was started with lock_parameters",
            )
        try:
            values = {p.name: value_of(p) for p in parameters}
            settings = changed(self.current, values)
            if self._on_change is not None and settings != self.current:
                self._on_change(settings)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.current = settings
        return SetParametersResult(successful=True)

    def _is_locked(self, name: str) -> bool:
        """Whether a change is refused; what is still to be declared is none."""
        return self.current.node.lock_parameters and self._is_declared(name)


class _UnknownParameterError(ParameterNotDeclaredException):
    """Refusal of a name in words of our own; rclpy answers a peer with its text."""

    def __init__(self, sentence: str) -> None:
        Exception.__init__(self, sentence)


def _refuse_unknown(node: Node, parameters: list[Parameter]) -> list[Parameter]:
    """Return the parameters that are to be set.

    Raises:
        _UnknownParameterError: one of them is not declared.
    """
    unknown = [p.name for p in parameters if p.name and not node.has_parameter(p.name)]
    if unknown:
        raise _UnknownParameterError("; ".join(map(unknown_name, unknown)))
    return parameters


def _given(node: Node) -> Iterable[str]:
    """The names of the values that the node was started with, from files and arguments.

    rclpy has no public way to ask for those that nothing declares.
    """
    return getattr(node, "_parameter_overrides", {})


def _declare_preset(node: Node) -> str:
    rule = ParameterDescriptor(
        description="Defaults of the estimator's parameters: fast, or as in the paper.",
        additional_constraints=f"one of {', '.join(PRESETS)}",
        read_only=True,
    )
    return str(declared(node, PRESET, "fast", rule))


def declared(node: Node, name: str, default: Any, rule: ParameterDescriptor) -> Any:
    """Declare a parameter and return its value.

    Raises:
        ValueError: the one that is given at start is of another type or out of range.
    """
    try:
        return node.declare_parameter(name, default, rule).value
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        raise ValueError(f"parameter {name}: {error}") from error


def value_of(parameter: Parameter) -> Any:
    """Return the value of a parameter that a peer wants to set.

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

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Parameters of a small node, made of one settings dataclass."""

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from typing import Generic, TypeVar

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from genpose_ros.ros.parameters import declared, descriptor, value_of
from genpose_ros.settings import nearest_name, parameter_name

__all__ = ["SettingsParameters"]

Kind = TypeVar("Kind")

#: Parameters of every node, and how those of its topics begin.
_OF_ROS = ("use_sim_time", "start_type_description_service")
_OF_TOPICS = "qos_overrides."


class SettingsParameters(Generic[Kind]):
    """Parameters with the names, texts and ranges of a settings dataclass.

    Attributes:
        current: the settings in force; replaced as a whole.

    Args:
        node: declares them.
        defaults: made of `setting`s.
        changed: called with new settings before they come into force.

    Raises:
        ValueError: a value given at start is not valid, or of no parameter.
    """

    def __init__(
        self, node: Node, defaults: Kind, changed: Callable[[Kind], None] = lambda settings: None
    ) -> None:
        self._changed = changed
        self._fields = {parameter_name(item): item for item in fields(defaults)}  # type: ignore[arg-type]
        _check_given(getattr(node, "_parameter_overrides", {}), self._fields)
        values = {
            item.name: declared(node, name, getattr(defaults, item.name), descriptor(item, name))
            for name, item in self._fields.items()
        }
        self.current: Kind = replace(defaults, **values)  # type: ignore[type-var]
        node.add_on_set_parameters_callback(self._validate)

    def _validate(self, parameters: Iterable[Parameter]) -> SetParametersResult:
        try:
            values = {p.name: value_of(p) for p in parameters}
            own = {self._fields[name].name: v for name, v in values.items() if name in self._fields}
            settings: Kind = replace(self.current, **own)  # type: ignore[type-var]
            self._changed(settings)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.current = settings
        return SetParametersResult(successful=True)


def _check_given(given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse values of parameters that there are not.

    Raises:
        ValueError: the first of them, with the name that may be meant.
    """
    for name in given:
        if name in known or name in _OF_ROS or name.startswith(_OF_TOPICS):
            continue
        nearest = nearest_name(name, known)
        hint = f"; did you mean {nearest}?" if nearest else f"; there are {', '.join(known)}"
        raise ValueError(f"there is no parameter {name[:64]}{hint}")

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Option groups: dataclasses of options that several commands share, one flag per field."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, get_type_hints

__all__ = ["grouped_options"]


def grouped_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take dataclasses of options beside single ones.

    Typer knows single options alone. It is shown the fields, with the annotations and defaults that
    they have in their dataclass; the command is called with the dataclasses made of their values.

    Raises:
        ValueError: two options have the same name.
    """
    # Not `get_type_hints`: Python 3.10's wraps what is None by default, and Typer's part is lost.
    kinds = inspect.get_annotations(command, eval_str=True)
    groups: dict[str, Any] = {}
    flags: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        kind = kinds[parameter.name]
        if is_dataclass(kind):
            groups[parameter.name] = kind
            flags += _flags(kind)
        else:
            flags.append(parameter.replace(annotation=kind, kind=parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def flat(**values: Any) -> None:
        made = {
            name: kind(**{field.name: values.pop(field.name) for field in fields(kind)})
            for name, kind in groups.items()
        }
        command(**made, **values)

    flat.__signature__ = inspect.Signature(flags)  # type: ignore[attr-defined]
    flat.__annotations__ = {flag.name: flag.annotation for flag in flags}
    return flat


def _flags(group: Any) -> list[inspect.Parameter]:
    kinds = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_default(field),
            annotation=kinds[field.name],
        )
        for field in fields(group)
    ]


def _default(field: "Field[Any]") -> Any:
    return inspect.Parameter.empty if field.default is MISSING else field.default

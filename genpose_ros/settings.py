# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Settings dataclasses: fields that describe themselves, and their check."""

from collections.abc import Iterable
from dataclasses import Field, field, fields
from difflib import get_close_matches
from typing import Any

__all__ = [
    "check_settings",
    "find_setting",
    "nearest_name",
    "parameter_name",
    "setting",
    "setting_from_text",
]

#: Characters of a text: class names and categories of some hundred labels.
LONGEST_TEXT = 32768
#: Names that share less with a misspelt one than this are not what was meant (0 to 1).
_NEAR = 0.6


def setting(
    default: Any,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    fixed: bool = False,
    group: str = "",
    advanced: bool = False,
    formerly: str | tuple[str, ...] = (),
) -> Any:
    """A dataclass field with what a parameter needs to describe itself.

    Args:
        default: the value where none is given; its type is the setting's.
        description: one or two sentences with the unit.
        low: least value; None: no limit.
        high: greatest value.
        choices: the values there are, for texts.
        fixed: only read at start (a ROS parameter made from it is read_only).
        group: stands before the name of a parameter made from it; see `parameter_name`.
        advanced: few users need to change it.
        formerly: its names in earlier versions, where they were others.
    """
    metadata = {
        "description": description,
        "low": low,
        "high": high,
        "choices": choices,
        "fixed": fixed,
        "group": group,
        "advanced": advanced,
        "formerly": (formerly,) if isinstance(formerly, str) else formerly,
    }
    return field(default=default, metadata=metadata)


def parameter_name(item: Field[Any]) -> str:
    """Return the name of the parameter of a setting, `<group>.<field>`.

    Where the field's name begins with the group's, it is said once: `depth_min_m` of the group
    `depth` is `depth.min_m`.
    """
    group = item.metadata["group"]
    return f"{group}.{item.name.removeprefix(f'{group}_')}" if group else item.name


def find_setting(settings: type, name: str) -> Field[Any]:
    """Return the field of a settings dataclass by its own name or that of its parameter.

    Raises:
        ValueError: there is none; the present name of an old one, or the nearest, is given.
    """
    for item in fields(settings):
        group = item.metadata["group"]
        if any(name in (old, f"{group}.{old}") for old in item.metadata["formerly"]):
            raise ValueError(f"no setting is called {name!r}; it is called {item.name} now")
    known = {key: item for item in fields(settings) for key in (item.name, parameter_name(item))}
    if name in known:
        return known[name]
    nearest = nearest_name(name, known)
    names = ", ".join(item.name for item in fields(settings))
    hint = f"did you mean {nearest}?" if nearest else f"there are {names}"
    raise ValueError(f"no setting is called {name!r}; {hint}")


def nearest_name(name: str, known: Iterable[str], at_least: float = _NEAR) -> str:
    """Return the known name that is most like another one, for messages; empty: none is.

    Args:
        name: what somebody wrote.
        known: the names there are.
        at_least: how alike they have to be, from 0 to 1 (the same).
    """
    found = get_close_matches(name, list(known), n=1, cutoff=at_least)
    return found[0] if found else ""


def setting_from_text(name: str, text: str, kind: type) -> Any:
    """Return a setting's value, given as a text, in the setting's type.

    Raises:
        ValueError: the text is none of that type; `name` says of which setting.
    """
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        return kind(text)
    except (KeyError, ValueError) as error:
        expected = "true or false" if kind is bool else kind.__name__
        raise ValueError(f"{name} expects {expected}, got {text!r}") from error


def check_settings(settings: Any) -> None:
    """Check every field of a settings dataclass, made of `setting`s, against its own rule.

    Whole numbers are taken for floats.

    Raises:
        ValueError: a value is of the wrong type, out of range, too long or none of the choices.
    """
    for item in fields(settings):
        value, rule = getattr(settings, item.name), item.metadata
        expected = type(item.default)
        if expected is float and type(value) is int:
            value = float(value)
            object.__setattr__(settings, item.name, value)
        if type(value) is not expected:
            raise ValueError(
                f"{item.name} must be {expected.__name__}, got {type(value).__name__} {value!r}"
            )
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            raise ValueError(
                f"{item.name} must have {LONGEST_TEXT} characters at most, got {len(value)}"
            )
        if rule["choices"] and value not in rule["choices"]:
            raise ValueError(
                f"{item.name} must be one of {', '.join(rule['choices'])}; got {value!r}"
            )
        # Written so that NaN fails too.
        if rule["low"] is not None and not rule["low"] <= value <= rule["high"]:
            raise ValueError(
                f"{item.name} must lie in [{rule['low']:g}, {rule['high']:g}], got {value:g}"
            )

"""Settings dataclasses: fields that describe themselves, and their check."""

from dataclasses import field, fields
from typing import Any

__all__ = ["check_settings", "setting", "setting_from_text"]


def setting(
    default: Any,
    description: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    fixed: bool = False,
) -> Any:
    """A dataclass field with what a parameter needs to describe itself.

    `fixed`: only read at start (a ROS parameter made from it is read_only).
    """
    metadata = {
        "description": description,
        "low": low,
        "high": high,
        "choices": choices,
        "fixed": fixed,
    }
    return field(default=default, metadata=metadata)


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
        ValueError: a value is of the wrong type, out of range, or none of the choices.
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
        if rule["choices"] and value not in rule["choices"]:
            raise ValueError(
                f"{item.name} must be one of {', '.join(rule['choices'])}; got {value!r}"
            )
        # Written so that NaN fails too.
        if rule["low"] is not None and not rule["low"] <= value <= rule["high"]:
            raise ValueError(
                f"{item.name} must lie in [{rule['low']:g}, {rule['high']:g}], got {value:g}"
            )

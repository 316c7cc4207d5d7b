# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Write the pages that follow from the code: parameters, messages, model card, tracking settings.

`python docs/generate.py` writes them, `make docs` does so before it builds the site, and a test
fails when one of them is not as this script would write it.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

from genpose_ros.estimation.settings import PRESETS, EstimatorSettings
from genpose_ros.networks.checkpoints import default_weights
from genpose_ros.realsense.settings import RealSenseSettings
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.parameter_names import NAMES, OLD_NAMES
from genpose_ros.segmentation.settings import SegmenterSettings
from genpose_ros.settings import parameter_name
from genpose_ros.tracking.settings import TrackerSettings

__all__ = ["PAGES", "main", "parse_message"]

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
#: The parts of the node's settings, as `NAMES` has them.
_PARTS = {"node": NodeSettings, "estimator": EstimatorSettings, "tracker": TrackerSettings}
#: The nodes beside the estimator.
_OTHER_NODES = {
    "The segmenter `mask_rcnn_node`": SegmenterSettings,
    "The camera `realsense_node`": RealSenseSettings,
}
#: The types as `ros2 param describe` calls them.
#: Stands before each definition of a bag.
_RULE = "=" * 80
_ROS_TYPES = {str: "string", bool: "boolean", int: "integer", float: "double"}
_PARAMETERS_HEAD = """\
# Parameters of the estimator node

Made by `docs/generate.py` from the settings' own descriptions. `config/estimator.yaml` holds the
same list as a file to edit; `ros2 param describe /genpose NAME` shows one. Parameters that are
*live* can be set while the node runs (`ros2 param set`); new values are checked together and take
effect with the next frame. The others are read *at start*.

`preset` (default `fast`, at start) chooses the defaults of the estimator's parameters: {presets}.
A value that is set comes before it.
"""
#: In the order that a reader meets them.
_MESSAGES = (
    "ObjectPoseArray",
    "ObjectPose",
    "Rejection",
    "StageTiming",
    "UpDirection",
    "InstanceMasks",
    "InstanceMask",
    "CategoryArray",
    "CategoryInfo",
)


def parameters_page() -> str:
    """Return the parameter reference of the estimator node."""
    presets = " or ".join(f"`{name}`" for name in PRESETS)
    parts = [_section("Basic parameters", advanced=False)]
    parts += [_section("Advanced parameters", advanced=True)]
    parts += [_preset_section()]
    parts += [_node_section(title, kind) for title, kind in _OTHER_NODES.items()]
    parts += [_old_names_section()]
    return "\n".join([_PARAMETERS_HEAD.format(presets=presets), *parts])


def _section(title: str, *, advanced: bool) -> str:
    head = ["parameter", "type", "default", "values", "set", "meaning"]
    rows = [
        _parameter(item, NAMES[part][item.name])
        for part, kind in _PARTS.items()
        for item in fields(kind)
        if item.metadata["advanced"] == advanced
    ]
    return f"## {title}\n\n{_table(head, rows)}\n"


def _node_section(title: str, kind: type) -> str:
    head = ["parameter", "type", "default", "values", "set", "meaning"]
    rows = [_parameter(item, parameter_name(item)) for item in fields(kind)]
    return f"## {title}\n\n{_table(head, rows)}\n"


def _parameter(item: Field[Any], name: str) -> list[str]:
    rule = item.metadata
    return [
        f"`{name}`",
        _ROS_TYPES[type(item.default)],
        _value(item.default),
        _range(item),
        "at start" if rule["fixed"] else "live",
        _prose(rule["description"]),
    ]


def _range(item: Field[Any]) -> str:
    rule = item.metadata
    if rule["choices"]:
        return ", ".join(_value(choice) for choice in rule["choices"])
    if rule["low"] is not None:
        return f"{rule['low']:g} to {rule['high']:g}"
    return "`true`, `false`" if isinstance(item.default, bool) else "any text"


def _preset_section() -> str:
    names = [item.name for item in fields(EstimatorSettings)]
    values = {name: [_value(getattr(p, name)) for p in PRESETS.values()] for name in names}
    rows = [
        [f"`{NAMES['estimator'][name]}`", *both]
        for name, both in values.items()
        if len(set(both)) > 1
    ]
    return f"## Presets\n\n{_table(['parameter', *PRESETS], rows)}\n"


def _old_names_section() -> str:
    text = "The node does not start with one of these, and names today's parameter."
    rows = [[f"`{old}`", f"`{new}`"] for old, new in sorted(OLD_NAMES.items())]
    return f"## Names of earlier versions\n\n{text}\n\n{_table(['earlier', 'today'], rows)}\n"


#: The parts of what is no message.
_INTERFACE_PARTS = {"srv": ("Request", "Response"), "action": ("Goal", "Result", "Feedback")}


@dataclass(frozen=True)
class MessageField:
    """A field or constant of a message: its type, name, value (constants) and comment."""

    kind: str
    name: str
    value: str
    comment: str


def parse_message(text: str) -> tuple[str, list[MessageField]]:
    """Return a message's description and its fields and constants with their comments.

    A comment belongs to the definitions right below it; one with an empty line below it opens the
    next group. The first one describes the message.
    """
    description, pending, found = "", "", []
    for number, block in enumerate(re.split(r"\n\s*\n", text.strip())):
        lines = block.splitlines()
        comment = " ".join(line.strip("# ") for line in lines if line.startswith("#"))
        definitions = [line for line in lines if line.strip() and not line.startswith("#")]
        if number == 0 and not definitions:
            description = comment
        elif not definitions:
            pending = comment
        if definitions:
            found += [_definition(line, f"{pending} {comment}".strip()) for line in definitions]
            pending = ""
    return description, found


def _definition(line: str, comment: str) -> MessageField:
    code, _, own = line.partition("#")
    kind, rest = code.split(maxsplit=1)
    name, _, value = (part.strip() for part in rest.partition("="))
    return MessageField(kind, name, value, own.strip() or comment)


def messages_page() -> str:
    """Return the message reference: the files of msg/, srv/ and action/ as tables."""
    found = {path.stem: path for path in (ROOT / "msg").glob("*.msg")}
    order = [*(name for name in _MESSAGES if name in found), *sorted({*found} - {*_MESSAGES})]
    head = "Made by `docs/generate.py` from the files of `msg/`, `srv/` and `action/`."
    own = set(found)
    sections = []
    for name in order:
        description, _ = parse_message(text := found[name].read_text())
        sections += [f"## {name}", "", f"`genpose_ros/msg/{name}`. {_prose(description)}", ""]
        sections.append(_fields(text, own))
    for kind, parts in _INTERFACE_PARTS.items():
        for path in sorted((ROOT / kind).glob(f"*.{kind}")):
            sections += _parted_section(path, kind, parts, own)
    return "\n".join(["# Messages, services and actions", "", head, "", *sections])


def _parted_section(path: Path, kind: str, parts: Sequence[str], own: set[str]) -> list[str]:
    """The section of a service or an action: its description, and a table for each part."""
    texts = path.read_text().split("---\n")
    description, _ = parse_message(texts[0])
    lines = [f"## {path.stem}", "", f"`genpose_ros/{kind}/{path.stem}`. {_prose(description)}", ""]
    for part, text in zip(parts, texts, strict=True):
        lines += [f"**{part}**", "", _fields(text, own)]
    return lines


def _fields(text: str, own: set[str]) -> str:
    """The tables of a message's constants and fields."""
    _, found = parse_message(text)
    parts: list[str] = []
    constants = [field for field in found if field.value]
    if constants:
        rows = [[f"`{c.name}`", c.value, c.kind, _prose(c.comment)] for c in constants]
        parts += [_table(["constant", "value", "type", "meaning"], rows), ""]
    rows = [
        [f"`{f.name}`", _message_type(f.kind, own), _prose(f.comment)] for f in found if not f.value
    ]
    return "\n".join([*parts, _table(["field", "type", "meaning"], rows), ""])


def _message_type(kind: str, own: set[str]) -> str:
    base = kind.partition("[")[0].removeprefix("genpose_ros/")
    return f"[`{kind}`](#{base.lower()})" if base in own else f"`{kind}`"


def model_card_page() -> str:
    """Return the model card that lies beside the released weights, as a page of the site."""
    text = default_weights().with_name("README.md").read_text()
    return re.sub(r"\]\((?:\.\./)+docs/", "](", text)


def tracking_page() -> str:
    """Return the tracking page with default and meaning of the settings that its table names."""
    items = {item.name: item for item in fields(TrackerSettings)}
    text = (ROOT / "docs" / "tracking.md").read_text()
    before, marker, rest = text.partition("<!-- table settings -->\n")
    table, end, after = rest.partition("<!-- end -->")
    head, rule, *rows = table.splitlines()
    names = [row.split()[1] for row in rows]
    rows = [
        f"| {name} | {items[name].default} | {_prose(items[name].metadata['description'])} |"
        for name in names
    ]
    return "\n".join([before + marker + head, rule, *rows, end + after])


def interfaces_text() -> str:
    """Return the messages of this package and of vision_msgs as bags carry definitions.

    Without their comments, for reading bags that lack them and for writing those of replays.
    """
    packages = {
        "genpose_ros": ROOT / "msg",
        "vision_msgs": ROOT / "embedded" / "interfaces" / "vision_msgs" / "msg",
    }
    parts = []
    for package, folder in packages.items():
        for file in sorted(folder.glob("*.msg")):
            lines = (line.partition("#")[0].rstrip() for line in file.read_text().splitlines())
            parts += [_RULE, f"MSG: {package}/{file.stem}", *filter(None, lines)]
    return "\n".join(parts)


def _prose(text: str) -> str:
    """Text as a Markdown table's cell takes it."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:.6g}`" if value != int(value) else f"`{value:.1f}`"
    return f"`{value}`" if value != "" else '`""`'


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


#: Path below docs/ -> makes the page's text.
PAGES: dict[str, Callable[[], str]] = {
    "reference/parameters.md": parameters_page,
    "reference/messages.md": messages_page,
    "model_card.md": model_card_page,
    "tracking.md": tracking_page,
    "../genpose_ros/ros/replay/interfaces.txt": interfaces_text,
}


def outdated() -> Iterator[tuple[Path, str]]:
    """Yield each page that is not as it should be, and the text that it should have."""
    for name, make in PAGES.items():
        path, text = DOCS / name, make().rstrip("\n") + "\n"
        if not path.is_file() or path.read_text() != text:
            yield path, text


def main() -> None:
    """Write every page that has changed."""
    for path, text in outdated():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()

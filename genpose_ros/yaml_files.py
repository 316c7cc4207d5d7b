# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""YAML that others may have made: bounded, plain, without aliases."""

from pathlib import Path
from typing import Any

import yaml

from genpose_ros.files import read_text

__all__ = ["YAML_LIMIT", "YAML_MISTAKES", "PlainLoader", "parse_yaml", "read_yaml"]

#: Bytes of a YAML file, which takes seconds a megabyte to read.
YAML_LIMIT = 2**20
#: What PyYAML raises for a text, of values that are not what their tags say too.
YAML_MISTAKES = (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError)


def read_yaml(path: Path, limit: int = YAML_LIMIT) -> Any:
    """Return the first document of a YAML file; None where it is empty.

    Aliases are refused: with them a few lines hold more than any memory.

    Raises:
        FileNotFoundError: no such file.
        OSError: it cannot be read.
        ValueError: as of `read_text`, not YAML, or with aliases.
    """
    return parse_yaml(read_text(path, limit), path)


class PlainLoader(yaml.SafeLoader):
    """Safe loader without aliases."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"it has the alias *{self.peek_event().anchor}: write it out")
        return super().compose_node(parent, index)


def parse_yaml(text: str, path: Path, loader: type[PlainLoader] = PlainLoader) -> Any:
    """Return the first document of a YAML text; None where it is empty.

    Args:
        text: of the file, `YAML_LIMIT` bytes at most.
        path: of the file, for messages.
        loader: with further tags.

    Raises:
        ValueError: not YAML, or with aliases.
    """
    try:
        # Dumps of a topic are several documents.
        return next(iter(yaml.load_all(text, loader)), None)
    except RecursionError as error:
        raise ValueError(f"{path} is not usable YAML: it nests too deep") from error
    except YAML_MISTAKES as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is not usable YAML: {reason:.300}") from error

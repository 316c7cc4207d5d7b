# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Extension of mkdocstrings: `Example:` in a docstring opens a section of code, as `Examples:`."""

import re
from typing import Any

import griffe

__all__ = ["ExampleSections"]


class ExampleSections(griffe.Extension):
    """Extension that renames the sections before they are read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rename the section of one module, class, function or attribute."""
        if obj.docstring is not None:
            text = obj.docstring.value
            obj.docstring.value = re.sub(r"^( *)Example:$", r"\1Examples:", text, flags=re.M)

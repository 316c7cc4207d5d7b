# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Message definitions that a bag brings along, read within limits.

rosbags turns definitions into Python code, which takes minutes or all memory for some short ones:
each parenthesis in an expression of IDL takes 25 times as long as the one around it, and a list of
a fixed length becomes as many lines of code. What cannot be in an honest bag is refused before.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from rosbags.interfaces import (
    Connection,
    MessageDefinition,
    MessageDefinitionFormat,
    Nodetype,
)
from rosbags.typesys import get_types_from_idl, get_types_from_msg
from rosbags.typesys.store import Typestore

__all__ = ["typestore_of"]

#: Characters and lines of all definitions, each counted once; characters of all expressions of
#: IDL; fields of all messages; elements of their lists of a fixed length.
_MOST_TEXT, _MOST_LINES, _MOST_EXPRESSIONS = 2**20, 50_000, 5_000
_MOST_FIELDS, _MOST_UNROLLED = 10_000, 2_000
_RULE = "=" * 80 + "\n"

_STRING = r'"(?:\\"|[^"])*"'
_COMMENT = r"/\*.*?\*/|//[^\n]*"
_ANNOTATION = rf'@\s*[A-Za-z][\w:]*(?:\s*\((?:{_STRING}|[^"()])*\))?'
#: What says nothing of a type, or a string, which is looked for first as it may hold the others.
_ASIDE = re.compile(rf"({_STRING})|{_COMMENT}|{_ANNOTATION}", re.DOTALL)
#: The value of a constant; the lengths of an array, a text and a sequence.
_EXPRESSIONS = re.compile(r"=[^;]*|\[[^\]]*|string\s*<[^>]*|,[^<>;{}]*>")

#: Messages by name: their constants, and their fields.
_Types = dict[str, Any]


def typestore_of(connections: Iterable[Connection], known: Typestore) -> Typestore:
    """Return the types of a bag's messages: those that it defines, and known ones beside.

    Args:
        connections: of the bag.
        known: types for what it does not define.

    Raises:
        ValueError: a definition is none, or would take too long or too much memory.
    """
    defined, digests = _Definitions(), {}
    for connection in connections:
        if connection.msgdef.format != MessageDefinitionFormat.NONE:
            defined.add(connection.msgtype, connection.msgdef)
            digests[connection.msgtype] = connection.digest
    types = defined.types
    _check_sizes(types)
    store = _joined(types, known)
    for name, digest in digests.items():
        if digest and store.hash_rihs01(name) != digest:
            raise ValueError(f"the definition of {name} is not the one that was recorded")
    return store


class _Definitions:
    """Definitions of messages, each of which is read once however many topics bring it along.

    Attributes:
        types: what they define.
    """

    def __init__(self) -> None:
        self.types: _Types = {}
        self._known: set[tuple[str, str]] = set()
        self._characters = self._lines = self._expressions = 0

    def add(self, name: str, definition: MessageDefinition) -> None:
        """Read the definition of a type of message, and of those that it consists of."""
        is_idl = definition.format == MessageDefinitionFormat.IDL
        if len(definition.data) > _MOST_TEXT:
            raise ValueError(f"the definition of {name} is longer than {_MOST_TEXT} characters")
        for part in _parts(name, definition.data, is_idl):
            if part not in self._known:
                self._known.add(part)
                self._count(*part)
                self.types |= self._read_idl(*part) if is_idl else get_types_from_msg(*part[::-1])

    def _count(self, name: str, text: str) -> None:
        self._characters += len(text)
        self._lines += text.count("\n")
        if self._characters > _MOST_TEXT or self._lines > _MOST_LINES:
            raise ValueError(
                f"the definition of {name} and those before it have more than {_MOST_TEXT} "
                f"characters or {_MOST_LINES} lines"
            )

    def _read_idl(self, name: str, text: str) -> _Types:
        plain = _ASIDE.sub(lambda found: found[1] or " ", text)
        bare = re.sub(_STRING, '""', plain, flags=re.DOTALL)
        if "(" in bare or "<<" in bare:
            raise ValueError(f"the definition of {name} calculates, expected numbers")
        self._expressions += sum(map(len, _EXPRESSIONS.findall(bare)))
        if self._expressions > _MOST_EXPRESSIONS:
            raise ValueError(
                f"the definition of {name} and those before it have expressions of more than "
                f"{_MOST_EXPRESSIONS} characters"
            )
        types: _Types = get_types_from_idl(plain)
        return types


def _parts(name: str, text: str, is_idl: bool) -> Iterator[tuple[str, str]]:
    """Yield name and definition of a type of message, and of those that stand behind it."""
    mark = "IDL: " if is_idl else "MSG: "
    first, *others = text.split(_RULE + mark)
    if first or not is_idl:
        yield name, first
    for part in others:
        head, _, definition = part.partition("\n")
        yield head.strip(), definition


def _check_sizes(types: _Types) -> None:
    """Refuse what would become too much code.

    Raises:
        ValueError: as said.
    """
    fields = [(name, of) for name, (_, listed) in types.items() for _, of in listed]
    if len(fields) > _MOST_FIELDS:
        raise ValueError(f"its messages have {len(fields)} fields, expected {_MOST_FIELDS} at most")
    unrolled = 0
    for name, (node, of) in fields:
        if node == Nodetype.ARRAY and (of[0][0] != Nodetype.BASE or of[0][1][0] == "string"):
            unrolled += of[1]
            if unrolled > _MOST_UNROLLED:
                raise ValueError(
                    f"{name} has a list of {of[1]} messages or texts, expected {_MOST_UNROLLED} "
                    "at most in all lists of a fixed length"
                )


def _joined(types: _Types, known: Typestore) -> Typestore:
    """Types in addition to known ones, or in place of those that are known otherwise."""
    others = {name: t for name, t in types.items() if known.fielddefs.get(name) != t}
    if not others:
        return known
    store = Typestore()
    for name, fields in known.fielddefs.items():
        if name not in others:
            store.fielddefs[name], store.types[name] = fields, known.types[name]
    store.register(others)
    return store

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What bags bring along: definitions, tables and chunks, and what of it takes time or memory."""

import sqlite3
import struct
import time
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lz4.frame
import pytest
import recorded_bags as rec
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat, Nodetype
from rosbags.rosbag2 import storage_sqlite3
from rosbags.typesys import get_types_from_idl

from genpose_ros.ros.replay.bag import Bag, known_types
from genpose_ros.ros.replay.compressed import zstd
from genpose_ros.ros.replay.definitions import typestore_of

MSG, IDL, NONE = (
    MessageDefinitionFormat.MSG,
    MessageDefinitionFormat.IDL,
    MessageDefinitionFormat.NONE,
)
RULE = "=" * 80
TIME = "int32 sec\nuint32 nanosec\n"
HONEST_IDL = """// generated from a message
#include "std_msgs/msg/Header.idl"
module robot {
  module msg {
    module Cup_Constants {
      @verbatim (language="comment", text="a cup (of tea)" "\\n" "1 << 2")
      const uint8 LARGE = 2;
      const string NAME = "a (cup) // @kind";
    };
    @verbatim (language="comment", text= "of the \\"kitchen\\"")
    struct Cup {
      /* where (in
         metres) */
      double place[3];
      @default (value=1)
      uint8 kind;
      sequence<float, 4> sides;
    };
  };
};
"""


def connection(name: str, text: str, kind: MessageDefinitionFormat = MSG, digest: str = "") -> Any:
    definition = MessageDefinition(kind, text)
    return SimpleNamespace(msgtype=name, msgdef=definition, digest=digest)


def idl(*, constants: str = "", fields: str = "long x;") -> str:
    part = f"module B_Constants {{ {constants} }}; " if constants else ""
    return f"module a {{ module msg {{ {part}struct B {{ {fields} }}; }}; }};"


def test_definitions_that_are_known_take_no_new_types():
    header = f"builtin_interfaces/Time stamp\nstring frame_id\n{RULE}\n"
    text = f"{header}MSG: builtin_interfaces/Time\n{TIME}"
    found = [connection("std_msgs/msg/Header", text), connection("x/msg/Y", "", NONE)]
    assert typestore_of(found, known_types()) is known_types()


def test_a_definition_in_the_bag_is_used_in_place_of_the_known_one():
    known = known_types()
    store = typestore_of([connection("builtin_interfaces/msg/Time", TIME + "bool leap\n")], known)
    assert [name for name, _ in store.fielddefs["builtin_interfaces/msg/Time"][1]] == [
        "sec", "nanosec", "leap",
    ]  # fmt: skip
    stamp = store.types["builtin_interfaces/msg/Time"](1, 2, True)
    header = store.types["std_msgs/msg/Header"](stamp, "camera")
    raw = store.serialize_cdr(header, "std_msgs/msg/Header")
    assert store.deserialize_cdr(raw, "std_msgs/msg/Header") == header
    assert "leap" not in str(known.fielddefs["builtin_interfaces/msg/Time"])


def test_definitions_in_idl_mean_the_same_without_what_stands_aside():
    # What the library takes of the same text, whose first lines it does not know.
    expected = get_types_from_idl(HONEST_IDL.partition('Header.idl"\n')[2])
    text = HONEST_IDL.replace('#include "std_msgs/msg/Header.idl"\n', "")
    for whole in (text, f"{RULE}\nIDL: robot/msg/Cup\n{text}"):
        store = typestore_of([connection("robot/msg/Cup", whole, IDL)], known_types())
        constants, fields = store.fielddefs["robot/msg/Cup"]
        assert (constants, fields) == tuple(expected["robot/msg/Cup"])
        assert constants[1][2] == "a (cup) // @kind"
        assert [name for name, _ in fields] == ["place", "kind", "sides"]
        assert fields[0][1][0] == Nodetype.ARRAY


def test_many_lists_of_messages_are_no_expressions():
    fields = " ".join(f"sequence<geometry_msgs::msg::Point> x{i};" for i in range(300))
    store = typestore_of([connection("a/msg/B", idl(fields=fields), IDL)], known_types())
    assert len(store.fielddefs["a/msg/B"][1]) == 300


def test_a_definition_that_is_not_the_recorded_one_is_refused():
    known, name = known_types(), "builtin_interfaces/msg/Time"
    digest = known.hash_rihs01(name)
    assert typestore_of([connection(name, TIME, digest=digest)], known) is known
    with pytest.raises(ValueError, match="not the one that was recorded"):
        typestore_of([connection(name, TIME + "bool leap\n", digest=digest)], known)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (idl(constants="const long X = " + "(" * 9 + "1" + ")" * 9 + ";"), IDL, "calculates"),
        (idl(constants="const long X = 1 << 80000000000;"), IDL, "calculates"),
        (idl(fields="@default (value=((((1))))) long x;"), IDL, "calculates"),
        (idl(fields="long x[((((((3))))))];"), IDL, "calculates"),
        (idl(constants="const long X = " + "1+" * 9000 + "1;"), IDL, "expressions of more than"),
        (idl(constants="const long X = 1; " * 9000), IDL, "expressions of more than"),
        (idl(fields="sequence<long, 12> x; " * 9000), IDL, "expressions of more than"),
        (idl(fields="string<12> x; " * 9000), IDL, "expressions of more than"),
        ("string[3000000000] x", MSG, "a list of 3000000000 messages or texts"),
        ("std_msgs/Header[1000] x\n" * 3, MSG, "at most in all lists"),
        (idl(fields="string x[3000000];"), IDL, "messages or texts"),
        ("\n".join(f"int8 a{i}" for i in range(20_000)), MSG, "20000 fields"),
        ("\n" * 100_000, MSG, "50000 lines"),
        ("#" * 2**21, MSG, "longer than"),
    ],
)
def test_definitions_that_take_long_or_much_memory_are_refused_at_once(text, kind, words):
    begin = time.process_time()
    with pytest.raises(ValueError, match=words):
        typestore_of([connection("a/msg/B", text, kind)], known_types())
    assert time.process_time() - begin < 2.0


def test_a_definition_counts_once_however_many_topics_bring_it_along():
    text = TIME + "# in seconds\n" * 2000
    name = "builtin_interfaces/msg/Time"
    assert typestore_of([connection(name, text)] * 100, known_types()) is known_types()
    others = [connection(f"a/msg/B{i}", text) for i in range(100)]
    with pytest.raises(ValueError, match="those before it have more than"):
        typestore_of(others, known_types())


def test_a_bag_with_such_a_definition_is_refused_by_name(tmp_path):
    bag = rec.write_bag(tmp_path / "bag", rec.frame(rec.BEGIN_NS))
    (file,) = bag.glob("*.db3")
    with sqlite3.connect(file) as content:
        content.execute(
            "UPDATE message_definitions SET encoding = 'ros2idl', encoded_message_definition = ?",
            [idl(constants=f"const long X = {'(' * 9}1{')' * 9};")],
        )
    with pytest.raises(ValueError, match=r"bag is not a bag, or damaged: .* calculates"):  # noqa: SIM117
        with Bag.open(bag):
            pass


ENDLESS = (
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
    "SELECT max(x) AS schema_version FROM c"
)


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["DROP TABLE schema", f"CREATE VIEW schema AS {ENDLESS}"], "has the view schema"),
        (
            ["ALTER TABLE messages ADD COLUMN x AS (zeroblob(500000000))"],
            "calculates the column x of messages",
        ),
        (
            ["DROP TABLE schema", "CREATE VIRTUAL TABLE schema USING fts5(schema_version)"],
            "has the virtual table schema",
        ),
        (
            ["CREATE TRIGGER t AFTER INSERT ON messages BEGIN DELETE FROM topics; END"],
            "has the trigger t",
        ),
    ],
)  # fmt: skip
def test_a_bag_that_calculates_what_is_read_of_it_is_refused(tmp_path, statements, words):
    bag = rec.write_bag(tmp_path / "bag", rec.frame(rec.BEGIN_NS))
    (file,) = bag.glob("*.db3")
    with sqlite3.connect(file) as content:
        for statement in statements:
            content.execute(statement)
    hidden = file.rename(tmp_path / "bag" / "content")  # by whatever name
    metadata = bag / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace(file.name, hidden.name))
    with pytest.raises(ValueError, match=f"bag is not a bag, or damaged: content {words}"):  # noqa: SIM117
        with Bag.open(bag):
            pass


def chunk_of(path: Path, packed: bytes, size: int, kind: str) -> None:
    """Write an mcap without index, whose only chunk says that it has so many bytes."""
    name = kind.encode()
    head = struct.pack("<QQQI", 0, 0, size, 0) + struct.pack("<I", len(name)) + name
    chunk = head + struct.pack("<Q", len(packed)) + packed
    profile = struct.pack("<I4sI", 4, b"ros2", 0)

    def record(code: int, content: bytes) -> bytes:
        return struct.pack("<BQ", code, len(content)) + content

    footer = record(2, bytes(20))
    magic = b"\x89MCAP0\r\n"
    path.write_bytes(
        magic + record(1, profile) + record(6, chunk) + record(15, bytes(4)) + footer + magic
    )


@pytest.mark.parametrize("kind", ["zstd", "lz4"])
@pytest.mark.parametrize(
    ("claimed", "words"), [(100, "expected 100 bytes, got 101"), (2**40, "at most")]
)
def test_a_chunk_that_unpacks_to_more_than_it_says_is_refused(tmp_path, kind, claimed, words):
    zeros = bytes(2**28)
    packed = zstd.compress(zeros) if kind == "zstd" else lz4.frame.compress(zeros)
    del zeros
    chunk_of(tmp_path / "a.mcap", packed, claimed, kind)
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"is not a bag, or damaged: .*{words}"):  # noqa: SIM117
        with Bag.open(tmp_path / "a.mcap"):
            pass
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()


def test_the_quality_of_service_of_topics_is_not_read(tmp_path):
    parse = storage_sqlite3.parse_qos
    bag = rec.write_bag(tmp_path / "bag", rec.frame(rec.BEGIN_NS))
    lines = ["- &a0 {x: 1}"]
    lines += [f"- &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 20)]
    (file,) = bag.glob("*.db3")
    with sqlite3.connect(file) as content:
        content.execute("UPDATE topics SET offered_qos_profiles = ?", ["\n".join(lines)])
    begin = time.process_time()
    with Bag.open(file) as opened:
        assert len(list(opened.messages(opened.types))) == 4
    assert time.process_time() - begin < 2.0
    assert storage_sqlite3.parse_qos is parse


@pytest.mark.parametrize(
    "change",
    [
        ("message_count: 1", "message_count: many"),
        ("message_count: 1", "message_count: [1]"),
        (f"name: {rec.DEPTH}", "name: 7"),
        (f"name: {rec.DEPTH}", "name: [a]"),
        ("type: sensor_msgs/msg/Image", "type: {a: b}"),
        ("type: sensor_msgs/msg/Image", "type: 1.5"),
    ],
)
def test_metadata_that_say_something_else_of_a_topic_are_refused(tmp_path, change):
    bag = rec.write_bag(tmp_path / "bag", rec.frame(rec.BEGIN_NS))
    metadata = bag / "metadata.yaml"
    text = metadata.read_text()
    assert change[0] in text
    metadata.write_text(text.replace(*change))
    with pytest.raises(ValueError, match="bag is not a bag, or damaged"):  # noqa: SIM117
        with Bag.open(bag) as opened:
            list(opened.messages(opened.types))

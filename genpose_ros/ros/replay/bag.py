# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Bags of rosbag2, mcap or sqlite3, read and written without ROS."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection, Nodetype
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from genpose_ros.files import check_file
from genpose_ros.ros.replay.bounded_reader import open_reader
from genpose_ros.ros.replay.compressed import Unpack, plain_twin
from genpose_ros.ros.replay.definitions import typestore_of

__all__ = ["Bag", "finish_bag", "known_types"]

#: Bytes of a message.
_MOST_MESSAGE = 2**28
_MOST_METADATA = 2**24
#: Messages that cannot be read one after the other; then the file itself is damaged.
_MOST_DAMAGED = 100
_RULE = "=" * 80 + "\n"
#: Messages of other packages that a bag may hold without their definition.
_OTHERS = {"realsense2_camera_msgs/msg/Extrinsics": "float64[9] rotation\nfloat64[3] translation\n"}
_HOW = "give the folder of a bag (with metadata.yaml), or its .mcap or .db3 file"


class Bag:
    """Recorded messages in the order that they were received in.

    Attributes:
        path: of the bag.
        types: the type of each topic, by its name, such as sensor_msgs/msg/Image.
        counts: messages of each topic.
        damaged: what could not be read, in sentences.
    """

    def __init__(
        self, path: Path, reader: Reader, types: Typestore, unpack: Unpack = bytes
    ) -> None:
        self.path, self._reader, self._store, self._unpack = path, reader, types, unpack
        _check_connections(reader.connections)
        self.types: dict[str, str] = {c.topic: c.msgtype for c in reader.connections}
        self.counts: dict[str, int] = dict.fromkeys(self.types, 0)
        for connection in reader.connections:
            self.counts[connection.topic] += connection.msgcount
        self.damaged: list[str] = []

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator["Bag"]:
        """Open a bag.

        Args:
            path: folder or file.

        Raises:
            FileNotFoundError: no such bag.
            ValueError: it is none, damaged, or of ROS 1.
        """
        _check_files(path)
        with ExitStack() as stack:
            try:
                twin, unpack = stack.enter_context(plain_twin(path, _MOST_MESSAGE))
                reader = stack.enter_context(open_reader(twin))
                types = typestore_of(reader.connections, known_types())
                bag = cls(path, reader, types, unpack)
            except Exception as error:  # a damaged file can raise anything
                raise ValueError(f"{path} is not a bag, or damaged: {_words(error)}") from error
            yield bag

    def fields(self, kind: str) -> Mapping[str, bool]:
        """Return the fields of a type of message, and whether each is a list of messages."""
        definition = self._store.fielddefs.get(kind)
        if definition is None:
            return {}
        lists = (Nodetype.ARRAY, Nodetype.SEQUENCE)
        return {
            str(name): node in lists and of[0][0] == Nodetype.NAME
            for name, (node, of) in definition[1]
        }

    def messages(self, topics: Collection[str]) -> Iterator[tuple[str, int, Any]]:
        """Yield topic, time of receipt in nanoseconds and message; what is damaged is noted.

        Args:
            topics: those that are wanted.
        """
        chosen = [c for c in self._reader.connections if c.topic in topics]
        if not chosen:
            return
        recorded = iter(self._reader.messages(chosen))
        unread = count = 0
        while unread < _MOST_DAMAGED:
            try:
                connection, time_ns, content = next(recorded)
            except StopIteration:
                break
            except Exception as error:  # a damaged file can raise anything
                self.damaged.append(f"the bag ends after {count} messages: {_words(error)}")
                break
            count += 1
            try:
                yield connection.topic, time_ns, self._read(content, str(connection.msgtype))
                unread = 0
            except ValueError as error:
                unread += 1
                self.damaged.append(f"a message on {connection.topic}: {error}")

    def _read(self, content: bytes, kind: str) -> Any:
        if len(content) > _MOST_MESSAGE:
            raise ValueError(f"it has {len(content)} bytes, expected {_MOST_MESSAGE} at most")
        try:
            return self._store.deserialize_cdr(self._unpack(content), kind)
        except Exception as error:  # of damaged bytes anything
            raise ValueError(f"no {kind}: {_words(error)}") from error


@lru_cache(maxsize=1)
def known_types() -> Typestore:
    """Return the types of ROS 2's common interfaces, of vision_msgs and of this package.

    They are made once, which takes some ten milliseconds: nothing is to be registered with them.
    """
    types = get_typestore(Stores.LATEST)
    text = (resources.files("genpose_ros.ros.replay") / "interfaces.txt").read_text("utf-8")
    for part in filter(None, text.split(_RULE)):
        head, _, definition = part.partition("\n")
        package, _, name = head.removeprefix("MSG: ").partition("/")
        types.register(get_types_from_msg(definition, f"{package}/msg/{name}"))
    for kind, definition in _OTHERS.items():
        types.register(get_types_from_msg(definition, kind))
    return types


def finish_bag(partial: Path, path: Path) -> None:
    """Give a bag that was written under another name its own, and its files too."""
    metadata = partial / "metadata.yaml"
    text = metadata.read_text()
    for file in list(partial.glob("*.db3")):
        name = f"{path.name}_0{file.suffix}"
        text = text.replace(file.name, name)
        file.rename(partial / name)
    metadata.write_text(text)
    partial.replace(path)


def _check_files(path: Path) -> None:
    """Refuse what is no bag at first sight.

    Raises:
        FileNotFoundError: there is nothing of that name.
        ValueError: something else is.
    """
    if not path.exists():
        raise FileNotFoundError(2, "No such file or directory", str(path))
    if path.suffix == ".bag":
        raise ValueError(
            f"{path} is a bag of ROS 1: convert it, rosbags-convert --src {path.name} --dst "
            f"{path.stem}"
        )
    if path.is_dir():
        metadata = path / "metadata.yaml"
        if not metadata.is_file():
            raise ValueError(f"{path} has no metadata.yaml: {_HOW}")
        check_file(metadata, _MOST_METADATA)
    elif path.suffix not in (".mcap", ".db3"):
        raise ValueError(f"{path} is no bag: {_HOW}")


def _check_connections(connections: Collection[Connection]) -> None:
    """Refuse topics that are not what they are, which metadata.yaml can say anything of."""
    for connection in connections:
        for value, kind in (
            (connection.topic, str),
            (connection.msgtype, str),
            (connection.msgcount, int),
        ):
            if not isinstance(value, kind):
                raise ValueError(
                    f"{value!r:.80} stands where a topic, type or number of messages is expected"
                )


def _words(error: Exception) -> str:
    """What an error says, on one line."""
    return " ".join(f"{error or type(error).__name__}".split())[:300]

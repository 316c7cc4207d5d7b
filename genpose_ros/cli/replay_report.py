# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Report of a replay: a table of the objects for the terminal, and all frames as JSON."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from genpose_ros.cli.results import estimate_json, rejection_json
from genpose_ros.cli.tables import place_cells

__all__ = ["ReplayReport"]

_STATES = ("untracked", "new", "confirmed", "coasting", "lost")
#: Objects and notes that are printed.
_MOST_ROWS, _MOST_NOTES = 50, 10


@dataclass
class ReplayReport:
    """What was found in the frames of a recording.

    Attributes:
        source: the recording.
        mode: of the node.
        topics: that were replayed.
        frames: each as JSON holds it.
        notes: sentences to be printed.
    """

    source: str
    mode: str
    topics: tuple[str, ...] = ()
    frames: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _rejected: Counter[str] = field(default_factory=Counter)
    _details: dict[str, str] = field(default_factory=dict)
    _times_ms: list[float] = field(default_factory=list)

    @property
    def found(self) -> int:
        """Objects in all frames together."""
        return sum(len(frame["objects"]) for frame in self.frames)

    def add(self, frame: Any) -> None:
        """Take a frame as the node publishes it."""
        stamp = frame.header.stamp
        self.frames.append(
            {
                "stamp_s": stamp.sec + stamp.nanosec / 1e9,
                "frame_id": frame.header.frame_id,
                "T_frame_cam": frame.T_out_cam.tolist(),
                "objects": [_object_json(item) for item in frame.objects],
                "rejected": [rejection_json(r) for r in frame.rejections],
                "stages_ms": dict(frame.timings_ms),
            }
        )
        for r in frame.rejections:
            self._rejected[r.reason.value] += 1
            self._details.setdefault(r.reason.value, r.detail)
        if frame.timings_ms:
            self._times_ms.append(sum(frame.timings_ms.values()))

    def as_json(self) -> dict[str, Any]:
        """Return all of it; poses are in each frame's camera, `T_frame_cam` leads to `frame_id`."""
        return {
            "source": self.source,
            "mode": self.mode,
            "topics": list(self.topics),
            "frames": self.frames,
            "rejected": dict(self._rejected),
            "notes": self.notes,
        }

    def print(self, console: Console) -> None:
        """Print a table of the objects, what was refused, and the notes."""
        if self.found:
            console.print(self._table())
        for reason, count in self._rejected.most_common():
            line = f"{count} refused: {reason}, first: {self._details[reason]}"
            console.print(line, markup=False, soft_wrap=True)
        median = f", {np.median(self._times_ms):.0f} ms each" if self._times_ms else ""
        console.print(f"{len(self.frames)} frames{median}", markup=False, highlight=False)
        for note in self.notes[:_MOST_NOTES]:
            console.print(note, markup=False, soft_wrap=True)
        if len(self.notes) > _MOST_NOTES:
            console.print(f"{len(self.notes) - _MOST_NOTES} more such notes", markup=False)

    def _table(self) -> Table:
        columns = ("object", "seen", "x y z m", "size x y z cm", "score", "state")
        caption = "seen: in so many frames; medians, in the camera's frame; the last state"
        if self.mode == "estimate" and len(self.frames) > 1:
            caption += "\nnames are of the masks' ids, which may change; --mode track follows them"
        table = Table(*columns, caption=caption)
        objects: dict[str, list[dict[str, Any]]] = {}
        for frame in self.frames:
            for item in frame["objects"]:
                objects.setdefault(item["name"], []).append(item)
        for name, seen in list(objects.items())[:_MOST_ROWS]:
            place = np.median([item["position_m"] for item in seen], axis=0)
            size = np.median([item["size_m"] for item in seen], axis=0)
            table.add_row(
                name,
                str(len(seen)),
                *place_cells(place, size),
                f"{np.median([item['score'] for item in seen]):.2f}",
                seen[-1]["state"],
            )
        if len(objects) > _MOST_ROWS:
            table.add_row(f"{len(objects) - _MOST_ROWS} more")
        return table


def _object_json(item: Any) -> dict[str, Any]:
    return {
        "name": item.frame,
        "state": _STATES[item.state],
        "trusted": item.trusted,
        **estimate_json(item.estimate),
        "velocity": item.velocity.tolist(),
        "age_s": item.age_s,
        "unseen_s": item.unseen_s,
    }

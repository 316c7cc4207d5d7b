# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Keeper of single frames as files: on request, and those that were refused."""

import queue
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.networks.model_set import checkpoint_files
from genpose_ros.ros.accounting import Drop
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.frame_files import KeptFrame, KeptObject, write_frame_file
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.published import PublishedFrame
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.transform_queue import LocatedFrame

__all__ = ["FrameKeeper", "absolute_settings"]

#: Frames that may wait for being written; a file takes some tens of milliseconds.
_WAITING = 2
#: Frames of one reason that are kept by themselves, so that none takes all the places.
_OF_A_REASON = 3
_ASKED = "asked"
_PATTERN = "frame_*.npz"


@dataclass(frozen=True)
class _Seen:
    located: LocatedFrame
    settings: Settings
    result: PublishedFrame | Rejection | Drop


class FrameKeeper:
    """Keeper of the last frame, and writer of files, in a thread of its own.

    Folder and greatest number of files are settings that no peer can change, and names of files
    hold nothing but a stamp and a reason. Nothing is ever deleted or, but by the same frame,
    overwritten.

    Args:
        settings: of the node, at its start.
        about: gives what the files say of the estimator: device, threads, checkpoints.
        log: called with a line about each file, in the writer's thread.
    """

    def __init__(
        self,
        settings: NodeSettings,
        about: Callable[[], Mapping[str, str]],
        log: Callable[[str], object],
    ) -> None:
        self._folder = Path(settings.dump_folder).expanduser() if settings.dump_folder else None
        self._keeps_refused, self._limit = settings.dump_refused, settings.dump_limit
        self._about, self._log = about, log
        self._last: _Seen | None = None
        self._names: set[str] = self._listed()
        self._of_reason: Counter[Reason] = Counter()
        self._queue: queue.Queue[tuple[Path, KeptFrame] | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._write, name="frame keeper", daemon=True)
        # Frames come from the worker, requests from the executor.
        self._lock = threading.Lock()
        if self._folder is not None:
            self._thread.start()

    def note(
        self,
        located: LocatedFrame,
        settings: Settings,
        result: PublishedFrame | Rejection | Drop,
    ) -> None:
        """Note what became of a frame; it is written where it was refused, or an object of it.

        Args:
            located: the frame.
            settings: that were in force.
            result: what is published of it, or why nothing is.
        """
        if self._folder is None or located.matched.masks is None:
            return
        seen = _Seen(located, settings, result)
        with self._lock:
            self._last = seen
            if not self._keeps_refused:
                return
            for rejection in _rejections(result):
                if self._of_reason[rejection.reason] < _OF_A_REASON:
                    why = f"{rejection.reason.value}: {rejection.detail}"
                    problem = self._put(self._folder, seen, rejection.reason.value, why)
                    self._of_reason[rejection.reason] += not problem
                    return

    def forget(self) -> None:
        """Forget the last frame, which what is loaded next has nothing to do with."""
        with self._lock:
            self._last = None

    def keep_last(self) -> tuple[bool, str]:
        """Write the last frame with masks; returns whether it will be, and a sentence."""
        if self._folder is None:
            return False, "no frame is kept: start the node with the parameter dump.folder"
        with self._lock:
            if self._last is None:
                return False, "no frame with masks has been processed yet"
            problem = self._put(self._folder, self._last, _ASKED, _ASKED)
            name = _name(self._last, _ASKED)
        return (False, problem) if problem else (True, f"{self._folder / name} is being written")

    def close(self) -> None:
        """Write what waits, and end the thread."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(10.0)

    def _put(self, folder: Path, seen: _Seen, reason: str, why: str) -> str:
        """Hand a frame to the writer; returns why that cannot be, empty: it is done."""
        name = _name(seen, reason)
        if name not in self._names and len(self._names) >= self._limit:
            self._names = self._listed()  # somebody may have moved files away
            if len(self._names) >= self._limit:
                return (
                    f"{folder} holds {len(self._names)} frames, as many as dump.limit "
                    "allows: move them away"
                )
        kept = KeptFrame(
            seen.located, absolute_settings(seen.settings), self._about(), why, _objects(seen)
        )
        try:
            self._queue.put_nowait((folder / name, kept))
        except queue.Full:
            return f"{_WAITING} frames are being written: ask again"
        self._names.add(name)
        return ""

    def _listed(self) -> set[str]:
        if self._folder is None or not self._folder.is_dir():
            return set()
        return {path.name for path in self._folder.glob(_PATTERN)}

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            path, frame = item
            try:
                write_frame_file(path, frame)
                self._log(f"frame kept in {path} ({frame.why:.200}); genpose replay repeats it")
            except (OSError, ValueError, MemoryError) as error:
                self._log(f"frame not kept in {path}: {error}")
                with self._lock:
                    self._names.discard(path.name)


def absolute_settings(settings: Settings) -> Settings:
    """Return settings whose files are named so that they are found from any folder."""
    estimator, node = settings.estimator, settings.node
    if node.class_names:
        node = replace(node, class_names=str(Path(node.class_names).absolute()))
    weights, energy = map(_absolute, (estimator.weights, estimator.energy_weights))
    estimator = replace(estimator, weights=weights, energy_weights=energy)
    return replace(settings, estimator=estimator, node=node)


def _absolute(weights: str) -> str:
    """Checkpoints by their absolute paths; the released ones, which every machine has, stay ""."""
    files = checkpoint_files(weights) if weights else ()
    return ",".join(str(file.absolute()) for file in files)


def _name(seen: _Seen, reason: str) -> str:
    return f"frame_{stamp_ns(seen.located.matched.depth.header)}_{reason}.npz"


def _rejections(result: PublishedFrame | Rejection | Drop) -> tuple[Rejection, ...]:
    if isinstance(result, Rejection):
        return (result,)
    return () if isinstance(result, Drop) else tuple(result.rejections)


def _objects(seen: _Seen) -> tuple[KeptObject, ...]:
    if not isinstance(seen.result, PublishedFrame):
        return ()
    estimates = [item.estimate for item in seen.result.objects]
    return tuple(KeptObject(e.instance_id, e.category, e.T_cam_obj) for e in estimates)

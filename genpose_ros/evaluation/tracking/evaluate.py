# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Evaluation on simulated sequences: many of them, several tracking methods, several processes."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from typing import Any

import torch

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.evaluation.tracking.methods import (
    FrameByFrame,
    Masks,
    PaperLoop,
    TrackerRun,
    TrackingMethod,
)
from genpose_ros.evaluation.tracking.records import ReportedPose, SequenceRecord, record_sequence
from genpose_ros.networks.devices import usable_cores
from genpose_ros.process_pool import process_pool
from genpose_ros.synthesis.library import NOCS_LIBRARY, ShapeLibrary
from genpose_ros.synthesis.sequences import (
    SEQUENCE_KINDS,
    Segmenter,
    SequenceFrame,
    TrueObject,
    tracking_sequence,
)
from genpose_ros.tracking.settings import TrackerSettings

__all__ = [
    "DEFAULT_KINDS",
    "SIGMA_STUDY",
    "SWEEP_VARIANTS",
    "Outcome",
    "Task",
    "Variant",
    "measure_speed",
    "run_task",
    "run_tasks",
    "sequences",
    "standard_variants",
    "study_tasks",
    "usual_jobs",
]

#: What is evaluated; "crowd" is there for measuring speed, "arm" for measuring the node.
DEFAULT_KINDS: tuple[str, ...] = tuple(k for k in SEQUENCE_KINDS if k not in ("crowd", "arm"))
#: The estimator by itself sees one of so many frames.
SINGLE_EVERY = 10
#: What the names of the variants with other start levels begin with.
SIGMA_STUDY = "study sigma "
#: What sweeps are tracked with besides the usual.
SWEEP_VARIANTS = ("uncompensated", "compensated, masks at 5 Hz", "uncompensated, masks at 5 Hz")
#: Start levels and numbers of network evaluations that are compared.
_SIGMAS, _STEPS = (0.0234, 0.05, 0.1, 0.15, 0.2), (1, 2, 4)
#: Frames of a segmenter of 5 Hz, whose masks are delayed by 167 ms, at a camera's 30 Hz.
_SLOW, _DELAYED = Masks(every=6), Masks(every=6, delay=5)


@dataclass(frozen=True)
class Variant:
    """A tracking method with its settings.

    Attributes:
        name: in the results.
        way: "tracker", "paper" (see `PaperLoop`) or "single" (see `FrameByFrame`).
        tracker: settings of the tracker; its candidates, start level and steps are the paper
            protocol's too.
        masks: when they come, for the tracker.
        compensate: whether the tracker learns the camera's pose.
        every: only each `every`-th frame is processed.
    """

    name: str
    way: str = "tracker"
    tracker: TrackerSettings = field(default_factory=TrackerSettings)
    masks: Masks = field(default_factory=Masks)
    compensate: bool = True
    every: int = 1

    def method(self, estimator: PoseEstimator, seed: int) -> TrackingMethod:
        """Return the method, ready for one sequence."""
        if self.way == "paper":
            return PaperLoop(estimator, self.tracker, seed)
        if self.way == "single":
            return FrameByFrame(estimator)
        return TrackerRun(estimator, self.tracker, self.masks, self.compensate)


@dataclass(frozen=True)
class Task:
    """One sequence and the methods that track it.

    Attributes:
        kind, seed, frames: of the sequence.
        variants: each sees the same frames.
        segmenter: its errors.
        library: that the objects are from; the estimator must know its categories.
    """

    kind: str
    seed: int
    frames: int
    variants: tuple[Variant, ...]
    segmenter: Segmenter = field(default_factory=Segmenter)
    library: ShapeLibrary = NOCS_LIBRARY

    @property
    def steps(self) -> int:
        """How much work it is: frames times methods."""
        return self.frames * len(self.variants)


@dataclass(frozen=True)
class Outcome:
    """Record of one variant on one sequence.

    Attributes:
        variant: its name.
        record: truth and tracks.
        frames: that were tracked; none for methods other than the tracker.
        seconds, cpu_seconds: spent in the tracker.
    """

    variant: str
    record: SequenceRecord
    frames: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0


def sequences(count: int, kinds: Sequence[str], first_seed: int) -> list[tuple[str, int]]:
    """Return kind and seed of `count` sequences: the kinds in turn, then with the next seed.

    Raises:
        ValueError: a kind is unknown, or there is none.
    """
    unknown = [kind for kind in kinds if kind not in SEQUENCE_KINDS]
    if unknown or not kinds:
        expected = ", ".join(SEQUENCE_KINDS)
        raise ValueError(f"unknown kind {', '.join(unknown) or '(none)'}; expected {expected}")
    return [(kinds[i % len(kinds)], first_seed + i // len(kinds)) for i in range(count)]


def standard_variants(kind: str, tracker: TrackerSettings) -> tuple[Variant, ...]:
    """Return the tracker and what it is compared with on sequences of a kind."""
    variants = [
        Variant("tracker", tracker=tracker),
        Variant("paper_protocol", "paper", tracker),
        Variant("single_frame", "single", tracker, every=SINGLE_EVERY),
    ]
    if kind == "sweep":
        settings = ((False, Masks()), (True, _SLOW), (False, _SLOW))
        variants += [
            Variant(name, tracker=tracker, masks=masks, compensate=compensate)
            for name, (compensate, masks) in zip(SWEEP_VARIANTS, settings, strict=True)
        ]
    return tuple(variants)


def study_tasks(tracker: TrackerSettings, first_seed: int, *, longest: int = 200) -> list[Task]:
    """Return the comparisons of settings: masks and smoothing, then start level and steps.

    Args:
        tracker: settings that all others are changes of.
        first_seed: one sequence of some kinds is taken, of this seed.
        longest: no sequence has more frames; those for masks and smoothing have up to 90, those
            for the start level, which run by the paper's protocol, up to 60.
    """
    depth_between = replace(tracker, track_without_masks=True)
    variants = (
        Variant("study 30 Hz", tracker=depth_between),
        Variant("study 5 Hz, depth between", tracker=depth_between, masks=_SLOW),
        Variant("study 5 Hz, 167 ms late", tracker=depth_between, masks=_DELAYED),
        Variant(
            "study 5 Hz alone",
            tracker=replace(tracker, track_without_masks=False),
            masks=_SLOW,
        ),
        Variant("study 30 Hz, smoothing", tracker=replace(tracker, smoothing=True)),
    )
    levels = tuple(
        Variant(
            f"{SIGMA_STUDY}{sigma:g} x {steps}",
            "paper",
            replace(tracker, start_sigma=sigma, steps=steps),
        )
        for sigma in _SIGMAS
        for steps in _STEPS
    )
    kinds = ("turntable", "carried_slow", "carried_fast", "sweep")
    tasks = [Task(kind, first_seed, min(longest, 90), variants) for kind in kinds]
    return tasks + [Task(kind, first_seed, min(longest, 60), levels) for kind in kinds[1:3]]


def run_task(
    task: Task, estimator: PoseEstimator, on_steps: Callable[[int], None] | None = None
) -> list[Outcome]:
    """Track one sequence by all its methods, frame by frame side by side.

    Args:
        task: what to do.
        estimator: shared by all methods.
        on_steps: called after each frame with the steps done, see `Task.steps`.
    """
    sequence = tracking_sequence(
        task.kind,
        task.seed,
        frames=task.frames,
        segmenter=task.segmenter,
        library=task.library,
    )
    methods = [variant.method(estimator, task.seed) for variant in task.variants]
    seen: list[list[tuple[Sequence[TrueObject], Sequence[ReportedPose]]]] = [[] for _ in methods]
    for number, item in enumerate(sequence):
        for variant, method, frames in zip(task.variants, methods, seen, strict=True):
            if number % variant.every == 0:
                frames.append((item.objects, method.step(item)))
        if on_steps is not None:
            on_steps(len(task.variants))
    outcomes = []
    for variant, method, frames in zip(task.variants, methods, seen, strict=True):
        rate_hz = sequence.rate_hz / variant.every
        record = record_sequence(task.kind, task.seed, rate_hz, frames, task.library.categories)
        outcome = Outcome(variant.name, record)
        if isinstance(method, TrackerRun):
            outcome = replace(
                outcome,
                frames=method.frames,
                seconds=method.seconds,
                cpu_seconds=method.cpu_seconds,
            )
        outcomes.append(outcome)
    return outcomes


def usual_jobs(device: str) -> int:
    """Return how many processes to use: one per core, at most 8; one where there is a GPU."""
    on_cpu = device == "cpu" or (device == "auto" and not torch.cuda.is_available())
    return min(usable_cores(), 8) if on_cpu else 1


def run_tasks(
    tasks: Sequence[Task],
    settings: EstimatorSettings,
    *,
    jobs: int = 1,
    on_progress: Callable[[int], None] | None = None,
) -> list[Outcome]:
    """Track all sequences, in processes of their own where there are several.

    Args:
        tasks: what to do.
        settings: of the estimator.
        jobs: processes, each with its own estimator and one thread; 1: this one does it all.
        on_progress: called now and then with all steps done so far, see `Task.steps`.

    Returns:
        In the order of the tasks and of their variants.
    """
    if jobs <= 1 or len(tasks) <= 1:
        return _run_here(tasks, settings, on_progress)
    done = get_context("spawn").Value("l", 0)
    with process_pool(min(jobs, len(tasks)), "spawn", _begin_worker, (settings, done)) as pool:
        # The longest first, so that no process has to wait for one that began after the others.
        order = sorted(range(len(tasks)), key=lambda i: -tasks[i].steps)
        futures = {i: pool.submit(_work, tasks[i]) for i in order}
        _watch(futures.values(), done, on_progress)
        return [outcome for i in range(len(tasks)) for outcome in futures[i].result()]


def _run_here(
    tasks: Sequence[Task], settings: EstimatorSettings, on_progress: Callable[[int], None] | None
) -> list[Outcome]:
    estimator, steps = PoseEstimator.from_settings(settings), 0

    def on_steps(more: int) -> None:
        nonlocal steps
        steps += more
        if on_progress is not None:
            on_progress(steps)

    return [outcome for task in tasks for outcome in run_task(task, estimator, on_steps)]


def _watch(
    futures: Iterable["Future[list[Outcome]]"], done: Any, on_progress: Callable[[int], None] | None
) -> None:
    """Wait for all; the first that failed raises."""
    waiting = set(futures)
    while waiting:
        finished, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
        for future in finished:
            future.result()
        if on_progress is not None:
            on_progress(done.value)


@dataclass
class _Worker:
    """State of a worker process from task to task."""

    estimator: PoseEstimator | None = None
    done: Any = None


_worker = _Worker()


def _begin_worker(settings: EstimatorSettings, done: Any) -> None:
    _worker.estimator, _worker.done = PoseEstimator.from_settings(settings), done


def _work(task: Task) -> list[Outcome]:
    if _worker.estimator is None:
        raise RuntimeError("the worker has not begun")

    def on_steps(more: int) -> None:
        with _worker.done.get_lock():
            _worker.done.value += more

    return run_task(task, _worker.estimator, on_steps)


def measure_speed(
    estimator: PoseEstimator,
    tracker: TrackerSettings,
    *,
    counts: Sequence[int] = (1, 5, 10),
    frames: int = 60,
    seed: int = 0,
    library: ShapeLibrary = NOCS_LIBRARY,
) -> dict[str, dict[str, float]]:
    """Return frames per second and CPU milliseconds per frame for numbers of tracked objects.

    All tracks have begun before the clock starts; masks come with every frame; nothing else runs
    in this process.

    Args:
        estimator: with all threads torch may use.
        tracker: settings.
        counts: numbers of objects, at most 10.
        frames: that are timed.
        seed: of the sequence.
        library: that the objects are from.
    """
    warm_up = 10
    sequence = tracking_sequence(
        "crowd", seed, frames=warm_up + frames, segmenter=Segmenter(0, 0), library=library
    )
    items = list(sequence)
    speeds = {}
    for count in counts:
        run = TrackerRun(estimator, tracker)
        for number, item in enumerate(items):
            if number == warm_up:
                run.seconds = run.cpu_seconds = 0.0
            run.step(_first_objects(item, count))
        speeds[str(count)] = {
            "frames_per_second": round(frames / run.seconds, 2),
            "cpu_ms_per_frame": round(1e3 * run.cpu_seconds / frames, 2),
        }
    return speeds


def _first_objects(item: SequenceFrame, count: int) -> SequenceFrame:
    """The frame with the masks of some objects only."""
    wanted = {true.instance_id for true in item.objects[:count]}
    instances = tuple(i for i in item.frame.instances if i.id in wanted)
    return replace(item, frame=replace(item.frame, instances=instances))

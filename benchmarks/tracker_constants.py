# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Effect of each of the tracker's constants: halved and doubled, on simulated sequences.

`.venv/bin/python -m benchmarks.tracker_constants` simulates one sequence of each kind, tracks it
with masks in every frame and with masks at 5 Hz that are 167 ms late, and does so again with one
constant after the other halved and doubled (shares up to 1, numbers of things from 1). Results go
to docs/results/tracker_constants.json after each constant, and as a table into docs/tracking.md.
What is in the JSON already is kept, if it is of the same commit, weights and options.
"""

import argparse
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.evaluation.markdown import markdown_table, rewrite_tables
from genpose_ros.evaluation.provenance import provenance
from genpose_ros.evaluation.tracking import SequenceRecord, record_sequence, summarise_tracking
from genpose_ros.evaluation.tracking.evaluate import DEFAULT_KINDS
from genpose_ros.evaluation.tracking.methods import Masks, TrackerRun
from genpose_ros.process_pool import process_pool
from genpose_ros.synthesis.sequences import SequenceFrame, tracking_sequence
from genpose_ros.tracking import TrackerSettings, constants
from genpose_ros.tracking.constants import DescribedConstant, described_constants

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "tracker_constants.json"
PAGE = ROOT / "docs" / "tracking.md"
RATE_HZ = 30.0
#: Masks in every frame, and those of a segmenter of 5 Hz, 167 ms late.
MASKS = (Masks(), Masks(every=6, delay=5))
FACTORS = {"halved": 0.5, "doubled": 2.0}
#: Key of the results of all constants as they are.
UNCHANGED = "unchanged"

_MEASURES = (
    *("5d5cm", "mean_rotation_deg", "mean_translation_cm", "id_switches"),
    *("unreported_percent", "cpu_ms_per_frame"),
)
_HEADS = (
    *("constant", "value", "unit", "meaning", "where from"),
    *("5°5cm %", "mean °", "mean cm", "id switches", "not reported %", "CPU ms"),
)

_log = logging.getLogger(__name__)
#: Frames by kind, whose masks are bits; filled before the worker processes are forked.
_sequences: dict[str, list[SequenceFrame]] = {}


def changed_value(constant: DescribedConstant, factor: float) -> float:
    """Return a constant's value times a factor, in its type and in the range that makes sense."""
    if isinstance(constant.value, int):
        return max(round(constant.value * factor), 1)
    value = constant.value * factor
    return min(value, 1.0) if constant.about.unit == "share" else value


def simulate(kind: str, seed: int, frames: int) -> list[SequenceFrame]:
    """Return the frames of a sequence with masks as bits, which take an eighth of the memory."""
    items = []
    for item in tracking_sequence(kind, seed, frames=frames, rate_hz=RATE_HZ):
        packed = tuple(replace(i, mask=np.packbits(i.mask)) for i in item.frame.instances)
        items.append(replace(item, frame=replace(item.frame, instances=packed)))
    return items


def unpacked(items: Sequence[SequenceFrame]) -> Iterator[SequenceFrame]:
    """Yield the frames of `simulate` as they were."""
    for item in items:
        rows, columns = item.frame.depth_m.shape
        instances = tuple(
            replace(i, mask=np.unpackbits(i.mask, count=rows * columns).reshape(rows, columns) > 0)
            for i in item.frame.instances
        )
        yield replace(item, frame=replace(item.frame, instances=instances))


def track(kind: str, changes: Mapping[str, float]) -> list[tuple[SequenceRecord, float]]:
    """Return record and CPU seconds of a sequence, for either masks, with other constants."""
    found = []
    with ExitStack() as stack:
        for name, value in changes.items():
            stack.enter_context(patch.object(constants, name, value))
        for masks in MASKS:
            run = TrackerRun(_estimator(), TrackerSettings(), masks)
            frames = [(item.objects, run.step(item)) for item in unpacked(_sequences[kind])]
            found.append((record_sequence(kind, 0, RATE_HZ, frames), run.cpu_seconds))
    return found


@cache
def _estimator() -> PoseEstimator:
    return PoseEstimator.from_settings(EstimatorSettings(device="cpu"))


def measure(pool: Executor, changes: Mapping[str, float]) -> list[Future[Any]]:
    """Begin to track all sequences with other constants."""
    return [pool.submit(track, kind, dict(changes)) for kind in _sequences]


def measured(futures: Sequence[Future[Any]]) -> dict[str, Any]:
    """Return the measures over all sequences once they are tracked."""
    found = [part for future in futures for part in future.result()]
    frames = sum(len(record.objects[0].track) for record, _ in found)
    milliseconds = round(1e3 * sum(seconds for _, seconds in found) / frames, 2)
    summary = summarise_tracking([record for record, _ in found])
    return {key: {**summary, "cpu_ms_per_frame": milliseconds}[key] for key in _MEASURES}


def sweep(pool: Executor, constant: DescribedConstant) -> dict[str, dict[str, Any]]:
    """Return the measures of a constant halved and doubled, each with its value."""
    values = {name: changed_value(constant, factor) for name, factor in FACTORS.items()}
    begun = {name: measure(pool, {constant.name: value}) for name, value in values.items()}
    return {name: {"value": values[name], **measured(parts)} for name, parts in begun.items()}


def table(results: Mapping[str, Any]) -> str:
    """Return all constants as a table in Markdown, with the results there are."""
    rows: list[Sequence[Any]] = []
    if UNCHANGED in results:
        whole = results[UNCHANGED]
        rows.append(["(as they are)", *[""] * 4, *(_cell(whole[key]) for key in _MEASURES)])
    for item in described_constants():
        about, parts = item.about, results.get(item.name)
        cells = [
            None if parts is None else " / ".join(_cell(parts[name][key]) for name in FACTORS)
            for key in _MEASURES
        ]
        row = [f"`{item.name}`", f"{item.value:g}", about.unit, about.meaning, about.source]
        rows.append([*row, *cells])
    return markdown_table(_HEADS, rows)


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.2f}"


def known_results(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results in a file, if they are of the same commit, weights and options."""
    if not path.exists():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if content["config"] != config:
        _log.info("%s is of another commit, other weights or options: all is done anew", path.name)
        return {}
    results: dict[str, Any] = content["results"]
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """Sweep the constants that are not in the results yet."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    described = {item.name: item for item in described_constants()}
    options = _options(arguments, list(described))
    origin = provenance(None, options.seed)
    config = {
        **{key: origin[key] for key in ("commit", "weights_sha256", "seed")},
        "frames": options.frames,
        "kinds": list(DEFAULT_KINDS),
    }
    results = known_results(options.json, config)
    for kind in DEFAULT_KINDS:
        _log.info("%s is simulated", kind)
        _sequences[kind] = simulate(kind, options.seed, options.frames)
    with process_pool(options.jobs, "fork") as pool:
        for name in (UNCHANGED, *options.constants):
            if name in results:
                continue
            _log.info("%s", name)
            is_base = name == UNCHANGED
            results[name] = measured(measure(pool, {})) if is_base else sweep(pool, described[name])
            _write(options.json, {"config": config, "results": results, "provenance": origin})
            if options.json == RESULTS:
                rewrite_tables(PAGE, {"constants": table(results)}.get)


def _options(arguments: Sequence[str] | None, names: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--constants", nargs="+", choices=names, default=names, metavar="NAME", help="default: all"
    )
    parser.add_argument("--frames", type=int, default=100, help="of each sequence")
    parser.add_argument("--seed", type=int, default=100, help="of the sequences")
    parser.add_argument("--jobs", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--json", type=Path, default=RESULTS, help="file of the results")
    return parser.parse_args(arguments)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

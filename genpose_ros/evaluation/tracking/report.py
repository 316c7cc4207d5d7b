# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Report of an evaluation of the tracker: JSON values and the tables of its document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from genpose_ros.evaluation.markdown import markdown_table, rewrite_tables
from genpose_ros.evaluation.tracking.evaluate import SIGMA_STUDY, SWEEP_VARIANTS, Outcome
from genpose_ros.evaluation.tracking.metrics import (
    errors_over_time,
    pose_lags_ms,
    summarise_tracking,
)
from genpose_ros.tracking.settings import TrackerSettings

__all__ = [
    "GOALS",
    "ReportTable",
    "tracking_report",
    "tracking_tables",
    "write_tracking_tables",
]

#: What the tracker should reach: (key, at least or at most, limit).
GOALS: tuple[tuple[str, str, float], ...] = (
    ("5d5cm", ">=", 75.0),
    ("mean_rotation_deg", "<", 4.0),
    ("mean_translation_cm", "<", 1.2),
    ("id_switches_without_occlusion", "<=", 0.0),
    ("id_lost_after_occlusion_percent", "<=", 2.0),
    ("recovery_frames_median", "<=", 3.0),
)

#: Settings shown with their defaults.
_USUAL = (
    *("start_sigma", "steps", "candidates", "confirm_frames", "max_coast_s", "keep_lost_s"),
    *("track_without_masks", "use_mask_ids", "smoothing", "verify_period_s"),
)

#: The paper's numbers, on REAL275.
_PAPER = (71.5, 4.2, 1.5)

_SHORT = ("5d5cm", "mean_rotation_deg", "mean_translation_cm", "objects", "unreported_percent")


def tracking_report(
    outcomes: Sequence[Outcome],
    speed: Mapping[str, Mapping[str, float]],
    *,
    max_coast_s: float,
) -> dict[str, Any]:
    """Return everything as JSON values: per cent, degrees, centimetres, frames, milliseconds.

    The first level is the tracker over all sequences.

    Args:
        outcomes: of all variants; "tracker" must be among them.
        speed: from `measure_speed`.
        max_coast_s: the tracker's setting.
    """
    names = list(dict.fromkeys(outcome.variant for outcome in outcomes))
    whole = {name: _summary(outcomes, name, max_coast_s) for name in names}
    tracked = [outcome for outcome in outcomes if outcome.variant == "tracker"]
    kinds = list(dict.fromkeys(outcome.record.kind for outcome in tracked))
    report: dict[str, Any] = {
        **whole["tracker"],
        "frames_per_second": speed.get("5", {}).get("frames_per_second"),
        "speed": speed,
        "cpu_ms_per_frame": _milliseconds(tracked),
        "sequences": len(tracked),
        "frames": sum(outcome.frames for outcome in tracked),
        "per_kind": {
            kind: _summary([o for o in tracked if o.record.kind == kind], "tracker", max_coast_s)
            for kind in kinds
        },
        "over_time": errors_over_time([outcome.record for outcome in tracked]),
    }
    for name in ("paper_protocol", "single_frame"):
        if name in whole:
            report[name] = _chosen(whole[name], (*_SHORT, "half_turns_percent", "per_category"))
    if "uncompensated" in whole:
        report["camera_sweep"] = {
            "compensated": _shortened(report["per_kind"]["sweep"]),
            **{name: _shortened(whole[name]) for name in SWEEP_VARIANTS},
        }
    report["goals"] = _goals(report)
    study = {name: whole[name] for name in names if name.startswith("study ")}
    if study:
        report["study"] = _study(outcomes, study)
    return report


def _summary(outcomes: Sequence[Outcome], name: str, max_coast_s: float) -> dict[str, Any]:
    records = [outcome.record for outcome in outcomes if outcome.variant == name]
    return summarise_tracking(records, max_coast_s=max_coast_s)


def _chosen(summary: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: summary[key] for key in keys}


def _shortened(summary: Mapping[str, Any]) -> dict[str, Any]:
    more = ("id_switches", "fragmentations", "lost_while_visible_percent", "per_category")
    return _chosen(summary, (*_SHORT, *more))


def _milliseconds(outcomes: Sequence[Outcome]) -> float | None:
    frames = sum(outcome.frames for outcome in outcomes)
    seconds = sum(outcome.cpu_seconds for outcome in outcomes)
    return round(1e3 * seconds / frames, 2) if frames else None


def _goals(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    goals: list[dict[str, Any]] = []
    for key, relation, limit in GOALS:
        value = report[key]
        met = None
        if value is not None:
            met = {">=": value >= limit, "<=": value <= limit, "<": value < limit}[relation]
        goals.append(
            {"what": key, "value": value, "relation": relation, "limit": limit, "met": met}
        )
    return goals


def _study(outcomes: Sequence[Outcome], summaries: Mapping[str, Any]) -> dict[str, Any]:
    """The variants whose names begin with "study ": masks and smoothing, and the start levels."""
    found: dict[str, Any] = {"masks_and_smoothing": {}, "start_sigma": []}
    for name, summary in summaries.items():
        mine = [outcome for outcome in outcomes if outcome.variant == name]
        if name.startswith(SIGMA_STUDY):
            sigma, steps = name.removeprefix(SIGMA_STUDY).split(" x ")
            row: dict[str, Any] = {"start_sigma": float(sigma), "steps": int(steps)}
            for kind in ("carried_slow", "carried_fast"):
                part = [o for o in mine if o.record.kind == kind]
                row[kind] = _chosen(_summary(part, name, 0.5), _SHORT[:3])
            found["start_sigma"].append(row)
            continue
        still = [o.record for o in mine if o.record.kind != "sweep"]
        moved, turned = pose_lags_ms(still)
        found["masks_and_smoothing"][name.removeprefix("study ")] = {
            **_shortened(summary),
            "position_lag_ms": None if moved is None else round(moved, 1),
            "orientation_lag_ms": None if turned is None else round(turned, 1),
        }
    return found


@dataclass(frozen=True)
class ReportTable:
    """One table, for the terminal or a document: text, numbers and None for what does not exist."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def tracking_tables(report: Mapping[str, Any]) -> dict[str, ReportTable]:
    """Return the tables of a report by name."""
    tables = {
        "goals": _goals_table(report),
        "run": _table(
            ("sequences", "frames", "true poses of visible objects"),
            [(str(report["sequences"]), report["frames"], report["objects"])],
        ),
        "paper": _paper_table(report),
        "kinds": _kinds_table(report),
        "categories": _categories_table(report),
        "identity": _identity_table(report),
        "speed": _speed_table(report),
        "settings": _settings_table(),
    }
    if "camera_sweep" in report:
        tables["sweep"] = _errors_table("camera's motion", report["camera_sweep"])
    if "study" in report:
        study = report["study"]
        tables["masks"] = _masks_table(study["masks_and_smoothing"])
        tables["sigma"] = _sigma_table(study["start_sigma"])
    return tables


def write_tracking_tables(report: Mapping[str, Any], document: Path) -> list[str]:
    """Write the report's tables between a document's markers; return the names of those written.

    Raises:
        OSError: the document cannot be read or written.
        ValueError: a marker has no end.
    """
    tables = tracking_tables(report)

    def table_of(name: str) -> str | None:
        return markdown_table(tables[name].heads, tables[name].rows) if name in tables else None

    return rewrite_tables(document, table_of)


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> ReportTable:
    return ReportTable(tuple(heads), tuple(tuple(row) for row in rows))


_WORDS = {
    "5d5cm": "within 5° and 5 cm, %",
    "mean_rotation_deg": "mean rotation error, °",
    "mean_translation_cm": "mean translation error, cm",
    "id_switches_without_occlusion": "identity switches without occlusion",
    "id_lost_after_occlusion_percent": "identities lost over occlusions up to 1 s, %",
    "recovery_frames_median": "frames until seen again after a return, median",
    "recovered_in_3_frames_percent": "returns seen again within 3 frames, %",
    "id_switches_after_occlusion": "identity switches after occlusion",
    "fragmentations": "reports broken off",
    "returns": "returns after occlusion or exit",
    "recovery_to_5d5cm_frames_median": "frames until within 5° and 5 cm again, median",
    "unreported_percent": "visible objects without a reported pose, %",
    "lost_while_visible_percent": "visible objects whose track is lost, %",
    "confirmed_while_gone_percent": "hidden objects taken for seen, %",
    "reported_after_coasting_percent": "still reported after the coasting time, hidden, %",
    "false_percent": "confirmed poses that belong to no object (10 cm, class), %",
    "coasting_astray_percent": "predicted poses more than 10 cm off, %",
    "half_turns_percent": "poses the wrong way round (over 90°), %",
}


def _goals_table(report: Mapping[str, Any]) -> ReportTable:
    answers = {True: "yes", False: "**no**", None: "-"}
    rows = [
        (_WORDS[g["what"]], g["value"], f"{g['relation']} {g['limit']:g}", answers[g["met"]])
        for g in report["goals"]
    ]
    return _table(("", "measured", "goal", "met"), rows)


def _paper_table(report: Mapping[str, Any]) -> ReportTable:
    rows: list[tuple[Any, ...]] = [("GenPose's paper, REAL275", *_PAPER)]
    for name, words in (
        ("paper_protocol", "paper's protocol here"),
        (None, "tracker"),
        ("single_frame", "every frame by itself"),
    ):
        part = report if name is None else report.get(name)
        if part is not None:
            rows.append((words, *(part[key] for key in _SHORT[:3])))
    return _table(("", "5°5cm %", "mean °", "mean cm"), rows)


def _errors_table(head: str, parts: Mapping[str, Mapping[str, Any]]) -> ReportTable:
    rows = [
        (name, *(part[key] for key in _SHORT[:3]), part["unreported_percent"], part["id_switches"])
        for name, part in parts.items()
    ]
    heads = (head, "5°5cm %", "mean °", "mean cm", "not reported %", "id switches")
    return _table(heads, rows)


def _kinds_table(report: Mapping[str, Any]) -> ReportTable:
    return _errors_table("kind", report["per_kind"])


def _categories_table(report: Mapping[str, Any]) -> ReportTable:
    single = report.get("single_frame", {}).get("per_category", {})
    rows = [
        (
            name,
            *(part[key] for key in _SHORT[:3]),
            single.get(name, {}).get("5d5cm"),
            part["objects"],
        )
        for name, part in report["per_category"].items()
    ]
    heads = ("class", "5°5cm %", "mean °", "mean cm", "5°5cm %, single frames", "poses")
    return _table(heads, rows)


def _identity_table(report: Mapping[str, Any]) -> ReportTable:
    keys = (
        "id_switches_without_occlusion",
        "id_switches_after_occlusion",
        "returns",
        "id_lost_after_occlusion_percent",
        "recovered_in_3_frames_percent",
        "recovery_frames_median",
        "recovery_to_5d5cm_frames_median",
        "fragmentations",
        "unreported_percent",
        "lost_while_visible_percent",
        "confirmed_while_gone_percent",
        "reported_after_coasting_percent",
        "false_percent",
        "coasting_astray_percent",
        "half_turns_percent",
    )
    return _table(("", "measured"), [(_WORDS[key], report[key]) for key in keys])


def _speed_table(report: Mapping[str, Any]) -> ReportTable:
    rows = [
        (count, part["frames_per_second"], part["cpu_ms_per_frame"])
        for count, part in report["speed"].items()
    ]
    return _table(("tracked objects", "frames per second", "CPU ms per frame"), rows)


def _settings_table() -> ReportTable:
    """The tracker's settings that users are most likely to change, with their defaults."""
    known = {item.name: item for item in fields(TrackerSettings)}
    rows = [
        (name, str(known[name].default), known[name].metadata["description"]) for name in _USUAL
    ]
    return _table(("setting", "default", "meaning"), rows)


def _masks_table(parts: Mapping[str, Mapping[str, Any]]) -> ReportTable:
    rows = [
        (
            name,
            *(part[key] for key in _SHORT[:3]),
            part["unreported_percent"],
            part["id_switches"],
            part["position_lag_ms"],
            part["orientation_lag_ms"],
        )
        for name, part in parts.items()
    ]
    heads = ("masks", "5°5cm %", "mean °", "mean cm", "not reported %", "id switches")
    return _table((*heads, "lag ms", "turning lag ms"), rows)


def _sigma_table(parts: Sequence[Mapping[str, Any]]) -> ReportTable:
    steps = sorted({part["steps"] for part in parts})
    rows = []
    for kind in ("carried_slow", "carried_fast"):
        for sigma in sorted({part["start_sigma"] for part in parts}):
            by_steps = {p["steps"]: p[kind] for p in parts if p["start_sigma"] == sigma}
            cells = [
                f"{by_steps[n]['5d5cm']:.0f} ({by_steps[n]['mean_rotation_deg']:.1f}°)"
                if by_steps[n]["5d5cm"] is not None
                else None
                for n in steps
            ]
            rows.append((f"{kind}, {sigma:g}", *cells))
    return _table(("motion, start sigma", *(f"{n} evaluations" for n in steps)), rows)

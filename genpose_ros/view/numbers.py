# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Numbers of an object and of a frame as text of the page, in Markdown."""

import math

import numpy as np

from genpose_ros.view.content import ViewedFrame, ViewedObject

__all__ = ["frame_text", "object_text"]

#: Refusals that are listed.
_SHOWN = 8


def object_text(item: ViewedObject) -> str:
    """Return an object's numbers as a table.

    Args:
        item: in the view's frame.
    """
    position = item.T_view_obj[:3, 3]
    sigma = np.sqrt(np.maximum(np.diag(item.covariance), 0.0))
    rows = [
        ("position (m)", _numbers(position, 3)),
        ("distance (m)", f"{np.linalg.norm(position):.3f}"),
        ("x axis", _numbers(item.T_view_obj[:3, 0], 2)),
        ("y axis (up)", _numbers(item.T_view_obj[:3, 1], 2)),
        ("size (cm)", " x ".join(f"{100 * edge:.1f}" for edge in item.size_m)),
        ("score", f"{item.score:.2f} (axis {item.score_axis:.2f})"),
        ("sigma (mm)", _numbers(1000 * sigma[:3], 1)),
        ("sigma (deg)", _numbers(np.degrees(sigma[3:]), 1)),
        ("modes", ", ".join(f"{share:.0%}" for share in item.mode_shares) or "none"),
        ("candidates", str(len(item.T_view_candidates))),
        ("depth pixels", str(item.n_points)),
    ]
    if item.energy is not None:
        rows.append(("energy", "{:.2f} rotation, {:.2f} translation".format(*item.energy)))
    if item.detection_score < 1:
        rows.append(("segmenter", f"{item.detection_score:.2f}"))
    if item.state:
        rows += _track_rows(item)
    rows.append(("rests", "yes" if item.rests else "no"))
    lines = [f"**{item.name}** ({item.category})", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(lines + [f"\n{text}" for text in (*item.remarks, *item.without_frames)])


def _track_rows(item: ViewedObject) -> list[tuple[str, str]]:
    velocity = np.zeros(6) if item.velocity is None else item.velocity
    speed_cm, turn_deg = (
        100 * np.linalg.norm(velocity[:3]),
        np.degrees(np.linalg.norm(velocity[3:])),
    )
    return [
        ("track", f"{item.state}, {item.age_s:.1f} s old, unseen {item.unseen_s:.1f} s"),
        ("speed", f"{speed_cm:.1f} cm/s, {turn_deg:.0f} deg/s"),
    ]


def frame_text(frame: ViewedFrame) -> str:
    """Return a line about a frame, what was refused, and the direction up.

    Args:
        frame: what is shown.
    """
    total_ms = sum(frame.timings_ms.values())
    head = [f"{len(frame.objects)} objects", f"{len(frame.cloud.points)} points"]
    if frame.stamp_ns:
        head.insert(0, f"{frame.stamp_ns / 1e9:.3f} s")
    if total_ms:
        head.append(f"{total_ms:.0f} ms")
    lines = [f"**{frame.name}** {', '.join(head)}"]
    if frame.frame_id:
        lines.append(f"in {frame.frame_id}")
    if frame.up is not None:
        level = "" if frame.up.level_m is None else f", support at {frame.up.level_m:.3f} m"
        lines.append(
            f"up from {frame.up.source}, sigma {math.degrees(frame.up.sigma_rad):.1f} deg{level}"
        )
    lines += [f"refused: {text}" for text in frame.refused[:_SHOWN]]
    if len(frame.refused) > _SHOWN:
        lines.append(f"and {len(frame.refused) - _SHOWN} more")
    return "\n\n".join(lines)


def _numbers(values: np.ndarray, digits: int) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)

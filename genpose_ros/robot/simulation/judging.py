# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Judging of the tasks, by the true shapes and where they are in the end."""

import numpy as np

from genpose_ros.robot.segments import segment_point_distances
from genpose_ros.robot.simulation.grasping import ArmRun, fall_m

__all__ = ["judge_handover", "judge_pour", "judge_stack"]

#: Pouring: tilt that counts, how far inside the bowl's rim the lip has to be, and the least gap.
_POUR_DEG, _INSIDE_M, _CLEAR_M = 90.0, 0.01, 0.002
#: Stacking: how far off the axis, how much tilted and how high above its place a bowl may be.
_NESTED_M, _NESTED_DEG, _DROP_M = 0.005, 5.0, 0.02
#: Handover: distance that gripper and hand keep.
_APART_M = 0.02
#: Link of the xArm6 that its gripper is on.
_GRIPPER_LINK = 6


def judge_pour(run: ArmRun, name: str, bowl_name: str) -> tuple[dict[str, float], str]:
    """Return what was measured of pouring, and why it failed; empty where it did not.

    Args:
        run: at the end of the tilting motion.
        name: of the vessel that is held.
        bowl_name: of what is poured into.
    """
    vessel, bowl = run.solids[name], run.solids[bowl_name]
    T, half = vessel.T_base_obj, vessel.size_m[1] / 2
    tilt_deg = float(np.degrees(np.arccos(np.clip(T[2, 1], -1, 1))))
    rim = vessel.vertices[vessel.vertices[:, 1] > half - 0.004]
    rim = rim @ T[:3, :3].T + T[:3, 3]
    lowest = rim[rim[:, 2].argmin()]
    aside_m = float(np.linalg.norm((lowest - bowl.T_base_obj[:3, 3])[:2]))
    radius_m = float(bowl.size_m[[0, 2]].min() / 2)
    above_m = float(lowest[2] - bowl.T_base_obj[2, 3] - bowl.size_m[1] / 2)
    gaps = []
    for T_base_obj in run.held_at[run.carried :: 3]:
        run.solids[name] = vessel.moved(T_base_obj)
        gaps.append(run.gap(name, bowl_name))
    run.solids[name] = vessel
    gap_m = min(gaps)
    numbers = {"tilt_deg": tilt_deg, "aside_m": aside_m, "above_m": above_m, "gap_m": gap_m}
    if tilt_deg < _POUR_DEG:
        return numbers, "not tilted far enough"
    if aside_m > radius_m - _INSIDE_M or above_m < 0:
        return numbers, "the lip is not over the bowl"
    return numbers, "touched the bowl" if gap_m < _CLEAR_M else ""


def judge_stack(run: ArmRun, name: str, below_name: str) -> tuple[dict[str, float], str]:
    """Return what was measured of stacking, and why it failed; empty where it did not.

    Args:
        run: after the bowl was let go.
        name: of the bowl.
        below_name: of the one that it was put into.
    """
    bowl, below = run.solids[name], run.solids[below_name]
    offset = bowl.T_base_obj[:3, 3] - below.T_base_obj[:3, 3]
    aside_m = float(np.linalg.norm(offset[:2]))
    tilt_deg = float(np.degrees(np.arccos(np.clip(bowl.T_base_obj[2, 1], -1, 1))))
    drop_m = fall_m(bowl, below)
    numbers = {"aside_m": aside_m, "tilt_deg": tilt_deg, "drop_m": drop_m}
    if aside_m > _NESTED_M:
        return numbers, "off the axis"
    if tilt_deg > _NESTED_DEG:
        return numbers, "tilted"
    return numbers, "let go too high" if drop_m > _DROP_M else ""


def judge_handover(run: ArmRun, begun: int) -> tuple[dict[str, float], str]:
    """Return how near gripper and hand came, and why that is a failure; empty where it is none.

    Args:
        run: after the object was drawn back.
        begun: positions of its path before it moved towards the hand.
    """
    hand = run.solids["hand"].surface(0.005)
    segments = run.solver.collisions.segments(np.array(run.path_rad[begun:]))
    gaps = []
    for i, capsule in enumerate(run.solver.collisions.capsules):
        if capsule.link == _GRIPPER_LINK:
            ends = segments[:, i, :, None]
            gap = segment_point_distances(ends[:, 0], ends[:, 1], hand[None]).min()
            gaps.append(float(gap) - capsule.radius_m)
    numbers = {"apart_m": min(gaps)}
    return numbers, "" if min(gaps) >= _APART_M else "gripper and hand too near"

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Repetition of a frame that the node kept as a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genpose_ros.estimation.reasons import Rejection
from genpose_ros.networks.devices import usable_cores
from genpose_ros.ros.estimate_mode import Estimating, MakeEstimator
from genpose_ros.ros.frame_files import KeptFrame, KeptObject, read_frame_file
from genpose_ros.ros.model_loader import ModelLoader
from genpose_ros.ros.published import PublishedFrame
from genpose_ros.ros.settings import changed

__all__ = ["RepeatedFrame", "repeat_frame"]


@dataclass(frozen=True)
class RepeatedFrame:
    """Frame that was estimated again.

    Attributes:
        kept: as it was read.
        result: what was found now.
        notes: what differs from then, in sentences.
    """

    kept: KeptFrame
    result: PublishedFrame
    notes: tuple[str, ...]


def repeat_frame(
    path: Path, changes: Mapping[str, Any], make_estimator: MakeEstimator | None = None
) -> RepeatedFrame:
    """Estimate a kept frame as the node did: same settings, seed, device and number of threads.

    Args:
        path: the file.
        changes: values of parameters that are to be others, by their names.
        make_estimator: as of the node; None: loads the weights that the settings name.

    Raises:
        FileNotFoundError: no such file, or not the weights.
        ValueError: no such file, damaged, or the settings cannot be used.
    """
    kept = read_frame_file(path)
    settings = changed(kept.settings, {"mode": "estimate", **changes})
    device, threads = kept.about.get("device", ""), kept.about.get("threads", "")
    if settings.estimator.device == "auto" and device and "device" not in changes:
        settings = replace(settings, estimator=replace(settings.estimator, device=device))
    if threads.isdecimal():
        # Sums depend on how many share them.
        torch.set_num_threads(min(max(int(threads), 1), 4 * usable_cores()))
    make_estimator = make_estimator or ModelLoader()
    estimating = Estimating(make_estimator, settings)
    about = make_estimator.about if isinstance(make_estimator, ModelLoader) else {}
    result = estimating.process(kept.located)
    if isinstance(result, Rejection):
        result = PublishedFrame((), (result,), kept.located.matched.depth.header)
    return RepeatedFrame(kept, result, tuple(_notes(kept, about, result, changes)))


def _notes(
    kept: KeptFrame, about: Mapping[str, str], result: PublishedFrame, changes: Mapping[str, Any]
) -> list[str]:
    notes = []
    for name, then in kept.about.items():
        now = about.get(name, then)
        if now != then:
            notes.append(f"{name} was {then}, now it is {now}")
    if changes:
        notes.append(f"changed: {', '.join(changes)}")
    if kept.settings.node.mode == "track":
        notes.append("the frame was tracked; here it is estimated by itself")
    elif kept.objects or not kept.why.startswith("internal_error"):
        notes.append(_compared(kept.objects, result))
    return notes


def _compared(then: Sequence[KeptObject], result: PublishedFrame) -> str:
    """How far the poses are those of the node."""
    now = {o.estimate.instance_id: o.estimate.T_cam_obj for o in result.objects}
    if {item.number for item in then} != set(now):
        return f"the node found {len(then)} objects, now there are {len(now)}"
    apart = [float(np.abs(now[item.number] - item.T_cam_obj).max()) for item in then]
    if max(apart, default=0.0) == 0.0:
        return f"all {len(then)} poses are the node's, to the bit"
    return f"the poses differ from the node's by up to {max(apart):.2g} in a number of T_cam_obj"

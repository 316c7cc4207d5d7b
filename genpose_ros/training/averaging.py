# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Averaging of a run's score with the weights that it started from, or with a sibling's.

Networks fine-tuned from one start lie in one basin: the mean of their weights is as good as either
or better (Wortsman et al., ICML 2022).
"""

from pathlib import Path

import torch

from genpose_ros.files import folder_lock
from genpose_ros.networks.checkpoints import describe_checkpoint, load_model
from genpose_ros.training.state import build_model, read_state, write_state

__all__ = ["average_run"]

#: Parts that are trained on a finished score, and so come after.
_LATER = ("energy_", "distilled_")


def average_run(run: Path, weights: Path, share: float) -> None:
    """Move the averaged weights of a run's score a share of the way to other weights, in its state.

    What is trained on the score, energy and distilled head, is trained after that.

    Args:
        run: folder of a run whose score is finished.
        weights: checkpoint of the same network with the same start.
        share: of the other weights in the mean, above 0 and below 1.

    Raises:
        ValueError: no score in the run, it has been averaged before, the share is out of range, or
            the weights are of another network.
        OSError: another process trains in the folder, or it cannot be written.
    """
    if not 0 < share < 1:
        raise ValueError(f"the share must lie between 0 and 1, got {share:g}")
    file = run / "score.pt"
    if not file.exists():
        raise ValueError(f"{run} holds no score.pt: run genpose train score first")
    with folder_lock(run):
        state = read_state(file)
        if "averaged_with" in state:
            raise ValueError(f"{file} has been averaged with other weights already")
        other = load_model(weights)
        ours = build_model(state["architecture"], state["config"])
        if (ours.architecture, ours.config()) != (other.architecture, other.config()):
            raise ValueError(
                f"{weights} is {other.architecture} with {other.config()}; {file} is "
                f"{ours.architecture} with {ours.config()}: only equal networks have a mean"
            )
        theirs = other.state_dict()
        for name, values in state["averaged"].items():
            if values.is_floating_point() and not name.startswith(_LATER):
                state["averaged"][name] = torch.lerp(values, theirs[name], share)
        digest = describe_checkpoint(weights)["tensor_sha256"]
        write_state({**state, "averaged_with": {"tensor_sha256": digest, "share": share}}, file)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Weights by the rule of the golden vectors."""

import zlib
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor


def golden_weights(network: torch.nn.Module, tag: str) -> dict[str, Tensor]:
    """A state dict for `network`, filled by the rule; `tag` is "score" or "energy"."""
    filled = {}
    for name, tensor in network.state_dict().items():
        rs = np.random.RandomState(zlib.crc32(f"{tag}/{name}".encode()))
        shape = tuple(tensor.shape)
        if name.endswith("num_batches_tracked"):
            value = np.zeros(shape)
        elif name.endswith("t_encoder.0.W"):
            value = 30 * rs.standard_normal(shape)
        elif name.endswith("running_mean"):
            value = 0.1 * rs.standard_normal(shape)
        elif name.endswith("running_var"):
            value = 0.5 + rs.random_sample(shape)
        elif name.endswith("bn.bn.weight"):
            value = 0.8 + 0.4 * rs.random_sample(shape)
        elif name.endswith("bias"):
            value = 0.1 * rs.standard_normal(shape)
        elif "fusion_tail" in name and name.endswith(".2.weight"):
            value = 0.02 * rs.standard_normal(shape)
        else:
            value = rs.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        filled[name] = torch.from_numpy(np.asarray(value)).to(tensor.dtype)
    return filled


@pytest.fixture(scope="session", name="golden_weights")
def golden_weights_fixture() -> Callable[[torch.nn.Module, str], dict[str, Tensor]]:
    """The function `golden_weights`."""
    return golden_weights

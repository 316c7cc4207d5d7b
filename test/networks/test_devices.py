# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Names of devices, and what they can do."""

import os

import pytest
import torch

from genpose_ros.networks import prefers_bf16, torch_device, usable_cores


def test_auto_takes_cuda_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert torch_device("auto") == torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert torch_device("auto") == torch.device("cpu")


def test_cuda_devices_are_counted(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert torch_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ValueError, match="this machine has 2 CUDA devices"):
        torch_device("cuda:2")


@pytest.mark.parametrize("name", ["", "gpu", "meta", "mps", "cuda:x", "cuda:-1"])
def test_names_that_are_no_device_are_refused(name):
    with pytest.raises(ValueError, match="auto, cpu, cuda or cuda:N"):
        torch_device(name)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_f": True, "avx512_bf16": True, "amx_bf16": False}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"avx512_f": True, "avx512_bf16": False}, False),
        ({"architecture": "arm64", "bf16": True}, False),  # not measured
    ],
)
def test_bfloat16_is_preferred_on_cpus_that_multiply_it(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert prefers_bf16(torch.device("cpu")) is expected
    assert not prefers_bf16(torch.device("cuda"))


def test_a_pytorch_that_cannot_tell_gets_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not prefers_bf16(torch.device("cpu"))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no processes")
def test_usable_cores_are_those_that_the_process_may_use():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert usable_cores() == len(before)

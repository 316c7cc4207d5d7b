# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Counts of the roofline: what computes, what it reads and writes, and the least time of it."""

import importlib

import pytest
import torch


@pytest.fixture
def roofline(root, monkeypatch):
    """The benchmark, which is no installed package."""
    monkeypatch.syspath_prepend(str(root))
    return importlib.import_module("benchmarks.roofline")


def test_operations_and_their_bytes_are_counted_and_views_are_not(roofline):
    a, b = torch.ones(10, 4), torch.ones(4)
    with roofline.Counting() as counted:
        c = a.view(4, 10).transpose(0, 1) + b
    assert c.shape == (10, 4)
    assert counted.operations == 1
    assert counted.bytes == 4 * (40 + 4 + 40)


def test_the_least_time_is_counts_over_ceilings(roofline):
    limits = {"gflop_per_s": 400.0, "gb_per_s": 20.0, "call_us": 2.0}
    stage = {"mflop": 800.0, "mbyte": 40.0, "operations": 500}
    found = roofline.least(stage, limits)
    assert found == {
        "products_ms": pytest.approx(2.0),
        "bytes_ms": pytest.approx(2.0),
        "calls_ms": pytest.approx(1.0),
    }


def test_products_by_weights_laid_out_are_counted(roofline):
    assert roofline._linear_flop((2, 65, 192), (768, 192), (768,), out_shape=(2, 65, 768)) == (
        2 * 2 * 65 * 192 * 768
    )

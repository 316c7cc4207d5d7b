# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

import pytest
import torch

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.estimation.accelerator_errors import (
    in_halves_where_memory_lacks,
    is_fatal,
    is_out_of_memory,
)
from genpose_ros.estimation.stop_flag import EstimateStoppedError

MEMORY = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")


@pytest.mark.parametrize(
    ("error", "memory", "fatal"),
    [
        (MEMORY, True, False),
        (torch.AcceleratorError("CUDA error: out of memory"), True, False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling x"), True, False),
        (torch.AcceleratorError("CUDA error: device-side assert triggered"), False, True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False, True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"), False, True),
        (RuntimeError("shapes do not match"), False, False),
        (ValueError("CUDA error"), False, False),
        (SystemExit(), False, False),
    ],
)
def test_errors_are_told_apart(error, memory, fatal):
    assert (is_out_of_memory(error), is_fatal(error)) == (memory, fatal)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_batch_is_tried_again_once_in_two_halves(count):
    sizes = []

    def estimate(rows: slice) -> list[int]:
        sizes.append(rows.stop - rows.start)
        if len(sizes) == 1:
            raise MEMORY
        return list(range(rows.start, rows.stop))

    assert in_halves_where_memory_lacks(estimate, count) == list(range(count))
    half = -(-count // 2)
    assert sizes == [count, half, *([count - half] if count > half else [])]


def test_memory_that_does_not_suffice_for_half_is_one_sentence_with_the_settings():
    def estimate(_: slice) -> list[int]:
        raise MEMORY

    with pytest.raises(MemoryError, match=r"3 of 5 objects at a time: lower batch_size"):
        in_halves_where_memory_lacks(estimate, 5)


def test_other_errors_are_not_tried_again():
    calls = []

    def estimate(rows: slice) -> list[int]:
        calls.append(rows)
        raise RuntimeError("CUDA error: device-side assert triggered")

    with pytest.raises(RuntimeError, match="assert"):
        in_halves_where_memory_lacks(estimate, 5)
    assert len(calls) == 1


def test_the_estimates_after_a_lack_of_memory_are_those_of_a_whole_batch(toy, monkeypatch):
    frame = toy.frame(("mug", 100, 60, 0.8), ("can", 100, 160, 0.9), ("bowl", 40, 100, 1.0))
    model = toy.model()
    settings = EstimatorSettings(tta_views=1)
    whole = PoseEstimator(model, settings).estimate(frame)
    encode, failed = model.encode, []

    def encode_few(points_cam, **options):
        if len(points_cam) > 2:
            failed.append(len(points_cam))
            raise MEMORY
        return encode(points_cam, **options)

    monkeypatch.setattr(model, "encode", encode_few)
    halved = PoseEstimator(model, settings).estimate(frame)
    assert len(failed) == 1
    assert len(halved.estimates) == 3
    for a, b in zip(whole.estimates, halved.estimates, strict=True):
        assert a.instance_id == b.instance_id
        assert abs(a.T_cam_obj - b.T_cam_obj).max() < 1e-9


def test_an_estimate_ends_at_the_step_after_it_was_asked_to(toy, monkeypatch):
    frame, model = toy.frame(("mug", 100, 60, 0.8)), toy.model()
    estimator = PoseEstimator(model, EstimatorSettings(steps=50, sampler="euler"))
    score, steps = model.score, []

    def count(*args):
        steps.append(args[1])
        if len(steps) == 3:
            estimator.stop.set()
        return score(*args)

    monkeypatch.setattr(model, "score", count)
    with pytest.raises(EstimateStoppedError):
        estimator.estimate(frame)
    assert len(steps) == 3
    estimator.stop.clear()
    assert len(estimator.estimate(frame).estimates) == 1

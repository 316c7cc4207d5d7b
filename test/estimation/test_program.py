# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The program of a frame: one trace per batch size, without a look at numbers or a host copy."""

import traceback
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from genpose_ros.estimation import EstimatorSettings, Instance, ObjectCloud
from genpose_ros.estimation.evidence import EVIDENCE
from genpose_ros.estimation.object_rows import CategoryRows, KnownObjects, object_rows
from genpose_ros.estimation.packing import Layout, unpack
from genpose_ros.estimation.program import FrameProgram, Plan
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry import NOCS
from genpose_ros.networks.interface import NoiseLevels
from genpose_ros.networks.light import LightPoseModel
from genpose_ros.networks.score_calibration import ScoreCalibration

#: Batches on a GPU are padded to these (`padded_size`).
BUCKETS = (1, 2, 4, 8, 16, 32)
SINGLE = Plan(EstimatorSettings(), settles=True)
TRACKED = Plan(
    EstimatorSettings(candidates=16, steps=2, start_sigma=0.2), tracked=True, settles=True
)
COEFFICIENTS = ((0.0,) * (len(EVIDENCE) + 1),) * 2
CALIBRATION = ScoreCalibration(EVIDENCE, COEFFICIENTS, COEFFICIENTS, {})
PLANS = {"single": SINGLE, "tracked": TRACKED}

#: What makes the host wait for a GPU, or copies from the host: no graph can hold it.
FORBIDDEN = {
    "aten._local_scalar_dense",
    "aten.nonzero",
    "aten.masked_select",
    "aten.unique_dim",
    "aten._unique2",
    "aten.lift_fresh",
    "aten.lift_fresh_copy",
    "aten._linalg_check_errors",
    "aten._linalg_eigh",
    "aten.equal",
}
FROM_HOST = (torch.tensor, torch.as_tensor, torch.from_numpy, torch.Tensor.new_tensor)


class CountOperations(TorchDispatchMode):
    """Counts operations, and notes the ones that take a tensor of the host."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.from_host: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket._qualified_op_name.replace("::", ".")
        self.counts[name] += not func.is_view
        tensors = [x for x in torch.utils._pytree.tree_leaves(args) if isinstance(x, torch.Tensor)]
        if any(x.device.type == "cpu" for x in tensors):
            own = [f for f in traceback.extract_stack() if "genpose_ros" in f.filename]
            self.from_host.append(f"{name} of {own[-1].filename}:{own[-1].lineno}")
        return func(*args, **(kwargs or {}))


class NoCopiesFromHost(TorchFunctionMode):
    """Refuses to make tensors of numbers that the host holds."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func not in FROM_HOST, f"{func} copies from the host"
        return func(*args, **(kwargs or {}))


def rows(count: int, plan: Plan) -> tuple[np.ndarray, Layout]:
    names = [NOCS.names[i % len(NOCS.names)] for i in range(count)]
    mask, points = np.ones((1, 1), dtype=bool), np.zeros((1024, 3), dtype=np.float32)
    up = UpDirection(np.array([0.0, -1.0, 0.0]), level_m=-0.2)
    clouds = [ObjectCloud(Instance(i, n, mask), points, 1, up_cam=up) for i, n in enumerate(names)]
    starts = np.tile(np.eye(4), (count, 1, 1)) if plan.tracked else None
    rows_of = CategoryRows(NOCS.max_members, {})
    return object_rows(clouds, [NOCS[name] for name in names], rows_of, starts)


def moved_to(program: FrameProgram, device: str) -> FrameProgram:
    """The program with all its tensors, though not their numbers, on another device."""

    def moved(value: torch.Tensor) -> torch.Tensor:
        return torch.empty(value.shape, dtype=value.dtype, device=device)

    for module in program.model.modules():
        for name, value in list(module.named_parameters(recurse=False)):
            setattr(module, name, torch.nn.Parameter(moved(value), requires_grad=False))
    sampling = program.sampling
    levels = NoiseLevels(sampling.levels.values, moved(sampling.levels.sigmas))
    program.sampling = replace(sampling, noise=moved(sampling.noise), levels=levels)
    program._table = moved(program._table)
    return program


def light_program(plan: Plan) -> FrameProgram:
    model = LightPoseModel().eval().requires_grad_(False)
    return FrameProgram(model, plan, CALIBRATION)


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("count", BUCKETS)
def test_the_program_of_a_frame_never_looks_at_a_number_nor_copies_from_the_host(name, count):
    plan = PLANS[name]
    table, layout = rows(count, plan)
    program = moved_to(light_program(plan), "meta")  # tensors without numbers, as on no CPU
    points = torch.empty(count, 1024, 3, device="meta")
    known = torch.empty(*table.shape, dtype=torch.float64, device="meta")
    operations = CountOperations()
    with torch.no_grad(), NoCopiesFromHost(), operations:
        packed, parts = program(points, KnownObjects.of(known, layout))
    assert packed.shape[0] == count
    assert dict(parts)["candidate_rotation"] == (plan.settings.candidates, 3, 3)
    assert not FORBIDDEN & set(operations.counts), FORBIDDEN & set(operations.counts)
    assert not operations.from_host, sorted(set(operations.from_host))
    # Each is a launch: more than today's would show that a stage fell apart into small steps.
    assert sum(operations.counts.values()) < MOST_OPERATIONS[name]


#: Operations of a frame, any number of objects; a fifth more than there are.
MOST_OPERATIONS = {"single": 1530, "tracked": 1450}


@pytest.mark.parametrize("name", PLANS)
def test_a_program_is_one_graph_of_tensor_operations(name):
    plan = PLANS[name]
    table, layout = rows(2, plan)
    program = moved_to(light_program(plan), "meta")

    def numbers(points, known):
        return program(points, KnownObjects.of(known, layout))[0]

    points = torch.empty(2, 1024, 3, device="meta")
    with torch.no_grad():
        traced = make_fx(numbers)(
            points, torch.empty(*table.shape, dtype=torch.float64, device="meta")
        )
    kinds = Counter(node.op for node in traced.graph.nodes)
    assert kinds["placeholder"] == 2
    assert kinds["output"] == 1
    assert not kinds["call_module"] + kinds["call_method"]


@pytest.mark.parametrize("name", PLANS)
def test_stages_one_by_one_give_the_numbers_of_the_program(name):
    plan = PLANS[name]
    table, layout = rows(3, plan)
    program = light_program(plan)
    generator = torch.Generator().manual_seed(0)
    points = 0.03 * torch.randn(3, 1024, 3, generator=generator) + torch.tensor([0.0, 0.1, 0.8])
    known = KnownObjects.of(torch.from_numpy(table), layout)
    with torch.inference_mode():
        packed, parts = program(points, known)
        encoding, seen = program.encode(points, known), program.seen(points, known)
        pose = program.sample(encoding, known)
        staged = program.conclude(*program.rank(pose, encoding, known, seen), encoding, known, seen)
    assert torch.equal(packed, staged[0])
    named = unpack(packed.numpy(), parts)
    np.testing.assert_allclose(
        named["rotation"] @ named["rotation"].swapaxes(1, 2),
        np.tile(np.eye(3), (3, 1, 1)),
        atol=1e-9,
    )


def test_rows_say_what_is_known_of_each_object():
    table, layout = rows(6, TRACKED)
    known = KnownObjects.of(torch.from_numpy(table), layout)
    assert known.symmetry.free.tolist() == [NOCS[n].symmetry.free_axis for n in NOCS.names]
    assert known.mirrored.tolist() == [NOCS[n].mirror for n in NOCS.names]
    assert known.up.direction.tolist() == [[0.0, -1.0, 0.0]] * 6
    np.testing.assert_allclose(known.up.level_m.numpy(), -0.2, rtol=1e-6)
    assert torch.equal(known.T_cam_start, torch.eye(4).double().expand(6, 4, 4))

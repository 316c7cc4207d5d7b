# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of the evidence of poses, against closed forms."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from genpose_ros.estimation import EstimatorSettings, Instance, ObjectCloud, PoseEstimator
from genpose_ros.estimation.evidence import (
    EVIDENCE,
    Drawn,
    Seen,
    SizeTable,
    _middle_extent,
    evidence,
    size_spreads,
)
from genpose_ros.estimation.uncertainty import deviations
from genpose_ros.geometry import NOCS
from genpose_ros.geometry.symmetry_groups import SymmetryBatch
from genpose_ros.networks import load_model
from genpose_ros.networks.score_calibration import Inflation, ScoreCalibration

SIZE = (0.08, 0.12, 0.08)


@pytest.fixture
def can_cloud() -> ObjectCloud:
    """The visible half of a can that stands 0.6 m away."""
    rng = np.random.default_rng(0)
    angle, height = rng.uniform(np.pi, 2 * np.pi, 1024), rng.uniform(-0.055, 0.055, 1024)
    points = np.stack([0.033 * np.cos(angle), height, 0.6 + 0.033 * np.sin(angle)], -1)
    instance = Instance(1, "can", np.ones((1, 1), dtype=bool))
    return ObjectCloud(instance, points.astype(np.float32), len(points), shuffled=True)


def turned(axis: str, degrees: float) -> torch.Tensor:
    return torch.from_numpy(Rotation.from_euler(axis, degrees, degrees=True).as_matrix())


def drawn(
    category: str = "mug",
    poses: tuple[torch.Tensor, ...] = (torch.eye(3).double(),) * 2,
    aside_m: float = 0.0,
):
    translation = torch.tensor([[[0.0, 0.0, 0.8]] * len(poses)]).double()
    translation[0, 1, 0] = aside_m
    pose = torch.eye(3).double()[None], torch.tensor([[0.0, 0.0, 0.8]]).double()
    symmetry = SymmetryBatch.of([NOCS[category].symmetry])
    return Drawn(
        apart=deviations(torch.stack(poses)[None], translation, *pose, symmetry),
        finite=torch.ones(1, len(poses), dtype=torch.bool),
        pose_rotation=pose[0],
        pose_translation=pose[1],
        agreement=torch.tensor([[0.5, 0.75]]),
        second_mode=torch.tensor([0.25]),
        size_m=torch.tensor([SIZE]).double(),
    )


def seen(up=(0.0, 0.0, 0.0), touches=False, sizes=None):
    corners = torch.cartesian_prod(*[torch.tensor([-0.5, 0.5])] * 3) * torch.tensor(SIZE)
    points = corners.repeat(20, 1)[None] + torch.tensor([0.0, 0.0, 0.8])
    return Seen(points, torch.tensor([up]), torch.tensor([touches]), SizeTable.of([sizes]))


def named(values: torch.Tensor) -> dict[str, float]:
    return dict(zip(EVIDENCE, values[0].tolist(), strict=True))


def test_agreement_and_modes_are_taken_as_they_are():
    found = named(evidence(drawn(), seen()))
    assert found["agreement"] == 0.5
    assert found["agreement_squared"] == 0.25
    assert found["axis_agreement"] == 0.75
    assert found["second_mode"] == 0.25


def test_spreads_are_mean_angles_and_distances_of_the_candidates():
    item = drawn(poses=(torch.eye(3).double(), turned("y", 40)), aside_m=0.06)
    found = named(evidence(item, seen()))
    assert math.expm1(found["log_angle_deg"]) == pytest.approx(20.0)
    assert math.expm1(found["log_tilt_deg"]) == pytest.approx(0.0, abs=1e-4)
    assert math.expm1(found["log_distance_cm"]) == pytest.approx(3.0)


def test_the_yaw_of_axisymmetric_objects_is_no_spread():
    item = drawn("can", (torch.eye(3).double(), turned("y", 40)))
    assert named(evidence(item, seen()))["log_angle_deg"] == pytest.approx(0.0, abs=1e-4)


def test_candidates_that_are_not_finite_count_for_nothing():
    item = drawn(poses=(torch.eye(3).double(), turned("y", 40)))
    item.finite[0, 1] = False
    assert named(evidence(item, seen()))["log_angle_deg"] == pytest.approx(0.0, abs=1e-4)


def test_points_outside_the_box_are_told_and_so_is_a_box_that_they_do_not_fill():
    full = named(evidence(drawn(), seen()))
    assert full["outside_box"] == 0.0
    assert full["hollow_box"] == pytest.approx(0.0, abs=1e-6)
    large = replace(drawn(), size_m=2 * torch.tensor([SIZE]).double())
    assert named(evidence(large, seen()))["hollow_box"] == pytest.approx(7 / 8)
    small = replace(drawn(), size_m=torch.tensor([SIZE]).double() / 2)
    assert named(evidence(small, seen()))["outside_box"] == 1.0


def test_odd_sizes_are_told_in_standard_deviations_of_their_logarithms():
    generator = torch.Generator().manual_seed(0)
    edges = torch.tensor(SIZE) * (0.2 * torch.randn(40_000, 3, generator=generator)).exp()
    spread = size_spreads({"mug": edges}, floor=0.0)["mug"]
    usual = named(evidence(drawn(), seen(sizes=spread)))
    assert usual["odd_size"] == pytest.approx(0.0, abs=0.05)
    larger = replace(drawn(), size_m=math.exp(0.4) * torch.tensor([SIZE]).double())
    assert named(evidence(larger, seen(sizes=spread)))["odd_size"] == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(
    ("up", "stance"),
    [
        ((0.0, 1.0, 0.0), "stands"),
        ((0.0, -1.0, 0.0), "upside_down"),
        ((1.0, 0.0, 0.0), "lies"),
        ((math.sqrt(0.5), math.sqrt(0.5), 0.0), "leans"),
    ],
)
def test_the_stance_of_what_touches_its_support_is_told(up, stance):
    stances = ("stands", "upside_down", "lies", "leans")
    found = named(evidence(drawn(), seen(up, touches=True)))
    assert found["up_known"] == 1.0
    assert {name: found[name] for name in stances} == {n: float(n == stance) for n in stances}
    held = named(evidence(drawn(), seen(up, touches=False)))
    assert held["up_known"] == 1.0
    assert not any(held[name] for name in stances)


def test_nothing_is_known_of_stances_without_the_direction_up():
    found = named(evidence(drawn(), seen(touches=True)))
    assert not any(found[name] for name in ("up_known", "stands", "lies", "upside_down", "leans"))


def test_estimates_score_what_the_calibration_makes_of_their_evidence(can_cloud):
    model = load_model()
    weight = tuple(3.0 * (name == "agreement") for name in EVIDENCE)
    rows = ((*weight, -1.0), (*weight, 0.0))
    model.score_calibration = ScoreCalibration(EVIDENCE, rows, rows, {})
    (estimate,) = PoseEstimator(model, EstimatorSettings(device="cpu")).estimate_clouds([can_cloud])
    agreement = estimate.evidence[0]
    assert estimate.score == pytest.approx(1 / (1 + math.exp(1 - 3 * agreement)))
    assert estimate.score_axis == pytest.approx(1 / (1 + math.exp(-3 * agreement)))


def test_estimates_carry_how_much_the_calibration_inflates_their_covariances(can_cloud):
    model = load_model()
    known = model.score_calibration
    assert known is not None
    model.score_calibration = replace(known, inflation=Inflation((0.5, 0.2), (0.1, 0.4)))
    (estimate,) = PoseEstimator(model, EstimatorSettings(device="cpu")).estimate_clouds([can_cloud])
    odds = estimate.score_axis / (1 - estimate.score_axis)
    assert estimate.error_factors == pytest.approx(
        (math.exp(0.5) * odds**0.2, math.exp(0.1) * odds**0.4)
    )
    model.score_calibration = None
    (estimate,) = PoseEstimator(model, EstimatorSettings(device="cpu")).estimate_clouds([can_cloud])
    assert estimate.error_factors == (1.0, 1.0)


def test_a_calibration_of_other_evidence_is_not_used(can_cloud, caplog):
    model = load_model()
    model.score_calibration = ScoreCalibration(("luck",), ((1.0, 0.0),) * 2, ((1.0, 0.0),) * 2, {})
    (estimate,) = PoseEstimator(model, EstimatorSettings(device="cpu")).estimate_clouds([can_cloud])
    assert estimate.score == estimate.evidence[0]
    assert "the calibration of scores is of another version" in caplog.text


@pytest.mark.parametrize("count", [1, 2, 50, 51, 1024])
def test_the_extent_is_that_between_quantiles(count):
    along = torch.randn(3, 3, count, generator=torch.Generator().manual_seed(count))
    low, high = torch.quantile(along.double(), torch.tensor([0.02, 0.98]).double(), dim=-1)
    assert torch.allclose(_middle_extent(along).double(), high - low, atol=1e-5)

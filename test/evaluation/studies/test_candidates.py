# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The studies select from the candidates that the estimator would pool."""

import numpy as np
import pytest
import torch

from genpose_ros.estimation import Instance, ObjectEstimate
from genpose_ros.estimation.back_projection import ObjectCloud
from genpose_ros.evaluation import pose_errors
from genpose_ros.evaluation.studies import ViewTruth, draw_view_candidates
from genpose_ros.geometry.categories import CATEGORIES
from genpose_ros.geometry.rotations import random_rotations


@pytest.fixture(scope="module")
def drawn(estimator, views):
    return draw_view_candidates(estimator, views[:10], 12)


def test_the_default_selection_gives_the_estimator_s_poses(estimator, views, drawn):
    clouds = [
        ObjectCloud(
            Instance(i, CATEGORIES[c], np.ones((1, 1), bool)),
            views.points_cam[i],
            1024,
            shuffled=True,
        )
        for i, c in enumerate(views.category[:10])
    ]
    estimates = estimator.estimate_clouds(clouds)
    assert all(isinstance(e, ObjectEstimate) for e in estimates)
    rotation, translation = drawn.select(drawn.density, "modes")
    for i, estimate in enumerate(estimates):
        # Batches of other sizes round differently, float32.
        np.testing.assert_allclose(rotation[i], estimate.T_cam_obj[:3, :3], atol=1e-4)
        np.testing.assert_allclose(translation[i], estimate.T_cam_obj[:3, 3], atol=1e-4)
        np.testing.assert_allclose(drawn.size_m[i], estimate.size_m, rtol=1e-4)


def test_errors_are_those_of_the_metric_view_by_view(views):
    truth = ViewTruth.of(views)
    generator = torch.Generator().manual_seed(0)
    rotation = random_rotations(3 * len(views), generator).view(-1, 3, 3, 3)
    translation = torch.randn(len(views), 3, 3, generator=generator).double()
    errors = truth.errors(rotation, translation)
    mugs = truth.of_category("mug")
    assert truth.symmetric[mugs].any()
    assert not truth.symmetric[mugs].all()
    for i, category in enumerate(views.category):
        T_true, T = np.eye(4), np.eye(4)
        T_true[:3, :3], T_true[:3, 3] = views.rotation[i], views.translation[i]
        T[:3, :3], T[:3, 3] = rotation[i, 1], translation[i, 1]
        seen = not (truth.symmetric[i] and CATEGORIES[category] == "mug")
        expected = pose_errors(T, T_true, CATEGORIES[category], seen)
        assert errors[i, 1] == pytest.approx(expected, rel=1e-6)


def test_candidates_and_views_can_be_taken_in_part(drawn):
    few = drawn.first(5)
    assert few.count == 5
    np.testing.assert_allclose(few.errors, drawn.errors[:, :5], rtol=1e-12)
    with pytest.raises(ValueError, match="12 candidates"):
        drawn.first(13)
    some = drawn[np.array([7, 2])]
    np.testing.assert_allclose(some.errors, drawn.errors[[7, 2]], rtol=1e-12)
    with pytest.raises(ValueError, match="pooling"):
        drawn.select(None, "median")


def test_candidates_that_are_not_finite_have_infinite_errors(known):
    candidates = known("camera", np.zeros((2, 5)), np.zeros((2, 5)))
    candidates.finite[0] = False
    candidates.finite[1, :4] = False
    assert np.isinf(candidates.errors[0]).all()
    assert np.isinf(candidates.selected_errors(None, "mean")[0]).all()
    assert candidates.selected_errors(None, "single")[1] == pytest.approx([0, 0])


@pytest.mark.parametrize(
    ("pooling", "expected"), [("single", 40.0), ("mean", None), ("modes", 10.0)]
)
def test_each_pooling_of_two_modes_has_its_own_error(known, pooling, expected):
    # Of ten candidates kept by energy, seven at 10 degrees and the best three at 40.
    degrees = [[40.0] * 3 + [10.0] * 7]
    energy = np.linspace(1, 0, 10)[None, :, None].repeat(2, 2)
    candidates = known("camera", degrees, np.zeros((1, 10)), energy)
    error = candidates.selected_errors(candidates.energy, pooling, 1.0)[0, 0]
    if expected is None:
        # Markley's mean of angles about one axis: the angle of the sum of half-angle dyads.
        half = np.radians(np.array(degrees[0]))
        expected = np.degrees(np.arctan2(np.sin(half).sum(), np.cos(half).sum()))
    assert error == pytest.approx(expected, abs=1e-6)

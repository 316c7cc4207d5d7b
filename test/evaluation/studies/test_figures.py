# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Figures 3 to 5, and the cases."""

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation
from scipy.stats import spearmanr

from genpose_ros.evaluation.plots import save_figure
from genpose_ros.evaluation.studies import (
    TABLES,
    cases,
    distribution,
    draw_view_candidates,
    energy,
    features,
)
from genpose_ros.evaluation.studies.distribution import upright_angles_deg
from genpose_ros.evaluation.studies.energies import rank_correlation


def test_rank_correlation_is_that_of_spearman():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 20)), rng.integers(0, 4, (5, 20)).astype(float)
    expected = [spearmanr(x, y)[0] for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(rank_correlation(a, b), expected, atol=1e-12)
    assert np.isnan(rank_correlation(a, np.ones((5, 20)))).all()


def test_an_energy_that_orders_by_error_correlates_perfectly(known, tmp_path):
    degrees = np.random.default_rng(0).uniform(1, 90, (4, 50))
    centimetres = np.random.default_rng(1).uniform(0, 9, (4, 50))
    result = energy(known("mug", degrees, centimetres, np.stack([-degrees, centimetres], -1)))
    assert result.content["spearman"]["rotation"]["mug"] == -1
    assert result.content["spearman"]["translation"]["mug"] == 1
    assert result.content["spearman"]["rotation"]["can"] is None
    lowest, highest = (result.content["deciles"]["rotation"][i][1] for i in (0, 9))
    assert lowest > highest
    assert "| rotation | - | - | - | - | - | -1.00 |" in TABLES["energy"](result.content)
    save_figure(result.figures["study_energy"], tmp_path / "new" / "energy.png")
    with Image.open(tmp_path / "new" / "energy.png") as picture:
        assert picture.size == (900, 340)
    with pytest.raises(ValueError, match="no energy"):
        energy(known("mug", degrees, centimetres))


@pytest.mark.parametrize(
    ("axis", "which"), [("y", 0), ("x", 1), ("z", 2)], ids=["yaw", "pitch", "roll"]
)
def test_an_object_turned_about_one_axis_has_that_angle_alone(axis, which):
    upright = np.diag([1.0, -1.0, -1.0])
    turned = upright @ Rotation.from_euler(axis, 35, degrees=True).as_matrix()
    expected = np.zeros(3)
    expected[which] = 35
    np.testing.assert_allclose(upright_angles_deg(turned), expected, atol=1e-9)


def test_a_turn_about_the_object_s_own_axis_changes_yaw_alone():
    rng = np.random.default_rng(0)
    R = Rotation.random(20, random_state=rng).as_matrix()
    about_y = Rotation.from_euler("y", 50, degrees=True).as_matrix()
    before, after = upright_angles_deg(R), upright_angles_deg(R @ about_y)
    np.testing.assert_allclose(after[:, 1:], before[:, 1:], atol=1e-6)
    np.testing.assert_allclose((after[:, 0] - before[:, 0]) % 360, 50, atol=1e-6)


def test_distribution_and_cases_draw_pictures_of_real_candidates(estimator, views):
    drawn = draw_view_candidates(estimator, views, 50)
    shown = cases(drawn)
    assert set(shown.figures) == {f"study_cases_{name}" for name in shown.content["rows"]}
    for rows in shown.content["rows"].values():
        badness = {kind: [] for kind in ("best", "worst standing", "worst tipped")}
        for case in rows:
            badness[case["kind"]].append(case["degrees"] / 5 + case["centimetres"] / 2)
        assert badness["best"] == sorted(badness["best"])
        assert max(badness["best"]) <= min(badness["worst standing"], default=np.inf)
        assert badness["worst tipped"] == sorted(badness["worst tipped"], reverse=True)
    assert "standing" in TABLES["cases"](shown.content)
    # A network that has learnt nothing is within 10 degrees nowhere.
    assert distribution(drawn, estimator).content["rows"].keys() <= {"bowl: round"}


def test_distribution_reports_concentration_and_twelfths_of_a_round_object(known, estimator, views):
    angles = np.zeros((2, 50))
    made = known("bowl", angles, angles, np.zeros((2, 50, 2)), symmetric=[True, True])
    made.truth.views.points_cam[:] = views.points_cam[0, :8] * 0 + [0.01, 0.02, 0.9]
    made.truth.views.points_cam[:, 0] += 0.01
    result = distribution(made, estimator)
    row = result.content["rows"]["bowl: round"]
    assert 0 <= row["yaw_concentration"] <= 1
    assert 1 <= row["yaw_twelfths"] <= 12


def test_features_of_well_separated_categories_have_pure_neighbours(estimator, views):
    pytest.importorskip("sklearn", reason="scikit-learn is in the extra 'study'")
    drawn = draw_view_candidates(estimator, views, 2)
    drawn.features[:] = 0
    drawn.features[:, :6] = 10 * np.eye(6)[views.category]
    drawn.features[:, 0] += np.random.default_rng(0).normal(0, 0.1, len(views))
    content = features(drawn).content
    assert content["right_category"]["all"] == 100
    assert "100.0" in TABLES["features"](content)

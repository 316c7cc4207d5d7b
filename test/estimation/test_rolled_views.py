# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tests of rolled views: what tells that one is upright, and when an image is looked at in them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_models import MixtureModel

from genpose_ros.datasets.frame_folders import RecordedFrame, RecordedInstance, Truth
from genpose_ros.estimation import (
    EstimatorSettings,
    Instance,
    ObjectCloud,
    ObjectEstimate,
    PoseEstimator,
    Reason,
    Rejection,
)
from genpose_ros.estimation.rolled_views import (
    likeliest_view,
    standing_share,
    unsettled_images,
    upright_evidence,
    view_turns,
)
from genpose_ros.estimation.up import UpDirection
from genpose_ros.evaluation.metrics import pose_errors
from genpose_ros.geometry import NOCS
from genpose_ros.synthesis import STANCES, make_clouds
from genpose_ros.synthesis.scenes import table_scene
from genpose_ros.tracking import Tracker

SETTINGS = EstimatorSettings(
    candidates=20, steps=8, points=64, min_points=30, size_factor=0, device="cpu"
)
SOMEWHERE = np.random.default_rng(0).uniform(-0.1, 0.1, (64, 3)) + np.array([0.0, 0.0, 0.8])


def standing(*, roll_deg=0.0, above_deg=30.0):
    """Pose (4, 4) on the optical axis of an object as a camera rolled by so much sees it."""
    roll, above = np.radians([roll_deg, above_deg])
    y = [np.sin(roll) * np.cos(above), -np.cos(roll) * np.cos(above), -np.sin(above)]
    x = np.cross(y, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    T = np.eye(4)
    T[:3, :3] = np.stack([x, y, np.cross(x, y)], -1)
    T[2, 3] = 0.8
    return T


def estimate(*T_cam_obj, score=0.5):
    candidates = np.stack(T_cam_obj)
    return ObjectEstimate(
        instance_id=1,
        category="can",
        T_cam_obj=candidates[0],
        covariance=np.eye(6),
        score=score,
        score_axis=score,
        energy_rotation=None,
        energy_translation=None,
        size_m=np.full(3, 0.1),
        n_points=100,
        mode_shares=(1.0,),
        T_cam_candidates=candidates,
        points_cam=SOMEWHERE.astype(np.float32),
    )


def cloud(category="can", *, up_cam=None):
    instance = Instance(1, category, np.ones((1, 1), bool))
    return ObjectCloud(instance, SOMEWHERE.astype(np.float32), 64, shuffled=True, up_cam=up_cam)


@pytest.mark.parametrize("count", range(1, 13))
def test_views_are_rolled_by_equal_steps_of_a_full_turn(count):
    turns = view_turns(count)
    np.testing.assert_array_equal(turns[0], np.eye(3))
    step = turns[1] if count > 1 else np.eye(3)
    for k, turn in enumerate(turns):
        np.testing.assert_allclose(turn, np.linalg.matrix_power(step, k), atol=1e-12)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.linalg.matrix_power(step, count), np.eye(3), atol=1e-12)


def test_quarter_turns_change_no_digit():
    assert all(set(turn.ravel().tolist()) <= {-1.0, 0.0, 1.0} for turn in view_turns(4))


@pytest.mark.parametrize("roll_deg", [0, 90, 180, 270])
def test_an_object_stands_in_the_view_that_takes_the_cameras_roll_back(roll_deg):
    shares = [standing_share(standing(roll_deg=roll_deg)[None], turn) for turn in view_turns(4)]
    assert int(np.argmax(shares)) == (4 - roll_deg // 90) % 4
    assert max(shares) == pytest.approx(1 / (1 + math.exp(-30 / 4)))
    assert sorted(shares)[2] < 1e-3  # a quarter is four and a half deviations


def test_leaning_and_being_seen_from_the_side_count_less():
    as_it_is = np.eye(3)
    level = standing_share(standing(above_deg=0.0)[None], as_it_is)
    assert level == pytest.approx(0.5)
    leaning = standing_share(standing(above_deg=0.0, roll_deg=20.0)[None], as_it_is)
    assert leaning == pytest.approx(0.5 * math.exp(-0.5))
    from_below = standing_share(standing(above_deg=-4.0)[None], as_it_is)
    assert from_below == pytest.approx(1 / (1 + math.e))


def test_from_above_is_along_the_line_of_sight():
    # A camera that looks level, and an object far below its optical axis.
    T = standing(above_deg=0.0)
    T[:3, 3] = 0.0, 0.8, 0.8
    assert standing_share(T[None], np.eye(3)) == pytest.approx(1 / (1 + math.exp(-45 / 4)))


def test_candidates_that_disagree_are_averaged():
    two = np.stack([standing(), standing(roll_deg=180.0)])
    alone = standing_share(two[:1], np.eye(3))
    assert standing_share(two, np.eye(3)) == pytest.approx(alone / 2, abs=1e-6)


def test_sure_poses_tell_more_and_refused_objects_least():
    as_it_is = np.eye(3)
    doubtful, sure = (upright_evidence(estimate(standing(), score=s), as_it_is) for s in (0.2, 0.9))
    refused = upright_evidence(Rejection(Reason.NOT_FINITE, "", 1), as_it_is)
    assert refused < upright_evidence(estimate(standing(roll_deg=90.0), score=0.2), as_it_is)
    assert doubtful < sure
    # Scores of 0 and 1 are told as finite numbers.
    certain = [upright_evidence(estimate(standing(), score=s), as_it_is) for s in (0.0, 1.0)]
    assert np.isfinite(certain).all()


def test_all_objects_of_an_image_decide_together():
    turns = view_turns(4)
    # Two views in which the first object stands equally well, as a cup seen from the side does.
    cup = [estimate(standing(above_deg=0.0, roll_deg=r)) for r in (0, 270, 180, 90)]
    stands_at_180 = estimate(standing(roll_deg=180.0))
    views = [[cup[k], stands_at_180] for k in range(4)]
    assert likeliest_view([[o] for o, _ in views], turns, [True]) == 0
    assert likeliest_view(views, turns, [True, True]) == 2
    assert likeliest_view(views, turns, [True, False]) == 0  # of a category that never stands


def test_an_image_is_looked_at_again_only_where_nothing_tells():
    sure, unsure = estimate(standing(), score=0.9), estimate(standing(roll_deg=180.0))
    up = UpDirection(np.array([0.0, -1.0, 0.0]))
    cases = [
        (cloud(), unsure, 0, True),
        (cloud(), sure, 1, True),  # settles image 1
        (cloud(), unsure, 1, True),
        (cloud(up_cam=up), unsure, 2, True),
        (cloud(), unsure, 3, False),
        (cloud(), unsure, 4, True),
        (cloud(), sure, 4, False),  # its category does not stand, so that it tells nothing
        (cloud(), sure, 5, True),  # one among many that do not stand is no proof
        *[(cloud(), unsure, 5, True)] * 3,
        (cloud(up_cam=steep(60.1)), unsure, 6, True),  # too steep to level by
        (cloud(up_cam=steep(59.9)), unsure, 7, True),
        (cloud(up_cam=steep(76.0)), unsure, 8, True),  # no roll is upright
        (cloud(up_cam=replace(steep(60.1), source="imu")), unsure, 9, True),
    ]
    assert unsettled_images(*zip(*cases, strict=True)) == [[0], [5, 6], [7, 8, 9, 10], [11]]


def steep(down_deg):
    """A plane's normal, as a camera sees it that looks down by so much."""
    down = np.radians(down_deg)
    return UpDirection(np.array([0.0, -np.cos(down), -np.sin(down)]), source="plane")


def lying_model():
    """A model whose can lies along the optical axis: at every roll it looks the same."""
    pose = torch.tensor(standing(above_deg=89.9)[:3, :3] @ np.diag([1.0, -1.0, -1.0]))
    return MixtureModel(pose[None], torch.zeros(1, 3), torch.ones(1))


@pytest.mark.parametrize(("views", "batches"), [(1, [2]), (4, [2, 6]), (6, [2, 10])])
def test_all_other_views_are_estimated_in_one_batch(views, batches):
    model = lying_model()
    estimator = PoseEstimator(model, replace(SETTINGS, roll_views=views))
    found = estimator.estimate_clouds([cloud(), cloud()], images=[0, 1])
    assert model.batch_sizes == batches
    assert len(found) == 2


def test_clouds_of_no_image_with_starts_and_with_up_are_estimated_once():
    model, up = lying_model(), UpDirection(np.array([0.0, -1.0, 0.0]))
    estimator = PoseEstimator(model, SETTINGS)
    estimator.estimate_clouds([cloud()])
    estimator.estimate_clouds([cloud(up_cam=up)], images=[0])
    estimator.estimate_clouds([cloud()], images=[0], T_cam_start=standing()[None])
    assert model.batch_sizes == [1, 1, 1]
    with pytest.raises(ValueError, match="1 clouds need as many images"):
        estimator.estimate_clouds([cloud()], images=[0, 0])


def test_what_is_too_far_away_is_so_at_every_roll_and_tells_nothing():
    model = lying_model()
    near, far = cloud(), cloud()
    near = replace(near, points_cam=near.points_cam - np.float32([0, 0, 0.4]))
    estimator = PoseEstimator(model, replace(SETTINGS, workspace_m=0.6))
    found = estimator.estimate_clouds([far, far], images=[0, 0])
    assert [o.reason for o in found] == [Reason.OUTSIDE_WORKSPACE] * 2
    assert model.batch_sizes == [2]
    # Beside another one it is seen in the same views.
    estimator.estimate_clouds([far, near], images=[0, 0])
    assert model.batch_sizes == [2, 2, 6]


def rolled_clouds(quarters):
    """Clouds of standing objects as a camera rolled by quarter turns sees them, and the truth."""
    rng = np.random.default_rng(5)
    views = make_clouds(32, rng, stances=np.full(32, STANCES.index("standing")))
    turn = view_turns(4)[quarters]
    clouds, truths = [], []
    for row in range(len(views)):
        instance = Instance(row, NOCS.names[views.category[row]], np.ones((1, 1), bool))
        points_cam = (views.points_cam[row] @ turn.T).astype(np.float32)
        clouds.append(ObjectCloud(instance, points_cam, len(points_cam), shuffled=True))
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = turn @ views.rotation[row], turn @ views.translation[row]
        truths.append(T)
    return clouds, truths


@pytest.mark.slow
def test_the_roll_of_the_camera_does_not_matter_with_several_objects_in_an_image():
    estimator = PoseEstimator.from_settings(EstimatorSettings(device="cpu", size_factor=0))
    found = []
    for quarters in range(4):
        clouds, truths = rolled_clouds(quarters)
        outcomes = estimator.estimate_clouds(clouds, images=[i // 4 for i in range(len(clouds))])
        errors = [
            pose_errors(o.T_cam_obj, T, NOCS[o.category], True)
            for o, T in zip(outcomes, truths, strict=True)
        ]
        found.append(np.array(errors))
    for rolled in found[1:]:
        # The same points in the same views, but for rounding, where the right view is found.
        assert (np.abs(rolled - found[0]).max(1) < 0.5).mean() > 0.9


def cut_out_table(quarters):
    """A simulated table of which nothing but the objects has depth, by a rolled camera."""
    scene = table_scene(0)
    objects = [
        RecordedInstance(o.instance_id, o.category, scene.label == o.instance_id, Truth.NONE)
        for o in scene.objects
    ]
    depth_m = np.where(scene.label > 0, scene.depth_mm / 1000, 0).astype(np.float32)
    return RecordedFrame("table", depth_m, scene.camera, tuple(objects)).turned(quarters).to_frame()


def in_the_upright_image(estimates, quarters):
    """The poses by instance, turned back."""
    back = np.eye(4)
    back[:3, :3] = view_turns(4)[quarters].T
    return {e.instance_id: back @ e.T_cam_obj for e in estimates}


@pytest.mark.slow
@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("tracked", [False, True])
def test_frames_of_a_rolled_camera_are_estimated_and_tracked_as_of_an_upright_one(
    quarters, tracked
):
    estimator = PoseEstimator.from_settings(EstimatorSettings(device="cpu"))
    upright, frame = estimator.estimate(cut_out_table(0)), cut_out_table(quarters)
    assert upright.up_cam is None
    if tracked:
        found = [t.estimate for t in Tracker(estimator).track(frame, 1_000_000_000).tracks]
    else:
        found = list(estimator.estimate(frame).estimates)
    assert {round(np.degrees(e.view_roll_rad)) % 360 for e in found} == {360 - 90 * quarters}
    expected = in_the_upright_image(upright.estimates, 0)
    for number, T in in_the_upright_image(found, quarters).items():
        # The pixels of a cloud are drawn in another order, those of the border are others.
        apart = np.arccos(np.clip(T[:3, 1] @ expected[number][:3, 1], -1, 1))
        assert np.degrees(apart) < 10

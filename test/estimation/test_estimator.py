# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The estimator from frame to estimates, with a model whose answers are known."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_models import MixtureModel

from genpose_ros.estimation import (
    STAGES,
    EstimatorSettings,
    Frame,
    Instance,
    ObjectEstimate,
    PoseEstimator,
    Reason,
    Remark,
    object_cloud,
)
from genpose_ros.estimation.batch import padded_size
from genpose_ros.estimation.error_covariance import error_covariances
from genpose_ros.geometry import (
    Category,
    CategorySet,
    Symmetry,
    geodesic_angle,
    pin_yaw,
    rotation_error_deg,
    so3_exp,
)
from genpose_ros.networks import ModelSet

FAST = EstimatorSettings()


def estimate(toy, frame, model=None, settings=FAST):
    return PoseEstimator(toy.model() if model is None else model, settings).estimate(frame)


class TestEstimate:
    @pytest.mark.parametrize("preset", ["fast", "paper"])
    def test_the_estimate_is_the_models_known_pose(self, toy, preset):
        frame = toy.frame(("mug", 100, 150, 0.8), ("laptop", 30, 40, 1.1))
        result = estimate(toy, frame, settings=EstimatorSettings.preset(preset))
        assert not result.rejections
        assert [(e.instance_id, e.category) for e in result.estimates] == [
            (1, "mug"),
            (2, "laptop"),
        ]
        for item, z in zip(result.estimates, (0.8, 1.1), strict=True):
            # 30 kept candidates of deviation 0.02: their mean is off by 0.02 / sqrt(30) per entry.
            assert rotation_error_deg(item.T_cam_obj[:3, :3], toy.pose, "mug") < 1.5
            centre = item.points_cam.mean(axis=0)
            assert item.T_cam_obj[:3, 3] == pytest.approx(
                centre + np.array([0, 0, 0.05]), abs=0.012
            )
            assert item.T_cam_obj[2, 3] == pytest.approx(z + 0.05, abs=0.012)
            assert item.T_cam_obj[:3, :3].T @ item.T_cam_obj[:3, :3] == pytest.approx(np.eye(3))
            assert item.mode_shares == (1.0,)
            assert item.detection_score == 0.5
            assert item.T_cam_candidates.shape == (50, 4, 4)

    def test_the_yaw_of_axisymmetric_objects_is_pinned(self, toy):
        result = estimate(toy, toy.frame(("bowl", 100, 150, 0.8)))
        rotation = torch.from_numpy(result.estimates[0].T_cam_obj[:3, :3].copy())
        assert torch.allclose(rotation, pin_yaw(rotation), atol=1e-9)
        assert rotation_error_deg(rotation, toy.pose, "bowl") < 1.5

    def test_the_larger_of_two_modes_is_estimated(self, toy):
        other = toy.pose @ so3_exp(torch.tensor([0.0, 2.0, 0.0]).double())
        model = toy.model(
            rotation=torch.stack((toy.pose, other)),
            offset=torch.zeros(2, 3),
            weights=torch.tensor([0.25, 0.75]),
            deviation=0.005,
        )
        settings = replace(FAST, candidates=400, ranking="none", steps=30)
        (item,) = estimate(toy, toy.frame(("mug", 100, 150, 0.8)), model, settings).estimates
        assert rotation_error_deg(item.T_cam_obj[:3, :3], other, "mug") < 1.5
        assert item.mode_shares[0] == pytest.approx(0.75, abs=0.08)
        # 2 cm and 10 degrees are far outside a mode: all of it agrees, and nothing else.
        assert item.score == pytest.approx(item.mode_shares[0], abs=0.08)

    def test_the_covariance_is_that_of_the_candidates_and_the_error_they_share(self, toy):
        model = toy.model(deviation=0.01)
        settings = replace(FAST, candidates=1000, ranking="none", keep_fraction=1.0, steps=100)
        (item,) = estimate(toy, toy.frame(("mug", 100, 150, 0.8)), model, settings).estimates
        # Tweedie at sigma_min = deviation leaves 1 / sqrt(2) of it.
        translation_sd = np.sqrt(np.diag(item.covariance)[:3])
        assert translation_sd == pytest.approx([math.sqrt(2.9) * 0.01 / math.sqrt(2)] * 3, rel=0.12)
        samples = item.T_cam_candidates[:, :3, 3] - item.T_cam_obj[:3, 3]
        expected = np.zeros((6, 6))
        expected[:3, :3] = samples.T @ samples / 1000 + 1e-8 * np.eye(3)
        (expected,) = error_covariances([replace(item, covariance=expected)])
        assert np.allclose(item.covariance[:3, :3], expected[:3, :3], rtol=1e-5, atol=1e-9)
        assert np.linalg.eigvalsh(item.covariance).min() > 0

    def test_the_energies_are_those_of_the_pose(self, toy):
        model = toy.model()
        (item,) = estimate(toy, toy.frame(("mug", 100, 150, 0.8)), model).estimates
        encoding = model.encode(torch.from_numpy(item.points_cam)[None])
        T = torch.from_numpy(item.T_cam_obj).float()[None, None]
        energy = model.energy(model.encode_pose(T[..., :3, :3], T[..., :3, 3], encoding), encoding)
        assert (item.energy_rotation, item.energy_translation) == pytest.approx(
            energy.flatten().tolist(), abs=1e-4
        )

    def test_a_model_without_energies_still_estimates(self, toy):
        model = toy.model(with_energy=False)
        (item,) = estimate(toy, toy.frame(("mug", 100, 150, 0.8)), model).estimates
        assert item.energy_rotation is None
        assert item.energy_translation is None
        assert rotation_error_deg(item.T_cam_obj[:3, :3], toy.pose, "mug") < 2

    def test_the_size_is_the_models_or_that_of_the_points(self, toy):
        frame = toy.frame(("mug", 100, 150, 0.8))
        size_m = torch.tensor([0.1, 0.12, 0.08])
        (item,) = estimate(toy, frame, toy.model(size_m=size_m)).estimates
        assert item.size_m == pytest.approx([0.1, 0.12, 0.08])
        (item,) = estimate(toy, frame).estimates
        assert (item.size_m > 0.05).all()
        assert (item.size_m < 0.25).all()


class TestReproducible:
    def test_the_same_seed_and_frame_give_the_same_estimates(self, toy):
        frame = toy.frame(("mug", 100, 150, 0.8), ("can", 30, 40, 1.1))
        a, b = (estimate(toy, frame).estimates for _ in range(2))
        for one, other in zip(a, b, strict=True):
            assert np.array_equal(one.T_cam_obj, other.T_cam_obj)
            assert np.array_equal(one.T_cam_candidates, other.T_cam_candidates)
        changed = estimate(toy, frame, settings=replace(FAST, seed=5)).estimates
        assert not np.array_equal(changed[0].T_cam_obj, a[0].T_cam_obj)

    def test_an_estimate_does_not_depend_on_the_other_objects(self, toy):
        (alone,) = estimate(toy, toy.frame(("mug", 100, 150, 0.8))).estimates
        boxes = [("mug", 100, 150, 0.8), ("can", 30, 40, 1.1), ("bowl", 180, 20, 1.0)]
        first = estimate(toy, toy.frame(*boxes)).estimates[0]
        # Matrix products of another batch size round differently.
        assert np.allclose(first.T_cam_obj, alone.T_cam_obj, atol=1e-5)


class TestCategories:
    def test_a_class_that_the_model_does_not_know_is_refused_with_those_it_knows(self, toy):
        model = toy.model()
        model.categories = CategorySet((Category(name="drill"), Category(name="saw")))
        result = estimate(toy, toy.frame(("mug", 100, 150, 0.8), ("saw", 30, 40, 1.1)), model)
        assert [e.category for e in result.estimates] == ["saw"]
        (rejection,) = result.rejections
        assert rejection.reason is Reason.UNKNOWN_CATEGORY
        assert rejection.detail == "category 'mug' is none of drill, saw"

    @pytest.mark.parametrize("pooling", ["mean", "modes"])
    @pytest.mark.parametrize("ranking", ["density", "none"])
    def test_a_box_that_looks_the_same_after_half_a_turn_has_one_mode(self, toy, pooling, ranking):
        box = Category(name="box", symmetry=Symmetry.parse({"y": "half"}))
        half_turn = toy.pose @ torch.diag(torch.tensor([-1.0, 1.0, -1.0])).double()
        model = toy.model(
            rotation=torch.stack((half_turn, toy.pose)),
            offset=torch.tensor([[0.0, 0.0, 0.05]]).expand(2, 3),
            deviation=0.005,
        )
        settings = replace(FAST, candidates=200, pooling=pooling, ranking=ranking, steps=30)
        frame = toy.frame(("box", 100, 150, 0.8))
        asymmetric = Category(name="box")
        found = {}
        for category in (box, asymmetric):
            model.categories = CategorySet((category, Category(name="drill")))
            (found[category],) = estimate(toy, frame, model, settings).estimates
        assert found[box].score > 0.98
        assert found[box].mode_shares == (1.0,)
        # Of the two the one whose front faces the camera, as the yaw of axisymmetric objects does.
        rotation = torch.from_numpy(found[box].T_cam_obj[:3, :3])
        assert torch.rad2deg(geodesic_angle(rotation, toy.pose)) < 1
        near = torch.from_numpy(found[box].T_cam_candidates[:, :3, :3])
        assert torch.rad2deg(geodesic_angle(near, rotation)).max() < 10
        assert np.diag(found[box].covariance)[3:].max() < math.radians(2) ** 2
        # Without the symmetry half of the candidates contradict the others.
        assert found[asymmetric].score < 0.6
        if ranking == "none":  # by density the larger mode alone may be kept
            assert found[asymmetric].mode_shares == pytest.approx((0.5, 0.5), abs=0.15)

    def test_a_box_keeps_the_member_of_its_start(self, toy):
        box = Category(name="box", symmetry=Symmetry.parse({"y": "half"}))
        half_turn = toy.pose @ torch.diag(torch.tensor([-1.0, 1.0, -1.0])).double()
        model = toy.model(deviation=0.005)
        model.categories = CategorySet((box,))
        estimator = PoseEstimator(model, FAST)
        clouds, _ = estimator.object_clouds(toy.frame(("box", 100, 150, 0.8)))
        for expected in (toy.pose, half_turn):
            start = np.eye(4)
            start[:3, :3], start[2, 3] = expected, 0.85
            (item,) = estimator.estimate_clouds(clouds, T_cam_start=start[None])
            rotation = torch.from_numpy(item.T_cam_obj[:3, :3])
            assert torch.rad2deg(geodesic_angle(rotation, expected)) < 1.5

    def test_objects_of_different_groups_share_a_batch(self, toy):
        words = ({}, {"y": "half"}, {"y": "any"}, {"x": "quarter", "y": "quarter"})
        names = ("part", "box", "tube", "cube")
        categories = [
            Category(name=name, symmetry=Symmetry.parse(word))
            for name, word in zip(names, words, strict=True)
        ]
        model = toy.model()
        model.categories = CategorySet(tuple(categories))
        boxes = [(name, 60, 40 + 60 * i, 0.8) for i, name in enumerate(names)]
        together = estimate(toy, toy.frame(*boxes), model).estimates
        for item, box in zip(together, boxes, strict=True):
            (alone,) = estimate(toy, toy.frame(box), model).estimates
            assert item.category == box[0]
            assert np.allclose(item.T_cam_obj, alone.T_cam_obj, atol=1e-5)
            assert item.score == alone.score

    def test_clouds_of_a_class_that_the_model_does_not_know_are_refused(self, toy):
        estimator = PoseEstimator(toy.model(), FAST)
        clouds, _ = estimator.object_clouds(toy.frame(("mug", 100, 150, 0.8)))
        estimator.model.categories = CategorySet((Category(name="drill"),))
        with pytest.raises(ValueError, match="unknown category 'mug'; expected one of drill"):
            estimator.estimate_clouds(clouds)

    def test_objects_without_a_mirror_plane_are_encoded_without_mirrored_views(self, toy):
        seen = []

        class Watched(MixtureModel):
            mirrors = True

            def encode(self, points_cam, *, patches=0, up=None):
                seen.append(points_cam)
                return super().encode(points_cam, patches=patches)

        model = Watched(toy.pose[None], torch.tensor([[0.0, 0.0, 0.05]]))
        drill = Category(name="drill", mirror=False)
        model.categories = CategorySet((drill, Category(name="saw")))
        frame = toy.frame(("drill", 100, 150, 0.8), ("saw", 30, 40, 1.1))
        result = PoseEstimator(model, FAST).estimate(frame)
        assert len(result.estimates) == 2
        drill_view, saw_view = seen[0][2:].mean(dim=1)[:, 0]
        drill_x, saw_x = seen[0][:2].mean(dim=1)[:, 0]
        assert drill_view == pytest.approx(float(drill_x), abs=1e-6)
        assert saw_view == pytest.approx(-float(saw_x), abs=1e-6)

    def test_a_model_of_other_categories_is_warmed_up(self, toy):
        model = toy.model()
        model.categories = CategorySet((Category(name="drill"),))
        PoseEstimator(model, FAST).warm_up()
        assert model.batch_sizes == [1]


class TestSeveralModels:
    """Mugs by one model, drills and saws by another whose poses are 10 cm farther away."""

    @pytest.fixture
    def models(self, toy):
        mugs, tools = toy.model(), toy.model(offset=torch.tensor([[0.0, 0.0, 0.15]]))
        mugs.categories = CategorySet((Category(name="mug"),))
        tools.categories = CategorySet((Category(name="drill"), Category(name="saw")))
        return ModelSet((mugs, tools))

    BOXES = (("drill", 30, 40, 0.9), ("mug", 100, 150, 0.8), ("saw", 30, 150, 0.9))

    def test_each_class_goes_to_its_model_in_one_batch_each(self, toy, models):
        result = PoseEstimator(models, FAST).estimate(toy.frame(*self.BOXES))
        assert [model.batch_sizes for model in models.models] == [[1], [2]]
        assert [(e.instance_id, e.category) for e in result.estimates] == [
            (1, "drill"),
            (2, "mug"),
            (3, "saw"),
        ]
        z = [e.T_cam_obj[2, 3] for e in result.estimates]
        assert z == pytest.approx([1.05, 0.85, 1.05], abs=0.012)

    def test_an_object_has_the_estimate_that_its_model_alone_gives(self, toy, models):
        together = PoseEstimator(models, FAST).estimate(toy.frame(*self.BOXES)).estimates
        alone = estimate(toy, toy.frame(*self.BOXES), models.models[0])
        (mug,) = alone.estimates
        assert np.array_equal(mug.T_cam_obj, together[1].T_cam_obj)
        assert [r.detail for r in alone.rejections] == [
            f"category '{name}' is none of mug" for name in ("drill", "saw")
        ]

    def test_starts_go_with_their_objects(self, toy, models):
        estimator, near = PoseEstimator(models, FAST), replace(FAST, start_sigma=0.05)
        clouds, _ = estimator.object_clouds(toy.frame(*self.BOXES))
        starts = np.stack([e.T_cam_obj for e in estimator.estimate_clouds(clouds)])
        for order in ([0, 1, 2], [2, 1, 0]):
            moved = estimator.estimate_clouds(
                [clouds[i] for i in order], T_cam_start=starts[order], settings=near
            )
            for i, item in zip(order, moved, strict=True):
                assert item.instance_id == i + 1
                assert item.T_cam_obj[:3, 3] == pytest.approx(starts[i][:3, 3], abs=0.02)

    def test_a_class_of_neither_is_refused_with_those_of_both(self, toy, models):
        result = PoseEstimator(models, FAST).estimate(toy.frame(("can", 100, 150, 0.8)))
        assert [r.detail for r in result.rejections] == [
            "category 'can' is none of mug, drill, saw"
        ]

    def test_every_model_is_warmed_up(self, models):
        PoseEstimator(models, FAST).warm_up()
        assert [model.batch_sizes for model in models.models] == [[1], [1]]

    def test_there_is_no_such_thing_as_the_model(self, models):
        with pytest.raises(ValueError, match="expected one model, there are 2"):
            _ = PoseEstimator(models, FAST).model


class TestScoreOfTheAxis:
    def spread(self, toy, axis, *degrees):
        """A model that turns the pose about an axis of the object, by each angle equally often."""
        turns = torch.deg2rad(torch.tensor(degrees).double())[:, None] * torch.eye(3)[axis].double()
        return toy.model(
            rotation=toy.pose @ so3_exp(turns),
            offset=torch.tensor([[0.0, 0.0, 0.05]]).expand(len(degrees), 3),
            deviation=0.005,
        )

    def test_a_hidden_handle_leaves_the_axis_sure(self, toy):
        model = self.spread(toy, 1, *range(0, 360, 30))
        (mug,) = estimate(toy, toy.frame(("mug", 100, 150, 0.8)), model).estimates
        assert mug.score < 0.4
        assert mug.score_axis > 0.95

    def test_an_unsure_tilt_is_unsure_about_the_axis_too(self, toy):
        model = self.spread(toy, 0, *range(0, 360, 30))
        (mug,) = estimate(toy, toy.frame(("mug", 100, 150, 0.8)), model).estimates
        assert mug.score < 0.4
        assert mug.score_axis < 0.4

    def test_an_unobservable_yaw_was_left_out_before(self, toy):
        model = self.spread(toy, 0, 0, 15, -15)
        (can,) = estimate(toy, toy.frame(("can", 100, 150, 0.8)), model).estimates
        assert 0.1 < can.score < 0.9
        assert can.score_axis == can.score


class TestSizes:
    def test_an_object_far_larger_than_its_category_is_refused(self, toy):
        frame = toy.frame(("can", 100, 150, 0.8))
        model = toy.model(size_m=torch.tensor([0.2, 0.42, 0.2]))
        (rejection,) = estimate(toy, frame, model).rejections
        assert rejection.reason is Reason.IMPLAUSIBLE_SIZE
        assert rejection.instance_id == 1
        assert "a can of 20 x 42 x 20 cm, 0.51 m across" in rejection.detail
        assert "0.04 to 0.36 m" in rejection.detail
        assert "size_factor" in rejection.detail

    @pytest.mark.parametrize(
        ("count_mm", "said"),
        [(0.25, "0.25 mm (depth.unit, --depth-unit 0.00025)"), (0.1, "0.1 mm (depth.unit, "),
         (0.02, "in another unit (depth.unit, --depth-unit)")],
    )  # fmt: skip
    def test_counts_that_were_taken_for_millimetres_are_named(self, toy, count_mm, said):
        size_m = torch.tensor([0.066, 0.123, 0.066]) / count_mm
        (rejection,) = estimate(
            toy, toy.frame(("can", 100, 150, 0.8)), toy.model(size_m=size_m)
        ).rejections
        assert rejection.reason is Reason.IMPLAUSIBLE_SIZE
        assert said in rejection.detail

    def test_the_parts_of_a_mask_are_estimated_as_the_settings_say(self, toy):
        one, other = toy.frame(("can", 100, 80, 0.8)), toy.frame(("can", 100, 240, 0.8))
        mask = one.instances[0].mask | other.instances[0].mask
        depth_m = np.where(other.instances[0].mask, other.depth_m, one.depth_m)
        frame = replace(one, depth_m=depth_m, instances=(Instance(4, "can", mask),))
        for parts, ids, refused in (("largest", [4], 1), ("split", [4, 1], 0)):
            result = estimate(toy, frame, settings=replace(FAST, parts=parts))
            assert [e.instance_id for e in result.estimates] == ids
            assert {e.remarks for e in result.estimates} == {(Remark.SEPARATE_PART,)}
            assert len(result.rejections) == refused

    @pytest.mark.parametrize(("factor", "estimated"), [(2.0, 0), (3.0, 1), (0.0, 1)])
    def test_how_far_is_a_setting(self, toy, factor, estimated):
        model = toy.model(size_m=torch.tensor([0.2, 0.42, 0.2]))
        frame = toy.frame(("can", 100, 150, 0.8))
        result = estimate(toy, frame, model, replace(FAST, size_factor=factor))
        assert len(result.estimates) == estimated

    def test_what_is_visible_of_an_object_may_be_smaller_than_all_of_it(self, toy):
        frame = toy.frame(("laptop", 100, 150, 0.5), size=20)
        (laptop,) = estimate(toy, frame).estimates
        assert np.linalg.norm(laptop.size_m) < 0.175
        assert estimate(toy, frame, toy.model(size_m=torch.full((3,), 0.05))).estimates == ()


class TestBadContent:
    def test_a_frame_without_objects_has_no_result(self, toy):
        result = estimate(toy, toy.frame())
        assert (result.estimates, result.rejections) == ((), ())

    def test_a_bad_object_does_not_harm_the_good_one(self, toy):
        frame = toy.frame(("mug", 100, 150, 0.8), ("can", 30, 40, 1.1), ("bowl", 180, 20, 1.0))
        frame.depth_m[30:60, 40:70] = np.nan
        empty = Instance(9, "mug", np.zeros((240, 320), dtype=bool))
        small = Instance(10, "mug", np.ones((24, 32), dtype=bool))
        frame = replace(frame, instances=(*frame.instances, empty, small))
        result = estimate(toy, frame)
        assert [e.instance_id for e in result.estimates] == [1, 3]
        assert {r.instance_id: r.reason for r in result.rejections} == {
            2: Reason.NO_VALID_DEPTH,
            9: Reason.MASK_EMPTY,
            10: Reason.SIZE_MISMATCH,
        }

    @pytest.mark.parametrize("shape", [(0, 0), (240,), (120, 160), (240, 320, 1)])
    def test_a_frame_with_depth_of_another_size_is_refused(self, toy, shape):
        frame = replace(toy.frame(("mug", 100, 150, 0.8)), depth_m=np.ones(shape, np.float32))
        (rejection,) = estimate(toy, frame).rejections
        assert rejection.reason is Reason.SIZE_MISMATCH
        assert rejection.instance_id is None

    @pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "rk45"])
    @pytest.mark.parametrize("pooling", ["mean", "modes"])
    def test_scores_that_are_not_finite_refuse_only_their_object(self, toy, sampler, pooling):
        frame = toy.frame(("mug", 100, 150, 0.8), ("can", 30, 40, 1.5), ("bowl", 180, 20, 1.6))
        settings = replace(FAST, sampler=sampler, pooling=pooling, tolerance=1e-2)
        result = estimate(toy, frame, toy.model(broken_beyond_m=1.2), settings)
        assert [e.instance_id for e in result.estimates] == [1]
        assert [(r.instance_id, r.reason) for r in result.rejections] == [
            (2, Reason.NOT_FINITE),
            (3, Reason.NOT_FINITE),
        ]

    def test_an_object_beyond_the_workspace_is_refused(self, toy):
        frame = toy.frame(("mug", 100, 150, 0.8), ("can", 30, 40, 1.5))
        result = estimate(toy, frame, settings=replace(FAST, workspace_m=1.2))
        assert [e.instance_id for e in result.estimates] == [1]
        (rejection,) = result.rejections
        assert rejection.reason is Reason.OUTSIDE_WORKSPACE

    def test_of_too_many_objects_those_with_the_largest_masks_are_estimated(self, toy):
        frame = toy.frame(*[("mug", 40 * i, 50 * i, 0.8) for i in range(5)])
        for instance, columns in zip(frame.instances, (20, 5, 30, 10, 25), strict=True):
            instance.mask[:, np.flatnonzero(instance.mask.any(axis=0))[columns:]] = False
        result = estimate(toy, frame, settings=replace(FAST, max_objects=2))
        assert [e.instance_id for e in result.estimates] == [3, 5]
        assert {r.reason for r in result.rejections} == {Reason.TOO_MANY_OBJECTS}
        assert [r.instance_id for r in result.rejections] == [1, 2, 4]

    def test_two_hundred_objects_are_estimated_where_the_settings_allow_it(self, toy):
        boxes = [("mug", 11 * (i // 20), 15 * (i % 20), 0.8) for i in range(200)]
        frame = toy.frame(*boxes, size=11)
        settings = replace(FAST, max_objects=200, candidates=5, steps=2, points=64)
        assert len(estimate(toy, frame, settings=settings).estimates) == 200
        result = estimate(toy, frame, settings=replace(settings, max_objects=64))
        assert (len(result.estimates), len(result.rejections)) == (64, 136)

    def test_frames_of_noise_never_raise(self, toy):
        rng = np.random.default_rng(0)
        values = np.array([0, -1, np.nan, np.inf, -np.inf, 1e-30, 1e30, 0.5, 4.9], np.float32)
        for _ in range(20):
            masks = rng.random((3, 240, 320)) < rng.choice([0.001, 0.5, 0.99])
            instances = tuple(Instance(i, "can", m) for i, m in enumerate(masks))
            frame = Frame(rng.choice(values, (240, 320)), toy.camera, instances)
            settings = replace(FAST, depth_window_m=0.0, depth_max_m=100.0, steps=2)
            result = estimate(toy, frame, settings=settings)
            assert len(result.estimates) + len(result.rejections) == 3
            for item in result.estimates:
                assert np.isfinite(item.T_cam_obj).all()
                assert np.isfinite(item.covariance).all()

    @pytest.mark.parametrize("far", [(-1e6, 0.0), (1e6, 1e6), (0.0, -1e6)])
    def test_cameras_that_look_far_aside_never_raise(self, toy, far):
        frame = toy.frame(("can", 100, 150, 0.8))
        camera = replace(frame.camera, cx=far[0], cy=far[1])
        result = estimate(toy, replace(frame, camera=camera))
        assert len(result.estimates) + len(result.rejections) == 1


class TestBatches:
    @pytest.mark.parametrize(
        ("objects", "batch_size", "expected"),
        [(1, 8, [1]), (3, 8, [3]), (5, 8, [5]), (9, 8, [8, 1]), (7, 3, [3, 3, 1])],
    )
    def test_batches_hold_no_more_objects_than_batch_size(self, toy, objects, batch_size, expected):
        model = toy.model()
        frame = toy.frame(*[("mug", 20 * i, 25 * i, 0.8) for i in range(objects)], size=20)
        settings = replace(FAST, batch_size=batch_size, roll_views=1)
        result = estimate(toy, frame, model, settings)
        assert model.batch_sizes == expected
        assert [e.instance_id for e in result.estimates] == list(range(1, objects + 1))

    def test_objects_with_very_many_candidates_go_in_smaller_batches(self, toy, monkeypatch):
        assert EstimatorSettings().batch_objects == EstimatorSettings().batch_size
        assert EstimatorSettings(candidates=1000, batch_size=256).batch_objects == 12
        monkeypatch.setattr("genpose_ros.estimation.settings._MOST_TOGETHER", 2 * FAST.candidates)
        model = toy.model()
        frame = toy.frame(*[("mug", 20 * i, 25 * i, 0.8) for i in range(5)], size=20)
        assert len(estimate(toy, frame, model, FAST).estimates) == 5
        assert model.batch_sizes == [2, 2, 1]

    @pytest.mark.parametrize(
        ("objects", "batch_size", "expected"), [(1, 8, 1), (3, 8, 4), (5, 8, 8), (5, 6, 6)]
    )
    def test_batches_are_padded_to_few_sizes_on_a_gpu_alone(self, objects, batch_size, expected):
        assert padded_size(objects, batch_size, torch.device("cuda")) == expected
        assert padded_size(objects, batch_size, torch.device("cpu")) == objects

    def test_the_settings_of_a_call_replace_the_estimators_as_a_whole(self, toy):
        model = toy.model()
        frame = toy.frame(*[("mug", 20 * i, 25 * i, 0.8 + 0.2 * i) for i in range(5)], size=20)
        estimator = PoseEstimator(model, FAST)
        settings = replace(FAST, max_objects=4, batch_size=3, workspace_m=1.2, candidates=7)
        clouds, refused = estimator.object_clouds(frame, settings=settings)
        assert [r.reason for r in refused] == [Reason.TOO_MANY_OBJECTS]
        outcomes = estimator.estimate_clouds(clouds, settings=settings)
        assert model.batch_sizes == [3, 1]
        # The model puts objects 5 cm behind their clouds, which are 0.8, 1, 1.2 and 1.4 m away.
        assert [isinstance(o, ObjectEstimate) for o in outcomes] == [True, True, False, False]
        assert {o.reason for o in outcomes[2:]} == {Reason.OUTSIDE_WORKSPACE}
        assert len(outcomes[0].T_cam_candidates) == 7

    def test_clouds_of_ones_own_are_estimated_in_their_order(self, toy):
        frame = toy.frame(("mug", 100, 150, 0.8), ("can", 30, 40, 1.1))
        estimator = PoseEstimator(toy.model(), FAST)
        clouds = [
            object_cloud(frame.depth_m, frame.camera, i, FAST) for i in reversed(frame.instances)
        ]
        outcomes = estimator.estimate_clouds(clouds)
        assert [o.instance_id for o in outcomes] == [2, 1]
        expected = estimator.estimate(frame).estimates[0].T_cam_obj
        assert np.allclose(outcomes[1].T_cam_obj, expected, atol=1e-5)
        assert estimator.estimate_clouds([]) == []

    def test_the_timings_name_every_stage(self, toy):
        result = estimate(toy, toy.frame(("mug", 100, 150, 0.8)))
        assert tuple(result.timings_ms) == STAGES
        assert all(ms > 0 for ms in result.timings_ms.values())

    def test_warming_up_changes_no_estimate(self, toy):
        frame = toy.frame(("mug", 100, 150, 0.8))
        estimator = PoseEstimator(toy.model(), FAST)
        estimator.warm_up()
        assert np.array_equal(
            estimator.estimate(frame).estimates[0].T_cam_obj,
            estimate(toy, frame).estimates[0].T_cam_obj,
        )


class TestFromSettings:
    def test_missing_weights_are_named_in_the_error(self):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            PoseEstimator.from_settings(replace(FAST, weights="/nowhere/a.safetensors"))

    @pytest.mark.parametrize("device", ["gpu", "cuda:99"])
    def test_a_device_that_is_not_there_is_refused(self, device):
        with pytest.raises(ValueError, match="device"):
            PoseEstimator.from_settings(replace(FAST, device=device))

    def test_the_model_that_the_settings_name_is_loaded(self, tmp_path):
        from genpose_ros.networks import ReferencePoseModel, save_model

        path = tmp_path / "model.safetensors"
        model = ReferencePoseModel()
        save_model(model, path, {})
        estimator = PoseEstimator.from_settings(replace(FAST, weights=str(path), device="cpu"))
        assert not estimator.model.training
        loaded, expected = estimator.model.state_dict(), model.state_dict()
        assert loaded.keys() == expected.keys()
        assert all(torch.equal(loaded[name], value) for name, value in expected.items())

    @pytest.mark.parametrize(
        ("precision", "known", "expected"),
        [
            ("auto", True, True),
            ("auto", False, False),
            ("float32", True, False),
            ("bfloat16", False, True),
        ],
    )
    def test_the_precision_of_the_encoder_follows_the_settings_and_the_cpu(
        self, monkeypatch, tmp_path, precision, known, expected
    ):
        from genpose_ros.networks import LightPoseModel, save_model

        monkeypatch.setattr("genpose_ros.estimation.estimator.prefers_bf16", lambda device: known)
        path = tmp_path / "model.safetensors"
        save_model(LightPoseModel(), path, {})
        settings = replace(FAST, weights=str(path), device="cpu", encoder_precision=precision)
        assert PoseEstimator.from_settings(settings).model.encodes_in_bf16 is expected


class TestStart:
    """Candidates that start around known poses (paper section 3.3)."""

    def test_an_estimate_leaves_its_start_as_far_as_the_noise_allows(self, toy):
        deviation, sigma = 0.02, 0.05
        model = toy.model(deviation=deviation, with_energy=False)
        settings = replace(FAST, steps=400, start_sigma=sigma, keep_fraction=1.0, pooling="mean")
        frame = toy.frame(("mug", 100, 150, 0.8))
        estimator = PoseEstimator(model, settings)
        clouds, _ = estimator.object_clouds(frame)
        truth = np.eye(4)
        truth[:3, :3] = toy.pose
        truth[:3, 3] = clouds[0].points_cam.mean(axis=0)
        truth[2, 3] += 0.05
        start = truth.copy()
        start[:3, 3] += [0.03, 0, 0]
        (item,) = estimator.estimate_clouds(clouds, T_cam_start=start[None], settings=settings)
        # The exact flow shrinks offsets to s / sqrt(s^2 + sigma^2), down to sigma_min = 0.01, and
        # Tweedie's step takes the rest by s^2 / (s^2 + sigma_min^2); noise in opposite pairs
        # leaves the mean alone.
        left = math.sqrt((deviation**2 + 1e-4) / (deviation**2 + sigma**2))
        left *= deviation**2 / (deviation**2 + 1e-4)
        offset = item.T_cam_obj[:3, 3] - truth[:3, 3]
        assert offset == pytest.approx([0.03 * left, 0, 0], abs=2e-4)

    def test_the_mode_nearest_to_the_start_wins_over_a_larger_one(self, toy):
        other = toy.pose @ so3_exp(torch.tensor([0.0, 0.9, 0.0]).double())
        model = toy.model(
            rotation=torch.stack((toy.pose, other)),
            offset=torch.zeros(2, 3),
            weights=torch.tensor([0.3, 0.7]),
            deviation=0.02,
        )
        # So much noise that candidates of both modes are drawn.
        settings = replace(FAST, candidates=200, steps=20, start_sigma=1.0)
        estimator = PoseEstimator(model, settings)
        clouds, _ = estimator.object_clouds(toy.frame(("mug", 100, 150, 0.8)))
        start = np.eye(4)
        start[:3, :3], start[:3, 3] = toy.pose, clouds[0].points_cam.mean(axis=0)
        (item,) = estimator.estimate_clouds(clouds, T_cam_start=start[None], settings=settings)
        assert len(item.mode_shares) == 2
        assert rotation_error_deg(item.T_cam_obj[:3, :3], toy.pose, "mug") < 3

    @pytest.mark.parametrize("pooling", ["mean", "modes"])
    def test_axisymmetric_objects_keep_the_yaw_of_their_start(self, toy, pooling):
        turn = so3_exp(torch.tensor([0.0, 2.0, 0.0]).double())
        settings = replace(FAST, start_sigma=0.1, pooling=pooling)
        estimator = PoseEstimator(toy.model(), settings)
        clouds, _ = estimator.object_clouds(toy.frame(("bowl", 100, 150, 0.8)))
        start = np.eye(4)
        start[:3, :3], start[:3, 3] = toy.pose @ turn, clouds[0].points_cam.mean(axis=0)
        (item,) = estimator.estimate_clouds(clouds, T_cam_start=start[None])
        rotation = torch.from_numpy(item.T_cam_obj[:3, :3].copy())
        assert torch.allclose(rotation, pin_yaw(rotation, toy.pose @ turn), atol=1e-9)

    def test_more_starts_than_clouds_are_refused(self, toy):
        estimator = PoseEstimator(toy.model(), FAST)
        clouds, _ = estimator.object_clouds(toy.frame(("mug", 100, 150, 0.8)))
        with pytest.raises(ValueError, match="1 clouds need as many starts, got 2"):
            estimator.estimate_clouds(clouds, T_cam_start=np.stack([np.eye(4)] * 2))


class TestCandidatesThatAreNotFinite:
    @pytest.mark.parametrize("pooling", ["mean", "modes"])
    @pytest.mark.parametrize("category", ["mug", "bowl"])
    def test_candidates_that_are_not_finite_are_left_out(self, toy, pooling, category):
        settings = replace(FAST, keep_fraction=1.0, pooling=pooling)
        frame = toy.frame((category, 100, 150, 0.8))
        model = _Breaking(toy.model(), slice(0, 45))
        (item,) = estimate(toy, frame, model, settings).estimates
        assert len(item.T_cam_candidates) == 5
        assert item.mode_shares == (1.0,)
        assert rotation_error_deg(item.T_cam_obj[:3, :3], toy.pose, category) < 3
        assert item.T_cam_obj[2, 3] == pytest.approx(0.85, abs=0.02)
        assert np.sqrt(np.diag(item.covariance)[:3]).max() < 0.03

    def test_an_object_without_any_finite_candidate_is_refused(self, toy):
        model = _Breaking(toy.model(), slice(None))
        result = estimate(toy, toy.frame(("mug", 100, 150, 0.8)), model)
        assert [r.reason for r in result.rejections] == [Reason.NOT_FINITE]
        assert result.rejections[0].detail == "50 of 50 candidates not finite"


class _Breaking(torch.nn.Module):
    """A model some of whose candidates come out as NaN."""

    def __init__(self, model, broken: slice) -> None:
        super().__init__()
        self.model, self.broken = model, broken

    def decode_pose(self, pose, encoding):
        rotation, translation = (part.clone() for part in self.model.decode_pose(pose, encoding))
        rotation[:, self.broken] = torch.nan
        return rotation, translation

    def __getattr__(self, name):
        return super().__getattr__(name) if name == "model" else getattr(self.model, name)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The NOCS layout: genuine frames, and for each test of them a twin with frames written here."""

import pickle

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from genpose_ros.datasets import (
    MugOrigin,
    PoseSource,
    find_nocs_frames,
    has_detections,
    load_nocs_frame,
)
from genpose_ros.datasets.nocs_files import (
    NOCS_SPLITS,
    read_instance_ids,
    read_meta,
    read_object_depth_m,
    read_pickle,
)
from genpose_ros.datasets.nocs_truth import pose_from_coordinates
from genpose_ros.geometry import rotation_error_deg

NAME = "test/scene_1/0000"
SHIFT, FACTOR = np.array([0.1, 0.0, -0.02]), 1.25


def pose(rotation_deg=(200, 30, 10), translation=(0.05, -0.02, 0.9)) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("xyz", rotation_deg, degrees=True).as_matrix()
    T[:3, 3] = translation
    return T


MUG, CAN = pose(), pose((190, 0, 5), (-0.2, 0.1, 0.8))
SCALE_M = {1: 0.16, 4: 0.2}


def save(path, values) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".pkl":
        path.write_bytes(pickle.dumps(values, protocol=2))
    elif path.suffix == ".txt":
        path.write_text(values)
    else:
        Image.fromarray(values).save(path)


def rendered(split):
    """Ids, depth in millimetres and coordinate map of a mug (1) and a can (4), two ellipsoids."""
    camera = NOCS_SPLITS[split].camera
    rows, columns = np.mgrid[:480, :640]
    rays = np.stack(
        ((columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy, np.ones((480, 640))), -1
    )
    ids, depth = np.full((480, 640), 255, np.uint8), np.zeros((480, 640))
    coord = np.zeros((480, 640, 3))
    half_axes = np.array([0.35, 0.4, 0.2])
    for i, T in ((1, MUG), (4, CAN)):
        scale = SCALE_M[i] * half_axes
        o, d = -T[:3, :3].T @ T[:3, 3] / scale, rays @ T[:3, :3] / scale
        a, b, c = (d * d).sum(-1), d @ o, o @ o - 1
        hit = b * b > a * c
        z = (-b - np.sqrt(np.where(hit, b * b - a * c, 0))) / a
        ids[hit], depth[hit] = i, z[hit]
        coord[hit] = ((o + z[..., None] * d) * half_axes)[hit]
    coord[..., 2] *= -1
    return ids, np.round(1000 * depth).astype(np.uint16), np.round((coord + 0.5) * 255)


def write_frame(root, split="real_test", name=NAME) -> None:
    ids, depth_mm, coord = rendered(split)
    base, is_rendered = root / NOCS_SPLITS[split].dataset / name, NOCS_SPLITS[split].is_rendered
    rgba = np.full((480, 640, 4), 255, np.uint8)
    if is_rendered:
        rgba[..., 0], rgba[..., 1], rgba[..., 2] = ids, 7, 9
        save(base.with_name(base.name + "_mask.png"), rgba)
        coded = np.where(depth_mm > 0, depth_mm, 32001)
        rgba[..., 0], rgba[..., 1], rgba[..., 2] = coded % 256, coded // 256, 50
        save(base.with_name(base.name + "_depth.png"), rgba)
    else:
        save(base.with_name(base.name + "_mask.png"), ids)
        save(base.with_name(base.name + "_depth.png"), depth_mm)
    rgba[..., :3] = coord
    save(base.with_name(base.name + "_coord.png"), rgba)
    save(base.with_name(base.name + "_color.png"), np.full((480, 640, 4), 90, np.uint8))
    meta = "1 6 mug_a_norm\n2 0 box_norm\n3 2 bowl_norm\n4 4 can_b_norm\n"
    if is_rendered:
        meta = "1 6 03797390 mug_a_norm\n2 0 02954340 x\n3 2 02880940 y\n4 4 02946921 can_b_norm\n"
    save(base.with_name(base.name + "_meta.txt"), meta)


def label(**changes):
    content = {
        "class_ids": [4, 6],
        "bboxes": np.array([[1, 2, 30, 40], [5, 6, 70, 80]], np.int32),
        "scales": np.array([0.2, 0.16], np.float32),
        "rotations": np.stack((CAN, MUG))[:, :3, :3].astype(np.float32),
        "translations": np.stack((CAN, MUG))[:, :3, 3].astype(np.float32),
        "instance_ids": [4, 1],
        "model_list": ["can_b_norm", "mug_a_norm"],
        "size": np.array([[0.5, 0.8, 0.5], [0.7, 0.6, 0.5]]),
        "handle_visibility": np.array([0.0, 0.0]),
    }
    return {**content, **changes}


def gts(**changes):
    poses = np.stack((MUG, CAN))
    poses[0, :3, :3] *= SCALE_M[1]
    poses[1, :3, :3] *= SCALE_M[4]
    return {"gt_RTs": poses, "image_path": "elsewhere", **changes}


def close(a, b, degrees, metres) -> bool:
    angle = float(rotation_error_deg(a[:3, :3], b[:3, :3], "camera"))
    return angle < degrees and np.linalg.norm(a[:3, 3] - b[:3, 3]) < metres


@pytest.fixture
def root(tmp_path):
    write_frame(tmp_path)
    return tmp_path


@pytest.fixture
def nocs(shared):
    return shared / "nocs"


class TestGenuineFrames:
    def test_a_real_frame_has_poses_boxes_and_masks(self, nocs):
        assert find_nocs_frames(nocs, "real_test") == [NAME]
        frame = load_nocs_frame(nocs, "real_test", NAME)
        assert [(o.instance_id, o.category) for o in frame.objects] == [
            (1, "bowl"), (2, "can"), (3, "camera"), (4, "mug"), (5, "laptop"),
        ]  # fmt: skip
        assert frame.pose_source is PoseSource.GTS
        assert frame.detections is None
        assert frame.depth_m.max() == pytest.approx(1.167)
        for o in frame.objects:
            assert np.linalg.det(o.T_cam_obj[:3, :3]) == pytest.approx(1.0)
            points = frame.camera.back_project(frame.depth_m, frame.instance_ids == o.instance_id)
            inside = np.linalg.norm(points - o.T_cam_obj[:3, 3], axis=1) < 0.55 * o.scale_m
            assert inside.mean() > 0.8, o.category  # the rest is depth that bleeds at edges

    def test_camera_gts_have_boxes_sizes_and_the_table_behind(self, nocs):
        (name,) = find_nocs_frames(nocs, "val")
        frame = load_nocs_frame(nocs, "val", name)
        assert [(o.instance_id, o.category) for o in frame.objects] == [
            (1, "laptop"),
            (2, "laptop"),
        ]
        assert frame.objects[0].box.tolist() == [43, 419, 224, 582]
        assert frame.objects[0].size_m == pytest.approx(
            0.4070356 * np.array([0.52288, 0.442578, 0.728506])
        )
        assert (frame.depth_m > 0).mean() > 0.9
        alone = load_nocs_frame(nocs, "val", name, composed_depth=False)
        mask = frame.instance_ids > 0
        assert (alone.depth_m[~mask] == 0).all()
        assert np.array_equal(alone.depth_m[mask], frame.depth_m[mask])
        assert frame.color.shape == (480, 640, 3)

    @pytest.mark.parametrize(("split", "metres"), [("val", 0.0005), ("real_test", 0.02)])
    def test_coordinate_maps_agree_with_the_published_poses(self, nocs, tmp_path, split, metres):
        for part in ("CAMERA", "Real", "camera_full_depths"):
            (tmp_path / part).symlink_to(nocs / part)
        (name,) = find_nocs_frames(nocs, split)
        published = load_nocs_frame(nocs, split, name)
        derived = load_nocs_frame(tmp_path, split, name)
        assert derived.pose_source is PoseSource.COORDINATES
        assert len(derived.objects) == len(published.objects)
        for mine, true in zip(derived.objects, published.objects, strict=True):
            # Colours have 8 bits; the scale of real objects comes from their measured depth.
            assert close(mine.T_cam_obj, true.T_cam_obj, 0.1, metres), true.category
            assert mine.scale_m == pytest.approx(true.scale_m, rel=0.02)

    def test_a_known_size_makes_derived_distances_exact(self, nocs, tmp_path):
        for part in ("CAMERA", "Real"):
            (tmp_path / part).symlink_to(nocs / part)
        published = load_nocs_frame(nocs, "real_test", NAME)
        for o in published.objects:
            edges = o.scale_m * np.array([0.6, 0.64, 0.48])
            path = tmp_path / "obj_models" / "real_test" / f"{o.model}.txt"
            save(path, " ".join(map(str, edges)))
        derived = load_nocs_frame(tmp_path, "real_test", NAME)
        for mine, true in zip(derived.objects, published.objects, strict=True):
            assert close(mine.T_cam_obj, true.T_cam_obj, 0.1, 0.001), true.category

    @pytest.mark.parametrize("split", ["camera_train", "real_train"])
    def test_training_frames_without_label_have_poses_from_coordinates(self, nocs, split):
        (name,) = find_nocs_frames(nocs, split)
        frame = load_nocs_frame(nocs, split, name)
        assert frame.pose_source is PoseSource.COORDINATES
        for o in frame.objects:
            u, v = frame.camera.project(o.T_cam_obj[:3, 3])
            top, left, bottom, right = o.box
            assert top - 20 < v < bottom + 60
            assert left - 20 < u < right + 20
            # All objects of these frames stand: up in the object is up in the image.
            assert o.T_cam_obj[1, 1] < -0.5

    def test_every_published_ground_truth_can_be_read(self, nocs):
        files = sorted((nocs / "gts").rglob("*.pkl"))
        assert len(files) == 4
        assert all(read_pickle(f)["gt_RTs"].shape[1:] == (4, 4) for f in files)


class TestLabels:
    def test_the_label_is_taken_before_other_sources(self, root):
        save(root / "Real" / "test" / "scene_1" / "0000_label.pkl", label())
        frame = load_nocs_frame(root, "real_test", NAME, mug_origin=MugOrigin.BODY)
        can, mug = frame.objects
        assert frame.pose_source is PoseSource.LABEL
        assert (can.instance_id, can.category, can.model) == (4, "can", "can_b_norm")
        assert close(can.T_cam_obj, CAN, 1e-4, 1e-7)
        assert can.box.tolist() == [1, 2, 30, 40]
        assert can.size_m == pytest.approx([0.1, 0.16, 0.1])
        assert (can.handle_visible, mug.handle_visible) == (False, False)
        masks = {i.id: i.mask for i in frame.to_frame().instances}
        assert np.array_equal(masks[1], frame.instance_ids == 1)

    def test_training_labels_have_neither_size_nor_handle(self, root):
        content = label(class_ids=[4, 4])
        del content["size"], content["handle_visibility"]
        save(root / "Real" / "test" / "scene_1" / "0000_label.pkl", content)
        can, _ = load_nocs_frame(root, "real_test", NAME).objects
        assert can.size_m is None
        assert can.handle_visible is None

    @pytest.mark.parametrize(
        "content", [[1], label(scales=np.ones(3)), label(class_ids=[4, 9]), {"class_ids": [1]}]
    )
    def test_a_damaged_label_is_named(self, root, content):
        save(root / "Real" / "test" / "scene_1" / "0000_label.pkl", content)
        with pytest.raises(ValueError, match=r"0000_label\.pkl is not a NOCS label"):
            load_nocs_frame(root, "real_test", NAME)


class TestGts:
    def write(self, root, content, name="results_real_test_scene_1_0000.pkl"):
        save(root / "gts" / "real_test" / name, content)

    def test_objects_lie_where_their_poses_say(self, root):
        self.write(root, gts())
        frame = load_nocs_frame(root, "real_test", NAME)
        for o in frame.objects:
            assert np.linalg.det(o.T_cam_obj[:3, :3]) == pytest.approx(1.0)
            points = frame.camera.back_project(frame.depth_m, frame.instance_ids == o.instance_id)
            # The longest half axis; depth is rounded to millimetres.
            apart = np.linalg.norm(points - o.T_cam_obj[:3, 3], axis=1)
            assert apart.max() < 0.4 * o.scale_m + 0.001, o.category

    def test_camera_gts_have_boxes_sizes_and_the_table_behind(self, tmp_path):
        name, sizes = "val/00000/0000", np.array([[0.7, 0.8, 0.4], [0.5, 0.8, 0.5]])
        write_frame(tmp_path, "val", name)
        _, depth_mm, _ = rendered("val")
        composed = np.where(depth_mm > 0, depth_mm, 1500).astype(np.uint16)
        save(tmp_path / "camera_full_depths" / "val" / "0000_composed.png", composed)
        without = load_nocs_frame(tmp_path, "val", name)
        content = gts(
            gt_class_ids=np.array([6, 4]),
            gt_bboxes=np.stack([o.box for o in without.objects]),
            gt_scales=sizes,
        )
        save(tmp_path / "gts" / "val" / "results_val_00000_0000.pkl", content)
        frame = load_nocs_frame(tmp_path, "val", name)
        assert (without.pose_source, frame.pose_source) == (PoseSource.COORDINATES, PoseSource.GTS)
        for o, known, size in zip(frame.objects, without.objects, sizes, strict=True):
            assert np.array_equal(o.box, known.box)
            assert o.size_m == pytest.approx(SCALE_M[o.instance_id] * size)
        alone = load_nocs_frame(tmp_path, "val", name, composed_depth=False)
        mask = frame.instance_ids > 0
        assert (frame.depth_m > 0).all()
        assert (alone.depth_m[~mask] == 0).all()
        assert np.array_equal(alone.depth_m[mask], frame.depth_m[mask])
        assert frame.color.shape == (480, 640, 3)

    @pytest.mark.parametrize("stem", ["real_test", "test"])
    def test_gts_without_boxes_are_taken_in_the_order_of_the_mask(self, root, stem):
        self.write(root, gts(), f"results_{stem}_scene_1_0000.pkl")
        frame = load_nocs_frame(root, "real_test", NAME)
        assert frame.pose_source is PoseSource.GTS
        # The bowl is not in the image, the box is a distractor.
        mug, can = frame.objects
        assert (mug.category, can.category) == ("mug", "can")
        assert close(mug.T_cam_obj, MUG, 1e-6, 1e-9)
        assert can.scale_m == pytest.approx(0.2)

    def test_gts_with_classes_and_boxes_are_matched_by_them(self, root):
        boxes = [o.box for o in load_nocs_frame(root, "real_test", NAME).objects]
        mixed = gts(
            gt_RTs=gts()["gt_RTs"][[1, 0]],
            gt_class_ids=np.array([4, 6]),
            gt_bboxes=np.stack((boxes[1] + 1, boxes[0])),
            handle_visibility=np.array([1.0, 0.0]),
        )
        self.write(root, mixed)
        mug, can = load_nocs_frame(root, "real_test", NAME).objects
        assert close(mug.T_cam_obj, MUG, 1e-6, 1e-9)
        assert close(can.T_cam_obj, CAN, 1e-6, 1e-9)
        assert (mug.handle_visible, can.handle_visible) == (False, True)

    @pytest.mark.parametrize("change", ["one less", "swapped", "other boxes"])
    def test_gts_that_do_not_fit_the_mask_are_not_taken(self, root, change):
        poses = gts()["gt_RTs"]
        content = {
            "one less": gts(gt_RTs=poses[:1]),
            "swapped": gts(gt_RTs=poses[[1, 0]]),
            "other boxes": gts(gt_class_ids=np.array([6, 4]), gt_bboxes=np.zeros((2, 4), int)),
        }[change]
        self.write(root, content)
        frame = load_nocs_frame(root, "real_test", NAME)
        assert frame.pose_source is PoseSource.COORDINATES
        assert close(frame.objects[0].T_cam_obj, MUG, 0.3, 0.003)


class TestCoordinates:
    @pytest.mark.parametrize("split", NOCS_SPLITS)
    def test_poses_follow_from_the_coordinate_map(self, tmp_path, split):
        scene = "00000" if NOCS_SPLITS[split].is_rendered else "scene_1"
        name = f"{NOCS_SPLITS[split].part}/{scene}/0000"
        write_frame(tmp_path, split, name)
        assert find_nocs_frames(tmp_path, split) == [name]
        frame = load_nocs_frame(tmp_path, split, name, composed_depth=False)
        assert frame.pose_source is PoseSource.COORDINATES
        for o, T in zip(frame.objects, (MUG, CAN), strict=True):
            assert close(o.T_cam_obj, T, 0.3, 0.003)
            assert o.scale_m == pytest.approx(SCALE_M[o.instance_id], rel=0.003)

    def test_a_known_size_makes_derived_distances_exact(self, root):
        _, depth_mm, _ = rendered("real_test")
        path = root / "Real" / "test" / "scene_1" / "0000_depth.png"
        save(path, np.round(1.03 * depth_mm).astype(np.uint16))  # a camera that measures 3 % more
        far = load_nocs_frame(root, "real_test", NAME).objects
        for o in far:
            # Edges whose diagonal is the unit.
            edges = SCALE_M[o.instance_id] * np.array([0.6, 0.64, 0.48])
            size = root / "obj_models" / "real_test" / f"{o.model}.txt"
            save(size, " ".join(map(str, edges)))
        exact = load_nocs_frame(root, "real_test", NAME).objects
        for measured, known, T in zip(far, exact, (MUG, CAN), strict=True):
            apart = np.linalg.norm(measured.T_cam_obj[:3, 3] - T[:3, 3])
            assert apart == pytest.approx(0.03 * np.linalg.norm(T[:3, 3]), abs=0.003)
            assert close(known.T_cam_obj, T, 0.3, 0.003)
            assert known.scale_m == pytest.approx(SCALE_M[known.instance_id], rel=1e-3)

    def test_the_error_of_a_frame_without_poses_names_all_sources(self, root):
        (root / "Real" / "test" / "scene_1" / "0000_coord.png").unlink()
        with pytest.raises(
            FileNotFoundError, match=r"_coord\.png is missing.*0000_label\.pkl.*gts"
        ):
            load_nocs_frame(root, "real_test", NAME)

    def test_random_coordinates_are_refused(self):
        rng = np.random.default_rng(0)
        pixels = rng.uniform(0, 400, (300, 2))
        with pytest.raises(ValueError, match="no pose fits"):
            pose_from_coordinates(
                rng.uniform(-0.5, 0.5, (300, 3)), pixels, np.ones(300), NOCS_SPLITS["val"].camera
            )
        with pytest.raises(ValueError, match="no pose fits"):
            pose_from_coordinates(
                np.zeros((2, 3)), pixels[:2], np.ones(2), NOCS_SPLITS["val"].camera
            )


class TestMugOrigin:
    def test_a_mug_s_origin_moved_there_and_back_is_unchanged(self, root):
        save(root / "gts" / "real_test" / "results_real_test_scene_1_0000.pkl", gts())
        save(root / "obj_models" / "mug_meta.pkl", {"mug_a_norm": [SHIFT, FACTOR]})
        box, can = load_nocs_frame(root, "real_test", NAME).objects
        body, same = load_nocs_frame(root, "real_test", NAME, mug_origin=MugOrigin.BODY).objects
        assert np.array_equal(same.T_cam_obj, can.T_cam_obj)
        # The same model point, in either frame's units, is at the same place.
        p = np.array([0.2, -0.1, 0.3])
        in_box = box.T_cam_obj[:3, :3] @ (box.scale_m * p) + box.T_cam_obj[:3, 3]
        q = FACTOR * (p + SHIFT)
        in_body = body.T_cam_obj[:3, :3] @ (body.scale_m * q) + body.T_cam_obj[:3, 3]
        assert in_body == pytest.approx(in_box, abs=1e-12)

        as_label = label(
            translations=np.stack((CAN[:3, 3], body.T_cam_obj[:3, 3])),
            scales=np.array([0.2, body.scale_m]),
            rotations=np.stack((CAN, MUG))[:, :3, :3],
        )
        save(root / "Real" / "test" / "scene_1" / "0000_label.pkl", as_label)
        back = load_nocs_frame(root, "real_test", NAME).objects[1]
        assert back.T_cam_obj == pytest.approx(box.T_cam_obj, abs=1e-12)
        assert back.scale_m == pytest.approx(box.scale_m)

    def test_the_error_of_missing_mug_shifts_says_how_to_make_them(self, root):
        save(root / "Real" / "test" / "scene_1" / "0000_label.pkl", label())
        with pytest.raises(FileNotFoundError, match=r"mug_meta\.pkl.*shape_data\.py.*'body'"):
            load_nocs_frame(root, "real_test", NAME)
        load_nocs_frame(root, "real_test", NAME, mug_origin=MugOrigin.BODY)

    @pytest.mark.parametrize("content", [{"another": [SHIFT, 1.0]}, [1], {"mug_a_norm": 3}])
    def test_mug_shifts_that_cannot_be_used_are_refused(self, root, content):
        save(root / "obj_models" / "mug_meta.pkl", content)
        with pytest.raises(ValueError, match="mug_meta"):
            load_nocs_frame(root, "real_test", NAME, mug_origin=MugOrigin.BODY)


class TestDetections:
    def write(self, root, stem="test", **changes):
        masks = np.zeros((480, 640, 3), np.uint8)
        masks[10:20, 30:50, 1] = 1
        content = {
            "class_ids": np.array([0, 6, 4], np.int32),
            "rois": np.array([[0, 0, 1, 1], [10, 30, 20, 50], [0, 0, 9, 9]], np.int32),
            "masks": masks,
            "scores": np.array([0.5, 0.75, 0.25], np.float32),
        }
        path = root / "mrcnn_results" / "real_test" / f"results_{stem}_scene_1_0000.pkl"
        save(path, {**content, **changes})

    @pytest.mark.parametrize("stem", ["test", "real_test"])
    def test_detections_are_read_where_there_are_some(self, root, stem):
        assert not has_detections(root, "real_test")
        self.write(root, stem)
        assert has_detections(root, "real_test")
        frame = load_nocs_frame(root, "real_test", NAME)
        mug, can = frame.to_frame().instances  # the background's is left out
        assert (mug.category, mug.detection_score, can.category) == ("mug", 0.75, "can")
        assert mug.mask.dtype == bool
        assert mug.mask.sum() == 200
        assert frame.detections[0].box.tolist() == [10, 30, 20, 50]

    def test_a_frame_without_detections_has_none(self, root):
        self.write(root, class_ids=np.zeros(0, np.int32), masks=np.zeros((0, 28, 28)))
        assert load_nocs_frame(root, "real_test", NAME).detections == ()

    def test_a_missing_detection_file_is_named(self, root):
        (root / "mrcnn_results" / "real_test").mkdir(parents=True)
        with pytest.raises(FileNotFoundError, match=r"results_test_scene_1_0000\.pkl.*Mask R-CNN"):
            load_nocs_frame(root, "real_test", NAME)

    def test_detected_masks_of_another_size_are_refused(self, root):
        self.write(root, masks=np.zeros((100, 640, 3)))
        with pytest.raises(ValueError, match=r"not a result of the detector.*shape"):
            load_nocs_frame(root, "real_test", NAME)


class TestFiles:
    def test_listed_frames_are_taken(self, root):
        save(root / "Real" / "test_list.txt", "test/scene_2/0007\ntest/scene_1/0000\n")
        assert find_nocs_frames(root, "real_test") == ["test/scene_2/0007", NAME]
        save(root / "Real" / "test_list.txt", "somewhere/0000\n")
        with pytest.raises(ValueError, match="expected test/SCENE/NUMBER"):
            find_nocs_frames(root, "real_test")
        save(root / "Real" / "test_list.txt", "\n")
        with pytest.raises(FileNotFoundError, match="names no frame"):
            find_nocs_frames(root, "real_test")

    def test_without_a_list_incomplete_frames_are_left_out(self, root):
        write_frame(root, name="test/scene_1/0001")
        assert find_nocs_frames(root, "real_test") == [NAME, "test/scene_1/0001"]
        (root / "Real" / "test" / "scene_1" / "0001_color.png").unlink()
        assert find_nocs_frames(root, "real_test") == [NAME]

    def test_the_error_of_an_empty_folder_says_how_to_get_the_data(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"Real/test_list\.txt.*NOCS project page"):
            find_nocs_frames(tmp_path, "real_test")
        with pytest.raises(ValueError, match="camera_train, val, real_train, real_test"):
            find_nocs_frames(tmp_path, "test")

    @pytest.mark.parametrize("name", ["mask.png", "depth.png", "color.png", "meta.txt"])
    def test_a_missing_file_is_named_with_its_source(self, root, name):
        (root / "Real" / "test" / "scene_1" / f"0000_{name}").unlink()
        with pytest.raises(FileNotFoundError, match=f"0000_{name} is missing: unpack the images"):
            load_nocs_frame(root, "real_test", NAME)

    def test_camera_needs_composed_depth_of_the_same_frame(self, tmp_path):
        name = "val/00000/0000"
        write_frame(tmp_path, "val", name)
        with pytest.raises(FileNotFoundError, match=r"_composed\.png.*camera_composed_depth\.zip"):
            load_nocs_frame(tmp_path, "val", name)
        _, depth_mm, _ = rendered("val")
        composed = np.where(depth_mm > 0, depth_mm, 1500).astype(np.uint16)
        flat = tmp_path / "camera_full_depths" / "val" / "0000_composed.png"
        save(flat, composed + 30)
        with pytest.raises(ValueError, match="is not of frame"):
            load_nocs_frame(tmp_path, "val", name)
        save(flat, composed)
        assert load_nocs_frame(tmp_path, "val", name).depth_m[0, 0] == pytest.approx(1.5)
        save(flat.parent / "00000" / flat.name, composed + 30)
        assert load_nocs_frame(tmp_path, "val", name).depth_m[0, 0] == pytest.approx(1.53)

    def test_depth_in_colours_does_not_overflow(self, tmp_path):
        rgb = np.array([[[232, 3, 50], [1, 125, 255], [255, 124, 0]]], np.uint8)
        save(tmp_path / "depth.png", rgb)
        depth_m = read_object_depth_m(tmp_path / "depth.png")
        assert depth_m.dtype == np.float32
        assert depth_m[0].tolist() == pytest.approx([1.0, 0.0, 31.999])

    def test_masks_of_one_and_of_four_channels_are_read(self, tmp_path):
        ids = np.array([[1, 255, 7]], np.uint8)
        save(tmp_path / "one_mask.png", ids)
        save(tmp_path / "four_mask.png", np.dstack((ids, ids * 0, ids * 0, ids * 0 + 255)))
        for name in ("one_mask.png", "four_mask.png"):
            assert read_instance_ids(tmp_path / name).tolist() == [[1, 0, 7]]

    def test_images_of_another_size_are_refused(self, root):
        save(root / "Real" / "test" / "scene_1" / "0000_color.png", np.zeros((4, 6, 3), np.uint8))
        with pytest.raises(ValueError, match="colour image"):
            load_nocs_frame(root, "real_test", NAME)

    @pytest.mark.parametrize("line", ["1 2", "x 2 bowl", "1 7 phone"])
    def test_a_line_that_is_no_meta_row_is_refused(self, tmp_path, line):
        save(tmp_path / "0000_meta.txt", f"1 2 bowl\n\n{line}\n")
        with pytest.raises(ValueError, match="expected"):
            read_meta(tmp_path / "0000_meta.txt")


class TestPickles:
    @pytest.mark.parametrize("content", [b"", b"nothing", b"\x80\x02}q\x00"])
    def test_a_damaged_pickle_is_named(self, tmp_path, content):
        (tmp_path / "x.pkl").write_bytes(content)
        with pytest.raises(ValueError, match=r"x\.pkl cannot be read"):
            read_pickle(tmp_path / "x.pkl")

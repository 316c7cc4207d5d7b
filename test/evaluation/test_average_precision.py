# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Average precision: against a plain implementation of the rules, and by hand."""

import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.evaluation import (
    DetectedPoses,
    TruePoses,
    box_overlap,
    box_overlap_3d,
    pose_average_precision,
    precision_recall_area,
)
from genpose_ros.geometry import CATEGORIES

BOX = (10, 10, 30, 40)
ELSEWHERE = (100, 100, 130, 150)
LIMITS = ((5, 2), (5, 5), (10, 2), (10, 5))


def pose(y_deg=0.0, x_deg=0.0, cm=0.0, scale=1.0) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = scale * Rotation.from_euler("yx", (y_deg, x_deg), degrees=True).as_matrix()
    T[:3, 3] = (0.01 * cm, 0, 1)
    return T


def columns(rows, count):
    return [np.array(column) for column in zip(*rows, strict=True)] if rows else [None] * count


def truths(*rows) -> TruePoses:
    """From rows of image, category, pose, box, handle."""
    image, category, T, box, handle = columns(rows, 5)
    category = np.array([CATEGORIES.index(c) for c in category])
    return TruePoses(image, category, T, box.astype(float), handle.astype(bool))


def detections(*rows) -> DetectedPoses:
    """From rows of image, category, pose, box, score."""
    if not rows:
        none = np.zeros(0)
        return DetectedPoses(none, none, np.zeros((0, 4, 4)), np.zeros((0, 4)), none)
    image, category, T, box, score = columns(rows, 5)
    category = np.array([CATEGORIES.index(c) for c in category])
    return DetectedPoses(image, category, T, box.astype(float), score.astype(float))


def evaluate(detected, true, name, limits=LIMITS):
    result = pose_average_precision(detections(*detected), truths(*true), limits)
    return result.categories[name]


class TestByHand:
    @pytest.mark.parametrize("name", ["bottle", "bowl", "can"])
    def test_a_turn_about_y_is_no_error_of_symmetric_shapes(self, name):
        found = [(0, name, pose(y_deg=77), BOX, 0.9)]
        assert evaluate(found, [(0, name, pose(), BOX, 1)], name).strict.tolist() == [1, 1, 1, 1]

    @pytest.mark.parametrize("name", ["camera", "laptop"])
    def test_a_turn_about_y_is_an_error_of_asymmetric_shapes(self, name):
        found = [(0, name, pose(y_deg=7), BOX, 0.9)]
        # Whatever the handle column says: it is of mugs alone.
        result = evaluate(found, [(0, name, pose(), BOX, 0)], name)
        assert result.official.tolist() == [0, 0, 1, 1]

    def test_a_tilt_is_an_error_of_symmetric_shapes(self):
        found = [(0, "can", pose(x_deg=7), BOX, 0.9)]
        result = evaluate(found, [(0, "can", pose(), BOX, 1)], "can")
        assert result.official.tolist() == [0, 0, 1, 1]

    def test_the_handle_decides_for_each_mug_by_itself(self):
        found = [
            (0, "mug", pose(y_deg=90), BOX, 0.9),
            (1, "mug", pose(y_deg=90), BOX, 0.8),
        ]
        true = [(0, "mug", pose(), BOX, 1), (1, "mug", pose(), BOX, 0)]
        # The first, with a visible handle, is wrong: right at rank 2 of 2, recall 1 of 2.
        assert evaluate(found, true, "mug").official.tolist() == [0.25] * 4

    def test_scale_in_both_rotations_is_divided_out(self):
        found = [(0, "laptop", pose(y_deg=4, scale=0.3), BOX, 0.9)]
        true = [(0, "laptop", pose(scale=0.45), BOX, 1)]
        assert evaluate(found, true, "laptop").strict.tolist() == [1, 1, 1, 1]

    def test_limits_include_their_ends(self):
        exactly = [(0, "camera", pose(cm=2.0), BOX, 0.9)]
        true = [(0, "camera", pose(), BOX, 1)]
        assert evaluate(exactly, true, "camera", [(5, 2.0 + 1e-12)]).official.tolist() == [1]
        assert evaluate(exactly, true, "camera", [(5, 2.0 - 1e-9)]).official.tolist() == [0]
        still = [(0, "camera", pose(), BOX, 0.9)]
        assert evaluate(still, true, "camera", [(0, 0)]).official.tolist() == [1]

    def test_a_missed_object_counts_in_strict_matching_alone(self):
        found = [(0, "can", pose(), BOX, 0.9)]
        true = [(0, "can", pose(), BOX, 1), (1, "can", pose(), BOX, 1)]
        result = evaluate(found, true, "can")
        assert result.official.tolist() == [1, 1, 1, 1]
        assert result.strict.tolist() == [0.5] * 4
        assert (result.truths, result.detections, result.matched) == (2, 1, 1)

    def test_a_category_that_is_never_found_scores_zero(self):
        result = pose_average_precision(
            detections((0, "can", pose(), BOX, 0.9)),
            truths((0, "can", pose(), BOX, 1), (0, "mug", pose(), ELSEWHERE, 1)),
            LIMITS,
        )
        assert result.categories["mug"].official.tolist() == [0] * 4
        assert result.mean("official").tolist() == [0.5] * 4
        assert result.mean("strict").tolist() == [0.5] * 4

    def test_a_second_detection_of_the_same_object_counts_as_false(self):
        found = [(0, "bowl", pose(), BOX, 0.9), (0, "bowl", pose(), BOX, 0.95)]
        second = [(1, "bowl", pose(), BOX, 0.5)]
        true = [(0, "bowl", pose(), BOX, 1), (1, "bowl", pose(), BOX, 1)]
        result = evaluate(found + second, true, "bowl")
        assert result.official.tolist() == [1] * 4
        # Ranks: right, false, right; recall 1/2 at precision 1, 1 at 2/3.
        assert result.strict == pytest.approx([0.5 * 1 + 0.5 * 2 / 3] * 4)

    def test_the_better_scored_duplicate_takes_the_object_even_when_it_is_wrong(self):
        found = [(0, "can", pose(cm=30), BOX, 0.9), (0, "can", pose(), BOX, 0.8)]
        result = evaluate(found, [(0, "can", pose(), BOX, 1)], "can")
        assert result.official.tolist() == [0] * 4
        assert result.strict.tolist() == [0] * 4

    def test_a_false_detection_costs_by_its_rank(self):
        true = [(0, "can", pose(), BOX, 1)]
        for score, expected in ((0.95, 0.5), (0.1, 1.0)):
            found = [(0, "can", pose(), BOX, 0.5), (0, "can", pose(), ELSEWHERE, score)]
            result = evaluate(found, true, "can")
            assert result.strict.tolist() == [expected] * 4
            assert result.official.tolist() == [1] * 4

    def test_equal_scores_keep_their_order(self):
        true = [(i, "can", pose(), BOX, 1) for i in range(2)]
        right, wrong = pose(), pose(cm=30)
        for poses, expected in (((right, wrong), 0.5), ((wrong, right), 0.25)):
            found = [(i, "can", T, BOX, 0.7) for i, T in enumerate(poses)]
            assert evaluate(found, true, "can").official.tolist() == [expected] * 4

    def test_neither_another_image_nor_another_category_matches(self):
        found = [(1, "can", pose(), BOX, 0.9), (0, "mug", pose(), BOX, 0.9)]
        result = evaluate(found, [(0, "can", pose(), BOX, 1)], "can")
        assert result.matched == 0
        assert result.strict.tolist() == [0] * 4

    def test_boxes_that_overlap_by_exactly_a_tenth_do_not_match(self):
        true = [(0, "can", pose(), (0, 0, 10, 10), 1)]
        for height, matched in ((1.0, 0), (1.01, 1)):
            found = [(0, "can", pose(), (0, 0, height, 10), 0.9)]
            assert evaluate(found, true, "can").matched == matched

    def test_among_overlapping_boxes_poses_decide_the_match(self):
        # Boxes of two objects, swapped by the detector; the reference matches anew by pose.
        true = [(0, "can", pose(cm=0), BOX, 1), (0, "can", pose(cm=20), ELSEWHERE, 1)]
        found = [(0, "can", pose(cm=20), BOX, 0.9), (0, "can", pose(cm=0), ELSEWHERE, 0.8)]
        assert evaluate(found, true, "can").official.tolist() == [1] * 4

    def test_a_detection_without_an_estimate_is_wrong_not_left_out(self):
        none = np.full((4, 4), np.nan)
        found = [(0, "can", none, BOX, 0.9), (1, "can", pose(), BOX, 0.8)]
        true = [(i, "can", pose(), BOX, 1) for i in range(2)]
        result = evaluate(found, true, "can")
        assert result.matched == 2
        assert result.official.tolist() == [0.25] * 4

    def test_precision_is_zero_without_detections(self):
        result = evaluate([], [(0, "can", pose(), BOX, 1)], "can")
        assert result.official.tolist() == [0] * 4
        assert result.strict.tolist() == [0] * 4


class TestPrecisionRecallArea:
    def test_precision_is_the_best_at_this_or_higher_recall(self):
        right = np.array([False, True, True, False, True])
        score = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
        # Precisions at the hits: 1/2, 2/3, 3/5; interpolated 2/3, 2/3, 3/5; 4 true objects.
        assert precision_recall_area(right, score, 4) == pytest.approx((2 / 3 + 2 / 3 + 3 / 5) / 4)

    def test_detections_are_ordered_by_their_scores(self):
        right, score = np.array([True, False]), np.array([0.1, 0.2])
        assert precision_recall_area(right, score, 1) == pytest.approx(0.5)

    def test_the_area_is_zero_without_detections_or_truths(self):
        assert precision_recall_area(np.zeros((3, 0), bool), np.zeros(0), 5).tolist() == [0, 0, 0]
        assert precision_recall_area(np.zeros(2, bool), np.zeros(2), 0) == 0


class TestOverlap:
    def test_image_boxes_overlap_by_intersection_over_union(self):
        a = np.array([0, 0, 10, 10.0])
        b = np.array([[0, 5, 10, 15.0], [0, 10, 10, 20], [0, 0, 10, 10], [2, 2, 4, 4]])
        assert box_overlap(a, b) == pytest.approx([1 / 3, 0, 1, 0.04])
        assert box_overlap(np.zeros(4), np.zeros(4)) == 0

    def test_space_boxes_overlap_by_intersection_over_union(self):
        size = np.array([0.1, 0.2, 0.1])
        assert box_overlap_3d(pose(), size, pose(cm=5), size, False) == pytest.approx(1 / 3)
        assert box_overlap_3d(pose(), size, pose(cm=11), size, False) == 0
        assert box_overlap_3d(np.full((4, 4), np.nan), size, pose(), size, False) == 0

    def test_a_turn_about_y_does_not_change_the_overlap_of_symmetric_shapes(self):
        size = np.array([0.1, 0.2, 0.1])
        turned = box_overlap_3d(pose(y_deg=36), size, pose(), size, True)
        assert turned == pytest.approx(1.0)
        assert box_overlap_3d(pose(y_deg=36), size, pose(), size, False) < 0.8

    def test_matching_by_space_boxes_needs_sizes(self):
        found, true = detections((0, "can", pose(), BOX, 1)), truths((0, "can", pose(), BOX, 1))
        with pytest.raises(ValueError, match="sizes"):
            pose_average_precision(found, true, boxes="3d")
        with pytest.raises(ValueError, match="2d or 3d"):
            pose_average_precision(found, true, boxes="4d")

    def test_space_boxes_match_where_image_boxes_do_not(self):
        size = np.full((1, 3), 0.1)
        found = detections((0, "can", pose(cm=1), BOX, 1))
        true = truths((0, "can", pose(), ELSEWHERE, 1))
        found = DetectedPoses(**{**vars(found), "size_m": size})
        true = TruePoses(**{**vars(true), "size_m": size})
        assert pose_average_precision(found, true, boxes="3d").mean("strict").tolist() == [1] * 4
        assert pose_average_precision(found, true, boxes="2d").mean("strict").tolist() == [0] * 4


def test_arrays_of_wrong_shape_and_scores_that_are_not_finite_are_refused():
    good = detections((0, "can", pose(), BOX, 1))
    with pytest.raises(ValueError, match="box"):
        DetectedPoses(**{**vars(good), "box": np.zeros((2, 4))})
    with pytest.raises(ValueError, match="finite"):
        DetectedPoses(**{**vars(good), "score": np.array([np.nan])})


def test_json_has_per_cent_per_matching_category_and_limit():
    found = detections((0, "can", pose(cm=3), BOX, 0.9))
    true = truths((0, "can", pose(), BOX, 1), (1, "can", pose(), BOX, 1))
    content = pose_average_precision(found, true).to_json()
    official = {"5d2cm": 0.0, "5d5cm": 100.0, "10d2cm": 0.0, "10d5cm": 100.0}
    assert content["official"] == {"can": official, "mean": official}
    assert content["strict"]["mean"]["10d5cm"] == 50.0
    assert content["counts"] == {"can": {"truths": 2, "detections": 1, "matched": 1}}


# The rules once more, plainly: loops over images, detections and true objects.


def plain_error(est, true, name, handle):
    Ra, Rb = (T[:3, :3] / np.cbrt(np.linalg.det(T[:3, :3])) for T in (est, true))
    if name in ("bottle", "bowl", "can") or (name == "mug" and not handle):
        cosine = float(Ra[:, 1] @ Rb[:, 1])
    else:
        cosine = (float(np.trace(Ra.T @ Rb)) - 1) / 2
    degrees = math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
    return degrees, 100 * math.dist(est[:3, 3], true[:3, 3])


def plain_overlap(a, b):
    high = min(a[2], b[2]) - max(a[0], b[0])
    wide = min(a[3], b[3]) - max(a[1], b[1])
    if high <= 0 or wide <= 0:
        return 0.0
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return high * wide / (both - high * wide)


def plain_area(hits, n):
    points, right = [], 0
    for rank, hit in enumerate(hits, 1):
        right += hit
        points.append((right / n, right / rank))
    area, before = 0.0, 0.0
    for recall in sorted({r for r, _ in points if r > 0}):
        area += (recall - before) * max(p for r, p in points if r >= recall)
        before = recall
    return area


def plain(found, true, name, limit):
    found = sorted((d for d in found if d[1] == name), key=lambda d: -d[4])
    true = [t for t in true if t[1] == name]
    box_of, taken = {}, set()
    for i, d in enumerate(found):
        options = [
            (plain_overlap(d[3], t[3]), j)
            for j, t in enumerate(true)
            if t[0] == d[0] and j not in taken
        ]
        best = max(options, default=(0, None))
        if best[0] > 0.1:
            box_of[i] = best[1]
            taken.add(best[1])
    hits, used = [], set()
    for i, d in enumerate(found):
        options = []
        for j in taken - used:
            if i in box_of and true[j][0] == d[0]:
                degrees, centimetres = plain_error(d[2], true[j][2], name, true[j][4])
                if degrees <= limit[0] and centimetres <= limit[1]:
                    options.append((degrees + centimetres, j))
        hits.append(bool(options))
        if options:
            used.add(min(options)[1])
    strict = plain_area(hits, len(true))
    kept = [h for i, h in enumerate(hits) if i in box_of]
    return (plain_area(kept, len(kept)) if kept else 0.0), strict


@pytest.mark.parametrize("seed", range(12))
def test_precision_equals_a_plain_implementation_of_the_rules(seed):
    rng = np.random.default_rng(seed)
    true, found = [], []
    for image in range(25):
        for _ in range(rng.integers(0, 5)):
            name = CATEGORIES[rng.integers(6) if seed % 2 else rng.integers(5, 6)]
            corner = rng.uniform(0, 60, 2)
            box = np.concatenate((corner, corner + rng.uniform(10, 60, 2)))
            y, x = rng.uniform(0, 360, 2)
            T = pose(y, x, rng.uniform(0, 8), rng.uniform(0.1, 1))
            true.append((image, name, T, box, rng.integers(2)))
            for _ in range(rng.choice([0, 1, 1, 1, 2])):
                near = T @ pose(*rng.normal(0, 6, 2))
                near[:3, 3] = T[:3, 3] + rng.normal(0, 0.015, 3)
                other = CATEGORIES[rng.integers(6)] if rng.random() < 0.1 else name
                # Of few values, so that many are equal.
                score = rng.integers(0, 6) / 5 if seed % 3 else rng.random()
                found.append((image, other, near, box + rng.normal(0, 12, 4), score))
    found = [found[i] for i in rng.permutation(len(found))]
    limits = [*LIMITS, (180, 100)]
    result = pose_average_precision(detections(*found), truths(*true), limits)
    assert set(result.categories) == {t[1] for t in true}
    for name, mine in result.categories.items():
        for k, limit in enumerate(limits):
            official, strict = plain(found, true, name, limit)
            assert mine.official[k] == pytest.approx(official, abs=1e-12), (name, limit)
            assert mine.strict[k] == pytest.approx(strict, abs=1e-12), (name, limit)

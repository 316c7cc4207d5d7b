# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""One pass over a label image against one look at each mask."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from genpose_ros.estimation import EstimatorSettings, Frame, Instance, PoseEstimator, Rejection
from genpose_ros.estimation.back_projection import ObjectCloud, object_cloud
from genpose_ros.estimation.device_clouds import clouds_on_device
from genpose_ros.estimation.label_clouds import clouds_of_pixels
from genpose_ros.estimation.labelled_pixels import LabelledPixels, disjoint_masks, label_image
from genpose_ros.geometry import PinholeCamera
from genpose_ros.geometry.clouds import erode_mask

CAMERA = PinholeCamera(80.0, 80.0, 36.0, 24.0, 72, 48)


def regions(seed: int, count: int = 6, coarse: int = 6) -> np.ndarray:
    """A label image of ragged regions, which touch each other and the border, and of specks."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.zoom(rng.random((48 // coarse, 72 // coarse)), coarse, order=1)
    labels = np.digitize(smooth, np.linspace(0.2, 0.9, count)).astype(np.uint8)
    specks = rng.random(labels.shape) < 0.03
    labels[specks] = rng.integers(0, count + 1, int(specks.sum()))
    return labels


def masks_of(labels: np.ndarray, count: int) -> list[np.ndarray]:
    return [labels == number for number in range(1, count + 1)]


@pytest.mark.parametrize("seed", range(6))
class TestOnePass:
    def test_pixels_are_those_of_each_mask(self, seed: int) -> None:
        labels = regions(seed)
        pixels = LabelledPixels.of(labels, 7)
        for number, mask in enumerate(masks_of(labels, 7)):
            own = pixels.index[pixels.starts[number] : pixels.starts[number + 1]]
            assert np.array_equal(own, np.flatnonzero(mask))
            assert pixels.counts[number] == mask.sum()

    @pytest.mark.parametrize("width_px", [0, 1, 2, 3])
    def test_erosion_is_that_of_each_mask(self, seed: int, width_px: int) -> None:
        labels = regions(seed, coarse=12)
        pixels = LabelledPixels.of(labels, 7)
        expected = [erode_mask(mask, width_px)[mask] for mask in masks_of(labels, 7)]
        assert np.array_equal(pixels.eroded(width_px), np.concatenate(expected))

    @pytest.mark.parametrize("coarse", [2, 6, 12])
    def test_no_mask_of_several_parts_is_called_whole(self, seed: int, coarse: int) -> None:
        labels = regions(seed, coarse=coarse)
        square = np.ones((3, 3))
        parts = np.array([ndimage.label(mask, square)[1] for mask in masks_of(labels, 7)])
        assert (parts[LabelledPixels.of(labels, 7).are_whole()] < 2).all()


def test_masks_with_one_top_are_called_whole() -> None:
    labels = np.zeros((12, 12), dtype=np.uint8)
    labels[:4, :4], labels[3:12, 8:12], labels[6:10, 4:8] = 1, 2, 4
    labels[9, 3] = 3  # one pixel
    labels[10:, 0] = labels[11, 1] = 5
    labels[10, 2] = 5  # a U has two tops
    expected = [True, True, True, True, False, True]
    assert LabelledPixels.of(labels, 6).are_whole().tolist() == expected


@pytest.mark.parametrize("seed", range(5))
def test_convex_masks_are_called_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((60, 80))
    u, v, angle = rng.uniform(20, 60), rng.uniform(15, 45), rng.uniform(0, np.pi)
    x, y = columns - u, rows - v
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    ellipse = (along / 18) ** 2 + (across / 7) ** 2 < 1
    assert LabelledPixels.of(ellipse.astype(np.uint8), 1).are_whole().tolist() == [True]


def test_rows_do_not_connect_around_the_image() -> None:
    labels = np.zeros((4, 5), dtype=np.uint8)
    labels[1, 4] = labels[2, 0] = labels[3, 0] = 1
    assert LabelledPixels.of(labels, 1).are_whole().tolist() == [False]


def test_an_image_without_objects_has_no_pixels() -> None:
    pixels = LabelledPixels.of(np.zeros((3, 4), dtype=np.uint8), 2)
    assert pixels.are_whole().tolist() == [True, True]
    assert pixels.eroded(1).tolist() == []


def test_masks_become_their_label_image_unless_they_overlap() -> None:
    labels = regions(0)
    assert np.array_equal(label_image(masks_of(labels, 7)), np.where(labels > 7, 0, labels))
    both = [np.ones((2, 2), dtype=bool), np.eye(2, dtype=bool)]
    assert label_image(both) is None


def test_more_masks_than_a_byte_counts_keep_their_numbers() -> None:
    labels = np.arange(300).reshape(15, 20)
    found = label_image([labels == number for number in range(300)])
    assert np.array_equal(found, labels + 1)


def test_masks_that_overlap_go_into_images_of_their_own() -> None:
    rng = np.random.default_rng(0)
    masks = []
    for _ in range(12):
        mask = np.zeros((40, 60), dtype=bool)
        v, u = rng.integers(0, 30), rng.integers(0, 50)
        mask[v : v + 10, u : u + 10] = True
        masks.append(mask)
    found = disjoint_masks(masks)
    assert len(found) > 1
    for indices, labels in found:
        assert len(indices) >= 3
        for number, index in enumerate(indices, 1):
            assert np.array_equal(labels == number, masks[index])
    told = [index for indices, _ in found for index in indices]
    assert len(set(told)) == len(told)
    assert len(told) >= 9


def scene(seed: int) -> tuple[np.ndarray, tuple[Instance, ...]]:
    """Depth with holes, steps and far pixels, and instances of ragged masks on it."""
    rng = np.random.default_rng(seed)
    labels = regions(seed, coarse=12)
    depth_m = (0.8 + 0.1 * labels + rng.normal(0, 0.01, labels.shape)).astype(np.float32)
    depth_m[rng.random(labels.shape) < 0.1] = 0
    depth_m[rng.random(labels.shape) < 0.05] = np.nan
    depth_m[rng.random(labels.shape) < 0.1] += 0.6
    depth_m[labels == 3] = 0
    names = ("mug", "can", "bowl", "laptop", "bottle", "camera", "mug")
    masks = masks_of(labels, 7)
    return depth_m, tuple(
        Instance(5 + i, name, mask) for i, (name, mask) in enumerate(zip(names, masks, strict=True))
    )


SETTINGS = EstimatorSettings(points=128, min_points=40)

Finder = Callable[[np.ndarray, tuple[Instance, ...], EstimatorSettings], list[ObjectCloud | None]]


def on_host(
    depth_m: np.ndarray, instances: tuple[Instance, ...], settings: EstimatorSettings
) -> list[ObjectCloud | None]:
    pixels = LabelledPixels.of(label_image([i.mask for i in instances]), len(instances))
    return clouds_of_pixels(depth_m, CAMERA, instances, pixels, settings)


def on_device(
    depth_m: np.ndarray, instances: tuple[Instance, ...], settings: EstimatorSettings
) -> list[ObjectCloud | None]:
    labels = label_image([i.mask for i in instances])
    cpu = torch.device("cpu")
    return clouds_on_device(depth_m, CAMERA, instances, labels, settings, cpu)


@pytest.mark.parametrize("seed", range(4))
def test_both_ways_leave_the_same_objects_for_a_second_look(seed: int) -> None:
    settings = replace(SETTINGS, min_points=120, depth_window_m=0.05)
    by_host, by_device = (find(*scene(seed), settings) for find in (on_host, on_device))
    for one, other in zip(by_host, by_device, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one.points_cam, other.points_cam, rtol=1e-6)
    assert None in by_host
    assert any(by_host)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        replace(SETTINGS, mask_erosion_px=2, min_points=20),
        replace(SETTINGS, mask_erosion_px=0, depth_window_m=0.0),
        replace(SETTINGS, depth_window_m=0.02),
        replace(SETTINGS, outlier_std_ratio=1.0),
        replace(SETTINGS, depth_min_m=0.95, depth_max_m=1.15),
    ],
)
@pytest.mark.parametrize("find", [on_host, on_device])
def test_clouds_are_those_of_each_object_by_itself(
    seed: int, settings: EstimatorSettings, find: Finder
) -> None:
    depth_m, instances = scene(seed)
    found = find(depth_m, instances, settings)
    assert settings.outlier_std_ratio or any(found)
    for instance, cloud in zip(instances, found, strict=True):
        expected = object_cloud(depth_m, CAMERA, instance, settings)
        if isinstance(expected, Rejection):
            assert cloud is None
        elif cloud is not None:
            assert (cloud.instance, cloud.n_points) == (instance, expected.n_points)
            np.testing.assert_allclose(cloud.points_cam, expected.points_cam, rtol=1e-6)
            assert cloud.points_cam.dtype == np.float32
            assert cloud.shuffled


@pytest.mark.parametrize("find", [on_host, on_device])
def test_what_is_usual_needs_no_second_look(find: Finder) -> None:
    depth_m, instances = np.full((48, 72), 0.9, dtype=np.float32), scene(0)[1]
    found = find(depth_m, instances, SETTINGS)
    expected = [object_cloud(depth_m, CAMERA, instance, SETTINGS) for instance in instances]
    eroded = [int(erode_mask(instance.mask, 1).sum()) for instance in instances]
    assert [cloud is not None for cloud in found] == [count >= 40 for count in eroded]
    assert sum(cloud is not None for cloud in found) >= 3
    assert not any(isinstance(cloud, Rejection) for cloud in expected[:3])


@pytest.mark.parametrize("overlapping", [False, True])
def test_the_estimators_clouds_are_those_of_its_objects(toy, overlapping: bool) -> None:
    depth_m, instances = scene(1)
    settings = replace(SETTINGS, parts="together")
    if overlapping:
        grown = ~erode_mask(~instances[1].mask, 2)
        instances = (instances[0], replace(instances[1], mask=grown), *instances[2:])
    strange = Instance(90, "teapot", instances[0].mask), Instance(91, "mug", np.ones((2, 2), bool))
    frame = Frame(depth_m, CAMERA, instances + (strange if overlapping else ()))
    estimator = PoseEstimator(toy.model(), settings)
    clouds, rejections = estimator.object_clouds(frame)
    expected = [object_cloud(depth_m, CAMERA, i, settings) for i in frame.instances]
    kept = [one for one in expected if not isinstance(one, Rejection)]
    assert [c.instance.id for c in clouds] == [c.instance.id for c in kept]
    for cloud, other in zip(clouds, kept, strict=True):
        np.testing.assert_allclose(cloud.points_cam, other.points_cam, rtol=1e-6)
    assert rejections == [one for one in expected if isinstance(one, Rejection)]

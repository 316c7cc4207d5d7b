# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mask R-CNN: segments of what a network finds, and weights of every kind and fault."""

from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from genpose_ros.segmentation.mask_rcnn import MaskRcnn, load_mask_rcnn
from genpose_ros.segmentation.settings import SegmenterSettings

IMAGE = np.zeros((20, 30, 3), np.uint8)
CLASSES = ("__background__", "person", "cup", "bowl", "bottle")


class Stub:
    """Network that finds what it was told to: class, score and columns of each object."""

    def __init__(self, *found):
        self.found, self.images = found, []

    def __call__(self, images):
        self.images += images
        masks = torch.zeros(len(self.found), 1, 20, 30)
        for mask, (_, _, columns) in zip(masks, self.found, strict=True):
            mask[0, :, columns] = 0.8
        return [
            {
                "labels": torch.tensor([label for label, _, _ in self.found], dtype=torch.long),
                "scores": torch.tensor([score for _, score, _ in self.found]),
                "boxes": torch.tensor([[c.start, 0.0, c.stop, 20.0] for _, _, c in self.found]),
                "masks": masks,
            }
        ]


def segments(*found, **settings):
    return MaskRcnn(Stub(*found), CLASSES, SegmenterSettings(**settings)).segment(IMAGE)


def test_objects_are_named_by_the_category_that_their_class_means_the_surest_first():
    found = segments((3, 0.7, slice(0, 5)), (2, 0.9, slice(8, 12)), (1, 0.99, slice(1, 2)))
    assert [(s.category, s.class_name) for s in found] == [("mug", "cup"), ("bowl", "bowl")]
    assert found[0].score == pytest.approx(0.9)
    assert found[0].mask.sum() == 4 * 20
    assert found[0].box_px.tolist() == [8, 0, 12, 20]


def test_classes_of_no_category_are_kept_where_asked_for():
    (person,) = segments((1, 0.9, slice(0, 5)), all_classes=True)
    assert (person.category, person.class_name) == ("person", "person")


def test_thresholds_and_limits_hold():
    many = [(2, 0.9 - 0.1 * n, slice(n, n + 1)) for n in range(6)]
    assert len(segments(*many, min_score=0.65)) == 3
    assert len(segments(*many, max_objects=2)) == 2
    assert segments((2, 0.9, slice(0, 3)), mask_threshold=0.85) == []
    assert segments((2, 0.9, slice(3, 3))) == []
    assert segments((2, float("nan"), slice(0, 3))) == []
    assert segments((77, 0.9, slice(0, 3))) == []


def test_the_network_sees_the_image_from_0_to_1_with_its_channels_first():
    stub = Stub()
    image = np.full((20, 30, 3), (255, 0, 51), np.uint8)
    MaskRcnn(stub, CLASSES, SegmenterSettings()).segment(image)
    (seen,) = stub.images
    assert seen.shape == (3, 20, 30)
    assert seen[:, 0, 0].tolist() == pytest.approx([1, 0, 0.2])


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4)), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), "u1")]
)
def test_what_is_no_colour_image_is_refused(image):
    with pytest.raises(ValueError, match="uint8"):
        MaskRcnn(Stub(), CLASSES, SegmenterSettings()).segment(image)


@pytest.fixture(scope="module")
def torchvision():
    from genpose_ros.segmentation.operators import import_torchvision

    try:
        return import_torchvision()
    except ModuleNotFoundError:
        pytest.skip("torchvision is not installed (pip install 'genpose_ros[mask_rcnn]')")


def weights_file(torchvision, path, version="v2", classes=3, change=None):
    """Random weights of a network that tells `classes` apart, beside the background."""
    detection = torchvision.models.detection
    make = {"v1": detection.maskrcnn_resnet50_fpn, "v2": detection.maskrcnn_resnet50_fpn_v2}
    torch.manual_seed(0)
    network = make[version](weights=None, weights_backbone=None, num_classes=classes + 1)
    state = network.state_dict()
    if change is not None:
        change(state)
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"model": state}, path)
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize(("version", "name"), [("v2", "w.safetensors"), ("v1", "w.pth")])
def test_weights_of_ones_own_classes_are_loaded_and_run(torchvision, tmp_path, version, name):
    def frozen(state):  # as the published weights of v1 are
        for key in [key for key in state if key.endswith("num_batches_tracked")]:
            del state[key]

    file = weights_file(
        torchvision, tmp_path / name, version, change=frozen if version == "v1" else None
    )
    settings = SegmenterSettings(
        weights=file, class_names="can, camera,drill", device="cpu", input_px=64, min_score=0.0,
        proposals=30, all_classes=True,
    )  # fmt: skip
    segmenter = load_mask_rcnn(settings)
    assert segmenter.known_classes == {"can": "can", "camera": "camera"}
    network: Any = segmenter._network
    assert network.rpn.post_nms_top_n() == 30
    for found in segmenter.segment(np.random.default_rng(0).integers(0, 255, (48, 64, 3), "u1")):
        assert found.mask.shape == (48, 64)
        assert found.category in ("can", "camera", "drill")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"class_names": "can,camera"}, "tells 3 classes apart, and class_names has 2"),
        ({}, "tells 3 classes apart, and class_names has 0"),
        ({"class_names": "a,b,c", "version": "v1"}, "holds weights of v2, and version is v1"),
    ],
)
def test_settings_that_do_not_fit_the_weights_are_refused(torchvision, tmp_path, settings, words):
    file = weights_file(torchvision, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=words):
        load_mask_rcnn(SegmenterSettings(weights=file, device="cpu", **settings))


@pytest.mark.slow
def test_weights_of_another_network_are_refused_by_name(torchvision, tmp_path):
    torch.save({"layer.weight": torch.zeros(2)}, tmp_path / "other.pth")
    (tmp_path / "damaged.safetensors").write_bytes(b"nothing")
    torch.save([1, 2], tmp_path / "list.pth")

    def lacking(state):
        del state["backbone.body.conv1.weight"]

    less = weights_file(torchvision, tmp_path / "less.pth", change=lacking)
    for name, words in [
        ("other.pth", "weights of another network"),
        ("damaged.safetensors", "no whole .safetensors"),
        ("list.pth", "holds no state dict"),
        (less, "1 tensors are missing or unknown, such as backbone.body.conv1.weight"),
    ]:
        settings = SegmenterSettings(weights=str(tmp_path / name), class_names="a,b,c")
        with pytest.raises(ValueError, match=words):
            load_mask_rcnn(settings)
    with pytest.raises(FileNotFoundError):
        load_mask_rcnn(SegmenterSettings(weights=str(tmp_path / "none.pth")))


def test_without_weights_nothing_is_fetched_unasked(torchvision):
    with pytest.raises(ValueError, match="has no weights: give weights"):
        load_mask_rcnn(SegmenterSettings())


def test_the_published_networks_classes_are_those_of_coco(torchvision):
    weights = torchvision.models.detection.MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1
    segmenter = MaskRcnn(Stub(), weights.meta["categories"], SegmenterSettings())
    assert segmenter.known_classes == {
        "bottle": "bottle", "bowl": "bowl", "cup": "mug", "laptop": "laptop"
    }  # fmt: skip


def test_weights_that_cannot_be_fetched_say_what_else_to_do(torchvision, monkeypatch):
    def offline(**_options):
        raise OSError("no network")

    monkeypatch.setattr(torchvision.models.detection, "maskrcnn_resnet50_fpn_v2", offline)
    with pytest.raises(OSError, match=r"could not be fetched .* \(no network\): fetch them by"):
        load_mask_rcnn(SegmenterSettings(download=True))

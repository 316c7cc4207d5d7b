# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Mask R-CNN of torchvision: loading of weights, and segments of a colour image."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from genpose_ros.estimation.class_names import ClassNames
from genpose_ros.files import check_file
from genpose_ros.geometry.categories import NOCS, CategorySet
from genpose_ros.networks.devices import torch_device
from genpose_ros.networks.torch_files import load_torch_file
from genpose_ros.segmentation.operators import compiled_operators, import_torchvision
from genpose_ros.segmentation.segments import Segment
from genpose_ros.segmentation.settings import SegmenterSettings

__all__ = ["MaskRcnn", "Network", "load_mask_rcnn"]

_log = logging.getLogger(__name__)

#: From images (3, H, W) of 0 to 1 to boxes, labels, scores and masks of each.
Network = Callable[[list[Tensor]], Sequence[Mapping[str, Tensor]]]

#: Bytes of a file of weights.
_MOST_BYTES = 2**31
#: A weight whose first side is the number of classes, and one that v2 alone has.
_OF_CLASSES, _OF_V2 = "roi_heads.box_predictor.cls_score.weight", "rpn.head.conv.1.0.weight"
#: Counters that the norms of the published v1 do not have.
_COUNTERS = "num_batches_tracked"
_WHERE = (
    "give weights (a state dict of torchvision's maskrcnn_resnet50_fpn_v2 or _fpn), or download to "
    "let torchvision fetch those of COCO"
)


class MaskRcnn:
    """Segmenter: colour image in, objects out.

    Args:
        network: Mask R-CNN in evaluation mode, or what stands in for it.
        class_names: of the network, class 0 being the background.
        settings: thresholds and limits; others are not read.
        categories: that the pose estimator knows.
        names: other words for them; None: the shipped table.
        device: where the network is.
    """

    def __init__(
        self,
        network: Network,
        class_names: Sequence[str],
        settings: SegmenterSettings,
        categories: CategorySet = NOCS,
        names: ClassNames | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.settings = settings
        self._network, self._device = network, device or torch.device("cpu")
        self._class_names = tuple(class_names)
        found = names or ClassNames.shipped()
        self._categories = tuple(found.find(name, categories) for name in class_names)

    @property
    def known_classes(self) -> dict[str, str]:
        """The network's classes that are categories of the pose estimator, with these."""
        pairs = zip(self._class_names, self._categories, strict=True)
        return {name: category for name, category in pairs if category is not None}

    def segment(self, image: np.ndarray) -> list[Segment]:
        """Return the objects of a colour image, the surest first.

        Args:
            image: (H, W, 3) uint8, RGB.

        Raises:
            ValueError: it is no such image.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(
                f"a colour image is (H, W, 3) uint8, got {image.shape} of {image.dtype}"
            )
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(self._device)
        with torch.inference_mode():
            (found,) = self._network([pixels.permute(2, 0, 1).float() / 255])
        return self._segments(found)

    def _segments(self, found: Mapping[str, Tensor]) -> list[Segment]:
        settings = self.settings
        scores, labels = found["scores"].cpu().numpy(), found["labels"].cpu().numpy()
        segments: list[Segment] = []
        for index in np.argsort(-scores, kind="stable"):
            label, score = int(labels[index]), float(scores[index])
            if not score >= settings.min_score or len(segments) == settings.max_objects:
                break
            if not 0 < label < len(self._class_names):
                continue
            category, name = self._categories[label], self._class_names[label]
            if category is None and not settings.all_classes:
                continue
            mask = found["masks"][index, 0].cpu().numpy() >= settings.mask_threshold
            if mask.any():
                box = found["boxes"][index].cpu().numpy()
                segments.append(Segment(category or name, name, score, mask, box))
        return segments


def load_mask_rcnn(
    settings: SegmenterSettings,
    categories: CategorySet = NOCS,
    names: ClassNames | None = None,
) -> MaskRcnn:
    """Load Mask R-CNN as the settings say.

    Args:
        settings: of the segmenter.
        categories: that the pose estimator knows.
        names: other words for them; None: the shipped table.

    Raises:
        FileNotFoundError: no such file of weights.
        ModuleNotFoundError: torchvision is not installed.
        ValueError: there are no weights, or they are of another network or other classes.
        OSError: they cannot be read or fetched.
    """
    torchvision = import_torchvision()
    if not compiled_operators():
        _log.warning(
            "torchvision's compiled operators do not load beside this PyTorch: nms and roi_align "
            "are done by PyTorch, with the same results, more slowly"
        )
    device = torch_device(settings.device)
    coco = tuple(_weights(torchvision, "v2").meta["categories"])
    if not settings.weights:
        network = _published(torchvision, settings)
        class_names = coco
    else:
        state = _state(Path(settings.weights))
        class_names = _class_names(settings, state, coco)
        network = _built(torchvision, settings, state, len(class_names))
    network = network.eval().to(device)
    return MaskRcnn(network, class_names, settings, categories, names, device)


def _published(torchvision: Any, settings: SegmenterSettings) -> nn.Module:
    """The network with the weights that torchvision fetches."""
    if not settings.download:
        raise ValueError(f"Mask R-CNN has no weights: {_WHERE}")
    version = "v2" if settings.version == "auto" else settings.version
    make = _maker(torchvision, version)
    try:
        network: nn.Module = make(
            weights=_weights(torchvision, version), progress=False, **_sizes(settings)
        )
    except OSError as error:
        raise OSError(
            f"the weights could not be fetched from download.pytorch.org ({error}): fetch them by "
            "other means and give the file as weights"
        ) from error
    return network


def _sizes(settings: SegmenterSettings) -> dict[str, int]:
    """What torchvision calls the settings on which the time depends."""
    return {"min_size": settings.input_px, "rpn_post_nms_top_n_test": settings.proposals}


def _maker(torchvision: Any, version: str) -> Callable[..., nn.Module]:
    detection = torchvision.models.detection
    makers: dict[str, Callable[..., nn.Module]] = {
        "v1": detection.maskrcnn_resnet50_fpn,
        "v2": detection.maskrcnn_resnet50_fpn_v2,
    }
    return makers[version]


def _weights(torchvision: Any, version: str) -> Any:
    detection = torchvision.models.detection
    kinds = {
        "v1": detection.MaskRCNN_ResNet50_FPN_Weights,
        "v2": detection.MaskRCNN_ResNet50_FPN_V2_Weights,
    }
    return kinds[version].COCO_V1


def _state(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, which may hold them under 'model' or 'state_dict'."""
    check_file(path, _MOST_BYTES)
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except Exception as error:  # of damaged bytes anything
            raise ValueError(f"{path} is no whole .safetensors file: {error}") from error
    content = load_torch_file(path)
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise ValueError(f"{path} holds no state dict: {_WHERE}")
    return content


def _class_names(
    settings: SegmenterSettings, state: Mapping[str, Tensor], coco: Sequence[str]
) -> tuple[str, ...]:
    """The names of the classes of some weights, the background first."""
    if _OF_CLASSES not in state:
        raise ValueError(
            f"{settings.weights} holds the weights of another network, without {_OF_CLASSES}: "
            f"{_WHERE}"
        )
    count = int(state[_OF_CLASSES].shape[0])
    given = [name.strip() for name in settings.class_names.split(",") if name.strip()]
    if not given and count == len(coco):
        return tuple(coco)
    if len(given) != count - 1:
        raise ValueError(
            f"{settings.weights} tells {count - 1} classes apart, and class_names has "
            f"{len(given)}: name them in the order of their numbers, with commas between"
        )
    return ("__background__", *given)


def _built(
    torchvision: Any, settings: SegmenterSettings, state: Mapping[str, Tensor], count: int
) -> nn.Module:
    """The network of the weights' architecture, with them."""
    of_weights = "v2" if _OF_V2 in state else "v1"
    if settings.version not in ("auto", of_weights):
        raise ValueError(
            f"{settings.weights} holds weights of {of_weights}, and version is {settings.version}"
        )
    network = _maker(torchvision, of_weights)(
        weights=None, weights_backbone=None, num_classes=count, **_sizes(settings)
    )
    try:
        missing, unexpected = network.load_state_dict(state, strict=False)
    except RuntimeError as error:  # of other sizes
        raise ValueError(f"{settings.weights} does not fit: {error}") from error
    frozen = [name for name in missing if name.endswith(_COUNTERS)]
    others = [name for name in missing if not name.endswith(_COUNTERS)] + list(unexpected)
    if others:
        raise ValueError(
            f"{settings.weights} does not fit {of_weights}: {len(others)} tensors are missing or "
            f"unknown, such as {others[0]}; {_WHERE}"
        )
    if of_weights == "v1" and frozen:
        # Norms that were frozen in training divide by the deviation alone.
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 0.0
    return network

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pose estimator: from a frame to clouds, batches and estimates, each class with its own model."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from genpose_ros.estimation.accelerator_errors import in_halves_where_memory_lacks
from genpose_ros.estimation.back_projection import ObjectCloud, object_cloud, shuffled_cloud
from genpose_ros.estimation.batch import BatchEstimator, padded_size
from genpose_ros.estimation.candidates import steps_are_coarse
from genpose_ros.estimation.device_clouds import clouds_on_device
from genpose_ros.estimation.error_covariance import error_covariances
from genpose_ros.estimation.frame import Frame, Instance, check_frame
from genpose_ros.estimation.label_clouds import clouds_of_pixels
from genpose_ros.estimation.labelled_pixels import LabelledPixels, disjoint_masks
from genpose_ros.estimation.latency import LatencyKeeper
from genpose_ros.estimation.mask_parts import separate_instances
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import FrameResult, ObjectEstimate
from genpose_ros.estimation.rolled_views import (
    likeliest_view,
    rolled_by,
    telling_objects,
    unsettled_images,
    view_turns,
)
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.estimation.stage_timer import StageTimer
from genpose_ros.estimation.stop_flag import StopFlag
from genpose_ros.estimation.up import UpDirection, up_direction
from genpose_ros.geometry.categories import CategorySet
from genpose_ros.heap import keep_heap
from genpose_ros.networks.devices import prefers_bf16, torch_device
from genpose_ros.networks.interface import PoseModel
from genpose_ros.networks.model_set import ModelSet

__all__ = ["STAGES", "PoseEstimator"]

_log = logging.getLogger(__name__)

#: Stages of an estimate, in their order: the keys of `FrameResult.timings_ms`.
STAGES = ("clouds", "encode", "sample", "rank", "pool")


class PoseEstimator:
    """Estimates the poses of the objects in a frame with one set of settings.

    Args:
        model: one model, or several that share the categories out among them; they are switched to
            evaluation mode.
        settings: everything else; `weights`, `energy_weights`, `device` and
            `encoder_precision` are not read.
        stop: ends the estimate in hand when it is set, shared with other estimators; None: one of
            its own.

    Attributes:
        stop: as given; once it is set, every estimate raises `EstimateStoppedError`.
        latency: keeps `max_latency_ms`; trackers note their own frames' time.

    Example:
        >>> from genpose_ros.geometry import PinholeCamera
        >>> camera = PinholeCamera(300.0, 300.0, 160.0, 120.0, 320, 240)
        >>> depth_m = np.full((240, 320), 1.2, dtype=np.float32)
        >>> x_m = (np.arange(320) - 160) / 300 * 0.8  # a can of 7 x 12 cm, its axis 0.8 m away
        >>> wide = np.abs(x_m) < 0.035
        >>> depth_m[98:142, wide] = 0.8 - np.sqrt(0.035**2 - x_m[wide] ** 2)
        >>> can = Instance(1, "can", depth_m < 1)
        >>> estimator = PoseEstimator.from_settings(EstimatorSettings(device="cpu"))
        >>> result = estimator.estimate(Frame(depth_m, camera, (can,)))
        >>> (estimate,) = result.estimates
        >>> estimate.category, np.abs(estimate.T_cam_obj[:3, 3]).round(1).tolist()
        ('can', [0.0, 0.0, 0.8])
    """

    def __init__(
        self,
        model: PoseModel | ModelSet,
        settings: EstimatorSettings,
        stop: StopFlag | None = None,
    ) -> None:
        self.models = model if isinstance(model, ModelSet) else ModelSet((model,))
        self.settings = settings
        self.stop = stop or StopFlag()
        self.latency = LatencyKeeper(settings.max_latency_ms)
        self._batches = [BatchEstimator(model.eval(), self.stop) for model in self.models.models]
        if settings.ranking == "energy" and not all(m.has_energy for m in self.models.models):
            _log.warning("the model has no energy network: candidates are kept in the order drawn")
        coarse = [m.architecture for m in self.models.models if steps_are_coarse(m, settings)]
        if coarse:
            _log.warning(
                "%d steps are few for %s, which has no noise levels of its own: set steps to 8",
                settings.steps,
                ", ".join(coarse),
            )

    @classmethod
    def from_settings(
        cls, settings: EstimatorSettings, stop: StopFlag | None = None
    ) -> "PoseEstimator":
        """Load the models that the settings name and put them on their device.

        On a CPU the process keeps up to 128 MB of freed memory from now on: see `heap`.

        Args:
            settings: of the estimator; without `weights` the released ones are loaded.
            stop: as of the class.

        Raises:
            FileNotFoundError: there is no such checkpoint.
            ValueError: a checkpoint or the device cannot be used, or two know the same class.
        """
        device = torch_device(settings.device)
        if device.type == "cpu":
            keep_heap()
        models = ModelSet.load(settings.weights, settings.energy_weights, device)
        precision = settings.encoder_precision
        for model in models.models:
            model.encodes_in_bf16 = precision == "bfloat16" or (
                precision == "auto" and prefers_bf16(device)
            )
        return cls(models, settings, stop)

    @property
    def model(self) -> PoseModel:
        """The model, of an estimator that has one.

        Raises:
            ValueError: it has several.
        """
        if len(self.models.models) > 1:
            raise ValueError(f"expected one model, there are {len(self.models.models)}")
        return self.models.models[0]

    @property
    def categories(self) -> CategorySet:
        """What it can estimate: the categories of all its models."""
        return self.models.categories

    @property
    def takes_up(self) -> bool:
        """Whether a network is told the direction up: by its weights and the settings."""
        return any(batches.takes_up(self.settings) for batches in self._batches)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.models.device

    def estimate(self, frame: Frame) -> FrameResult:
        """Estimate every object of a frame, or say why not; bad content never raises.

        With the same frame and settings the result is the same, but where `max_latency_ms` is set:
        then it depends on how long the frames before took. Covariances are those of the error:
        see `error_covariances`.

        Args:
            frame: depth image, camera and masks.

        Raises:
            MemoryError: the GPU's does not suffice for half a batch.
            EstimateStoppedError: `stop` was set.
        """
        settings, started_s = self.settings, time.perf_counter()
        timer = StageTimer(self.device, STAGES)
        with timer.stage("clouds"):
            clouds, rejections = self.object_clouds(frame, settings=settings)
            up_cam = self.frame_up(frame, clouds)
            clouds = [replace(cloud, up_cam=up_cam) for cloud in clouds]
        of_one = [0] * len(clouds)
        outcomes = self.estimate_clouds(clouds, images=of_one, settings=settings, timer=timer)
        spread = [o for o in outcomes if isinstance(o, ObjectEstimate)]
        each = zip(spread, error_covariances(spread), strict=True)
        estimates = tuple(replace(o, covariance=covariance) for o, covariance in each)
        rejections += [o for o in outcomes if isinstance(o, Rejection)]
        lowered = self.latency.told
        self.latency.note(1e3 * (time.perf_counter() - started_s))
        return FrameResult(estimates, tuple(rejections), timer.timings_ms, up_cam, lowered)

    def object_clouds(
        self, frame: Frame, *, settings: EstimatorSettings | None = None
    ) -> tuple[list[ObjectCloud], list[Rejection]]:
        """Return the points of each object of a frame, and why some have none.

        What is known of the direction up is not among them: see `frame_up`.

        Args:
            frame: depth image, camera and masks.
            settings: limits and filters; None: the estimator's.
        """
        settings = settings or self.settings
        refused = check_frame(frame)
        if refused is not None:
            return [], [refused]
        instances, rejections = _largest_masks(frame.instances, settings.max_objects)
        depth_m, camera, known = frame.depth_m, frame.camera, self.categories
        images = _labelled(instances, depth_m, known)
        whole = _are_whole(images, len(instances))
        separate, parts = separate_instances(instances, depth_m, camera, settings, known, whole)
        divided = [*map(id, separate)] != [*map(id, instances)]
        instances, more = _largest_masks(separate, settings.max_objects)
        rejections += parts + more
        if divided:
            images = _labelled(instances, depth_m, known)
        clouds, refusals = _clouds(frame, instances, images, settings, known, self.device)
        return clouds, rejections + refusals

    def frame_up(self, frame: Frame, clouds: Sequence[ObjectCloud]) -> UpDirection | None:
        """Return which way is up in a frame, by the settings; None: it is not known, or not used.

        Args:
            frame: says what is known beside its depth image.
            clouds: of its objects.
        """
        masks = [cloud.instance.mask for cloud in clouds]
        source = self.settings.up_source
        return up_direction(source, frame.up_cam, frame.depth_m, frame.camera, masks)

    def estimate_clouds(
        self,
        clouds: Sequence[ObjectCloud],
        *,
        T_cam_start: np.ndarray | None = None,
        images: Sequence[int] | None = None,
        settings: EstimatorSettings | None = None,
        timer: StageTimer | None = None,
    ) -> list[ObjectEstimate | Rejection]:
        """Estimate objects whose points are known already, each or why not, in their order.

        Args:
            clouds: the points of the objects; those not marked as shuffled are sampled first.
            T_cam_start: (B, 4, 4) poses that the candidates start around (paper section 3.3): the
                mode nearest to them is pooled, and the yaw of axisymmetric objects, which is
                unobservable, stays theirs; None: the centre of the prior.
            images: number of the image that each cloud is from: where nothing tells which way is
                up in one, and there are no starts, it is looked at in `roll_views` rolls; None:
                all are taken as of upright cameras.
            settings: of this call; None: the estimator's.
            timer: takes the wall time per stage.

        Raises:
            ValueError: not as many starts or images as clouds, shuffled clouds of different sizes,
                or a category that the model does not know.
            MemoryError: the GPU's does not suffice for half a batch.
            EstimateStoppedError: `stop` was set.
        """
        if T_cam_start is not None and len(T_cam_start) != len(clouds):
            raise ValueError(f"{len(clouds)} clouds need as many starts, got {len(T_cam_start)}")
        if images is not None and len(images) != len(clouds):
            raise ValueError(f"{len(clouds)} clouds need as many images, got {len(images)}")
        settings = self.latency.lowered(settings or self.settings)
        timer = timer or StageTimer(self.device)
        outcomes = self._outcomes(clouds, settings, timer, T_cam_start)
        if images is None or T_cam_start is not None or settings.roll_views == 1:
            return outcomes
        return self._in_likeliest_views(clouds, outcomes, images, settings, timer)

    def _outcomes(
        self,
        clouds: Sequence[ObjectCloud],
        settings: EstimatorSettings,
        timer: StageTimer,
        T_cam_start: np.ndarray | None = None,
        turns: Sequence[np.ndarray] | None = None,
    ) -> list[ObjectEstimate | Rejection]:
        """The outcomes of clouds in batches; starts and turns as of `BatchEstimator.estimate`."""
        outcomes: dict[int, ObjectEstimate | Rejection] = {}
        for batches, rows in self._shared_out(clouds, settings.batch_objects):
            batch = [shuffled_cloud(clouds[row], settings) for row in rows]
            start = None if T_cam_start is None else T_cam_start[rows]
            turned = None if turns is None else [turns[row] for row in rows]
            found = _estimated(batches, batch, timer, settings, start, turned)
            outcomes |= zip(rows, found, strict=True)
        return [outcomes[row] for row in range(len(clouds))]

    def _in_likeliest_views(
        self,
        clouds: Sequence[ObjectCloud],
        outcomes: list[ObjectEstimate | Rejection],
        images: Sequence[int],
        settings: EstimatorSettings,
        timer: StageTimer,
    ) -> list[ObjectEstimate | Rejection]:
        """The outcomes, those of images that may be of a rolled camera in their likeliest views."""
        telling = telling_objects(outcomes, clouds, self.categories)
        unsettled = unsettled_images(clouds, outcomes, images, telling)
        rows = [row for image in unsettled for row in image]
        if not rows:
            return outcomes
        turns = view_turns(settings.roll_views)
        shown = [clouds[row] for _ in turns[1:] for row in rows]
        turned = [turn for turn in turns[1:] for _ in rows]
        more = iter(self._outcomes(shown, settings, timer, turns=turned))
        views = [dict(enumerate(outcomes))]
        views += [{row: next(more) for row in rows} for _ in turns[1:]]
        chosen = list(outcomes)
        for image in unsettled:
            seen = [[view[row] for row in image] for view in views]
            likeliest = likeliest_view(seen, turns, [telling[row] for row in image])
            for row, outcome in zip(image, seen[likeliest], strict=True):
                chosen[row] = rolled_by(outcome, turns[likeliest])
        return chosen

    def warm_up(self) -> None:
        """Run every batch size once (on the CPU the smallest), so that the first frame is fast."""
        settings, device = self.settings, self.device
        rng = np.random.default_rng(0)
        points = rng.normal((0.0, 0.0, 0.8), 0.03, (settings.points, 3)).astype(np.float32)
        largest = 1 if device.type == "cpu" else min(settings.batch_size, settings.max_objects)
        sizes = {padded_size(n + 1, settings.batch_size, device) for n in range(largest)}
        for batches in self._batches:
            cloud = ObjectCloud.of_points(0, batches.model.categories.names[0], points)
            for size in sorted(sizes):
                batches.estimate([cloud] * size, StageTimer(device), settings)

    def _shared_out(
        self, clouds: Sequence[ObjectCloud], batch_size: int
    ) -> Iterator[tuple[BatchEstimator, list[int]]]:
        """The model and the rows of each batch of clouds."""
        owners = [self.models.index_of(cloud.instance.category) for cloud in clouds]
        for index, batches in enumerate(self._batches):
            rows = [row for row, owner in enumerate(owners) if owner == index]
            for first in range(0, len(rows), batch_size):
                yield batches, rows[first : first + batch_size]


def _estimated(
    batches: BatchEstimator,
    clouds: Sequence[ObjectCloud],
    timer: StageTimer,
    settings: EstimatorSettings,
    T_cam_start: np.ndarray | None,
    turns: Sequence[np.ndarray] | None,
) -> list[ObjectEstimate | Rejection]:
    """The outcomes of one batch, in two halves where the GPU's memory does not suffice."""

    def estimate(part: slice) -> list[ObjectEstimate | Rejection]:
        start = None if T_cam_start is None else T_cam_start[part]
        turned = None if turns is None else turns[part]
        return batches.estimate(clouds[part], timer, settings, start, turned)

    return in_halves_where_memory_lacks(estimate, len(clouds))


def _labelled(
    instances: Sequence[Instance], depth_m: np.ndarray, known: CategorySet
) -> list[tuple[list[int], LabelledPixels]]:
    """Pixels of masks that do not overlap, with their indices; masks are left out where few do not.

    Those that are not as they should be are left out too.
    """
    usual = [
        row
        for row, i in enumerate(instances)
        if i.category in known and i.mask.dtype == bool and i.mask.shape == depth_m.shape
    ]
    images = disjoint_masks([instances[row].mask for row in usual])
    return [
        ([usual[k] for k in indices], LabelledPixels.of(labels, len(indices)))
        for indices, labels in images
    ]


def _are_whole(images: Sequence[tuple[list[int], LabelledPixels]], count: int) -> list[bool]:
    """Which masks are certain to be one connected part."""
    whole = [False] * count
    for rows, pixels in images:
        for row, is_whole in zip(rows, pixels.are_whole().tolist(), strict=True):
            whole[row] = is_whole
    return whole


def _clouds(
    frame: Frame,
    instances: Sequence[Instance],
    images: Sequence[tuple[list[int], LabelledPixels]],
    settings: EstimatorSettings,
    known: CategorySet,
    device: torch.device,
) -> tuple[list[ObjectCloud], list[Rejection]]:
    """All clouds, those that are out of the usual looked at one by one, and why some have none."""
    depth_m, camera = frame.depth_m, frame.camera
    usual: dict[int, ObjectCloud | None] = {}
    for rows, pixels in images:
        own = [instances[row] for row in rows]
        if device.type == "cuda":
            found = clouds_on_device(depth_m, camera, own, pixels.labels, settings, device)
        else:
            found = clouds_of_pixels(depth_m, camera, own, pixels, settings)
        usual |= zip(rows, found, strict=True)
    clouds: list[ObjectCloud] = []
    refused: list[Rejection] = []
    for row, instance in enumerate(instances):
        cloud = usual.get(row) or object_cloud(
            depth_m, camera, instance, settings, categories=known
        )
        if isinstance(cloud, Rejection):
            refused.append(cloud)
        else:
            clouds.append(cloud)
    return clouds, refused


def _largest_masks(
    instances: tuple[Instance, ...], limit: int
) -> tuple[list[Instance], list[Rejection]]:
    """The `limit` instances with the largest masks, in the given order; the others refused."""
    if len(instances) <= limit:
        return list(instances), []
    areas = np.array([np.count_nonzero(i.mask) for i in instances])
    taken = set(np.argsort(-areas, kind="stable")[:limit].tolist())
    detail = f"{len(instances)} objects in the frame, the {limit} with the largest masks are taken"
    refused = [
        Rejection(Reason.TOO_MANY_OBJECTS, detail, instance.id)
        for i, instance in enumerate(instances)
        if i not in taken
    ]
    return [instances[i] for i in sorted(taken)], refused

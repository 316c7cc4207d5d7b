# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Sequences of depth images and masks with moving objects and cameras, and the truth of each frame.

Everything follows from kind and seed; any frame can be made without those before it. The sensor of
a sequence is drawn once, its noise and the segmenter's errors anew for every frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from genpose_ros.estimation.frame import Frame, Instance
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.categories import CategorySet
from genpose_ros.geometry.clouds import bounding_box
from genpose_ros.geometry.symmetry import handle_visible
from genpose_ros.synthesis.bodies import Backdrop, Body, BodyImage, render_bodies
from genpose_ros.synthesis.library import NOCS_LIBRARY, ShapeLibrary
from genpose_ros.synthesis.motions import eased
from genpose_ros.synthesis.placement import pixel_rays
from genpose_ros.synthesis.scenarios import ROOM, SCENARIOS, Scenario
from genpose_ros.synthesis.scenes import D435_COLOR_CAMERA
from genpose_ros.synthesis.sensor import (
    D435_BASELINE_M,
    SensorDraw,
    corrupt_mask,
    draw_sensor,
    hidden_from_right,
    measure_depth,
)

__all__ = [
    "SEQUENCE_KINDS",
    "Segmenter",
    "SequenceFrame",
    "TrackingSequence",
    "TrueObject",
    "tracking_sequence",
]

#: Kinds of sequences:
#: turntable: one to three objects turn with the table by 30, 60 or 90 degrees per second.
#: carried_slow, carried_fast: two objects in two hands; 0.1 m/s, 30 deg/s and 0.4 m/s, 100 deg/s.
#: sweep: four to six objects on a table; the camera moves by 0.3 m/s and 60 deg/s.
#: occlusion: four objects, hidden for 0.3 to 1 s again and again by a passing slab.
#: returns: two carried objects leave the image and come back; a third stays.
#: crossing: two equal objects pass in front of each other.
#: crowd: ten objects on a slow turntable, for measuring speed.
#: arm: as sweep, as fast but with an arm's accelerations, for measuring what TF's delay costs.
SEQUENCE_KINDS: tuple[str, ...] = tuple(SCENARIOS)

FRAME_ID = "camera_color_optical_frame"
_FIRST_STAMP_NS = 1_000_000_000
_MASK_MARGIN_PX = 8


@dataclass(frozen=True)
class Segmenter:
    """Errors of the simulated segmenter, besides the masks' borders.

    Attributes:
        missed_share: share of the masks that are missing, each by itself.
        wrong_class_share: share of the masks that carry another category.
        persistent_ids: whether an object's masks keep its id; else ids are mixed in every frame.
        min_visible_share: objects of whose outline less is visible get no mask.
        min_pixels: nor do those with fewer visible pixels.

    Raises:
        ValueError: a share is not in [0, 1].
    """

    missed_share: float = 0.02
    wrong_class_share: float = 0.01
    persistent_ids: bool = False
    min_visible_share: float = 0.1
    min_pixels: int = 120

    def __post_init__(self) -> None:
        for name in ("missed_share", "wrong_class_share", "min_visible_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name):g}")


@dataclass(frozen=True)
class TrueObject:
    """Ground truth of one object in one frame.

    Attributes:
        object_id: the same in all frames of a sequence, 1 or higher.
        category: name of its category.
        T_cam_obj: (4, 4), object frame (y up) to camera optical frame, metres.
        size_m: (3,) edge lengths of its bounding box along its own axes.
        visible_share: share in [0, 1] of its whole outline that the image shows: less behind
            other things, less beyond the image's border.
        handle_visible: for mugs and others with `symmetry_hidden`, whether the image shows the
            handle; true for all others.
        instance_id: of its mask in this frame, -1 without mask.
    """

    object_id: int
    category: str
    T_cam_obj: np.ndarray
    size_m: np.ndarray
    visible_share: float
    handle_visible: bool
    instance_id: int


@dataclass(frozen=True)
class SequenceFrame:
    """Frame of a sequence with its ground truth.

    Attributes:
        frame: depth, camera, masks and stamp, as a tracker gets them.
        T_fixed_cam: (4, 4) pose of the camera in a fixed frame.
        objects: the truth, in the order of the object ids, also of what is not visible.
    """

    frame: Frame
    T_fixed_cam: np.ndarray
    objects: tuple[TrueObject, ...]

    @property
    def stamp_ns(self) -> int:
        """When the image was taken."""
        return self.frame.stamp_ns


class TrackingSequence:
    """Sequence of frames that are rendered on demand; `tracking_sequence` makes one.

    Attributes:
        kind, seed: of the scenario; they decide the noise of every frame too.
        categories: that its objects may be of.
        rate_hz: frames per second.
        camera: of the images.
        segmenter: its errors.
    """

    def __init__(
        self,
        kind: str,
        seed: int,
        scenario: Scenario,
        *,
        categories: CategorySet,
        rate_hz: float,
        sensor: SensorDraw,
        camera: PinholeCamera,
        segmenter: Segmenter,
    ) -> None:
        self.kind, self.seed, self.camera, self.segmenter = kind, seed, camera, segmenter
        self.categories = categories
        self.rate_hz, self._scenario, self._sensor = rate_hz, scenario, sensor
        self._objects = sum(body.category is not None for body in scenario.bodies)
        self._bodies = [Body(body.vertices, body.faces) for body in scenario.bodies]
        self._backdrop = Backdrop(ROOM, pixel_rays(camera).astype(np.float32))

    def __len__(self) -> int:
        return len(self._scenario.T_fixed_cam)

    def __iter__(self) -> Iterator[SequenceFrame]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> SequenceFrame:
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        rng = _generator(self.kind, self.seed, 1 + index)
        T_fixed_cam = self._scenario.T_fixed_cam[index]
        T_cam_fixed = np.linalg.inv(T_fixed_cam)
        T_cam_bodies = [T_cam_fixed @ body.T_fixed_body[index] for body in self._scenario.bodies]
        room = self._backdrop.view_from(T_fixed_cam)
        image = render_bodies(self._bodies, T_cam_bodies, room, self.camera, outlined=self._objects)
        instances, instance_of = self._segment(image, T_cam_bodies, rng)
        frame = Frame(
            depth_m=self._measure(image, rng),
            camera=self.camera,
            instances=instances,
            stamp_ns=_FIRST_STAMP_NS + round(1e9 * (index / self.rate_hz)),
            frame_id=FRAME_ID,
        )
        objects = tuple(
            self._truth(i, image, T_cam_bodies[i], instance_of.get(i, -1))
            for i, body in enumerate(self._scenario.bodies)
            if body.category is not None
        )
        return SequenceFrame(frame, T_fixed_cam.copy(), objects)

    def _measure(self, image: BodyImage, rng: np.random.Generator) -> np.ndarray:
        true = image.depth_m[None]
        depth = measure_depth(true, image.cos_incidence[None], self._sensor, rng)
        depth[hidden_from_right(true, np.array([D435_BASELINE_M * self.camera.fx]))] = 0
        return depth[0]

    def _segment(
        self, image: BodyImage, T_cam_bodies: list[np.ndarray], rng: np.random.Generator
    ) -> tuple[tuple[Instance, ...], dict[int, int]]:
        """The segmenter's masks, in the order of their ids, and the id of each object's."""
        label = np.full(image.part.shape, -1, np.int16)
        found: dict[int, str] = {}
        ids = 1 + rng.permutation(len(self._scenario.bodies))
        for i in sorted(range(len(T_cam_bodies)), key=lambda i: -float(T_cam_bodies[i][2, 3])):
            category = self._scenario.bodies[i].category
            missed = rng.random() < self.segmenter.missed_share
            confused = rng.random() < self.segmenter.wrong_class_share
            if category is None or image.visible_shares[i] < self.segmenter.min_visible_share:
                continue
            mask = image.part == i
            if missed or np.count_nonzero(mask) < self.segmenter.min_pixels:
                continue
            _mark(label, mask, i, rng)
            others = [name for name in self.categories.names if name != category]
            if confused and others:
                category = str(rng.choice(others))
            found[i] = category
        instance_of = {
            i: i + 1 if self.segmenter.persistent_ids else int(ids[i])
            for i in found
            if (label == i).any()
        }
        instances = [Instance(number, found[i], label == i) for i, number in instance_of.items()]
        return tuple(sorted(instances, key=lambda instance: instance.id)), instance_of

    def _truth(
        self, i: int, image: BodyImage, T_cam_obj: np.ndarray, instance_id: int
    ) -> TrueObject:
        body = self._scenario.bodies[i]
        category = body.category or ""
        size_m = np.ptp(body.vertices, axis=0)
        handle = True
        if self.categories[category].symmetry_hidden is not None:
            points_cam = self.camera.back_project(image.depth_m, image.part == i)
            handle = handle_visible(points_cam, T_cam_obj, size_m)
        share = float(image.visible_shares[i])
        return TrueObject(i + 1, category, T_cam_obj, size_m, share, handle, instance_id)


def tracking_sequence(
    kind: str,
    seed: int,
    *,
    frames: int = 200,
    rate_hz: float = 30.0,
    camera: PinholeCamera = D435_COLOR_CAMERA,
    segmenter: Segmenter | None = None,
    ease_s: float = 0.0,
    library: ShapeLibrary = NOCS_LIBRARY,
) -> TrackingSequence:
    """Return a sequence of a D435's depth images with masks and truth; same arguments, same frames.

    Args:
        kind: one of `SEQUENCE_KINDS`.
        seed: 0 or more.
        frames: how many, 2 or more.
        rate_hz: frames per second.
        camera: of the images.
        segmenter: its errors; None: the usual ones.
        ease_s: all begins at rest, and ends so, and takes this long to gather speed, seconds; 0:
            it moves from the first frame to the last.
        library: that the objects are from.

    Raises:
        ValueError: no such kind, or a number is out of range.

    Example:
        >>> frames = tracking_sequence("crossing", 0, frames=3)
        >>> [o.category for o in frames[2].objects]
        ['mug', 'mug']
    """
    if kind not in SCENARIOS:
        raise ValueError(f"unknown kind {kind!r}; expected one of {', '.join(SCENARIOS)}")
    if frames < 2 or rate_hz <= 0 or seed < 0 or ease_s < 0:
        raise ValueError(
            f"expected 2 frames or more, a positive rate, a seed and an easing time from 0 on, "
            f"got {frames}, {rate_hz:g}, {seed} and {ease_s:g}"
        )
    rng = _generator(kind, seed, 0)
    times_s = eased(np.arange(frames) / rate_hz, ease_s)
    scenario = SCENARIOS[kind](seed, times_s, camera, rng, library)
    # Its holes are made for the crop of one object; on a whole image they swallow objects.
    sensor = replace(draw_sensor(1, rng), hole_share=np.zeros(1))
    chosen = segmenter or Segmenter()
    return TrackingSequence(
        kind,
        seed,
        scenario,
        categories=library.categories,
        rate_hz=rate_hz,
        sensor=sensor,
        camera=camera,
        segmenter=chosen,
    )


def _generator(kind: str, seed: int, number: int) -> np.random.Generator:
    """The draws of a sequence, number 0, or of one of its frames, from number 1 on."""
    return np.random.default_rng([seed, SEQUENCE_KINDS.index(kind), number])


def _mark(label: np.ndarray, mask: np.ndarray, value: int, rng: np.random.Generator) -> None:
    """Write a mask, with its border moved as segmenters do, into a label image."""
    box = bounding_box(mask, _MASK_MARGIN_PX)
    if box is None:
        return
    moved = corrupt_mask(mask[box][None], np.ones(1), rng)[0]
    label[box][moved] = value

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Live view: a node that hears the estimator's topics and shows them on a page."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import Pose, PoseArray
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from tf2_msgs.msg import TFMessage

from genpose_ros.estimation.frame import Remark
from genpose_ros.estimation.reasons import Rejection
from genpose_ros.estimation.up import UpDirection
from genpose_ros.geometry.calibration import Calibration
from genpose_ros.geometry.categories import NOCS, Category, CategorySet
from genpose_ros.geometry.symmetry_groups import Symmetry
from genpose_ros.msg import CategoryArray, ObjectPose, ObjectPoseArray
from genpose_ros.ros.camera_info import calibrated_camera, calibration_from_info
from genpose_ros.ros.color_images import color_pixels
from genpose_ros.ros.frame_builder import stamp_ns
from genpose_ros.ros.images import depth_m, depth_pixels
from genpose_ros.ros.replay.settings import settings_of
from genpose_ros.ros.subscriptions import AdaptiveSubscription
from genpose_ros.ros.transform_tree import transform_matrix
from genpose_ros.ros.transforms import TransformBuffer
from genpose_ros.ros.view.published_view import STATES, Trails
from genpose_ros.view.content import (
    CameraImage,
    Cloud,
    ViewedFrame,
    ViewedObject,
    cloud_of,
    density_of,
    picture_of,
)
from genpose_ros.view.folders import adjustable
from genpose_ros.view.page import Adjustable, Page

__all__ = ["COLOR", "DEPTH", "LiveTopics", "LiveView"]

#: Of realsense-ros.
DEPTH = "/camera/camera/aligned_depth_to_color/image_raw"
COLOR = "/camera/camera/color/image_raw"
#: Frames that are drawn a second at most, images that wait for their objects, seconds to wait for
#: services and for the first frame.
_DRAW_HZ, _HELD, _SERVICE_S, _FIRST_S, _POLL_S = 10.0, 90, 5.0, 30.0, 0.1
#: A candidate of `~/candidate_energies`, as `genpose_ros.ros.builders` writes them.
_ENERGY = np.dtype(
    [
        *[(axis, "<f4") for axis in "xyz"],
        ("instance_id", "<i4"),
        ("energy_rotation", "<f4"),
        ("energy_translation", "<f4"),
    ]
)
_LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


@dataclass(frozen=True)
class LiveTopics:
    """Where the view listens.

    Attributes:
        node: name of the estimator's node.
        depth: topic of the depth images that it estimates from.
        camera_info: of them; empty: beside them.
        color: topic of colour images.
    """

    node: str = "/genpose"
    depth: str = DEPTH
    camera_info: str = ""
    color: str = COLOR

    @property
    def info(self) -> str:
        """The topic of camera_info."""
        folder = self.depth.removesuffix("/compressedDepth").removesuffix("/compressed")
        return self.camera_info or f"{folder.rpartition('/')[0]}/camera_info"


class LiveView:
    """Node that puts together what belongs to one stamp, and shows the newest of it.

    Args:
        node: subscribes here.
        page: shows the frames.
        topics: where to listen.
    """

    def __init__(self, node: Node, page: Page, topics: LiveTopics) -> None:
        self._node, self._page, self._topics = node, page, topics
        self._categories: CategorySet = NOCS
        self._calibration: Calibration | None = None
        self._depth: OrderedDict[int, Any] = OrderedDict()
        self._color: OrderedDict[int, Any] = OrderedDict()
        self._candidates: OrderedDict[int, PoseArray] = OrderedDict()
        self._energies: OrderedDict[int, PointCloud2] = OrderedDict()
        self._children: dict[str, tuple[str, np.ndarray]] = {}
        self._objects: ObjectPoseArray | None = None
        self._shown: ViewedFrame | None = None
        self._trails, self._first = Trails(), threading.Event()
        self._transforms = TransformBuffer()
        self._transforms.listen(node)
        self._subscribe()
        node.create_timer(1.0 / _DRAW_HZ, self._draw)
        node.create_timer(1.0, self._adapt)

    @classmethod
    @contextmanager
    def started(cls, page: Page, topics: LiveTopics) -> Iterator["LiveView"]:
        """Run the view in a thread as long as the context lasts."""
        context = rclpy.Context()
        context.init()
        node = Node("genpose_view", context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        view = cls(node, page, topics)
        thread = threading.Thread(target=_spin, args=(executor, node), daemon=True)
        thread.start()
        settings = LiveSettings(node, topics.node)
        asked = threading.Thread(target=settings.offer, args=(page,), daemon=True)
        asked.start()
        try:
            yield view
        finally:
            executor.shutdown(timeout_sec=1.0)
            thread.join(timeout=2.0)
            context.try_shutdown()
            asked.join(timeout=2.0)
            node.destroy_node()

    def first_frame(self) -> ViewedFrame:
        """Return the first frame that is shown.

        Raises:
            TimeoutError: none came in time; what is missing is named.
        """
        if not self._first.wait(_FIRST_S) or self._shown is None:
            raise TimeoutError(
                f"nothing on {self._topics.node}/objects within {_FIRST_S:g} s: does the node run, "
                "in this ROS_DOMAIN_ID, and has it images?"
            )
        return self._shown

    def _subscribe(self) -> None:
        node, name = self._node, self._topics.node.rstrip("/")
        images = (Image, CompressedImage)
        node.create_subscription(ObjectPoseArray, f"{name}/objects", self._on_objects, 5)
        node.create_subscription(PoseArray, f"{name}/candidates", self._on_candidates, 5)
        node.create_subscription(
            PointCloud2, f"{name}/candidate_energies", lambda m: _keep(self._energies, m), 5
        )
        node.create_subscription(CategoryArray, f"{name}/categories", self._on_kinds, _LATCHED)
        node.create_subscription(TFMessage, "/tf", self._on_tf, 100)
        self._adaptive = [
            AdaptiveSubscription(node, images, self._topics.depth, lambda m: _keep(self._depth, m)),
            AdaptiveSubscription(node, images, self._topics.color, lambda m: _keep(self._color, m)),
            AdaptiveSubscription(node, (CameraInfo,), self._topics.info, self._on_info),
        ]

    def _adapt(self) -> None:
        for subscription in self._adaptive:
            subscription.adapt()

    def _on_objects(self, message: ObjectPoseArray) -> None:
        self._objects = message

    def _on_candidates(self, message: PoseArray) -> None:
        _keep(self._candidates, message)

    def _on_info(self, message: CameraInfo) -> None:
        self._calibration = calibration_from_info(message)

    def _on_kinds(self, message: CategoryArray) -> None:
        self._categories = CategorySet(
            tuple(
                Category(name=c.name, symmetry=Symmetry.parse(c.symmetry))
                if NOCS.find(c.name) is None
                else NOCS[c.name]
                for c in message.categories
            )
        )

    def _on_tf(self, message: TFMessage) -> None:
        for item in message.transforms:
            try:
                matrix = transform_matrix(item.transform)
            except ValueError:
                continue
            self._children[item.child_frame_id] = (item.header.frame_id, matrix)

    def _draw(self) -> None:
        """Show the newest objects, if they were not shown yet."""
        message, self._objects = self._objects, None
        if message is None:
            return
        stamp = stamp_ns(message.header)
        T_out_cam, camera_frame = self._camera_pose(message, stamp)
        objects = tuple(self._object(item) for item in message.objects)
        objects = _with_candidates(
            objects, self._candidates.get(stamp), self._energies.get(stamp), self._categories
        )
        cloud, image = self._seen(stamp, T_out_cam)
        frame = ViewedFrame(
            name=self._topics.node,
            frame_id=message.header.frame_id or camera_frame,
            stamp_ns=stamp,
            objects=objects,
            cloud=cloud,
            image=image,
            up=_up(message),
            refused=tuple(f"{r.instance_id}: {r.reason}, {r.detail}" for r in message.rejections),
            timings_ms={t.stage: t.duration_ms for t in message.timings},
            task_frames=self._task_frames(objects),
            trails=self._trails.add(objects, stamp),
        )
        self._shown = frame
        self._page.show(frame)
        self._first.set()

    def _object(self, item: ObjectPose) -> ViewedObject:
        category = self._categories.find(item.class_name) or Category(name=item.class_name)
        tracked = item.tracking_state != ObjectPose.STATE_UNTRACKED
        size, twist = item.size, item.velocity
        velocity = [getattr(part, axis) for part in (twist.linear, twist.angular) for axis in "xyz"]
        return ViewedObject(
            name=item.id or f"{item.class_name}_{item.instance_id}",
            category=item.class_name,
            rgb=category.rgb,
            T_view_obj=_matrix(item.pose.pose),
            size_m=np.array([size.x, size.y, size.z]),
            covariance=np.asarray(item.pose.covariance, dtype=np.float64).reshape(6, 6),
            score=float(item.score),
            score_axis=float(item.score_axis),
            T_view_other=_matrix(item.second_mode) if item.has_second_mode else None,
            mode_shares=tuple(item.mode_shares),
            state=STATES[item.tracking_state],
            velocity=np.array(velocity) if tracked else None,
            age_s=_seconds(item.age),
            unseen_s=_seconds(item.time_since_seen),
            energy=(item.energy_rotation, item.energy_translation) if item.has_energies else None,
            n_points=int(item.n_points),
            detection_score=float(item.detection_score),
            rests=bool(item.rests),
            remarks=tuple(Remark(word).text for word in item.remarks),
        )

    def _camera_pose(self, message: ObjectPoseArray, stamp: int) -> tuple[np.ndarray | None, str]:
        """Where the camera is in the frame of the objects; None: that is not known."""
        depth = self._depth.get(stamp)
        if depth is None:
            return None, ""
        camera_frame = depth.header.frame_id.lstrip("/")
        if camera_frame == message.header.frame_id:
            return np.eye(4), camera_frame
        found = self._transforms.camera_in(message.header.frame_id, depth.header)
        return (None if isinstance(found, Rejection) else found), camera_frame

    def _seen(self, stamp: int, T_out_cam: np.ndarray | None) -> tuple[Cloud, CameraImage | None]:
        """Cloud and colour image of a stamp, as far as they came."""
        message, calibration = self._depth.get(stamp), self._calibration
        if T_out_cam is None or message is None or calibration is None:
            return Cloud.empty(), None
        stored = depth_pixels(message)
        if isinstance(stored, Rejection):
            return Cloud.empty(), None
        metres = depth_m(stored)
        camera = calibrated_camera(calibration, stored.shape, rectified=True)
        if isinstance(metres, Rejection) or isinstance(camera, Rejection):
            return Cloud.empty(), None
        pixels = color_pixels(self._color[stamp]) if stamp in self._color else None
        color = None if isinstance(pixels, Rejection) else pixels
        cloud = cloud_of(metres, camera, color).moved(T_out_cam)
        return cloud, picture_of(metres, camera, color, T_out_cam)

    def _task_frames(self, objects: Sequence[ViewedObject]) -> dict[str, np.ndarray]:
        """Frames that somebody publishes as children of the objects' ones."""
        poses = {item.name: item.T_view_obj for item in objects}
        found = {}
        for child, (parent, T_parent_child) in self._children.items():
            T = poses.get(parent) if parent in poses else poses.get(parent.rpartition("/")[2])
            if T is not None:
                found[child] = T @ T_parent_child
        return found


class LiveSettings:
    """Parameters of the estimator's node, changed through its services.

    Args:
        node: asks.
        name: of the estimator's node.
    """

    def __init__(self, node: Node, name: str) -> None:
        name = name.rstrip("/")
        self._node, self._name = node, name
        self._get = node.create_client(GetParameters, f"{name}/get_parameters")
        self._set = node.create_client(SetParameters, f"{name}/set_parameters")

    def offer(self, page: Page) -> None:
        """Add the settings panel once the node answers; without it the page has none."""
        with suppress(RuntimeError):  # of rclpy, where the view ends meanwhile
            self._offer(page)

    def _offer(self, page: Page) -> None:
        if not self._ready(self._get, _FIRST_S):
            return
        defaults = adjustable(settings_of("fast", {}).estimator)
        answer = self._call(self._get, GetParameters.Request(names=[s.name for s in defaults]))
        if answer is None or len(answer.values) != len(defaults):
            return
        now = [
            _with_value(item, rclpy.parameter.parameter_value_to_python(value))
            for item, value in zip(defaults, answer.values, strict=True)
        ]
        page.add_settings(now, self.change)

    def change(self, name: str, value: Any) -> str:
        """Set a parameter; return why not, or nothing."""
        message = Parameter(name, value=value).to_parameter_msg()
        answer = self._call(self._set, SetParameters.Request(parameters=[message]))
        if answer is None:
            return f"{self._name} does not answer"
        (result,) = answer.results
        return "" if result.successful else str(result.reason)

    def _ready(self, client: Any, timeout_s: float) -> bool:
        """Whether somebody answers a service, within a time and while the view runs."""
        until_s = time.monotonic() + timeout_s
        while time.monotonic() < until_s and self._node.context.ok():
            if client.service_is_ready():
                return True
            time.sleep(_POLL_S)
        return False

    def _call(self, client: Any, request: Any) -> Any:
        """The answer of a service, which comes in the executor's thread; None: there is none."""
        if not self._ready(client, _SERVICE_S):
            return None
        done = threading.Event()
        future = client.call_async(request)
        future.add_done_callback(lambda _: done.set())
        return future.result() if done.wait(_SERVICE_S) else None


def _with_value(item: Adjustable, value: Any) -> Adjustable:
    return item if value is None else replace(item, value=value)


def _spin(executor: SingleThreadedExecutor, node: Node) -> None:
    """Spin until the context ends; what a message provokes is logged."""
    while node.context.ok():
        try:
            executor.spin()
        except ExternalShutdownException:
            return
        except Exception as error:  # such as a pose that is none
            node.get_logger().warning(f"not shown: {error}", throttle_duration_sec=5)


def _keep(held: "OrderedDict[int, Any]", message: Any) -> None:
    """Hold a message by its stamp; the oldest go."""
    held[stamp_ns(message.header)] = message
    while len(held) > _HELD:
        held.popitem(last=False)


def _with_candidates(
    objects: tuple[ViewedObject, ...],
    message: PoseArray | None,
    values: PointCloud2 | None,
    categories: CategorySet,
) -> tuple[ViewedObject, ...]:
    """The objects with their candidates, and the energies of these where there are any."""
    if message is None or not message.poses or not objects:
        return objects
    T = np.array([_matrix(pose) for pose in message.poses])
    owners, energies = _owners(objects, T, values)
    found = []
    for number, item in enumerate(objects):
        own = owners == number
        category = categories.find(item.category) or Category(name=item.category)
        known = own.any() and np.isfinite(energies[own]).all()
        found.append(
            replace(
                item,
                T_view_candidates=T[own],
                density=density_of(T[own], category),
                energies=energies[own] if known else None,
            )
        )
    return tuple(found)


def _owners(
    objects: Sequence[ViewedObject], T: np.ndarray, values: PointCloud2 | None
) -> tuple[np.ndarray, np.ndarray]:
    """The index of each candidate's object, (K,), and its energies (K, 2), NaN if unknown.

    By the numbers that come with the energies, which a node before 0.4 does not publish; else each
    candidate is the nearest object's.
    """
    unknown = np.full((len(T), 2), np.nan)
    if values is None or values.width != len(T) or values.point_step != _ENERGY.itemsize:
        centres = np.array([item.T_view_obj[:3, 3] for item in objects])
        distances = np.linalg.norm(T[:, None, :3, 3] - centres, axis=-1)
        return distances.argmin(axis=1), unknown
    rows = np.frombuffer(values.data, dtype=_ENERGY)
    indices = {item.name.rpartition("_")[2]: i for i, item in enumerate(objects)}
    owners = np.array([indices.get(str(number), -1) for number in rows["instance_id"]])
    return owners, np.stack([rows["energy_rotation"], rows["energy_translation"]], axis=-1)


def _up(message: ObjectPoseArray) -> UpDirection | None:
    up = message.up
    direction = np.array([up.direction.x, up.direction.y, up.direction.z])
    if not up.source or not np.linalg.norm(direction) > 0.5:
        return None
    level_m = float(up.level) if up.has_level else None
    return UpDirection(direction / np.linalg.norm(direction), float(up.sigma), level_m, up.source)


def _matrix(pose: Pose) -> np.ndarray:
    """(4, 4) of a pose message."""
    return transform_matrix(SimpleNamespace(translation=pose.position, rotation=pose.orientation))


def _seconds(duration: Any) -> float:
    return float(duration.sec) + float(duration.nanosec) / 1e9

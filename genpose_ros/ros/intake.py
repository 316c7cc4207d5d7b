# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Intake of an active node: from its topics, /tf and an IMU to the frames that it hands over."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.timer import Timer
from sensor_msgs.msg import Imu
from std_msgs.msg import Header

from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.accounting import Drop, FrameAccount
from genpose_ros.ros.inputs import Inputs
from genpose_ros.ros.matching import Matched
from genpose_ros.ros.message_sizes import MB
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.transform_queue import LocatedFrame, TransformQueue
from genpose_ros.ros.transforms import TransformBuffer
from genpose_ros.ros.up_sources import UpSources

__all__ = ["Intake"]

#: How often frames that wait for a transform in vain are looked for, seconds.
_OVERDUE_S = 0.05
#: IMUs send up to 400 samples a second, and lost ones do not matter.
_IMU_QOS = QoSProfile(
    depth=50,
    reliability=ReliabilityPolicy.BEST_EFFORT,
    durability=DurabilityPolicy.VOLATILE,
)


class Intake:
    """Subscriptions of an active node, and all that their messages pass on the way to the worker.

    Masks meet their depth image in the `Inputs`; frames wait for the camera's pose in a queue,
    where frames of reference are named; then they are told which way is up. All methods are to be
    called in the executor's thread.

    Attributes:
        inputs: depth, camera_info and masks.
        transforms: all that was heard on /tf and /tf_static.
        queue: where frames wait for transforms; None: they need none.
        up: what TF and the IMU tell of the direction up.

    Args:
        node: subscribes.
        settings: gives those in force.
        account: counts the frames.
        hand_over: called with frames to be processed, oldest first.
        refuse: called with each refusal that is in the account already, and the message's header.
        jumped: called when the clock of the depth images jumped, before what is held here is
            forgotten; returns what else the log line shall say.
        between_masks: says whether depth images without masks are wanted too.
        asked: says whether somebody has asked for frames.
        is_own_frame: says whether a frame on /tf is one that the node broadcasts itself.
    """

    def __init__(
        self,
        node: Node,
        *,
        settings: Callable[[], Settings],
        account: FrameAccount,
        hand_over: Callable[[Sequence[LocatedFrame]], None],
        refuse: Callable[[Rejection, Header | None], None],
        jumped: Callable[[], str],
        between_masks: Callable[[], bool],
        asked: Callable[[], bool],
        is_own_frame: Callable[[str], bool],
    ) -> None:
        self._node, self._settings, self._account = node, settings, account
        self._hand_over, self._refuse, self._jumped = hand_over, refuse, jumped
        self.transforms = TransformBuffer(is_own_frame)
        self._overdue: Timer | None = None
        self.queue = self._made_queue(settings())
        self.up = UpSources(self.transforms, settings())
        self._imu = node.create_subscription(
            Imu,
            "imu",
            self._on_imu,
            _IMU_QOS,
            qos_overriding_options=QoSOverridingOptions(
                (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH)
            ),
        )
        self.inputs = Inputs(
            node,
            settings=lambda: settings().node,
            account=account,
            transforms=self.transforms,
            deliver=self._deliver,
            refuse=refuse,
            jumped=self._on_jump,
            between_masks=between_masks,
            asked=asked,
        )

    def close(self) -> None:
        """Unsubscribe; what waits is not answered any more."""
        self._account.settle(Reason.NOT_ACTIVE, self.inputs.close())
        self.forget_waiting(Reason.NOT_ACTIVE)
        self._node.destroy_subscription(self._imu)
        self.transforms.close(self._node)
        if self._overdue is not None:
            self._node.destroy_timer(self._overdue)

    def configure(self, settings: Settings) -> None:
        """Take other settings from now on."""
        self.inputs.configure(settings.node)
        self.up.configure(settings)

    def forget_waiting(self, cause: Drop | Reason) -> None:
        """Forget the frames that wait for their transforms."""
        if self.queue is not None:
            self._account.settle(cause, self.queue.clear())

    def located(self, matched: Matched) -> LocatedFrame | Rejection:
        """Return a frame that came by itself with what is known by now of its image.

        That are the camera of its masks where the depth image is not aligned to it, without which
        the frame is refused, and the direction up.
        """
        header = matched.depth.header
        if self.inputs.mask_camera is not None:
            camera = self.inputs.mask_camera.find(header)
            if isinstance(camera, Rejection):
                return camera
            matched = replace(matched, mask_camera=camera)
        poses = {}
        up_frame = self._settings().node.up_frame
        if up_frame:
            pose = self.transforms.camera_in(up_frame, header)
            if not isinstance(pose, Rejection):
                poses[up_frame] = pose
        return self.up.told(LocatedFrame(matched, poses))

    def _made_queue(self, settings: Settings) -> TransformQueue | None:
        """Where frames wait for the camera's pose in the frames that are named, if any."""
        named = [settings.node.target_frame, settings.node.up_frame]
        if settings.node.mode == "track":
            named.append(settings.node.fixed_frame)
        frames = [frame for frame in named if frame]
        if not frames:
            return None
        queue = TransformQueue(
            self.transforms,
            frames,
            wait_s=lambda: self._settings().node.transform_wait_s,
            deliver=self._tell_up,
            refuse=self._refuse_frame,
            most_bytes=lambda: self._settings().node.limits_held_mb * MB,
        )
        self.transforms.listen(self._node, queue.look_up)
        # Steady: a simulated clock that stands still must not stop it.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._overdue = self._node.create_timer(_OVERDUE_S, queue.refuse_overdue, clock=steady)
        return queue

    def _deliver(self, matched: Matched) -> None:
        if self.queue is None:
            self._tell_up([LocatedFrame(matched)])
        else:
            self._account.settle(Drop.MASKS_CAME, self.queue.add(matched))

    def _tell_up(self, frames: Sequence[LocatedFrame]) -> None:
        self._hand_over([self.up.told(frame) for frame in frames])

    def _refuse_frame(self, rejection: Rejection, header: Header) -> None:
        self._account.settle(rejection.reason)
        self._refuse(rejection, header)

    def _on_imu(self, message: Imu) -> None:
        if self.up.hear(message):
            self.transforms.listen(self._node)  # they tell where the IMU is on the camera

    def _on_jump(self) -> str:
        """Forget what belongs to the time before a jump of the clock; returns words for the log."""
        words = self._jumped()
        self.forget_waiting(Drop.CLOCK_JUMP)
        self.transforms.clear()
        self.up.clear()
        return words

"""The node: depth and masks in, object poses out."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from genpose_ros.estimation.estimator import PoseEstimator
from genpose_ros.estimation.frame import Frame
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.estimation.result import FrameResult, ObjectEstimate
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.ros.frames import build_frame
from genpose_ros.ros.gate import publishable
from genpose_ros.ros.inputs import Inputs
from genpose_ros.ros.matching import Matched
from genpose_ros.ros.outputs import Outputs
from genpose_ros.ros.parameters import Parameters, Settings
from genpose_ros.ros.program import run_program
from genpose_ros.ros.rejections import RejectionLog
from genpose_ros.ros.target_frame import TargetFrame
from genpose_ros.ros.worker import Worker

__all__ = ["Estimator", "EstimatorNode", "main", "spin"]


class Estimator(Protocol):
    """What the node needs of an estimator."""

    def estimate(self, frame: Frame) -> FrameResult:
        """Estimate the objects of a frame."""

    def warm_up(self) -> None:
        """Run once, so that the first frame is as fast as the others."""


@dataclass(frozen=True)
class _Result:
    """What is published of one frame."""

    estimates: tuple[ObjectEstimate, ...]
    rejections: tuple[Rejection, ...]
    header: Header
    timings_ms: dict[str, float]


class EstimatorNode(Node):
    """Subscribes to depth images and masks, and publishes the poses of the objects in them.

    Callbacks only check and store; one worker thread estimates, always the newest frame.

    Args:
        make_estimator: builds the estimator for given settings; default: the released network,
            which is loaded once.
        node_options: passed on to `rclpy.node.Node`.

    Raises:
        ValueError: a parameter given at start is not valid.
    """

    def __init__(
        self,
        *,
        node_name: str = "genpose",
        make_estimator: Callable[[EstimatorSettings], Estimator] | None = None,
        **node_options: Any,
    ) -> None:
        super().__init__(node_name, **node_options)
        self._parameters_in_force = Parameters(self)
        settings = self._parameters_in_force.current
        self.rejections = RejectionLog(self.get_logger().warning, settings.node.log_seconds)
        self._make_estimator = make_estimator or _released_estimator()
        self._active = (self._make_estimator(settings.estimator), settings)
        self._outputs = Outputs(self)
        frame = settings.node.target_frame
        self._target = TargetFrame(self, frame) if frame else None
        self._worker: Worker[Matched] = Worker(
            prepare=self._warm_up, handle=self._process, on_error=self.report_error
        )
        self._inputs = Inputs(
            self,
            settings=lambda: self._parameters_in_force.current.node,
            deliver=self._deliver,
            reject=self.rejections.add,
        )
        self._parameters_in_force.on_change(self._take_settings)
        self.create_service(SetBool, "~/enable", self._on_enable)
        self._worker.start()

    @property
    def dropped_frames(self) -> int:
        """How many matched frames were replaced by newer ones before they were estimated."""
        return self._worker.mailbox.dropped

    def report_error(self, error: Exception) -> None:
        """Count an unexpected error as a rejection; the node goes on.

        While everything is being shut down, errors are to be expected, and nobody is told.
        """
        if not self.context.ok():
            return
        where = traceback.extract_tb(error.__traceback__)[-1:]
        place = f" ({where[0].name}, line {where[0].lineno})" if where else ""
        detail = f"{type(error).__name__}: {error}{place}"
        self.rejections.add(Rejection(Reason.INTERNAL_ERROR, detail))

    def destroy_node(self) -> None:
        """Stop the worker, then free everything."""
        self._worker.stop()
        super().destroy_node()

    def _warm_up(self) -> None:
        self._active[0].warm_up()
        self.get_logger().info("ready")

    def _deliver(self, matched: Matched) -> None:
        self._worker.mailbox.put(matched)

    def _take_settings(self, settings: Settings) -> None:
        estimator, old = self._active
        if settings.estimator != old.estimator:
            estimator = self._make_estimator(settings.estimator)
        self._active = (estimator, settings)
        self.rejections.period_s = settings.node.log_seconds
        self._inputs.configure(settings.node)

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._inputs.enabled = request.data
        if not request.data:
            self._worker.mailbox.clear()
        response.success = True
        response.message = "estimating" if request.data else "masks are ignored"
        return response

    def _process(self, matched: Matched) -> None:
        """Estimate one frame and publish the result; runs in the worker."""
        settings = self._active[1].node
        result = self._estimate(matched)
        if isinstance(result, Rejection):
            self.rejections.add(result)
            self._outputs.publish_rejected(result, matched.depth.header)
            return
        for rejection in result.rejections:
            self.rejections.add(rejection)
        self._outputs.publish(
            result.estimates, result.rejections, result.header, settings, result.timings_ms
        )

    def _estimate(self, matched: Matched) -> _Result | Rejection:
        """What to publish, or why the whole frame is refused."""
        estimator, settings = self._active
        built = build_frame(matched, settings)
        if isinstance(built, Rejection):
            return built
        result = estimator.estimate(built.frame)
        estimates, refused = publishable(result.estimates, settings.estimator.workspace_m)
        rejections = built.rejections + result.rejections + refused
        header = matched.depth.header
        if self._target is None:
            return _Result(estimates, rejections, header, result.timings_ms)
        T_target_cam = self._target.lookup(header, settings.node.target_frame_wait_seconds)
        if isinstance(T_target_cam, Rejection):
            return T_target_cam
        estimates = tuple(estimate.moved(T_target_cam) for estimate in estimates)
        header = self._target.header(header)
        return _Result(estimates, rejections, header, result.timings_ms)


def spin(node: EstimatorNode) -> None:
    """Spin until shutdown; what a callback or rclpy itself raises is reported, not fatal.

    A parameter of an unknown type from any peer, for one, raises out of rclpy's spin.
    """
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    while _spin_once_more(executor, node):
        pass
    executor.shutdown(timeout_sec=1.0)


def _spin_once_more(executor: SingleThreadedExecutor, node: EstimatorNode) -> bool:
    """Spin until something raises; returns whether to go on."""
    try:
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        return False
    except Exception as error:  # whatever a peer can provoke must not end the node
        node.report_error(error)
    return bool(node.context.ok())


def main(
    args: Sequence[str] | None = None,
    *,
    make_estimator: Callable[[EstimatorSettings], Estimator] | None = None,
) -> None:
    """Run the node until it is told to stop; arguments as of `EstimatorNode` and `rclpy.init`.

    Raises:
        SystemExit: it could not start; the reason is logged.
    """
    run_program("genpose", lambda: EstimatorNode(make_estimator=make_estimator), spin, args)


def _released_estimator() -> Callable[[EstimatorSettings], Estimator]:
    """A maker of estimators that loads the network once and shares it."""
    first: list[PoseEstimator] = []

    def make(settings: EstimatorSettings) -> PoseEstimator:
        if first:
            return PoseEstimator(first[0].model, settings)
        first.append(PoseEstimator.from_settings(settings))
        return first[0]

    return make


if __name__ == "__main__":
    main()

from collections import Counter
from types import SimpleNamespace

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from genpose_ros.ros.tracking_status import TrackingStatus
from genpose_ros.tracking.tracks import TrackState


@pytest.fixture
def tracking():
    states = (TrackState.CONFIRMED, TrackState.CONFIRMED, TrackState.COASTING)
    return SimpleNamespace(
        tracks=tuple(SimpleNamespace(state=state) for state in states),
        frames=Counter(),
        fixed_frame=None,
    )


@pytest.fixture
def clock():
    return [0.0]


@pytest.fixture
def status(tracking, clock):
    return TrackingStatus(tracking, lambda: 7, clock=lambda: clock[0])


def values(state) -> dict[str, str]:
    return {item.key: item.value for item in state.values}


def test_states_and_rates_since_the_last_time(status, tracking, clock):
    for passed_s in (1.0, 2.0):
        clock[0] += passed_s
        tracking.frames.update(masks=10, depth_only=50)
        state = status()
        assert values(state)["frames with masks per second"] == f"{10 / passed_s:.1f}"
        assert values(state)["depth images without masks per second"] == f"{50 / passed_s:.1f}"
    assert state.level == DiagnosticStatus.OK
    assert state.message == "2 of 3 tracks are confirmed"
    found = values(state)
    assert (found["new"], found["confirmed"], found["coasting"], found["lost"]) == (
        "0", "2", "1", "0"
    )  # fmt: skip
    assert found["frames dropped for newer ones"] == "7"
    assert "fixed frame" not in found


def test_frames_without_compensation_warn_until_there_are_none(tracking, clock):
    tracking.fixed_frame = SimpleNamespace(
        frame="world", compensated=0, uncompensated=0, problem="no world"
    )
    status = TrackingStatus(tracking, lambda: 0, clock=lambda: clock[0])
    tracking.fixed_frame.compensated, tracking.fixed_frame.uncompensated = 20, 10
    state = status()
    assert state.level == DiagnosticStatus.WARN
    assert state.message == "camera motion not compensated in 10 of 30 frames"
    assert values(state)["last transform"] == "no world"
    tracking.fixed_frame.compensated, tracking.fixed_frame.problem = 50, ""
    state = status()
    assert state.level == DiagnosticStatus.OK
    assert values(state)["frames uncompensated"] == "10"
    assert values(state)["last transform"] == "found"

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""RealSense streams: software cameras, a real recording, what is refused and how."""

import numpy as np
import pytest

from genpose_ros.realsense.settings import RealSenseSettings
from genpose_ros.realsense.streams import (
    CameraError,
    DeviceClock,
    EndOfRecordingError,
    Streams,
    explained,
    import_librealsense,
    open_streams,
)

rs = pytest.importorskip("pyrealsense2", reason="pip install 'genpose_ros[realsense]'")
WALL_MM = np.full((48, 64), 800)


@pytest.fixture
def camera():
    from software_camera import SoftwareCamera

    return SoftwareCamera()


def streams(camera, **settings):
    return Streams(rs, RealSenseSettings(**settings), camera.queue.try_wait_for_frames)


def first_frame(camera, depth_mm=WALL_MM, **settings):
    opened = streams(camera, **settings)
    for number in range(1, 5):
        camera.push(number, depth_mm)
    frame = opened.read(5.0)
    assert frame is not None
    return frame


def test_the_first_frameset_with_both_images_is_the_first_one(camera):
    opened = streams(camera)
    camera.push_depth(1, WALL_MM)
    assert opened.read(0.3) is None
    for number in (2, 3, 4):
        camera.push(number, WALL_MM)
    frame = opened.read(5.0)
    assert frame.time_ms >= 66.0
    assert frame.depth_m.shape == (48, 64)
    np.testing.assert_allclose(frame.depth_m, 0.8)
    assert frame.color.shape == (72, 96, 3)
    assert not frame.time_is_global


def test_intrinsics_and_extrinsics_are_the_devices(camera):
    from software_camera import SHIFT_M, TURN_RAD

    frame = first_frame(camera)
    assert (frame.depth.camera.fx, frame.depth.camera.cx, frame.depth.camera.cy) == (60, 32.5, 23.5)
    assert (frame.color_stream.camera.fx, frame.color_stream.camera.width) == (95.0, 96)
    c, s = np.cos(TURN_RAD), np.sin(TURN_RAD)
    expected = [[c, 0, s, SHIFT_M], [0, 1, 0, 0], [-s, 0, c, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(frame.T_color_depth, expected, atol=1e-6)


def test_aligned_depth_is_that_of_the_point_that_the_colour_pixel_shows(camera):
    frame = first_frame(camera)
    aligned, c = frame.aligned_m, frame.color_stream.camera
    assert aligned.shape == (72, 96)
    v, u = np.nonzero(aligned)
    assert len(v) > 3000
    z = aligned[v, u]
    points = np.stack(((u - c.cx) / c.fx * z, (v - c.cy) / c.fy * z, z), axis=-1)
    R, t = frame.T_color_depth[:3, :3], frame.T_color_depth[:3, 3]
    # The wall is 0.8 m from the depth camera, whatever the colour pixel.
    np.testing.assert_allclose(((points - t) @ R)[:, 2], 0.8, atol=1e-5)
    assert np.ptp(z) > 0.01  # in the colour camera's frame it leans


def test_without_alignment_there_is_none(camera):
    assert first_frame(camera, align=False).aligned_m is None


def test_filters_are_off_unless_asked_for(camera):
    noisy = WALL_MM + np.random.default_rng(0).integers(-4, 5, (48, 64))
    noisy[20:24, 30:34] = 0
    np.testing.assert_allclose(first_frame(camera, noisy).depth_m, noisy / 1000, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ({"spatial": True}, lambda d, n: d[5:40, 5:25].std() < 0.7 * n[5:40, 5:25].std() / 1000),
        ({"hole_filling": True}, lambda d, n: (d[20:24, 30:34] > 0).all()),
        ({"min_m": 0.9}, lambda d, n: (d == 0).all()),
        ({"max_m": 0.7}, lambda d, n: (d == 0).all()),
        ({"decimation": 2}, lambda d, n: d.shape == (24, 32)),
        ({"temporal": True}, lambda d, n: d.shape == (48, 64)),
    ],
)
def test_each_filter_does_what_it_is_for(camera, settings, changed):
    noisy = WALL_MM + np.random.default_rng(0).integers(-4, 5, (48, 64))
    noisy[20:24, 30:34] = 0
    assert changed(first_frame(camera, noisy, **settings).depth_m, noisy)


def test_intrinsics_follow_decimation(camera):
    frame = first_frame(camera, decimation=2)
    assert (frame.depth.camera.width, frame.depth.camera.fx) == (32, 30.0)


def test_acceleration_comes_with_the_images():
    from software_camera import SoftwareCamera

    camera = SoftwareCamera(imu=True)
    opened = streams(camera)
    for number in range(1, 6):
        camera.push(number, WALL_MM)
        camera.push_acceleration(number, (0.0, -9.5, 2.0))
    seen = [opened.read(2.0) for _ in range(3)]
    frame = next(f for f in seen if f.acceleration is not None)
    assert frame.acceleration.tolist() == [0.0, -9.5, 2.0]
    np.testing.assert_allclose(frame.T_imu_depth[:3, 3], [-0.01, 0, 0], atol=1e-7)
    assert frame.rate is None


def test_the_end_of_a_recording_is_not_a_slow_camera():
    over = Streams(rs, RealSenseSettings(), lambda ms: (False, None), ended=lambda: True)
    with pytest.raises(EndOfRecordingError):
        over.read(0.1)
    slow = Streams(rs, RealSenseSettings(), lambda ms: (False, None))
    assert slow.read(0.1) is None


def test_a_camera_that_is_unplugged_says_what_to_do():
    def fail(ms):
        raise RuntimeError("No device connected")

    with pytest.raises(CameraError, match=r"plug it into a USB 3 port .*\(No device connected\)"):
        Streams(rs, RealSenseSettings(), fail).read(0.1)


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("failed to open usb interface: 0, error: RS2_USB_STATUS_ACCESS", "udev rules"),
        ("Couldn't resolve requests", "firmware"),
        (
            "xioctl(VIDIOC_S_FMT) failed, errno=16 Last Error: Device or resource busy",
            "another prog",
        ),
        ("something else", "the camera fails: something else"),
    ],
)
def test_errors_of_librealsense_say_what_to_do(words, remedy):
    assert remedy in explained(RuntimeError(words))


def test_without_a_camera_opening_one_says_so():
    if list(rs.context().query_devices()):
        pytest.skip("there is a RealSense camera here")
    with pytest.raises(CameraError, match="no RealSense camera is connected"):
        open_streams(RealSenseSettings())


def test_a_recording_that_is_missing_or_none_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_streams(RealSenseSettings(bag=str(tmp_path / "none.bag")))
    (tmp_path / "bad.bag").write_bytes(b"#ROSBAG V2.0\nnothing")
    with pytest.raises(ValueError, match="no recording of librealsense"):
        open_streams(RealSenseSettings(bag=str(tmp_path / "bad.bag")))


def test_a_real_recording_plays_to_its_end(shared):
    opened = open_streams(
        RealSenseSettings(bag=str(shared / "real" / "d435_single_depth_color.bag"))
    )
    assert "D435" in opened.about
    frame = opened.read(5.0)
    assert frame.depth_m.shape == frame.color.shape[:2] == (480, 640)
    assert frame.depth.camera.fx == pytest.approx(390.43, abs=0.01)
    assert frame.color_stream.camera.fx == pytest.approx(613.20, abs=0.01)
    both = frame.aligned_m > 0
    assert both.mean() > 0.3
    assert 0.2 < np.median(frame.aligned_m[both]) < 5
    with pytest.raises(EndOfRecordingError):
        list(iter(lambda: opened.read(3.0), None))
    opened.close()


def test_stamps_follow_the_cameras_clock_and_are_near_now():
    now = iter([1_000_000_000_000, 1_000_040_000_000, 1_000_070_000_000, 1_003_000_000_000])
    clock = DeviceClock(lambda: next(now))
    stamps = [clock.stamp_ns(ms, is_global=False) for ms in (5000.0, 5033.0, 5066.0, 5100.0)]
    # The fourth image came three seconds late: the clock had stood still.
    assert stamps == [1_000_000_000_000, 1_000_033_000_000, 1_000_066_000_000, 1_003_000_000_000]


def test_a_global_clock_is_taken_as_it_is():
    assert DeviceClock().stamp_ns(1_700_000_000_123.5, is_global=True) == 1_700_000_000_123_500_000


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="not above"):
        RealSenseSettings(min_m=2.0, max_m=1.0)


def test_without_librealsense_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyrealsense2", None)
    with pytest.raises(ModuleNotFoundError, match=r"genpose_ros\[realsense\]"):
        import_librealsense()

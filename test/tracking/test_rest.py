# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Objects at rest: the mean of their poses, when it ends, and how far it may lead."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from genpose_ros.geometry import NOCS, pose_difference
from genpose_ros.tracking import constants
from genpose_ros.tracking.rest import (
    Rest,
    at_rest,
    steadied,
    unless_taken_away,
    updated_rests,
)

ASYMMETRIC = NOCS["camera"].symmetry
#: By whether the angle about y is free.
SYMMETRIES = {False: ASYMMETRIC, True: NOCS["can"].symmetry}


def pose(x=0.0, y=0.0, z=1.0, degrees=0.0):
    T = np.eye(4)
    T[:3, 3], T[:3, :3] = (x, y, z), Rotation.from_rotvec([0, np.radians(degrees), 0]).as_matrix()
    return T


def rested(path):
    """What is known after the poses of a path, one after the other."""
    rest = None
    for T in path:
        (rest,) = updated_rests([rest], T[None], [ASYMMETRIC])
    return rest


def noisy(count, seed=0, m=0.001, degrees=0.5):
    rng = np.random.default_rng(seed)
    return [pose(rng.normal(0, m), degrees=rng.normal(0, degrees)) for _ in range(count)]


def shown(path):
    """Position x of a path of poses (m), steadied, without a motion filter."""
    rest, x = None, []
    for T in path:
        (rest,) = updated_rests([rest], T[None], [ASYMMETRIC])
        x.append(steadied(T[None], [rest], T[None])[0, 0, 3])
    return np.array(x)


class TestUpdated:
    def test_until_the_memory_is_full_it_is_the_mean_of_all(self):
        path = noisy(constants.REST_MEMORY)
        rest = rested(path)
        assert rest.frames == constants.REST_MEMORY
        places = np.array([T[:3, 3] for T in path])
        assert rest.T_fixed_obj[:3, 3] == pytest.approx(places.mean(0), abs=1e-12)
        turns = [Rotation.from_matrix(T[:3, :3]).as_rotvec() for T in path]
        turn = Rotation.from_matrix(rest.T_fixed_obj[:3, :3]).as_rotvec()
        assert turn == pytest.approx(np.mean(turns, axis=0), abs=1e-5)

    def test_then_the_old_fades(self):
        rest = rested(noisy(constants.REST_MEMORY, m=0.0, degrees=0.0))
        (after,) = updated_rests([rest], pose(0.001)[None], [ASYMMETRIC])
        assert after.frames == constants.REST_MEMORY
        assert after.T_fixed_obj[0, 3] == pytest.approx(0.001 / constants.REST_MEMORY)
        assert after.T_newest[0, 3] == pytest.approx(0.001 * constants.REST_GAIN)

    def test_noise_about_one_place_is_rest(self):
        rest = None
        for number, T in enumerate(noisy(200, m=0.004, degrees=2.0)):
            (rest,) = updated_rests([rest], T[None], [ASYMMETRIC])
            assert rest.frames == min(number + 1, constants.REST_MEMORY)

    @pytest.mark.parametrize(
        ("last", "frames"),
        [
            (pose(constants.REST_M * 0.99), constants.REST_MEMORY),
            (pose(constants.REST_M / constants.REST_GAIN * 1.1), 1),
            (pose(degrees=constants.REST_DEG * 0.99), constants.REST_MEMORY),
            (pose(degrees=constants.REST_DEG / constants.REST_GAIN * 1.1), 1),
        ],
        ids=["a little off", "far off", "turned a little", "turned"],
    )
    def test_it_ends_when_the_newest_poses_leave_the_mean(self, last, frames):
        rest = rested([*noisy(constants.REST_MEMORY, m=0.0, degrees=0.0), last])
        assert rest.frames == frames
        if frames == 1:
            np.testing.assert_array_equal(rest.T_fixed_obj, last)
            np.testing.assert_array_equal(rest.T_newest, last)

    def test_objects_of_one_call_are_those_of_a_call_each(self):
        rests = [rested(noisy(n, seed=n)) if n else None for n in (0, 1, 30, 100)]
        T = np.stack([pose(0.001), pose(0.002), pose(0.003), pose(0.5)])
        together = updated_rests(rests, T, [ASYMMETRIC] * 4)
        for rest, one, own in zip(rests, T, together, strict=True):
            (alone,) = updated_rests([rest], one[None], [ASYMMETRIC])
            assert own.frames == alone.frames
            np.testing.assert_allclose(own.T_fixed_obj, alone.T_fixed_obj, atol=1e-12)
            np.testing.assert_allclose(own.T_newest, alone.T_newest, atol=1e-12)
        assert updated_rests([], np.zeros((0, 4, 4)), []) == []

    @pytest.mark.parametrize("axis", ["y", "x"])
    @pytest.mark.parametrize("free_axis", [True, False])
    def test_a_turn_that_tells_nothing_ends_no_rest(self, axis, free_axis):
        """Axes of the object, which lies: the y axis is the one that may be free."""
        lies = Rotation.from_euler("x", 90, degrees=True)
        rest = Rest(constants.REST_MEMORY, pose(), pose())
        rest.T_fixed_obj[:3, :3] = rest.T_newest[:3, :3] = lies.as_matrix()
        T = pose()
        T[:3, :3] = (lies * Rotation.from_euler(axis, 20, degrees=True)).as_matrix()
        (after,) = updated_rests([rest], T[None], [SYMMETRIES[free_axis]])
        goes_on = axis == "y" and free_axis
        assert (after.frames == constants.REST_MEMORY) == goes_on

    @pytest.mark.parametrize(
        ("T", "free_axis", "stays"),
        [
            (pose(constants.OTHER_POSE_M * 0.99), False, True),
            (pose(constants.OTHER_POSE_M * 1.01), False, False),
            (pose(degrees=constants.OTHER_POSE_DEG * 0.99), False, True),
            (pose(degrees=constants.OTHER_POSE_DEG * 1.01), False, False),
            (pose(degrees=170.0), True, True),
        ],
    )
    def test_what_is_clearly_elsewhere_was_taken_away(self, T, free_axis, stays):
        rest = Rest(30, pose(), pose())
        assert unless_taken_away(rest, T, symmetry=SYMMETRIES[free_axis]) is (
            rest if stays else None
        )
        assert unless_taken_away(None, T, symmetry=SYMMETRIES[free_axis]) is None

    def test_rest_takes_its_time(self):
        path = noisy(constants.REST_FRAMES)
        assert not at_rest(None)
        assert not at_rest(rested(path[:-1]))
        assert at_rest(rested(path))


class TestSteadied:
    RESTING = Rest(constants.REST_FRAMES, pose(), pose())
    MOVING = Rest(constants.REST_FRAMES - 1, pose(), pose())

    @pytest.mark.parametrize(
        ("rest", "limit"), [(RESTING, 1.0), (MOVING, constants.MOVING_SHARE)], ids=["rest", "moves"]
    )
    @pytest.mark.parametrize("share", [0.5, 0.9, 3.0])
    def test_never_farther_than_the_limits(self, rest, limit, share):
        """What it is drawn to is the mean at rest, else the filter: here both are the same."""
        off_m, off_deg = share * limit * constants.REST_M, share * limit * constants.REST_DEG
        own = pose(off_m, degrees=off_deg)
        (T,) = steadied(own[None], [rest], pose()[None])
        difference = pose_difference(own, T)
        moved = min(off_m, limit * constants.REST_M)
        assert difference[:3] == pytest.approx([-moved, 0, 0], abs=1e-12)
        turned = np.radians(min(off_deg, limit * constants.REST_DEG))
        assert difference[3:] == pytest.approx([0, -turned, 0], abs=1e-12)

    def test_at_rest_the_filter_has_no_say_and_moving_the_mean_has_none(self):
        own, elsewhere = pose(0.001), pose(0.0005)
        both = steadied(
            np.stack([own, own]), [self.RESTING, self.MOVING], np.stack([elsewhere, elsewhere])
        )
        assert both[:, 0, 3] == pytest.approx([0.0, 0.0005])
        assert steadied(np.zeros((0, 4, 4)), [], np.zeros((0, 4, 4))).shape == (0, 4, 4)

    def test_the_mean_of_noise_is_steadier_by_its_number(self):
        x = shown(noisy(400, m=0.002, degrees=0.0))[constants.REST_MEMORY :]
        # Independent errors: of 60 poses an eighth is left.
        assert np.sqrt(np.mean(x**2)) < 0.002 / 5

    @pytest.mark.parametrize("speed_m_s", [0.005, 0.02, 0.1, 0.3, 1.0])
    def test_what_is_pushed_trails_by_5_mm_and_soon_no_more(self, speed_m_s):
        after = np.maximum(np.arange(120) - 60, 0) / 30
        path = speed_m_s * after
        lag = path - shown([pose(x) for x in path])
        assert lag.max() <= constants.REST_M + 1e-9
        if speed_m_s >= 0.1:  # within a fifth of a second
            assert np.abs(lag[66:]).max() < 1e-9

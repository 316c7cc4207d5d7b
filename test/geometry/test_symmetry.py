# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""NOCS rotation errors, mugs that count as axisymmetric, and the pinned yaw."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from genpose_ros.geometry import (
    Category,
    Symmetry,
    axis_angle_rad,
    geodesic_angle,
    handle_visible,
    is_symmetric,
    pin_yaw,
    random_rotations,
    rotation_error_deg,
    so3_exp,
)

R = random_rotations(1, torch.Generator().manual_seed(0))[0]


def turn(x_deg: float, y_deg: float, z_deg: float) -> torch.Tensor:
    return so3_exp(torch.deg2rad(torch.tensor([x_deg, y_deg, z_deg], dtype=torch.float64)))


class TestRotationError:
    @pytest.mark.parametrize("category", ["bottle", "bowl", "can"])
    def test_rotation_errors_of_axisymmetric_shapes_ignore_the_yaw(self, category):
        assert float(rotation_error_deg(R @ turn(0, 77, 0), R, category)) < 1e-6
        assert float(rotation_error_deg(R @ turn(12, 0, 0), R, category)) == pytest.approx(12)

    @pytest.mark.parametrize("category", ["camera", "laptop", "mug"])
    def test_rotation_errors_of_other_shapes_count_the_yaw(self, category):
        assert float(rotation_error_deg(R @ turn(0, 77, 0), R, category)) == pytest.approx(77)

    def test_a_mug_without_visible_handle_is_axisymmetric(self):
        error = rotation_error_deg(R @ turn(0, 77, 0), R, "mug", handle_visible=False)
        assert float(error) < 1e-6
        assert is_symmetric("mug", handle_visible=False)
        assert not is_symmetric("mug")
        assert not is_symmetric("laptop", handle_visible=False)

    def test_an_upside_down_object_is_off_by_180_degrees(self):
        assert float(rotation_error_deg(R @ turn(180, 0, 0), R, "can")) == pytest.approx(180)

    def test_scale_is_divided_out_of_rotation_errors(self):
        error = rotation_error_deg(3.7 * R @ turn(0, 20, 0), 0.2 * R, "laptop")
        assert float(error) == pytest.approx(20)

    def test_rotation_errors_take_batches_and_numpy_arrays(self):
        estimates = torch.stack((R, R @ turn(5, 0, 0)))
        errors = rotation_error_deg(estimates.numpy(), R.numpy(), "bowl")
        assert errors.tolist() == pytest.approx([0, 5], abs=1e-6)

    def test_errors_are_the_smallest_over_a_categorys_group(self):
        tin = Category(name="tin", symmetry=Symmetry.parse({"y": "quarter"}))
        turned = torch.stack([R @ turn(0, yaw, 0) for yaw in (3.0, 93.0, 225.0, -88.0)])
        errors = rotation_error_deg(turned, R, tin)
        assert errors.tolist() == pytest.approx([3, 3, 45, 2], abs=1e-6)
        assert float(rotation_error_deg(R @ turn(180, 0, 0), R, tin)) == pytest.approx(180)
        rod = Category(name="rod", symmetry=Symmetry.parse({"x": "half", "y": "any"}))
        assert float(rotation_error_deg(R @ turn(172, 0, 0) @ turn(0, 50, 0), R, rod)) == (
            pytest.approx(8)
        )

    def test_an_unknown_category_has_no_error(self):
        with pytest.raises(ValueError, match="unknown category 'drill'"):
            rotation_error_deg(R, R, "drill")

    def test_arrays_that_are_no_rotations_are_refused(self):
        with pytest.raises(ValueError, match=r"\(2, 3\)"):
            rotation_error_deg(torch.zeros(2, 3), R, "mug")


class TestPinYaw:
    def test_the_canonical_yaw_of_an_upright_object_faces_the_camera(self):
        upright = torch.tensor([[0.0, 0, -1], [0, -1, 0], [-1, 0, 0]]).double()
        assert torch.allclose(pin_yaw(upright @ turn(0, 123, 0)), upright, atol=1e-12)

    def test_pinning_the_yaw_keeps_the_y_axis_and_nothing_else(self):
        rotation = random_rotations(200, torch.Generator().manual_seed(1))
        pinned = pin_yaw(rotation)
        identity = torch.eye(3).double().expand(200, 3, 3)
        assert torch.allclose(pinned[..., 1], rotation[..., 1], atol=1e-12)
        assert torch.allclose(pinned.mT @ pinned, identity, atol=1e-12)
        assert torch.allclose(torch.linalg.det(pinned), torch.ones(200).double())
        assert torch.allclose(pin_yaw(rotation @ turn(0, 50, 0)), pinned, atol=1e-10)

    def test_a_pinned_rotation_is_the_shortest_turn_of_the_reference(self):
        upright = torch.tensor([[0.0, 0, -1], [0, -1, 0], [-1, 0, 0]]).double()
        axis = torch.tensor([0.6, 0.0, 0.8]).double()  # perpendicular to the reference's y
        for angle in (0.1, 1.0, 2.0, 3.1):
            turned = so3_exp(angle * axis) @ upright
            assert torch.allclose(pin_yaw(turned @ turn(0, 40, 0)), turned, atol=1e-9)

    def test_the_pinned_yaw_does_not_jump_when_the_axis_moves_a_little(self):
        rotation = random_rotations(500, torch.Generator().manual_seed(2))
        rotation = rotation[rotation[:, 1, 1] < 0.5]  # all but the nearly upside down
        moved = pin_yaw(so3_exp(torch.tensor([1e-3, 2e-3, -1e-3]).double()) @ rotation)
        assert rotation_error_deg(moved, pin_yaw(rotation), "mug").max() < 1.0

    @pytest.mark.parametrize("tilt", [0.0, 1e-9, 1e-5, 1e-3])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_a_pinned_upside_down_rotation_is_still_a_rotation(self, tilt, dtype):
        y = torch.tensor([0.0, math.cos(tilt), math.sin(tilt)], dtype=dtype)
        x = torch.tensor([1.0, 0.0, 0.0], dtype=dtype)
        pinned = pin_yaw(torch.stack((x, y, torch.linalg.cross(x, y)), dim=-1))
        assert torch.allclose(pinned.mT @ pinned, torch.eye(3, dtype=dtype), atol=1e-6)
        assert torch.allclose(pinned[:, 1], y)


class TestHandleVisible:
    #: Box of a mug with a body 8 cm wide: the body's axis is at x = -2 cm.
    SIZE_M = np.array([0.12, 0.1, 0.08])
    T_CAM_OBJ = np.eye(4)
    T_CAM_OBJ[:3, :3] = Rotation.from_euler("xyz", (180, 30, 0), degrees=True).as_matrix()
    T_CAM_OBJ[:3, 3] = (0.1, 0.0, 0.8)

    def cloud(self, on_handle: int) -> np.ndarray:
        rng = np.random.default_rng(0)
        angle = rng.uniform(0, 2 * np.pi, 1024)
        body = np.stack(
            (-0.02 + 0.04 * np.cos(angle), rng.uniform(-0.05, 0.05, 1024), 0.04 * np.sin(angle)), -1
        )
        handle = rng.uniform((0.03, -0.03, -0.008), (0.06, 0.03, 0.008), (on_handle, 3))
        points_obj = np.vstack((body[on_handle:], handle))
        return points_obj @ self.T_CAM_OBJ[:3, :3].T + self.T_CAM_OBJ[:3, 3]

    @pytest.mark.parametrize(("on_handle", "visible"), [(0, False), (9, False), (10, True)])
    def test_ten_points_of_1024_make_a_handle_visible(self, on_handle, visible):
        points_cam = self.cloud(on_handle)
        assert handle_visible(points_cam, self.T_CAM_OBJ, self.SIZE_M) is visible

    def test_background_behind_the_mug_is_no_handle(self):
        wall_obj = np.column_stack(
            (np.full(500, 0.045), np.linspace(-0.04, 0.04, 500), np.full(500, 0.2))
        )
        wall_cam = wall_obj @ self.T_CAM_OBJ[:3, :3].T + self.T_CAM_OBJ[:3, 3]
        points_cam = np.vstack((self.cloud(0), wall_cam))
        assert not handle_visible(points_cam, self.T_CAM_OBJ, self.SIZE_M)

    def test_a_mug_without_points_has_no_visible_handle(self):
        assert not handle_visible(np.empty((0, 3)), self.T_CAM_OBJ, self.SIZE_M)


def test_the_yaw_of_a_reference_is_kept_by_the_shortest_turn():
    generator = torch.Generator().manual_seed(7)
    rotation, reference = random_rotations(50, generator), random_rotations(50, generator)
    kept = pin_yaw(rotation, reference)
    assert torch.allclose(kept[..., 1], rotation[..., 1], atol=1e-12)
    turn = geodesic_angle(kept, reference)
    assert torch.allclose(turn, axis_angle_rad(kept[..., 1], reference[..., 1]), atol=1e-9)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Recorded objects beside their twins: measures with closed forms, and a folder made here."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from genpose_ros.datasets import RecordedInstance
from genpose_ros.estimation import Frame
from genpose_ros.evaluation.twin_figure import draw_twins
from genpose_ros.evaluation.twins import (
    LAGS_PX,
    SIDES,
    TwinsReport,
    evaluate_twins,
    mesh_of,
    residual_of,
)
from genpose_ros.geometry.camera import PinholeCamera
from genpose_ros.geometry.clouds import transform_points
from genpose_ros.synthesis import D435, WIDE, Mesh, make_shapes
from genpose_ros.synthesis.placement import pixel_rays
from genpose_ros.synthesis.render import cast
from genpose_ros.synthesis.twins import simulate_twins

CAMERA = PinholeCamera(300.0, 300.0, 79.5, 59.5, 160, 120)
#: A can of 7 by 11 cm that stands 45 cm before the camera, which looks down by 35 degrees.
POSE = np.eye(4)
POSE[:3, :3] = [
    [1, 0, 0],
    [0, -np.cos(np.radians(35)), np.sin(np.radians(35))],
    [0, -np.sin(np.radians(35)), -np.cos(np.radians(35))],
]
POSE[:3, 3] = 0.01, 0.01, 0.45
NOISE_M = 0.002


def can() -> Mesh:
    (shape,) = make_shapes("can", 1, np.random.default_rng(0)).vertices
    faces = make_shapes("can", 1, np.random.default_rng(0)).faces
    return Mesh(
        "mine_can", "can", True, shape * np.array([0.07, 0.11, 0.07]) / np.ptp(shape, 0), faces
    )


def everywhere(shape: tuple[int, int] = (120, 160)) -> np.ndarray:
    return np.ones(shape, dtype=bool)


class TestResidual:
    def test_white_noise_has_its_spread_and_no_correlation(self) -> None:
        noise = np.random.default_rng(0).normal(0, 0.003, (120, 160))
        found = residual_of(0.7 + noise, np.full((120, 160), 0.7), everywhere())
        assert found is not None
        assert found.spread_mm == pytest.approx(3.0, rel=0.02)
        np.testing.assert_allclose(found.autocorrelation, 0, atol=0.03)

    def test_a_wave_correlates_as_a_cosine(self) -> None:
        wave = 0.004 * np.cos(2 * np.pi * np.arange(160) / 32) * np.ones((120, 1))
        found = residual_of(0.7 + wave, np.full((120, 160), 0.7), everywhere())
        assert found is not None
        assert found.spread_mm == pytest.approx(4 / np.sqrt(2), rel=0.01)
        expected = np.cos(2 * np.pi * np.array(LAGS_PX) / 32)
        np.testing.assert_allclose(found.autocorrelation, expected, atol=0.06)

    def test_an_offset_of_all_depth_is_no_residual(self) -> None:
        mesh_m = np.full((120, 160), 0.7)
        found = residual_of(mesh_m + 0.02, mesh_m, everywhere())
        assert found is not None
        assert found.spread_mm == pytest.approx(0, abs=1e-9)

    def test_a_mask_beside_the_depth_shows_at_its_side(self) -> None:
        mask, on_mesh = np.zeros((2, 120, 160), dtype=bool)
        mask[30:90, 40:120] = True
        on_mesh[30:90, 44:130] = True
        depth = np.where(on_mesh, 0.7, 1.0)
        found = residual_of(depth, np.where(on_mesh, 0.7, 0.0), mask)
        assert found is not None
        profile = dict(zip(SIDES, found.profile, strict=True))
        np.testing.assert_allclose(profile["left"], [1] * 4 + [0] * 6)
        np.testing.assert_allclose(profile["right"], 0)
        # Above and below, four columns of eighty.
        np.testing.assert_allclose(profile["upper"], 0.05)
        np.testing.assert_allclose(profile["lower"], 0.05)

    def test_what_shows_too_little_is_not_compared(self) -> None:
        depth, mesh_m = np.zeros((40, 40)), np.full((40, 40), 0.7)
        assert residual_of(depth, mesh_m, everywhere((40, 40))) is None
        depth[:10, :10] = 0.7
        assert residual_of(depth, mesh_m, everywhere((40, 40))) is None


@pytest.mark.parametrize(
    ("name", "category", "found"),
    [
        ("mine_can", "can", True),
        ("can", "can", True),
        ("can_norm", "can", True),
        ("an", "can", False),
        ("can", "mug", False),
        ("", "can", False),
    ],
)
def test_a_mesh_belongs_to_the_object_of_its_name(name: str, category: str, found: bool) -> None:
    instance = RecordedInstance(1, category, everywhere(), name=name)
    assert (mesh_of(instance, [can()]) is not None) == found


class TestSimulated:
    def test_the_mesh_is_seen_as_rays_see_it(self) -> None:
        mesh = can()
        twins = simulate_twins(
            mesh.vertices, mesh.faces, POSE, CAMERA, D435, 3, np.random.default_rng(0)
        )
        placed = transform_points(POSE, mesh.vertices)
        rays = pixel_rays(twins.camera)
        hits = cast([(placed, mesh.faces)], rays, np.zeros(3), threads=1)
        both = (hits.part == 0) & (twins.mesh_m > 0)
        assert ((hits.part == 0) != (twins.mesh_m > 0)).mean() < 0.005
        np.testing.assert_allclose(twins.mesh_m[both], hits.depth_m[both], atol=1e-3)

    def test_wide_cameras_err_more_than_noisy_ones(self) -> None:
        mesh = can()
        spreads = {}
        for domain in (D435, WIDE):
            twins = simulate_twins(
                mesh.vertices, mesh.faces, POSE, CAMERA, domain, 24, np.random.default_rng(1)
            )
            found = [
                residual_of(depth, twins.mesh_m, mask)
                for depth, mask in zip(twins.depth_m, twins.mask, strict=True)
            ]
            spreads[domain.name] = np.median([r.spread_mm for r in found if r is not None])
        assert spreads["wide"] > 1.5 * spreads["d435"]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A frame of the can with white noise; a second object has no mesh, a third no truth."""
    folder = tmp_path / "set" / "frame"
    folder.mkdir(parents=True)
    mesh = can()
    hits = cast(
        [(transform_points(POSE, mesh.vertices), mesh.faces)], pixel_rays(CAMERA), np.zeros(3)
    )
    noise = np.random.default_rng(0).normal(0, NOISE_M, hits.depth_m.shape)
    depth_mm = np.where(hits.part == 0, 1000 * (hits.depth_m + noise), 0)
    labels = np.where(hits.part == 0, 1, 0).astype(np.uint8)
    labels[:4, :4], labels[:4, 8:12] = 2, 3
    Image.fromarray(np.round(depth_mm).astype(np.uint16)).save(folder / "depth.png")
    Image.fromarray(labels).save(folder / "mask.png")
    posed = {"category": "can", "R": POSE[:3, :3].tolist(), "t": POSE[:3, 3].tolist()}
    instances = [
        {"id": 1, "name": "can_norm", "size_m": [0.07, 0.11, 0.07], **posed},
        {"id": 2, "name": "other", **posed},
        {"id": 3, "category": "mug"},
    ]
    k = [[CAMERA.fx, 0, CAMERA.cx], [0, CAMERA.fy, CAMERA.cy], [0, 0, 1]]
    (folder / "label.json").write_text(json.dumps({"K": k, "instances": instances}))
    return tmp_path / "set"


def estimator_off_by(metres: float) -> SimpleNamespace:
    """Answers every object with the can's pose, moved by so much where depth is not clean."""

    def estimate(frame: Frame) -> SimpleNamespace:
        T_cam_obj = POSE.copy()
        clean = not np.array_equal(frame.depth_m, np.round(frame.depth_m, 3).astype(np.float32))
        T_cam_obj[0, 3] += 0.0 if clean else metres
        return SimpleNamespace(estimates=(SimpleNamespace(T_cam_obj=T_cam_obj),))

    return SimpleNamespace(estimate=estimate)


@pytest.fixture
def report(recording: Path) -> TwinsReport:
    return evaluate_twins(recording, [can()], estimator_off_by(0.03), cameras=4)


def test_a_recording_is_compared_with_its_twins(report: TwinsReport) -> None:
    (twin,) = report.twins
    assert (twin.frame, twin.instance_id, twin.mesh) == ("frame", 1, "mine_can")
    assert report.without_mesh == 1
    assert twin.recorded.spread_mm == pytest.approx(1000 * NOISE_M, rel=0.1)
    assert abs(twin.recorded.autocorrelation[0]) < 0.1
    assert twin.median_errors("recorded") == pytest.approx((0, 3.0), abs=0.01)
    assert twin.median_errors("clean") == pytest.approx((0, 0), abs=0.01)
    assert {name: len(errors) for name, errors in twin.errors.items()} == {
        "recorded": 1,
        "clean": 1,
        "d435": 4,
        "wide": 4,
    }


def test_a_report_of_twins_is_json(report: TwinsReport) -> None:
    content = json.loads(json.dumps(report.to_json(), allow_nan=False))
    (twin,) = content["twins"]
    assert len(twin["recorded"]["profile"]["left"]) == 10
    low, middle, high = twin["simulated"]["wide"]["spread_mm"]
    assert low <= middle <= high


def test_twins_are_drawn(report: TwinsReport, tmp_path: Path) -> None:
    draw_twins(report.twins, tmp_path / "new" / "twins.png")
    with Image.open(tmp_path / "new" / "twins.png") as picture:
        assert picture.width > picture.height


def test_the_same_seed_simulates_the_same_cameras(recording: Path, report: TwinsReport) -> None:
    again = evaluate_twins(recording, [can()], estimator_off_by(0.03), cameras=4)
    assert again.to_json() == report.to_json()


def test_a_folder_without_an_object_that_has_a_mesh_is_refused(recording: Path) -> None:
    with pytest.raises(ValueError, match=r"none of the 2 objects .* has a mesh: name them alike"):
        evaluate_twins(recording, [], estimator_off_by(0.0))

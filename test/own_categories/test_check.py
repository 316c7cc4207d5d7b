# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Checks of category folders: each mistake is found, and its cure cures it."""

import re
from pathlib import Path

import numpy as np
import pytest
from mesh_shapes import Shape, box, hammer, joined, moved, prism, write_category

from genpose_ros.geometry.symmetry_groups import Symmetry
from genpose_ros.own_categories.check import FolderCheck, check_folder, check_folders
from genpose_ros.own_categories.findings import Level, declared_folds

SCALES = (0.8, 0.9, 1.0, 1.1)
HAMMERS = [hammer(scale) for scale in SCALES]
CANS = [prism(48, radius, 0.12) for radius in (0.03, 0.032, 0.034, 0.036)]
#: A round foot below a thin column: round about y, and about nothing else.
LAMPS = [
    joined(prism(48, 0.06 * s, 0.02), moved(prism(48, 0.01, 0.2 * s), 0, 0.1 * s, 0))
    for s in SCALES
]


def turned(shape: Shape, *axes: str) -> Shape:
    """The shape with its x, y and z along other axes of the file."""
    vertices, faces = shape
    to_file = np.zeros((3, 3))
    for i, axis in enumerate(axes):
        to_file["xyz".index(axis[1]), i] = 1 if axis[0] == "+" else -1
    assert np.linalg.det(to_file) == pytest.approx(1)
    return vertices @ to_file.T, faces


def texts(check: FolderCheck, level: Level) -> list[str]:
    return [finding.text for finding in check.findings if finding.level is level]


def only(check: FolderCheck, level: Level) -> str:
    (text,) = texts(check, level)
    return text


def cured(folder: Path, text: str) -> FolderCheck:
    """The check after what a finding says has been written."""
    manifest = folder / "category.yaml"
    content = manifest.read_text()
    for field, value in re.findall(r"(frame|symmetry|mirror|size_m): (\{.*?\}|\[.*?\]|\w+)", text):
        content = re.sub(rf"^{field}: .*\n", "", content, flags=re.M) + f"{field}: {value}\n"
    manifest.write_text(content)
    return check_folder(folder)


def test_a_good_folder_has_nothing_to_say(tmp_path):
    check = check_folder(write_category(tmp_path, HAMMERS, "mirror: true"))
    assert texts(check, Level.REFUSAL) == texts(check, Level.WARNING) == []
    assert not check.refused
    assert [one.split for one in check.meshes] == ["train", "train", "train", "test"]
    content = check.to_json()
    assert content["category"]["name"] == "thing"
    assert content["meshes"][2] == {
        "name": "c.ply",
        "split": "train",
        "size_m": [0.12, 0.24, 0.05],
        "triangles": 24,
        "closed": True,
        "symmetry": "{}",
        "mirror_planes": ["z"],
    }


class TestUnits:
    def test_millimetres_taken_for_metres_are_refused_with_the_unit(self, tmp_path):
        shapes = [(vertices * 1000, faces) for vertices, faces in HAMMERS]
        folder = write_category(tmp_path, shapes, "mirror: true", "size_m: [0.1, 0.4]")
        text = only(check_folder(folder), Level.REFUSAL)
        assert text.startswith("objects of 259 m from corner to corner")
        assert text.endswith("write unit: mm (25.9 cm)")

    def test_a_unit_is_guessed_by_the_usual_sizes_where_none_are_declared(self, tmp_path):
        shapes = [(vertices * 1000, faces) for vertices, faces in HAMMERS]
        assert "write unit: mm (25.9 cm)" in only(
            check_folder(write_category(tmp_path, shapes)), Level.REFUSAL
        )

    def test_metres_taken_for_millimetres_are_refused(self, tmp_path):
        frame = "frame: {up: +y, front: +x, unit: mm}"
        text = only(check_folder(write_category(tmp_path, HAMMERS, frame=frame)), Level.REFUSAL)
        assert "write unit: m (25.9 cm)" in text

    def test_a_file_with_another_unit_than_the_others_is_named(self, tmp_path):
        shapes = [*HAMMERS, (HAMMERS[0][0] * 1000, HAMMERS[0][1])]
        (finding,) = [
            f for f in check_folder(write_category(tmp_path, shapes)).findings
            if f.level is Level.REFUSAL
        ]  # fmt: skip
        assert finding.mesh == "e.ply"
        assert "it has another unit than the others" in finding.text

    def test_sizes_outside_the_declared_ones_are_told_with_what_to_write(self, tmp_path):
        folder = write_category(tmp_path, HAMMERS, "mirror: true", "size_m: [0.05, 0.25]")
        text = only(check_folder(folder), Level.WARNING)
        assert "c.ply, d.ply outside" in text
        assert texts(cured(folder, text), Level.WARNING) == []


class TestFrames:
    def test_z_up_taken_for_y_up_shows_by_the_mirror_plane(self, tmp_path):
        # Files with z up, whose manifest says y.
        shapes = [turned(shape, "+x", "+z", "-y") for shape in HAMMERS]
        folder = write_category(tmp_path, shapes, "mirror: true")
        text = only(check_folder(folder), Level.REFUSAL)
        assert "mirror plane is y = 0 instead of z = 0" in text
        assert "write frame: {up: +z, front: +x, unit: m}" in text
        assert not cured(folder, text.partition(", or")[0]).refused

    def test_z_up_taken_for_y_up_shows_by_the_round_axis(self, tmp_path):
        shapes = [turned(shape, "+x", "+z", "-y") for shape in LAMPS]
        folder = write_category(tmp_path, shapes, "symmetry: {y: any}", "mirror: true")
        text = only(check_folder(folder), Level.REFUSAL)
        assert "symmetry {y: any} is declared, but measured about z" in text
        check = cured(folder, text.partition("write ")[2])
        assert check.findings == ()

    def test_a_front_along_z_with_mirror_is_refused(self, tmp_path):
        shapes = [turned(shape, "+z", "+y", "-x") for shape in HAMMERS]
        folder = write_category(tmp_path, shapes, "mirror: true")
        text = only(check_folder(folder), Level.REFUSAL)
        assert "mirror plane is x = 0 instead of z = 0: their front lies along z" in text
        assert "write frame: {up: +y, front: +z, unit: m}, or mirror: false" in text
        assert not cured(folder, text.partition(", or")[0]).refused

    def test_boxes_whose_edges_come_in_any_order_have_no_frame(self, tmp_path):
        shapes = [box(0.05, 0.2, 0.1), box(0.06, 0.22, 0.1), box(0.2, 0.05, 0.1)]
        lines = ("symmetry: {x: half, y: half}", "mirror: true")
        text = only(check_folder(write_category(tmp_path, shapes, *lines)), Level.REFUSAL)
        assert "the edge along x is longer than that along y in c.ply and shorter in a.ply" in text

    def test_boxes_whose_edges_are_ordered_have_one(self, tmp_path):
        shapes = [box(0.05 * s, 0.2, 0.1 * s) for s in SCALES]
        lines = ("symmetry: {x: half, y: half}", "mirror: true")
        assert check_folder(write_category(tmp_path, shapes, *lines)).findings == ()

    def test_cans_of_any_proportion_have_one(self, tmp_path):
        shapes = [prism(48, 0.03, 0.12), prism(48, 0.08, 0.05), prism(48, 0.03, 0.1)] * 2
        lines = ("symmetry: {x: half, y: any}", "mirror: true")
        check = check_folder(write_category(tmp_path, shapes, *lines))
        assert texts(check, Level.REFUSAL) == []


class TestSymmetry:
    def test_an_undeclared_one_is_told_in_the_fewest_words(self, tmp_path):
        shapes = [box(0.1, height, 0.1) for height in (0.2, 0.22, 0.25, 0.3)]
        folder = write_category(tmp_path, shapes, "mirror: true")
        text = only(check_folder(folder), Level.WARNING)
        assert "(measured: {x: half, y: quarter})" in text
        assert "write symmetry: {x: half, y: quarter}" in text
        assert cured(folder, text.partition("write ")[2]).findings == ()

    def test_one_that_adds_to_the_declared_is_told_with_it(self, tmp_path):
        folder = write_category(tmp_path, CANS, "symmetry: {y: any}", "mirror: true")
        text = only(check_folder(folder), Level.WARNING)
        assert "write symmetry: {x: half, y: any}" in text
        assert cured(folder, text.partition("write ")[2]).findings == ()

    def test_one_that_is_declared_but_not_there_is_told_with_the_meshes(self, tmp_path):
        folder = write_category(tmp_path, HAMMERS, "symmetry: {y: any}", "mirror: true")
        text = only(check_folder(folder), Level.WARNING)
        assert (
            "{y: any} is declared, but such a turn changes a.ply, b.ply, c.ply and 1 more" in text
        )
        assert "(measured: {})" in text

    def test_one_mesh_that_differs_is_named(self, tmp_path):
        shapes = [*LAMPS, hammer()]
        folder = write_category(tmp_path, shapes, "symmetry: {y: any}", "mirror: true")
        text = only(check_folder(folder), Level.WARNING)
        assert "such a turn changes e.ply: take y out" in text

    def test_round_about_another_axis_than_up_is_told_with_the_frame(self, tmp_path):
        shapes = [turned(shape, "-y", "+x", "+z") for shape in LAMPS]
        folder = write_category(tmp_path, shapes, "mirror: true")
        text = only(check_folder(folder), Level.WARNING)
        assert "round about x, which only y can be" in text
        check = cured(folder, text.partition("write ")[2])
        assert check.findings == ()

    @pytest.mark.parametrize(
        ("words", "folds"),
        [
            ({}, (1, 1, 1)),
            ({"x": "half", "y": "half"}, (2, 2, 2)),
            ({"y": "quarter"}, (1, 4, 1)),
            ({"x": "half", "y": 6}, (2, 6, 2)),
            ({"y": "any"}, (1, 0, 1)),
            ({"y": "any", "x": "half"}, (2, 0, 2)),
            ({"x": "quarter", "y": "quarter"}, (4, 4, 4)),
        ],
    )
    def test_turns_that_follow_from_the_declared_ones_count_as_declared(self, words, folds):
        assert declared_folds(Symmetry.parse(words)) == folds


class TestMirror:
    HANDED = [  # noqa: RUF012 (shapes, never changed)
        joined(
            *(moved(part, 0, 0, 0) for part in (hammer(s), moved(box(0.02, 0.02, 0.1), 0, 0, 0.05)))
        )
        for s in SCALES
    ]

    def test_a_declared_plane_that_is_not_there_is_told(self, tmp_path):
        text = only(
            check_folder(write_category(tmp_path, self.HANDED, "mirror: true")), Level.WARNING
        )
        assert "the plane z = 0 does not map a.ply, b.ply, c.ply and 1 more onto itself" in text
        assert "write mirror: false" in text

    def test_a_plane_that_is_there_is_recommended(self, tmp_path):
        folder = write_category(tmp_path, HAMMERS)
        text = only(check_folder(folder), Level.REMARK)
        assert "write mirror: true" in text
        assert cured(folder, text).findings == ()


class TestCounts:
    def test_a_single_mesh_becomes_an_instance(self, tmp_path):
        check = check_folder(write_category(tmp_path, HAMMERS[:1], "mirror: true"))
        assert "it becomes an instance, not a category" in only(check, Level.WARNING)
        assert check.meshes[0].split == "train+test"

    @pytest.mark.parametrize("count", [2, 3])
    def test_two_or_three_are_few(self, tmp_path, count):
        check = check_folder(write_category(tmp_path, HAMMERS[:count], "mirror: true"))
        assert f"{count} meshes, {count - 1} of them to train with" in only(check, Level.WARNING)

    def test_a_held_out_mesh_that_is_trained_under_another_name_is_told(self, tmp_path):
        shapes = [*HAMMERS[:3], HAMMERS[0]]
        check = check_folder(write_category(tmp_path, shapes, "mirror: true"))
        assert "the same mesh as a.ply, one of them held out" in only(check, Level.WARNING)


def test_what_lies_far_off_and_what_is_open_is_remarked(tmp_path):
    vertices, faces = hammer()
    shapes = [*HAMMERS, (vertices * 0.95 + [3, 0, 0], faces[:-1])]
    remarks = texts(check_folder(write_category(tmp_path, shapes, "mirror: true")), Level.REMARK)
    assert any("diagonals from the file's origin" in text for text in remarks)
    assert any(text.startswith("not closed: e.ply") for text in remarks)


def test_unusable_meshes_are_refused_each_and_the_rest_is_still_checked(tmp_path):
    folder = write_category(tmp_path, HAMMERS, "mirror: true")
    for name in ("e.stl", "f.glb"):
        (folder / name).write_bytes(b"?" * 100)
    check = check_folder(folder)
    refused = [finding.mesh for finding in check.findings if finding.level is Level.REFUSAL]
    assert refused == ["e.stl", "f.glb"]
    assert len(check.meshes) == 4


def test_a_folder_that_cannot_be_read_at_all_is_a_refusal(tmp_path):
    write_category(tmp_path, HAMMERS, "colour: red")
    check = check_folder(tmp_path)
    assert check.category is None
    assert "unknown field 'colour'; did you mean color" in only(check, Level.REFUSAL)
    write_category(tmp_path, [(np.eye(3), np.array([[0, 1, 2]]))] * 4)
    check = check_folder(tmp_path)
    assert check.refused
    assert check.category is None
    assert check.to_json()["category"] is None


def test_categories_that_share_a_name_are_refused_once(tmp_path):
    for name, alias in (("saw", "tool"), ("awl", "it"), ("file", "Tool")):
        write_category(tmp_path / name, HAMMERS, f"aliases: [{alias}]", "mirror: true", name=name)
    seen: list[tuple[int, int]] = []
    checks = check_folders([tmp_path], lambda done, total: seen.append((done, total)))
    assert [check.path.name for check in checks if check.refused] == ["saw"]
    assert "'tool' names both file and saw" in only(checks[2], Level.REFUSAL)
    assert seen[0] == (1, 12)
    assert seen[-1] == (12, 12)

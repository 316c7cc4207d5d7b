# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Manifests: what they may hold, their defaults, and one sentence for each mistake."""

from pathlib import Path

import numpy as np
import pytest
from mesh_shapes import box, write_category

from genpose_ros.geometry.symmetry_groups import Symmetry
from genpose_ros.own_categories.manifest import FileFrame, read_manifest

BOX = box(0.1, 0.2, 0.05)

FULL = """\
name: drill
aliases: [power drill, cordless_drill]
frame: {up: +z, front: +x, unit: mm}   # as the files lie
symmetry: {}
mirror: true
size_m: [0.18, 0.32]
rests: [standing, lying]
deform: box
meshes: {train: ["drill_[0-3].ply"], test: [drill_4.ply, drill_5.ply]}
"""


def folder_of(folder: Path, count: int, text: str) -> Path:
    write_category(folder, {f"drill_{i}.ply": BOX for i in range(count)})
    (folder / "category.yaml").write_text(text)
    return folder


def names(files: tuple[Path, ...]) -> list[str]:
    return [file.name for file in files]


def test_a_whole_manifest_is_read_as_it_stands(tmp_path):
    manifest = read_manifest(folder_of(tmp_path, 6, FULL))
    assert manifest.name == "drill"
    assert manifest.frame == FileFrame("+z", "+x", "mm")
    assert names(manifest.train) == [f"drill_{i}.ply" for i in range(4)]
    assert names(manifest.test) == ["drill_4.ply", "drill_5.ply"]
    assert manifest.rests == ("standing", "lying")
    assert manifest.fields["aliases"] == ("power drill", "cordless_drill")
    assert manifest.fields["size_m"] == (0.18, 0.32)
    assert manifest.fields["mirror"] is True


def test_name_and_frame_are_enough(tmp_path):
    manifest = read_manifest(write_category(tmp_path, [BOX]))
    assert manifest.fields["symmetry"] == Symmetry()
    assert manifest.fields["mirror"] is False
    assert manifest.fields["deform"] == "box"
    assert manifest.rests is None
    assert "size_m" not in manifest.fields


def test_round_objects_need_no_front_and_deform_in_rings(tmp_path):
    folder = write_category(
        tmp_path, [BOX], "symmetry: {y: any}", frame="frame: {up: +x, unit: cm}"
    )
    manifest = read_manifest(folder)
    assert manifest.frame.front == "+y"
    assert manifest.fields["deform"] == "rings"


@pytest.mark.parametrize(
    ("count", "test"),
    [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (6, "d"), (8, "dh"), (9, "dh")],
)
def test_every_fourth_mesh_is_held_out_and_the_last_of_few(tmp_path, count, test):
    manifest = read_manifest(write_category(tmp_path, [BOX] * count))
    assert "".join(file.stem for file in manifest.test) == test
    expected = [file for file in manifest.files if file not in manifest.test or count == 1]
    assert list(manifest.train) == expected


def test_meshes_to_train_with_are_what_the_test_leaves(tmp_path):
    folder = write_category(tmp_path, [BOX] * 3, "meshes: {test: [a.ply]}")
    assert names(read_manifest(folder).train) == ["b.ply", "c.ply"]


def test_files_whose_names_look_like_patterns_are_found(tmp_path):
    shapes = {"part[1].ply": BOX, "part[2].ply": BOX}
    folder = write_category(tmp_path, shapes, 'meshes: {test: ["part[2].ply"]}')
    assert names(read_manifest(folder).test) == ["part[2].ply"]


def test_the_digest_follows_meshes_and_manifest(tmp_path):
    folder = write_category(tmp_path, [BOX, BOX])
    first = read_manifest(folder).digest
    assert read_manifest(folder).digest == first
    write_category(folder, [BOX, box(0.1, 0.2, 0.06)])
    second = read_manifest(folder).digest
    write_category(folder, [], "mirror: true")
    assert len({first, second, read_manifest(folder).digest}) == 3


@pytest.mark.parametrize("up", ["+x", "-x", "+y", "-y", "+z", "-z"])
@pytest.mark.parametrize("front", ["+x", "-x", "+y", "-y", "+z", "-z"])
def test_frames_are_turned_by_rotations_that_take_up_to_y_and_front_to_x(up, front):
    if up[1] == front[1]:
        with pytest.raises(ValueError, match="lie along the same axis"):
            FileFrame(up, front, "m")
        return
    R = FileFrame(up, front, "m").R_obj_file
    signs = {"+": 1.0, "-": -1.0}
    up_file, front_file = (signs[a[0]] * np.eye(3)["xyz".index(a[1])] for a in (up, front))
    np.testing.assert_array_equal(R @ up_file, [0, 1, 0])
    np.testing.assert_array_equal(R @ front_file, [1, 0, 0])
    assert np.linalg.det(R) == pytest.approx(1)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("frame: {up: +z, front: +x, unit: mm}", "the field name is missing: write .* name: drill"),
        ("name: drill", r"the field frame is missing: write .* frame: \{up: \+z"),
        ("name: drill\nfram: {}", "unknown field 'fram'; did you mean frame"),
        ("name: drill\nframe: 3", "frame is 3: write a table such as"),
        ("name: drill\nframe: {up: +z, front: +x}", "frame.unit is missing: .* unit: mm"),
        ("name: drill\nframe: {up: +z, unit: mm}", r"frame.front is missing: .* front: \+x"),
        ("name: drill\nframe: {up: top, front: +x, unit: mm}", "frame.up is 'top': write the axis"),
        ("name: drill\nframe: {up: +z, front: +x, unit: km}", "frame.unit is 'km': write one of m"),
        ("name: drill\nframe: {up: +z, forward: +x}", "unknown field of frame 'forward'"),
        ("{ok}symmetry: half", "symmetry is 'half': write a table such as"),
        ("{ok}symmetry: {z: any}", "symmetry: only y can be a free axis"),
        ("{ok}symmetry: {y: 25}", "symmetry: turns .* make more than 24 rotations"),
        ("{ok}symmetry: {w: half}", "symmetry: unknown axis 'w'"),
        ("{ok}rests: standing", r"rests is 'standing': write auto, or some of \[standing"),
        (
            "{ok}meshes: {train: ['*.stl']}",
            r"meshes.train: '\*.stl' matches no mesh in .*: correct",
        ),
        ("{ok}meshes: {train: [../x.ply]}", "meshes.train: '../x.ply' leaves the folder: copy"),
        ("{ok}meshes: {train: [/etc/x.ply]}", "leaves the folder"),
        ("{ok}meshes: {train: 5}", r"meshes.train is 5: write file names such as \[drill_"),
        ("{ok}meshes: {tests: [a.ply]}", "unknown field of meshes 'tests'; did you mean test"),
        ("{ok}meshes: {train: ['*.ply'], test: [b.ply]}", "b.ply is both in train and in test"),
        ("{ok}meshes: {test: ['*.ply']}", "no mesh to train with is left"),
        ("{ok}name: twice", "line 3: name stands there twice: keep one"),
        ("name: &a drill\nframe: *a", "line 1: anchors and aliases .* are not read"),
        ("name: [", "category.yaml, line"),
        ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("just text", "holds no fields: write at least name"),
        ("", "holds no fields"),
        ("a: " + "[" * 900, "line 1: values are nested too deep"),
        ("{ok}color: 2026-13-45", "month must be in 1..12"),
        ("{ok}color: !!timestamp x", "category.yaml: "),
        ("{ok}color: !!int ''", "category.yaml: "),
        ("{ok}color: !!bool x", "category.yaml: "),
        ("name: a\n" + "# long\n" * 5000, "has 35008 bytes, more than the 30000 of a manifest"),
    ],
)
def test_a_mistake_is_one_sentence_with_file_field_and_cure(tmp_path, lines, message):
    write_category(tmp_path, [BOX, BOX])
    ok = "name: drill\nframe: {up: +z, front: +x, unit: mm}\n"
    (tmp_path / "category.yaml").write_text(lines.replace("{ok}", ok))
    with pytest.raises(ValueError, match=message) as error:
        read_manifest(tmp_path)
    assert "category.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_folders_without_manifest_or_meshes_are_refused_with_the_cure(tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        read_manifest(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"holds no category.yaml: write one with at least name"):
        read_manifest(tmp_path)
    write_category(tmp_path, [])
    with pytest.raises(ValueError, match=r"no mesh to train with .*: add files that end in .ply"):
        read_manifest(tmp_path)


def test_a_manifest_that_is_no_text_is_refused(tmp_path):
    write_category(tmp_path, [BOX])
    (tmp_path / "category.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(ValueError, match="is no text in UTF-8"):
        read_manifest(tmp_path)

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Category folders as meshes of the category's frame."""

import numpy as np
import pytest
from mesh_shapes import box, hammer, joined, moved, prism, write_category

from genpose_ros.own_categories import read_category_folder, read_category_folders

MM_Z_UP = "frame: {up: +z, front: +x, unit: mm}"


def in_files(shape, factor=1000.0):
    """A shape of our frame as a file with z up and millimetres has it: x, -z, y."""
    vertices, faces = shape
    return vertices[:, [0, 2, 1]] * [factor, -factor, factor], faces


def test_meshes_are_turned_to_y_up_and_front_x_in_metres(tmp_path):
    shapes = [in_files(hammer(scale)) for scale in (0.8, 1.0, 1.1, 1.2)]
    folder = read_category_folder(write_category(tmp_path, shapes, "mirror: true", frame=MM_Z_UP))
    assert [mesh.name for mesh in folder.train] == ["a.ply", "b.ply", "c.ply"]
    assert [mesh.name for mesh in folder.test] == ["d.ply"]
    vertices, _ = hammer(1.0)
    centred = vertices - (vertices.max(0) + vertices.min(0)) / 2
    mesh = folder.train[1]
    assert (mesh.category, mesh.metric, mesh.closed) == ("thing", True, True)
    order = np.lexsort(centred.round(9).T)
    found = mesh.vertices[np.lexsort(mesh.vertices.round(9).T)]
    np.testing.assert_allclose(found, centred[order], atol=1e-12)
    assert not folder.is_instance


def test_what_the_manifest_leaves_open_is_the_meshes_own(tmp_path):
    shapes = [prism(64, 0.01, height) for height in (0.2, 0.25, 0.3)]
    category = read_category_folder(write_category(tmp_path, shapes)).category
    low, high = (np.linalg.norm([0.02, height, 0.02]) for height in (0.2, 0.3))
    assert category.size_m == pytest.approx((low / 1.2, high * 1.2), abs=1e-3)
    assert category.rests == ("lying",)


def test_declared_values_reach_the_category(tmp_path):
    lines = (
        "aliases: [it]", "symmetry: {y: half}", "symmetry_hidden: {y: any}", "size_m: [0.1, 0.3]",
        "rests: [standing]", "deform: none", "color: [1, 2, 3]",
    )  # fmt: skip
    category = read_category_folder(
        write_category(tmp_path, [box(0.1, 0.2, 0.05)], *lines)
    ).category
    assert category.aliases == ("it",)
    assert category.symmetry.words == {"y": "half"}
    assert category.symmetry_hidden is not None
    assert category.symmetry_hidden.free_axis
    assert category.size_m == (0.1, 0.3)
    assert category.rests == ("standing",)
    assert (category.deform, category.color, category.mirror) == ("none", (1, 2, 3), False)


def test_a_single_mesh_is_an_instance_to_train_and_to_test_with(tmp_path):
    folder = read_category_folder(write_category(tmp_path, [hammer()]))
    assert folder.is_instance
    assert folder.train[0].name == folder.test[0].name == "a.ply"


def test_files_without_a_scale_get_unit_diagonals_and_need_sizes(tmp_path):
    frame = "frame: {up: +y, front: +x, unit: none}"
    write_category(tmp_path, [box(1, 2, 3)], frame=frame)
    with pytest.raises(ValueError, match=r"size_m is missing, .*: write the smallest"):
        read_category_folder(tmp_path)
    write_category(tmp_path, [], "size_m: [0.1, 0.2]", frame=frame)
    (mesh,) = read_category_folder(tmp_path).train
    assert not mesh.metric
    assert mesh.diagonal == pytest.approx(1)


def test_large_meshes_are_simplified(tmp_path):
    write_category(tmp_path, [prism(900, 0.05, 0.1)])
    assert len(read_category_folder(tmp_path).train[0].faces) <= 3000
    assert len(read_category_folder(tmp_path, max_faces=500).train[0].faces) <= 500


@pytest.mark.parametrize(
    ("shape", "lines", "message"),
    [
        (box(100, 200, 50), (), r"a.ply measures 229 m .* frame.unit m: correct the unit"),
        (hammer(), ("size_m: [0.3, 0.1]",), r"category.yaml: .*size_m is the smallest and the lar"),
        (hammer(), ("aliases: 3",), r"category.yaml: .*aliases are a list of names"),
        (hammer(), ("mirror: maybe",), r"category.yaml: .*mirror is true or false"),
        (hammer(), ("deform: melt",), r"category.yaml: .*deform"),
        (hammer(), ("color: [1, 2]",), r"category.yaml: .*color is three numbers"),
        ((np.eye(3), np.array([[0, 1, 2]])), (), r"a.ply is flat: all its triangles \(1\)"),
    ],
)
def test_a_value_or_a_mesh_that_cannot_be_is_refused(tmp_path, shape, lines, message):
    write_category(tmp_path, [shape], *lines)
    with pytest.raises(ValueError, match=message):
        read_category_folder(tmp_path)


def test_a_damaged_mesh_is_named(tmp_path):
    write_category(tmp_path, [hammer()])
    (tmp_path / "b.stl").write_bytes(b"?" * 200)
    with pytest.raises(ValueError, match=r"b.stl (is damaged|holds no triangles)"):
        read_category_folder(tmp_path)


class TestSeveral:
    def write(self, root, *categories):
        for name, *lines in categories:
            write_category(root / f"folder_{name}", [hammer()], *lines, name=name)
        return root

    def test_a_folder_of_folders_stands_for_those_in_it(self, tmp_path):
        self.write(tmp_path, ("saw",), ("awl",))
        (tmp_path / "notes").mkdir()
        found = read_category_folders([tmp_path, tmp_path / "folder_saw"])
        assert [folder.category.name for folder in found] == ["awl", "saw"]

    def test_two_categories_of_one_name_are_refused(self, tmp_path):
        self.write(tmp_path, ("saw",))
        write_category(tmp_path / "other", [joined(hammer(), moved(hammer(), 1, 0, 0))], name="saw")
        with pytest.raises(ValueError, match=r"other/category.yaml and .*two .*: change name or"):
            read_category_folders([tmp_path])

    def test_an_alias_in_two_categories_is_refused(self, tmp_path):
        self.write(tmp_path, ("saw", "aliases: [tool]"), ("awl", "aliases: [Tool]"))
        with pytest.raises(ValueError, match=r"'tool' names both .*: change name or aliases in"):
            read_category_folders([tmp_path])

    def test_no_folder_at_all_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="no folder is given"):
            read_category_folders([])
        with pytest.raises(ValueError, match="holds no category"):
            read_category_folders([tmp_path])
        with pytest.raises(ValueError, match="there is no folder"):
            read_category_folders([tmp_path / "nowhere"])

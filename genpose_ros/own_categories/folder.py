# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Categories of one's own: folders of meshes with a manifest, read into meshes of the frame."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genpose_ros.geometry.categories import Category, CategorySet
from genpose_ros.own_categories.manifest import MANIFEST, Manifest, read_manifest
from genpose_ros.own_categories.measure import stable_rests
from genpose_ros.synthesis.mesh_files import merged, read_mesh
from genpose_ros.synthesis.meshes import METRIC_DIAGONAL_M, Mesh, make_mesh

__all__ = [
    "CategoryFolder",
    "category_folders",
    "category_of",
    "check_together",
    "oriented",
    "read_category_folder",
    "read_category_folders",
]

#: A size range that is left to the meshes reaches this far beyond them, as deformation does.
_SIZE_MARGIN = 1.2
#: Objects thinner than this part of their length are flat.
_FLAT = 1e-4


@dataclass(frozen=True)
class CategoryFolder:
    """A category and its meshes.

    Attributes:
        path: the folder.
        category: as declared; sizes and rests that the manifest leaves open are the meshes'.
        train: meshes to train with.
        test: held-out ones; with a single mesh that one.
        digest: hash of the manifest and the mesh files, hexadecimal.
    """

    path: Path
    category: Category
    train: tuple[Mesh, ...]
    test: tuple[Mesh, ...]
    digest: str

    @property
    def is_instance(self) -> bool:
        """Whether there is a single mesh: one object, not a category."""
        return len({mesh.name for mesh in (*self.train, *self.test)}) == 1


def read_category_folder(path: Path, *, max_faces: int = 3000) -> CategoryFolder:
    """Read a folder with a `category.yaml` and its meshes, turned to y up, front +x and metres.

    Args:
        path: the folder.
        max_faces: meshes with more triangles are simplified to this many.

    Raises:
        ValueError: a mistake in the manifest or a mesh that cannot be used; the message names the
            file and the field and says what to write.
        OSError: a file cannot be read.
    """
    manifest = read_manifest(path)
    meshes = {file: _mesh(manifest, file, max_faces) for file in manifest.files}
    category = category_of(manifest, list(meshes.values()))
    train, test = (tuple(meshes[f] for f in files) for files in (manifest.train, manifest.test))
    return CategoryFolder(path, category, train, test, manifest.digest)


def read_category_folders(
    paths: Iterable[Path], *, max_faces: int = 3000
) -> tuple[CategoryFolder, ...]:
    """Read several categories; a folder without a manifest stands for those inside it.

    Args:
        paths: category folders, or folders of such.
        max_faces: meshes with more triangles are simplified to this many.

    Raises:
        ValueError: as `read_category_folder`, or two categories share a name or an alias.
        OSError: a file cannot be read.
    """
    folders = tuple(
        read_category_folder(path, max_faces=max_faces) for path in category_folders(paths)
    )
    check_together({folder.path: folder.category for folder in folders})
    return folders


def category_folders(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return the category folders that paths stand for: themselves, or those directly inside.

    Raises:
        ValueError: one is no folder; one has neither a manifest nor folders with one; none given.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            raise ValueError(f"there is no folder {path}")
        inside = sorted(file.parent for file in path.glob(f"*/{MANIFEST}"))
        # A folder without any manifest is refused, with what to write, where it is read.
        found += [path] if (path / MANIFEST).exists() or not inside else inside
    unique = {path.resolve(): path for path in found}
    if not unique:
        raise ValueError(f"no folder is given: name one with a {MANIFEST}")
    return tuple(unique.values())


def check_together(categories: dict[Path, Category]) -> None:
    """Check that categories of several folders can be told apart.

    Args:
        categories: by their folders.

    Raises:
        ValueError: two share a name or an alias; both folders are named.
    """
    known: list[tuple[Path, Category]] = []
    for folder, category in categories.items():
        for other_folder, other in known:
            try:
                CategorySet((other, category))
            except ValueError as error:
                raise ValueError(
                    f"{folder / MANIFEST} and {other_folder / MANIFEST}: {error}: change name or "
                    "aliases in one of them"
                ) from error
        known.append((folder, category))


def category_of(manifest: Manifest, meshes: list[Mesh]) -> Category:
    """Return the category that a manifest declares.

    Args:
        manifest: of the folder.
        meshes: all of them; they say what the manifest leaves open, sizes and rests.

    Raises:
        ValueError: a field is wrong, or files without a scale have no `size_m`.
    """
    fields = dict(manifest.fields)
    if "size_m" not in fields:
        if manifest.frame.scale_m is None:
            raise ValueError(
                f"{manifest.file}: size_m is missing, and frame.unit none says that the files have "
                "no scale: write the smallest and the largest diagonal of the objects' boxes in "
                "metres, such as size_m: [0.18, 0.32]"
            )
        diagonals = [mesh.diagonal for mesh in meshes]
        low, high = min(diagonals) / _SIZE_MARGIN, max(diagonals) * _SIZE_MARGIN
        fields["size_m"] = (round(low, 4), round(high, 4))
    rests = manifest.rests or stable_rests(meshes)
    try:
        return Category(**fields, rests=rests)
    except ValueError as error:
        raise ValueError(f"{manifest.file}: {error}") from error


def oriented(manifest: Manifest, file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a mesh of a category's folder with all its triangles.

    Returns:
        Vertices (V, 3) in the category's frame, metres (the file's unit where it has no scale),
        where the file has them, not centred; triangles (F, 3).

    Raises:
        ValueError: it is no usable mesh.
        OSError: it cannot be read.
    """
    vertices, faces = merged(*read_mesh(file))
    if len(faces) == 0:
        raise ValueError(f"{file} holds no triangles with three corners: export it anew")
    spread = np.linalg.eigvalsh(np.cov(vertices[faces].reshape(-1, 3), rowvar=False))
    if spread[0] <= _FLAT**2 * spread[-1]:
        raise ValueError(
            f"{file} is flat: all its triangles ({len(faces)}) lie in one plane, export the whole "
            "object"
        )
    return vertices @ manifest.frame.R_obj_file.T * (manifest.frame.scale_m or 1.0), faces


def _mesh(manifest: Manifest, file: Path, max_faces: int) -> Mesh:
    vertices, faces = oriented(manifest, file)
    metric = manifest.frame.scale_m is not None
    mesh = make_mesh(file.name, manifest.name, vertices, faces, metric=metric, max_faces=max_faces)
    low, high = METRIC_DIAGONAL_M
    if metric and not low <= mesh.diagonal <= high:
        raise ValueError(
            f"{file} measures {mesh.diagonal:.3g} m from corner to corner of its box with "
            f"frame.unit {manifest.frame.unit}: correct the unit (objects have {low} to {high} m)"
        )
    return mesh

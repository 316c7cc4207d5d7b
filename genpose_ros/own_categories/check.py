# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Checks of category folders before training: what cannot be used, and what is not as declared."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from genpose_ros.geometry.categories import Category
from genpose_ros.own_categories.findings import CheckedMesh, Finding, Level, findings_of
from genpose_ros.own_categories.folder import (
    category_folders,
    category_of,
    check_together,
    oriented,
)
from genpose_ros.own_categories.manifest import Manifest, read_manifest
from genpose_ros.own_categories.measure import measure_deviations
from genpose_ros.synthesis.meshes import make_mesh

__all__ = ["FolderCheck", "check_folder", "check_folders"]


@dataclass(frozen=True)
class FolderCheck:
    """What a category's folder holds, and what is to be said of it.

    Attributes:
        path: the folder.
        category: as declared; None: the manifest or all meshes are unusable.
        meshes: those that can be read, in the order of their names.
        findings: the gravest first.
    """

    path: Path
    category: Category | None
    meshes: tuple[CheckedMesh, ...]
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> bool:
        """Whether something has to be cured before training."""
        return any(finding.level is Level.REFUSAL for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The check as plain values."""
        return {
            "folder": str(self.path),
            "category": None if self.category is None else self.category.to_dict(),
            "meshes": [mesh.to_json() for mesh in self.meshes],
            "findings": [finding.to_json() for finding in self.findings],
            "refused": self.refused,
        }


def check_folders(
    paths: Iterable[Path], on_mesh: Callable[[int, int], None] | None = None
) -> tuple[FolderCheck, ...]:
    """Check category folders, and that their categories can be told apart.

    Args:
        paths: category folders, or folders of such.
        on_mesh: called with the number of meshes measured so far and of all.

    Raises:
        ValueError: one is no folder.
    """
    manifests = {path: _manifest(path) for path in category_folders(paths)}
    total = sum(len(m.files) for m in manifests.values() if isinstance(m, Manifest))
    done = 0

    def on_one() -> None:
        nonlocal done
        done += 1
        if on_mesh is not None:
            on_mesh(done, total)

    checks: list[FolderCheck] = []
    for path, manifest in manifests.items():
        check = _check(path, manifest, on_one)
        for other in checks:
            check = _told_apart(other, check)
        checks.append(check)
    return tuple(checks)


def check_folder(path: Path) -> FolderCheck:
    """Check one category's folder."""
    return _check(path, _manifest(path), lambda: None)


def _told_apart(other: FolderCheck, check: FolderCheck) -> FolderCheck:
    """The check, with a refusal where its category shares a name with another one."""
    if other.category is None or check.category is None:
        return check
    try:
        check_together({other.path: other.category, check.path: check.category})
    except ValueError as error:
        twice = Finding(Level.REFUSAL, str(error))
        return replace(check, findings=(twice, *check.findings))
    return check


def _manifest(path: Path) -> Manifest | Finding:
    try:
        return read_manifest(path)
    except (ValueError, OSError) as error:
        return Finding(Level.REFUSAL, str(error))


def _check(path: Path, manifest: Manifest | Finding, on_mesh: Callable[[], None]) -> FolderCheck:
    if isinstance(manifest, Finding):
        return FolderCheck(path, None, (), (manifest,))
    meshes: list[CheckedMesh] = []
    findings: list[Finding] = []
    for file in manifest.files:
        try:
            meshes.append(_measured(manifest, file))
        except (ValueError, OSError) as error:
            findings.append(Finding(Level.REFUSAL, str(error), file.name))
        on_mesh()
    category = None
    if meshes:
        try:
            category = category_of(manifest, [one.mesh for one in meshes])
        except ValueError as error:
            findings.append(Finding(Level.REFUSAL, str(error)))
    if category is not None:
        findings += findings_of(manifest, category, meshes)
    order = list(Level)
    findings.sort(key=lambda finding: order.index(finding.level))
    return FolderCheck(path, category, tuple(meshes), tuple(findings))


def _measured(manifest: Manifest, file: Path) -> CheckedMesh:
    vertices, faces = oriented(manifest, file)
    middle = (vertices.max(0) + vertices.min(0)) / 2
    mesh = make_mesh(
        file.name,
        manifest.name,
        vertices,
        faces,
        metric=manifest.frame.scale_m is not None,
        max_faces=len(faces),
    )
    splits = {"train": manifest.train, "test": manifest.test}
    digest = hashlib.sha256(vertices.tobytes() + faces.tobytes())
    return CheckedMesh(
        mesh=mesh,
        split="+".join(name for name, files in splits.items() if file in files),
        deviations=measure_deviations(mesh.vertices, mesh.faces),
        off_centre=float(np.linalg.norm(middle) / np.linalg.norm(np.ptp(vertices, axis=0))),
        digest=digest.hexdigest(),
    )

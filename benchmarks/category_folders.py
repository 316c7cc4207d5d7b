# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Known categories given as new ones: folders with a category.yaml from a folder of meshes.

`.venv/bin/python -m benchmarks.category_folders MESHES OUT` writes, from meshes with a
manifest.json, a folder for each category under another name (a mug becomes a cup), with what the
category of the NOCS data declares. `genpose category check OUT` checks them; training on one
measures own categories by meshes whose accuracy as a known category is on record.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import trimesh
import yaml

from genpose_ros.geometry.categories import NOCS, Category
from genpose_ros.synthesis.mesh_files import merged, read_mesh

__all__ = ["NEW_NAMES", "write_category_folders"]

#: What the categories are called as new ones.
NEW_NAMES: dict[str, str] = {
    "bottle": "flask",
    "bowl": "dish",
    "camera": "photo_camera",
    "can": "tin",
    "laptop": "notebook",
    "mug": "cup",
}


def write_category_folders(
    meshes: Path, out: Path, names: Mapping[str, str] = NEW_NAMES
) -> tuple[Path, ...]:
    """Write a category folder of each category that a folder of meshes has.

    Meshes without a scale get a diagonal in the middle of their category's range. The manifest's
    splits stay; where all meshes have the same one, every fourth is held out.

    Args:
        meshes: with a manifest.json.
        out: for the folders, which are called as the new categories.
        names: the new names by the NOCS categories'; others are left out.

    Raises:
        ValueError: a mesh cannot be read.
        OSError: a file cannot be read or written.
    """
    entries = json.loads((meshes / "manifest.json").read_text(encoding="utf-8"))
    folders = []
    for old, new in names.items():
        own = [entry for entry in entries if entry["category"] == old]
        if not own:
            continue
        folder = out / new
        folder.mkdir(parents=True, exist_ok=True)
        splits: dict[str, list[str]] = {}
        for entry in own:
            vertices, faces = merged(*read_mesh(meshes / entry["file"]))
            if not entry["metric"]:
                diagonal = np.linalg.norm(np.ptp(vertices, axis=0))
                vertices = vertices * (np.mean(NOCS[old].size_m) / diagonal)
            file = folder / f"{entry['name']}.ply"
            trimesh.Trimesh(vertices, faces, process=False).export(file)
            splits.setdefault(entry["split"], []).append(file.name)
        manifest = _manifest(NOCS[old], new, splits if len(splits) > 1 else None)
        (folder / "category.yaml").write_text(manifest, encoding="utf-8")
        folders.append(folder)
    return tuple(folders)


def _manifest(category: Category, name: str, splits: dict[str, list[str]] | None) -> str:
    """The category.yaml of a category under another name."""
    declared = category.to_dict()
    kept = ("symmetry", "symmetry_hidden", "mirror", "size_m", "rests", "deform", "color")
    fields = {"name": name, "frame": {"up": "+y", "front": "+x", "unit": "m"}}
    fields |= {key: declared[key] for key in kept if declared[key] is not None}
    fields |= {} if splits is None else {"meshes": splits}
    return yaml.safe_dump(fields, sort_keys=False)


def main() -> None:
    """Write the folders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("meshes", type=Path, help="folder of meshes with a manifest.json")
    parser.add_argument("out", type=Path, help="folder for the category folders")
    arguments = parser.parse_args()
    write_category_folders(arguments.meshes, arguments.out)


if __name__ == "__main__":
    main()

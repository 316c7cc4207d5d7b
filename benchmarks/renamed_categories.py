# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Accuracy of known categories trained anew under other names, from a handful of meshes alone.

`.venv/bin/python -m benchmarks.renamed_categories MESHES FOLDER --clouds 60000` takes the meshes of
MESHES/manifest.json, writes a folder with a category.yaml for each category that has meshes to
train and others held out (bottle becomes `flask`, mug becomes `cup`, ...), trains them together by
`genpose category train --keep none`, and compares with the released weights on the same views of
the held-out meshes. It writes docs/results/renamed_categories.json and the table in
docs/own_categories.md. Weights that are in FOLDER already are kept.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from benchmarks.own_categories import PAGE, accuracy
from genpose_ros.evaluation.markdown import markdown_table, rewrite_tables
from genpose_ros.evaluation.provenance import provenance
from genpose_ros.geometry.categories import NOCS, CategorySet
from genpose_ros.networks import default_weights, load_model
from genpose_ros.own_categories import read_category_folder
from genpose_ros.own_categories.plan import make_plan
from genpose_ros.own_categories.training import NEW_VIEWS
from genpose_ros.synthesis import D435, WIDE
from genpose_ros.synthesis.meshes import Mesh, load_meshes

RESULTS = PAGE.parent / "results" / "renamed_categories.json"
OTHER_NAMES = {
    "bottle": "flask",
    "bowl": "basin",
    "camera": "webcam",
    "can": "drink_can",
    "laptop": "notebook",
    "mug": "cup",
}

_LIMITS = ("share_5deg2cm", "share_10deg5cm")


def write_ply(file: Path, mesh: Mesh, scale: float) -> None:
    """Write a mesh as text, its coordinates times the scale."""
    vertices, faces = scale * mesh.vertices, mesh.faces
    head = f"ply\nformat ascii 1.0\nelement vertex {len(vertices)}\n"
    head += "".join(f"property double {axis}\n" for axis in "xyz")
    head += f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    rows = [" ".join(map(repr, row)) for row in vertices.tolist()]
    rows += [" ".join(map(str, (3, *row))) for row in faces.tolist()]
    file.write_text(head + "\n".join(rows) + "\n")


def write_folders(meshes: Path, folder: Path) -> list[str]:
    """Write the folders of the categories that have meshes of both splits; return their old names.

    Meshes without a scale become as large as the middle of what is plausible.
    """
    splits = {split: load_meshes(meshes, split) for split in ("train", "test")}
    written = []
    for category in NOCS:
        mine = {
            split: [mesh for mesh in all_meshes if mesh.category == category.name]
            for split, all_meshes in splits.items()
        }
        if not all(mine.values()):
            continue
        place = folder / OTHER_NAMES[category.name]
        place.mkdir(parents=True, exist_ok=True)
        for mesh in [*mine["train"], *mine["test"]]:
            scale = 1.0 if mesh.metric else sum(category.size_m) / 2
            write_ply(place / f"{mesh.name}.ply", mesh, scale)
        hidden = category.symmetry_hidden
        manifest: dict[str, Any] = {
            "name": place.name,
            "frame": {"up": "+y", "front": "+x", "unit": "m"},
            "symmetry": category.symmetry.words,
            "mirror": category.mirror,
            "size_m": list(category.size_m),
            "rests": list(category.rests),
            "deform": category.deform,
            "meshes": {
                split: [f"{mesh.name}.ply" for mesh in chosen] for split, chosen in mine.items()
            },
        }
        if hidden is not None:
            manifest["symmetry_hidden"] = hidden.words
        (place / "category.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
        written.append(category.name)
    return written


def train(folder: Path, names: list[str], options: list[str]) -> Path:
    """Train the categories together; return their weights."""
    weights = folder / "renamed.safetensors"
    if not weights.exists() or weights.with_suffix(".run").exists():
        program = "from genpose_ros.cli import app; app()"
        folders = [str(folder / OTHER_NAMES[name]) for name in names]
        command = ["category", "train", *folders, str(weights), "--keep", "none", *options]
        subprocess.run([sys.executable, "-c", program, *command], check=True)  # noqa: S603 - ours
    return weights


def table(results: dict[str, Any]) -> str:
    """A row per category: released and trained, by D435s and by all cameras."""
    heads = ["category", "meshes: train", "held out"]
    for cameras in ("", "all cameras: "):
        heads += [f"{cameras}released 5°2cm", "10°5cm", "anew 5°2cm", "10°5cm"]
    rows: list[list[Any]] = []
    for name, row in results["categories"].items():
        shares = [
            100 * row[domain][who]["standing"][limit]
            for domain in (D435.name, WIDE.name)
            for who in ("released", "anew")
            for limit in _LIMITS
        ]
        rows.append([f"{name} as `{OTHER_NAMES[name]}`", row["train"], row["test"], *shares])
    return markdown_table(heads, rows)


def main() -> None:
    """Train what is missing, and write numbers and table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("meshes", type=Path, help="folder with a manifest.json")
    parser.add_argument("folder", type=Path, help="for folders, weights and report")
    parser.add_argument("--clouds", type=int, default=60_000, help="of all categories together")
    parser.add_argument("--workers", type=int, default=2, help="processes and threads")
    given = parser.parse_args()
    names = write_folders(given.meshes, given.folder)
    options = ["--clouds", str(given.clouds), "--workers", str(given.workers)]
    weights = train(given.folder, names, options)
    plan = make_plan(
        [read_category_folder(given.folder / OTHER_NAMES[name]) for name in names], keep="none"
    )
    released, anew = load_model(default_weights()), load_model(weights)
    # The same network under the new names, so that both are asked for the same views.
    released.categories = CategorySet(
        tuple(replace(NOCS[name], name=OTHER_NAMES[name], generator=None) for name in names)
    )
    shares = {
        domain.name: {
            who: accuracy(model, plan.held_out, NEW_VIEWS, domain)
            for who, model in (("released", released), ("anew", anew))
        }
        for domain in (D435, WIDE)
    }
    results = {
        "categories": {
            name: {
                "train": len(own.train),
                "test": len(own.test),
                **{
                    domain: {who: rows[OTHER_NAMES[name]] for who, rows in by_model.items()}
                    for domain, by_model in shares.items()
                },
            }
            for name, own in zip(names, plan.folders, strict=True)
        },
        "clouds": given.clouds,
        "provenance": provenance(weights, plan.seed),
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    rewrite_tables(PAGE, {"renamed-categories": table(results)}.get)


if __name__ == "__main__":
    main()

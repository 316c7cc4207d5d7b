# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Damaged files for every reader, from a seed; a program, as a reader's crash would end it.

`python fuzzed_readers.py FOLDER CASES SEED [END]` prints, as JSON, how many files were read and how
many refused, and what a reader did with others; END: only files whose names end so. The file it was
at lies in FOLDER, as do those of its findings.
"""

import io
import json
import pickle
import random
import resource
import struct
import sys
import time
import traceback
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import trimesh
import yaml
from mesh_shapes import box
from PIL import Image
from recorded_bags import BEGIN_NS, frame, write_bag
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from safetensors.numpy import save as save_arrays
from scipy.io import savemat

from genpose_ros.cli.console import error_message
from genpose_ros.datasets import load_frame
from genpose_ros.datasets.camera_files import read_camera
from genpose_ros.datasets.extrinsics import read_extrinsics
from genpose_ros.datasets.images import is_coloured, read_color, read_depth_m, read_labels
from genpose_ros.datasets.nocs import parse_detections
from genpose_ros.datasets.nocs_files import read_meta, read_pickle
from genpose_ros.datasets.single import read_classes, read_frame
from genpose_ros.estimation.settings import EstimatorSettings
from genpose_ros.geometry.calibration import Calibration
from genpose_ros.networks import LightConfig, LightPoseModel, load_model, save_model
from genpose_ros.networks.description import describe_weights
from genpose_ros.own_categories.manifest import read_manifest
from genpose_ros.ros.frame_files import KeptFrame, read_frame_file, write_frame_file
from genpose_ros.ros.matching import DepthMessage, MaskInput, Matched
from genpose_ros.ros.node_settings import NodeSettings
from genpose_ros.ros.replay.bag import Bag, known_types
from genpose_ros.ros.replay.definitions import typestore_of
from genpose_ros.ros.settings import Settings
from genpose_ros.ros.transform_queue import LocatedFrame
from genpose_ros.synthesis.mesh_files import MESH_SUFFIXES, merged, read_mesh
from genpose_ros.synthesis.shards import read_shard
from genpose_ros.tracking.settings import TrackerSettings
from genpose_ros.training import load_recipe
from genpose_ros.training.state import read_state

#: What a reader may raise for what is in a file.
REFUSALS = (ValueError, OSError)
#: Seconds of a processor's time for a file.
SLOW_S = 5.0
#: Beyond what the imports take, bytes of address space.
MEMORY = 2**30

#: What files of all kinds stumble over.
WORDS = [
    b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b"1e999", b"NaN", b"-1", b"9" * 20, b"null", b"[]",
    b"{}", b"true", b'"x"', b"!!python/object/apply:os.system ['false']", b"&a [*a]", b"*a",
    b"2001-99-99", b"0x", b"<<: 1", b"\xed\xa0\x80", b"1_0", b"[[[[", b"!!binary x", b"!!set {a}",
    b"!!timestamp x", b"inf", b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"cos\nsystem\n", b"O8",
    b"R", b"b", b"(", b"t", b"h\0", b"h\1", b"h\2", b"q\0", b"q\1", b"a", b"e", b"u", b"s", b".",
    b"<<", b"((", b"@", b"::", b"[999999999]", b"string", b"/*", b'"', b"\n",
    b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy.core.numeric\n_frombuffer\n", b"\x8c\1O",
]  # fmt: skip


def mutated(content: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """Some content with one to eight changes of bits, bytes and pieces."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        if not changed:
            changed += b"\0"
        at, kind = rng.randrange(len(changed)), rng.randrange(8)
        if kind == 0:
            changed[at] = rng.randrange(256)
        elif kind == 1:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del changed[at : at + rng.choice((1, 4, 100))]
        elif kind == 3:
            changed[at:at] = rng.choice(WORDS)
        elif kind == 4:
            changed[at : at + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\0\1\x86\xa0"))
        elif kind == 5:
            del changed[at:]
        elif kind == 6:
            piece = rng.randrange(len(changed))
            changed[at:at] = changed[piece : piece + rng.choice((1, 8, 64))]
        else:
            other = rng.choice(others)
            changed[at:] = other[rng.randrange(len(other)) :]
    return bytes(changed)


def with_checksums(content: bytes) -> bytes:
    """A PNG whose chunks have the sums they should, so that what is in them is read."""
    if content[:8] != b"\x89PNG\r\n\x1a\n":
        return content
    mended, at = bytearray(content[:8]), 8
    while at + 12 <= len(content):
        length = struct.unpack(">I", content[at : at + 4])[0]
        if at + 12 + length > len(content):
            break
        chunk = content[at + 4 : at + 8 + length]
        mended += content[at : at + 4] + chunk + struct.pack(">I", zlib.crc32(chunk))
        at += 12 + length
    return bytes(mended)


def encoded(values: np.ndarray, kind: str, **options: Any) -> bytes:
    """An image file."""
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, kind, **options)
    return stream.getvalue()


def images(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Small images in every format that is read and some that are not, and arrays."""
    depth = rng.integers(300, 2000, (24, 32)).astype(np.uint16)
    label = np.zeros((24, 32), np.uint8)
    label[5:15, 5:15] = 1
    yield "depth.png", encoded(depth, "PNG")
    yield "label.png", encoded(label, "PNG")
    yield "depth.tiff", encoded(depth, "TIFF")
    yield "packed.tiff", encoded(depth, "TIFF", compression="tiff_lzw")
    yield "metres.tiff", encoded(depth.astype(np.float32), "TIFF")
    for name, kind in (("jpg", "JPEG"), ("bmp", "BMP"), ("pgm", "PPM"), ("gif", "GIF")):
        yield f"label.{name}", encoded(label, kind)
    yield "label.eps", encoded(label, "EPS")
    stream = io.BytesIO()
    np.save(stream, depth)
    yield "depth.npy", stream.getvalue()


def camera_texts() -> Iterator[tuple[str, bytes]]:
    """Camera files, with the instances of a frame where they are labels."""
    k = [60.0, 0, 16, 0, 60.0, 12, 0, 0, 1]
    info = {"height": 24, "width": 32, "distortion_model": "plumb_bob", "d": [0.0] * 5, "k": k}
    pose = {"R": np.eye(3).tolist(), "t": [0, 0, 1], "size_m": [0.1, 0.1, 0.1]}
    instances = [{"id": 1, "category": "mug", **pose}]
    yield "camera.yaml", yaml.safe_dump(info).encode()
    yield "camera.json", json.dumps(info).encode()
    stream = io.BytesIO()
    savemat(stream, {"intrinsic_matrix": np.reshape(k, (3, 3)), "factor_depth": 1000})
    yield "meta.mat", stream.getvalue()
    yield "label.json", json.dumps({"K": [k[:3], k[3:6], k[6:]], "instances": instances}).encode()


def pickles() -> Iterator[tuple[str, bytes]]:
    """Results of a detector and true poses, in every protocol."""
    masks = np.zeros((4, 6, 2), bool)
    results = {
        "class_ids": np.array([1, 6]), "masks": masks, "rois": np.ones((2, 4), np.int32),
        "scores": np.array([0.5, 0.25], np.float32), "gt_RTs": np.eye(4)[None], "name": "x",
        "model_list": ["a", "b"], "scale": np.float64(2), "n": [1, -1, 2.5, None, True, 2**40],
    }  # fmt: skip
    for protocol in range(6):
        yield f"{protocol}.pkl", pickle.dumps(results, protocol)


def checkpoints(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Weights, a state of a training and a shard of clouds, all as small as can be."""
    config = LightConfig(
        patches=2, neighbours=2, subset=8, width=4, layers=1, attention_heads=1,
        head_width=4, head_layers=1,
    )  # fmt: skip
    save_model(LightPoseModel(config), folder / "model", {"training_data": "none"})
    yield "a.safetensors", (folder / "model").read_bytes()
    stream = io.BytesIO()
    state: dict[str, Any] = {key: {} for key in ("config", "model", "averaged", "optimizer")}
    torch.save({**state, "step": 1, "elapsed": 2.0, "a": torch.ones(3)}, stream)
    yield "a.pt", stream.getvalue()
    n = 3
    yield "shard.safetensors", save_arrays({
        "points_centred": np.zeros((n, 8, 3), np.float16), "centre": np.ones((n, 3), np.float32),
        "rotation": np.tile(np.eye(3, dtype=np.float32), (n, 1, 1)),
        "translation": np.ones((n, 3), np.float32), "size_m": np.ones((n, 3), np.float32),
        "category": np.zeros(n, np.int64), "stance": np.zeros(n, np.int64),
    })  # fmt: skip


def meshes(folder: Path) -> Iterator[tuple[str, bytes]]:
    """A box in every format of meshes, and the manifest of a category that consists of it."""
    vertices, faces = box(0.1, 0.2, 0.3)
    for suffix in MESH_SUFFIXES:
        file = folder / f"mesh{suffix}"
        trimesh.Trimesh(vertices, faces, process=False).export(file)
        yield file.name, file.read_bytes()
    content = {
        "name": "drill", "frame": {"up": "+z", "front": "+x", "unit": "mm"}, "aliases": ["tool"],
        "symmetry": {"y": "half"}, "size_m": [0.1, 0.3], "rests": ["base"],
        "meshes": {"train": ["*.ply"], "test": "*.ply"},
    }  # fmt: skip
    yield "category.yaml", yaml.safe_dump(content).encode()


def recordings(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files of bags, and a frame that the node kept."""
    for name, plugin in (("db3", StoragePlugin.SQLITE3), ("mcap", StoragePlugin.MCAP)):
        bag = write_bag(folder / f"bag_{name}", frame(BEGIN_NS), plugin)
        yield f"bag.{name}", next(bag.glob(f"*.{name}")).read_bytes()
    packed = write_bag(folder / "packed", frame(BEGIN_NS), compression=CompressionMode.MESSAGE)
    yield "metadata.yaml", (packed / "metadata.yaml").read_bytes()
    pixels = np.full((24, 32), 900, np.uint16)
    header = SimpleNamespace(frame_id="camera", stamp=SimpleNamespace(sec=1, nanosec=2))
    masks = MaskInput((pixels % 3).astype(np.uint8), header=header, label_names={3: "cup"})
    k = (60.0, 0.0, 16.0, 0.0, 60.0, 12.0, 0.0, 0.0, 1.0)
    matched = Matched(DepthMessage(header, pixels), masks, Calibration(width=32, height=24, k=k))
    settings = Settings(EstimatorSettings(), NodeSettings(), TrackerSettings())
    write_frame_file(folder / "kept.npz", KeptFrame(LocatedFrame(matched, {}), settings))
    yield "kept.npz", (folder / "kept.npz").read_bytes()


def definitions() -> Iterator[tuple[str, bytes]]:
    """Definitions of messages as bags bring them along, in both languages."""
    rule = "=" * 80
    header = f"builtin_interfaces/Time stamp\nstring<=9 frame_id\n{rule}\n"
    yield (
        "definition.msg",
        (
            f"std_msgs/Header header\nuint8 A=1\nfloat64[9] k # of it\nPoint[] p\n{rule}\n"
            f"MSG: a/Point\nint8 x 3\n{rule}\nMSG: std_msgs/Header\n{header}"
            "MSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec\n"
        ).encode(),
    )
    yield (
        "definition.idl",
        (
            b'module a { module msg { module B_Constants { const string N = "x(1)"; '
            b"const long C = 1; };"
            b' @verbatim (language="comment", text="y") struct B { @unit(value="m") double d[3]; '
            b"sequence<long, 4> s; /* z */ string<9> t; }; }; }; // end"
        ),
    )


def matrices() -> Iterator[tuple[str, bytes]]:
    """Extrinsics and intrinsics as numbers alone."""
    for name, matrix in (("extrinsics", np.eye(4)), ("k", np.diag([60.0, 60.0, 1.0]))):
        stream = io.BytesIO()
        np.save(stream, matrix)
        yield f"{name}.npy", stream.getvalue()
        yield f"{name}.txt", str(matrix.tolist()).translate(str.maketrans("", "", "[],")).encode()
        yield f"{name}.json", json.dumps({"K" if name == "k" else "T": matrix.tolist()}).encode()


def detections(path: Path) -> None:
    """Read the results of a detector, for images of 4 x 6 pixels."""
    parse_detections(path, read_pickle(path), (4, 6))


def mesh(path: Path) -> None:
    """Read a mesh and merge its corners."""
    merged(*read_mesh(path))


def bag(path: Path) -> None:
    """Read all messages of a bag."""
    with Bag.open(path) as opened:
        for _ in opened.messages(opened.types):
            pass


def definition(path: Path) -> None:
    """Read a definition as `Bag.open` does, which tells whatever its library raises."""
    kind = MessageDefinitionFormat.IDL if path.suffix == ".idl" else MessageDefinitionFormat.MSG
    text = path.read_bytes().decode("utf-8", "replace")
    found: Any = SimpleNamespace(msgtype="a/msg/B", msgdef=MessageDefinition(kind, text), digest="")
    try:
        types = typestore_of([found], known_types())
        types.get_msgdef("a/msg/B")
    except Exception as error:
        raise ValueError(f"{path}: {error!s:.300}") from error


def readers(folder: Path) -> dict[str, list[Callable[[Path], Any]]]:
    """What reads the files of each kind, by the ends of their names."""
    good = folder / "good"

    def frame(path: Path) -> None:
        (folder / "frame" / "label.json").write_bytes(path.read_bytes())
        load_frame(folder / "frame")

    def manifest(path: Path) -> None:
        (folder / "own" / "category.yaml").write_bytes(path.read_bytes())
        read_manifest(folder / "own")

    def metadata(path: Path) -> None:
        (folder / "packed" / "metadata.yaml").write_bytes(path.read_bytes())
        bag(folder / "packed")

    cameras: list[Callable[[Path], Any]] = [
        lambda p: read_camera(p, 32, 24),
        lambda p: read_frame(good / "depth.png", good / "label.png", p),
        lambda p: read_classes(str(p)),
        frame,
    ]
    pictures: list[Callable[[Path], Any]] = [read_depth_m, read_labels, read_color, is_coloured]
    return {
        "pkl": [detections],
        "category.yaml": [manifest],
        "metadata.yaml": [metadata],
        ".db3": [bag],
        ".mcap": [bag],
        ".msg": [definition],
        ".idl": [definition],
        "kept.npz": [read_frame_file],
        **{end: [mesh] for end in MESH_SUFFIXES},
        **{f"extrinsics.{end}": [read_extrinsics] for end in ("npy", "txt", "json")},
        **{f"k.{end}": cameras[:1] for end in ("npy", "txt", "json")},
        "yaml": cameras[:1],
        "meta.mat": cameras[:1],
        "json": cameras,
        "recipe.yml": [load_recipe],
        "meta.txt": [read_meta],
        "a.safetensors": [load_model, describe_weights],
        "a.pt": [read_state, load_model],
        "shard.safetensors": [read_shard],
        "": pictures,
    }


def seeds(folder: Path, rng: np.random.Generator) -> list[tuple[str, bytes]]:
    """Genuine files by name; pickles as often as all others together."""
    recipe = b"description: x\narchitecture: genpose-light\nmodel: {width: 16}\nscore: {draws: 8}\n"
    texts = [("recipe.yml", recipe), ("meta.txt", b"1 2 bowl_x\n2 0 y z\n")]
    others = [
        *images(rng),
        *camera_texts(),
        *matrices(),
        *definitions(),
        *texts,
        *checkpoints(folder),
    ]
    others += [*meshes(folder), *recordings(folder)]
    few = list(pickles())
    return others + few * max(1, len(others) // len(few))


class Fuzzer:
    """Readers under test, with what they did."""

    def __init__(self, folder: Path, seed: int, end: str = "") -> None:
        self._rng = random.Random(seed)
        self._folder = folder
        known = seeds(folder, np.random.default_rng(seed))
        self._seeds = [(name, content) for name, content in known if name.endswith(end)]
        self._others = [content for _, content in self._seeds]
        for part in ("good", "frame", "own"):
            (folder / part).mkdir(exist_ok=True)
        named = dict(known)
        (folder / "own" / "mesh.ply").write_bytes(named["mesh.ply"])
        for part, mask in (("good", "label.png"), ("frame", "mask.png")):
            (folder / part / "depth.png").write_bytes(named["depth.png"])
            (folder / part / mask).write_bytes(named["label.png"])
        self._readers = readers(folder)
        self.read = self.refused = 0
        self.findings: dict[str, int] = {}

    def run(self, cases: int) -> None:
        """Let readers read so many damaged files."""
        while self.read + self.refused + sum(self.findings.values()) < cases:
            name, content = self._rng.choice(self._seeds)
            content = mutated(content, self._others, self._rng)
            if name.endswith("png") and self._rng.random() < 0.7:
                content = with_checksums(content)
            path = self._folder / name
            path.write_bytes(content)
            end = next(end for end in self._readers if name.endswith(end))
            for reader in self._readers[end]:
                self._try(reader, path)

    def _try(self, reader: Callable[[Path], Any], path: Path) -> None:
        begin = time.process_time()
        finding = ""
        try:
            reader(path)
            self.read += 1
        except REFUSALS as error:
            self.refused += 1
            if len(error_message(error)) > 1100:
                finding = "a long message"
        except BaseException as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            finding = f"{type(error).__name__}: {error!s:.80} ({last.filename}:{last.lineno})"
        if time.process_time() - begin > SLOW_S:
            finding = "slow"
        if finding:
            key = f"{path.name}: {finding}"
            if key not in self.findings:
                kept = self._folder / f"finding_{len(self.findings)}_{path.name}"
                kept.write_bytes(path.read_bytes())
            self.findings[key] = self.findings.get(key, 0) + 1


def main() -> None:
    """Run as the module's docstring says."""
    folder, cases, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    fuzzer = Fuzzer(folder, seed, *sys.argv[4:])
    fuzzer.run(200)  # imports what readers import
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    fuzzer.run(cases)
    counts = {"read": fuzzer.read, "refused": fuzzer.refused, "findings": fuzzer.findings}
    print(json.dumps(counts))


if __name__ == "__main__":
    main()

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints: our safetensors files and the authors' training checkpoints, read and written.

Ours hold the tensors of a whole model and say in their metadata what it is. The authors' files are
pickles of one network each that do not say whether it is the score or the energy network.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from genpose_ros.files import check_file, write_whole
from genpose_ros.geometry.categories import NOCS, CategorySet
from genpose_ros.networks.interface import PoseModel
from genpose_ros.networks.light import LightPoseModel
from genpose_ros.networks.reference import (
    ReferenceEnergyNetwork,
    ReferencePoseModel,
    ReferenceScoreNetwork,
)
from genpose_ros.networks.released import released_name
from genpose_ros.networks.score_calibration import ScoreCalibration
from genpose_ros.networks.torch_files import load_torch_file

__all__ = [
    "DEFAULT_WEIGHTS",
    "convert_reference_checkpoint",
    "default_weights",
    "describe_checkpoint",
    "load_attachments",
    "load_categories",
    "load_model",
    "save_model",
    "tensor_fingerprint",
]

_log = logging.getLogger(__name__)

#: File name of the released weights.
DEFAULT_WEIGHTS = "genpose-base.safetensors"

_WEIGHTS = Path(__file__).resolve().parents[1] / "weights"

#: Architecture of files that hold nothing but the reference's energy network.
_ENERGY_ONLY = "genpose-reference-energy"

#: Architecture name -> makes the model, with fresh weights, from its config.
_ARCHITECTURES: dict[str, Callable[[Mapping[str, Any]], PoseModel]] = {
    LightPoseModel.architecture: LightPoseModel.from_config,
    ReferencePoseModel.architecture: ReferencePoseModel.from_config,
}

#: Entry of the metadata.
_CALIBRATION = "score_calibration"
#: Names of tensors in a file that are no part of the model begin so.
_ATTACHED = "attached/"
#: Bytes of a checkpoint, far above the largest network.
_MAX_BYTES = 2**30

#: Inputs of the first convolution in the follow-up GenPose++, which adds image features.
_FOLLOW_UP_INPUTS = {387, 483, 643, 899}


def default_weights() -> Path:
    """Return the released weights, which are part of the package; nothing is downloaded.

    Raises:
        FileNotFoundError: the installation lacks them.
    """
    file = _WEIGHTS / DEFAULT_WEIGHTS
    if not file.is_file():
        raise FileNotFoundError(
            f"the released weights are not where they belong: {file}; "
            "check the installation, or name a checkpoint of your own as weights"
        )
    return file


def load_model(
    path: Path | str | None = None,
    energy_path: Path | str | None = None,
    device: torch.device | str = "cpu",
) -> PoseModel:
    """Load a model for inference: evaluation mode, no gradients for its weights.

    Args:
        path: one of our files, or the authors' score checkpoint; None or empty: the released
            weights.
        energy_path: the energy network beside a score network of the reference architecture, as
            one of our files or the authors' energy checkpoint; None or empty: none.
        device: where to put it.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged, not a checkpoint, of an unknown or of the wrong architecture.
    """
    file = _existing(path or default_weights())
    if _is_authors_file(file):
        state = _read_authors_file(file)
        network = ReferenceScoreNetwork()
        network.load_state_dict(state)
        model: PoseModel = ReferencePoseModel(network)
    else:
        model = _model_from_ours(file)
    if energy_path:
        if not isinstance(model, ReferencePoseModel):
            raise ValueError(
                f"{file} ({model.architecture}) brings its own energy network; "
                "energy weights are only for score networks of the reference architecture"
            )
        model.energy_network = _energy_network(_existing(energy_path))
    known = released_name(file)
    origin = f"the released weights {known}" if known else "no weights that this version knows"
    _log.info("loaded %s from %s (%s)", model.architecture, file, origin)
    return model.eval().requires_grad_(False).to(device)


def save_model(
    model: PoseModel,
    path: Path | str,
    metadata: Mapping[str, str],
    attachments: Mapping[str, Tensor] | None = None,
) -> None:
    """Save a model as safetensors, replacing the file in one step.

    Args:
        model: any registered architecture.
        path: the file; its folder is made where missing.
        metadata: what to record, such as training_data and git_commit. Recorded by itself:
            architecture, config, categories, the calibration of scores where there is one, and
            tensor_sha256.

        attachments: further tensors by name, which are no part of the model, such as meshes of the
            objects; see `load_attachments`.

    Raises:
        ValueError: a metadata value is not a string, or a weight or attachment is not finite.
        OSError: the file cannot be written; the one before stays.
    """
    described = {**metadata, "architecture": model.architecture}
    described["config"] = json.dumps(model.config(), sort_keys=True)
    described["categories"] = model.categories.to_text()
    described.pop(_CALIBRATION, None)
    if model.score_calibration is not None:
        described[_CALIBRATION] = model.score_calibration.to_text()
    _write(model.state_dict(), Path(path), described, attachments)


def describe_checkpoint(path: Path | str) -> dict[str, str]:
    """Return the metadata of one of our files, without loading its tensors.

    Args:
        path: of the file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not one of our files, or damaged.
    """
    file = _existing(path)
    if _is_authors_file(file):
        raise ValueError(f"{file} is an authors' checkpoint, which has no metadata: convert it")
    return _read_ours(file, tensors=False)[0]


def load_categories(path: Path | str | None = None) -> CategorySet:
    """Return the categories that a model knows, without loading its tensors.

    Args:
        path: as of `load_model`; the six where the file does not say.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not a checkpoint, or damaged.

    Example:
        >>> load_categories().names
        ('bottle', 'bowl', 'camera', 'can', 'laptop', 'mug')
    """
    file = _existing(path or default_weights())
    return NOCS if _is_authors_file(file) else _categories(file, _read_ours(file, tensors=False)[0])


def load_attachments(path: Path | str | None = None) -> dict[str, Tensor]:
    """Return the tensors that were attached to a model's weights.

    Args:
        path: as of `load_model`.

    Returns:
        By their names; none where nothing was attached.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not a checkpoint, or damaged.
    """
    file = _existing(path or default_weights())
    return {} if _is_authors_file(file) else _read_parts(file)[2]


def convert_reference_checkpoint(
    source: Path | str,
    role: Literal["score", "energy"],
    destination: Path | str,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write an authors' checkpoint as one of our files.

    For one file with both networks: `save_model(load_model(score, energy), ...)`.

    Args:
        source: the authors' file.
        role: which network it is; the file does not say.
        destination: where to write; an energy network's file is for `energy_path` of `load_model`.
        metadata: what to record besides the source's file name.

    Raises:
        FileNotFoundError: no such file.
        ValueError: unknown role, or not a checkpoint of the reference networks.
    """
    if role not in ("score", "energy"):
        raise ValueError(f"role must be score or energy, got {role!r}")
    file = _existing(source)
    if not _is_authors_file(file):
        raise ValueError(f"{file} is not an authors' checkpoint (a file written by torch.save)")
    state = _read_authors_file(file)
    described = {"training_data": "not recorded", "converted_from": file.name, **(metadata or {})}
    if role == "energy":
        described |= {"architecture": _ENERGY_ONLY, "config": "{}"}
        _write(state, Path(destination), described)
        return
    network = ReferenceScoreNetwork()
    network.load_state_dict(state)
    save_model(ReferencePoseModel(network), destination, described)


def _existing(path: Path | str) -> Path:
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(
            f"no checkpoint at {file}: give the path of an existing file, "
            "or leave it out to use the released weights"
        )
    return check_file(file, _MAX_BYTES)


def _is_authors_file(file: Path) -> bool:
    """Return whether `file` is torch.save's (zip or old pickle); False: it begins as safetensors.

    Raises:
        ValueError: neither.
    """
    with file.open("rb") as stream:
        start = stream.read(9)
    if start[:4] == b"PK\x03\x04":
        return True
    if len(start) == 9 and start[8:] == b"{":
        return False
    # Only now: the length that safetensors begin with can have this byte too.
    if start[:1] == b"\x80":
        return True
    raise ValueError(
        f"{file} is not a checkpoint: expected safetensors or a file written by torch.save"
    )


def _some(names: set[str]) -> str:
    listed = ", ".join(sorted(names)[:3])
    return f"{len(names)} ({listed}{', ...' if len(names) > 3 else ''})" if names else "none"


def _check_tensors(
    file: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]
) -> None:
    """Check names, shapes, types and finiteness, with messages a user can act on."""
    missing, extra = set(expected) - set(tensors), set(tensors) - set(expected)
    if missing or extra:
        raise ValueError(
            f"{file} does not fit the architecture: {len(tensors)} entries instead of "
            f"{len(expected)}; missing: {_some(missing)}; unexpected: {_some(extra)}"
        )
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            raise ValueError(
                f"{file} does not fit the architecture: {name} has shape {tuple(tensor.shape)} "
                f"instead of {tuple(expected[name].shape)}"
            )
        if tensor.dtype != expected[name].dtype:
            raise ValueError(
                f"{file} does not fit the architecture: {name} is of {tensor.dtype} "
                f"instead of {expected[name].dtype}"
            )
        if not bool(tensor.isfinite().all()):
            raise ValueError(f"{file} holds weights that are not finite, in {name}")


def _read_authors_file(file: Path) -> dict[str, Tensor]:
    """Return the 163 tensors of one reference network.

    Raises:
        ValueError: damaged, not the authors' layout, or the follow-up's networks.
    """
    content = load_torch_file(file)
    state = content.get("model_state_dict") if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(f"{file} has no 'model_state_dict' of tensors: not an authors' checkpoint")
    _refuse_follow_up(file, state)
    with torch.random.fork_rng(devices=[]):
        expected = ReferenceScoreNetwork().state_dict()
    _check_tensors(file, state, expected)
    return dict(state)


def _refuse_follow_up(file: Path, state: Mapping[str, Tensor]) -> None:
    for name, tensor in state.items():
        first_conv = name.endswith("SA_modules.0.mlps.0.layer0.conv.weight")
        inputs = tensor.shape[1] if first_conv and tensor.ndim > 1 else 3
        if "dino." in name or inputs in _FOLLOW_UP_INPUTS:
            raise ValueError(
                f"{file} belongs to the follow-up GenPose++, whose networks also take image "
                f"features ({name}, {inputs} inputs); only GenPose's own checkpoints fit"
            )


def tensor_fingerprint(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over names, types, shapes and values, a checkpoint's tensor_sha256."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _write(
    tensors: Mapping[str, Tensor],
    path: Path,
    metadata: Mapping[str, str],
    attachments: Mapping[str, Tensor] | None = None,
) -> None:
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    described = {**metadata, "tensor_sha256": tensor_fingerprint(stored)}
    if attachments:
        attached = {
            name: tensor.detach().cpu().contiguous() for name, tensor in attachments.items()
        }
        described["attached_sha256"] = tensor_fingerprint(attached)
        stored |= {f"{_ATTACHED}{name}": tensor for name, tensor in attached.items()}
    wrong = [key for key, value in described.items() if not isinstance(value, str)]
    if wrong:
        raise ValueError(f"metadata values must be strings, these are not: {', '.join(wrong)}")
    _check_tensors(path, stored, stored)
    # Not by save_file, whose files nobody but their owner can read.
    write_whole(path, save(stored, metadata=described))


def _read_ours(file: Path, *, tensors: bool = True) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Return metadata and, where asked for, the model's tensors; all hashes are verified."""
    return _read_parts(file, tensors=tensors)[:2]


def _read_parts(
    file: Path, *, tensors: bool = True
) -> tuple[dict[str, str], dict[str, Tensor], dict[str, Tensor]]:
    """Return metadata and, where asked for, the model's and the attached tensors."""
    try:
        with safe_open(file, framework="pt") as archive:
            metadata = archive.metadata() or {}
            names = list(archive.keys()) if tensors else []
            stored = {name: archive.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(f"cannot read {file}: damaged or incomplete ({error})") from error
    missing = {"architecture", "config", "tensor_sha256"} - set(metadata)
    if missing:
        raise ValueError(f"{file} was not written by this package: no {', '.join(sorted(missing))}")
    attached = {
        name.removeprefix(_ATTACHED): stored.pop(name)
        for name in list(stored)
        if name.startswith(_ATTACHED)
    }
    hashes = [(stored, "tensor_sha256")]
    hashes += [(attached, "attached_sha256")] if attached or "attached_sha256" in metadata else []
    for part, key in hashes:
        if tensors and tensor_fingerprint(part) != metadata.get(key):
            raise ValueError(
                f"{file} is damaged: its tensors do not have the hash it states; copy it again"
            )
    return metadata, stored, attached


def _categories(file: Path, metadata: Mapping[str, str]) -> CategorySet:
    if "categories" not in metadata:
        return NOCS
    try:
        return CategorySet.from_text(metadata["categories"])
    except ValueError as error:
        raise ValueError(f"{file} has categories that cannot be used: {error}") from error


def _score_calibration(file: Path, metadata: Mapping[str, str]) -> ScoreCalibration | None:
    if _CALIBRATION not in metadata:
        return None
    try:
        return ScoreCalibration.from_text(metadata[_CALIBRATION])
    except ValueError as error:
        raise ValueError(f"{file} has a calibration that cannot be used: {error}") from error


def _model_from_ours(file: Path) -> PoseModel:
    metadata, tensors = _read_ours(file)
    name = metadata["architecture"]
    if name == _ENERGY_ONLY:
        raise ValueError(f"{file} is only an energy network: give it as energy weights instead")
    if name not in _ARCHITECTURES:
        raise ValueError(
            f"{file} has the unknown architecture {name!r}; this version knows "
            f"{', '.join(_ARCHITECTURES)}: update the package or choose another file"
        )
    try:
        config = json.loads(metadata["config"])
        # Without memory: a config may describe more than any machine has.
        with torch.device("meta"):
            expected = _ARCHITECTURES[name](config).state_dict()
    except (KeyError, TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        raise ValueError(
            f"{file} has a config that does not describe {name}: {str(error)[:300]}"
        ) from error
    _check_tensors(file, tensors, expected)
    # Loading leaves the global generator as it was.
    with torch.random.fork_rng(devices=[]):
        model = _ARCHITECTURES[name](config)
    model.load_state_dict(tensors)
    model.categories = _categories(file, metadata)
    model.score_calibration = _score_calibration(file, metadata)
    return model


def _energy_network(file: Path) -> ReferenceEnergyNetwork:
    if not _is_authors_file(file):
        metadata, tensors = _read_ours(file)
        if metadata["architecture"] != _ENERGY_ONLY:
            model = _model_from_ours(file)
            if isinstance(model, ReferencePoseModel) and model.energy_network is not None:
                return model.energy_network
            raise ValueError(f"{file} holds no energy network of the reference architecture")
    else:
        tensors = _read_authors_file(file)
    network = ReferenceEnergyNetwork()
    _check_tensors(file, tensors, network.state_dict())
    network.load_state_dict(tensors)
    return network

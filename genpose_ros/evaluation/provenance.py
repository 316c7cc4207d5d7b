# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Provenance of results: code, weights, seed, machine and command, stored beside every number."""

import json
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from genpose_ros.checkout import git
from genpose_ros.files import write_whole
from genpose_ros.networks.devices import usable_cores
from genpose_ros.networks.model_set import checkpoint_files
from genpose_ros.networks.released import file_sha256

__all__ = ["provenance", "shown_command", "write_results"]


def provenance(weights: Path | str | None, seed: int | None) -> dict[str, Any]:
    """Return the provenance of a result of this process, as JSON values.

    Args:
        weights: see `checkpoint_files`; None: the released weights.
        seed: of all random draws; None where nothing is drawn.

    Raises:
        OSError: the weights cannot be read.
    """
    files = checkpoint_files(str(weights or ""))
    digests = [file_sha256(file) for file in files]
    return {
        "commit": git("rev-parse", "HEAD"),
        "changed_since_commit": _is_changed(),
        "weights": ", ".join(file.name for file in files),
        "weights_sha256": ", ".join(digests),
        "seed": seed,
        "machine": _machine(),
        "command": shown_command(sys.argv),
        "date": datetime.now(timezone.utc).date().isoformat(),
    }


def write_results(
    path: Path,
    content: Mapping[str, Any],
    *,
    weights: Path | str | None = None,
    seed: int | None = None,
) -> None:
    """Write results as JSON with their provenance under the key `provenance`; makes the folder.

    Args:
        path: the file.
        content: JSON values; NaN and infinity are none.
        weights, seed: see `provenance`.

    Raises:
        ValueError: a number is not finite.
        OSError: the file cannot be written, or the weights not read.
    """
    whole = {**content, "provenance": provenance(weights, seed)}
    text = json.dumps(whole, indent=1, allow_nan=False) + "\n"
    write_whole(path, text)


def shown_command(arguments: Sequence[str]) -> str:
    """Return a command line to be typed again; of files elsewhere on this machine only the name."""
    program = Path(arguments[0]).name
    words = [program if program != "__main__.py" else "genpose"]
    words += [re.sub(r"(^|=)((?:/|~/|\.\./).*)$", _name_only, word) for word in arguments[1:]]
    return " ".join(f"'{word}'" if re.search(r"[\s;&|<>$]", word) else word for word in words)


def _name_only(match: "re.Match[str]") -> str:
    return match[1] + (Path(match[2]).name or "/")


def _machine() -> dict[str, Any]:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "cpu": _cpu_model(),
        "cores": usable_cores(),
        "gpu": gpu,
        "os": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
    }


def _cpu_model() -> str:
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        match = None
    return match[1] if match else platform.processor() or platform.machine()


def _is_changed() -> bool | None:
    """Whether the code differs from its commit; None outside a checkout."""
    status = git("status", "--porcelain", "--", "genpose_ros")
    return None if status is None else bool(status)

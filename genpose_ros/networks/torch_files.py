# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Files of torch.save, read without running code and without more memory than their size."""

import zipfile
from pathlib import Path
from typing import Any

import torch

from genpose_ros.files import check_file

__all__ = ["load_torch_file"]

#: Bytes of a file, far above the largest training state.
_MAX_BYTES = 2**34


def load_torch_file(file: Path) -> Any:
    """Return the tensors and plain values that a file of torch.save holds, on the CPU.

    Raises:
        FileNotFoundError: no such file.
        OSError: it cannot be read.
        ValueError: damaged, it holds more than tensors and plain values, or unpacks to more bytes
            than it has.
    """
    _check_sizes(check_file(file, _MAX_BYTES))
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        raise ValueError(
            f"cannot read {file}: it is damaged, incomplete, or holds more than tensors and "
            "numbers, which is refused because loading that could run code"
        ) from error


def _check_sizes(file: Path) -> None:
    """Refuse an archive whose records are packed, which those of torch.save never are."""
    with file.open("rb") as stream:
        if stream.read(2) != b"PK":
            return
        try:
            with zipfile.ZipFile(stream) as archive:
                records = archive.infolist()
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise ValueError(
                f"cannot read {file}: it is damaged or incomplete ({error})"
            ) from error
    unpacked, size = sum(record.file_size for record in records), file.stat().st_size
    if unpacked > size or any(record.compress_type != zipfile.ZIP_STORED for record in records):
        raise ValueError(
            f"cannot read {file}: it has {size} bytes, but unpacks to {unpacked}, "
            "which files of torch.save never do"
        )

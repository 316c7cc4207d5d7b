# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""`genpose convert`: checkpoints of the GenPose authors to files of ours."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from genpose_ros.cli.console import ERR, readable_errors

__all__ = ["convert"]


class Role(str, Enum):
    """Network that an authors' checkpoint holds."""

    SCORE = "score"
    ENERGY = "energy"


@readable_errors
def convert(
    source: Annotated[Path, typer.Argument(help="Checkpoint file of the GenPose authors (.pth).")],
    destination: Annotated[Path, typer.Argument(help="File to write (.safetensors).")],
    role: Annotated[Role, typer.Option(help="Which network it is; the file itself does not say.")],
) -> None:
    """Convert an authors' checkpoint to a file of ours.

    Example:

    - `genpose convert scorenet.pth scorenet.safetensors --role score`
    """
    from genpose_ros.networks import convert_reference_checkpoint

    convert_reference_checkpoint(source, role.value, destination)
    ERR.print(f"written: {destination}", markup=False, soft_wrap=True)

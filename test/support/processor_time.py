# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Time that another process has used of a processor, which other programs hardly change."""

import os
from pathlib import Path


def processor_s(pid: int) -> float:
    """How long a process has used a processor, seconds."""
    used = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")

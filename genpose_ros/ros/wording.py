# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Wording of log lines and states: numbers with their nouns."""

__all__ = ["counted"]


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one.

    >>> counted(1, "track"), counted(0, "track")
    ('1 track', '0 tracks')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Exceptions of look-ups: the reasons why a transform is not known."""

__all__ = [
    "ConnectivityException",
    "ExtrapolationException",
    "InvalidArgumentException",
    "LookupException",
    "TimeoutException",
    "TransformException",
]


class TransformException(Exception):  # noqa: N818 (the real package's names)
    """Any of the reasons below."""


class LookupException(TransformException):
    """A frame is unknown."""


class ConnectivityException(TransformException):
    """Both frames are known but nothing joins them."""


class ExtrapolationException(TransformException):
    """The time asked for lies outside what has been received."""


class InvalidArgumentException(TransformException):
    """A frame name or a transform is malformed."""


class TimeoutException(TransformException):
    """Nothing arrived in time."""

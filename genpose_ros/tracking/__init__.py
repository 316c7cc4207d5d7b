# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Tracking: objects that keep their identity from frame to frame (paper section 3.3)."""

from genpose_ros.tracking.settings import TrackerSettings
from genpose_ros.tracking.tracker import Tracker
from genpose_ros.tracking.tracks import Track, TrackingResult, TrackState

__all__ = ["Track", "TrackState", "Tracker", "TrackerSettings", "TrackingResult"]

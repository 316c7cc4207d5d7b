# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Evaluation of the tracker on simulated sequences: errors, identities, recoveries, speed."""

from genpose_ros.evaluation.tracking.metrics import summarise_tracking
from genpose_ros.evaluation.tracking.records import ObjectRecord, SequenceRecord, record_sequence

__all__ = ["ObjectRecord", "SequenceRecord", "record_sequence", "summarise_tracking"]

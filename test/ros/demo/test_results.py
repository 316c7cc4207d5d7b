# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Conversion of ~/objects back to the estimator's result."""

import dataclasses

import numpy as np
import pytest

from genpose_ros.estimation.frame import Remark
from genpose_ros.estimation.reasons import Reason, Rejection
from genpose_ros.ros.builders import object_array, posed_objects
from genpose_ros.ros.demo.results import result_from_message
from genpose_ros.ros.published import published_estimate

UNSENT = {"T_cam_candidates", "points_cam", "evidence"}


def objects_message(ros, estimates=(), rejections=(), timings_ms=None):
    objects = posed_objects([published_estimate(e) for e in estimates], np.eye(4))
    return object_array(objects, rejections, ros.header(5), timings_ms)


def test_what_was_published_comes_back(ros):
    tilted = np.eye(4)
    tilted[:3, :3] = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    tilted[:3, :3] *= np.linalg.det(tilted[:3, :3])
    tilted[:3, 3] = 0.1, -0.2, 0.9
    estimates = (
        ros.estimate(4, "mug"),
        ros.estimate(
            2, "can", T_cam_obj=tilted, T_cam_other=tilted, remarks=(Remark.SEPARATE_PART,)
        ),
    )
    rejections = (Rejection(Reason.TOO_FEW_POINTS, "3 of 64", 9),)
    timings_ms = {"clouds": 2.5, "sample": 40.25}
    result = result_from_message(objects_message(ros, estimates, rejections, timings_ms))
    assert result.rejections == rejections
    assert result.timings_ms == timings_ms
    for sent, back in zip(estimates, result.estimates, strict=True):
        for field in dataclasses.fields(sent):
            if field.name not in UNSENT:
                expected, actual = getattr(sent, field.name), getattr(back, field.name)
                if expected is None or isinstance(expected, (str, int)) or field.name == "remarks":
                    assert actual == expected
                else:  # scores travel as float32
                    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-12)
        assert back.T_cam_candidates.shape == (0, 4, 4)
        assert back.points_cam.shape == (0, 3)


def test_missing_energies_stay_missing(ros):
    estimate = ros.estimate(energy_rotation=None, energy_translation=None)
    (back,) = result_from_message(objects_message(ros, [estimate])).estimates
    assert back.energy_rotation is None
    assert back.energy_translation is None


def test_a_refused_frame_has_no_instance(ros):
    sent = Rejection(Reason.SIZE_MISMATCH, "two sizes")
    assert result_from_message(objects_message(ros, rejections=(sent,))).rejections == (sent,)


def test_an_unknown_reason_is_refused(ros):
    message = objects_message(ros, rejections=(Rejection(Reason.MASK_EMPTY, "no pixel", 2),))
    message.rejections[0].reason = "tired"
    with pytest.raises(ValueError, match="tired"):
        result_from_message(message)

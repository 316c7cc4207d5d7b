# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The estimator node with the fake estimator and tracker, as a program of its own for the tests."""

from fake_estimator import FakeEstimator, FakeTracker

from genpose_ros.ros.estimator_node import main

if __name__ == "__main__":
    main(make_estimator=FakeEstimator, make_tracker=FakeTracker)

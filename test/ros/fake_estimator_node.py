"""The estimator node with the fake estimator and tracker, as a program of its own for the tests."""

from conftest import FakeEstimator, FakeTracker  # type: ignore[import-not-found]  # run as a script

from genpose_ros.ros.estimator_node import main

if __name__ == "__main__":
    main(make_estimator=FakeEstimator, make_tracker=FakeTracker)

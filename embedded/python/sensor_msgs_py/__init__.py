"""Stands in for the real sensor_msgs_py, which is not on PyPI; see `point_cloud2`."""

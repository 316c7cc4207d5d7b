# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Packages for `pip install`; everything else is in pyproject.toml.

colcon builds the package with CMakeLists.txt, because it has messages, and ignores this file.
"""

from setuptools import find_packages, setup

setup(
    # Naming the root makes an editable install a plain path entry. The generated messages
    # (genpose_ros.msg) are then found in the next folder on the path that has a genpose_ros.
    package_dir={"": "."},
    packages=find_packages(include=["genpose_ros", "genpose_ros.*"]),
)

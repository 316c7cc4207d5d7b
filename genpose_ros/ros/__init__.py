# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Messages in, messages out: adapters, parameters, synchronising and nodes.

The only folder that imports ROS. The nodes are in modules of their own (`estimator_node`), which
nothing else imports.
"""

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Put one bowl into another with a simulated xArm6 that estimates where they are.

python stack.py [SEED] [PICTURE.png]
"""

import sys
from pathlib import Path

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.robot.simulation.grasping import TaskError
from genpose_ros.robot.simulation.judging import judge_stack
from genpose_ros.robot.simulation.picture import draw_runs
from genpose_ros.robot.simulation.tasks import TaskScene, lower_into

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
scene = TaskScene.of("stack", seed)
try:
    scene.look(seed, PoseEstimator.from_settings(EstimatorSettings()))
    for name, item in scene.believed.items():
        x, y, z = item.T_out_obj[:3, 3]  # in the frame of the arm's base
        width, height, _ = 1000 * item.size_m
        print(f"{name} at ({x:.3f}, {y:.3f}, {z:.3f}) m, {width:.0f} mm wide, {height:.0f} mm high")

    grasp = scene.frame("bowl", "grasp_top")  # at the rim, a finger on each side of the wall
    scene.run.grasp(scene.believed["bowl"], grasp)
    print(f"{grasp.name}: the fingers are {1000 * scene.run.opening_m:.1f} mm apart")
    lower_into(scene, "bowl", "bowl below")

    numbers, failure = judge_stack(scene.run, "bowl", "bowl below")  # by the true shapes
    aside_mm, tilt_deg = 1000 * numbers["aside_m"], numbers["tilt_deg"]
    print(f"{aside_mm:.1f} mm off the other's axis, tilted by {tilt_deg:.1f} degrees")
    print(f"stack: {failure or 'done'}")
except TaskError as error:  # says at which step, and why
    print(f"stack: {error}")
if len(sys.argv) > 2:
    draw_runs({"stack": scene.run}, Path(sys.argv[2]))

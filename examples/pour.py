# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pour from a can or bottle into a bowl with a simulated xArm6 that estimates where they are.

python pour.py [SEED] [PICTURE.png]
"""

import sys
from pathlib import Path

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.robot.simulation.grasping import TaskError
from genpose_ros.robot.simulation.judging import judge_pour
from genpose_ros.robot.simulation.picture import draw_runs
from genpose_ros.robot.simulation.tasks import TaskScene, tilt_over

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
scene = TaskScene.of("pour", seed)
try:
    scene.look(seed, PoseEstimator.from_settings(EstimatorSettings()))
    for name, item in scene.believed.items():
        x, y, z = item.T_out_obj[:3, 3]  # in the frame of the arm's base
        print(f"{name} at ({x:.3f}, {y:.3f}, {z:.3f}) m, score {item.score_axis:.2f}")

    vessel = next(name for name in scene.believed if name != "bowl")
    grasp = scene.frame(vessel, "grasp_side")
    reached = sum(reach.reachable for reach in grasp.reaches)
    print(f"{grasp.name}: {reached} of {len(grasp.reaches)} frames around it are reached")
    scene.run.grasp(scene.believed[vessel], grasp)
    tilt_over(scene, vessel, "bowl")

    numbers, failure = judge_pour(scene.run, vessel, "bowl")  # by the true shapes
    tilt_deg, aside_mm = numbers["tilt_deg"], 1000 * numbers["aside_m"]
    print(f"tilted by {tilt_deg:.0f} degrees, the lip {aside_mm:.1f} mm from the bowl's middle")
    print(f"touched: {', '.join(scene.run.touched) or 'nothing'}")
    print(f"pour: {failure or 'done'}")
except TaskError as error:  # says at which step, and why
    print(f"pour: {error}")
if len(sys.argv) > 2:
    draw_runs({"pour": scene.run}, Path(sys.argv[2]))

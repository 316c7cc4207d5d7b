# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Take a can or bottle out of a hand with a simulated xArm6, on the side away from the hand.

python handover.py [SEED] [PICTURE.png]
"""

import sys
from pathlib import Path

from genpose_ros.estimation import EstimatorSettings, PoseEstimator
from genpose_ros.robot.simulation.grasping import TaskError
from genpose_ros.robot.simulation.judging import judge_handover
from genpose_ros.robot.simulation.picture import draw_runs
from genpose_ros.robot.simulation.tasks import TaskScene

seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
scene = TaskScene.of("handover", seed)
try:
    scene.look(seed, PoseEstimator.from_settings(EstimatorSettings()))
    ((name, item),) = scene.believed.items()
    x, y, z = item.T_out_obj[:3, 3]  # in the frame of the arm's base
    print(f"{name} at ({x:.3f}, {y:.3f}, {z:.3f}) m, score {item.score_axis:.2f}")
    points = 0 if scene.hand is None else len(scene.hand)
    print(f"{points} points of the depth images are taken for a hand")

    grasp = scene.frame(name, "handover")  # those of its ring that keep clear of the hand
    print(f"{len(grasp.T_obj_ring)} frames keep clear of it")
    begun = len(scene.run.path_rad)
    scene.run.grasp(item, grasp, lift_m=0.08)

    numbers, failure = judge_handover(scene.run, begun)  # by the true shapes
    print(f"gripper and hand were {1000 * numbers['apart_m']:.0f} mm apart or more")
    print(f"handover: {failure or 'done'}")
except TaskError as error:  # says at which step, and why
    print(f"handover: {error}")
if len(sys.argv) > 2:
    draw_runs({"handover": scene.run}, Path(sys.argv[2]))

# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of runs: a panel for each moment, boxes where objects are believed to be."""

import numpy as np
from PIL import Image

from genpose_ros.robot.inverse import InverseKinematics
from genpose_ros.robot.kinematics import transform
from genpose_ros.robot.simulation.grasping import ArmRun, believed_surroundings
from genpose_ros.robot.simulation.picture import draw_runs
from genpose_ros.robot.simulation.world import Solid, true_object
from genpose_ros.robot.xarm6 import READY_RAD, xarm6_collisions
from genpose_ros.synthesis.primitives import box

BLUE = (20, 60, 200)


def run_with_a_can():
    mesh = box(np.array([[0.06, 0.06, 0.12]]))
    can = Solid("can", "can", mesh.vertices[0], mesh.faces, transform((0.45, -0.1, 0.06)))
    solver = InverseKinematics(xarm6_collisions())
    return ArmRun(solver, {"can": can}, believed_surroundings((), None), np.array(READY_RAD))


def blue_pixels(path, panel=0):
    picture = np.asarray(Image.open(path))[:, 360 * panel : 360 * (panel + 1)]
    return int((picture == BLUE).all(-1).sum())


def test_each_moment_has_a_panel_and_what_is_believed_a_box(tmp_path):
    run, path = run_with_a_can(), tmp_path / "run.png"
    run.mark("looks", [true_object(run.solids["can"])])
    run.mark("waits")
    draw_runs({"task": run}, path)
    assert Image.open(path).size == (2 * 360, 315)
    assert blue_pixels(path) > 100
    assert blue_pixels(path, panel=1) == 0


def test_a_run_shows_where_it_stopped_though_nothing_was_marked_there(tmp_path):
    run, path = run_with_a_can(), tmp_path / "run.png"
    draw_runs({"task": run}, path)
    assert Image.open(path).size == (360, 315)
    run.mark("looks")
    run.q_rad = run.q_rad + 0.1
    draw_runs({"task": run, "other": run}, path)
    picture = np.asarray(Image.open(path))
    assert picture.shape == (2 * 315, 2 * 360, 3)
    difference = picture[:290, :360].astype(int) - picture[:290, 360:]
    assert (np.abs(difference) > 20).any(-1).sum() > 500

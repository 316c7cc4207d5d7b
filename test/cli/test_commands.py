# Copyright 2026 genpose_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The command line: what it writes, and that mistakes are one line and exit code 2."""

import json
import pickle
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from genpose_ros.cli import app
from genpose_ros.datasets.nocs_files import nocs_split
from genpose_ros.evaluation import synthetic_views
from genpose_ros.geometry import Category, CategorySet
from genpose_ros.networks import LightPoseModel, describe_checkpoint, save_model

runner = CliRunner()


@pytest.fixture
def folder(tmp_path):
    """A recorded frame with a mug (id 3) and a bowl (id 7)."""
    folder = tmp_path / "recorded"
    folder.mkdir()
    depth_mm = np.full((120, 160), 2000, dtype=np.uint16)
    labels = np.zeros((120, 160), dtype=np.uint8)
    depth_mm[20:50, 20:60], labels[20:50, 20:60] = 800, 3
    depth_mm[70:110, 80:120], labels[70:110, 80:120] = 1000, 7
    Image.fromarray(depth_mm).save(folder / "depth.png")
    Image.fromarray(labels).save(folder / "mask.png")
    Image.fromarray(np.full((120, 160, 3), 90, np.uint8)).save(folder / "color.jpg")
    pose = {"R": [[0, 0, -1], [0, -1, 0], [-1, 0, 0]], "t": [0, 0, 0.8], "size_m": [0.1, 0.1, 0.08]}
    label = {
        "K": [[150, 0, 79.5], [0, 150, 59.5], [0, 0, 1]],
        "instances": [{"id": 3, "category": "mug", **pose}, {"id": 7, "category": "bowl"}],
    }
    (folder / "label.json").write_text(json.dumps(label))
    return folder


def run(*arguments):
    return runner.invoke(app, [str(a) for a in arguments])


def estimate(folder, weights, *more):
    files = ("--depth", folder / "depth.png", "--mask", folder / "mask.png")
    return run(
        "estimate",
        *files,
        *("--camera-info", folder / "label.json", "--weights", weights, "--device", "cpu", *more),
    )


class TestEstimate:
    def test_estimate_writes_json_and_a_picture(self, folder, weights, tmp_path):
        out, picture = tmp_path / "new" / "out.json", tmp_path / "out.png"
        more = ("--colour", folder / "color.jpg", "--json", out, "--picture", picture)
        result = estimate(folder, weights, *more)
        assert result.exit_code == 0, result.output
        content = json.loads(out.read_text())
        assert [(o["id"], o["class"]) for o in content["objects"]] == [(3, "mug"), (7, "bowl")]
        T_cam_obj = np.array(content["objects"][0]["T_cam_obj"])
        assert np.isfinite(T_cam_obj).all()
        rotation = Rotation.from_quat(content["objects"][0]["quaternion_xyzw"]).as_matrix()
        np.testing.assert_allclose(rotation, T_cam_obj[:3, :3], atol=1e-6)
        up = np.degrees(np.arccos(-T_cam_obj[1, 1]))
        assert content["objects"][0]["tilt_deg"] == pytest.approx(up, abs=1e-4)
        assert content["frame"].startswith("camera optical frame")
        assert content["rejected"] == []
        assert set(content["stages_ms"]) == {"clouds", "encode", "sample", "rank", "pool"}
        assert Image.open(picture).size == (320, 240)
        assert "mug" in result.output

    def test_estimate_prints_nothing_but_json_where_that_is_asked_for(self, folder, weights):
        result = estimate(folder, weights, "--json", "-", "--set", "candidates=5")
        assert len(json.loads(result.stdout)["objects"]) == 2

    def test_the_same_seed_gives_the_same_poses_and_another_one_others(self, folder, weights):
        outputs = [estimate(folder, weights, "--json", "-", "--seed", s) for s in (1, 1, 2)]
        a, b, c = (json.loads(o.stdout)["objects"][0]["T_cam_obj"] for o in outputs)
        assert a == b
        assert a != c

    def test_the_direction_up_can_be_given_and_is_in_the_result(self, folder, weights):
        result = estimate(folder, weights, "--json", "-", "--up", "0,-2,0")
        up = json.loads(result.stdout)["up"]
        assert (up["source"], up["direction"], up["level_m"]) == ("given", [0, -1, 0], None)
        told = json.loads(result.stdout)["objects"][0]
        assert (told["rests"], told["up_turn_deg"], told["view_roll_deg"]) == (False, 0, 0)
        assert "up is given" in estimate(folder, weights, "--up", "0,-2,0").output
        unknown = estimate(folder, weights, "--json", "-", "--set", "up_source=none")
        assert json.loads(unknown.stdout)["up"] is None

    def test_only_objects_with_a_class_are_estimated(self, folder, weights):
        result = estimate(folder, weights, "--json", "-", "--classes", "7=can,9=mug")
        content = json.loads(result.stdout)
        assert [(o["id"], o["class"]) for o in content["objects"]] == [(7, "can")]
        assert [(r["id"], r["reason"]) for r in content["rejected"]] == [(9, "mask_empty")]

    def test_classes_are_those_that_the_weights_know(self, folder, tmp_path):
        drill = Category(name="drill", aliases=("power drill",), mirror=False)
        model, weights = LightPoseModel(), tmp_path / "drill.safetensors"
        model.categories = CategorySet((drill,))
        save_model(model, weights, {})
        few = ("--json", "-", "--set", "candidates=5")
        result = estimate(folder, weights, "--classes", "7=power drill", *few)
        assert [o["class"] for o in json.loads(result.stdout)["objects"]] == ["drill"]
        result = estimate(folder, weights, "--classes", "7=mug", *few)
        assert result.exit_code == 2
        assert "a class of drill: '7=mug'" in result.output
        # A label file's classes are refused object by object.
        result = estimate(folder, weights, *few)
        details = [item["detail"] for item in json.loads(result.stdout)["rejected"]]
        assert details == [f"category '{name}' is none of drill" for name in ("mug", "bowl")]

    def test_a_mask_without_the_ids_says_which_it_has_and_prints_no_empty_table(
        self, folder, weights, caplog
    ):
        result = estimate(folder, weights, "--classes", "9=mug")
        assert result.exit_code == 1
        assert "score" not in result.stdout
        assert "mask.png has no object 9; it has the ids 3, 7" in caplog.text

    def test_a_word_of_coco_is_the_class_of_every_object(self, folder, weights):
        result = estimate(folder, weights, "--json", "-", "--classes", "Cup")
        content = json.loads(result.stdout)
        assert [(o["id"], o["class"]) for o in content["objects"]] == [(3, "mug"), (7, "mug")]

    def test_words_of_ones_own_are_read_from_a_file(self, folder, weights, tmp_path):
        (tmp_path / "words.yaml").write_text("bowl: [Schale]")
        own = ("--classes", "7=schale", "--class-names", tmp_path / "words.yaml")
        content = json.loads(estimate(folder, weights, "--json", "-", *own).stdout)
        assert [o["class"] for o in content["objects"]] == ["bowl"]

    def test_raw_images_have_the_matrix_k(self, folder, weights, tmp_path):
        camera = tmp_path / "camera.yaml"
        camera.write_text(
            "k: [150, 0, 79.5, 0, 150, 59.5, 0, 0, 1]\n"
            "p: [300, 0, 79.5, 0, 0, 300, 59.5, 0, 0, 0, 1, 0]"
        )
        depth_of = {}
        for option in ("--raw", "--rectified"):
            more = ("--camera-info", camera, "--classes", "3=mug", option, "--json", "-")
            (found,) = json.loads(estimate(folder, weights, *more).stdout)["objects"]
            depth_of[option] = found["position_m"]
        # The object is at half the angle where the focal length is twice as large.
        assert depth_of["--raw"][0] < 1.5 * depth_of["--rectified"][0] < 0

    def test_each_class_goes_to_the_checkpoint_that_knows_it(self, folder, weights, tmp_path):
        model, drills = LightPoseModel(), tmp_path / "drill.safetensors"
        model.categories = CategorySet((Category(name="drill", aliases=("power drill",)),))
        save_model(model, drills, {})
        few = ("--json", "-", "--set", "candidates=5", "--set", "size_factor=0")
        both = f"{weights},{drills}"
        result = estimate(folder, both, "--classes", "3=mug,7=power drill", *few)
        objects = json.loads(result.stdout)["objects"]
        assert [(o["id"], o["class"]) for o in objects] == [(3, "mug"), (7, "drill")]
        assert all(o["score"] <= o["score_axis"] <= 1 for o in objects)
        result = estimate(folder, f"{weights},{weights}", *few)
        assert result.exit_code == 2
        assert "known by both" in " ".join(result.output.split())

    def test_the_exit_code_is_1_where_no_object_could_be_estimated(self, folder, weights, tmp_path):
        more = ("--classes", "9=mug", "--json", tmp_path / "out.json")
        result = estimate(folder, weights, *more)
        assert result.exit_code == 1
        assert "none of the objects could be estimated (1 refused)" in result.output
        content = json.loads((tmp_path / "out.json").read_text())
        assert content["objects"] == []
        assert content["rejected"][0]["reason"] == "mask_empty"

    def test_the_picture_shows_the_depth_where_there_is_no_colour(self, folder, weights, tmp_path):
        result = estimate(folder, weights, "--picture", tmp_path / "a.png")
        assert result.exit_code == 0, result.output
        assert Image.open(tmp_path / "a.png").size == (320, 240)


class TestEvaluateFrames:
    def test_evaluate_frames_writes_instances_summary_and_pictures(self, folder, weights, tmp_path):
        out = tmp_path / "report.json"
        result = run(
            *("evaluate", "frames", folder.parent, "--weights", weights, "--json", out),
            *("--device", "cpu", "--pictures", tmp_path / "pictures"),
        )
        assert result.exit_code == 0, result.output
        content = json.loads(out.read_text())
        mug, bowl = content["instances"]
        assert {"frame", "class", "rotation_error_deg", "translation_error_cm", "truth"} <= set(mug)
        assert (mug["frame"], mug["class"], mug["truth"]) == ("recorded", "mug", "dataset")
        assert mug["rotation_error_deg"] >= 0
        assert bowl["rotation_error_deg"] is None
        assert content["summary"]["mug"]["instances"] == 1
        assert Image.open(tmp_path / "pictures" / "recorded.png").size == (320, 240)

    def test_turned_frames_are_those_of_a_rolled_camera(self, folder, weights, tmp_path):
        command = ("evaluate", "frames", folder.parent, "--weights", weights, "--device", "cpu")
        result = run(*command, "--turned", 90, "--pictures", tmp_path / "pictures")
        assert result.exit_code == 0, result.output
        assert Image.open(tmp_path / "pictures" / "recorded.png").size == (240, 320)
        result = run(*command, "--turned", 45)
        assert result.exit_code == 2
        assert "0, 90, 180 or 270 degrees, got 45" in result.output


@pytest.fixture
def nocs(tmp_path):
    """A frame of NOCS Real with a can and a laptop 0.8 m away, its poses in a folder gts."""
    root, ids = tmp_path / "nocs", np.full((480, 640), 255, np.uint8)
    ids[200:300, 100:180], ids[200:300, 400:520] = 1, 2
    base = root / "Real" / "test" / "scene_1" / "0000"
    base.parent.mkdir(parents=True)
    Image.fromarray(ids).save(f"{base}_mask.png")
    Image.fromarray(np.full((480, 640), 800, np.uint16)).save(f"{base}_depth.png")
    Image.fromarray(np.zeros((480, 640, 3), np.uint8)).save(f"{base}_color.png")
    base.with_name("0000_meta.txt").write_text("1 4 can_a\n2 5 laptop_a\n")
    camera, poses = nocs_split("real_test").camera, np.stack([np.eye(4)] * 2)
    for pose, (u, v) in zip(poses, ((140, 250), (460, 250)), strict=True):
        pose[:3, :3] *= 0.2
        pose[:3, 3] = 0.8 * np.array([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, 1])
    gts = root / "gts" / "real_test" / "results_real_test_scene_1_0000.pkl"
    gts.parent.mkdir(parents=True)
    gts.write_bytes(pickle.dumps({"gt_RTs": poses}))
    return root


class TestEvaluateNocs:
    def evaluate(self, root, weights, out):
        more = ("--weights", weights, "--device", "cpu", "--set", "candidates=5")
        command = ("evaluate", "nocs", "--root", root, "--split", "real_test", "--json", out)
        result = run(*command, *more)
        assert result.exit_code == 0, result.output
        assert "masks: ground truth" in result.output
        assert "true poses: gts (1)" in result.output
        return json.loads(out.read_text())

    def test_scores_are_written_by_category(self, nocs, weights, tmp_path):
        content = self.evaluate(nocs, weights, tmp_path / "new" / "nocs.json")
        assert set(content["strict"]) == {"can", "laptop", "mean"}
        assert content["counts"]["can"] == {"truths": 1, "detections": 1, "matched": 1}

    def test_scores_of_genuine_frames_are_written_by_category(self, shared, weights, tmp_path):
        content = self.evaluate(shared / "nocs", weights, tmp_path / "new" / "nocs.json")
        assert set(content["strict"]) == {"bowl", "camera", "can", "laptop", "mug", "mean"}
        assert content["counts"]["can"] == {"truths": 1, "detections": 1, "matched": 1}

    def test_evaluate_nocs_refuses_a_folder_without_frames(self, tmp_path):
        result = run("evaluate", "nocs", "--root", tmp_path, "--split", "val")
        assert result.exit_code == 2
        assert "no frame of val" in result.output
        assert "NOCS project page" in result.output

    def test_frames_of_the_same_name_have_pictures_of_their_own(self, folder, weights, tmp_path):
        for place in ("a", "b"):
            shutil.copytree(folder, tmp_path / "sets" / place / "0000")
        pictures = tmp_path / "pictures"
        more = ("--weights", weights, "--device", "cpu", "--pictures", pictures)
        assert run("evaluate", "frames", tmp_path / "sets", *more).exit_code == 0
        assert run("evaluate", "frames", folder, *more).exit_code == 0
        names = sorted(path.name for path in pictures.iterdir())
        assert names == ["a_0000.png", "b_0000.png", "recorded.png"]


class TestEvaluateSynthetic:
    def test_evaluate_synthetic_reports_all_views(self, weights, tmp_path):
        out = tmp_path / "report.json"
        result = run(
            *("evaluate", "synthetic", "--views", 9, "--weights", weights, "--json", out),
            *("--device", "cpu", "--set", "candidates=3", "--set", "steps=1"),
        )
        assert result.exit_code == 0, result.output
        content = json.loads(out.read_text())
        assert content["all"]["views"] == 9
        assert content["standing"]["views"] + content["tipped"]["views"] == 9
        assert "tipped" in result.output

    def test_evaluate_synthetic_takes_the_views_of_another_domain(self, weights, monkeypatch):
        asked = []

        def views(*arguments, domain, **options):
            asked.append(domain.name)
            return synthetic_views(*arguments, domain=domain, **options)

        monkeypatch.setattr("genpose_ros.evaluation.synthetic_views", views)
        more = ("--weights", weights, "--device", "cpu", "--set", "candidates=3")
        for domain in ((), ("--domain", "wide")):
            result = run("evaluate", "synthetic", "--views", 6, *more, "--set", "steps=1", *domain)
            assert result.exit_code == 0, result.output
        assert asked == ["d435", "wide"]


class TestSynthesizeAndTrain:
    @pytest.mark.slow
    def test_a_set_is_synthesized_and_both_networks_are_trained_on_it(self, tmp_path, monkeypatch):
        monkeypatch.setattr("genpose_ros.synthesis.shards.SHARD_SIZE", 8)
        monkeypatch.setattr("genpose_ros.synthesis.shards.CHUNK", 9)
        data = tmp_path / "data"
        result = run("synthesize", data, "--clouds", 8, "--workers", 1)
        assert result.exit_code == 0, result.output
        assert "1 shards in" in result.output
        for target in ("score", "energy"):
            options = ("--batch", 2, "--device", "cpu", "--set", "validate_every_min=0")
            command = ("train", target, data, tmp_path / "run", *options, "--set")
            result = run(*command, "steps=1")
            assert result.exit_code == 0, result.output
            assert "written: " in result.output
            assert "genpose.safetensors" in result.output
            assert "nothing was left to train" in run(*command, "steps=1").output
            result = run(*command, "steps=99999", "--stop-after-minutes", 0.1)
            assert result.exit_code == 0, result.output
            assert "stopped in time" in result.output
        described = describe_checkpoint(tmp_path / "run" / "genpose.safetensors")
        assert described["last_trained"] == "energy"
        assert json.loads(described["training_data"])["clouds"] == 8


class TestTrainRecipes:
    def test_train_recipes_lists_the_recipes(self):
        result = run("train", "recipes")
        assert result.exit_code == 0, result.output
        for name in ("light", "light-small", "gpu-25min", "paper", "release"):
            assert name in result.output
        assert "180 min" in result.output
        assert "30000 steps" in result.output

    def test_train_recipes_shows_the_settings_of_a_recipe(self):
        result = run("train", "recipes", "paper")
        assert result.exit_code == 0, result.output
        assert "genpose-reference" in result.output
        assert "epoch_decay" in result.output


class TestMistakes:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--set", "candidates=0"), "candidates must lie in"),
            (("--set", "candidates=many"), "expects int"),
            (("--set", "candidates"), "name=value"),
            (("--set", "colour=red"), "no setting is called 'colour'; there are weights, "),
            (("--set", "=3"), "no setting is called"),
            (("--classes", "3=spoon"), "spoon"),
            (("--device", "cuda:77"), "CUDA"),
            (("--device", "meta"), "device must be auto, cpu"),
            (("--json", "/"), "is a folder"),
            (("--picture", "out.txt"), "out.txt: a picture's name ends in .png"),
            (("--picture", "/dev/null/b/a.png"), "the folder of /dev/null/b/a.png cannot be made"),
            (("--json", "/dev/full"), "genpose: no space left on device"),
            (("--depth-unit", "0"), "depth unit"),
            (("--background", "7"), "--background is 0, -1 or 255, got 7"),
            (("--up", "0,-1"), "--up is three numbers such as 0,-1,0"),
            (("--up", "0,0,0"), "not all 0; got '0,0,0'"),
            (("--up", "0,inf,0"), "--up is three numbers"),
            (("--up", "down"), "got 'down'"),
            (("--class-names", "nowhere.yaml"), "no such file: nowhere.yaml"),
            (("--weights", "nowhere.safetensors"), "nowhere.safetensors"),
            (("--mask", "nowhere.png"), "no such file: nowhere.png"),
            (("--camera-info", "nowhere.yaml"), "no such file: nowhere.yaml"),
            (("--colour", "nowhere.jpg"), "no such file: nowhere.jpg"),
            (("--depth-unit", "x"), "depth-unit"),
            (("--preset", "slow"), "preset"),
        ],
    )
    def test_a_mistake_of_the_user_is_one_line_and_code_2(
        self, folder, weights, arguments, message
    ):
        result = estimate(folder, weights, *arguments)
        assert result.exit_code == 2
        assert message in result.output
        assert "Traceback" not in result.output

    def test_a_mistake_is_written_to_stderr_alone(self, folder, weights):
        result = estimate(folder, weights, "--mask", "nowhere.png")
        assert result.stdout == ""
        assert result.stderr.count("\n") == 1

    def test_outputs_are_checked_before_the_work(self, folder, tmp_path):
        for more in (("--json", tmp_path), ("--picture", tmp_path / "a")):
            result = estimate(folder, tmp_path / "no weights", *more)
            assert result.exit_code == 2
            assert "no weights" not in result.output
        result = run("evaluate", "frames", folder.parent, "--json", tmp_path)
        assert "is a folder" in result.output

    @pytest.mark.parametrize("error", [FloatingPointError("loss"), MemoryError(), OSError(28, "x")])
    def test_an_error_of_the_machine_is_one_line_and_code_2(self, monkeypatch, tmp_path, error):
        def fail(*_arguments, **_more):
            raise error

        monkeypatch.setattr("genpose_ros.training.train_run", fail)
        result = run("train", "score", tmp_path, tmp_path / "run")
        assert result.exit_code == 2
        assert "genpose: " in result.output
        assert "Traceback" not in result.output

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                ("--recipe", "lihgt"),
                "no recipe is called 'lihgt'; there are gpu-10min, gpu-25min, light",
            ),
            (("--recipe", "no.yaml"), "no such file: no.yaml"),
            (("--set", "drews=3"), "unknown setting 'drews'; did you mean draws?"),
            (("--set", "draws"), "--set expects name=value"),
            (("--minutes", 0), "minutes must lie in"),
            (("--batch", 0), "batch must lie in"),
            (("--device", "cuda:77"), "CUDA"),
            ((), "holds no shard"),
        ],
    )
    def test_a_mistake_in_training_options_is_one_line_and_code_2(self, tmp_path, options, message):
        result = run("train", "score", tmp_path, tmp_path / "run", *options)
        assert result.exit_code == 2
        assert message in " ".join(result.output.split())
        assert "Traceback" not in result.output

    def test_a_file_where_a_folder_is_needed_is_refused(self, tmp_path):
        (tmp_path / "data").touch()
        result = run("synthesize", tmp_path / "data")
        assert result.exit_code == 2
        assert "is a file, where a folder is needed" in result.output

    def test_ctrl_c_ends_with_code_130_and_says_how_to_go_on(self, monkeypatch, tmp_path):
        def interrupted(*_arguments, **_more):
            raise KeyboardInterrupt

        monkeypatch.setattr("genpose_ros.training.train_run", interrupted)
        monkeypatch.setattr("genpose_ros.synthesis.write_set", interrupted)
        for command in (("train", "energy", tmp_path, tmp_path), ("synthesize", tmp_path)):
            result = run(*command)
            assert result.exit_code == 130
            assert "goes on from here" in result.output

    def test_evaluate_frames_refuses_a_folder_without_frames(self, tmp_path, weights):
        result = run("evaluate", "frames", tmp_path, "--weights", weights)
        assert result.exit_code == 2
        assert "no recorded frame" in result.output

    def test_convert_refuses_a_file_that_is_no_checkpoint(self, tmp_path, weights):
        (tmp_path / "a.pth").write_text("hello")
        result = run("convert", tmp_path / "a.pth", tmp_path / "b.safetensors", "--role", "score")
        assert result.exit_code == 2
        assert not (tmp_path / "b.safetensors").exists()


class TestHelp:
    @pytest.mark.parametrize(
        "command",
        [
            [],
            ["estimate"],
            ["evaluate", "frames"],
            ["evaluate", "nocs"],
            ["evaluate", "synthetic"],
            ["evaluate", "twins"],
            ["convert"],
            ["demo"],
            ["synthesize"],
            ["train", "score"],
            ["train", "energy"],
            ["train", "recipes"],
        ],
    )
    def test_every_command_has_a_help_page(self, command):
        result = run(*command, "--help")
        assert result.exit_code == 0
        assert "Usage" in result.output

    def test_version_option_prints_the_installed_version(self, monkeypatch):
        monkeypatch.setattr("importlib.metadata.version", lambda name: f"1.2 of {name}")
        result = run("--version")
        assert result.exit_code == 0
        assert result.stdout.strip() == "1.2 of genpose_ros"

    def test_importing_the_command_line_imports_no_heavy_module(self):
        code = (
            "import sys, genpose_ros.cli\n"
            "heavy = {'torch', 'numpy', 'cv2', 'scipy', 'rclpy', 'open3d'} & set(sys.modules)\n"
            "assert not heavy, heavy"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


class TestDemo:
    @pytest.fixture
    def calls(self, monkeypatch):
        """What the demo is called with, in its place."""
        calls = []

        def run_demo(**arguments) -> int:
            calls.append(arguments)
            return 1

        monkeypatch.setitem(
            sys.modules, "genpose_ros.ros.demo.still", SimpleNamespace(run_demo=run_demo)
        )
        return calls

    def test_the_demo_gets_the_options_and_gives_the_exit_code(self, calls, tmp_path):
        result = run("demo", "--frames", tmp_path, "--seed", 3, "--set", "candidates=9")
        assert result.exit_code == 1
        assert calls[0]["frames"] == tmp_path
        assert calls[0]["seed"] == 3
        assert calls[0]["settings"] == {"candidates": 9}

    def test_mistakes_are_refused_before_the_demo_starts(self, calls):
        assert run("demo", "--set", "candidates=few").exit_code == 2
        assert run("demo", "--track", "--frames", "/tmp").exit_code == 2
        assert not calls

    @pytest.mark.parametrize("options", [[], ["--track"]])
    def test_without_ros_the_demo_says_what_it_needs(self, monkeypatch, options):
        for name in ("still", "track"):
            monkeypatch.setitem(sys.modules, f"genpose_ros.ros.demo.{name}", None)
        result = run("demo", *options)
        assert result.exit_code == 2
        assert "the demo needs ROS 2" in " ".join(result.stderr.split())

    def test_the_tracking_demo_gets_motion_duration_and_settings(self, monkeypatch, tmp_path):
        calls = []

        def run_track_demo(shown: dict, **rest: object) -> int:
            calls.append((shown, rest))
            return 0

        module = SimpleNamespace(
            TrackDemo=lambda **shown: shown,
            run_track_demo=run_track_demo,
        )
        monkeypatch.setitem(sys.modules, "genpose_ros.ros.demo.track", module)
        options = ("--track", "--motion", "crossing", "--seconds", 5, "--set", "steps=4")
        assert run("demo", *options, "--json", tmp_path / "a.json").exit_code == 0
        ((shown, rest),) = calls
        assert shown == {"motion": "crossing", "seed": 0, "seconds": 5.0, "settings": {"steps": 4}}
        assert rest["json"] == tmp_path / "a.json"

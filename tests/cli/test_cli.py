"""The command line, as somebody at a terminal meets it."""

import json
import signal
import subprocess
import sys
from importlib.metadata import version

import pytest

from nappo2.cli import main, train
from nappo2.cli.train_options import with_env
from tests.makers.commands import NAPPO2, SHORT, completed, rows_written
from tests.makers.processes import until


def test_a_run_ends_with_one_line_of_json_and_leaves_its_files(tmp_path):
    done = completed(
        "train", "ppo", *SHORT, "--total-steps", 256, "--seed", 3, "--log-dir", "x", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert {k: result[k] for k in ("algorithm", "env", "scheme", "seed", "env_steps", "log_dir")} == {
        "algorithm": "ppo", "env": "torch/CartPole-v1", "scheme": "3cs", "seed": 3, "env_steps": 256,
        "log_dir": "x",
    }  # fmt: skip
    assert (
        result["updates"] == 256 // 64 * 20 * 2
        and 0 < result["simulator_seconds"] < result["seconds"]
    )
    left = sorted(p.name for p in (tmp_path / "x").iterdir())
    assert left == ["checkpoints", "curve.png", "metrics.csv", "params.npz", "run.json"]
    assert json.loads((tmp_path / "x" / "run.json").read_text())["config"]["num_steps"] == 32
    assert "256/256" in done.stderr


def test_a_run_ends_where_it_is_told_to_and_a_resumed_one_where_it_is_told_then(
    tmp_path, monkeypatch, capsys
):
    """At 128 env steps, and gone on with at 256; rows go to TensorBoard too, once."""
    monkeypatch.chdir(tmp_path)
    options = ("--log", "tensorboard", "--until", "env_steps=128", "--until", "loss<-1e9")
    assert train.run(["ppo", *SHORT, *options, "--log-dir", "x"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["env_steps"] == 128 and result["stopped"] == "env_steps 128 >= 128"
    assert (tmp_path / "x" / "tensorboard").is_dir()
    card = json.loads((tmp_path / "x" / "run.json").read_text())
    assert card["log"] == ["tensorboard"] and card["until"] == ["env_steps=128", "loss<-1e9"]
    assert train.run(["--resume", "x", "--until", "env_steps=256"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["stopped"] == "env_steps 256 >= 256"
    card = json.loads((tmp_path / "x" / "run.json").read_text())
    assert card["log"] == ["tensorboard"] and card["until"] == ["env_steps=256"]


def test_bullet_prints_nothing_else(tmp_path):
    args = ["--num-envs", 1, "--num-steps", 16, "--num-minibatches", 1, "--total-steps", 16]
    done = completed(
        "train", *args, "--evaluate-every", 16, "--evaluation-episodes", 1, cwd=tmp_path
    )
    assert len(done.stdout.splitlines()) == 1 and "bullet" not in done.stderr, done.stderr
    result = json.loads(done.stdout)
    assert result["env"] == "HalfCheetahBulletEnv-v0" and result["episode_return"] is None


WRONG = {
    "train --env Nowhere-v0": "no environment can be made of 'Nowhere-v0'",
    "train --env NowhereBulletEnv-v0": "no environment can be made of",
    "train dqn --env torch/Pendulum-v1": "dqn does not go with continuous actions",
    "train --scheme 9xs": "no scheme is called '9xs'; there are 3cs, 3ds,",
    "train ppoo": "no recipe is called 'ppoo'; there is ppo",
    "train --preset nothing": "ppo has no preset 'nothing'; there is cartpole",
    "train --num-minibatches 7 --env torch/CartPole-v1": "7 minibatches do not divide a rollout",
    "train --num-envs -2": "num_envs is an integer of at least 1, not -2",
    "train --total-steps 0": "total_steps is an integer of at least 1, not 0",
    "train --gamma 1.5": "gamma is within 0 and 1, not 1.5",
    "train --learning-rate -1": "learning_rate is above 0, not -1.0",
    "train --seed -1 --env torch/CartPole-v1": "seed is an integer of at least 0, not -1",
    "train --log-dir file --env torch/CartPole-v1": "log_dir is a directory; file is a file",
    "train --num-steps many": "many",
    "train --collectors 4": "the scheme 3cs takes no collectors; it runs in one process",
    "train --scheme dadacs --wait-for 2": "the scheme dadacs takes no wait_for; it takes collectors",
    "train --scheme da2cs --learners 2": "the scheme da2cs takes no learners; it takes collectors",
    "train --scheme 2dscs": "the word 2dscs is no scheme: learners that average their gradients",
    "train --scheme 2da": "it says nothing of the update, as 2dacs or 2daca does",
    "train --scheme ds2cs --preempt 0.5 --env torch/CartPole-v1": "preempt=0.5 is for workers that a",
    "train --scheme=2daca --ahead=1": "the scheme 2daca takes no ahead; it takes learners, on",
    "train --scheme da2cs --preempt 0.5": "the scheme da2cs takes no preempt",
    "train --backend ray": "--backend ray is where workers are, and the scheme 3cs has none",
    "train --deadline 5": "--deadline is of workers on ray; it needs --backend ray",
    "train --address auto": "--address is of workers on ray; it needs --backend ray",
    "train --scheme da2cs --backend ray --learner-resources GPU=1": "--learner-resources is of learners "
    "with processes of their own, and the scheme da2cs has none",
    "train --scheme ds2cs --backend ray --collector-resources GPU --env torch/CartPole-v1": "--collector-"
    "resources is of amounts by name, such as CPU=1,GPU=0.5, not 'GPU'",
    "train --scheme ds2cs --backend ray --collector-placement wide": "wide",
    "train --record-timing": "--record-timing is of workers, and the scheme 3cs has none",
    "train --evaluation-episodes 5": "it needs --evaluate-every",
    "train --until episode_return": "a threshold is such as episode_return=475 or loss<0.1, not",
    "train --until-patience 0": "patience is an integer of at least 1, not 0",
    "train --log paper": "paper",
    "fly": "no command is called 'fly'; there is train",
    "trian ppo": "export, search, trace, presets; did you mean 'train'?",
}


@pytest.mark.parametrize("line", WRONG)
def test_bad_input_is_a_sentence_and_exit_code_2(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stopped:
        main(line.split())
    printed = capsys.readouterr()
    assert stopped.value.code == 2 and "Traceback" not in printed.err
    assert WRONG[line] in printed.err + printed.out


def test_help_explains_itself(capsys):
    from nappo2.cli import main

    main([])
    assert "nappo2 train" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        main(["train", "ppo", "--help"])
    printed = capsys.readouterr().out
    assert stopped.value.code == 0
    assert "--clip-eps" in printed and "bound on the change of probability ratios" in printed


def test_control_c_keeps_what_was_learnt(tmp_path):
    command = [*NAPPO2, "train", *SHORT, "--total-steps", "100000000"]
    with subprocess.Popen(
        [*command, "--log-dir", "x"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        until(lambda: rows_written(tmp_path / "x") >= 3)
        run.send_signal(signal.SIGINT)
        printed, _ = run.communicate(timeout=240)
    result = json.loads(printed.splitlines()[-1])
    assert run.returncode == 130 and result["interrupted"] and result["env_steps"] >= 3 * 64
    assert (tmp_path / "x" / "params.npz").exists() and (tmp_path / "x" / "curve.png").exists()


def test_importing_nappo2_imports_nothing_heavy():
    heavy = ["ray", "torchrl", "pybullet", "matplotlib", "tyro"]
    code = f"import nappo2, sys; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_an_id_behind_the_recipe_is_the_environment():
    assert with_env(["ppo", "CartPole-v1", "--seed", "1"]) == [
        "ppo",
        "--env",
        "CartPole-v1",
        "--seed",
        "1",
    ]
    assert with_env(["ppo", "--seed", "1"]) == ["ppo", "--seed", "1"]
    assert with_env(["--seed", "1"]) == ["--seed", "1"] and with_env(["ppo"]) == ["ppo"]


def test_the_version_is_told(capsys):
    main(["--version"])
    assert capsys.readouterr().out == f"nappo2 {version('nappo2')}\n"


UNREAD = """
import os, sys
from nappo2.cli import main, train
for line in ("--help", "presets", "train ppo --help"):
    if not os.fork():
        break
    print(line, os.waitstatus_to_exitcode(os.wait()[1]), sep=": ", flush=True)
else:
    sys.exit(0)
reader, writer = os.pipe()
os.close(reader)
os.dup2(writer, 1)
main(line.split())
"""


def test_a_reader_that_goes_away_is_no_traceback():
    """As of ``nappo2 --help | head -0``: nobody reads what is written. In forks of one process."""
    done = subprocess.run([sys.executable, "-c", UNREAD], capture_output=True, text=True)
    code = 128 + signal.SIGPIPE
    assert done.stderr == "" and done.stdout.splitlines() == [
        f"--help: {code}",
        f"presets: {code}",
        f"train ppo --help: {code}",
    ]

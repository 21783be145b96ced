"""Several seeds at once: one folder, one bar, one curve."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from functools import partial

import pytest

from nappo2 import PPO, Learner, envs, load_run, population, ppo, scheme
from nappo2.cli import main
from nappo2.cli.seeds import alone_in, last_row, without
from nappo2.runs.evaluate import evaluate_members
from nappo2.show.runs import group_runs, seeds_in
from tests.makers.commands import said
from tests.makers.processes import until

QUICK = ["--num-steps", "32", "--num-epochs", "1", "--num-minibatches", "2", "--hidden", "8"]
TINY = [*QUICK, "--num-envs", "2"]


@contextmanager
def held_elsewhere(folder):
    """A lock on a folder, as a run of another process has it."""
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
    os.close(descriptor)


def test_in_torch_seeds_are_one_population(tmp_path, capsys):
    """Three seeds of 512 steps are 1,536 env steps, and three curves."""
    result = said(
        capsys, "train", "ppo", "--env", "torch/CartPole-v1", "--seeds", 3,
        "--total-steps", 512, "--log-dir", tmp_path, *TINY,
    )  # fmt: skip
    assert result["env_steps"] == 1536 and set(result["episode_return"]) == {"iqm", "low", "high"}
    assert load_run(tmp_path).description["population"]["num_members"] == 3
    assert [len(runs) for runs in group_runs([tmp_path]).values()] == [3]
    assert said(capsys, "eval", tmp_path, "--member", 2, "--episodes", 2)["mean_return"] > 0
    assert said(capsys, "resume", tmp_path, "--total-steps", 640)["env_steps"] == 1920


def test_counts_of_env_steps_are_of_each_seed(tmp_path, capsys):
    """Three seeds of 256 steps are evaluated after 128 and 256 of each, as they are side by side."""
    said(
        capsys, "train", "ppo", "--env", "torch/CartPole-v1", "--seeds", 3, "--total-steps", 256,
        "--evaluate-every", 128, "--evaluation-episodes", 1, "--checkpoint-every", 256,
        "--log-dir", tmp_path, *TINY,
    )  # fmt: skip
    rows, card = load_run(tmp_path).metrics, load_run(tmp_path).description
    assert [row["env_steps"] for row in rows if "evaluation_return" in row] == [384, 768]
    assert (card["evaluate_every"], card["checkpoint_every"]) == (128, 256)


def test_a_population_of_python_goes_on_with_its_evaluations(tmp_path, capsys):
    recipe = ppo(
        envs.make("torch/CartPole-v1", 2), PPO(num_steps=8, num_minibatches=1, hidden=(8,))
    )
    both = population(recipe, 2)
    test = partial(evaluate_members, recipe.env, recipe.greedy, num_episodes=2)
    options = {"evaluate": test, "evaluate_every": 64, "checkpoint_every": 64, "progress": False}
    Learner(scheme("3cs", both), both.init(0), 0, 64, tmp_path, **options).run().close()
    assert said(capsys, "resume", tmp_path, "--total-steps", 128)["env_steps"] == 128
    rows = load_run(tmp_path).metrics
    assert [row["env_steps"] for row in rows if "evaluation_return" in row] == [64, 128]


def test_in_a_simulator_seeds_are_processes_side_by_side(tmp_path, capsys):
    """Each is the run of its seed alone, to the last digit."""
    line = ["ppo", "--env", "CartPole-v1", "--total-steps", 256, *TINY]
    both = tmp_path / "both"
    result = said(capsys, "train", *line, "--seeds", 2, "--seed", 3, "--log-dir", both)
    assert sorted(result["runs"]) == ["3", "4"] and (both / "curve.png").exists()
    assert [len(runs) for runs in group_runs([both]).values()] == [2]
    alone = said(capsys, "train", *line, "--seed", 4, "--log-dir", tmp_path / "alone")
    theirs = result["runs"]["4"]
    assert alone["episode_return"] == theirs["episode_return"] is not None
    compared = said(capsys, "compare", both, tmp_path / "alone", "--output", tmp_path / "c.png")
    assert [group["runs"] for group in compared["groups"].values()] == [3]
    with pytest.raises(SystemExit):
        main(["eval", str(both)])
    assert "has the runs of 2 seeds; name one, such as" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["resume", str(both)])
    assert "has the runs of 2 seeds; name one, such as" in capsys.readouterr().err


def test_earlier_runs_in_the_folder_are_none_of_these_seeds(tmp_path, capsys):
    """A run was there, and seeds 1 and 2 with it: of seed 0 alone is the result, and of no other."""
    line = ["train", "ppo", "--env", "CartPole-v1", "--total-steps", 128, *TINY]
    said(capsys, *line, "--log-dir", tmp_path)
    for seed in (1, 2):
        said(capsys, *line, "--seed", seed, "--log-dir", tmp_path / f"seed-{seed}")
    said(capsys, *line, "--seeds", 2, "--log-dir", tmp_path)
    names = [path.name for path in seeds_in(tmp_path)]
    assert names == ["seed-0", "seed-1"] and not (tmp_path / "metrics.csv").exists()
    earlier = tmp_path / "earlier-1"
    assert load_run(earlier).metrics and [x.name for x in seeds_in(earlier)] == ["seed-1", "seed-2"]
    assert [len(runs) for runs in group_runs(tmp_path).values()] == [2]


def test_seeds_take_no_folder_in_which_another_process_trains(tmp_path):
    """The folder itself, or that of a seed."""
    for place in (tmp_path, tmp_path / "seed-0"):
        place.mkdir(exist_ok=True)
        (place / "metrics.csv").write_text("env_steps\n64\n")
        refused = pytest.raises(ValueError, match="another run writes to")
        with held_elsewhere(place), refused, alone_in(tmp_path):
            pass
    assert (tmp_path / "seed-0" / "metrics.csv").exists()


@pytest.mark.faults
def test_one_signal_ends_all_seeds_in_order(tmp_path):
    """Each has saved its params; no process is left."""
    command = [sys.executable, "-m", "nappo2.cli", "train", "ppo", "--env", "CartPole-v1", *TINY]
    command += ["--seeds", "2", "--total-steps", "100000000", "--log-dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        folders = [tmp_path / "seed-0", tmp_path / "seed-1"]
        until(lambda: all(last_row(folder) for folder in folders), 120)
        children = subprocess.check_output(["pgrep", "-P", str(run.pid)], text=True).split()
        run.send_signal(signal.SIGINT)
        printed, _ = run.communicate(timeout=240)
    assert run.returncode == 130 and json.loads(printed)["interrupted"]
    assert all((folder / "params.npz").exists() for folder in folders)
    assert len(children) == 2 and not any(os.path.exists(f"/proc/{pid}") for pid in children)


def test_a_seed_that_fails_is_named_with_its_reason(tmp_path, capsys):
    words = ["train", "ppo", "--env", "CartPole-v1", "--seeds", "2", "--log-dir", str(tmp_path)]
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--num-minibatches", "7", "--num-steps", "32", "--num-envs", "2"])
    error = capsys.readouterr().err.splitlines()[-1]
    assert stopped.value.code == 2 and re.search(r"seed [01] failed: 7 minibatches", error)


def test_words_with_their_values_are_left_out():
    words = ["ppo", "--seed", "3", "--jit", "--seeds=5", "--env", "X"]
    assert without(words, "--seed", "--seeds") == ["ppo", "--jit", "--env", "X"]


def test_the_last_whole_row_is_read_from_the_end(tmp_path):
    """Of a file of ten thousand rows; a line that is being written does not count."""
    rows = "".join(f"{i},{i / 2},\n" for i in range(10_000))
    (tmp_path / "metrics.csv").write_text(f"env_steps,episode_return,event\n{rows}10000,")
    assert last_row(tmp_path) == {"env_steps": 9999.0, "episode_return": 4999.5}
    assert last_row(tmp_path / "nowhere") == {}

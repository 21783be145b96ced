"""``nappo2 search``: a folder, one JSON line, and a preset that ``train`` takes."""

import json
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from nappo2 import PPO, envs, load_run, ppo
from nappo2.cli import main
from nappo2.cli.train_options import parse
from nappo2.search import Budget, choice, search
from tests.makers.commands import said
from tests.makers.processes import until

ENV = ["ppo", "--env", "torch/CartPole-v1"]
QUICK = ["--steps", "640", "--rungs", "2", "--episodes", "1", "--seeds", "1", "--num-envs", "2"]


def test_what_is_found_is_a_preset_to_train_from(tmp_path, capsys):
    out = tmp_path / "found"
    result = said(capsys, "search", *ENV, *QUICK, "--trials", 3, "--out", out)
    assert sum(result["trials"].values()) == 3 and result["score"] > 0
    assert result["preset"] == str(out / "preset.json") and (out / "search.png").exists()
    options = parse("ppo", ["--preset", result["preset"]])
    assert (options.env, options.num_envs, options.total_steps) == ("torch/CartPole-v1", 2, 640)
    assert list(options.config.hidden) == result["values"]["hidden"]
    run = tmp_path / "run"
    trained = said(capsys, "train", "ppo", "--preset", result["preset"], "--log-dir", run)
    assert trained["env_steps"] >= 640
    found = load_run(run).description["config"]
    assert {name: found[name] for name in result["values"]} == result["values"]


def test_a_search_in_a_changed_environment_leaves_a_preset_for_it(tmp_path, capsys):
    """Two frames of four numbers, in episodes of at most nine steps."""
    out = tmp_path / "found"
    words = ["--env", "CartPole-v1", "--frame-stack", 2, "--env-kwargs", '{"max_episode_steps": 9}']
    found = said(
        capsys, "search", "ppo", *words, *QUICK[2:], "--steps", 64, "--trials", 1, "--out", out
    )
    options = parse("ppo", ["--preset", found["preset"]])
    assert (options.frame_stack, options.env_kwargs) == (2, '{"max_episode_steps": 9}')
    assert found["score"] <= 9


def test_the_presets_values_are_tried_first(tmp_path, capsys):
    """Those of CartPole: rollouts of 32 steps in one minibatch, 20 times."""
    said(capsys, "search", *ENV, *QUICK, "--trials", 1, "--out", tmp_path)
    result = said(capsys, "search", *ENV, *QUICK, "--trials", 1, "--out", tmp_path)
    values = result["values"]
    assert (values["num_steps"], values["num_minibatches"], values["num_epochs"]) == (32, 1, 20)


def test_a_preset_that_needs_what_no_file_has_is_refused_by_name(tmp_path):
    """A time limit of the environment, and a loss."""
    config = PPO(num_steps=8, num_minibatches=2, num_epochs=1, hidden=(8,))

    def make(gamma):
        recipe = ppo(envs.cartpole(2, time_limit=9), replace(config, gamma=gamma))
        return recipe.replace(loss=lambda params, batch: recipe.loss(params, batch))

    budget = Budget(1, total_steps=16, seeds=1, rungs=1, episodes=1)
    found = search(make, {"gamma": choice(0.9)}, budget, tmp_path, progress=False)
    assert found.preset.config.gamma == 0.9
    with pytest.raises(ValueError, match="found with loss, time_limit of its own, which no file"):
        parse("ppo", ["--preset", str(tmp_path / "preset.json")])


def test_a_preset_of_another_recipe_or_none_at_all_is_refused(tmp_path, capsys):
    path = tmp_path / "preset.json"
    for text, words in [
        ("{", "cannot be read"),
        ("{}", "is no preset: it lacks some of env"),
        (None, "cannot be read"),
    ]:
        path.write_text(text) if text else path.unlink()
        with pytest.raises(SystemExit):
            main(["train", "ppo", "--preset", str(path)])
        assert words in capsys.readouterr().err


@pytest.mark.faults
def test_one_signal_ends_a_search_in_order_and_the_same_command_goes_on(tmp_path, capsys):
    """Of two processes, neither is left; each trial goes on from its checkpoint."""
    words = [*ENV, "--rungs", "4", "--episodes", "1", "--seeds", "1", "--num-envs", "2"]
    words += ["--steps", "1024", "--processes", "2", "--trials", "2", "--out", str(tmp_path)]
    command = [sys.executable, "-m", "nappo2.cli", "search", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        until(lambda: len(list(tmp_path.glob("trials/*/rows.csv"))) == 2, 120)
        children = subprocess.check_output(["pgrep", "-P", str(process.pid)], text=True).split()
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=240)
    assert process.returncode == 130, errors.decode()
    assert json.loads(printed.decode().splitlines()[-1])["interrupted"]
    assert len(children) == 2
    until(
        lambda: (
            not subprocess.run(["ps", "-p", ",".join(children)], capture_output=True).stdout.count(
                b"\n"
            )
            > 1
        )
    )
    result = said(capsys, "search", *words)
    assert sum(result["trials"].values()) == 2 and not result["interrupted"]

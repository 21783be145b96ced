"""The options of ``nappo2 train`` that say how an environment is made, and where it is stepped."""

from pathlib import Path

import pytest

from nappo2 import load_run
from nappo2.cli import train
from nappo2.cli.env_options import env_arguments, env_options
from nappo2.cli.train_options import all_env_arguments, parse
from nappo2.trained import env_again

SHORT = ("--total-steps", "64", "--num-envs", "4", "--num-steps", "8", "--num-minibatches", "2")
OPTIONS = ("--env-kwargs", '{"max_episode_steps": 20}', "--frame-stack", "2", "--time-feature")


@pytest.fixture
def run(tmp_path, capsys) -> Path:
    log_dir = tmp_path / "run"
    words = ["ppo", "CartPole-v1", *SHORT, *OPTIONS, "--processes", "2", "--log-dir", str(log_dir)]
    assert train.run(words) == 0
    return log_dir


@pytest.mark.usefixtures("without_curves")
def test_they_are_in_the_card_and_the_environment_is_made_again_with_them(run, capsys):
    """Two frames of four numbers and the time, in two processes; of one environment in one."""
    card = load_run(run).description
    arguments = {"frame_stack": 2, "time_feature": True, "processes": 2}
    arguments |= {"env_id": "CartPole-v1", "num_envs": 4, "env_kwargs": {"max_episode_steps": 20}}
    assert card["environment"]["arguments"] == arguments
    for num_envs, processes in ((None, 2), (8, 2), (1, 1)):
        env = env_again(card, num_envs)
        assert env.observation_space.shape == (10,)
        assert env.made.arguments["processes"] == processes
    state, observation = env.reset(0)
    assert observation[0, [4, 9]].tolist() == [1, 1]
    env.close(state)
    with pytest.raises(ValueError, match="its frame_stack is 2, not 3"):
        train.run(["--resume", str(run), "--frame-stack", "3"])
    assert train.run(["--resume", str(run), "--total-steps", "96", "--processes", "1"]) == 0


def test_arguments_of_an_environment_are_an_object_in_json():
    options = parse("ppo", ["--env", "CartPole-v1", "--frame-skip", "3", "--processes", "1"])
    assert all_env_arguments(options) == {"frame_skip": 3, "processes": 1}
    assert env_arguments(options) == {"frame_skip": 3}
    assert env_arguments(parse("ppo", ["--env", "CartPole-v1"])) == {}
    for text in ("map_name=8x8", "[1]", "3"):
        with pytest.raises(ValueError, match="--env-kwargs is an object in JSON"):
            env_arguments(parse("ppo", ["--env", "CartPole-v1", "--env-kwargs", text]))


def test_options_of_arguments_give_these_arguments():
    arguments = {"env_kwargs": {"map_name": "8x8"}, "frame_stack": 2, "time_feature": True}
    words = [f"--env-kwargs={env_options(arguments)['env_kwargs']}", "--frame-stack", "2"]
    options = parse("ppo", ["--env", "FrozenLake-v1", *words, "--time-feature"])
    assert env_arguments(options) == arguments

"""Monitor files, read as Stable-Baselines3's plotters read them."""

import json

import pytest
import torch
from stable_baselines3.common.results_plotter import load_results

from nappo2 import PPO, Learner, collect, envs, ppo, scheme, serial
from nappo2.cli import main
from tests.makers.environments import zero_action


def take_steps(env, num_steps, seed=0):
    state, _ = env.reset(seed)
    for _ in range(num_steps):
        state, _, _ = env.step(state, zero_action(env))
    return state


def test_every_episode_is_a_line_with_return_length_and_what_was_asked_for(tmp_path):
    """A ramp over 5 steps returns 1 + 2 + 3 + 4 + 5, and is on level 7 x 5 then."""
    env = envs.make("Ramp-v0", 2, monitor=tmp_path, info_keywords=("level", "lives"))
    take_steps(env, 12)
    episodes = load_results(str(tmp_path))
    assert list(episodes.columns) == ["index", "r", "l", "t", "level", "lives"]
    assert episodes["r"].tolist() == [15] * 4 and episodes["l"].tolist() == [5] * 4
    assert episodes["level"].tolist() == [35] * 4 and episodes["lives"].isna().all()
    assert (episodes["t"].diff().dropna() >= 0).all()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["0_0.monitor.csv", "0_1.monitor.csv"]
    head = (tmp_path / files[0]).read_text().splitlines()[0]
    assert head[0] == "#" and json.loads(head[1:])["env_id"] == "Ramp-v0"


def test_workers_that_share_a_folder_do_not_share_files(tmp_path):
    """Even if their seeds are equal."""
    env = envs.monitored(envs.make("Ramp-v0", 2), tmp_path)
    for _ in range(3):
        take_steps(env, 5)
    take_steps(env, 4)  # no episode ends, so there is nothing to write
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {f"{worker}_{i}.monitor.csv" for worker in range(3) for i in range(2)}
    assert len(load_results(str(tmp_path))) == 6


def test_collectors_write_what_they_report(tmp_path):
    check_collectors(tmp_path, serial)


@pytest.mark.faults
def test_collectors_on_ray_do_too(tmp_path, on_ray):
    check_collectors(tmp_path, on_ray(deadline=60))


def check_collectors(tmp_path, on):
    env = envs.make("torch/Catch-v0", 2, monitor=tmp_path)
    recipe = ppo(env, PPO(num_steps=20, num_minibatches=1, num_epochs=1))
    pipe = scheme("2dacs", recipe, learners=2, on=on)
    learner = Learner(pipe, recipe.init(0), target_steps=160)
    for row in learner:
        pass
    learner.close()
    episodes = load_results(str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 4
    assert len(episodes) == 4 * 4 and (episodes["l"] == 9).all()  # 40 steps of 4 environments
    assert episodes["r"].mean() == pytest.approx(row["episode_return"])


def test_of_atari_whole_games_are_written_unclipped(tmp_path):
    env = envs.make("BreakoutNoFrameskip-v4", monitor=tmp_path)
    recipe = ppo(env, PPO(hidden=(8,), num_steps=300, num_minibatches=1))
    still = recipe.policy._replace(
        act=lambda params, x, memory, rng: (torch.zeros(1, dtype=torch.int64), memory)
    )
    pipe, params = collect(env, still, 300), recipe.init(0)
    _, _, report = pipe.step(params, pipe.init(params, 0))
    episodes = load_results(str(tmp_path))
    assert episodes["r"].tolist() == report.episodes["return"].tolist()
    assert episodes["l"].tolist() == report.episodes["length"].tolist()


def test_the_command_line_writes_them_into_the_log_dir(tmp_path):
    argv = "train ppo --env torch/Catch-v0 --total-steps 64 --num-envs 4 --num-steps 16 --monitor"
    with pytest.raises(SystemExit) as done:
        main([*argv.split(), "--log-dir", str(tmp_path / "run")])
    assert done.value.code == 0
    assert len(load_results(str(tmp_path / "run" / "monitor"))) == 4

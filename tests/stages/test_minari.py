"""Datasets of Minari: what is written is read again, by Minari as it is in its simulator."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete

from nappo2 import PPO, collect, collect_of, envs, from_minari, ppo, record, to_minari
from nappo2.trees import walk

minari = pytest.importorskip("minari")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:minari")
SMALL_PPO = PPO(num_steps=16, num_minibatches=1, hidden=(8,))


class Seen(gymnasium.Env):
    """Episodes of five steps with random observations."""

    def __init__(self, observations, actions):
        self.observation_space, self.action_space = observations, actions

    def reset(self, *, seed=None, options=None):
        self.t = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.t += 1
        return self.observation_space.sample(), 1.0, self.t == 5, False, {}


CAMERA = Box(0, 255, (8, 6, 3), np.uint8)
SPACES = {
    "numbers": (Box(-1, 1, (3,)), Box(np.float32([0, -3]), np.float32([1, 5]))),
    "images": (CAMERA, Discrete(3, start=2)),
    "bytes": (Box(0, 255, (32, 40), np.uint8), Discrete(2)),
    "switches": (MultiBinary(3), MultiDiscrete([2, 3])),
    "choices": (Discrete(4), MultiBinary(2)),
    "parts": (Dict(camera=CAMERA, arm=Box(-1, 1, (2,))), Discrete(2)),
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where Minari keeps its datasets."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))


@pytest.mark.filterwarnings("ignore:.*which are seen as a row")
@pytest.mark.parametrize("name", SPACES)
def test_what_is_written_is_read_again(name):
    """Two episodes of five steps; Minari's have six observations, and actions of the simulator's space."""
    space, actions = SPACES[name]
    env = envs.from_gym(lambda: Seen(space, actions), 1)
    recipe = ppo(env, SMALL_PPO)
    data = record(collect_of(recipe), recipe.init(0), episodes=2)
    written = to_minari(data, "seen/random-v0", env)
    assert (written.total_episodes, written.total_steps) == (2, 10)
    assert all(actions.contains(a) for each in written.iterate_episodes() for a in each.actions)
    again = from_minari("seen/random-v0", env)
    for path, x in walk(data.exclude("action_log_prob")):
        torch.testing.assert_close(again[path], x, msg="/".join(path))


def test_an_episode_that_was_cut_off_is_truncated_there():
    env = envs.pendulum(1, time_limit=7)
    recipe = ppo(env, SMALL_PPO)
    data = record(collect(env, recipe.policy, 10), recipe.init(0), 10)
    first, second = to_minari(data, "swing/x-v0", env).iterate_episodes()
    assert (len(first.actions), len(second.actions)) == (7, 3)
    assert first.truncations[-1] and second.truncations[-1] and not second.terminations.any()


@pytest.mark.parametrize("name", ["pole", "pole/expert", "../pole-v0", "a pole-v0", "p/x-v0", ""])
def test_a_name_that_is_none_leaves_nothing_behind(name, tmp_path):
    """Minari makes a folder first, and lists no dataset any more where one has no version."""
    env = envs.cartpole(1)
    recipe = ppo(env, SMALL_PPO)
    data = record(collect_of(recipe), recipe.init(0), episodes=1)
    with pytest.raises(ValueError, match=f"such as 'pole/expert-v0', not {name!r}"):
        to_minari(data, name, env)
    assert not list(tmp_path.iterdir()) and not (tmp_path.parent / "pole-v0").exists()
    assert to_minari(data, "pole-v0", env).total_episodes == 1


def test_what_cannot_be_written_or_read_is_refused():
    env = envs.cartpole(1)
    recipe = ppo(env, SMALL_PPO)
    data = record(collect_of(recipe), recipe.init(0), episodes=1)
    to_minari(data, "pole/x-v0", env)
    with pytest.raises(ValueError, match=r"'pole/x-v0' is there already; .* as v1 after v0"):
        to_minari(data, "pole/x-v0", env)
    with pytest.raises(ValueError, match="observations of the dataset are float32"):
        to_minari(data, "pole/x-v1", envs.acrobot(1))
    with pytest.raises(ValueError, match="no dataset 'pole/y-v0' is on this machine"):
        from_minari("pole/y-v0", env)
    with pytest.raises(ValueError, match=r"or has iterate_episodes\(\), not int"):
        from_minari(5, env)

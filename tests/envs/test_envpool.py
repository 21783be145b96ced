"""EnvPool's environments, which reset in the step after the last one, as environments that reset in it."""

import sys

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete

from nappo2 import envs
from nappo2.checks import is_installed
from nappo2.envs import _envpool

needs_envpool = pytest.mark.skipif(not is_installed("envpool"), reason="needs envpool")


class Pool:
    """EnvPool's interface: its environment i is over after 2 + i steps; an observation has its steps."""

    observation_space, action_space = Box(0, 99, (2,), np.float64), Discrete(2)

    def __init__(self, num_envs, env_type, seed, lives=False):
        assert env_type == "gymnasium"
        self.num, self.lives, self.steps = num_envs, lives, np.zeros(num_envs, int)
        self.seed, self.closed = seed, False

    def seen(self, ids):
        return np.stack([np.array([i, self.steps[i]], float) for i in ids])

    def reset(self, env_id=None):
        ids = np.arange(self.num) if env_id is None else np.asarray(env_id)
        self.steps[ids] = 0
        return self.seen(ids), {"env_id": ids.astype(np.int32)}

    def step(self, action):
        assert action.dtype == np.int64 and action.shape == (self.num,)
        self.steps += 1
        done = self.steps == 2 + np.arange(self.num)
        info = {"env_id": np.arange(self.num)}
        if self.lives:
            info |= {"reward": np.full(self.num, 7.0), "terminated": np.zeros(self.num, np.int32)}
        return self.seen(range(self.num)), np.ones(self.num, np.float32), done, done & False, info

    def close(self):
        self.closed = True


@pytest.fixture
def pools(monkeypatch):
    """EnvPool's package, with one environment, and the pools that were made."""
    made = []

    class Package:
        @staticmethod
        def make(task_id, **kwargs):
            if task_id != "Ramp-v0":
                raise AssertionError(f"{task_id} is not supported")
            made.append(Pool(**kwargs))
            return made[-1]

    monkeypatch.setattr(_envpool, "is_installed", lambda name: True)
    monkeypatch.setitem(sys.modules, "envpool", Package)
    return made


def test_an_episode_that_ends_is_reset_in_the_same_step(pools):
    """Of two environments the first one is over after 2 steps, the second after 3."""
    env = envs.make("envpool/Ramp-v0", 2)
    state, observation = env.reset(0)
    assert observation.tolist() == [[0, 0], [1, 0]] and observation.dtype == torch.float32
    steps, firsts, dones = [], [], []
    for _ in range(4):
        state, observation, transition = env.step(state, torch.zeros(2, dtype=torch.int64))
        steps.append(transition.observation[:, 1].tolist())
        firsts.append(observation[:, 1].tolist())
        dones.append(transition.terminated.tolist())
    assert steps == [[1, 1], [2, 2], [1, 3], [2, 1]]
    assert firsts == [[1, 1], [0, 2], [1, 0], [0, 1]]
    assert dones == [[False, False], [True, False], [False, True], [True, False]]
    env.close(state)
    assert state.closed


def test_games_with_lives_are_counted_whole(pools):
    env = envs.envpool("envpool/Ramp-v0", 1, lives=True)
    state, _ = env.reset(0)
    for _ in range(2):
        state, _, transition = env.step(state, torch.zeros(1, dtype=torch.int64))
    assert transition.terminated and not transition.game.over and transition.game.reward == 7


def test_what_it_does_not_have_is_named(pools, monkeypatch):
    with pytest.raises(
        ValueError, match="EnvPool cannot make 'Other-v0': Other-v0 is not supported"
    ):
        envs.make("envpool/Other-v0")
    with pytest.raises(ValueError, match="envpool/Ramp-v0 takes no argument 'processes'"):
        envs.make("envpool/Ramp-v0", processes=1)
    monkeypatch.setattr(Pool, "observation_space", Dict({"x": Pool.observation_space}))
    with pytest.raises(NotImplementedError, match="that are in a Box"):
        envs.make("envpool/Ramp-v0")
    monkeypatch.setattr(_envpool, "is_installed", lambda name: False)
    with pytest.raises(ValueError, match="is of EnvPool, which is not installed: pip install"):
        envs.make("envpool/Ramp-v0")


@needs_envpool
def test_cartpole_of_envpool_moves_as_gymnasiums_does():
    """From the same state; only resets are drawn from other generators."""
    pool, original = envs.make("envpool/CartPole-v1", 3), envs.cartpole(3)
    state, observation = pool.reset(0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        action = pool.action_spec.uniform(3, generator)
        moved = original.physics.step(observation.clone(), action)[0]
        state, observation, transition = pool.step(state, action)
        assert torch.allclose(transition.observation, moved, atol=1e-5)
        ended = transition.terminated
        assert torch.equal((observation == transition.observation).all(1), ~ended)
        assert (observation[ended].abs() <= 0.05).all()
    pool.close(state)


@needs_envpool
@pytest.mark.parametrize("env_id", ["Breakout-v5", "HalfCheetah-v4", "CarRacing-v3"])
def test_families_of_envpool_are_reset_and_stepped(env_id):
    env = envs.make(f"envpool/{env_id}", 2)
    state, observation = env.reset(0)
    action = env.action_spec.uniform(2, torch.Generator().manual_seed(0))
    _, following, transition = env.step(state, action)
    for x in (observation, following, transition.observation):
        assert (
            x.shape == (2, *env.observation_space.shape) and x.dtype == env.observation_spec.dtype
        )
    assert transition.reward.dtype == torch.float32
    env.close(state)

"""The time that remains, beside the wrapper of sb3-contrib's formula."""

import gymnasium
import numpy as np
import pytest
import torch

from nappo2 import envs
from nappo2.envs import TimeFeature
from tests.makers.environments import Ramp, zero_action


def test_the_share_of_an_episode_that_remains_is_the_last_number():
    """Of ten steps nine, eight and seven tenths; an episode begins with one."""
    env = envs.make(
        "Ramp-v0", 2, wrappers=[lambda env: gymnasium.wrappers.TimeLimit(env, 10), TimeFeature]
    )
    state, observation = env.reset(0)
    assert observation.tolist() == [[0, 0, 1]] * 2
    for remaining in (0.9, 0.8, 0.7):
        state, observation, _ = env.step(state, zero_action(env))
        assert observation[:, 2].tolist() == pytest.approx([remaining] * 2)


def test_it_is_an_argument_for_ids_and_functions():
    for env_id in ("Ramp-v0", Ramp):
        env = envs.make(env_id, time_feature=True, frame_stack=2)
        assert env.observation_space.shape == (6,)
        state, _ = env.reset(0)
        _, observation, _ = env.step(state, zero_action(env))
        assert observation[0].tolist() == pytest.approx([0, 0, 1, 1, 1, 0.999])  # of 1,000 steps


def test_skipped_steps_are_counted():
    env = envs.from_gym("Pendulum-v1", time_feature=True, frame_skip=4)
    state, _ = env.reset(0)
    _, observation, _ = env.step(state, torch.zeros(1, 1))
    assert observation[0, 3].item() == pytest.approx(1 - 4 / 200)


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "HalfCheetahBulletEnv-v0", "FetchReach-v4"])
def test_it_follows_the_formula_of_sb3_contribs_wrapper(env_id):
    """``1 - current_step / max_steps`` in the dtype of the observation, which 0 and 1 bound."""
    contrib = pytest.importorskip("sb3_contrib.common.wrappers").TimeFeatureWrapper
    envs.make(env_id)  # registers it
    name = f"pybullet_envs_gymnasium:{env_id}" if "Bullet" in env_id else env_id
    ours, theirs = (wrap(gymnasium.make(name)) for wrap in (TimeFeature, contrib))
    vector = (lambda x: x["observation"]) if "Fetch" in env_id else (lambda x: x)
    assert _part(ours) == _part(theirs)
    pairs = [[env.reset(seed=3)[0] for env in (ours, theirs)]]
    ours.action_space.seed(0)
    for _ in range(5):
        action = ours.action_space.sample()
        pairs.append([env.step(action)[0] for env in (ours, theirs)])
    for x, y in pairs:
        assert vector(x).dtype == vector(y).dtype and np.array_equal(vector(x), vector(y))


def _part(env):
    space = env.observation_space
    return space["observation"] if isinstance(space, gymnasium.spaces.Dict) else space


def test_it_needs_vectors():
    with pytest.raises(ValueError, match="time_feature is for observations that are vectors"):
        envs.make("CarRacing-v3", time_feature=True)
    with pytest.raises(ValueError, match="torch/CartPole-v1 has frames of its own"):
        envs.make("torch/CartPole-v1", time_feature=True)

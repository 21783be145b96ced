"""Goal environments: what panda-gym and gymnasium-robotics make, as batches of three tensors."""

import gymnasium
import numpy as np
import pytest
import torch

from nappo2 import envs
from nappo2.algorithms import SAC, sac
from nappo2.seeds import split
from nappo2.stages import final, hindsight

KEYS = ("achieved_goal", "desired_goal", "observation")
REACH = [("PandaReach-v3", "panda_gym"), ("FetchReach-v4", "gymnasium_robotics")]

reaching = pytest.mark.parametrize(("env_id", "package"), REACH)


@reaching
def test_it_moves_as_the_original_does(env_id, package):
    """Five steps of the second of two, with the seed that it is given."""
    env = envs.make(env_id, 2)
    state, seen = env.reset(3)
    original = gymnasium.make(f"{package}:{env_id}")
    expected, _ = original.reset(seed=split(3, 2)[1] % 2**31)
    action = torch.linspace(-1, 1, 2 * 5 * env.action_space.shape[0]).view(5, 2, -1)
    for own in action:
        for key in KEYS:
            np.testing.assert_allclose(seen[key][1], expected[key], atol=1e-5)
        state, seen, outcome = env.step(state, own)
        expected, reward, *_ = original.step(own[1].numpy())
        assert outcome.reward[1] == pytest.approx(reward)
    env.close(state)
    original.close()


@reaching
def test_its_reward_can_be_asked_for(env_id, package):
    """Within 5 centimetres of the goal 0, and -1 beyond: of any shape, and as a step had it."""
    reward = envs.goal_reward(env_id)
    near, far = torch.tensor([0.0, 0.0, 0.04]), torch.tensor([0.0, 0.06, 0.0])
    goal = torch.zeros(4, 2, 3)
    assert reward(near.expand(4, 2, 3), goal).tolist() == [[0.0] * 2] * 4
    assert reward(far.expand(4, 2, 3), goal).tolist() == [[-1.0] * 2] * 4


def test_hindsight_on_a_reach_task():
    """An episode of 50 steps and its copies, the last of which has reached what it asked for."""
    stages = sac(envs.make("PandaReach-v3", 1), SAC(num_steps=50, hidden=(4,)))
    pipe = stages.collect | hindsight(envs.goal_reward("PandaReach-v3"), final())
    params = stages.init(0)
    _, item, _ = pipe.step(params, pipe.init(params, 0))
    assert item.batch_size == (100,)
    assert item["next", "reward"][-1] == 0
    reached = item["next", "observation"]
    assert (reached["achieved_goal"][-1] == reached["desired_goal"][-1]).all()


def test_what_is_missing_is_said():
    with pytest.raises(ValueError, match="no environment can be made of 'PandaDance-v3'"):
        envs.make("PandaDance-v3")

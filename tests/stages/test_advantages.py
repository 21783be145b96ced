"""Advantages: where the values of what was reached come from."""

import pytest
import torch

from nappo2 import envs
from nappo2.recipes import PPO, default_agent, ppo
from nappo2.stages.advantages import returns_inputs
from nappo2.stages.recipe import collect_of


@pytest.mark.parametrize("env_id", ["torch/Catch-v0", "torch/CartPole-v1"])
def test_what_was_reached_has_the_value_that_the_critic_gives_it(env_id):
    """Of images and vectors, whether the next row has it, an episode ended there, or the rollout did."""
    recipe = ppo(envs.make(env_id, 4), PPO(num_steps=24, num_minibatches=4, hidden=(16,)))
    params, valued, rank = recipe.init(0), [], len(recipe.env.observation_space.shape)
    _, rollout, _ = collect_of(recipe).step(params, collect_of(recipe).init(params, 0))
    reached = rollout["next"]

    def critic(params, observation):
        """The value of an image is where its pixels are; remembers of how many images it was asked."""
        valued.append(observation.shape[:-rank].numel())
        pixels = (100 * observation.flatten(-rank).float()).round()  # whose sums are exact
        return pixels @ torch.arange(pixels.shape[-1]).float()

    agent = default_agent(recipe.env)._replace(critic=critic)
    columns = returns_inputs(agent, params, rollout)
    assert reached["done"].any() and not reached["done"][-1].all()
    assert (columns["next_value"] == critic(params, reached["observation"])).all()
    assert valued[:2] == [24 * 4, reached["done"][:-1].sum() + 4]


def test_images_are_acted_on_once():
    """The recorded log-probability is that of the action, without another pass over the rollout."""
    recipe = ppo(envs.make("torch/Catch-v0", 4), PPO(num_steps=16, num_minibatches=4, hidden=(16,)))
    params = recipe.init(0)
    _, rollout, _ = collect_of(recipe).step(params, collect_of(recipe).init(params, 0))
    again = recipe.policy.log_prob(params.to_dict(), rollout)
    torch.testing.assert_close(rollout["action_log_prob"], again)
    assert rollout["action_log_prob"].std() > 0
    silent = recipe.policy._replace(log_prob=None)  # is not asked
    found = collect_of(recipe.replace(policy=silent)).step(
        params, collect_of(recipe).init(params, 0)
    )[1]
    assert (found["action_log_prob"] == rollout["action_log_prob"]).all()

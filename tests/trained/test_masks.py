"""Trained agents where masks say which actions are allowed."""

import pytest
import torch

from nappo2 import PPO, TrainedAgent, envs, load, ppo
from nappo2.maths.masks import unmasked
from tests.makers.comparing import equal
from tests.makers.masks import CONFIGS, NUM_ACTIONS, masked_recipe, mines
from tests.makers.recipes import run_of
from tests.makers.stepping import step


@pytest.mark.parametrize("name", CONFIGS)
def test_probabilities_of_trained_agents_are_of_allowed_actions(name):
    whole = masked_recipe(name)
    agent = TrainedAgent(whole, whole.init(0))
    _, observation = mines(5).reset(3)
    mask, bare = observation["action_mask"], unmasked(observation)
    chances = torch.from_numpy(agent.probabilities(bare, mask))
    assert (chances[~mask] == 0).all()
    torch.testing.assert_close(chances.sum(-1), torch.ones(5))
    for _ in range(10):
        for action in (agent.act(bare, mask), agent.sample(observation)):
            assert mask.gather(-1, torch.from_numpy(action)[:, None]).all()
    agent.reset()
    assert agent.act(bare[0], mask[0]) in range(NUM_ACTIONS)


def test_a_trained_agent_asks_for_the_mask():
    whole = masked_recipe("ppo")
    agent, (_, x) = TrainedAgent(whole, whole.init(0)), mines(1).reset(0)
    with pytest.raises(ValueError, match=r"mines has an action_mask, .* act\(observation, action"):
        agent.act(x["observation"])
    with pytest.raises(ValueError, match="forbids every action of mines"):
        agent.act(x["observation"], torch.zeros(1, 8).bool())
    bare = ppo(envs.cartpole(2), PPO(num_steps=8, num_minibatches=2))
    with pytest.raises(ValueError, match="cartpole has no action_mask"):
        TrainedAgent(bare, bare.init(0)).act([0.0] * 4, [True, False])


@pytest.mark.parametrize("name", ["recurrent_ppo", "sac"])
def test_a_saved_run_with_masks_goes_on_to_the_last_bit_and_is_loaded(name, tmp_path):
    first = step(run_of(masked_recipe(name, start_steps=64), "3cs", tmp_path), 3)
    first.save()
    second = run_of(masked_recipe(name, start_steps=64), "3cs", seed=9)
    second.resume(tmp_path)
    for run in (first, second):
        step(run, 2)
    assert equal(first.params, second.params)
    _, x = mines(1).reset(0)
    for run in (first, tmp_path):
        assert x["action_mask"][0, int(load(run).act(x)[0])]
    first.close(), second.close()

"""Masks in rollouts: what is wrong with them is told, and hindsight keeps them."""

import pytest
import torch
from gymnasium.spaces import Dict, Discrete, MultiBinary
from torch.nn.functional import one_hot

from nappo2 import envs, evaluate, hindsight, scheme
from nappo2.stages.recipe import collect_of
from tests.makers.masks import altered, masked_recipe
from tests.makers.stepping import items_of, train


@pytest.mark.parametrize("name", ["ppo", "recurrent_ppo", "dqn", "sac", "r2d2"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (torch.Tensor.float, r"bools of the shape of the outputs, .* of torch.float32"),
        (lambda mask: mask[:, :7], r"bools of the shape of the outputs, .*, 8\)"),
        (torch.zeros_like, r"environment 0 of altered has an action_mask that forbids every"),
    ],
    ids=["floats", "one too few", "forbids everything"],
)
def test_wrong_masks_in_torch_are_one_sentence_in_the_first_rollout(name, change, message):
    whole = masked_recipe(name, altered(change))
    with pytest.raises(ValueError, match=message):
        train(scheme("3cs", whole), whole.init(0), 1)


def test_an_evaluation_tells_of_a_mask_that_forbids_everything():
    whole = masked_recipe("ppo")
    with pytest.raises(ValueError, match=r"of altered has an action_mask that forbids .* step 0"):
        evaluate(altered(torch.zeros_like), whole.greedy, whole.init(0), 2)


def test_hindsight_keeps_masks_beside_its_goals():
    """Goals with masks: no bit may be flipped twice in a row."""
    bare = envs.bit_flipping(2, num_bits=4)

    def step(physics, action):
        bits, reward, done = bare.physics.step(physics[:, :2], action)
        last = one_hot(action, 4).unsqueeze(1)
        return torch.cat([bits, last], 1), reward, done

    def begin(num, rng):
        return torch.cat([bare.physics.start(num, rng), torch.zeros(num, 1, 4).long()], 1)

    def see(physics):
        return bare.physics.observe(physics[:, :2]) | {"action_mask": physics[:, 2] == 0}

    space = Dict({**bare.observation_space.spaces, "action_mask": MultiBinary(4)})
    env = envs.physics_env("bits", 2, begin, step, see, 9, space, Discrete(4))
    whole = masked_recipe("double_dqn", env, start_steps=16)
    goals = hindsight(envs.bits_reward, terminated=envs.bits_reached)
    pipe = collect_of(whole.replace(rollouts=goals))
    for item in items_of(pipe, whole.init(0), 5):
        mask, action = item["observation", "action_mask"], item["action"]
        assert mask.gather(-1, action[:, None]).all() and (mask.sum(-1) >= 3).all()
        assert item["next", "observation", "action_mask"].dtype == torch.bool
    params, _ = train(scheme("3cs", whole.replace(rollouts=goals)), whole.init(0), 8)
    assert params["version"] > 0

"""Off-policy recipes that normalise observations by running statistics."""

from dataclasses import replace

import pytest
import torch

from nappo2 import envs, losses, scheme
from nappo2.losses.normalized import normalized_view
from nappo2.networks import actor_critics, mlp, with_temperature
from nappo2.params import replaced
from nappo2.recipes import SAC, TD3, sac, td3
from nappo2.stages import collect_of
from tests.makers.masks import masked_recipe, mines
from tests.makers.recipes import OFF, composed, fused
from tests.makers.stepping import items_of, steps_of, train

CONTINUOUS = {"sac": (sac, SAC(**OFF, normalize=True)), "td3": (td3, TD3(**OFF, normalize=True))}


def moments_of(recipe, num):
    """Mean and deviation of all observations that so many steps of the central pipeline collect."""
    ring = None
    for state, params, _ in steps_of(scheme("3cs", recipe), recipe.init(0)):
        ring = state["replay"]
        if params["version"] >= num:
            rows = ring.ring["observation"][: ring.count]
            return rows.mean(0), rows.std(0, unbiased=False), params["normalizer", "observation"]
    raise AssertionError


@pytest.mark.parametrize("name", CONTINUOUS)
def test_statistics_are_those_of_all_that_is_in_the_replay(name):
    """Of 40 transitions and fewer, warm-up included."""
    make, config = CONTINUOUS[name]
    mean, std, statistics = moments_of(make(envs.pendulum(2), config), 8)
    torch.testing.assert_close(statistics["mean"], mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(statistics["std"], std, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_its_policies_loss_and_value_are_those_of_normalised_observations(name):
    """Beside the plain recipe, which is given what the other sees."""
    make, config = CONTINUOUS[name]
    env = envs.pendulum(2)
    plain, recipe = make(env, replace(config, normalize=False)), make(env, config)
    params, _ = train(scheme("3cs", recipe), recipe.init(0), 12)
    assert params["normalizer", "observation", "moments"][0, 0] > 20
    x, named = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), params.to_dict()
    seen = normalized_view(named, x)
    assert not torch.allclose(seen, x)
    for ours, theirs in ((recipe.greedy, plain.greedy), (recipe.policy, plain.policy)):
        one, other = (
            policy.act(named, observation, (), torch.Generator().manual_seed(1))[0]
            for policy, observation in ((ours, x), (theirs, seen))
        )
        assert torch.equal(one, other)
    assert torch.equal(recipe.value(named, x, ()), plain.value(named, seen, ()))


def test_one_by_one_and_at_once_they_learn_the_same(same):
    make, config = CONTINUOUS["sac"]
    recipe = make(envs.pendulum(2), config)
    one = next(p for _, p, _ in steps_of(composed(recipe), recipe.init(0)) if p["version"] == 8)
    other = next(p for _, p, _ in steps_of(fused(recipe), recipe.init(0)) if p["version"] == 8)
    assert torch.allclose(
        one["normalizer", "observation", "mean"], other["normalizer", "observation", "mean"]
    )


def test_masks_are_not_normalised():
    """A discrete recipe of observations beside a mask; forbidden actions stay forbidden."""
    recipe = masked_recipe("sac", mines(4), normalize=True, start_steps=8)
    params, _ = train(scheme("3cs", recipe), recipe.init(0), 6)
    assert "observation" in params["normalizer"].keys()
    (rollout,) = items_of(collect_of(recipe), params, 1)
    allowed = rollout["observation", "action_mask"].gather(-1, rollout["action"].unsqueeze(-1))
    assert allowed.all()


def test_images_have_no_statistics():
    recipe = sac(envs.catch(2), SAC(**OFF, normalize=True))
    assert not recipe.init(0)["normalizer"].keys()


def test_a_loss_of_normalised_observations_by_hand():
    """A loss that says what it sees: 3 of mean 1 and deviation 2 is 1, and next to it 5 is 2."""
    agent = with_temperature(actor_critics(mlp(1, 2), mlp(2, 1)))
    params = replaced(sac(envs.pendulum(2)).init(0), weights=agent.init(0))
    statistics = {"mean": torch.ones(1), "std": torch.full((1,), 2.0)}
    params = params.to_dict() | {"normalizer": {"observation": statistics}}

    def loss(params, batch):
        return batch["observation"].sum() + 10 * batch["next"]["observation"].sum(), {}

    batch = {
        "observation": torch.full((1, 1), 3.0),
        "next": {"observation": torch.full((1, 1), 5.0)},
    }
    assert losses.with_normalized_observations(loss)(params, batch)[0] == 21

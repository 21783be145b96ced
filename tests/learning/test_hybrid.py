"""A walk on a line, of which both are to be learnt: which way, and how far.

``pytest -m learning -s`` shows the figures.
"""

import pytest
import torch

from nappo2 import PPO, evaluate, ppo, scheme
from nappo2.recipes import A2C, a2c
from nappo2.recipes import recurrent_ppo as recurrent
from tests.makers.environments import walk
from tests.makers.stepping import steps_of

pytestmark = [pytest.mark.learning, pytest.mark.timeout(900)]

SHARED = {"num_steps": 32, "gamma": 0.9, "learning_rate": 3e-3, "hidden": (32, 32)}
RECIPES = {
    "ppo": lambda env: ppo(env, PPO(num_epochs=4, num_minibatches=4, **SHARED)),
    "recurrent_ppo": lambda env: recurrent(env, PPO(num_epochs=4, num_minibatches=4, **SHARED)),
    "a2c": lambda env: a2c(env, A2C(**SHARED | {"num_steps": 8})),
}
BOUND = -0.4
"""Mean return of greedy episodes of 8 steps, 0 at best: 0.05 away from 0 after each step is -0.4."""


def greedy_return(policy, params):
    return evaluate(walk(100), policy, params, 500).returns.mean().item()


def halves(recipe):
    """The greedy policy with one half of its actions replaced: always left, or always half a step."""

    def with_half(name, value):
        def act(params, observation, memory, rng):
            action, memory = recipe.greedy.act(params, observation, memory, rng)
            return action | {name: torch.full_like(action[name], value)}, memory

        return recipe.greedy._replace(act=act)

    return with_half("way", 0), with_half("far", 0.0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", RECIPES)
def test_both_halves_of_an_action_are_learnt(name, seed):
    """Within 60,000 steps; either half alone stays behind."""
    recipe = RECIPES[name](walk(16))
    fresh, steps = recipe.init(seed), 0
    first = greedy_return(recipe.greedy, fresh)
    for _, params, report in steps_of(scheme("3cs", recipe), fresh, seed):
        steps += report.sums["env_steps"]
        if steps >= 60_000:
            break
    found, *without = (greedy_return(x, params) for x in (recipe.greedy, *halves(recipe)))
    print(
        f"\n{name}, seed {seed}: {first:.2f} before, {found:.2f} after {steps:,} steps; always left "
        f"{without[0]:.2f}, always half a step {without[1]:.2f}"
    )
    assert found > BOUND > max(without)

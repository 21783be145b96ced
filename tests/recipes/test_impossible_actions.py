"""Actions that are impossible, by logits of minus infinity, in every recipe that has logits."""

import math
from dataclasses import replace

import pytest
import torch

from nappo2 import PPO, SAC, actor_critic, envs, mlp, ppo, ravel, sac, scheme
from nappo2.networks import Network, discrete_actor_critics, with_temperature
from nappo2.recipes import A2C, VPG, Impala, a2c, impala, vpg
from nappo2.schemes import SCHEMES
from tests.makers.stepping import train

LOWEST = torch.finfo(torch.float32).min
RECIPES = {
    "ppo": (ppo, PPO(num_steps=8, num_epochs=2, num_minibatches=2, entropy_coef=0.01)),
    "ppo of single transitions": (ppo, PPO(num_steps=4, num_epochs=1, num_minibatches=16)),
    "impala": (impala, Impala(num_steps=8, entropy_coef=0.01)),
    "a2c": (a2c, A2C(num_steps=8, entropy_coef=0.01)),
    "vpg": (vpg, VPG(num_steps=8)),
    "sac": (sac, SAC(num_steps=2, start_steps=0, batch_size=8, capacity=100)),
}


def masked(impossible, outputs=2):
    """A network of logits, by which the second action is impossible where the pole leans left."""
    inner = mlp(4, 8, outputs)

    def apply(weights, x):
        forbidden = torch.stack([torch.zeros_like(x[..., 2]).bool(), x[..., 2] < 0], -1)
        return inner.apply(weights, x).masked_fill(forbidden, impossible)

    return Network(inner.init, apply)


def agent(recipe, impossible):
    if recipe is sac:
        critics = mlp(4, 8, 2)
        return with_temperature(discrete_actor_critics(masked(impossible), critics), 2.0)
    return actor_critic(masked(impossible), mlp(4, 8, 1))


def learnt(name, impossible, how="3cs", num=3):
    make_recipe, config = RECIPES[name]
    recipe = make_recipe(
        envs.cartpole(4), replace(config, hidden=(8,)), agent=agent(make_recipe, impossible)
    )
    params, reports = train(scheme(how, recipe), recipe.init(0), num, seed=0)
    return params, reports[-1]


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_learn_though_actions_are_impossible(name):
    """No gradient is refused, and whatever makes an action impossible leads to the same weights."""
    found = [learnt(name, impossible) for impossible in (-math.inf, LOWEST, -1e6)]
    weights = [ravel(params["weights"])[0] for params, _ in found]
    for params, report in found:
        assert all(mean.value.isfinite() for mean in report.means.values())
        assert params["version"] >= 3
    assert torch.equal(weights[0], weights[1]) and torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("how", [name for name in SCHEMES if name != "3cs"])
def test_every_scheme_does(how):
    for name in ("ppo", "sac"):
        params, _ = learnt(name, -math.inf, how)
        assert ravel(params["weights"])[0].isfinite().all()

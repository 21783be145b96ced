"""Layers, first weights and falling hyper-parameters, as configurations ask for them."""

import math
from dataclasses import replace

import pytest
import torch

from nappo2 import (
    A2C,
    DQN,
    PPO,
    SAC,
    TD3,
    TQC,
    a2c,
    dqn,
    envs,
    optim,
    ppo,
    recurrent_ppo,
    sac,
    td3,
    tqc,
)
from nappo2.recipes import GsdePPO, GsdeSAC, ppo_gsde, sac_gsde
from nappo2.schemes import scheme
from tests.makers.stepping import train

ON = {"num_steps": 8, "hidden": (16, 16)}
OFF = {"num_steps": 4, "capacity": 64, "batch_size": 8, "start_steps": 8, "hidden": (16, 16)}
RECIPES = {
    "ppo": (ppo, PPO(**ON, num_minibatches=1)),
    "a2c": (a2c, A2C(**ON)),
    "ppo_gsde": (ppo_gsde, GsdePPO(**ON, num_minibatches=1, orthogonal=True)),
    "sac": (sac, SAC(**OFF)),
    "sac_gsde": (sac_gsde, GsdeSAC(**OFF, orthogonal=True)),
    "td3": (td3, TD3(**OFF)),
    "tqc": (tqc, TQC(**OFF, critic_hidden=(16, 16))),
    "dqn": (dqn, DQN(**OFF)),
}


def made(name, **changes):
    recipe, config = RECIPES[name]
    env = envs.cartpole(2) if name == "dqn" else envs.pendulum(2)
    return recipe(env, replace(config, **changes))


def square_layers(recipe):
    """All weights [16, 16] of a recipe's networks."""
    weights = recipe.init(0)["weights"]
    return [x for x in weights.values(True, True) if x.shape == (16, 16)]


@pytest.mark.parametrize("name", RECIPES)
def test_hidden_layers_are_orthogonal_at_first_or_uniform(name):
    """Orthogonal ones have a gain of sqrt(2), so W W' = 2, or 1 before SAC's gSDE; uniform ones of 16
    inputs are within 1/4."""
    for weight in square_layers(made(name)):
        square = weight @ weight.T
        assert round(float(square[0, 0])) in ((1, 2) if name == "sac_gsde" else (2,))
        torch.testing.assert_close(square, square[0, 0] * torch.eye(16), atol=1e-5, rtol=0)
    layers = square_layers(made(name, orthogonal=False))
    assert layers and all(0.23 < x.abs().max() <= 0.25 for x in layers)


@pytest.mark.parametrize("recipe", ["ppo", "a2c"])
def test_deviations_and_activations_are_those_of_the_configuration(recipe):
    """With ReLU a network of weights without biases is linear along a ray; with tanh it is not."""
    x = torch.ones(1, 3)
    for relu in (False, True):
        s = made(recipe, relu=relu, initial_log_std=-1.5)
        params = s.init(0)
        assert params["weights", "log_std"].tolist() == [-1.5]
        once, twice = (s.value(params, k * x, ()) for k in (1.0, 2.0))
        assert torch.allclose(2 * once, twice) == relu


def test_a_recurrent_recipe_refuses_layers_that_it_does_not_have():
    for changes in ({"relu": True}, {"orthogonal": False}, {"initial_log_std": -2.0}):
        with pytest.raises(ValueError, match=f"so {next(iter(changes))} is"):
            recurrent_ppo(envs.pendulum(2), PPO(num_minibatches=2, **changes))


def test_a_clip_range_falls_alone():
    """20 updates per rollout, of 40: half of it is left after a rollout, nothing after two."""
    s = made("ppo", num_epochs=20, anneal_updates=40, annealed=("clip_eps",))
    for steps, left in ((1, 0.1), (2, 0.0)):
        hyper = train(scheme("3cs", s), s.init(0), steps)[0]["hyper"]
        assert math.isclose(hyper["clip_eps"], left, abs_tol=1e-6)
        assert math.isclose(
            hyper["learning_rate"], s.made.arguments["config"].learning_rate, rel_tol=1e-6
        )


@pytest.mark.parametrize("name", ["a2c", "sac", "sac_gsde", "td3", "tqc"])
def test_learning_rates_fall_to_zero_and_weights_stay_from_then_on(name):
    """In 16 updates: two rollouts of 8 updates off policy, of which the first one is a warm-up."""
    s = made(name, anneal_updates=16)
    params, _ = train(scheme("3cs", s), s.init(0), 16)
    assert params["version"] >= 16 and params["hyper", "learning_rate"] == 0
    later, _ = train(scheme("3cs", s), params, 2)
    assert (later["weights"] == params["weights"]).all()


@pytest.mark.parametrize("name", ["sac", "sac_gsde", "tqc"])
def test_a_temperature_that_is_not_learnt_stays_while_all_else_is(name):
    """All other weights are those of an Adam for each branch; moments are of each weight alone."""
    s = made(name, initial_alpha=0.1, learn_alpha=False)
    before = s.init(0)["weights"]
    after = train(scheme("3cs", s), s.init(0), 4)[0]["weights"]
    torch.testing.assert_close(after["log_alpha"].exp(), torch.tensor(0.1))
    for branch in ("actor", "critics"):
        assert not (before[branch] == after[branch]).all()


def test_nothing_is_moved_by_updates_that_are_set_to_zero():
    transformation, grads = optim.set_to_zero(), torch.tensor([1.0, -2.0])
    updates, state = transformation.update(grads, transformation.init(grads), {}, grads)
    assert updates.tolist() == [0, 0] and state == ()

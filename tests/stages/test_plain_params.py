"""What losses of one's own are given, and what agents of one's own lack."""

import warnings

import pytest
import torch

from nappo2 import (
    PPO,
    Learner,
    envs,
    mlp,
    networks,
    population,
    ppo,
    repeat,
    sac,
    scheme,
)
from nappo2.params import Plain
from nappo2.reports import RESERVED


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_a_loss_reads_params_by_paths_and_by_names(fused, jit):
    """``params["hyper", "gamma"]`` is ``params["hyper"]["gamma"]``, as everywhere else."""

    def loss(params, batch):
        weights, beta = params["weights", "actor"], params["hyper", "gamma"]
        assert beta is params["hyper"]["gamma"]
        return beta * sum((x**2).sum() for x in leaves(weights)), {"beta": beta}

    config = PPO(num_steps=4, num_epochs=1, num_minibatches=2, hidden=(4,), gamma=0.5, jit=jit)
    env = envs.make("CartPole-v1", 2)  # whose rollouts are not compiled
    recipe = ppo(env, config).replace(loss=loss)
    if not fused:
        recipe = recipe.replace(all_batches=None, after=repeat(2))
    params = recipe.init(0)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*cannot be compiled")
        first = Learner(scheme("3cs", recipe), params, progress=False).step()
    assert first["beta"] == 0.5


def leaves(tree):
    """The tensors of a tree of dictionaries."""
    return (
        [tree] if isinstance(tree, torch.Tensor) else [x for y in tree.values() for x in leaves(y)]
    )


@pytest.mark.parametrize("path", ["nothing", ("hyper", "nothing"), ("nothing", "gamma")])
def test_a_name_that_params_do_not_have_is_a_key_error(path):
    with pytest.raises(KeyError, match="nothing"):
        Plain(ppo(envs.cartpole(2)).init(0).to_dict())[path]


def test_an_agent_without_a_temperature_is_refused_when_sac_is_made():
    env, actor, critic = envs.pendulum(1), mlp(3, 8, 2), mlp(4, 8, 1)
    agent = networks.actor_critics(actor, critic)
    with pytest.raises(
        ValueError, match=r"log_alpha, and the agent has only actor, critics; network"
    ):
        sac(env, agent=agent)
    sac(env, agent=networks.with_temperature(agent))


def losing(name, jit=False, many=False):
    """The row of a step whose loss gives a mean of this name."""

    def loss(params, batch):
        value = sum((x**2).sum() for x in leaves(params["weights"]))
        return value, {name: value.detach() * 0 + 7}

    config = PPO(num_steps=4, num_epochs=1, num_minibatches=2, hidden=(4,), jit=jit)
    recipe = ppo(envs.cartpole(2), config).replace(loss=loss)
    recipe = population(recipe, 2) if many else recipe
    return Learner(scheme("3cs", recipe), recipe.init(0), progress=False).step()


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("name", ["weight", "report", "self", "value", "name", "params"])
def test_a_loss_calls_its_means_as_it_likes(name, many):
    assert losing(name, many=many)[name] == 7


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("name", RESERVED)
def test_a_mean_is_not_called_as_another_column(name, many):
    with pytest.raises(
        ValueError, match=f"a mean that is called '{name}', which is another column"
    ):
        losing(name, many=many)

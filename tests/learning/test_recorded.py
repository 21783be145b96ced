"""Learning from recorded data: an expert is cloned, and a mediocre agent is improved on."""

from functools import cache

import pytest

from nappo2 import (
    Learner,
    clone,
    collect,
    collect_of,
    envs,
    evaluate,
    iql,
    ppo,
    preset,
    record,
    recorded,
    sac,
    scheme,
    td3_bc,
)
from nappo2.recipes import IQL, TD3BC, Clone

pytestmark = pytest.mark.learning


def score(recipe, params, seed=100):
    return float(evaluate(recipe.env, recipe.greedy, params, 20, seed).returns.mean())


def trained(recipe, steps, until=None):
    learner = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=steps, progress=False)
    for row in learner:
        if until is not None and row.get("episode_return", -1e9) > until:
            break
    return learner.params


def learnt_from(recipe, data, updates):
    offline = recipe.replace(source=recorded(data))
    learner = Learner(
        scheme("3cs", offline), offline.init(1), target_updates=updates, progress=False
    )
    return learner.run().params


def test_a_clone_of_50_episodes_is_as_good_as_nine_tenths_of_the_expert():
    best = preset("ppo", "cartpole")
    expert = ppo(envs.cartpole(best.num_envs), best.config)
    params = trained(expert, best.total_steps)
    data = record(collect(expert.env, expert.greedy, 100), params, episodes=50, seed=1)
    made = clone(envs.cartpole(10), Clone())
    assert score(made, learnt_from(made, data, 2_000)) >= 0.9 * score(expert, params)


@cache
def mediocre():
    """SAC on Pendulum while it returns some -800, and 20,000 transitions of it."""
    best = preset("sac", "pendulum")
    recipe = sac(envs.pendulum(1), best.config)
    params = trained(recipe, best.total_steps, until=-900.0)
    source = collect(envs.pendulum(4), recipe.policy, 200)
    data = record(source, params, 20_000, seed=1)
    returns = data["next", "reward"].sum() / data["next", "done"].sum()
    return data, float(returns)


@pytest.mark.parametrize("name", ["iql", "td3_bc"])
def test_recorded_data_of_a_mediocre_agent_are_improved_on(name):
    data, before = mediocre()
    makers = {
        "iql": lambda env: iql(env, IQL(hidden=(64, 64), learning_rate=1e-3, normalize=True)),
        "td3_bc": lambda env: td3_bc(env, TD3BC(hidden=(64, 64), learning_rate=1e-3)),
    }
    recipe = makers[name](envs.pendulum(10))
    assert score(recipe, learnt_from(recipe, data, 20_000)) > before


def test_the_recorded_data_are_those_of_the_policy_that_acts():
    data, before = mediocre()
    assert -1300 < before < -400 and len(data) == 20_000
    recipe = sac(envs.pendulum(4))
    assert collect_of(recipe).stages[0].kind == "collect"

"""A configuration that adds to another recipe's is refused by that one, which would ignore what it adds."""

from dataclasses import dataclass, fields
from inspect import signature

import pytest

from nappo2 import PPO, REDQ, SAC, clone, envs, ppo, redq, sac, with_rnd
from nappo2.recipes import AWR, FOR_RECORDED, RECIPES, RndPPO
from nappo2.recipes.owners import base_config

ALL = RECIPES | FOR_RECORDED
TAKEN = {name: signature(make).parameters["config"].annotation for name, make in ALL.items()}
PAIRS = [
    (name, kind)
    for name, base in TAKEN.items()
    for kind in dict.fromkeys(TAKEN.values())
    if issubclass(kind, base) and kind is not base
]


@pytest.mark.parametrize(("name", "kind"), PAIRS, ids=lambda x: getattr(x, "__name__", x))
def test_a_recipe_refuses_a_configuration_that_says_more_than_it_reads(name, kind):
    reader = next(other for other, taken in TAKEN.items() if taken is kind)
    text = rf"not an? {kind.__name__}, which has more than {name} reads; {reader}\(env, {kind.__name__}"
    for call in (lambda: ALL[name](None, kind()), lambda: ALL[name](None, config=kind())):
        with pytest.raises(ValueError, match=text):
            call()


def test_so_does_a_bonus_that_is_added_to_a_recipe():
    recipe = ppo(envs.catch(2), PPO(num_steps=8, num_minibatches=1, hidden=(8,)))
    with pytest.raises(
        ValueError, match=r"not a RndPPO, .* than with_rnd reads; ppo_rnd\(env, Rnd"
    ):
        with_rnd(recipe, RndPPO())


def test_there_are_such_pairs():
    assert {("sac", REDQ), ("clone", AWR)} < set(PAIRS)


def test_a_configuration_of_ones_own_may_add_to_one():
    @dataclass(frozen=True)
    class Mine(SAC):
        more: int = 1

    recipe = sac(envs.pendulum(2), Mine(hidden=(8,), gamma=0.5))
    assert recipe.init(0)["hyper", "gamma"] == 0.5
    with pytest.raises(ValueError, match="config is a Clone"):
        clone(envs.pendulum(2), Mine())


def test_a_recipe_that_builds_on_another_keeps_its_own_configuration():
    config = REDQ(hidden=(8,), num_critics=3, gamma=0.5)
    recipe = redq(envs.pendulum(2), config)
    assert recipe.made.arguments["config"] == config and recipe.init(0)["hyper", "gamma"] == 0.5
    part = base_config(config, SAC)
    assert type(part) is SAC
    assert all(getattr(part, f.name) == getattr(config, f.name) for f in fields(SAC))

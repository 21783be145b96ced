"""Spaces: what may be tried, and that every combination of the default ones is valid."""

from dataclasses import replace

import optuna
import pytest

from nappo2 import PPO, clamp, envs, mask, recipes
from nappo2.recipes import RECIPES
from nappo2.search import choice, integers, log_uniform, space_for, uniform, values_in
from nappo2.search.space import check_space
from tests.makers.recipes import ENVS, fits, quick


def drawn(space, seed):
    """Values that a sampler draws."""
    sampler = optuna.samplers.RandomSampler(seed=seed)
    trial = optuna.create_study(sampler=sampler).ask()
    return {name: x.suggest(trial, name) for name, x in space.items()}


def relu(x):
    return x


def test_values_are_what_the_space_says():
    options = ((64, 64), relu, None, "3cs")
    space = {
        "a": uniform(0, 1),
        "b": log_uniform(1e-4, 1),
        "c": integers(2, 5),
        "d": choice(*options),
    }
    drawn_values = [drawn(space, seed) for seed in range(50)]
    assert all(
        0 <= x["a"] <= 1 and 1e-4 <= x["b"] <= 1 and x["c"] in (2, 3, 4, 5) for x in drawn_values
    )
    assert {x["d"] for x in drawn_values} == set(options)
    assert sum(x["b"] < 1e-2 for x in drawn_values) > 15  # half of the logarithms
    assert repr(space["d"]) == "choice((64, 64), relu, None, 3cs)"


def test_the_name_of_a_piece_is_the_same_in_each_process():
    """No address in memory is in it; two limits are two names."""
    dimension = choice(clamp(1.0), clamp(2.0), mask)
    assert (
        " at 0x" not in repr(dimension) and len({drawn_code(dimension, i) for i in range(30)}) == 3
    )


def drawn_code(dimension, seed):
    return dimension.code(drawn({"x": dimension}, seed)["x"])


def test_true_is_not_one():
    space = {"x": choice(1, True, 0, False)}
    assert {repr(drawn(space, seed)["x"]) for seed in range(40)} == {"1", "True", "0", "False"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: uniform(1.0, 0.0), "in order, not 1 and 0"),
        (lambda: log_uniform(0.0, 1.0), "bounds above 0, and log_uniform begins at 0"),
        (lambda: choice(), "at least one option"),
        (lambda: choice(relu, relu), "names of their own"),
        (lambda: check_space({}), "at least one dimension"),
        (
            lambda: check_space({"x": 3}),
            "x is to be uniform, log_uniform, integers or choice, not 3",
        ),
        (lambda: check_space({"x": uniform(0, 1)}, [{"x": 2.0}]), "x=2.0 is to be tried first"),
    ],
)
def test_what_is_no_space_is_refused_in_a_sentence(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("name", RECIPES)
def test_every_combination_of_a_default_space_makes_a_recipe(name):
    """Twelve that are drawn, of each recipe; the values of its preset are among them where they can be."""
    config = quick(name)
    recipe = RECIPES[name](ENVS[next(env for env in ENVS if fits(name, env, "uniform"))](), config)
    space = space_for(recipe, 20_000)
    assert {"learning_rate", "gamma"} <= set(space)
    for seed in range(12):
        RECIPES[name](recipe.env, replace(config, **drawn(space, seed)))
    first = values_in(space, config)
    check_space(space, [first])
    assert "learning_rate" in first


def test_a_run_has_at_least_ten_rollouts():
    """Of 8 environments and 20,480 steps: rollouts of at most 256 steps."""
    space = space_for(recipes.ppo(envs.cartpole(8)), 20_480)
    assert repr(space["num_steps"]) == "choice(32, 64, 128, 256)"
    assert repr(space["num_minibatches"]) == "choice(1, 2, 4, 8, 16, 32)"
    lstm = recipes.recurrent_ppo(envs.cartpole(4), PPO(num_minibatches=2))
    assert repr(space_for(lstm, 20_480)["num_minibatches"]) == "choice(1, 2, 4)"

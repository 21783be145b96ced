"""Observations of several parts in rollouts, statistics, replays and compiled loops."""

import pytest
import torch

from nappo2 import collect, ppo, scheme
from nappo2.maths.moments import moments, normalize_parts, statistics_name
from nappo2.stages.recipe import collect_of
from tests.makers.environments import signals
from tests.makers.recipes import recipe_in
from tests.makers.stepping import train_until


def test_a_rollout_has_nested_parts():
    recipe = recipe_in("ppo", "parts", "uniform")
    params = recipe.init(0)
    pipe = collect_of(recipe)
    _, rollout, report = pipe.step(params, pipe.init(params, 0))
    assert rollout["observation", "camera"].shape == (8, 2, 3, 7, 6)
    assert rollout["next", "observation", "state", "room"].dtype == torch.int64
    assert rollout["observation", "doors", "0"].dtype == torch.bool
    place = moments(rollout["observation", "state", "place"])
    assert torch.equal(report.moments["observation.state.place"], place)
    assert set(report.moments) == {"observation.state.place", "return"}


def test_only_what_has_statistics_is_normalised():
    """(3 - 1) / 2 = 1."""
    statistics = {"mean": torch.tensor(1.0), "std": torch.tensor(2.0)}
    x = {"a": {"b": torch.tensor(3.0)}, "c": torch.tensor(3.0)}
    y = normalize_parts({"observation.a.b": statistics}, x)
    assert y["a"]["b"] == 1 and y["c"] == 3
    assert statistics_name(("a.b", "c")) == "observation.a~1b.c" != statistics_name(("a", "b", "c"))


@pytest.mark.parametrize("name", ["ppo", "recurrent_ppo", "r2d2"])
def test_statistics_of_parts_are_learnt(name):
    recipe = recipe_in(name, "parts", "uniform")
    params, _ = train_until(scheme("3cs", recipe), recipe.init(0), 4, seed=0)
    names = [key for key in params["normalizer"].keys() if key != "return"]
    expected = ["observation.state.place"] if name != "r2d2" or names else []
    assert names == expected
    for key in names:
        assert params["normalizer", key, "moments"][0].min() > 0


@pytest.mark.learning  # as compiling takes long
def test_a_compiled_rollout_of_parts_is_the_eager_one():
    env = signals(4)
    recipe = ppo(env)
    params, rollouts = recipe.init(0), []
    for jit in (False, True):
        pipe = collect(env, recipe.policy, 6, jit=jit)
        rollouts.append(pipe.step(params, pipe.init(params, 0))[1])
    eager, scanned = rollouts
    assert torch.equal(eager["observation", "eye"], scanned["observation", "eye"])
    assert torch.equal(eager["observation", "sign", "x"], scanned["observation", "sign", "x"])
    assert torch.equal(eager["action"], scanned["action"])

"""Schedules of members, who have one version and values of their own."""

from dataclasses import replace
from itertools import islice

import pytest
import torch

from nappo2 import PPO, Learner, envs, fold_in, optim, population, ppo, ravel, scheduled, scheme
from nappo2.pipeline import map_items
from nappo2.populations import evolve, perturb
from nappo2.populations._population import member
from nappo2.populations.annealing import scaled
from tests.makers.stepping import step, steps_of

CONFIG = PPO(num_steps=8, num_epochs=2, num_minibatches=2, hidden=(8,), anneal_updates=24)


def recipe(**changes):
    return ppo(envs.cartpole(2), replace(CONFIG, **changes))


def steps(recipe, seed, num=8):
    """The params after each step."""
    return [
        params
        for _, params, _ in islice(steps_of(scheme("3cs", recipe), recipe.init(seed), seed), num)
    ]


@pytest.mark.parametrize("rates", [(3e-4, 3e-4), (1e-3, 4e-3)])
def test_a_members_own_value_is_where_its_schedule_starts(rates):
    """Each is the run whose config has its rate; after 6 of 8 rollouts it is 0."""
    own = {} if len(set(rates)) == 1 else {"learning_rate": rates}
    result = steps(population(recipe(), 2, **own), 5)
    for i, rate in enumerate(rates):
        alone = steps(recipe(learning_rate=rate), fold_in(5, i))
        for ours, theirs in zip(result, alone, strict=True):
            a, b = (ravel(p["weights"])[0] for p in (member(ours, i), theirs))
            torch.testing.assert_close(a, b, atol=1e-5, rtol=0)
            a, b = (p["hyper", "learning_rate"] for p in (member(ours, i), theirs))
            torch.testing.assert_close(a, b, atol=0, rtol=1e-6)
            assert torch.equal(ours["hyper", "clip_eps"][i], theirs["hyper", "clip_eps"])
    assert result[5]["hyper", "learning_rate"].tolist() == [0, 0]


def test_a_member_without_a_value_follows_the_schedule_to_the_last_bit():
    """Half of 0.3 is not half of 0.1 times 3, in floats."""
    before, now = torch.tensor(0.3), torch.tensor(0.15)
    values = scaled(torch.tensor([0.3, 0.6, 0.0]), before, now, exact=False)
    assert values[0] == now and values[1:].tolist() == pytest.approx([0.3, 0.0])
    assert scaled(torch.tensor([7.0, 9.0]), before, now, exact=True).tolist() == [now, now]


def test_a_schedule_may_start_anywhere_else_than_the_members():
    """At 0, as a warm-up does: the first rollout has the value of the recipe, as a single run has."""
    rising = optim.warm_up(8, then=optim.constant(2e-3))
    warming = recipe(anneal_updates=0).replace(after=scheduled(every=4, learning_rate=rising))
    ours, theirs = steps(population(warming, 2), 5, 4), steps(warming, 5, 4)
    for a, b in zip(ours, theirs, strict=True):
        assert a["hyper", "learning_rate"].tolist() == [float(b["hyper", "learning_rate"])] * 2
    with pytest.raises(
        ValueError, match="schedule of learning_rate starts at 0, so members cannot"
    ):
        population(warming, 2, learning_rate=[1e-3, 2e-3])


def test_of_what_stands_behind_the_updates_only_schedules_are_lifted():
    changed = recipe().replace(after=map_items(lambda params, item: item, "mine"))
    with pytest.raises(ValueError, match="which mine does not take; of what stands behind"):
        population(changed, 2)


def test_who_copies_another_member_goes_on_with_its_schedule():
    """A perturbed rate falls by the factors by which the schedule does, until the end."""
    many = population(recipe(), 2, learning_rate=[1e-3, 4e-3])
    double = perturb("learning_rate", factors=(2.0,))
    pipe = scheme("3cs", many) | evolve(1, lambda scores, rng: torch.tensor([0, 0]), double)
    learner = Learner(pipe, many.init(0), target_steps=10**6, progress=False)
    while "exploited" not in learner.sums:
        step(learner, 1)
    version, rates = int(learner.params["version"]), learner.params["hyper", "learning_rate"]
    assert 0 < version < 24 and rates[1] == 2 * rates[0]
    assert float(rates[0]) == pytest.approx(1e-3 * (1 - version / 24))


def test_schedules_are_a_fact_of_their_stage():
    """At version 7 the values are those of version 4, as they change each 4 updates."""
    (stage,) = scheduled(every=4, gamma=optim.linear(1.0, 0.0, 10)).stages
    assert stage.schedules["gamma"](torch.tensor(7)) == pytest.approx(0.6)
    assert set(stage.schedules) == {"gamma"}

"""Members of a population, and the runs that they are."""

from dataclasses import replace
from itertools import islice

import pytest
import torch
from tensordict import TensorDict

from nappo2 import (
    PPO,
    SAC,
    Learner,
    envs,
    first,
    fold_in,
    optim,
    population,
    ppo,
    ravel,
    sac,
    scheduled,
    scheme,
)
from nappo2.populations import evolve, perturb, truncation
from nappo2.populations._population import member
from tests.makers.stepping import step, steps_of

CONFIG = PPO(num_steps=16, num_epochs=2, num_minibatches=2, hidden=(8,))


def recipe(**changes):
    return ppo(envs.cartpole(2), replace(CONFIG, **changes))


def train(pipe, params, seed, num_steps):
    """Params and report of each step."""
    return [after[1:] for after in islice(steps_of(pipe, params, seed), num_steps)]


def alone(env):
    """The environment, which can only be moved on its own."""
    return env._replace(many=None)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(
    "env", [envs.cartpole(2), alone(envs.cartpole(2)), envs.pendulum(2), envs.masked_cartpole(2)]
)
def test_each_member_is_the_run_with_its_seed(env, normalize):
    """After one rollout's updates within 1e-5, and so are its statistics; after three, still near."""
    s = ppo(env, replace(CONFIG, normalize=normalize))
    many = population(s, 3)
    result = train(scheme("3cs", many), many.init(5), 5, 3)
    for i in range(3):
        seed = fold_in(5, i)
        alone = train(scheme("3cs", s), s.init(seed), seed, 3)
        for (ours, _), (theirs, _), near in zip(result, alone, (1e-5, 1e-4, 1e-4), strict=True):
            ours = member(ours, i)
            for name in ("weights", *["normalizer"] * normalize):
                a, b = (ravel(p[name])[0] for p in (ours, theirs))
                torch.testing.assert_close(a, b, atol=near, rtol=near)
            assert ours["version"] == theirs["version"]


def test_members_differ_in_hyper_parameters():
    """One that does not learn, and one that does."""
    many = population(recipe(), 2, learning_rate=[0.0, 1e-2])
    first = many.init(0)
    ((params, _),) = train(scheme("3cs", many), first, 0, 1)
    moved = [
        (ravel(member(params, i)["weights"])[0] - ravel(member(first, i)["weights"])[0]).abs().max()
        for i in range(2)
    ]
    assert moved[0] == 0 and moved[1] > 1e-3


def test_a_learner_tells_each_members_returns():
    many = population(recipe(num_steps=64), 2)
    learner = Learner(scheme("3cs", many), many.init(0), target_steps=512)
    for row in learner:
        pass
    assert row["env_steps"] == 512 == 2 * 2 * 64 * 2
    assert {"episode_return_0", "episode_return_1", "loss"} <= set(row)


def test_what_cannot_be_a_population_is_refused():
    with pytest.raises(ValueError, match="learning_rate has 1 values for 2 members"):
        population(recipe(), 2, learning_rate=[1.0])
    with pytest.raises(ValueError, match="no hyper-parameter is called 'lr'"):
        population(recipe(), 2, lr=[1.0, 2.0]).init(0)
    with pytest.raises(ValueError, match="of the schemes, 3cs goes with it"):
        scheme("2dacs", population(recipe(), 2))


@pytest.mark.parametrize("env", [envs.cartpole(2), alone(envs.cartpole(2))])
def test_params_of_something_else_are_no_params_of_a_population(env):
    pipe = scheme("3cs", population(ppo(env, CONFIG), 3))
    with pytest.raises(ValueError, match=r"of each of 3 members, .* and these are of a single run"):
        pipe.init(recipe().init(0), 0)
    with pytest.raises(ValueError, match=r"of 3 members, .* and these are of a population of 2"):
        pipe.init(population(recipe(), 2).init(0), 0)


def test_a_single_run_does_not_evolve():
    pipe = scheme("3cs", recipe()) | evolve(2, truncation(0.5), perturb("learning_rate"))
    with pytest.raises(ValueError, match=r"of each member, .* and these are of a single run"):
        pipe.init(recipe().init(0), 0)


def test_a_schedule_of_one_run_does_not_stand_right_of_a_population():
    """It would set one number where there is one of each member, on which the next step breaks."""
    many = population(recipe(), 2)
    pipe = scheme("3cs", many) | scheduled(learning_rate=optim.linear(1e-3, 0.0, num_updates=40))
    with pytest.raises(
        ValueError, match=r"population\(recipe.replace\(after=scheduled\(...\)\), 2\)"
    ):
        first(pipe, many.init(0))


def test_members_and_first_params_have_hyper_parameters_within_their_ranges():
    with pytest.raises(ValueError, match="gamma is within 0 and 1, not 2"):
        population(recipe(), 2, gamma=[0.9, 2.0])
    with pytest.raises(ValueError, match="learning_rate is at least 0, not -1"):
        recipe().with_hyper(learning_rate=-1.0)


def test_a_perturbed_discount_stays_within_its_range():
    """1.25 times 0.9 and 0.5: a discount becomes 1 and 0.625, a rate 1.125 and 0.625."""
    numbers = torch.tensor([0.9, 0.5])
    hyper = TensorDict(gamma=numbers, learning_rate=numbers.clone())
    explore = perturb("gamma", "learning_rate", factors=(1.25,))
    result = explore(hyper, torch.tensor([True, True]), torch.Generator())
    assert result["gamma"].tolist() == [1.0, 0.625]
    assert result["learning_rate"].tolist() == [1.125, 0.625]


def test_what_cannot_be_perturbed_is_refused_before_a_generation_is_over():
    many = population(recipe(), 2)
    pipe = scheme("3cs", many) | evolve(1_000, truncation(0.5), perturb("lr"))
    with pytest.raises(ValueError, match="no hyper-parameter is called 'lr'"):
        pipe.init(many.init(0), 0)
    for names, factors in (((), (2.0,)), (("gamma",), ())):
        with pytest.raises(ValueError, match="perturb takes names of hyper-parameters and factors"):
            perturb(*names, factors=factors)


def test_the_worst_go_on_from_the_best():
    """Of four, a quarter: the last, who had 0, from the first, who had 3."""
    rng = torch.Generator().manual_seed(0)
    assert truncation(0.25)(torch.tensor([3.0, 1.0, 2.0, 0.0]), rng).tolist() == [0, 1, 2, 0]
    for _ in range(20):
        parents = truncation(0.5)(torch.tensor([3.0, 1.0, 2.0, 0.0]), rng).tolist()
        assert parents[0] == 0 and parents[2] == 2 and {parents[1], parents[3]} <= {0, 2}
    for share in (0, 0.6):
        with pytest.raises(ValueError, match="share is above 0 and at most"):
            truncation(share)


def test_only_who_moved_is_perturbed():
    hyper = TensorDict(gamma=torch.tensor([0.5, 0.5]), learning_rate=torch.tensor([1.0, 1.0]))
    explore = perturb("learning_rate", factors=(2.0,))
    result = explore(hyper, torch.tensor([False, True]), torch.Generator())
    assert result["learning_rate"].tolist() == [1, 2] and result["gamma"].tolist() == [0.5, 0.5]


def test_a_generation_replaces_weights_optimiser_and_hyper_parameters():
    """Two members; one learns at 0.01, one at 0. Whoever is worse becomes the other, at twice its rate."""
    many = population(recipe(num_steps=64), 2, learning_rate=[0.0, 1e-2])
    pipe = scheme("3cs", many) | evolve(
        2, truncation(0.5), perturb("learning_rate", factors=(2.0,))
    )
    params = many.init(0)
    state = pipe.init(params, 0)
    state, params, report = pipe.step(params, state)
    assert "exploited" not in report.sums and params["hyper", "learning_rate"][0] == 0
    state, params, report = pipe.step(params, state)
    assert report.sums["exploited"] == 1
    first, second = (ravel(member(params, i)["weights"])[0] for i in range(2))
    assert torch.equal(first, second)
    rates = sorted(params["hyper", "learning_rate"].tolist())
    assert rates == [0, 0] or rates == pytest.approx([0.01, 0.02])
    _, (_, mu, _) = state["update"].inner
    assert torch.equal(mu[0], mu[1])
    state, params, report = pipe.step(params, state)  # and it goes on
    assert params["version"] == 12


def test_members_with_replay_evolve_from_the_first_update_on():
    """Whoever is worse becomes the other, target and temperature included, and keeps its transitions."""
    config = SAC(num_steps=4, batch_size=8, start_steps=32, capacity=64, hidden=(8,))
    many = population(sac(envs.pendulum(2, time_limit=4), config), 2)
    pipe = scheme("3cs", many) | evolve(1, truncation(0.5), perturb("learning_rate"))
    learner = Learner(pipe, many.init(0), target_steps=10**6, progress=False)
    step(learner, 3)
    assert learner.params["version"] == 0 and learner.state["evolve"].steps == 0
    step(learner, 1)
    assert learner.params["version"] == 8 and learner.sums["exploited"] == 1
    first, second = (member(learner.params, i) for i in range(2))
    for name in ("weights", "target"):
        assert torch.equal(ravel(first[name])[0], ravel(second[name])[0])
    assert first["hyper", "learning_rate"] != second["hyper", "learning_rate"]
    ring = learner.state["replay"].ring[: learner.state["replay"].count]
    assert not torch.equal(ring["observation"][:, 0], ring["observation"][:, 1])
    step(learner, 2)
    assert learner.params["version"] == 24


def test_a_population_goes_on_with_another_number_of_environments(tmp_path):
    """Its episodes begin anew, each member's with a seed of its own; all else goes on."""
    many = population(recipe(), 2)
    saved = Learner(
        scheme("3cs", many), many.init(0), 0, 64, tmp_path, checkpoint_every=64, progress=False
    ).run()
    other = population(ppo(envs.cartpole(4), CONFIG), 2)
    learner = Learner(scheme("3cs", other), other.init(0), target_steps=192, progress=False)
    learner.resume(tmp_path)
    assert torch.equal(ravel(learner.params["weights"])[0], ravel(saved.params["weights"])[0])
    observations = learner.state["members"].observation.view(2, 4, -1)
    assert not torch.isclose(observations[0], observations[1]).any()
    row = learner.run().metrics[-1]
    assert row["env_steps"] == 192 and row["updates"] == 8
    assert "another number of them" in " ".join(row.get("event", "") for row in learner.metrics)

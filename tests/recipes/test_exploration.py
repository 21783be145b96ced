"""Recipes that explore by a bonus: what is added, what stays as it was, and in how many places it runs."""

from dataclasses import replace

import gymnasium
import pytest
import torch
from gymnasium.spaces import MultiDiscrete

from nappo2 import (
    A2C,
    DQN,
    ICM,
    PPO,
    PQN,
    RND,
    Counts,
    Impala,
    a2c,
    dqn,
    envs,
    fold_in,
    impala,
    population,
    ppo,
    pqn,
    ravel,
    recurrent_ppo,
    scheme,
    with_counts,
    with_icm,
    with_rnd,
)
from nappo2.populations._population import member
from nappo2.recipes._counts import states_of
from nappo2.schemes import SCHEMES
from nappo2.stages.exploring.bonus import OBSERVATION, RETURN
from nappo2.stages.exploring.counting import VISITS
from tests.makers.comparing import equal, states
from tests.makers.environments import Strict
from tests.makers.recipes import composed, fused, run_of
from tests.makers.stepping import step, train, train_until

CONFIG = PPO(num_steps=8, num_epochs=2, num_minibatches=2, hidden=(8,))
SMALL = {"novelty_hidden": (8,), "novelty_features": 4}
BONUSES = {
    "rnd": lambda recipe, **c: with_rnd(recipe, RND(**SMALL, **c)),
    "icm": lambda recipe, **c: with_icm(recipe, ICM(**SMALL, **c)),
    "counts": lambda recipe, **c: with_counts(
        recipe, Counts(novelty_hidden=(8,), **c), state_of=left_or_right, num_states=2
    ),
}


def left_or_right(observation):
    """Whether the cart is right of the middle."""
    return (observation[..., 0] > 0).long()


def pole(name="rnd", make=ppo, config=CONFIG, **changes):
    return BONUSES[name](make(envs.cartpole(2, time_limit=9), config), **changes)


def exploring(params):
    return params["weights", "exploration"]


# --- what is added, and what stays


@pytest.mark.parametrize("name", BONUSES)
def test_a_bonus_that_counts_nothing_leaves_the_agent_as_it_is(name):
    """With coefficients of 0 and 1 the agent learns what it learns alone, though all learn at once."""
    recipe = pole(name, intrinsic_coef=0.0, extrinsic_coef=1.0)
    plain = ppo(recipe.env, CONFIG)
    after, _ = train(scheme("3cs", recipe), recipe.init(0))
    alone, _ = train(scheme("3cs", plain), plain.init(0))
    ours, theirs = after["weights"].exclude("exploration"), alone["weights"]
    torch.testing.assert_close(ravel(ours)[0], ravel(theirs)[0], atol=1e-6, rtol=1e-6)
    first = recipe.init(0)
    assert (exploring(after)["critic"] != exploring(first)["critic"]).any()
    if name != "counts":
        assert (exploring(after)["bonus"] != exploring(first)["bonus"]).any()


def test_the_random_network_never_changes_and_the_predictor_does():
    recipe = pole()
    first = exploring(recipe.init(0))["bonus"]
    after = exploring(train(scheme("3cs", recipe), recipe.init(0))[0])["bonus"]
    assert (after["random"] == first["random"]).all()
    assert (after["predictor"] != first["predictor"]).any()


def test_what_is_seen_often_is_paid_less_and_less():
    """The states of a short pole: bonuses of rollouts 25 to 30 are below a fifth of the first five."""
    recipe = pole(novelty_rate=1e-2, novelty_share=1.0, scale_bonus=False)
    _, reports = train(scheme("3cs", recipe), recipe.init(0), 30)
    bonuses = [float(report.means["reward_intrinsic"].value) for report in reports]
    assert sum(bonuses[-5:]) < sum(bonuses[:5]) / 5


def test_a_report_has_the_mean_bonus_and_the_losses_of_exploration():
    recipe = pole()
    _, reports = train(scheme("3cs", recipe), recipe.init(0), 1)
    assert {"reward_intrinsic", "novelty_loss", "intrinsic_value_loss"} <= set(reports[0].means)


def test_exploration_learns_by_a_rate_of_its_own():
    """With a rate of 0 for it only the agent moves, and the other way round."""
    for changes, still in (({"novelty_rate": 1e-30}, "exploration"), ({}, "actor")):
        config = CONFIG if changes else replace(CONFIG, learning_rate=1e-30)
        recipe = pole(config=config, **changes)
        first, (after, _) = recipe.init(0), train(scheme("3cs", recipe), recipe.init(0))
        moved = {
            name: (ravel(after["weights", name])[0] - ravel(first["weights", name])[0]).abs().max()
            for name in ("actor", "exploration")
        }
        assert moved.pop(still) < 1e-20 and min(moved.values()) > 1e-5


def test_statistics_of_observations_and_of_bonuses_are_counted():
    """Three rollouts of 8 x 2 transitions."""
    recipe = pole()
    params, _ = train(scheme("3cs", recipe), recipe.init(0))
    for name in (OBSERVATION, RETURN):
        assert (params["normalizer", name, "moments"][0] == 48).all()


# --- where it runs


@pytest.mark.parametrize("name", SCHEMES)
def test_all_workers_count_together(name):
    """Each transition that was learnt from was counted once, wherever that was."""
    recipe = pole("counts")
    params, reports = train_until(scheme(name, recipe), recipe.init(0), 8)
    visits = params["normalizer", VISITS, "moments"]
    env_steps = sum(float(report.sums.get("env_steps", 0)) for report in reports)
    assert visits[1].sum() == visits[0, 0] == env_steps >= 32


def test_a_decentralised_update_is_a_central_one():
    """3ds and 2dacs merge the same gradients and counts of two workers."""
    recipe = pole()
    pipes = (scheme(name, recipe) for name in ("3ds", "2dacs"))
    one, other = (train_until(pipe, recipe.init(0), 8)[0] for pipe in pipes)
    torch.testing.assert_close(ravel(one["weights"])[0], ravel(other["weights"])[0])
    torch.testing.assert_close(
        one["normalizer", RETURN, "moments"], other["normalizer", RETURN, "moments"]
    )


@pytest.mark.parametrize("name", BONUSES)
def test_fused_equals_composed(name):
    recipe = pole(name)
    one, _ = train_until(fused(recipe), recipe.init(0), 8)
    other, _ = train_until(composed(recipe), recipe.init(0), 8)
    assert equal(one["weights"], other["weights"])
    assert equal(one["normalizer"], other["normalizer"])


@pytest.mark.faults  # as it compiles for half a minute
def test_compiled_equals_eager():
    recipes = [pole(config=replace(CONFIG, jit=jit)) for jit in (False, True)]
    eager, jit = (train(scheme("3cs", x), x.init(0), 2)[0]["weights"] for x in recipes)
    torch.testing.assert_close(ravel(jit)[0], ravel(eager)[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("scheme_name", ["3cs", "3ds"])
@pytest.mark.parametrize("name", BONUSES)
def test_a_run_that_was_saved_goes_on_as_if_it_was_not(name, scheme_name, tmp_path):
    first = step(run_of(pole(name), scheme_name, tmp_path), 5)
    first.save()
    second = run_of(pole(name), scheme_name, seed=99)
    second.resume(tmp_path)
    step(first, 3), step(second, 3)
    assert equal(second.params, first.params) and equal(states(second), states(first))
    first.close(), second.close()


@pytest.mark.parametrize("name", BONUSES)
def test_each_member_of_a_population_explores_as_it_does_alone(name):
    recipe = pole(name)
    many = population(recipe, 2)
    params, _ = train(scheme("3cs", many), many.init(5), 1, seed=5)
    for i in range(2):
        seed = fold_in(5, i)
        alone, _ = train(scheme("3cs", recipe), recipe.init(seed), 1, seed=seed)
        ours = member(params, i)
        for branch in ("weights", "normalizer"):
            a, b = (ravel(p[branch])[0] for p in (ours, alone))
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "recipe",
    [
        lambda: a2c(envs.cartpole(2), A2C(num_steps=8, hidden=(8,))),
        lambda: impala(envs.cartpole(2), Impala(num_steps=8, hidden=(8,))),
        lambda: recurrent_ppo(envs.cartpole(2), replace(CONFIG, hidden=(8, 8))),
        lambda: ppo(envs.catch(2), CONFIG),
        lambda: ppo(envs.masked_cartpole(2), CONFIG),
        lambda: ppo(envs.pendulum(2), CONFIG),
    ],
    ids=["a2c", "impala", "a memory", "images", "masks", "continuous actions"],
)
@pytest.mark.parametrize("name", ["rnd", "icm"])
def test_what_learns_from_advantages_explores(name, recipe):
    recipe = BONUSES[name](recipe())
    params, reports = train(scheme("3cs", recipe), recipe.init(0), 2)
    assert all(x.isfinite().all() for x in params["weights"].values(True, True))
    assert reports[-1].means["reward_intrinsic"].value > 0


# --- what does not fit


def test_what_learns_from_a_replay_is_refused():
    with pytest.raises(ValueError, match="dqn learns from a replay, and bonuses are added to adv"):
        with_rnd(dqn(envs.cartpole(2), DQN(hidden=(8,))))


def test_what_learns_from_returns_alone_is_refused():
    with pytest.raises(ValueError, match="pqn learns from no advantages, to which bonuses are add"):
        with_rnd(pqn(envs.cartpole(2), PQN(num_steps=8, hidden=(8,))))


def test_advantages_that_are_standardised_before_bonuses_are_added_are_refused():
    """A bonus of 3 beside advantages of deviation 1 would be another share of them in each rollout."""
    config = replace(CONFIG, standardize_rollout=True)
    with pytest.raises(ValueError, match=r"ppo standardises the .* with standardize_rollout=False"):
        pole(config=config)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_states": 9}, "state_of and num_states, both or neither"),
        ({"state_of": left_or_right}, "state_of and num_states, both or neither"),
    ],
)
def test_states_are_said_with_their_number(given, message):
    with pytest.raises(ValueError, match=message):
        with_counts(ppo(envs.cartpole(2), CONFIG), **given)


@pytest.mark.parametrize(
    ("state_of", "message"),
    [
        (lambda x: left_or_right(x) + 1, "from 0 to 1, as num_states is 2, and gave 1 to 2"),
        (lambda x: left_or_right(x) - 1, "from 0 to 1, as num_states is 2, and gave -1 to"),
        (
            lambda x: left_or_right(x).float(),
            r"an int64 for each transition, \[8, 2\], not float32",
        ),
        (lambda x: (x[..., :1] > 0).long(), r"transition, \[8, 2\], not int64 \[8, 2, 1\]"),
    ],
)
def test_states_that_are_none_are_refused(state_of, message):
    recipe = with_counts(ppo(envs.cartpole(2), CONFIG), state_of=state_of, num_states=2)
    with pytest.raises(ValueError, match=message):
        train(scheme("3cs", recipe), recipe.init(0), 3)


def test_one_bonus_is_enough():
    with pytest.raises(ValueError, match="ppo explores by a bonus already"):
        with_icm(pole())


def test_visits_of_numbers_are_not_counted_unless_one_says_how():
    with pytest.raises(ValueError, match="visits are counted of observations that are choices"):
        with_counts(ppo(envs.cartpole(2), CONFIG))


def test_the_states_of_choices_by_hand():
    """Of 2 x 3 choices (1, 2) is state 5, and (1, 0) is 3."""
    state_of, num_states = states_of(MultiDiscrete([2, 3]))
    assert num_states == 6
    assert state_of(torch.tensor([[[1, 2]], [[1, 0]]])).tolist() == [[5], [3]]
    with pytest.raises(ValueError, match="has 268,435,456 states, and a table has at most"):
        states_of(MultiDiscrete([16] * 7))


def test_visits_of_a_lake_are_counted_by_its_fields():
    """FrozenLake has 16 fields: 3 rollouts of 8 x 2 steps."""
    recipe = with_counts(ppo(envs.make("FrozenLake-v1", 2), CONFIG), Counts(novelty_hidden=(8,)))
    params, _ = train(scheme("3cs", recipe), recipe.init(0))
    visits = params["normalizer", VISITS, "moments"]
    assert visits.shape == (3, 16) and visits[1].sum() == 48 and visits[1].max() > 3


def test_hybrid_actions_are_no_input_of_a_forward_model():
    space = gymnasium.spaces.Dict(
        turn=gymnasium.spaces.Discrete(2), push=gymnasium.spaces.Box(-1, 1, (2,))
    )
    env = envs.from_gym(lambda: Strict(space), 2)
    with pytest.raises(ValueError, match="all choices or all numbers, not hybrid ones"):
        with_icm(ppo(env, CONFIG))

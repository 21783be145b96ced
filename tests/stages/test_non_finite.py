"""What is not finite, at every place where it can enter a rollout, by every way to treat it."""

import math
from typing import NamedTuple

import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete
from torch.utils._pytree import tree_leaves as leaves

from nappo2 import PPO, Learner, clamp, collect, envs, mask, population, ppo, scheme
from nappo2.envs import Env, EpisodeCount, Transition
from nappo2.envs.boxes import GOAL_KEYS
from nappo2.envs.physics import physics_env
from nappo2.maths.moments import moments, no_moments
from nappo2.policies import Policy
from nappo2.stages import fail

NAN, INF = float("nan"), float("inf")
NUM_STEPS = 6


class Place(NamedTuple):
    """Where environment 1 of two gives what is not finite; episodes have three steps.

    Attributes:
        step: of the run; -1 is the first reset.
        where: ``reached``, ``begun`` (the observation of a reset), ``reward`` or ``game``.
        raised: the step at which it is in a rollout, of the run.
        masked: steps of the run.
    """

    step: int
    where: str
    raised: int
    masked: list[int]


PLACES = {
    "the first reset": Place(-1, "begun", 0, [0]),
    "a step": Place(1, "reached", 1, [1, 2]),
    "the last step of an episode": Place(2, "reached", 2, [2]),
    "a reset within a rollout": Place(2, "begun", 3, [3]),
    "a reset between rollouts": Place(5, "begun", 6, [6]),
    "a reward": Place(4, "reward", 4, [4]),
    "the reward of a game": Place(1, "game", 1, [1]),
}


def vector(x):
    return x[:, None].repeat(1, 2)


def goals(x):
    """Of the three keys one is bad."""
    return {
        key: vector(x if key == "achieved_goal" else x.nan_to_num(0, 0, 0)) for key in GOAL_KEYS
    }


KINDS = {
    "plain": (vector, Box(-9, 9, (2,))),
    "a number": (torch.clone, Box(-9, 9, ())),
    "a matrix": (lambda x: x[:, None, None].repeat(1, 2, 3), Box(-9, 9, (2, 3))),
    "goals": (goals, Dict({key: Box(-9, 9, (2,)) for key in GOAL_KEYS})),
    "float16": (lambda x: vector(x).half(), Box(-9, 9, (2,))),
    "float64": (lambda x: vector(x).double(), Box(-9, 9, (2,))),
}


def faulty(place, value, observe, space):
    """Observations are the steps of the episode so far, and each step is worth 1."""

    def given(what, t, x):
        x = torch.full((2,), float(x))
        if (t, what) == (place.step, place.where):
            x[1] = value
        return x

    def reset(seed):
        return 0, observe(given("begun", -1, 0))

    def step(t, action):
        reached, over = observe(given("reached", t, t % 3 + 1)), torch.full((2,), t % 3 == 2)
        following = observe(given("begun", t, 0)) if over[0] else reached
        game = EpisodeCount(given("game", t, 1), over)
        outcome = Transition(reached, given("reward", t, 1), over, torch.zeros(2).bool(), game)
        return t + 1, following, outcome

    return Env(reset, step, space, Discrete(2), 2, "faulty")


def two_rollouts(place, value, non_finite, kind="plain"):
    """Both as one, what the policy acted on in each step, and the reports."""
    acted_on = []

    def act(params, observation, memory, source):
        acted_on.append(observation)
        return torch.zeros(2).long(), memory

    policy = Policy(lambda n, seed: (), act, lambda params, rollout: torch.zeros(NUM_STEPS, 2))
    pipe = collect(faulty(place, value, *KINDS[kind]), policy, NUM_STEPS, non_finite)
    params = ppo(envs.cartpole(2), PPO(num_steps=8, num_minibatches=1, hidden=(2,))).init(0)
    params["normalizer"] = no_moments(**{"return": ()})
    if kind in ("plain", "float64"):
        params["normalizer"] = no_moments(**{"observation": (2,), "return": ()})
    state, rollouts, reports = pipe.init(params, 0), [], []
    for _ in range(2):
        state, rollout, report = pipe.step(params, state)
        mask = torch.ones(NUM_STEPS, 2).bool()
        rollouts.append(rollout.update({"mask": rollout.get("mask", mask)}))
        reports.append(report)
    return torch.cat(rollouts), acted_on[-2 * NUM_STEPS :], reports


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PLACES)
def test_the_place_is_named(name, kind, value):
    """Environment, step and key, also where no step gave it but a reset."""
    place = PLACES[name]
    what = "reward" if place.where in ("reward", "game") else "observation"
    with pytest.raises(ValueError, match="environment 1 of faulty gave") as refused:
        two_rollouts(place, value, fail, kind)
    said = str(refused.value)
    assert f"{what} that is not finite, at step {place.raised % NUM_STEPS} of the rollout" in said
    assert ("from reset" in said) == (place.where == "begun") and f" is {value}" in said
    if kind == "goals" and what == "observation":
        assert "observation['achieved_goal'][0]" in said


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PLACES)
def test_what_is_dropped_is_masked_and_counted_once(name, kind, value):
    rollout, acted_on, reports = two_rollouts(PLACES[name], value, mask, kind)
    assert (~rollout["mask"][:, 1]).nonzero().flatten().tolist() == PLACES[name].masked
    assert rollout["mask"][:, 0].all()
    assert sum(report.sums.get("non_finite", 0) for report in reports) == 1
    check_finite(rollout, acted_on)
    assert all(report.episodes["return"].isfinite().all() for report in reports)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PLACES)
def test_what_is_clipped_is_what_the_policy_acted_on(name, kind, value):
    """7 for what is infinite, and 0 for no number."""
    place, expected = PLACES[name], {NAN: 0, INF: 7, -INF: -7}[value]
    rollout, acted_on, reports = two_rollouts(place, value, clamp(7.0), kind)
    assert rollout["mask"].all() and sum(r.sums.get("non_finite", 0) for r in reports) == 1
    check_finite(rollout, acted_on)
    if place.where == "begun":
        (x, *_) = (
            x for x in leaves(rollout["observation"]) if (x[place.raised, 1] == expected).all()
        )
        assert x.isfinite().all()
    if place.where == "reward":
        assert rollout["next", "reward"][place.step, 1] == expected


def check_finite(rollout, acted_on):
    assert all(x.isfinite().all() for x in rollout.flatten_keys().values())
    for t, observation in enumerate(acted_on):
        recorded = rollout["observation"][t]
        for key in recorded.keys() if isinstance(observation, dict) else [...]:
            assert torch.equal(observation[key], recorded[key])


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize("kind", ["plain", "float64"])
@pytest.mark.parametrize("name", PLACES)
def test_moments_are_of_what_is_not_masked(name, kind, value):
    rollout, _, reports = two_rollouts(PLACES[name], value, mask, kind)
    kept, sums = rollout["mask"], [report.moments for report in reports]
    rows = rollout["observation"][kept].double()
    expected = torch.stack(
        [torch.full((2,), float(len(rows))).double(), rows.sum(0), rows.square().sum(0)]
    )
    assert torch.equal(sum(x["observation"] for x in sums), expected)
    assert sum(x["return"] for x in sums)[0] == kept.sum()


def test_a_trace_of_rewards_goes_on_over_what_is_masked():
    """Of 1, a bad one, and 1, gamma 1/2: 1, (1/2), 5/4; with those of the other 1, 3/2, 7/4."""
    from nappo2.maths import returns

    over = torch.zeros(3, 2).bool()
    reward = torch.tensor([[1.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
    so_far = returns.running_return(reward, over, torch.zeros(2), 0.5)
    mask = torch.tensor([[True, True], [False, True], [True, True]])
    assert moments(so_far, mask).tolist() == [5, 6.5, 1 + 1.25**2 + 1 + 1.5**2 + 1.75**2]


def test_a_far_mean_stays_where_one_step_in_many_is_dropped():
    """Features of 1000 +- 1: the standard deviation is 1, and not 44.7, which one zero in 500 makes it."""
    x = 1000 + torch.randn(250, 2, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(250, 2).bool()
    mask[100, 1] = x[100, 1] = 0
    count, total, square = moments(x, mask)
    assert count == 499 and (square / count - (total / count) ** 2).sqrt() == pytest.approx(
        1, abs=0.1
    )


@pytest.mark.parametrize("limit", [0, -1.0, NAN, INF, "10", None, True])
def test_a_limit_that_is_none_is_refused(limit):
    with pytest.raises(ValueError, match=f"^limit is (above 0|a number), not {limit!r}"):
        clamp(limit)


@pytest.mark.parametrize(
    ("non_finite", "given"), [("mask", "'mask'"), (None, "None"), (clamp, "the function clamp")]
)
def test_what_treats_nothing_is_refused(non_finite, given):
    s = ppo(envs.cartpole(2), config())
    with pytest.raises(ValueError, match=f"^non_finite is a function of 2 arguments, not {given}$"):
        collect(s.env, s.policy, 4, non_finite)


def test_no_limit_is_beyond_what_a_dtype_holds():
    """65504 is the largest float16."""
    rollout, acted_on, _ = two_rollouts(PLACES["a step"], INF, clamp(1e6), "float16")
    assert rollout["observation"][2, 1].tolist() == [65504, 65504]
    check_finite(rollout, acted_on)


# --- environments that move as many


def physics(place, value, good=1):
    """As ``faulty``, of tensors; only so many resets of both are good."""

    def start(number, rng):
        begun = torch.zeros(number, 1).double()
        if place == "reset":
            begun[2 * good :] = value
        return begun

    def step(x, action):
        reached = torch.where(x.isfinite(), x, 0) + 1
        reward, bad = torch.ones(len(x)), reached[:, 0] == 2
        if place == "reward":
            reward = torch.where(bad, value, reward)
        return torch.where(bad[:, None] & (place == "step"), value, reached), reward, x[:, 0] >= 2

    space = Box(-9, 9, (1,))
    return physics_env("physics", 2, start, step, torch.Tensor.float, 3, space, Discrete(2))


def first_rollout(pipe, params):
    return pipe.step(params, pipe.init(params, 0))


def config(**changes):
    return PPO(num_steps=NUM_STEPS, num_minibatches=1, num_epochs=1, hidden=(4,), **changes)


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize("place", ["step", "reset", "reward"])
def test_members_are_guarded_too(place, value):
    """By fail at once, by clip one after the other; they have one size, so nothing is dropped."""
    s = ppo(physics(place, value), config())
    many = population(s, 2)
    with pytest.raises(
        ValueError, match=r"environment \d of physics gave .* is not finite, at step"
    ):
        first_rollout(many.line, many.init(0))
    s = ppo(physics(place, value), config())
    many = population(s.replace(non_finite=clamp(7.0)), 2)
    _, rollouts, report = first_rollout(many.line, many.init(0))
    assert all(x.isfinite().all() for x in rollouts.flatten_keys().values())
    assert report.sums["non_finite"] > 0
    with pytest.raises(ValueError, match="a population cannot mask transitions"):
        population(s.replace(non_finite=mask), 2)


@pytest.mark.learning  # as compiling takes long
@pytest.mark.parametrize(("place", "value"), [("step", INF), ("reset", NAN)])
def test_a_compiled_rollout_is_guarded_as_any(place, value):
    for non_finite in (fail, mask, clamp(7.0)):
        results = []
        for jit in (False, True):
            s = ppo(physics(place, value), config())
            pipe = collect(s.env, s.policy, NUM_STEPS, non_finite, jit)
            try:
                results.append(first_rollout(pipe, s.init(0))[1])
            except ValueError as error:
                results.append(str(error))
        eager, compiled = results
        assert isinstance(eager, str) == isinstance(compiled, str) == (non_finite is fail)
        if non_finite is fail:
            assert eager == compiled
        else:
            assert set(eager.keys(True, True)) == set(compiled.keys(True, True))
            for key, x in eager.flatten_keys().items():
                torch.testing.assert_close(compiled.flatten_keys()[key], x)


@pytest.mark.parametrize("value", [NAN, INF])
def test_a_bad_reset_leaves_params_as_they_were(value):
    """Those of the rollout before it; by default the run ends."""
    s = ppo(physics("reset", value, good=3), config())
    pipe, params = scheme("3cs", s), s.init(0)
    state = pipe.init(params, 0)
    with pytest.raises(ValueError, match="from reset"):
        for _ in range(3):
            state, params, _ = pipe.step(params, state)
    assert all(x.isfinite().all() for x in params.exclude("hyper").flatten_keys().values())


def test_rewards_that_add_up_to_infinity_end_no_run():
    """3e38 a step is a number in float32, and the return of a whole episode is none."""
    cartpole = envs.cartpole(2, time_limit=3)

    def step(state, action):
        state, observation, outcome = cartpole.step(state, action)
        return state, observation, outcome._replace(reward=3e38 * outcome.reward)

    s = ppo(cartpole._replace(step=step, physics=None, many=None), config())
    run = Learner(scheme("3cs", s), s.init(0), 0, 48, progress=False)
    run.run()
    assert not math.isfinite(run.metrics[-1]["episode_return"])
    assert run.sums["refused_moments"] == 4
    assert run.params["normalizer", "return", "moments"][0] == 0
    assert run.params["normalizer", "observation", "moments"][0, 0] == 48
    assert run.params["weights"].isfinite().all()

"""Compiled learning, which is learning."""

import warnings
from contextlib import nullcontext
from functools import partial

import pytest
import torch
from gymnasium.spaces import Box, Discrete
from torch._dynamo.utils import counters
from torch.utils._pytree import tree_flatten

from nappo2 import (
    PPO,
    PQN,
    SAC,
    VPG,
    Impala,
    collect,
    envs,
    fold_in,
    impala,
    map_items,
    population,
    ppo,
    pqn,
    ravel,
    sac,
    scheme,
    vpg,
)
from nappo2.batch import with_columns
from nappo2.machine.compiling import compiled
from nappo2.populations._population import member
from nappo2.reports import join
from nappo2.stages.learning.scan_loop import scan_program
from nappo2.stages.recipe import collect_of
from tests.makers.recipes import REPLAYED, fused, pendulum_ppo
from tests.makers.stepping import train

LONG = pytest.mark.learning  # as compiling takes long


def test_compiled_learning_is_learning(strict):
    """Within 1e-5, over three rollouts."""
    one, other = pendulum_ppo(jit=True), pendulum_ppo()
    params, reports = train(fused(one), one.init(0))
    expected, their_reports = train(fused(other), other.init(0))
    ours, theirs = (ravel(p["weights"])[0] for p in (params, expected))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    for name, mean in reports[-1].means.items():
        theirs = their_reports[-1].means[name].value
        torch.testing.assert_close(mean.value, theirs, atol=1e-4, rtol=1e-3)


@LONG
@pytest.mark.timeout(1800)  # of sequences each step is compiled
@pytest.mark.parametrize("name", [name for name in REPLAYED if name != "td3"])
def test_compiled_replayed_learning_is_learning(name, strict):
    """Within 1e-5; actor and targets of delayed TD3 move at every other update only."""
    found = []
    for jit in (False, True):
        s = REPLAYED[name](jit=jit)
        params, _ = train(fused(s), s.init(0), 3)
        found.append(ravel({name: params[name].to_dict() for name in ("weights", "target")})[0])
    torch.testing.assert_close(*found, atol=1e-5, rtol=0)


@LONG
def test_a_rollout_of_one_batch_is_compiled_too(strict):
    """Within 1e-5; a scan of length 1 is C++ that does not compile."""
    found = []
    for jit in (False, True):
        config = SAC(num_steps=1, start_steps=0, batch_size=8, capacity=64, hidden=(8,), jit=jit)
        s = sac(envs.pendulum(1), config)
        params, _ = train(fused(s), s.init(0), 4)
        assert params["version"] == 4
        found.append(ravel(params["weights"])[0])
    torch.testing.assert_close(*found, atol=1e-5, rtol=0)


@LONG
def test_compiled_rollouts_of_values_are_rollouts(strict):
    """Of PQN, with epsilon: the actions are the same, and weights within 1e-5 after two rollouts."""
    found = []
    for jit in (False, True):
        s = pqn(envs.cartpole(4), PQN(num_steps=16, hidden=(8,), exploration_updates=16, jit=jit))
        params, _ = train(fused(s), s.init(0), 2)
        found.append(ravel(params["weights"])[0])
    torch.testing.assert_close(*found, atol=1e-5, rtol=0)


@LONG
def test_compiled_gradients_are_gradients(strict):
    """Of PPO, in 2dacs with two learners, within 1e-5 after 8 updates."""
    found = []
    for jit in (False, True):
        s = ppo(envs.pendulum(2), PPO(num_steps=32, num_minibatches=4, hidden=(8,), jit=jit))
        params, _ = train(scheme("2dacs", s), s.init(0), 8)
        found.append(ravel(params["weights"])[0])
    torch.testing.assert_close(*found, atol=1e-5, rtol=0)


def test_a_program_is_found_again_on_disk_and_not_taken_for_another(tmp_path, monkeypatch):
    """Three scans of two steps from 1: times 2, times 3, and times 2 again: 4, 9 and 4."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    spec, found = tree_flatten((torch.ones(3),))[1], []
    for factor in (2.0, 3.0, 2.0):
        torch._dynamo.reset()  # forgets what is in memory, as a new process would

        def times(still, carry, batch, x, factor=factor):
            return (carry[0] * factor + x,), {"sum": carry[0].sum()}

        run = scan_program(times, spec)
        before = counters["inductor"]["fxgraph_cache_hit"]
        (value,), _ = run({}, (torch.ones(3),), {}, torch.zeros(2, 3))
        found.append((value[0].item(), counters["inductor"]["fxgraph_cache_hit"] - before))
    assert found == [(4.0, 0), (9.0, 0), (4.0, 1)]


def test_a_program_looks_at_the_names_of_what_it_is_given():
    """The sum of 1, of 1 and 2, and of 1 again."""
    total = compiled(lambda numbers: sum(numbers.values()))
    one, two = torch.ones(1), torch.full((1,), 2.0)
    found = [total(numbers).item() for numbers in ({"a": one}, {"a": one, "b": two}, {"a": one})]
    assert found == [1, 3, 1]


TORCH = {
    "cartpole": envs.cartpole(3, time_limit=12),
    "pendulum": envs.pendulum(3, time_limit=7),
    "mountain car": envs.mountain_car(3, time_limit=7),
    "acrobot": envs.acrobot(3, time_limit=7),
    "catch": envs.catch(3),
    "four rooms": envs.four_rooms(3, time_limit=7),
    "a bandit, whose state is what is observed and stays": envs.physics_env(
        "bandit",
        3,
        lambda num, rng: torch.rand(num, 2, generator=rng),
        lambda physics, action: (physics, physics[:, 0], physics[:, 1] > 2),
        lambda physics: physics,
        7,
        Box(0, 1, (2,)),
        Discrete(2),
    ),
    "without velocities": envs.masked_cartpole(3, time_limit=12),
}
SHORT = {"num_steps": 10, "num_epochs": 1, "num_minibatches": 1, "hidden": (8,)}


@pytest.mark.parametrize(
    "name", [name if name == "cartpole" else pytest.param(name, marks=LONG) for name in TORCH]
)
def test_a_compiled_rollout_is_a_rollout(name, strict):
    """All keys within 1e-5, over three rollouts in which episodes end; seeds and returns too."""
    env, found = TORCH[name], []
    for jit in (False, True):
        s = ppo(env, PPO(**SHORT, jit=jit))
        source = collect_of(s) | s.prepare
        params, reports = s.init(0), []
        state = source.init(params, 0)
        for _ in range(3):
            state, rollout, report = source.step(params, state)
            reports.append(report)
        found.append((rollout, state["collect"], join(reports)))
    (eager, state, theirs), (jit, after, ours) = found
    assert set(jit.keys(True, True)) == set(eager.keys(True, True))
    for key in eager.keys(True, True):
        torch.testing.assert_close(jit[key], eager[key], atol=1e-5, rtol=1e-5)
    assert (after.seed, after.env.starts[::2]) == (state.seed, state.env.starts[::2])
    assert torch.equal(after.env.starts.states, state.env.starts.states)
    assert len(theirs.episodes["return"]) > 3
    torch.testing.assert_close(ours.episodes, theirs.episodes, atol=1e-4, rtol=1e-5)


ON_POLICY = {
    "gae": (ppo, partial(PPO, num_epochs=1, num_minibatches=1)),
    "vtrace": (impala, Impala),
    "standardized": (vpg, VPG),
}


@LONG
@pytest.mark.parametrize("name", ON_POLICY)
def test_a_compiled_population_collects_and_prepares_as_its_members_do(name, strict):
    """Three members, after an update: each rollout of one call is that member's own, by the same programs."""
    recipe, config = ON_POLICY[name]
    short = {"num_steps": 10, "hidden": (8,)}
    many = population(recipe(TORCH["cartpole"], config(**short, jit=True)), 3)
    pipe, params = scheme("3cs", many), many.init(5)
    counters.clear()
    state, params, _ = pipe.step(params, pipe.init(params, 5))
    before = counters["stats"]["unique_graphs"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, rollouts, _ = many.collect.step(params, state)
    assert counters["stats"]["unique_graphs"] == before == 3
    s = recipe(TORCH["cartpole"], config(**short))
    source = collect_of(s) | s.prepare
    for i in range(3):
        first, own = s.init(fold_in(5, i)), member(params, i)
        after, _, _ = source.step(first, source.init(first, fold_in(5, i)))
        _, rollout, _ = source.step(own, after)
        for key in rollout.keys(True, True):
            torch.testing.assert_close(rollouts[i][key], rollout[key], atol=1e-5, rtol=1e-5)


def test_where_a_rollout_cannot_be_compiled_it_goes_on_without(monkeypatch):
    def broken(*args):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr("nappo2.stages.collecting.scanned_interaction.roll", broken)
    found = []
    for jit in (False, True):
        s = ppo(TORCH["cartpole"], PPO(**SHORT, jit=jit))
        params = s.init(0)
        with pytest.warns(match="collect cannot be compiled") if jit else nullcontext():
            found.append(collect_of(s).step(params, collect_of(s).init(params, 0))[1])
    assert (found[0] == found[1]).all()


def test_only_what_is_in_torch_is_compiled_as_a_rollout():
    """A step that was replaced is not passed over, and no simulator is taken for a formula."""
    env, policy = TORCH["cartpole"], ppo(TORCH["cartpole"], PPO(**SHORT)).policy
    slow = env._replace(step=lambda state, action: env.step(state, action))
    for other in (slow, envs.from_gym("CartPole-v1", 3)):
        with pytest.raises(ValueError, match="cannot be compiled: jit takes an environment of"):
            collect(other, policy, 10, jit=True)
        assert not dict(collect_of(ppo(other, PPO(**SHORT, jit=True))).stages[0].arguments)["jit"]
    assert collect(env, policy, 10, jit=True)


def test_compiled_tanh_is_tanh():
    """Within 2e-7 from -20 to 20; its slope, 1 - y^2, within twice that and a rounding."""
    x = torch.linspace(-20, 20, 4001, requires_grad=True)
    y = compiled(lambda x: torch.tanh(x))(x)
    torch.testing.assert_close(y, x.tanh(), atol=2e-7, rtol=0)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(slope, 1 - x.detach().tanh().square(), atol=5e-7, rtol=0)


@LONG
def test_plain_functions_take_part_in_what_a_compiled_population_prepares():
    """One that makes advantages 100 times as large has no stage: it is no part of a program, and runs."""

    def larger(source):
        def step(params, state):
            state, item, report = source.step(params, state)
            return state, with_columns(item, {"advantage": 100 * item["advantage"]}), report

        return source._replace(step=step)

    for place in (lambda prepare: prepare | larger, lambda prepare: prepare | larger | renamed()):
        found = []
        for jit in (False, True):
            recipe = ppo(TORCH["cartpole"], PPO(**SHORT, jit=jit))
            many = population(recipe.replace(prepare=place(recipe.prepare)), 2)
            params = many.init(0)
            _, rollout, _ = many.collect.step(params, many.collect.init(params, 0))
            found.append(rollout["advantage"])
        torch.testing.assert_close(*found, atol=1e-4, rtol=1e-5)
        assert found[0].abs().max() > 100


def renamed():
    return map_items(lambda params, rollout: rollout, name="renamed")

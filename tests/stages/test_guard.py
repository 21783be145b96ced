"""What is not finite is caught where it enters, and moves no weight."""

import glob

import numpy as np
import pytest
import torch

from nappo2 import (
    PPO,
    SAC,
    Learner,
    clamp,
    collect,
    envs,
    guard,
    mask,
    optim,
    ppo,
    sac,
    scheme,
)
from nappo2.stages import fail
from nappo2.stages.learning.refused_batches import MOST
from nappo2.stages.recipe import collect_of, learn_of

NAN, INF = float("nan"), float("inf")


def faulty(wrong, num_envs=2, base=envs.cartpole):
    """An environment; at step t, ``wrong[t]`` is (environment, key, what it gives instead)."""
    env = base(num_envs, time_limit=1000)

    def reset(seed):
        state, observation = env.reset(seed)
        return (state, 0), observation

    def step(pair, action):
        state, t = pair
        state, observation, outcome = env.step(state, action)
        for b, key, value in wrong(t):
            x = getattr(outcome, key).clone()
            x[b] = value
            outcome = outcome._replace(**{key: x})
            if key == "observation":
                observation = observation.clone()
                observation[b] = value
        return (state, t + 1), observation, outcome

    return env._replace(reset=reset, step=step, save=None, load=None)


def once(t, *fault):
    return lambda step: [fault] if step == t else []


def rollout(wrong, non_finite, num_steps=8):
    recipe = ppo(faulty(wrong), PPO(num_steps=num_steps, num_minibatches=1, hidden=(4,)))
    pipe, params = collect(recipe.env, recipe.policy, num_steps, non_finite), recipe.init(0)
    _, found, report = pipe.step(params, pipe.init(params, 0))
    return found, report


def test_it_is_said_where_it_came_from():
    with pytest.raises(
        ValueError, match=r"environment 1 of cartpole gave a reward that is not finite, at step 2"
    ):
        rollout(once(2, 1, "reward", INF), fail)


def test_what_is_dropped_is_masked_and_the_trace_is_cut_before_it():
    """Of environment 1, step 3 leads to a bad observation and step 4 begins with it: 3 and 4 go, 2 is cut."""
    found, report = rollout(once(3, 1, "observation", NAN), mask)
    assert found["mask"].all(0).tolist() == [True, False]
    assert (~found["mask"][:, 1]).nonzero().flatten().tolist() == [3, 4]
    assert found["next", "truncated"][:, 1].tolist() == [t in (2, 3, 4) for t in range(8)]
    assert found["next", "done"][:, 1].tolist() == [t in (2, 3, 4) for t in range(8)]
    assert all(x.isfinite().all() for x in found.flatten_keys().values())
    assert report.sums["non_finite"] == 1 and report.sums["env_steps"] == 16
    assert len(report.episodes["return"]) == 0  # no episode has ended


def test_a_bad_observation_at_the_end_is_dropped_from_the_next_rollout_too():
    recipe = ppo(
        faulty(once(3, 0, "observation", NAN)), PPO(num_steps=4, num_minibatches=1, hidden=(4,))
    )
    pipe, params = collect_of(recipe.replace(non_finite=mask)), recipe.init(0)
    state, first, _ = pipe.step(params, pipe.init(params, 0))
    _, second, report = pipe.step(params, state)
    assert first["mask"][:, 0].tolist() == [True, True, True, False]
    assert second["mask"][:, 0].tolist() == [False, True, True, True]
    assert "non_finite" not in report.sums  # it was counted where it entered


def test_what_is_clipped_is_a_number():
    found, report = rollout(once(1, 0, "reward", -INF), clamp(10.0))
    assert found["next", "reward"][1, 0] == -10 and report.sums["non_finite"] == 1
    found, _ = rollout(once(1, 0, "observation", NAN), clamp())
    assert (found["observation"][2, 0] == 0).all() and "mask" not in found.keys()


def test_where_all_is_finite_nothing_changes(same):
    plain, _ = rollout(lambda t: [], fail)
    for non_finite in (mask, clamp()):
        assert same(rollout(lambda t: [], non_finite)[0], plain)


@pytest.mark.parametrize("name", ["3cs", "2dacs", "dadacs"])
@pytest.mark.parametrize("make_recipe, config, base", [
    (ppo, PPO(num_steps=16, num_minibatches=2, num_epochs=1, hidden=(4,)), envs.cartpole),
    (sac, SAC(num_steps=4, capacity=100, batch_size=8, start_steps=8, hidden=(4,)), envs.pendulum),
])  # fmt: skip
def test_one_bad_step_in_a_hundred_reaches_no_loss(make_recipe, config, base, name):
    """Every 50 steps of the first of two environments; as many are counted as were given."""
    given = []

    def wrong(t):
        kind = t // 50 % 3
        if t % 50 != 7:
            return []
        given.append(t)
        return [[(0, "observation", NAN)], [(0, "reward", NAN)], [(0, "reward", INF)]][kind]

    recipe = make_recipe(faulty(wrong, base=base), config)
    recipe = recipe.replace(non_finite=mask)
    run = Learner(scheme(name, recipe), recipe.init(0), 0, 700, progress=False)
    list(run)
    assert run.sums["non_finite"] >= 3 and len(given) - run.sums["non_finite"] <= 2  # in flight
    assert all(np.isfinite(row["loss"]) for row in run.metrics if "loss" in row)
    assert run.params["weights"].isfinite().all()


def test_guard_stands_where_data_enters(same):
    """There it is what ``collect`` is told itself."""
    recipe = ppo(faulty(once(1, 0, "reward", NAN)), PPO(num_steps=8, num_minibatches=1))
    pipe, params = collect_of(recipe) | guard(mask), recipe.init(0)
    expected = collect_of(recipe.replace(non_finite=mask))
    found = [x.step(params, x.init(params, 0))[1] for x in (pipe, expected)]
    assert same(*found) and not found[0]["mask"].all()
    with pytest.raises(ValueError, match="guard stands right of collect"):
        collect_of(recipe) | recipe.prepare | guard(mask)


def test_a_limit_is_above_0():
    with pytest.raises(ValueError, match="limit is above 0, not -1"):
        clamp(-1)


# --- gradients


def broken(recipe, at):
    """The recipe, whose ``at``-th gradients are not a number."""

    loss = recipe.loss

    def times_nan(params, batch):
        value, means = loss(params, batch)
        return torch.where(torch.isin(params["version"], torch.tensor(at)), NAN, 1.0) * value, means

    return recipe.replace(loss=times_nan)


PASSES = PPO(num_steps=8, num_minibatches=2, num_epochs=2, hidden=(4,))
ONE_UPDATE = PPO(num_steps=4, num_minibatches=1, num_epochs=1, hidden=(4,))
"""A rollout of 8 transitions for one update, so that a step of any scheme has one."""


def stepped(name, at, num=8, config=PASSES, **options):
    recipe = broken(ppo(envs.cartpole(2), config), at)
    pipe = scheme(name, recipe, **options)
    state, params = pipe.init(recipe.init(0), 0), recipe.init(0)
    seen = [(params, _optimizer(state))]
    for _ in range(num):
        state, params, _ = pipe.step(params, state)
        seen.append((params, _optimizer(state)))
    return seen


def _optimizer(state):
    return state["update"] if "update" in state else state["learners"].ask(0)["update"]


@pytest.mark.parametrize("name", ["2dacs", "3ds"])
def test_a_gradient_that_is_no_number_is_refused(name, same, tmp_path, monkeypatch):
    """The sixth: weights and optimizer are those before it to the last bit, and the seventh goes on."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("nappo2.stages.learning.refused_batches._numbers", iter(range(MOST)))
    seen = stepped(name, [5], config=ONE_UPDATE)
    (before, own), (after, left), (later, _) = seen[5:8]
    assert same(after["weights"], before["weights"]) and not same(
        later["weights"], after["weights"]
    )
    (adam, other) = (x.inner[1] for x in (own, left))
    assert all(torch.equal(x, y) for x, y in zip(adam, other, strict=True))
    assert (own.refused, left.refused) == (0, 1) and after["version"] == 6
    files = glob.glob(f"{tmp_path}/nappo2-refused-*.npz")
    assert len(files) == 2  # of both workers
    with np.load(files[0]) as batch:
        assert batch["observation"].shape == (8, 4) and "advantage" in batch


def test_three_in_a_row_end_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(FloatingPointError, match="3 gradients in a row were not finite"):
        stepped("2dacs", [3, 4, 5])
    assert stepped("2dacs", [3, 4, 6, 7])[-1][0]["version"] == 8


def test_a_fused_rollout_refuses_its_minibatches(same, tmp_path, monkeypatch):
    """Both of the second rollout; the third learns again."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("nappo2.stages.learning.refused_batches._numbers", iter(range(MOST)))
    recipe = ppo(envs.cartpole(2), PPO(num_steps=8, num_minibatches=2, num_epochs=1, hidden=(4,)))

    def loss(params, batch):
        value, means = recipe.loss(params, batch)
        return value * (NAN if params["version"] == 2 else 1.0), means

    pipe = recipe.replace(loss=loss).central
    params, seen = recipe.init(0), []
    state = pipe.init(params, 0)
    for _ in range(3):
        state, params, _ = pipe.step(params, state)
        seen.append(params)
    assert same(seen[1]["weights"], seen[0]["weights"])
    assert not same(seen[2]["weights"], seen[1]["weights"]) and state["update"].refused == 0
    assert len(glob.glob(f"{tmp_path}/nappo2-refused-*.npz")) == 1


@pytest.mark.parametrize(("make_recipe", "shape"), [("ppo", (16, 4)), ("sac", (4, 8, 3))])
def test_a_fused_rollout_that_ends_the_run_leaves_its_batch(
    make_recipe, shape, tmp_path, monkeypatch
):
    """PPO's three minibatches of 16 transitions; SAC's four batches of 8, all refused."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("nappo2.stages.learning.refused_batches._numbers", iter(range(MOST)))
    recipe = {
        "ppo": lambda: ppo(
            envs.cartpole(2), PPO(num_steps=8, num_minibatches=4, num_epochs=1, hidden=(4,))
        ),
        "sac": lambda: sac(
            envs.pendulum(2),
            SAC(num_steps=2, start_steps=0, batch_size=8, capacity=100, hidden=(4,)),
        ),
    }[make_recipe]()
    loss = recipe.loss
    recipe = recipe.replace(loss=lambda params, batch: (loss(params, batch)[0] * NAN, {}))
    pipe = collect_of(recipe) | recipe.prepare | learn_of(recipe)
    params = recipe.init(0)
    with pytest.raises(FloatingPointError) as error:
        pipe.step(params, pipe.init(params, 0))
    (file,) = glob.glob(f"{tmp_path}/nappo2-refused-*.npz")
    assert str(error.value).endswith(f"The batch is in {file}")
    with np.load(file) as batch:
        assert batch["observation"].shape == shape


def test_what_is_refused_changes_no_bit():
    """Not even the sign of a zero."""
    optimizer = optim.apply_if_finite(optim.adam())
    weights, state = torch.tensor([-0.0, 1.0]), None
    state = optimizer.init(weights)
    updates, state = optimizer.update(torch.tensor([INF, 1.0]), state, {"learning_rate": 0.1})
    moved = weights + updates
    assert moved.view(torch.int32).equal(weights.view(torch.int32)) and state.refused == 1
    updates, state = optimizer.update(torch.ones(2), state, {"learning_rate": 0.1})
    assert state.refused == 0 and updates.tolist() == pytest.approx([-0.1, -0.1])


def test_compiled_code_refuses_too():
    """By a choice instead of a branch, which is tested without the compiler."""
    from unittest.mock import patch

    optimizer = optim.apply_if_finite(optim.adam(), patience=1)
    state = optimizer.init(torch.ones(2))
    with patch("nappo2.optim.finite.is_traced", lambda x: True):
        updates, after = optimizer.update(torch.tensor([NAN, 1.0]), state, {"learning_rate": 0.1})
    assert updates.tolist() == [0, 0] and after.refused == 1 and after.inner.count == 0

"""Replay in proportion to how much transitions surprise."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tensordict import TensorDict

from nappo2 import adopt, envs, make_params
from nappo2.optim import linear
from nappo2.params import replaced
from nappo2.pipeline import Pipeline
from nappo2.recipes import DQN, double_dqn
from nappo2.reports import Report
from nappo2.seeds import generator
from nappo2.stages import prioritized_replay, replay
from nappo2.stages.recipe import collect_of
from nappo2.stages.replaying.prioritized import assigned, importance, none, sampled


def table(values, capacity):
    return assigned(none(capacity), torch.arange(len(values)), torch.tensor(values))


def test_how_often_is_in_proportion():
    """Priorities 1, 0, 3 of 7 places: of 4,000 draws, in equal parts, 1,000 and 3,000."""
    index, chance = sampled(table([1.0, 0.0, 3.0], 7), 4000, generator(0))
    assert index.bincount(minlength=7).tolist() == [1000, 0, 3000, 0, 0, 0, 0]
    assert set(chance.tolist()) == {0.25, 0.75}


@given(st.lists(st.floats(0.0, 10.0), min_size=1, max_size=40), st.integers(0, 99))
def test_nothing_without_priority_is_ever_drawn(values, seed):
    values = [*values, 1.0]
    index, chance = sampled(table(values, 50), 64, generator(seed))
    drawn = torch.tensor(values)[index]
    assert (drawn > 0).all()
    torch.testing.assert_close(chance, drawn.double() / sum(values), rtol=1e-5, atol=1e-9)


VALUES = st.lists(st.floats(0.0, 10.0), min_size=1, max_size=60).filter(lambda x: sum(x) > 0.1)


@given(values=VALUES, spare=st.integers(0, 50), num=st.integers(1, 400), seed=st.integers(0, 99))
def test_each_is_drawn_in_proportion(values, spare, num, seed):
    """One of each of ``num`` equal parts of the whole, so a share of p is met by less than two draws."""
    index, chance = sampled(table(values, len(values) + spare), num, generator(seed))
    share = torch.tensor(values, dtype=torch.float64) / sum(values)
    counts = index.bincount(minlength=len(values))
    assert len(counts) == len(values)
    assert ((counts - num * share).abs() < 2).all()
    torch.testing.assert_close(chance, share[index])


@given(values=VALUES, beta=st.floats(0.0, 1.0), num=st.integers(1, 100))
def test_weights_undo_the_chance(values, beta, num):
    """``weight * chance ** beta`` is one number, so with beta 1 all count as if drawn uniformly."""
    _, chance = sampled(table(values, len(values)), num, generator(0))
    weight = importance(chance, len(values), beta)
    assert weight.max() == 1
    undone = weight * chance**beta
    torch.testing.assert_close(undone, undone[:1].expand(num), rtol=1e-5, atol=0)


@given(
    capacity=st.integers(1, 40),
    writes=st.lists(st.lists(st.tuples(st.integers(0, 39), st.floats(0.0, 9.0)), max_size=9)),
)
def test_sums_are_those_of_the_rows_below(capacity, writes):
    """Whatever is written where, and once or twice; and the highest is the highest there ever was."""
    priorities, highest = none(capacity), 1.0
    for write in writes:
        index = torch.tensor([i % capacity for i, _ in write], dtype=torch.int64)
        values = torch.tensor([x for _, x in write], dtype=torch.float64)
        priorities = assigned(priorities, index, values)
        highest = max([highest, *values.tolist()])
    for level, sums in pairwise(priorities.levels()):
        torch.testing.assert_close(sums.view(-1), level.sum(1))
    assert priorities.highest == highest


def test_weights_make_up_for_the_chance():
    """Chances 1/4 and 3/4 of two: (1/2) and (3/2) to the power of -1, the largest is 1."""
    weight = importance(torch.tensor([0.25, 0.75]), 2, 1.0)
    torch.testing.assert_close(weight, torch.tensor([1.0, 1 / 3]))
    assert importance(torch.tensor([0.25, 0.75]), 2, 0.0).tolist() == [1, 1]


def weights_of_batches(beta, num):
    """The weights of ``num`` batches of one ring, where actions are their own priorities."""
    recipe = double_dqn(envs.cartpole(4), DQN(num_steps=50))
    pipe = collect_of(recipe) | prioritized_replay(
        200, 64, lambda params, batch: batch["action"].float(), beta=beta
    )
    params, found = recipe.init(0), []
    state = pipe.init(params, 0)
    for version in range(num):
        state, batch, _ = pipe.step(replaced(params, version=torch.tensor(version)), state)
        found.append(batch["importance"])
    return found


def test_beta_may_grow_with_the_updates_as_in_the_paper():
    """From 0 to 1 in two updates: the weights are those of 0, 1/2, 1 and 1."""
    growing = weights_of_batches(linear(0.0, 1.0, 2), 4)
    for i, beta in enumerate([0.0, 0.5, 1.0, 1.0]):
        assert torch.equal(growing[i], weights_of_batches(beta, 4)[i])
    assert not torch.equal(growing[1], growing[2])


@pytest.mark.parametrize(
    ("priority", "message"),
    [
        (lambda reward: reward * math.nan, "priority gives finite numbers, and of one .* gave nan"),
        (lambda reward: reward / 0, "priority gives finite numbers, and of one .* gave inf"),
        (lambda reward: reward[:, None], r"for each of 64 transitions, \[64\], not \[64, 1\]"),
        (lambda reward: reward.mean(), r"for each of 64 transitions, \[64\], not \[\]"),
    ],
)
def test_priorities_by_which_nothing_could_be_drawn_are_refused(priority, message):
    pipe = collect_of(double_dqn(envs.cartpole(4), DQN(num_steps=50))) | prioritized_replay(
        200, 64, lambda params, batch: priority(batch["next", "reward"])
    )
    params = double_dqn(envs.cartpole(4), DQN()).init(0)
    with pytest.raises(ValueError, match=message):
        pipe.step(params, pipe.init(params, 0))


def test_a_beta_that_begins_outside_is_refused():
    with pytest.raises(ValueError, match=r"beta is within 0 and 1, not 1\.5"):
        prioritized_replay(8, 1, lambda params, batch: batch["action"], beta=linear(1.5, 1.0, 9))


def test_what_surprises_comes_again():
    """With the position as its surprise, the far left and right are drawn more than the middle."""
    recipe = double_dqn(envs.cartpole(4), DQN(num_steps=50))
    params = recipe.init(0)
    pipe = collect_of(recipe) | prioritized_replay(
        200, 64, lambda params, batch: batch["action"].float(), alpha=1.0, update_ratio=10 / 200
    )
    state, batches = pipe.init(params, 0), []
    for _ in range(10):
        state, batch, _ = pipe.step(params, state)
        batches.append(batch)
    actions = [batch["action"].float().mean() for batch in batches]
    assert actions[0] < 0.7 and actions[-1] > 0.9  # whose action is 0 surprises no more
    assert (batches[-1]["importance"] <= 1).all() and batches[-1]["importance"].max() == 1


def counting(rows):
    """A source of rollouts [rows, 1], whose transitions are numbered from 0."""

    def step(params, state):
        start = state["counting"]
        number = torch.arange(start, start + rows)[:, None]
        item = TensorDict(number=number, batch_size=number.shape)
        return {"counting": start + rows}, item, Report({}, {"env_steps": rows})

    return Pipeline(lambda params, seed: {"counting": 0}, step)


def after(pipe, num):
    params = make_params(TensorDict(w=torch.zeros(1)))
    state = pipe.init(params, 0)
    for _ in range(num):
        state, batch, _ = pipe.step(params, state)
    return params, state, batch


def even(params, batch):
    """Even numbers surprise ten times as much as odd ones."""
    return 1.0 + 9.0 * (batch["number"] % 2 == 0)


@pytest.mark.parametrize("capacity", [4, 12])
def test_a_ring_is_adopted_with_its_priorities(capacity):
    """Of 8 that hold 4 to 11, by a replay of 4 or 12: the last that fit are there, each with a
    priority, so that of 400 draws each has some, even at a share of 1 in 80."""
    old, new = (
        counting(6) | prioritized_replay(size, 400, even, alpha=1.0) for size in (8, capacity)
    )
    params, state, _ = after(old, 12)
    state, batch, _ = new.step(params, adopt(new, state, params, 0))
    assert set(batch["number"].tolist()) == set(range(18 - capacity, 18))
    assert (state["priorities"].values.view(-1)[:capacity] > 0).all()


@pytest.mark.parametrize(("capacity", "later"), [(5, 5), (7, 7), (8, 8), (8, 12), (12, 12)])
def test_priorities_of_an_earlier_version_are_taken_over(capacity, later):
    """They were rows as long as the root of the capacity: of 0 to 4 the even ones have 30 of 32."""
    old, new = (
        counting(5) | prioritized_replay(size, 400, even, alpha=1.0) for size in (capacity, later)
    )
    params, state, _ = after(old, 1)
    width = int(capacity**0.5)
    values = torch.zeros(-(-capacity // width), width, dtype=torch.float64)
    values.view(-1)[:5] = state["priorities"].values.view(-1)[:5]
    earlier = state["priorities"]._replace(values=values, sums=values.sum(1))
    state = adopt(new, state | {"priorities": earlier}, params, 0)
    state, batch, _ = new.step(params, state)
    share = (batch["number"] % 2 == 0).float().mean().item()
    assert share == pytest.approx(30 / 32, abs=0.01)


def test_a_ring_without_priorities_is_adopted():
    """By uniform chances at first; once they have been drawn, the even numbers come ten times as often."""
    old, new = counting(6) | replay(8, 50), counting(6) | prioritized_replay(8, 400, even, alpha=1)
    params, state, _ = after(old, 6)
    state = adopt(new, state, params, 0)
    shares = []
    for _ in range(3):
        state, batch, _ = new.step(params, state)
        shares.append((batch["number"] % 2 == 0).float().mean().item())
    assert shares[0] == pytest.approx(1 / 2, abs=0.02)
    assert shares[1] == pytest.approx(10 / 11, abs=0.02)

"""Replay in proportion to how much transitions surprise."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from nappo2 import envs
from nappo2.algorithms import DQN, double_dqn
from nappo2.seeds import generator
from nappo2.stages import prioritized_replay
from nappo2.stages.prioritized import assigned, importance, none, sampled


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


def test_weights_make_up_for_the_chance():
    """Chances 1/4 and 3/4 of two: (1/2) and (3/2) to the power of -1, the largest is 1."""
    weight = importance(torch.tensor([0.25, 0.75]), 2, 1.0)
    torch.testing.assert_close(weight, torch.tensor([1.0, 1 / 3]))
    assert importance(torch.tensor([0.25, 0.75]), 2, 0.0).tolist() == [1, 1]


def test_what_surprises_comes_again():
    """With the position as its surprise, the far left and right are drawn more than the middle."""
    stages = double_dqn(envs.cartpole(4), DQN(num_steps=50))
    params = stages.init(0)
    pipe = stages.collect | prioritized_replay(
        200, 64, lambda params, batch: batch["action"].float(), alpha=1.0, update_ratio=10 / 200
    )
    state, batches = pipe.init(params, 0), []
    for _ in range(10):
        state, batch, _ = pipe.step(params, state)
        batches.append(batch)
    actions = [batch["action"].float().mean() for batch in batches]
    assert actions[0] < 0.7 and actions[-1] > 0.9  # whose action is 0 surprises no more
    assert (batches[-1]["importance"] <= 1).all() and batches[-1]["importance"].max() == 1

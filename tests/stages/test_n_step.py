"""Returns of several steps."""

from itertools import permutations

import pytest
import torch
from tensordict import TensorDict

from nappo2 import actor_critic, collect, envs, mlp, stochastic, workers
from nappo2.losses.critics import target
from nappo2.maths.distributions import categorical
from nappo2.params import make_params
from nappo2.pipeline import Pipeline
from nappo2.reports import Report
from nappo2.stages import (
    discounted,
    gae,
    hindsight,
    n_step,
    replay,
    rolling_n_step,
    rolling_windows,
    vtrace,
    windows,
)
from nappo2.stages.replaying.n_step import summed

PARAMS = make_params(TensorDict(w=torch.zeros(1)), gamma=0.5)


def rollout(reward, done):
    """Of one environment, which is in state t at time t."""
    steps = torch.arange(len(reward)).float()
    flags = torch.tensor(done)[:, None]
    return TensorDict(
        {
            "observation": steps[:, None],
            "next": {
                "observation": steps[:, None] + 1,
                "reward": torch.tensor(reward)[:, None],
                "terminated": flags,
                "done": flags,
            },
        },
        batch_size=(len(reward), 1),
    )


def test_three_steps_by_hand():
    """Discount 1/2: 1 + 2/2 + 4/4 = 3; the episode ends with 4, and the rollout with 8."""
    found = summed(PARAMS, rollout([1.0, 2.0, 4.0, 8.0], [False, False, True, False]), 3)["next"]
    assert found["reward"][:, 0].tolist() == [3, 4, 4, 8]
    assert found["steps"][:, 0].tolist() == [3, 2, 1, 1]
    assert found["observation"][:, 0].tolist() == [3, 3, 3, 4]
    assert found["terminated"][:, 0].tolist() == [True, True, True, False]


def test_one_step_changes_nothing():
    before = rollout([1.0, 2.0], [False, True])
    after = summed(PARAMS, before, 1)["next"]
    assert (after["reward"] == before["next", "reward"]).all() and (after["steps"] == 1).all()


def test_what_follows_is_discounted_once_per_step():
    """Two steps to a value of 8: 3 + 8/4."""
    reached = {
        "reward": torch.tensor([3.0]),
        "terminated": torch.tensor([False]),
        "steps": torch.tensor([2.0]),
    }
    assert target(PARAMS.to_dict(), reached, torch.tensor([8.0])) == 5


AGENT = actor_critic(mlp(4, 4, 2), mlp(4, 4, 1))
REMAKERS = {
    "n_step": lambda: n_step(2),
    "rolling_n_step": lambda: rolling_n_step(2),
    "hindsight": lambda: hindsight(lambda achieved, desired: -1.0),
    "windows": lambda: windows(4, 2),
    "rolling_windows": lambda: rolling_windows(4, 2),
}
ADVANTAGES = {
    "gae": lambda: gae(AGENT),
    "vtrace": lambda: vtrace(AGENT, categorical()),
    "discounted": lambda: discounted(AGENT),
}
PAIRS = [*permutations(REMAKERS, 2), *[(x, y) for x in REMAKERS for y in ADVANTAGES]]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_what_makes_others_of_single_steps_is_refused_left_of_what_takes_these(first, second):
    """When the pipe is made: n steps that are relabelled, or sequences of n steps, would be wrong sums."""
    source = collect(envs.cartpole(2), stochastic(AGENT.actor, categorical()), 8)
    with pytest.raises(ValueError, match=f"{second} does not stand right of {first}"):
        source | REMAKERS[first]() | (REMAKERS | ADVANTAGES)[second]()


@pytest.mark.parametrize("name", [*REMAKERS, *ADVANTAGES])
def test_a_batch_is_refused_where_a_rollout_is_taken(name):
    source = collect(envs.cartpole(2), stochastic(AGENT.actor, categorical()), 8) | replay(50, 4)
    params = make_params(AGENT.init(0), gamma=0.9)
    pipe = source | (REMAKERS | ADVANTAGES)[name]()
    with pytest.raises(ValueError, match=rf"{name} takes rollouts \[T, B\].*what came is \[4\]"):
        pipe.step(params, pipe.init(params, 0))


@pytest.mark.parametrize("length", [1, 2])
def test_rollouts_that_are_shorter_than_the_steps_to_sum_are_refused(length):
    """But for one that was cut short, which has a mask."""

    def yielding(item):
        source = Pipeline(lambda params, seed: {}, lambda params, state: (state, item, Report()))
        return (source | n_step(3)).step(PARAMS, {})[1]

    short = rollout([1.0] * length, [False] * length)
    with pytest.raises(ValueError, match=rf"n_step\(3\) sums 3 steps.*these have {length}"):
        yielding(short)
    cut = short.copy().update({"mask": torch.ones(length, 1, dtype=torch.bool)})
    assert yielding(cut)["next", "steps"][:, 0].tolist() == [*range(length, 0, -1)]


def rolled(lengths, num=3):
    """What is handed on of six steps, of which the third ends an episode, in rollouts of such lengths."""
    whole = rollout([1.0, 2.0, 4.0, 8.0, 16.0, 32.0], [False, False, True, False, False, False])
    parts = iter(whole.split(lengths))
    source = Pipeline(lambda params, seed: {}, lambda params, s: (s, next(parts), Report()))
    pipe, items = source | rolling_n_step(num), []
    state = pipe.init(PARAMS, 0)
    while sum(map(len, items)) < 7 - num:
        state, item, _ = pipe.step(PARAMS, state)
        items.append(item)
    assert len(state["rolling_n_step"].waiting) == num - 1
    return items, torch.cat(items)["next"]


@pytest.mark.parametrize("lengths", [[1] * 6, [6], [2, 1, 3], [4, 2]])
def test_three_steps_over_the_borders_of_rollouts_by_hand(lengths):
    """Discount 1/2: 1 + 2/2 + 4/4, then 4 twice, where the episode ended, and 8 + 16/2 + 32/4."""
    _, found = rolled(lengths)
    assert found["reward"][:, 0].tolist() == [3, 4, 4, 24]
    assert found["steps"][:, 0].tolist() == [3, 2, 1, 3]
    assert found["observation"][:, 0].tolist() == [3, 3, 3, 6]
    assert found["terminated"][:, 0].tolist() == [True, True, True, False]


def test_a_transition_is_handed_on_with_the_rollout_that_completes_it():
    items, _ = rolled([2, 1, 3])
    assert [len(item) for item in items] == [1, 3]


def test_steps_that_do_not_count_are_joined_to_those_that_do():
    """A rollout that was cut short has a mask, and one before it had none."""
    first, then = rollout([1.0, 2.0], [False, False]), rollout([4.0], [False])
    then["mask"] = torch.ones(1, 1, dtype=torch.bool)
    parts = iter([first, then])
    source = Pipeline(lambda params, seed: {}, lambda params, s: (s, next(parts), Report()))
    pipe = source | rolling_n_step(3)
    _, item, _ = pipe.step(PARAMS, pipe.init(PARAMS, 0))
    assert item["next", "reward"].tolist() == [[3]] and item["mask"].tolist() == [[True]]


def test_rollouts_of_several_workers_are_not_joined():
    source = collect(envs.cartpole(2), stochastic(AGENT.actor, categorical()), 8)
    with pytest.raises(ValueError, match=r"rolling_n_step does not stand right of workers, .* env"):
        source | workers(2) | rolling_n_step(2)

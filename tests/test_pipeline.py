"""Pipelines: what stands before a | runs alone, and what is added changes nothing of it."""

import pytest
import torch
from tensordict import TensorDict

from nappo2 import PPO, adopt, compose, each, envs, ppo, stage, unroll
from nappo2.pipeline import Pipeline, alike
from nappo2.reports import Report

CONFIG = PPO(num_steps=8, num_epochs=2, num_minibatches=2, hidden=(8,))
STAGES = ppo(envs.cartpole(2), CONFIG)


def counter() -> Pipeline:
    """A source that yields 0, 1, 2, ..."""

    def step(params, state):
        return {"n": state["n"] + 1}, TensorDict(n=torch.tensor(state["n"])), Report(sums={"n": 1})

    return Pipeline(lambda params, seed: {"n": 0}, step)


def test_a_pipeline_shows_its_line():
    pipe = STAGES.collect | STAGES.prepare | STAGES.batches | STAGES.gradients | STAGES.update
    line = "collect(num_steps=8) | placed | gae(lambda_=0.95) | minibatches(num_epochs=2, num_minibatches=2)"
    assert repr(pipe) == line + " | gradients | update"


def test_every_prefix_of_a_pipe_is_a_pipe():
    """What items are shows in their batch size."""
    pipe, params, shapes = STAGES.collect, STAGES.init(0), []
    for transform in (STAGES.prepare, STAGES.batches, STAGES.gradients, STAGES.update):
        shapes.append(tuple(pipe.step(params, pipe.init(params, 0))[1].batch_size))
        pipe = pipe | transform
    assert shapes == [(8, 2), (8, 2), (8,), ()]


def test_composing_transforms_is_applying_them_in_order():
    double = each(lambda _, item: item * 2, name="double")
    shift = each(lambda _, item: item + 1, name="shift")
    pipe = counter() | compose(double, shift)
    state = {"n": 5}
    assert pipe.step(None, state)[1]["n"] == 2 * 5 + 1
    assert repr(pipe) == "double | shift"


def test_unrolling_takes_each_step_with_the_params_of_the_one_before():
    """Adding 1, 0 + 1, ... to params: each step sees what the last one yielded."""

    def step(params, state):
        return state, params + 1, Report(sums={"steps": 1})

    pipe = Pipeline(lambda params, seed: {}, step) | unroll(5)
    _, params, report = pipe.step(10, {})
    assert params == 15 and report.sums["steps"] == 5


def test_a_new_stage_changes_nothing_of_the_others():
    params = STAGES.init(0)
    short = STAGES.collect | STAGES.batches
    long = STAGES.collect | STAGES.prepare | STAGES.batches
    one = short.step(params, short.init(params, 3))[1]
    other = long.step(params, long.init(params, 3))[1]
    assert (one["action"] == other["action"]).all()


def test_adopting_keeps_what_has_the_same_name_and_structure():
    params = STAGES.init(0)
    short, long = STAGES.collect, STAGES.collect | STAGES.prepare | STAGES.batches
    state, *_ = short.step(params, short.init(params, 3))
    adopted = adopt(long, state, params, 3)
    assert list(adopted) == ["collect", "minibatches"]
    assert adopted["collect"] is state["collect"]
    wider = ppo(envs.cartpole(4), CONFIG).collect
    assert len(adopt(wider, state, params, 3)["collect"].observation) == 4


def test_learning_goes_on_where_a_fused_stage_takes_over(same):
    """Composed for one rollout, fused for the next: as if fused twice."""
    s, params = STAGES, STAGES.init(0)
    fused = s.collect | s.prepare | s.learn
    composed = s.collect | s.prepare | s.batches | s.gradients | s.update | unroll(4)
    state, expected = fused.init(params, 1), params
    for _ in range(2):
        state, expected, _ = fused.step(expected, state)
    state, params, _ = composed.step(params, composed.init(params, 1))
    state, params, _ = fused.step(params, adopt(fused, state, params, 99))
    assert same(params, expected)


def test_what_is_alike():
    assert alike(torch.zeros(2), torch.ones(2)) and not alike(torch.zeros(2), torch.zeros(3))
    assert alike((), ()) and alike(None, torch.zeros(1)) and not alike("a", "b")


def test_two_stages_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two stages are called 'placed'"):
        STAGES.collect | STAGES.prepare | STAGES.prepare


def test_what_is_no_transform_is_refused():
    with pytest.raises(ValueError, match=r"behind \| stands a transform"):
        STAGES.collect | 3


def test_counts_are_refused_where_they_are_given():
    with pytest.raises(ValueError, match="num_steps is an integer of at least 1, not 0"):
        unroll(0)


def test_a_stage_says_how_long_it_took_without_those_before_it():
    """The parts add up to less than the whole, and are all there."""

    @stage
    def slow(num: int):
        return each(
            lambda _, item: [torch.rand(num, num) @ torch.rand(num, num), item][1], name="x"
        )

    pipe, params = STAGES.collect | STAGES.prepare | slow(600), STAGES.init(0)
    _, _, report = pipe.step(params, pipe.init(params, 0))
    seconds = {name: x for name, x in report.sums.items() if name.endswith("_seconds")}
    parts = ("collect", "placed", "gae", "slow", "x", "simulator")
    assert set(seconds) == {f"{part}_seconds" for part in parts}
    assert all(x >= 0 for x in seconds.values())
    assert seconds["simulator_seconds"] < seconds["collect_seconds"]

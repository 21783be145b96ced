"""Pipelines: what stands before a | runs alone, and what is added changes nothing of it."""

import pytest
import torch
from tensordict import TensorDict

from nappo2 import (
    PPO,
    SAC,
    Transform,
    adopt,
    all_minibatches,
    compose,
    envs,
    gae,
    learn,
    map_items,
    minibatches,
    n_step,
    optim,
    ppo,
    prioritized_replay,
    repeat,
    replay,
    sac,
    scheme,
    stage,
    update,
)
from nappo2.pipeline import Pipeline, updates_per_transition
from nappo2.recipes import perceptrons
from nappo2.reports import Report
from nappo2.saving.snapshots import alike
from nappo2.stages.recipe import batches_of, collect_of, gradients_of, learn_of, update_of

CONFIG = PPO(num_steps=8, num_epochs=2, num_minibatches=2, hidden=(8,))
RECIPE = ppo(envs.cartpole(2), CONFIG)
LOSS, AGENT = RECIPE.loss, perceptrons(envs.cartpole(2), (8,))


def counter() -> Pipeline:
    """A source that yields 0, 1, 2, ..."""

    def step(params, state):
        return {"n": state["n"] + 1}, TensorDict(n=torch.tensor(state["n"])), Report(sums={"n": 1})

    return Pipeline(lambda params, seed: {"n": 0}, step)


def test_a_pipeline_shows_its_line():
    pipe = (
        collect_of(RECIPE)
        | RECIPE.prepare
        | batches_of(RECIPE)
        | gradients_of(RECIPE)
        | update_of(RECIPE)
    )
    line = "collect(num_steps=8) | to_device | gae(lambda_=0.95)"
    line += " | minibatches(num_epochs=2, num_minibatches=2)"
    assert repr(pipe) == line + " | gradients | update"


def test_every_prefix_of_a_pipe_is_a_pipe():
    """What items are shows in their batch size."""
    pipe, params, shapes = collect_of(RECIPE), RECIPE.init(0), []
    for transform in (RECIPE.prepare, batches_of(RECIPE), gradients_of(RECIPE), update_of(RECIPE)):
        shapes.append(tuple(pipe.step(params, pipe.init(params, 0))[1].batch_size))
        pipe = pipe | transform
    assert shapes == [(8, 2), (8, 2), (8,), ()]


def test_composing_transforms_is_applying_them_in_order():
    double = map_items(lambda _, item: item * 2, name="double")
    shift = map_items(lambda _, item: item + 1, name="shift")
    pipe = counter() | compose(double, shift)
    state = {"n": 5}
    assert pipe.step(None, state)[1]["n"] == 2 * 5 + 1
    assert repr(pipe) == "double | shift"


def test_unrolling_takes_each_step_with_the_params_of_the_one_before():
    """Adding 1, 0 + 1, ... to params: each step sees what the last one yielded."""

    def step(params, state):
        return state, params + 1, Report(sums={"steps": 1})

    pipe = Pipeline(lambda params, seed: {}, step) | repeat(5)
    _, params, report = pipe.step(10, {})
    assert params == 15 and report.sums["steps"] == 5


def test_a_new_stage_changes_nothing_of_the_others():
    params = RECIPE.init(0)
    short = collect_of(RECIPE) | batches_of(RECIPE)
    long = collect_of(RECIPE) | RECIPE.prepare | batches_of(RECIPE)
    one = short.step(params, short.init(params, 3))[1]
    other = long.step(params, long.init(params, 3))[1]
    assert (one["action"] == other["action"]).all()


def test_adopting_keeps_what_has_the_same_name_and_structure():
    params = RECIPE.init(0)
    short, long = collect_of(RECIPE), collect_of(RECIPE) | RECIPE.prepare | batches_of(RECIPE)
    state, *_ = short.step(params, short.init(params, 3))
    adopted = adopt(long, state, params, 3)
    assert list(adopted) == ["collect", "minibatches"]
    assert adopted["collect"] is state["collect"]
    wider = collect_of(ppo(envs.cartpole(4), CONFIG))
    assert len(adopt(wider, state, params, 3)["collect"].observation) == 4


def test_learning_goes_on_where_a_fused_stage_takes_over(same):
    """Composed for one rollout, fused for the next: as if fused twice."""
    s, params = RECIPE, RECIPE.init(0)
    fused = collect_of(s) | s.prepare | learn_of(s)
    composed = (
        collect_of(s) | s.prepare | batches_of(s) | gradients_of(s) | update_of(s) | repeat(4)
    )
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
    with pytest.raises(ValueError, match="two stages are called 'to_device'"):
        collect_of(RECIPE) | RECIPE.prepare | RECIPE.prepare


def test_what_is_no_transform_is_refused():
    with pytest.raises(ValueError, match=r"behind \| stands a transform"):
        collect_of(RECIPE) | 3


def test_counts_are_refused_where_they_are_given():
    with pytest.raises(ValueError, match="num_steps is an integer of at least 1, not 0"):
        repeat(0)


def test_a_stage_says_how_long_it_took_without_those_before_it():
    """The parts add up to less than the whole, and are all there."""

    @stage
    def slow(num: int):
        return map_items(
            lambda _, item: [torch.rand(num, num) @ torch.rand(num, num), item][1], name="x"
        )

    pipe, params = collect_of(RECIPE) | RECIPE.prepare | slow(600), RECIPE.init(0)
    _, _, report = pipe.step(params, pipe.init(params, 0))
    seconds = report.seconds
    parts = ("collect", "to_device", "gae", "slow", "x", "simulator")
    assert set(seconds) == set(parts)
    assert all(x >= 0 for x in seconds.values())
    assert seconds["simulator"] < seconds["collect"]


# --- transforms are values


def test_a_transform_is_a_value_that_composes_and_prints_itself():
    line = gae(AGENT) | minibatches(2, 2)
    assert isinstance(line, Transform) and repr(line) == (
        "gae(lambda_=0.95) | minibatches(num_epochs=2, num_minibatches=2)"
    )
    assert [its.name for its in line.stages] == ["gae", "minibatches"]
    assert repr(collect_of(RECIPE) | line) == f"collect(num_steps=8) | {line!r}"
    assert repr(compose()) == "compose()" and not compose().stages


def test_a_function_of_a_pipeline_is_a_transform():
    pipe = counter() | (lambda source: source | map_items(lambda _, item: item + 1, name="more"))
    assert repr(pipe) == "more" and pipe.step(None, {"n": 5})[1]["n"] == 6


TWICE = {
    "learn | update": lambda: learn(LOSS, optim.sgd()) | update(optim.sgd()),
    "update | learn": lambda: update(optim.sgd()) | learn(LOSS, optim.sgd()),
    "two replays": lambda: prioritized_replay(10, 2, lambda p, b: b["next"]) | replay(10, 2),
    "two passes": lambda: minibatches(1, 1) | all_minibatches(1, 1),
}


@pytest.mark.parametrize("line", TWICE.values(), ids=TWICE)
def test_two_stages_that_keep_a_state_under_one_key_are_refused(line):
    with pytest.raises(ValueError, match="both keep a state that is called"):
        line()


def test_a_stage_that_overwrites_anothers_state_is_refused_in_a_pipe_too():
    with pytest.raises(ValueError, match="update and learn both keep a state that is called 'upd"):
        collect_of(RECIPE) | update(optim.sgd()) | learn(LOSS, optim.sgd())


def test_a_state_that_is_not_called_as_its_stage_is_refused():
    @stage
    def forgetful():
        def transform(source):
            return Pipeline(
                lambda params, seed: source.init(params, seed) | {"mine": 0}, source.step
            )

        return transform

    with pytest.raises(ValueError, match="a stage's state is called as the stage is, 'forgetful'"):
        (collect_of(RECIPE) | forgetful()).init(RECIPE.init(0), 0)


def test_no_name_of_a_strangers_parameter_means_anything():
    """Beside a replay and a cut; it steps nothing, replays nothing and cuts nothing."""

    @stage
    def mine(num_workers: int, update_ratio: float, env: int, wait_for: int, preempt: float):
        return map_items(lambda _, item: item, name="inner")

    recipe = sac(envs.pendulum(2), SAC(num_steps=4, update_ratio=0.5))
    pipe = scheme("2dacs", recipe.replace(prepare=mine(7, 3.0, 1, 9, 0.5)), learners=2)
    assert updates_per_transition(pipe) == 0.25 and "(0.25 updates per transition)" in repr(pipe)
    pipe = collect_of(recipe) | batches_of(recipe) | mine(7, 3.0, 1, 9, 0.5)
    assert updates_per_transition(pipe | gradients_of(recipe) | update_of(recipe)) == 0.5
    assert next(stage.env for stage in pipe.stages if stage.env) is recipe.env
    with pytest.raises(ValueError, match="gae does not stand right of n_step"):
        collect_of(RECIPE) | n_step(2) | gae(AGENT)
    collect_of(RECIPE) | map_items(lambda _, item: item, name="n_step") | gae(AGENT)

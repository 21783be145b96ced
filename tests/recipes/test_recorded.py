"""Recipes for recorded data, in every environment and with actions of every kind, and what does not fit."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from nappo2 import (
    DQN,
    Learner,
    batches_of,
    collect_of,
    compose,
    dataset,
    dqn,
    envs,
    prioritized_replay,
    record,
    recorded,
    replay_with,
    with_recorded,
    with_returns,
)
from nappo2 import recipes as a
from nappo2.params import ravel
from nappo2.recipes import FOR_RECORDED, RECIPES, preset_for
from tests.makers.environments import ACTIONS, Echo
from tests.makers.masks import mines
from tests.makers.recipes import ENVS, recipe_in

SMALL = {"batch_size": 8, "hidden": (8,)}
CONFIGS = {
    "clone": a.Clone(**SMALL, normalize=True),
    "iql": a.IQL(**SMALL, normalize=True),
    "td3_bc": a.TD3BC(**SMALL),
    "awr": a.AWR(**SMALL, normalize=True),
}


def check_learns(name, env):
    """It learns from a dataset of its environment, or says in a sentence why it does not go with it."""
    maker = FOR_RECORDED[name]
    kinds = maker.compatible.actions
    if kinds is not None and env.action_spec.kind not in kinds:
        with pytest.raises(ValueError, match=f"{name} does not go with {env.action_spec.kind}"):
            maker(env, CONFIGS[name])
        return
    recipe = maker(env, CONFIGS[name])
    data = with_returns(record(collect_of(recipe), recipe.init(0), 20), gamma=0.9)
    offline = recipe.replace(source=recorded(data))
    learner = Learner(offline.line, offline.init(0), target_updates=3, progress=False).run()
    first, last = (ravel(params["weights"])[0] for params in (recipe.init(0), learner.params))
    assert last.isfinite().all() and not torch.equal(first, last)


@pytest.mark.parametrize("env", ENVS)
@pytest.mark.parametrize("name", FOR_RECORDED)
def test_every_environment_has_datasets(name, env):
    check_learns(name, ENVS[env]())


@pytest.mark.parametrize("actions", ACTIONS)
@pytest.mark.parametrize("name", FOR_RECORDED)
def test_actions_of_every_kind_are_recorded(name, actions):
    check_learns(name, envs.from_gym(partial(Echo, ACTIONS[actions]), 2))


FROM_TRANSITIONS = ("sac", "dqn", "double_dqn")
OF_CHOICES = [name for name in RECIPES if recipe_in(name, "in part", "uniform")]


def other_offline(name):
    """A recipe of choices, with a dataset that PPO has collected."""
    recipe, other = (recipe_in(x, "in part", "uniform") for x in (name, "ppo"))
    return recipe.replace(source=recorded(record(collect_of(other), other.init(0), 20)))


@pytest.mark.parametrize("name", FROM_TRANSITIONS)
def test_recipes_with_a_replay_of_transitions_learn_from_a_dataset(name):
    offline = other_offline(name)
    learner = Learner(offline.line, offline.init(0), target_updates=2, progress=False)
    assert learner.run().metrics[-1]["updates"] == 2


@pytest.mark.parametrize("name", sorted({*OF_CHOICES} - {*FROM_TRANSITIONS}))
def test_recipes_that_need_rollouts_refuse_a_dataset(name):
    with pytest.raises(ValueError, match="does not stand right of recorded"):
        assert other_offline(name).line


# --- datasets of other spaces


def columns(size, action, inputs=4):
    """Transitions of observations of zeros."""
    zeros = torch.zeros(size, inputs)
    columns = {"observation": zeros, "next_observation": zeros, "action": action}
    return columns | {"reward": torch.zeros(size), "terminated": torch.zeros(size)}


CHOICES = torch.tensor([0, 1, 1])
OTHERS = {
    r"observations of the dataset are float32 .N, 3., and those of cartpole float32 .N, 4.": (
        columns(3, CHOICES, 3)
    ),
    r"actions of the dataset are float32 .N., and those of cartpole int64 .N.": (
        columns(3, CHOICES.float())
    ),
    r"actions of the dataset are int64 .N, 1., and those of cartpole int64 .N.": (
        columns(3, CHOICES[:, None])
    ),
    "an action of the dataset is 2, and those of cartpole are within 0 and 1": (
        columns(3, CHOICES + 1)
    ),
}
"""Datasets that are not of CartPole, by what is said of them."""


@pytest.mark.parametrize("text", OTHERS)
def test_a_dataset_of_other_spaces_is_refused_by_name(text):
    """As a source, and beside a replay."""
    env, data = envs.cartpole(2), dataset(OTHERS[text])
    with pytest.raises(ValueError, match=text):
        a.clone(env).replace(source=recorded(data))
    with pytest.raises(ValueError, match=text):
        dqn(env, DQN(), replay=partial(replay_with, data))


# --- what goes beside a replay


def small_data():
    return dataset(columns(3, CHOICES))


BESIDE = {
    "r2d2": (a.r2d2, "r2d2 .*: its stage rolling_windows makes sequences"),
    "rainbow": (
        a.rainbow,
        "rainbow .*: its stage rolling_n_step makes transitions of several steps",
    ),
}


@pytest.mark.parametrize("name", BESIDE)
def test_recipes_of_other_transitions_refuse_a_dataset_beside_their_replay(name):
    make, text = BESIDE[name]
    with pytest.raises(ValueError, match=text):
        make(envs.cartpole(2), replay=partial(replay_with, small_data()))


@pytest.mark.parametrize("make", [a.recurrent_sac, a.recurrent_td3])
def test_recurrent_critics_refuse_a_dataset_beside_their_replay(make):
    data = dataset(columns(3, torch.zeros(3, 1), 2))
    with pytest.raises(ValueError, match="its stage rolling_windows makes sequences"):
        make(envs.masked_pendulum(2), replay=partial(replay_with, data))


def test_weights_of_transitions_are_not_there_beside_a_prioritised_replay():
    recipe = dqn(envs.cartpole(2), DQN())
    ring = prioritized_replay(100, 4, priority=lambda params, batch: batch["next", "reward"].abs())
    with pytest.raises(
        ValueError, match="its stage prioritized_replay makes batches with the weig"
    ):
        recipe.replace(batches=compose(ring, with_recorded(small_data(), 4)))


def test_a_dataset_of_several_steps_goes_beside_a_replay_of_such():
    data = small_data()
    data["next", "steps"] = torch.ones(3)
    recipe = a.rainbow(envs.cartpole(2), replay=partial(replay_with, data))
    assert [stage.kind for stage in batches_of(recipe).stages][:2] == ["replay", "with_recorded"]


@pytest.mark.parametrize("make", [dqn, a.double_dqn, a.iql, a.rainbow, a.r2d2])
def test_a_replay_that_is_made_already_or_lacks_its_dataset_is_refused(make):
    env, data = envs.cartpole(2), small_data()
    with pytest.raises(ValueError, match=r"replay is a function, .* replay\(.* is made already"):
        make(env, replay=replay_with(data, 100, 8))
    for missing in (replay_with, partial(replay_with, dataset=data), with_recorded):
        with pytest.raises(ValueError, match=r"partial\(replay_with, dataset\) has it already"):
            make(env, replay=missing)


@pytest.mark.parametrize("make", [a.clone, a.iql, a.td3_bc])
def test_actions_beyond_their_bounds_are_refused_until_they_are_clipped(make):
    env = envs.pendulum(2)
    data = dataset(columns(3, torch.tensor([[0.5], [-2.5], [1.0]]), 3))
    with pytest.raises(ValueError, match=r"an action of the dataset is -2.5.*dataset\(data, env\)"):
        make(env).replace(source=recorded(data))
    within = dataset(data, env)
    assert within["action"].flatten().tolist() == [0.5, -1, 1]
    assert make(env).replace(source=recorded(within)).source is not None


def test_iql_that_goes_on_stores_the_actions_that_were_done():
    """Its actor has a standard deviation of 1 at first."""
    recipe = a.iql(envs.pendulum(4), a.IQL(**SMALL, num_steps=8))
    params = recipe.init(0)
    params["version"] += 1
    source = collect_of(recipe)
    action = source.step(params, source.init(params, 0))[1]["action"]
    assert action.abs().max() == 1 and (action.abs() < 1).any()


def test_actions_that_masks_forbid_are_refused():
    """Of a rollout of 16 steps in 4 environments; one action of each pair is forbidden."""
    recipe = a.clone(mines(4), CONFIGS["clone"])
    data = record(collect_of(recipe), recipe.init(0), 40)
    assert recipe.replace(source=recorded(data)).source is not None
    data["action"] = data["action"] ^ 1
    with pytest.raises(ValueError, match="64 actions of the dataset are forbidden by the masks"):
        recipe.replace(source=recorded(data))


def test_a_clone_knows_no_values():
    """Its critic learns nothing."""
    assert a.clone(envs.cartpole(2)).value is None


def test_critics_of_zeros_do_not_spoil_td3_bc():
    recipe = a.td3_bc(envs.pendulum(2), replace(CONFIGS["td3_bc"], normalize=False))
    params = recipe.init(0)
    params["weights"]["critics"].zero_()
    batch = {
        "observation": torch.zeros(2, 3),
        "action": torch.zeros(2, 1),
        "next_noise": torch.zeros(2, 1),
        "next": {
            "observation": torch.zeros(2, 3),
            "reward": torch.zeros(2),
            "terminated": torch.zeros(2).bool(),
        },
    }
    assert recipe.loss(params.to_dict(), batch)[0].isfinite()


@pytest.mark.parametrize("name", FOR_RECORDED)
def test_a_command_line_says_that_runs_on_recorded_data_are_made_in_python(name):
    with pytest.raises(ValueError, match=f"a run of it is made in Python: {name}"):
        preset_for(name, "CartPole-v1")
    assert FOR_RECORDED[name].presets["default"].config == type(CONFIGS[name])()

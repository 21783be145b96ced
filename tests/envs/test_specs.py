"""Specs of spaces by hand, and that a new space is one new spec: no other file knows of it."""

from copy import deepcopy

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import (
    Box,
    Dict,
    Discrete,
    Graph,
    MultiBinary,
    MultiDiscrete,
    Text,
    Tuple,
)
from gymnasium.spaces.utils import flatdim, flatten

from nappo2 import PPO, check_env, envs, ppo, scheme
from nappo2.envs import ActionSpec, action_spec, observation_spec, tensor_spec
from nappo2.maths.distributions import categorical, sampling
from nappo2.recipes import TD3, double_dqn, recurrent_ppo, td3
from nappo2.seeds import generator

FLOATS = Box(-1, 1, (2, 3))


def test_a_box_of_floats_is_a_row_of_its_numbers():
    spec = observation_spec(FLOATS)
    assert (spec.kind, spec.size, spec.shape, spec.dtype) == ("vectors", 6, (2, 3), torch.float32)
    assert spec.zeros(4).shape == (4, 2, 3) and spec.shapes == "[B, 2, 3]" and not spec.warning
    assert spec.row(torch.arange(12.0).view(2, 2, 3)).tolist() == [[*range(6)], [*range(6, 12)]]


def test_bytes_stay_bytes_and_are_seen_between_0_and_1():
    spec = observation_spec(Box(0, 255, (2,), np.uint8))
    assert spec.kind == "vectors" and spec.zeros(1).dtype == torch.uint8
    assert spec.row(torch.tensor([[0, 255]], dtype=torch.uint8)).tolist() == [[0, 1]]


@pytest.mark.parametrize(("side", "kind"), [(2, "vectors"), (3, "images")])
def test_images_have_sides_of_three_pixels(side, kind):
    spec = observation_spec(Box(0, 255, (1, side, 5), np.uint8))
    assert (spec.kind, spec.size, spec.warning) == (kind, 5 * side, "")


def test_an_image_in_floats_is_warned_of():
    warning = observation_spec(Box(0, 1, (3, 8, 8))).warning
    assert warning.startswith("of shape (3, 8, 8) in float32, which are seen as a row of 192 numb")


def test_of_goals_a_state_and_a_goal_are_seen_and_all_three_are_packed():
    """Of 1, 2 and 3 numbers: 1 + 2 are seen; packed is what the space has, in its order."""
    sizes = {"observation": 1, "desired_goal": 2, "achieved_goal": 3}
    spec = observation_spec(Dict({key: Box(-9, 9, (n,)) for key, n in sizes.items()}))
    assert (spec.kind, spec.size, spec.packed_shape) == ("goals", 3, (6,))
    assert {key: tuple(x.shape) for key, x in spec.zeros(2).items()} == {
        key: (2, n) for key, n in sizes.items()
    }
    one = {key: np.full(n, n, np.float32) for key, n in sizes.items()}
    batch = spec.unpack(torch.from_numpy(spec.pack(one))[None])
    assert {key: x.tolist() for key, x in batch.items()} == {
        key: [[n] * n] for key, n in sizes.items()
    }
    assert spec.row(batch).tolist() == [[1, 2, 2]]
    with pytest.raises(ValueError, match=r"gave nothing as 'desired_goal' of its observation"):
        spec.pack({key: x for key, x in one.items() if key != "desired_goal"})


def test_discrete_actions_are_integers_from_0():
    spec = action_spec(Discrete(3, start=5))
    assert (spec.kind, spec.size, spec.shape, spec.log_stds) == ("discrete", 3, (), 0)
    assert spec.distribution.num_outputs(spec.size) == 3
    assert spec.to_env(torch.tensor([0, 2])) == [5, 7]
    assert spec.uniform(1_000, generator(0)).unique().tolist() == [0, 1, 2]


def test_continuous_actions_are_rows_in_both_directions():
    """A mean for each of 2 dimensions, and behind these a log standard deviation."""
    spec = action_spec(Box(0, 10, (1, 2)))
    assert (spec.kind, spec.size, spec.shape, spec.log_stds) == ("continuous", 2, (2,), 2)
    assert spec.distribution.num_outputs(spec.size) == spec.size + spec.log_stds
    assert spec.to_env(torch.tensor([[-1.0, 0.0]])).tolist() == [[[0, 5]]]
    assert action_spec(Box(0, np.inf, (1,))).kind == "unbounded"


@pytest.mark.parametrize("space", [Discrete(3), Box(-2, 2, (4,)), Box(0, np.inf, (2, 2))], ids=str)
def test_uniform_actions_and_samples_fit(space):
    spec, rng = action_spec(space), generator(0)
    outputs = torch.zeros(5, spec.distribution.num_outputs(spec.size))
    for actions in (spec.uniform(5, rng), spec.distribution.sample(outputs, rng)):
        assert spec.fits(actions, 5) and actions.dtype == spec.dtype
        assert not spec.fits(actions, 4)
        assert not spec.fits(actions.long() if actions.is_floating_point() else actions.float(), 5)
    assert len(spec.to_env(spec.uniform(5, rng))) == 5


def test_a_spec_is_made_once_of_a_space():
    env = envs.cartpole(2)
    assert env.observation_spec is env.observation_spec
    assert env.action_spec is env._replace(num_envs=7).action_spec
    other = env._replace(action_space=Discrete(2))  # an equal space, but another one
    assert env.action_spec is not other.action_spec


def test_a_space_without_a_spec_is_refused_by_name():
    graph = Graph(Discrete(2), None)
    env = envs.cartpole(2)._replace(observation_space=graph, action_space=Text(2))
    with pytest.raises(NotImplementedError, match=r"cartpole has observations in Graph.*can pad"):
        _ = env.observation_spec
    with pytest.raises(NotImplementedError, match=r"cartpole has actions in Text.*takes a Box"):
        _ = env.action_spec
    with pytest.raises(NotImplementedError, match="cartpole has observations in Graph"):
        ppo(env)


# --- new spaces: each is one function, and all of nappo2 takes it


class Switches(MultiBinary):
    """A class of its own, as a spec is registered for the whole process."""


class Pair(Tuple):
    """Likewise."""


class Levers(MultiDiscrete):
    """Likewise."""


@observation_spec.register
def _(space: Switches):
    return tensor_spec("vectors", space.shape)


@observation_spec.register
def _(space: Pair):
    return tensor_spec("vectors", (flatdim(space),), pack=lambda x: flatten(space, x))


@action_spec.register
def _(space: Levers):
    choices = space.nvec.tolist()
    return ActionSpec(
        kind="several discrete",
        size=sum(choices),
        shape=(len(choices),),
        dtype=torch.int64,
        distribution=independent(choices),
        uniform=lambda num, rng: torch.stack(
            [torch.randint(n, (num,), generator=rng) for n in choices], -1
        ),
        to_env=lambda actions: actions.numpy(),
    )


def independent(choices):
    """A categorical of each lever; logits stand one behind the other."""
    one = categorical()

    def each(function):
        return lambda logits, *rest: [
            function(*parts)
            for parts in zip(logits.split(choices, -1), *(x.unbind(-1) for x in rest), strict=True)
        ]

    def from_noise(logits, noise):
        pairs = zip(logits.split(choices, -1), noise.split(choices, -1), strict=True)
        return torch.stack([one.sample_from_noise(*pair) for pair in pairs], -1)

    return one._replace(
        sample=sampling(one.draw_noise, from_noise),
        mode=lambda logits: torch.stack(each(one.mode)(logits), -1),
        log_prob=lambda logits, action: sum(each(one.log_prob)(logits, action)),
        entropy=lambda logits: sum(each(one.entropy)(logits)),
        sample_from_noise=from_noise,
    )


class Lamps(gymnasium.Env):
    """Random lamps, and levers that are worth the number on which they stand; over after 8 steps."""

    def __init__(self, observation_space, action_space):
        self.observation_space, self.action_space = deepcopy(observation_space), action_space

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.steps += 1
        return self.observation_space.sample(), float(np.sum(action)), self.steps == 8, False, {}


OBSERVATIONS = {
    "switches": (Switches(3), 3),
    "a pair": (Pair([Discrete(4), Dict(a=Box(-1, 1, (2,)), b=MultiBinary(3))]), 9),
}


def lamps(name):
    return envs.from_gym(lambda: Lamps(OBSERVATIONS[name][0], Levers([2, 3])), 2)


@pytest.mark.parametrize("how", ["3cs", "3ds"])
@pytest.mark.parametrize("make", [ppo, recurrent_ppo])
@pytest.mark.parametrize("name", OBSERVATIONS)
def test_a_new_space_is_one_new_spec(name, make, how):
    """Three rollouts of 8 steps in 2 environments, 12 minibatches (of each of 2 in 3ds)."""
    config = PPO(num_steps=8, num_epochs=2, num_minibatches=2, hidden=(8, 8), normalize=True)
    recipe = make(lamps(name), config)
    pipe, params = scheme(how, recipe), recipe.init(0)
    state, first = pipe.init(params, 0), params["weights"].clone()
    while params["version"] < 12:
        state, params, report = pipe.step(params, state)
    assert params["weights", "actor"].apply(lambda x, y: x != y, first["actor"]).any()
    assert torch.isfinite(report.means["loss"].value)
    size = OBSERVATIONS[name][1]
    assert params["normalizer", "observation", "moments"].shape[-1] == size


def test_a_rollout_has_what_the_new_spec_says():
    env = lamps("a pair")
    state, observation = env.reset(0)
    assert observation.shape == (2, 9) and (observation[:, :4].sum(-1) == 1).all()  # one of four
    *_, outcome = env.step(state, torch.tensor([[1, 2], [0, 0]]))
    assert outcome.reward.tolist() == [3, 0]
    assert check_env(env, num_steps=10).ok


@pytest.mark.parametrize("make", [double_dqn, td3])
def test_recipes_that_know_other_actions_refuse_new_ones_by_their_kind(make):
    with pytest.raises(ValueError, match="does not go with several discrete actions"):
        make(lamps("switches"))


def test_off_policy_recipes_see_new_observations_too():
    env = envs.from_gym(lambda: Lamps(Switches(3), Box(-1, 1, (2,))), 2)
    recipe = td3(env, TD3(num_steps=4, capacity=64, batch_size=4, start_steps=0, hidden=(8,)))
    pipe, params = scheme("3cs", recipe), recipe.init(0)
    _, params, _ = pipe.step(params, pipe.init(params, 0))
    assert params["version"] > 0

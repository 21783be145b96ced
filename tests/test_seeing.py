"""Each recipe learns from each kind of space, or refuses it in a sentence when it is made."""

import warnings
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete

from nappo2 import envs, scheme
from nappo2.algorithms import RECIPES
from nappo2.algorithms.presets import PRESETS
from tests.test_fit import SMALL


class Still(gymnasium.Env):
    """Shows random members of its space; over after 3 steps."""

    def __init__(self, observation_space, action_space):
        self.observation_space, self.action_space = observation_space, action_space

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        if seed is not None:
            self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.steps += 1
        return self.observation_space.sample(), 1.0, self.steps == 3, False, {}


GOALS = {"achieved_goal": Box(-1, 1, (2,)), "desired_goal": Box(-1, 1, (2,))}

OBSERVATIONS = {
    "a vector": Box(-1, 1, (3,)),
    "doubles": Box(-1, 1, (3,), np.float64),
    "integers": Box(-5, 5, (3,), np.int64),
    "bytes": Box(0, 255, (128,), np.uint8),
    "a matrix": Box(-1, 1, (2, 3)),
    "a row": Box(-1, 1, (1, 3)),
    "a matrix of bytes": Box(0, 255, (6, 4), np.uint8),
    "a number": Box(-1, 1, ()),
    "a byte": Box(0, 255, (), np.uint8),
    "an image": Box(0, 255, (3, 7, 7), np.uint8),
    "channels last": Box(0, 255, (6, 5, 1), np.uint8),
    "a larger image": Box(0, 255, (40, 36, 1), np.uint8),
    "a tiny image": Box(0, 255, (1, 2, 2), np.uint8),
    "images in a stack": Box(0, 255, (2, 7, 6, 3), np.uint8),
    "an image in floats": Box(0, 1, (3, 8, 8)),
    "goals": Dict(observation=Box(-1, 1, (3,)), **GOALS),
    "goals of a matrix": Dict(observation=Box(-1, 1, (2, 2)), **GOALS),
}
ACTIONS = {
    "discrete": Discrete(3, start=2),
    "continuous": Box(-2, 3, (1, 2), np.float64),
}


def config(name):
    """A configuration that learns from the first rollout, with small networks."""
    default = PRESETS[name]["default"].config
    small = SMALL | {"num_steps": 4, "length": 4, "burn_in": 1, "batch_size": 4, "capacity": 64}
    return replace(default, **{k: x for k, x in small.items() if hasattr(default, k)})


def flat(weights):
    return torch.cat([x.flatten() for x in weights.values(True, True)])


def learns(name, env):
    """Whether a recipe learns there in two updates or more; False if it refuses it."""
    try:
        stages = RECIPES[name](env, config(name))
    except (ValueError, NotImplementedError) as error:
        space = env.observation_space
        assert name in str(error) and (str(space) in str(error) or str(space.shape) in str(error))
        return False
    pipe, params = scheme("3cs", stages), stages.init(0)
    state = pipe.init(params, 0)
    first = params["weights"].clone()
    while params["version"] < 2:
        state, params, _ = pipe.step(params, state)
    assert not torch.equal(flat(first), flat(params["weights"]))
    assert flat(params["weights"]).isfinite().all()
    return True


REFUSED = {  # what each recipe refuses of these spaces, and learns from all others
    "ppo": 4, "impala": 4, "a2c": 4, "vpg": 4, "recurrent_ppo": 4, "recurrent_impala": 4,
    "ppo_gsde": 17 + 6, "sac": 4, "sac_gsde": 17 + 4, "td3": 17 + 4,
    "dqn": 17, "double_dqn": 17, "r2d2": 17 + 2,
}  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_every_space_is_learnt_from_or_refused_by_name(name):
    """17 spaces of observations with 2 of actions: 34 of each recipe, 442 of all."""
    counts = {True: 0, False: 0}
    for observations in OBSERVATIONS.values():
        for actions in ACTIONS.values():
            env = envs.from_gym(lambda o=observations, a=actions: Still(o, a), 2)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of images in floats, which are tested below
                counts[learns(name, env)] += 1
    print(f"{name} learns from {counts[True]} spaces and refuses {counts[False]}")
    assert counts == {True: 34 - REFUSED[name], False: REFUSED[name]}

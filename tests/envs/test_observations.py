"""Each recipe learns from each kind of space, or refuses it in a sentence when it is made."""

import re
import warnings

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple
from gymnasium.wrappers import FrameStackObservation, GrayscaleObservation, ResizeObservation

from nappo2 import envs, scheme
from nappo2.envs.wrappers import channels_first, turning
from nappo2.networks import (
    RecurrentQ,
    actor_critic,
    actor_critics,
    discrete_actor_critics,
    flattened,
    lstm,
    mlp,
    with_temperature,
)
from nappo2.recipes import RECIPES, double_dqn, dqn, ppo, r2d2, sac, td3
from tests.makers.recipes import NAMES, quick
from tests.makers.stepping import train_until


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


FOUR = {"num_steps": 4, "length": 4, "burn_in": 1, "batch_size": 4, "capacity": 64}
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
    "bools": Box(0, 1, (3,), np.bool_),
    "without bounds": Box(-np.inf, np.inf, (3,)),
    "with one bound": Box(np.float32([-1, -np.inf]), np.float32([np.inf, 3])),
    "a choice": Discrete(5, start=-2),
    "choices": MultiDiscrete([[2, 3], [4, 2]]),
    "switches": MultiBinary((2, 2)),
    "text": Text(4, charset="abc"),
    "a tuple": Tuple([Discrete(3), Box(-1, 1, ())]),
    "parts": Dict(eye=Box(0, 255, (7, 7, 3), np.uint8), arm=Box(-1, 1, (2,))),
    "parts of parts": Dict(a=Dict(b=Dict(c=Discrete(2)), d=Tuple([MultiBinary(2)]))),
    "a goal in parts": Dict(eye=Box(0, 255, (7, 7, 1), np.uint8), **GOALS),
}
ACTIONS = {
    "discrete": Discrete(3, start=2),
    "continuous": Box(-2, 3, (1, 2), np.float64),
}


def flat(weights):
    return torch.cat([x.flatten() for x in weights.values(True, True)])


def learns(name, env):
    """Whether a recipe learns there within two rollouts; False if it refuses it."""
    try:
        recipe = RECIPES[name](env, quick(name, **FOUR))
    except (ValueError, NotImplementedError) as error:
        space = " ".join(str(env.observation_space).split())
        assert name in str(error) and space in " ".join(str(error).split())
        return False
    first = recipe.init(0)["weights"]
    params, _ = train_until(scheme("3cs", recipe), recipe.init(0), 3, seed=0)
    assert not torch.equal(flat(first), flat(params["weights"]))
    assert flat(params["weights"]).isfinite().all()
    return True


REFUSED = {  # what each recipe refuses of these spaces, and learns from all others
    "ppo": 0, "impala": 0, "a2c": 0, "vpg": 0, "recurrent_ppo": 0, "recurrent_impala": 0,
    "ppo_rnd": 0,
    "ppo_gsde": 28 + 4, "sac": 0, "sac_gsde": 28 + 4, "td3": 28, "tqc": 28, "redq": 28, "crossq": 28,
    "recurrent_sac": 28, "recurrent_td3": 28,
    "a2c_gsde": 28 + 4, "tqc_gsde": 28 + 4,
    "dqn": 28, "double_dqn": 28, "r2d2": 28, "pqn": 28, "recurrent_pqn": 28, "rainbow": 28,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_space_is_learnt_from_or_refused_by_name(name):
    """28 spaces of observations with 2 of actions: 56 of each recipe, 1,344 of all."""
    counts = {True: 0, False: 0}
    for observations in OBSERVATIONS.values():
        for actions in ACTIONS.values():
            env = envs.from_gym(lambda o=observations, a=actions: Still(o, a), 2)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of images in floats, which are tested below
                counts[learns(name, env)] += 1
    print(f"{name} learns from {counts[True]} spaces and refuses {counts[False]}")
    assert counts == {True: 56 - REFUSED[name], False: REFUSED[name]}


def seen(space, **arguments):
    """The shape of what is seen of an environment with these observations."""
    env = envs.make(lambda: Still(space, Discrete(2)), 2, **arguments)
    state, observation = env.reset(0)
    env.close(state)
    assert observation.shape == (2, *env.observation_space.shape)
    return env.observation_space.shape


BYTES = {
    (7, 7, 3): (3, 7, 7),
    (84, 84, 12): (12, 84, 84),
    (8, 8, 111): (111, 8, 8),
    (64, 80, 6): (6, 64, 80),
    (12, 84, 84): (12, 84, 84),
    (2, 40, 60): (2, 40, 60),
    (40, 60, 2): (2, 40, 60),
    (4, 4, 1): (1, 4, 4),
    (4, 40, 60, 3): (12, 40, 60),
    (4, 3, 40, 60): (12, 40, 60),
}


@pytest.mark.parametrize(("shape", "expected"), BYTES.items(), ids=str)
def test_channels_are_the_few_or_those_beside_a_square(shape, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert seen(Box(0, 255, shape, np.uint8)) == expected


@pytest.mark.parametrize("shape", [(8, 8, 8), (3, 3, 3), (9, 8, 8, 8)], ids=str)
def test_a_shape_that_does_not_tell_its_channels_is_warned_of(shape):
    with pytest.warns(UserWarning, match=re.escape(f"observations of shape {shape} in bytes")):
        seen(Box(0, 255, shape, np.uint8))


def test_channels_are_turned_with_their_pixels():
    """A red pixel in row 1, column 2 of each of two frames stays there, as channels 0 and 3."""
    space = Box(0, 255, (2, 5, 4, 3), np.uint8)
    stack = np.zeros(space.shape, np.uint8)
    stack[:, 1, 2, 0] = 7, 9
    still = Still(space, Discrete(2))
    still.reset = lambda seed=None, options=None: (stack, {})
    image, _ = channels_first(still).reset()
    assert image.shape == (6, 5, 4) and image.sum() == 16
    assert (image[0, 1, 2], image[3, 1, 2]) == (7, 9)


@pytest.mark.parametrize("shape", [(6, 5, 3), (3, 6, 5), (2, 5, 4, 3), (2, 3, 7, 6)])
def test_the_space_of_the_simulator_is_known_where_channels_are_turned(shape):
    """Tensors are turned as arrays are."""
    space = Box(0, 255, shape, np.uint8)
    env = envs.from_gym(lambda: Still(space, Discrete(2)), 2)
    assert env.bare_space == space
    bare = torch.stack([torch.from_numpy(space.sample()) for _ in range(2)])
    turn = turning(space)
    turned = bare if turn is None else turn(bare)
    assert turned[0].shape == env.observation_space.shape
    arrays = bare.numpy() if turn is None else [turn(x) for x in bare.numpy()]
    assert np.array_equal(turned.numpy(), arrays)


COLOUR = Box(0, 255, (64, 48, 3), np.uint8)


@pytest.mark.parametrize(
    ("wrappers", "frames", "expected"),
    [
        ([lambda env: ResizeObservation(env, (32, 24))], 1, (3, 32, 24)),
        ([lambda env: ResizeObservation(env, (32, 24))], 4, (12, 32, 24)),
        ([lambda env: GrayscaleObservation(env, keep_dim=True)], 1, (1, 64, 48)),
        ([lambda env: GrayscaleObservation(env, keep_dim=True)], 4, (4, 64, 48)),
        ([GrayscaleObservation], 10, (10, 64, 48)),
        ([lambda env: FrameStackObservation(env, 4)], 1, (12, 64, 48)),
        ([GrayscaleObservation, lambda env: FrameStackObservation(env, 4)], 1, (4, 64, 48)),
    ],
)
def test_wrappers_see_the_layout_of_the_environment(wrappers, frames, expected):
    assert seen(COLOUR, wrappers=wrappers, frame_stack=frames) == expected


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (Box(-1, 1, ()), (10,)),
        (Box(-1, 1, (3,)), (30,)),
        (Box(-1, 1, (2, 3)), (20, 3)),
        (Box(0, 255, (1, 10, 5), np.uint8), (10, 10, 5)),
        (Box(0, 255, (10, 5, 1), np.uint8), (10, 10, 5)),
        (Box(0, 255, (10, 5), np.uint8), (10, 10, 5)),
        (Box(0, 255, (40, 60, 3), np.uint8), (30, 40, 60)),
    ],
    ids=str,
)
def test_ten_frames_of_anything_are_stacked(space, expected):
    assert seen(space, frame_stack=10, frame_skip=2) == expected


@pytest.mark.parametrize(
    "space", [Box(0, 1, (3, 8, 8)), Box(0, 1, (2, 8, 8, 3)), Box(0, 255, (9, 8), np.uint8)], ids=str
)
@pytest.mark.parametrize("name", ["ppo", "recurrent_ppo", "sac", "dqn", "r2d2"])
def test_what_may_be_an_image_and_is_not_seen_as_one_is_warned_of(name, space):
    env = envs.make(lambda: Still(space, Discrete(2)), 2)
    with pytest.warns(UserWarning, match=re.escape(f"shape {space.shape}") + ".* not as images"):
        RECIPES[name](env, quick(name, **FOUR))


def test_bytes_are_seen_between_0_and_1():
    """255 as 1, of any number of environments."""
    x = torch.tensor([[[0, 255], [51, 102]]], dtype=torch.uint8)
    assert flattened(x, 2).tolist() == [[0.0, 1.0, pytest.approx(0.2), pytest.approx(0.4)]]


POLE, SWING = envs.cartpole(2), envs.pendulum(2)
NETWORKS = {
    "the actor of ppo gives outputs of shape (2, 3)": lambda: ppo(
        POLE, agent=actor_critic(mlp(4, 3), mlp(4, 1))
    ),
    "the critic of ppo gives outputs of shape (2, 2)": lambda: ppo(
        POLE, agent=actor_critic(mlp(4, 2), mlp(4, 2))
    ),
    "the actor of ppo cannot see observations [B, 4] of cartpole": lambda: ppo(
        POLE, agent=actor_critic(mlp(5, 2), mlp(4, 1))
    ),
    "the network q of dqn gives outputs of shape (2, 3)": lambda: dqn(POLE, q=mlp(4, 3)),
    "the network q of double_dqn cannot see observations [B, 4]": lambda: double_dqn(
        POLE, q=mlp(3, 2)
    ),
    "the actor of td3 gives outputs of shape (2, 2)": lambda: td3(
        SWING, agent=actor_critics(mlp(3, 2), mlp(4, 1))
    ),
    "the critic of td3 cannot see observations [B, 3] of pendulum": lambda: td3(
        SWING, agent=actor_critics(mlp(3, 1), mlp(3, 1))
    ),
    "the critic of sac gives outputs of shape (2, 2)": lambda: sac(
        SWING, agent=with_temperature(actor_critics(mlp(3, 2), mlp(4, 2)))
    ),
    "the critic of sac gives outputs of shape (2, 3)": lambda: sac(
        POLE, agent=with_temperature(discrete_actor_critics(mlp(4, 2), mlp(4, 3)))
    ),
    "the network q of r2d2 gives outputs of shape (2, 5)": lambda: r2d2(
        POLE, q=RecurrentQ(lstm(4, 8), mlp(8, 5))
    ),
}


@pytest.mark.parametrize("sentence", NETWORKS)
def test_networks_that_do_not_fit_are_named_when_the_recipe_is_made(sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        NETWORKS[sentence]()

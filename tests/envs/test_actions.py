"""Actions reach an environment as its space says: whatever its bounds and its dtype."""

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from hypothesis import given, settings
from hypothesis import strategies as st

from nappo2 import PPO, Learner, envs, ppo, scheme
from nappo2.envs import action_spec
from nappo2.recipes import RECIPES
from tests.makers.environments import Strict

DTYPES = ("float16", "float32", "float64", "int8", "uint8", "int16", "int32", "uint32", "int64")
ENDS = torch.tensor([[-1.0], [1.0]])


def bounds(dtype):
    """Two different bounds of a dtype, up to the widest."""
    if dtype.startswith("float"):
        info = np.finfo(dtype)
        number = st.floats(float(info.min), float(info.max), width=int(dtype[5:]))
    else:
        info = np.iinfo(dtype)
        number = st.integers(int(info.min), int(info.max))
    return st.tuples(number, number).map(sorted).filter(lambda pair: pair[0] < pair[1])


@settings(max_examples=30, deadline=None)
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_the_ends_are_the_bounds_and_all_between_is_in_the_space(dtype, data):
    """-1 is low and 1 is high, bit for bit; whatever a policy says is contained."""
    low, high = (np.array([x], dtype) for x in data.draw(bounds(dtype)))
    space = Box(low, high, dtype=np.dtype(dtype).type)
    act = action_spec(space).to_env
    assert np.array_equal(act(ENDS), np.stack([low, high])) and act(ENDS).dtype == space.dtype
    values = data.draw(st.lists(st.floats(-1.5, 1.5, width=32), min_size=2, max_size=2))
    for action in act(torch.tensor(values)[:, None]):
        assert space.contains(action)


ANY = ("bool", *DTYPES, "uint16")
"""The last bit of float16 may differ, as torch rounds to it by way of float32."""


@settings(max_examples=30, deadline=None)
@pytest.mark.parametrize("dtype", ANY)
@given(data=st.data())
def test_tensors_are_scaled_as_arrays_are(dtype, data):
    """Bit for bit, where both, one or none of the bounds are infinite."""
    low, high = (False, True) if dtype == "bool" else data.draw(bounds(dtype))
    infinite = st.booleans() if dtype in ("float32", "float64") else st.just(False)
    low = -np.inf if data.draw(infinite) else low
    high = np.inf if data.draw(infinite) else high
    spec = action_spec(Box(np.array([low], dtype), np.array([high], dtype), dtype=dtype))
    values = data.draw(st.lists(st.floats(-1.5, 1.5, width=32), min_size=3, max_size=3))
    actions = torch.tensor([-1.0, 1.0, 0.0, *values])[:, None]
    ours, theirs = spec.in_space(actions).numpy(), spec.to_env(actions)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    if dtype == "float16":
        assert np.allclose(ours, theirs, rtol=2**-10, atol=1e-7)
    else:
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("low", "high", "dtype", "middle"),
    [
        (0, 255, "uint8", 128),  # 127.5 is rounded to the even one
        (-128, 127, "int8", 0),  # -0.5 likewise
        (100, 200, "uint8", 150),
        (-3.4e38, 3.4e38, "float32", 0),
        (-(2**63), 2**63 - 1, "int64", 0),
        (0.1, 0.3, "float32", np.float32(0.2)),
        (-1e308, 1.7e308, "float64", 0.35e308),
        (0, 1, "bool", False),
    ],
)
def test_zero_is_the_middle(low, high, dtype, middle):
    space = Box(np.array([low], dtype), np.array([high], dtype), dtype=np.dtype(dtype).type)
    assert action_spec(space).to_env(torch.zeros(1, 1)) == pytest.approx(middle)


def test_integers_are_rounded():
    """0.96 of 0..10 is 9.8, so 10; 0.9 of -1..1 is 1, and 0.4 is 0."""
    act = action_spec(Box(0, 10, (1,), np.int64)).to_env
    assert act(torch.tensor([[0.96]])).tolist() == [[10]]
    act = action_spec(Box(-1, 1, (3,), np.int32)).to_env
    assert act(torch.tensor([[0.9, 0.4, -0.6]])).tolist() == [[1, 0, -1]]


def test_each_dimension_is_scaled_by_its_own_bounds():
    """[0, 10], all numbers, at least 2, at most 5: 0 is 5, 0, 2 and 0; 9 is 10, 9, 9 and 5."""
    space = Box(
        np.array([0, -np.inf, 2, -np.inf]), np.array([10, np.inf, np.inf, 5]), dtype=np.float64
    )
    act = action_spec(space).to_env
    assert act(torch.zeros(1, 4)).tolist() == [[5, 0, 2, 0]]
    assert act(torch.full((1, 4), 9.0)).tolist() == [[10, 9, 9, 5]]
    assert act(torch.full((1, 4), -9.0)).tolist() == [[0, -9, 2, -9]]


def test_integers_without_a_bound_are_what_they_are():
    """Gymnasium writes the widest integers for infinity, to which 0.5 of [0, inf) is no way."""
    act = action_spec(Box(0, np.inf, (1,), np.int32)).to_env
    assert act(torch.tensor([[-4.0], [0.6], [7.2]])).tolist() == [[0], [1], [7]]
    act = action_spec(Box(-np.inf, np.inf, (1,), np.int64)).to_env
    assert act(torch.tensor([[-4.0], [7.2]])).tolist() == [[-4], [7]]
    act = action_spec(Box(np.array([-np.inf, 0]), np.array([0, 10]), dtype=np.int8)).to_env
    assert act(torch.tensor([[0.5, 0.5]])).tolist() == [[0, 8]]


def test_matrices_and_single_numbers_are_actions():
    space = Box(np.zeros((2, 2)), np.full((2, 2), 4.0), dtype=np.float64)
    assert action_spec(space).to_env(torch.zeros(3, 4)).tolist() == [[[2, 2], [2, 2]]] * 3
    assert action_spec(Box(0, 4, (), np.float64)).to_env(torch.zeros(2, 1)).tolist() == [2, 2]
    assert action_spec(Discrete(3, start=5)).to_env(torch.tensor([0, 2])) == [5, 7]


SPACES = [
    *(
        Box(-2.3, 7.7, (1,)),
        Box(0.1, 0.3, (2,)),
        Box(0, 255, (2,), np.uint8),
        Box(-3, 3, (1,), np.int8),
    ),
    *(Box(-1, 1, (1,), np.float16), Box(-1, 1, (1,), np.int64), Box(0, 10, (2, 2), np.float64)),
    Discrete(3, start=-1),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_an_environment_that_asserts_its_space_is_never_left(space):
    """Two rollouts with a large noise, so that actions are at both ends."""
    recipe = ppo(envs.from_gym(Strict, 2, space=space), PPO(num_steps=32, num_minibatches=1))
    params = recipe.init(0)
    for leaf in params["weights"].values(True, True):
        leaf.mul_(3)
    learner = Learner(scheme("3cs", recipe), params, progress=False)
    learner.step(), learner.step()
    assert learner.env_steps == 128


UNBOUNDED = [
    Box(-np.inf, np.inf, (2,)),
    Box(2, np.inf, (1,)),
    Box(np.array([-1.0, -np.inf]), np.array([1.0, 0.0]), dtype=np.float64),
]


@pytest.mark.parametrize("space", UNBOUNDED, ids=str)
@pytest.mark.parametrize("name", ["sac", "td3", "sac_gsde"])
def test_a_squashed_actor_takes_no_unbounded_box(name, space):
    """As Stable-Baselines3: its actions are in [-1, 1], and nothing says what 1 would be."""
    with pytest.raises(ValueError, match=f"{name} does not go with .*unbounded.*squashed"):
        RECIPES[name](envs.from_gym(Strict, 1, space=space))

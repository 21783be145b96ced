"""Observations of several parts: packed in bytes by hand, refused where they change, and turned."""

import re

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from gymnasium.spaces.utils import flatdim, flatten
from hypothesis import given, settings
from hypothesis import strategies as st

from nappo2 import envs
from nappo2.envs import observation_spec
from nappo2.envs.outputs import output_checks
from nappo2.trained.batching import batching_of
from tests.envs.test_observations import Still
from tests.makers.environments import Rooms

SPACE = Dict(
    eye=Box(0, 255, (1, 4, 4), np.uint8),
    arm=Dict(angle=Box(-np.inf, np.inf, (), np.float64), hand=Discrete(3, start=1)),
    pair=Tuple([MultiBinary(2), Box(-9, 9, (2,), np.int16)]),
    action_mask=Box(0, 1, (5,), np.int8),
)
SPEC = observation_spec(SPACE)


def one(**changes):
    """An observation with other parts."""
    eye, arm = np.arange(16, dtype=np.uint8).reshape(1, 4, 4), {"angle": 0.5, "hand": 3}
    pair, mask = (np.array([1, 0], np.int8), np.array([-1, 7])), np.ones(5, np.int8)
    return {"eye": eye, "arm": arm, "pair": pair, "action_mask": mask} | changes


def batch(*observations):
    return SPEC.unpack(torch.from_numpy(np.stack([SPEC.pack(x) for x in observations])))


def test_parts_keep_their_dtypes_in_one_row_of_bytes():
    """16 bytes of an eye, 4 and 8 of an arm, 2 and 8 of a pair, and 5 of a mask."""
    assert (SPEC.kind, SPEC.packed_shape, SPEC.dtype) == ("dictionaries", (43,), torch.uint8)
    x = batch(one(), one(arm={"hand": 1, "angle": -2.0}))
    dtypes = {path: spec.dtype for path, spec in SPEC.tensors.items()}
    assert dtypes == {
        ("eye",): torch.uint8,
        ("arm", "angle"): torch.float32,
        ("arm", "hand"): torch.int64,
        ("pair", "0"): torch.bool,
        ("pair", "1"): torch.float32,
        ("action_mask",): torch.bool,
    }
    assert x["arm"]["angle"].tolist() == [0.5, -2] and x["arm"]["hand"].tolist() == [2, 0]
    assert (
        x["pair"]["0"].tolist() == [[True, False]] * 2 and x["pair"]["1"].tolist() == [[-1, 7]] * 2
    )
    assert x["eye"].flatten(1).tolist() == [list(range(16))] * 2 and x["action_mask"].all()


def test_a_row_has_all_parts_but_the_mask():
    """16 pixels in [0, 1], an angle, a hand of 3, 2 switches and 2 numbers."""
    row = SPEC.row(batch(one()))
    assert row.shape == (1, SPEC.size) and SPEC.size == 16 + 1 + 3 + 2 + 2
    assert row[0, 16:].tolist() == [0.5, 0, 0, 1, 1, 0, -1, 7]
    assert row[0, 15] == pytest.approx(15 / 255)


def test_numbers_have_statistics_and_images_choices_and_masks_have_none():
    assert SPEC.statistics == {"observation.arm.angle": (), "observation.pair.1": (2,)}
    assert SPEC.has_images and SPEC.shapes.startswith(
        "eye [B, 1, 4, 4], arm.angle [B], arm.hand [B]"
    )


def test_parts_do_not_share_memory():
    x = batch(one())
    x["eye"].zero_()
    assert x["pair"]["1"].tolist() == [[-1, 7]] and x["action_mask"].all()


def test_zeros_are_an_observation():
    zeros = SPEC.zeros(3)
    assert zeros["arm"]["hand"].tolist() == [0, 0, 0] and not zeros["action_mask"].any()


def spaces():
    """Spaces of any depth, in floats, integers, bools, choices and switches."""
    dtypes = st.sampled_from([np.float32, np.float64, np.int32, np.int64, np.bool_])
    shapes = st.lists(st.integers(1, 3), max_size=3).map(tuple)
    boxes = st.builds(lambda shape, dtype: Box(0, 1, shape, dtype), shapes, dtypes)
    choices = st.builds(lambda n, start: Discrete(n, start=start), *[st.integers(1, 4)] * 2)
    several = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(MultiDiscrete)
    leaves = st.one_of(boxes, choices, several, shapes.filter(bool).map(MultiBinary))

    def deeper(children):
        names = st.sampled_from(["a", "b", "action_masks", "a.b", "observation"])
        tuples = st.lists(children, min_size=1, max_size=3).map(Tuple)
        return st.dictionaries(names, children, min_size=1, max_size=3).map(Dict) | tuples

    return st.recursive(leaves, deeper, max_leaves=6)


@settings(deadline=None, max_examples=60)
@given(spaces(), st.integers(0, 99))
def test_any_space_is_a_row_as_gymnasium_flattens_it(space, seed):
    """Packed by the simulators, unpacked, and seen by a perceptron."""
    env = envs.from_gym(lambda: Still(space, Discrete(2)), 2)
    _, observation = env.reset(seed)
    spec, samples = env.observation_spec, [space.sample() for _ in range(3)]
    checks = output_checks("still", spec)
    rows = checks.empty(len(samples))  # of the spec's numbers, whatever those of the space
    for i, sample in enumerate(samples):
        checks.write(rows, i, sample)
    expected = np.stack([flatten(space, x).astype(np.float32).ravel() for x in samples])
    assert np.array_equal(spec.row(spec.unpack(torch.from_numpy(rows))).numpy(), expected)
    assert spec.row(observation).shape == (2, spec.size) and spec.size == flatdim(space)
    batch, single = batching_of(spec)(samples[0])
    assert single and np.array_equal(spec.row(batch).numpy(), expected[:1])


WRONG = {
    "a part less": ({"pair": ()}, "gave parts none, and not 0, 1, as 'pair'"),
    "another key": ({"arm": {"angle": 0.0, "hands": 1}}, "gave parts angle, hands, and not angle, hand"),
    "no dictionary": ({"arm": 3}, "gave 3, which has no parts angle, hand, as 'arm'"),
    "out of range": ({"arm": {"angle": 0.0, "hand": 4}}, "Discrete(3, start=1), as 'hand' of 'arm'"),
    "another shape": ({"arm": {"angle": [0.0], "hand": 1}}, "shape (1,), and not (), as 'angle' of 'arm'"),
    "floats for bytes": ({"eye": np.full((1, 4, 4), 0.5)}, "not of uint8, as 'eye'"),
    "text for numbers": ({"arm": {"angle": "x", "hand": 1}}, "which are no numbers, as 'angle' of 'arm'"),
    "nothing": ({"eye": None}, "as 'eye'"),
    "a mask of twos": ({"action_mask": np.full(5, 2)}, "Box(0, 1, (5,), int8), as 'action_mask'"),
    "a mask of floats": ({"action_mask": np.ones(5)}, "Box(0, 1, (5,), int8), as 'action_mask'"),
    "a short mask": ({"action_mask": np.ones(4, np.int8)}, "which is not in Box(0, 1, (5,), int8)"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_part_is_said_with_its_name(name):
    changes, sentence = WRONG[name]
    with pytest.raises(ValueError, match=re.escape(sentence)):
        SPEC.pack(one(**changes))


def test_a_key_that_goes_is_said_with_environment_and_name():
    """At the first observation that lacks it."""

    class Changing(Still):
        def step(self, action):
            observation, *rest = super().step(action)
            observation.pop("arm")
            return observation, *rest

    env = envs.from_gym(lambda: Changing(SPACE, Discrete(5)), 2)
    state, _ = env.reset(0)
    sentence = r"environment 0 of .* gave parts eye, pair, action_mask, and not eye, arm, pair"
    with pytest.raises(ValueError, match=sentence):
        env.step(state, torch.zeros(2, dtype=torch.int64))


def test_images_in_parts_have_their_channels_first():
    """The camera of the rooms is 7 x 6 x 3; so it is in a tuple."""
    env = envs.from_gym(Rooms, 2)
    state, observation = env.reset(0)
    assert observation["camera"].shape == (2, 3, 7, 6)
    expected = np.moveaxis(state.envs[0].unwrapped.observation()["camera"], -1, 0)
    assert np.array_equal(observation["camera"][0].numpy(), expected)
    assert env.bare_space == Rooms.observation_space and env.observation_space != env.bare_space
    pair = Tuple([Box(0, 255, (7, 6, 3), np.uint8), Discrete(2)])
    env = envs.from_gym(lambda: Still(pair, Discrete(2)), 2)
    assert env.reset(0)[1]["0"].shape == (2, 3, 7, 6)


def test_a_step_is_what_the_simulators_say():
    """Next observations before resets, at the ninth step."""
    env = envs.from_gym(Rooms, 2)
    state, observation = env.reset(0)
    for _ in range(9):
        state, following, outcome = env.step(state, torch.tensor([1, 0]))
    assert outcome.truncated.all()
    assert outcome.observation["state"]["room"].tolist() == [1, 1]  # 1 + 9 % 4, from 0
    assert following["state"]["room"].tolist() == [0, 0]
    moved = outcome.observation["state"]["place"] - observation["state"]["place"]
    torch.testing.assert_close(moved, torch.tensor([[4.5, 4.5], [-4.5, -4.5]]))


@pytest.mark.parametrize(
    "space",
    [
        Dict(a=gymnasium.spaces.Sequence(Discrete(2))),
        Tuple([gymnasium.spaces.Graph(Discrete(2), None)]),
    ],
    ids=str,
)
def test_a_part_that_cannot_be_learnt_from_is_named(space):
    with pytest.raises(NotImplementedError, match="have no fixed number of entries"):
        observation_spec(space)

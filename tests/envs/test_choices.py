"""Choices, switches and text as observations: integers in a batch, one-hot in a network."""

import re

import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete, MultiBinary, MultiDiscrete, Text
from gymnasium.spaces.utils import flatdim, flatten

from nappo2.envs import observation_spec

SPACES = [
    Discrete(5, start=-2),
    Discrete(1),
    MultiDiscrete([2, 3], start=[1, -1]),
    MultiDiscrete([[2, 3], [4, 2]]),
    MultiBinary(3),
    MultiBinary((2, 2)),
]


def batch_of(space, num=20):
    """Samples of a space, and their batch."""
    spec = observation_spec(space)
    samples = [space.sample() for _ in range(num)]
    rows = torch.from_numpy(np.stack([spec.pack(x) for x in samples]))
    return samples, spec.unpack(rows)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_rows_are_those_of_gymnasium(space):
    space.seed(0)
    samples, batch = batch_of(space)
    expected = np.stack([flatten(space, x) for x in samples]).astype(np.float32)
    row = observation_spec(space).row(batch)
    assert row.dtype == torch.float32 and row.tolist() == expected.reshape(20, -1).tolist()
    assert observation_spec(space).size == flatdim(space)


def test_a_choice_is_a_number_from_0_and_a_row_with_a_1():
    """3 of 2, 3, 4 is number 1."""
    spec = observation_spec(Discrete(3, start=2))
    assert (spec.kind, spec.size, spec.shape, spec.dtype) == ("vectors", 3, (), torch.int64)
    assert spec.pack(3) == 1 and spec.pack(np.int32(4)) == 2
    assert spec.row(torch.tensor([1, 0])).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert spec.row(torch.tensor([[1]])).shape == (1, 1, 3)
    assert spec.zeros(4).tolist() == [0] * 4 and not spec.statistics


def test_several_choices_stand_side_by_side():
    """1 of 2, and 0 of 3."""
    spec = observation_spec(MultiDiscrete([2, 3]))
    assert spec.row(torch.tensor([[1, 0]])).tolist() == [[0, 1, 1, 0, 0]]


def test_text_is_its_characters_and_zeros_behind_its_end():
    """Of the alphabet a, b and at most 3 characters: none, a, b of each."""
    spec = observation_spec(Text(3, charset="ab"))
    assert spec.pack("ba").tolist() == [2, 1, 0] and spec.size == 9
    assert spec.row(torch.tensor([[2, 1, 0]])).tolist() == [[0, 0, 1, 0, 1, 0, 1, 0, 0]]


WRONG = {
    "beyond": (Discrete(3, start=2), 5, "gave 5, which is not in Discrete(3, start=2)"),
    "below": (Discrete(3, start=2), 1, "gave 1, which is not in"),
    "a float": (Discrete(3), 1.0, "gave 1.0, which is not in Discrete(3)"),
    "nothing": (Discrete(3), None, "gave None, which is not in Discrete(3)"),
    "a list": (Discrete(3), [1], "which is not in Discrete(3)"),
    "one of two": (
        MultiDiscrete([2, 3]),
        [1, 3],
        "gave [1, 3], which is not in MultiDiscrete([2 3])",
    ),
    "a number": (MultiDiscrete([2, 3]), 1, "gave 1, which is not in MultiDiscrete([2 3])"),
    "of two lengths": (MultiDiscrete([2, 3]), [[1], [1, 2]], "which is not in MultiDiscrete"),
    "a two": (MultiBinary(2), [0, 2], "gave [0, 2], which is not in MultiBinary(2)"),
    "one switch": (MultiBinary(2), [1], "which is not in MultiBinary(2)"),
    "a long text": (Text(3), "abcd", "gave 'abcd', which is not in Text(1, 3"),
    "another letter": (Text(3, charset="ab"), "abc", "gave a text with 'c', which is not in Text"),
    "no text": (Text(3), 3, "gave 3, which is not in Text(1, 3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_none_of_a_space_is_said_in_a_sentence(name):
    space, observation, sentence = WRONG[name]
    with pytest.raises(ValueError, match=re.escape(sentence)):
        observation_spec(space).pack(observation)

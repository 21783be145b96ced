"""Spaces as JSON and back."""

import json

import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Graph, MultiBinary, MultiDiscrete, Text, Tuple

from nappo2.envs.space_data import space_data, space_of

SPACES = [
    Box(-1.0, 1.0, (3,)),
    Box(np.array([-np.inf, 0.0], np.float32), np.array([1.5, np.inf], np.float32)),
    Box(0, 255, (4, 84, 84), np.uint8),
    Box(-(2**40), 2**60, (2, 2), np.int64),
    Box(0.1, 0.3, (), np.float64),
    Box(np.float32(0.1), np.float32(0.7), (2,)),
    Discrete(5, start=-2),
    MultiDiscrete([2, 3], start=[1, 0]),
    MultiBinary((2, 3)),
    Dict(goal=Box(-1, 1, (2,)), inner=Dict(x=Discrete(3))),
    Tuple([Discrete(2), Box(0, 1, (1,))]),
    Text(5, min_length=0, charset="ab "),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_a_space_comes_back_from_json(space):
    assert space_of(json.loads(json.dumps(space_data(space), allow_nan=False))) == space


def test_the_parts_of_a_dictionary_keep_their_order():
    """Gymnasium sorts those of a dictionary, and not those of keywords; networks have them in this order."""
    space = Dict(way=Discrete(2), far=Box(0, 1, (1,)), again=Dict(z=Discrete(2), y=Discrete(3)))
    again = space_of(json.loads(json.dumps(space_data(space))))
    assert list(again.spaces) == ["way", "far", "again"]
    assert list(again["again"].spaces) == ["z", "y"]


def test_a_space_without_such_a_form_is_named():
    with pytest.raises(NotImplementedError, match="Graph cannot be written down"):
        space_data(Graph(Discrete(2), None))


@pytest.mark.parametrize("data", [{}, {"space": "os"}, {"space": "Box"}, {"space": []}, 3])
def test_data_of_no_space_are_refused(data):
    with pytest.raises(ValueError, match="of no space"):
        space_of(data)

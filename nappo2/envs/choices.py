"""Specs of observations that are choices: numbers of a few, switches, and text of a few characters.

In a batch they are integers from 0 or bools, which take little room in a replay. The input of a network has
a 1 for each choice that was made: they are one-hot.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Discrete, MultiBinary, MultiDiscrete, Space, Text
from torch import Tensor

from nappo2.checks import explained
from nappo2.envs.observations import (
    ObservationSpec,
    Shape,
    observation_spec,
    tensor_spec,
    unchanged,
)
from nappo2.envs.outputs import described

LARGEST = 1 << 20  # choices above which a one-hot row is refused


@explained
def one_hot(x: Tensor, rank: int, entry: Tensor, choice: Tensor) -> Tensor:
    """Rows with a 1 for each choice.

    Args:
        x: choices ``[..., *shape]`` int64.
        rank: of ``shape``.
        entry: of which entry of ``x`` a column tells, [n] int64.
        choice: of which of its choices, [n] int64.

    Returns:
        Rows [..., n] float32.
    """
    leading = x.shape[: x.ndim - rank]
    flat = x.reshape(*leading, int(x.shape[len(leading) :].numel()))
    chosen = flat.index_select(-1, entry.to(x.device)) == choice.to(x.device)
    return chosen.float()


def choices_spec(text: str, sizes: np.ndarray, start: np.ndarray, shape: Shape) -> ObservationSpec:
    """The spec of integers, of which each is one of a number of choices.

    Args:
        text: of the space, in messages.
        sizes: number of choices of each integer, ``[*shape]``.
        start: the first choice of each integer, ``[*shape]``.
        shape: of an observation.

    Returns:
        The spec; a batch is ``[B, *shape]`` int64, from 0.

    Raises:
        NotImplementedError: if there are more than 1,048,576 choices, or none.
    """
    flat = np.ravel(sizes).astype(np.int64)
    size = sum(flat.tolist())
    if not 0 < size <= LARGEST:
        raise NotImplementedError(
            f"observations in {text}, which has {size:,} choices and not 1 to {LARGEST:,}; "
            "gymnasium.wrappers.TransformObservation can map them to a Box"
        )
    entry = torch.from_numpy(np.repeat(np.arange(len(flat)), flat))
    choice = torch.from_numpy(np.concatenate([np.arange(n) for n in flat]))
    return ObservationSpec(
        kind="vectors",
        size=size,
        shape=shape,
        dtype=torch.int64,
        row=partial(one_hot, rank=len(shape), entry=entry, choice=choice),
        packed_shape=shape,
        pack=partial(pack_choices, text, sizes, start),
        unpack=unchanged,
        normalizable=False,
    )


def pack_choices(text: str, sizes: np.ndarray, start: np.ndarray, observation: Any) -> np.ndarray:
    """Choices as integers from 0.

    Args:
        text: of the space, in messages.
        sizes: number of choices of each integer, ``[*shape]``.
        start: the first choice of each integer, ``[*shape]``.
        observation: of a simulator, ``[*shape]``.

    Returns:
        An array ``[*shape]`` int64.

    Raises:
        ValueError: if the observation is none of the space.
    """
    array = whole_numbers(text, sizes.shape, observation)
    choices = array.astype(np.int64) - start
    if ((choices < 0) | (choices >= sizes)).any():
        raise ValueError(f"gave {shortened(array)}, which is not in {text}")
    return choices


def whole_numbers(text: str, shape: Shape, observation: Any) -> np.ndarray:
    """An observation as an array of integers or bools.

    Args:
        text: of the space, in messages.
        shape: that it has.
        observation: of a simulator.

    Returns:
        An array ``[*shape]``.

    Raises:
        ValueError: if it has another shape, or other numbers.
    """
    try:
        array = np.asarray(observation)
    except ValueError:  # of lists of different lengths
        array = np.empty(0, object)
    if array.shape != shape or array.dtype.kind not in "biu":
        raise ValueError(f"gave {described(observation)}, which is not in {text}")
    return array


def shortened(array: np.ndarray) -> str:
    """Numbers in a few words, for messages."""
    return str(array.tolist())[:60]


def text_of(space: Space) -> str:
    """A space in one line, for messages."""
    return " ".join(str(space).split())


@observation_spec.register
def _(space: Discrete) -> ObservationSpec:
    """One integer, [B] int64 from 0."""
    return choices_spec(text_of(space), np.asarray(space.n), np.asarray(space.start), ())


@observation_spec.register
def _(space: MultiDiscrete) -> ObservationSpec:
    """Several integers, ``[B, *shape]`` int64 from 0."""
    return choices_spec(text_of(space), space.nvec, space.start, space.shape)


@observation_spec.register
def _(space: MultiBinary) -> ObservationSpec:
    """Switches, ``[B, *shape]`` bool."""
    pack = partial(pack_switches, text_of(space), space.shape)
    return tensor_spec("vectors", space.shape, torch.bool, pack)._replace(normalizable=False)


def pack_switches(text: str, shape: Shape, observation: Any) -> np.ndarray:
    """Switches as bools.

    Args:
        text: of the space, in messages.
        shape: of an observation.
        observation: of a simulator, ``[*shape]`` of 0 and 1.

    Returns:
        An array ``[*shape]`` bool.

    Raises:
        ValueError: if there are other numbers, or another shape.
    """
    if getattr(observation, "dtype", None) == np.bool_ and observation.shape == shape:
        return observation
    array = whole_numbers(text, shape, observation)
    switches = array.astype(np.bool_)
    if array.dtype != np.bool_ and (array != switches).any():
        raise ValueError(f"gave {shortened(array)}, which is not in {text}")
    return switches


@observation_spec.register
def _(space: Text) -> ObservationSpec:
    """Text of at most n characters, [B, n] int64: 0 behind its end, else a character of the charset."""
    text, sizes = text_of(space), np.full(space.max_length, len(space.character_set) + 1)
    spec = choices_spec(text, sizes, np.zeros_like(sizes), sizes.shape)
    number = {character: i for i, character in enumerate(sorted(space.character_set), 1)}
    return spec._replace(pack=partial(pack_text, text, space.max_length, number))


def pack_text(text: str, length: int, number: dict[str, int], observation: Any) -> np.ndarray:
    """The numbers of the characters of a text.

    Args:
        text: of the space, in messages.
        length: of the longest text.
        number: of each character, from 1.
        observation: of a simulator, a string; or the numbers.

    Returns:
        An array [length] int64, 0 behind the end of the text.

    Raises:
        ValueError: if it is no string, longer, or has another character.
    """
    if not isinstance(observation, str) or len(observation) > length:
        raise ValueError(f"gave {described(observation)}, which is not in {text}")
    strange = [character for character in observation if character not in number]
    if strange:
        raise ValueError(f"gave a text with {strange[0]!r}, which is not in {text}")
    numbers = [number[character] for character in observation]
    return np.array(numbers + [0] * (length - len(numbers)), np.int64)

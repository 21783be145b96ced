"""First states of episodes of environments in torch, drawn for many episodes at once.

To make a generator takes ten times as long as a few random numbers, so that whoever draws each first
state by itself spends more time on that than on the physics.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from nappo2.seeds import generator, split

Start = Callable[[int, Generator], Tensor]
"""``(number, generator) -> physics`` [number, ...], of new episodes."""

LEAST, MOST, ROWS = 8, 64, 1024  # resets for which states are drawn at once, and states in all


class Starts(NamedTuple):
    """First states of episodes that begin one after the other.

    Attributes:
        seed: of those that are drawn next.
        states: [K, B, ...], for K resets.
        used: how many of the K were taken.
    """

    seed: int
    states: Tensor
    used: int


@lru_cache(64)  # as a compiled rollout draws for more resets than there are, and the next one again
@torch.inference_mode(False)  # as others may take them outside
def drawn(start: Start, num_envs: int, seed: int) -> Starts:
    """Draws first states for the next resets of ``num_envs`` environments.

    Args:
        start: of the environments.
        num_envs: B.
        seed: of the states.

    Returns:
        The states, none of which is used.

    Raises:
        ValueError: if ``start`` returns another number of states than it is asked for.
    """
    seed, key = split(seed)
    num_resets = min(MOST, max(LEAST, ROWS // num_envs))
    states = start(num_resets * num_envs, generator(key))
    if len(states) != num_resets * num_envs:
        raise ValueError(
            f"start({num_resets * num_envs}, generator) returned {len(states)} states; the first "
            "argument says how many it returns, as states are drawn for many episodes at once"
        )
    return Starts(seed, states.unflatten(0, (num_resets, num_envs)), 0)


def first(start: Start, num_envs: int, starts: Starts) -> tuple[Starts, Tensor]:
    """Takes the first states [B, ...] of the next reset.

    Args:
        start: of the environments.
        num_envs: B.
        starts: what was drawn.

    Returns:
        What is left, and the states.
    """
    if starts.used == len(starts.states):
        starts = drawn(start, num_envs, starts.seed)
    return starts._replace(used=starts.used + 1), starts.states[starts.used]


def ahead(
    start: Start, num_envs: int, num_resets: int, starts: Starts
) -> tuple[list[Starts], Tensor]:
    """The first states of the next resets, for a loop that says afterwards how many it took.

    Args:
        start: of the environments.
        num_envs: B.
        num_resets: T, the most that it can take.
        starts: what was drawn.

    Returns:
        The draws, for ``after``, and states [T, B, ...].
    """
    draws, left = [starts], len(starts.states) - starts.used
    while left < num_resets:
        draws.append(drawn(start, num_envs, draws[-1].seed))
        left += len(draws[-1].states)
    states = torch.cat([draw.states for draw in draws])
    return draws, states[starts.used : starts.used + num_resets]


def after(draws: list[Starts], num_resets: int) -> Starts:
    """What ``first`` would have left after so many resets, of the draws that ``ahead`` returned."""
    used, length = draws[0].used + num_resets, len(draws[0].states)
    i = max(0, (used - 1) // length)
    return draws[i]._replace(used=used - i * length)

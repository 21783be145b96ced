"""First states of episodes that are drawn for many resets at once."""

import pytest
import torch
from torch import Generator, Tensor

from nappo2.envs.starts import after, ahead, drawn, first


def numbered(number: int, rng: Generator) -> Tensor:
    """States that differ, of which a second draw begins elsewhere."""
    return torch.rand(1, generator=rng) + torch.arange(number)


def one_by_one(starts, num_envs, num_resets):
    """What is left, and the states of so many resets."""
    states = []
    for _ in range(num_resets):
        starts, state = first(numbered, num_envs, starts)
        states.append(state)
    return starts, torch.stack(states)


@pytest.mark.parametrize(
    ("num_envs", "num_resets"), [(1, 64), (2, 64), (16, 64), (100, 10), (1024, 8), (10_000, 8)]
)
def test_states_are_drawn_for_64_resets_or_1024_environments_but_8_resets_at_least(
    num_envs, num_resets
):
    assert drawn(numbered, num_envs, 0).states.shape == (num_resets, num_envs)


@pytest.mark.parametrize("used", [1, 5, 63, 64])
@pytest.mark.parametrize("taken", [0, 1, 58, 59, 60, 64, 123, 124, 150])
def test_what_is_taken_ahead_is_what_is_taken_one_by_one(used, taken):
    """Over one, two and three draws; what is left is the same, to the seed of the next draw."""
    begun, _ = one_by_one(drawn(numbered, 16, 7), 16, used)
    draws, states = ahead(numbered, 16, 150, begun)
    left, expected = one_by_one(begun, 16, taken) if taken else (begun, states[:0])
    assert states.shape == (150, 16) and torch.equal(states[:taken], expected)
    ours = after(draws, taken)
    assert ours[::2] == left[::2] and torch.equal(ours.states, left.states)


def test_a_start_that_returns_another_number_is_named():
    with pytest.raises(ValueError, match=r"start\(128, generator\) returned 2 states"):
        drawn(lambda number, rng: torch.zeros(2, 1), 2, 0)

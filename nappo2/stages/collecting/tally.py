"""Counts of a rollout: ends of episodes, returns, lengths, and whether all numbers are finite.

A compiled rollout has it in its program; the eager loop calls it after the last step.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.maths import returns


class Sums(NamedTuple):
    """Sums over each game so far, [T, B]; those before a rollout [B]."""

    score: Tensor  # of rewards
    length: Tensor  # of steps


class Tally(NamedTuple):
    """Counts of a rollout.

    Attributes:
        done: where episodes end, [T, B] bool.
        is_init: where episodes begin, [T, B] bool.
        over: where games end, which may have several lives, [T, B] bool.
        sums: of each game.
        left: the sums of games that are not over, after the rollout.
        is_finite: whether all observations and rewards are finite, [] bool.
    """

    done: Tensor
    is_init: Tensor
    over: Tensor
    sums: Sums
    left: Sums
    is_finite: Tensor


def tally(rollout: Mapping, fresh: Tensor, sums: Sums) -> Tally:
    """Counts a rollout.

    Args:
        rollout: tensors [T, B, ...].
        fresh: whether episodes begin with it, [B] bool.
        sums: of each game.

    Returns:
        The tally.
    """
    after = rollout["next"]
    done = after["terminated"] | after["truncated"]
    is_init = torch.cat([fresh[None], done[:-1]])
    numbers = [rollout["observation"], after["observation"], after["reward"]]
    numbers += [after["raw_reward"]] if "raw_reward" in after else []
    over = after.get("game_over", done)
    left = Sums(*(torch.where(over[-1], 0.0, x[-1]) for x in sums))
    return Tally(done, is_init, over, sums, left, all_finite(numbers))


def sums_of(rollout: Mapping, before: Sums) -> Sums:
    """The sums over each game of a rollout [T, B], by those before it [B]."""
    after = rollout["next"]
    points = after.get("raw_reward", after["reward"])
    over = after.get("game_over", after["terminated"] | after["truncated"])
    pairs = (points, torch.ones_like(points)), (over, over), before
    return Sums(*returns.running_return(*(torch.cat(pair, -1) for pair in pairs)).chunk(2, 1))


def all_finite(numbers: list) -> Tensor:
    """Tests whether all numbers of trees of tensors [...] are finite, [] bool."""
    leaves = [x for x in trees.leaves(numbers) if x.is_floating_point()]
    return torch.stack([x.isfinite().all() for x in leaves]).all()

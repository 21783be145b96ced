"""Bonuses: how new what an agent reached is to it, and the loss from which their networks learn.

All that a bonus keeps is in the params, so that it is saved, merged at cuts, sent to workers and
lifted over populations as all params are. Its networks are in ``params["weights", "exploration", "bonus"]``,
its statistics in ``params["normalizer"]``, under names that begin with ``exploration``.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.batch import valid
from nappo2.checks import checked
from nappo2.losses import Loss
from nappo2.maths.masks import unmasked
from nappo2.maths.moments import moments, normalize

BRANCH = "exploration"
"""The branch of the weights that exploration learns."""

OBSERVATION = "exploration.observation"
"""The name of the statistics by which a bonus normalises observations."""

RETURN = "exploration.return"
"""The name of the statistics of discounted sums of bonuses, by which these are scaled."""

LIMIT = 5.0  # standard deviations of an observation, as in Burda et al. (2018), section 2.4

AT_ONCE = 1 << 22  # numbers in float64, as rows of images are large

View = Callable[[Mapping, Any], Tensor]
"""``(params, observation [..., *shape]) -> x [..., n]`` float32."""


def no_weights(seed: int) -> TensorDict:
    """The weights of a bonus that has no networks."""
    return TensorDict()


@checked
class Bonus(NamedTuple):
    """An intrinsic reward as functions of params: large where something is new.

    Attributes:
        view: ``(params, observation) -> x`` [..., n] float32, what networks see of an observation.
        reward: ``(params, rollout) -> bonus`` [T, B] float32, of what each step led to. The
            statistics of the params have the rollout in them.
        count: ``rollout -> moments`` [3, ...] by the names of statistics.
        statistics: shapes of the statistics by name.
        init: ``seed -> weights`` of the networks.
        loss: ``(params, batch) -> (loss, means)`` of the networks; None if there are none. A batch has
            ``novelty``: the next ``observation``, and the ``mask`` of transitions to learn from.
    """

    view: View
    reward: Callable[[Mapping, Mapping], Tensor]
    count: Callable[[Mapping], dict[str, Tensor]]
    statistics: Mapping[str, tuple[int, ...]]
    init: Callable[[int], TensorDict] = no_weights
    loss: Loss | None = None


def bonus_weights(params: Mapping) -> Mapping:
    """The weights of a bonus's networks."""
    return params["weights"][BRANCH]["bonus"]


def learnt_mean(x: Tensor, batch: Mapping) -> Tensor:
    """The mean, [], of ``x`` [...] over the transitions of a batch that a bonus learns from; 0 of none."""
    counted = torch.ones_like(x, dtype=torch.bool)
    for mask in (valid(batch), valid(batch["novelty"])):
        counted = counted if mask is None else counted & mask
    return torch.where(counted, x, 0.0).sum() / counted.sum().clamp(min=1)


class Sight(NamedTuple):
    """Observations as rows of numbers, normalised by statistics of a bonus.

    Attributes:
        view: ``(params, observation) -> x`` [..., n], within 5 standard deviations.
        count: ``rollout -> moments`` of the next observations, by name.
        statistics: their shapes by name.
    """

    view: View
    count: Callable[[Mapping], dict[str, Tensor]]
    statistics: Mapping[str, tuple[int, ...]]


@checked
def normalized_sight(row: Callable[[Any], Tensor], size: int) -> Sight:
    """Sees observations as ``clip((row - mean) / std, -5, 5)`` (Burda et al., 2018, section 2.4).

    A fixed random network needs that: it cannot adjust to the scale of its inputs. The statistics are
    not those of the agent.

    Args:
        row: ``observation [..., *shape] -> [..., n]`` float32, such as ``env.observation_spec.row``.
        size: n.

    Returns:
        The sight.

    Example:
        >>> from nappo2.maths.moments import moments, statistics
        >>> from nappo2.stages import normalized_sight
        >>> sight = normalized_sight(lambda observation: observation, size=1)
        >>> seen = statistics(moments(torch.tensor([[[0.0], [2.0]]])))  # mean 1, deviation 1
        >>> params = {"normalizer": {"exploration.observation": seen}}
        >>> sight.view(params, torch.tensor([[2.0], [9.0]])).round()
        tensor([[1.],
                [5.]])
    """

    def view(params, observation):
        return normalize(params["normalizer"][OBSERVATION], row(unmasked(observation)), LIMIT)

    def count(rollout):
        x, mask = row(unmasked(rollout["next"]["observation"])), valid(rollout)
        mask = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device) if mask is None else mask
        steps = max(1, AT_ONCE // max(1, x[0].numel()))
        each = [moments(*part) for part in zip(x.split(steps), mask.split(steps), strict=True)]
        return {OBSERVATION: torch.stack(each).sum(0)}

    return Sight(view, count, {OBSERVATION: (size,)})

"""What a loss is the mean over."""

from collections.abc import Mapping

from torch import Tensor

from nappo2.batch import valid
from nappo2.networks import ActorCritic, Agent


def transitions(agent: Agent, params: Mapping, batch: Mapping) -> tuple[ActorCritic, Mapping]:
    """What acts and values, and what it sees of a batch, without the transitions that are masked.

    A feed-forward agent sees the batch as it is. A recurrent one unrolls sequences [T, N], so
    its heads see memories [T, N, ...], or [M, ...] where M transitions are not masked.
    """
    heads, seen = agent.read(params, batch)
    which = valid(seen)
    if which is None:
        return heads, seen
    return heads, {key: x[which] for key, x in seen.items() if isinstance(x, Tensor)}

"""First weights that are uniform, as those of torch's own layers, in place of orthogonal ones."""

import math
from typing import Any, TypeVar

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.networks._actor_critic import ActorCritic
from nappo2.networks._actor_critics import ActorCritics
from nappo2.networks.network import Network
from nappo2.networks.noisy import DEVIATIONS, NoisyNetwork
from nappo2.networks.recurrent import RecurrentActorCritic
from nappo2.networks.recurrent_critics import RecurrentActorCritics
from nappo2.seeds import generator, split

A = TypeVar(
    "A",
    *(Network, NoisyNetwork, ActorCritic),
    *(ActorCritics, RecurrentActorCritic, RecurrentActorCritics),
)


@checked
def with_uniform_weights(network: A) -> A:
    """The network, or the agent, whose layers begin as those of torch.nn do.

    Of each linear layer and convolution that sees n numbers::

        weight, bias ~ U(-1 / sqrt(n), 1 / sqrt(n))

    This is what Stable-Baselines3 means by ``ortho_init=False``, and what its off-policy algorithms
    begin with. All other weights, such as deviations of noise and those of cells, stay as they are.

    Args:
        network: a ``Network``, a ``NoisyNetwork`` or an agent.

    Returns:
        The same network or agent with other first weights.

    Example:
        >>> network = networks.with_uniform_weights(mlp(4, 2))
        >>> network.apply(network.init(0), torch.ones(5, 4)).shape
        torch.Size([5, 2])
    """

    def init(seed):
        first, second = split(seed)
        return uniform_weights(network.init(first), second)

    return network._replace(init=init)


def uniform_weights(weights: TensorDict, seed: int) -> TensorDict:
    """A tree of weights in which those of linear layers and convolutions are uniform.

    A layer is a branch with a ``bias`` ``[*K, outputs]`` and a ``weight`` ``[*K, outputs, ...]``, of which
    the last dimensions are what an output sees. All else stays.

    Args:
        weights: a tree of tensors.
        seed: of the random numbers.

    Returns:
        A tree of the same shapes.
    """
    branches = zip(sorted(weights.keys()), split(seed, max(1, len(weights.keys()))), strict=False)
    drawn = {
        name: uniform_weights(weights[name], key)
        for name, key in branches
        if isinstance(weights[name], TensorDict) and name != DEVIATIONS
    }
    return weights.copy().update(drawn | _layer(weights, seed))


def _layer(weights: TensorDict, seed: int) -> dict[str, Any]:
    weight, bias = weights.get("weight", None), weights.get("bias", None)
    if not isinstance(weight, Tensor) or not isinstance(bias, Tensor) or weight.ndim <= bias.ndim:
        return {}  # no layer, or a normalisation, whose weight has the shape of its bias
    bound, rng = 1 / math.sqrt(math.prod(weight.shape[bias.ndim :])), generator(seed)
    return {
        name: torch.empty_like(x).uniform_(-bound, bound, generator=rng)
        for name, x in (("weight", weight), ("bias", bias))
    }

"""Dueling networks: the value of a state, and what each action adds to it."""

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.networks.network import Network
from nappo2.networks.noisy import NoisyNetwork
from nappo2.seeds import split


@checked
def dueling(torso: Network, value: Network, advantage: Network, num_actions: int) -> Network:
    """Two heads of one torso (Wang et al., https://arxiv.org/abs/1511.06581, eq. 9).

    ``Q(s, a) = V(s) + A(s, a) - mean_b A(s, b)``, for each of K numbers of a distribution.

    Args:
        torso: of observations, to features [..., F].
        value: of features, to [..., K].
        advantage: of features, to [..., n * K], the K numbers of an action side by side.
        num_actions: n.

    Returns:
        A network of observations to [..., n * K], with the branches ``torso``, ``value``, ``advantage``.

    Example:
        >>> network = networks.dueling(mlp(4, 8), mlp(8, 1), mlp(8, 2), num_actions=2)
        >>> network.apply(network.init(0), torch.ones(5, 4)).shape
        torch.Size([5, 2])
    """

    def apply(weights, x):
        features = torso.apply(weights["torso"], x)
        heads = (
            value.apply(weights["value"], features),
            advantage.apply(weights["advantage"], features),
        )
        return _joined(*heads, num_actions)

    return Network(_init(torso, value, advantage), apply)


@checked
def noisy_dueling(
    torso: Network, value: NoisyNetwork, advantage: NoisyNetwork, num_actions: int
) -> NoisyNetwork:
    """``dueling`` with heads that take noise, as in Rainbow; that of both is side by side.

    Args:
        torso: of observations, to features [..., F].
        value: of features, to [..., K].
        advantage: of features, to [..., n * K].
        num_actions: n.

    Returns:
        A network of observations to [..., n * K], with the branches ``torso``, ``value``, ``advantage``.

    Example:
        >>> value, advantage = networks.noisy_linear(8, 1), networks.noisy_linear(8, 2)
        >>> network = networks.noisy_dueling(mlp(4, 8), value, advantage, num_actions=2)
        >>> network.noise_size  # of inputs and outputs: 8 + 1 + 8 + 2
        19
        >>> network.apply(network.init(0), torch.ones(5, 4), network.draw((5,), generator(0))).shape
        torch.Size([5, 2])
    """

    def apply(weights, x, noise):
        first, second = noise.split((value.noise_size, advantage.noise_size), -1)
        features = torso.apply(weights["torso"], x)
        values = value.apply(weights["value"], features, first)
        return _joined(values, advantage.apply(weights["advantage"], features, second), num_actions)

    def draw(shape, generator):
        return torch.cat([value.draw(shape, generator), advantage.draw(shape, generator)], -1)

    size, still = value.noise_size + advantage.noise_size, torch.cat([value.still, advantage.still])
    return NoisyNetwork(_init(torso, value, advantage), apply, size, draw, still)


def _init(torso, value, advantage):
    def init(seed):
        first, second, third = split(seed, 3)
        heads = {"value": value.init(second), "advantage": advantage.init(third)}
        return TensorDict(torso=torso.init(first), **heads)

    return init


def _joined(value: Tensor, advantage: Tensor, num_actions: int) -> Tensor:
    """``V + A - mean A`` of values [..., K] and advantages [..., n * K], [..., n * K]."""
    table = advantage.unflatten(-1, (num_actions, -1))
    return (value.unsqueeze(-2) + table - table.mean(-2, keepdim=True)).flatten(-2)

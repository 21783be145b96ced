"""Actors with two critics of actions, for continuous and for discrete ones."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.networks.network import Network
from nappo2.seeds import split

Critics = Callable[..., tuple[Tensor, Tensor]]


class ActorCritics(NamedTuple):
    """Functions of an actor and two critics.

    Attributes:
        init: ``seed -> weights``, with a branch ``critics``.
        actor: ``(params, observation) -> outputs``, of an action distribution.
        critics: ``(weights of the critics, observation[, action]) -> two values``, [...] of an
            action, or [..., n] of all n that there are.
        normalizer: ``() -> statistics`` that they read, empty where there are none.
    """

    init: Callable[[int], TensorDict]
    actor: Callable[[Mapping, Tensor], Tensor]
    critics: Critics
    normalizer: Callable[[], TensorDict] = TensorDict


def twin_critics(actor: Network, critic: Network) -> ActorCritics:
    """An actor of continuous actions and two critics of (observation, action)."""

    def critics(weights, x, action):
        both = torch.cat([x, action], -1)
        return tuple(critic.apply(weights[name], both).squeeze(-1) for name in ("first", "second"))

    return ActorCritics(_initialiser(actor, critic), _actor(actor), critics)


def discrete_twin_critics(actor: Network, critic: Network) -> ActorCritics:
    """An actor of discrete actions and two critics that value all of them."""

    def critics(weights, x):
        return tuple(critic.apply(weights[name], x) for name in ("first", "second"))

    return ActorCritics(_initialiser(actor, critic), _actor(actor), critics)


def _initialiser(actor, critic):
    def init(seed):
        a, b, c = split(seed, 3)
        critics = TensorDict(first=critic.init(b), second=critic.init(c))
        return TensorDict(actor=actor.init(a), critics=critics)

    return init


def _actor(actor):
    return lambda params, x: actor.apply(params["weights"]["actor"], x)


def with_temperature(agent: ActorCritics, initial: float = 1.0) -> ActorCritics:
    """Adds the logarithm of SAC's temperature to the weights, as it is learnt with them."""
    start = torch.tensor(float(initial)).log()
    return agent._replace(init=lambda seed: agent.init(seed).update({"log_alpha": start.clone()}))

"""Actors with two critics of actions, for continuous and for discrete ones."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked, explained
from nappo2.networks.network import Network
from nappo2.seeds import split

Critics = Callable[..., tuple[Tensor, Tensor]]


@checked
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


def unchanged(observation: Tensor) -> Tensor:
    """All of an observation."""
    return observation


@explained
def with_goal(observation: Mapping) -> Tensor:
    """The observation of a goal environment, and beside it the goal."""
    return torch.cat([observation["observation"], observation["desired_goal"]], -1)


@checked
def twin_critics(
    actor: Network, critic: Network, view: Callable[[Any], Tensor] = unchanged
) -> ActorCritics:
    """An actor of continuous actions and two critics of (observation, action).

    Args:
        actor: of what is seen.
        critic: of what is seen and an action, side by side.
        view: what is seen of an observation, such as ``with_goal``.
    """

    def critics(weights, x, action):
        both = torch.cat([view(x), action], -1)
        return tuple(critic.apply(weights[name], both).squeeze(-1) for name in ("first", "second"))

    return ActorCritics(_initialiser(actor, critic), _actor(actor, view), critics)


@checked
def discrete_twin_critics(
    actor: Network, critic: Network, view: Callable[[Any], Tensor] = unchanged
) -> ActorCritics:
    """An actor of discrete actions and two critics that value all of them; arguments as above."""

    def critics(weights, x):
        seen = view(x)
        return tuple(critic.apply(weights[name], seen) for name in ("first", "second"))

    return ActorCritics(_initialiser(actor, critic), _actor(actor, view), critics)


def _initialiser(actor, critic):
    def init(seed):
        a, b, c = split(seed, 3)
        critics = TensorDict(first=critic.init(b), second=critic.init(c))
        return TensorDict(actor=actor.init(a), critics=critics)

    return init


def _actor(actor, view):
    return lambda params, x: actor.apply(params["weights"]["actor"], view(x))


@checked
def with_temperature(agent: ActorCritics, initial: float = 1.0) -> ActorCritics:
    """Adds the logarithm of SAC's temperature to the weights, as it is learnt with them."""
    start = torch.tensor(float(initial)).log()
    return agent._replace(init=lambda seed: agent.init(seed).update({"log_alpha": start.clone()}))

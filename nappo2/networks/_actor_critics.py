"""Actors with K critics of actions, for continuous and for discrete ones."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked, explained
from nappo2.networks.network import Network
from nappo2.policies import Apply
from nappo2.seeds import split


@checked
class ActorCritics(NamedTuple):
    """Functions of an actor and K critics.

    Attributes:
        init: ``seed -> weights``, with a branch ``critics``.
        actor: ``(params, observation) -> outputs``, of an action distribution.
        critics: ``(weights of the critics, observation[, action]) -> values``, [K, ...] of an
            action, or [K, ..., n] of all n that there are.
        normalizer: ``() -> statistics`` that they read, empty where there are none.
    """

    init: Callable[[int], TensorDict]
    actor: Apply
    critics: Callable[..., Tensor]
    normalizer: Callable[[], TensorDict] = TensorDict


View = Callable[[Any], Tensor]
"""What an observation is seen as."""


def unchanged(observation: Tensor) -> Tensor:
    """All of an observation."""
    return observation


@explained
def with_goal(observation: Mapping) -> Tensor:
    """The observation of a goal environment, and beside it the goal."""
    return torch.cat([observation["observation"], observation["desired_goal"]], -1)


@checked
def actor_critics(
    actor: Network, critic: Network, num_critics: int = 2, view: View = unchanged
) -> ActorCritics:
    """An actor of continuous actions and K critics of (observation, action), which share nothing.

    Args:
        actor: of what ``view`` makes of an observation.
        critic: of that and an action, side by side.
        num_critics: K.
        view: what an observation is seen as, such as ``with_goal``.
    """
    values = _values(critic, num_critics)

    def critics(weights, x, action):
        return values(weights, torch.cat([view(x), action], -1)).squeeze(-1)

    return ActorCritics(_init(actor, critic, num_critics), _actor(actor, view), critics)


@checked
def discrete_actor_critics(
    actor: Network, critic: Network, num_critics: int = 2, view: View = unchanged
) -> ActorCritics:
    """An actor of discrete actions and K critics that value all of them; arguments as above."""
    values = _values(critic, num_critics)

    def critics(weights, x):
        return values(weights, view(x))

    return ActorCritics(_init(actor, critic, num_critics), _actor(actor, view), critics)


def _init(actor, critic, num_critics):
    def init(seed):
        first, *rest = split(seed, 1 + num_critics)
        critics = TensorDict({str(i): critic.init(key) for i, key in enumerate(rest)})
        return TensorDict(actor=actor.init(first), critics=critics)

    return init


def _values(critic, num_critics):
    """``(weights, x) -> values`` of all critics, [K, ..., n]."""
    names = [str(i) for i in range(num_critics)]
    return lambda weights, x: torch.stack([critic.apply(weights[name], x) for name in names])


def _actor(actor, view):
    return lambda params, x: actor.apply(params["weights"]["actor"], view(x))


@checked
def with_temperature(agent: ActorCritics, initial: float = 1.0) -> ActorCritics:
    """Adds the logarithm of SAC's temperature to the weights, as it is learnt with them."""
    start = torch.tensor(float(initial)).log()
    return agent._replace(init=lambda seed: agent.init(seed).update({"log_alpha": start.clone()}))

"""The learnt temperature of SAC, beside the weights of an actor and critics."""

from typing import TypeVar

import torch

from nappo2.checks import checked
from nappo2.networks._actor_critics import ActorCritics
from nappo2.networks.recurrent_critics import RecurrentActorCritics

A = TypeVar("A", ActorCritics, RecurrentActorCritics)


@checked
def with_temperature(agent: A, initial: float = 1.0) -> A:
    """Adds ``log_alpha`` to the weights, the learnt logarithm of SAC's temperature, first log ``initial``.

    Example:
        >>> agent = networks.with_temperature(networks.actor_critics(mlp(3, 2), mlp(4, 1)))
        >>> float(agent.init(0)["log_alpha"])
        0.0
    """
    start = torch.tensor(float(initial)).log()
    return agent._replace(init=lambda seed: agent.init(seed).update({"log_alpha": start.clone()}))

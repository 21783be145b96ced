"""An actor with K critics that learn by statistics of batches: the agent of CrossQ."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.envs.observations import unchanged
from nappo2.networks._actor_critics import (
    ActorCritics,
    _actor,
    _init,
    _values,
)
from nappo2.networks._batch_renorm import BatchNetwork
from nappo2.networks._temperature import with_temperature
from nappo2.networks.network import Network
from nappo2.seeds import split


@checked
class BatchActorCritics(NamedTuple):
    """An actor and K critics of continuous actions, to act with and to learn.

    Attributes:
        agent: the actor and the critics by running statistics.
        learn_actor: ``(weights of the actor, observation [N, ...]) -> (outputs [N, num_outputs],
            weights)``, by statistics of the batch, towards which those of the weights moved.
        learn_critics: ``(weights of the critics, observation, action) -> (values [K, N], weights)``,
            likewise.
    """

    agent: ActorCritics
    learn_actor: Callable[[Any, Any], tuple[Tensor, dict]]
    learn_critics: Callable[[Any, Any, Tensor], tuple[Tensor, dict]]

    def init(self, seed: int) -> TensorDict:
        """The first weights, with branches ``actor``, ``critics`` and ``log_alpha``."""
        return self.agent.init(seed)


@checked
def batch_actor_critics(
    actor: BatchNetwork, critic: BatchNetwork, num_critics: int = 2, alpha: float = 1.0
) -> BatchActorCritics:
    """``actor_critics`` of networks that learn by statistics of batches, with a temperature.

    Args:
        actor: of observations, to outputs [..., num_outputs].
        critic: of pairs (observation, action), to [..., 1], such as ``of_pairs(...)``.
        num_critics: K.
        alpha: first temperature.

    Returns:
        The agent.

    Example:
        >>> actor, critic = networks.batch_renorm_mlp(3, 8, 2), networks.batch_renorm_mlp(3 + 1, 8, 1)
        >>> agent = networks.batch_actor_critics(actor, networks.of_pairs(lambda x: x, critic))
        >>> weights = agent.init(0)
        >>> values, moved = agent.learn_critics(weights["critics"], torch.ones(5, 3), torch.ones(5, 1))
        >>> values.shape, moved["0"]["0"]["statistics"]["count"]
        (torch.Size([2, 5]), tensor(1.))
    """
    values = _values(critic, num_critics)

    def critics(weights, x, action):
        return values(weights, (x, action)).squeeze(-1)

    def learn_critics(weights: Mapping, x: Any, action: Tensor):
        each = (critic.learn(w, (x, action)) for w in weights.values())
        outputs, after = zip(*each, strict=True)
        return torch.stack(outputs).squeeze(-1), dict(zip(weights.keys(), after, strict=True))

    init = _init(actor, critic, num_critics)
    agent = with_temperature(ActorCritics(init, _actor(actor, unchanged), critics), alpha)
    return BatchActorCritics(agent, actor.learn, learn_critics)


@checked
def of_pairs(see: Network | Callable[[Any], Tensor], critic: BatchNetwork) -> BatchNetwork:
    """A critic of pairs (observation, action).

    Args:
        see: a torso, or a function without weights, of observations to [..., n].
        critic: of these and an action side by side, [..., n + A].

    Returns:
        A network of ``(observation, action)``.

    Example:
        >>> critic = networks.of_pairs(mlp(3, 8), networks.batch_renorm_mlp(8 + 1, 1))
        >>> weights = critic.init(0)
        >>> sorted(weights.keys()), critic.apply(weights, (torch.ones(5, 3), torch.ones(5, 1))).shape
        (['head', 'torso'], torch.Size([5, 1]))
    """
    if not isinstance(see, Network):
        return critic._replace(
            apply=lambda weights, x: critic.apply(weights, _side_by_side(see(x[0]), x[1])),
            learn=lambda weights, x: critic.learn(weights, _side_by_side(see(x[0]), x[1])),
        )

    def init(seed):
        first, second = split(seed)
        return TensorDict(torso=see.init(first), head=critic.init(second))

    def pair(weights, x):
        return _side_by_side(see.apply(weights["torso"], x[0]), x[1])

    def apply(weights, x):
        return critic.apply(weights["head"], pair(weights, x))

    def learn(weights, x):
        y, head = critic.learn(weights["head"], pair(weights, x))
        return y, {**weights, "head": head}

    return BatchNetwork(init, apply, learn)


def _side_by_side(features: Tensor, action: Tensor) -> Tensor:
    return torch.cat([features, action], -1)

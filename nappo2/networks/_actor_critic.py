"""Actors and critics that learn together."""

from collections.abc import Callable, Mapping
from functools import singledispatch
from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.maths.moments import no_moments, normalize
from nappo2.networks.network import Network
from nappo2.seeds import split

Apply = Callable[[Mapping, Tensor], Tensor]
"""``(params, x) -> y``, of whole params, or of weights alone."""


@checked
class ActorCritic(NamedTuple):
    """Functions of whole params and observations ``[..., *shape]``.

    Attributes:
        init: ``seed -> weights``.
        actor: ``(params, observation) -> outputs``, of an action distribution, [..., num_outputs].
        critic: ``(params, observation) -> value``, [...].
        both: the two in one call, so that what they share is computed once.
        normalizer: ``() -> statistics`` that they read, empty where there are none.
    """

    init: Callable[[int], TensorDict]
    actor: Apply
    critic: Apply
    both: Callable[[Mapping, Tensor], tuple[Tensor, Tensor]]
    normalizer: Callable[[], TensorDict] = TensorDict

    def begin(self, params: Mapping, observation: Tensor) -> tuple[Tensor, Tensor]:
        """The actor's outputs and the values of observations with which episodes begin."""
        return self.both(params, observation)

    def read(self, params: Mapping, rollout: Mapping) -> tuple["ActorCritic", Mapping]:
        """What acts and values, and the rollout or batch whose observations it sees: as they are.

        (A recurrent agent puts memories in their place.)
        """
        return self, rollout


@checked
def actor_critic(actor: Network, critic: Network) -> ActorCritic:
    """An actor, and a critic with one output, that share nothing."""

    def init(seed):
        actor_seed, critic_seed = split(seed)
        return TensorDict(actor=actor.init(actor_seed), critic=critic.init(critic_seed))

    def outputs(params, x):
        return actor.apply(params["weights"]["actor"], x)

    def value(params, x):
        return critic.apply(params["weights"]["critic"], x).squeeze(-1)

    return ActorCritic(
        init, outputs, value, lambda params, x: (outputs(params, x), value(params, x))
    )


@checked
def shared_actor_critic(torso: Network, actor: Network, critic: Network) -> ActorCritic:
    """An actor and a critic as heads of one torso."""
    heads = actor_critic(actor, critic)

    def init(seed):
        torso_seed, seed = split(seed)
        return heads.init(seed).update({"torso": torso.init(torso_seed)})

    def features(params, x):
        return torso.apply(params["weights"]["torso"], x)

    return ActorCritic(
        init,
        actor=lambda params, x: heads.actor(params, features(params, x)),
        critic=lambda params, x: heads.critic(params, features(params, x)),
        both=lambda params, x: heads.both(params, features(params, x)),
    )


@singledispatch
@checked
def with_log_std(agent: ActorCritic, action_size: int, initial: float = 0.0) -> ActorCritic:
    """Appends log standard deviations [action_size] to the actor's outputs, which no observation changes."""

    def init(seed):
        return agent.init(seed).update({"log_std": torch.full((action_size,), float(initial))})

    def spread(params, outputs):
        log_std = params["weights"]["log_std"].expand(*outputs.shape[:-1], -1)
        return torch.cat([outputs, log_std], -1)

    def both(params, x):
        mean, value = agent.both(params, x)
        return spread(params, mean), value

    return agent._replace(
        init=init, both=both, actor=lambda params, x: spread(params, agent.actor(params, x))
    )


@singledispatch
@checked
def normalized(agent: ActorCritic, shape: tuple[int, ...]) -> ActorCritic:
    """Shows the agent observations ``[..., *shape]`` with mean 0 and variance 1, and has rewards scaled.

    The statistics are in ``params["normalizer"]``: ``collect`` counts them, ``update`` moves
    them, and ``maths.moments.frozen`` stops that.
    """

    def seen(fn):
        return lambda params, x: fn(params, normalize(params["normalizer"]["observation"], x))

    return agent._replace(
        actor=seen(agent.actor),
        critic=seen(agent.critic),
        both=seen(agent.both),
        normalizer=lambda: no_moments(**{"observation": tuple(shape), "return": ()}),
    )


@checked
def scaling_rewards(agent: ActorCritic) -> ActorCritic:
    """Has rewards scaled, as ``normalized`` does, but sees observations as they are."""
    return agent._replace(normalizer=lambda: no_moments(**{"return": ()}))

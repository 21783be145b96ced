"""Actors and critics that learn together."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.maths.distributions import Distribution
from nappo2.maths.traced import is_traced
from nappo2.networks.network import Network
from nappo2.policies import Apply, Policy, greedy, stochastic
from nappo2.seeds import split


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

    slicing = "transitions"

    def outputs_and_values(self, params: Mapping, batch: Mapping) -> tuple[Tensor, Tensor]:
        """The actor's outputs and the values of a batch, without masked transitions."""
        return self.both(params, unmasked(batch, batch["observation"]))

    def values(self, params: Mapping, rollout: Mapping) -> tuple[Tensor, Tensor]:
        """The values of what was acted on, and of what was reached, each [T, B]."""
        value = self.critic(params, rollout["observation"])
        return value, next_values(self.critic, params, rollout["next"], value)

    def policy(self, dist: Distribution) -> Policy:
        """Samples from the distribution."""
        return stochastic(self.actor, dist)

    def greedy(self, dist: Distribution) -> Policy:
        """Takes the most probable action."""
        return greedy(self.actor, dist)

    def with_heads(self, change: Callable[["ActorCritic"], "ActorCritic"]) -> "ActorCritic":
        """The agent with other functions, which ``change`` makes of these."""
        return change(self)

    def with_view(self, view: Apply) -> "ActorCritic":
        """The agent of what ``view: (params, observation)`` makes of an observation."""

        def viewing(fn):
            return lambda params, x: fn(params, view(params, x))

        return self._replace(
            actor=viewing(self.actor), critic=viewing(self.critic), both=viewing(self.both)
        )


def unmasked(batch: Mapping, x: Tensor) -> Tensor:
    """``x`` [..., *shape] as it is, or of the M transitions that a batch does not mask, [M, *shape]."""
    return x[batch["mask"]] if "mask" in batch.keys() else x


def next_values(critic: Apply, params: Mapping, reached: Mapping, value: Tensor) -> Tensor:
    """Values of what was reached, [T, B]; of images those of the next row, which are the same.

    Only where an episode or the rollout ends are these valued themselves: a pass over images takes
    as long as learning from them. (Numbers are all valued, as it costs nothing, and a few rows
    are not multiplied to the same last bit wherever the weights lie in memory.)

    Args:
        critic: ``(params, observation) -> value``.
        params: of the critic.
        reached: a rollout's ``next``, [T, B].
        value: of what was acted on, [T, B].
    """
    observation = reached["observation"]
    if is_traced(value) or observation.dtype != torch.uint8:
        return critic(params, observation)
    ends = reached["done"].clone()
    ends[-1] = True
    return value.roll(-1, 0).masked_scatter(ends, critic(params, observation[ends]))


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

"""What on-policy recipes, losses and advantages ask of an agent, and what can be added to one."""

from collections.abc import Mapping
from typing import Protocol, TypeVar, runtime_checkable

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.maths.distributions import Distribution
from nappo2.maths.moments import no_moments, normalize
from nappo2.networks._actor_critic import ActorCritic
from nappo2.networks.recurrent import RecurrentActorCritic
from nappo2.policies import Policy


@runtime_checkable
class Agent(Protocol):
    """An actor and a critic that learn together: whatever has these answers is one.

    A rollout or a batch has the keys that ``collect`` writes, [T, B, ...]; minibatches of
    transitions are [N, ...], those of sequences [T, N, ...]. Params are plain dictionaries.
    """

    @property
    def slicing(self) -> str:
        """What minibatches are made of: ``transitions``, or ``sequences`` where memory matters."""

    def init(self, seed: int, /) -> TensorDict:
        """The weights."""

    def normalizer(self) -> TensorDict:
        """The statistics that ``maths.moments.no_moments`` begins; empty where none are read."""

    def outputs_and_values(self, params: Mapping, batch: Mapping, /) -> tuple[Tensor, Tensor]:
        """Outputs of an action distribution, [..., num_outputs], and values, [...], of a batch.

        Of its transitions that have a False ``mask``, none are needed.
        """

    def values(self, params: Mapping, rollout: Mapping, /) -> tuple[Tensor, Tensor]:
        """The values of what was acted on, and of what was reached before any reset, each [T, B]."""

    def policy(self, dist: Distribution, /) -> Policy:
        """Samples from the distribution, as collectors do."""

    def greedy(self, dist: Distribution, /) -> Policy:
        """Takes the most probable action, as evaluations do."""


A = TypeVar("A", ActorCritic, RecurrentActorCritic)


@checked
def with_log_std(agent: A, action_size: int, initial: float = 0.0) -> A:
    """Appends log standard deviations to the actor's means, which no observation changes."""

    def spread(params, mean):
        return torch.cat([mean, params["weights"]["log_std"].expand_as(mean)], -1)

    def spreading(heads):
        def init(seed):
            return heads.init(seed).update({"log_std": torch.full((action_size,), float(initial))})

        def both(params, x):
            mean, value = heads.both(params, x)
            return spread(params, mean), value

        def actor(params, x):
            return spread(params, heads.actor(params, x))

        return heads._replace(init=init, actor=actor, both=both)

    return agent.with_heads(spreading)


@checked
def normalized(agent: A, shape: tuple[int, ...]) -> A:
    """Shows the agent observations ``[..., *shape]`` with mean 0 and variance 1, and has rewards scaled.

    The statistics are in ``params["normalizer"]``: ``collect`` counts them, ``update`` moves
    them, and ``maths.moments.frozen`` stops that.
    """

    def view(params, x):
        return normalize(params["normalizer"]["observation"], x)

    counted = {"observation": tuple(shape), "return": ()}
    return agent.with_view(view)._replace(normalizer=lambda: no_moments(**counted))


@checked
def scaling_rewards(agent: A) -> A:
    """Has rewards scaled, as ``normalized`` does, but sees observations as they are."""
    return agent._replace(normalizer=lambda: no_moments(**{"return": ()}))

"""The interface of agents for on-policy recipes, losses and advantages, and additions to an agent."""

from collections.abc import Mapping
from typing import Protocol, TypeVar, runtime_checkable

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.maths.distributions import Distribution
from nappo2.maths.moments import no_moments, normalize_parts
from nappo2.networks._actor_critic import ActorCritic
from nappo2.networks.recurrent import RecurrentActorCritic
from nappo2.policies import Policy


@runtime_checkable
class Agent(Protocol):
    """An actor and a critic that learn together: any object with these methods.

    Rollouts have the keys that ``collect`` writes, [T, B, ...]; minibatches of transitions are
    [N, ...], those of sequences [T, N, ...]. Params are plain dictionaries.
    """

    @property
    def slicing(self) -> str:
        """Unit of minibatches: ``transitions``, or ``sequences`` for agents with a memory."""

    def init(self, seed: int, /) -> TensorDict:
        """The first weights, a tree of floating point tensors."""

    def normalizer(self) -> TensorDict:
        """The first statistics, of ``maths.moments.no_moments``; empty if the agent reads none."""

    def outputs_and_values(self, params: Mapping, batch: Mapping, /) -> tuple[Tensor, Tensor]:
        """Outputs of an action distribution [..., num_outputs] and values [...] of a batch.

        Transitions whose ``mask`` is False may be left out.
        """

    def values(self, params: Mapping, rollout: Mapping, /) -> tuple[Tensor, Tensor]:
        """Values of observations, and of next observations before a reset, each [T, B] float32."""

    def policy(self, dist: Distribution, /) -> Policy:
        """A policy that samples from the distribution, for collectors."""

    def greedy(self, dist: Distribution, /) -> Policy:
        """A policy that takes the most probable action, for evaluation."""


A = TypeVar("A", ActorCritic, RecurrentActorCritic)


@checked
def with_log_std(agent: A, action_size: int, initial: float = 0.0) -> A:
    """Appends learnt log standard deviations to the actor's means, the same for every observation.

    Args:
        agent: whose actor gives means [..., A].
        action_size: A.
        initial: the first log standard deviation.

    Returns:
        The agent, whose actor gives [..., 2A], with the weights ``log_std`` [A].

    Example:
        >>> agent = networks.with_log_std(actor_critic(mlp(3, 8, 1), mlp(3, 8, 1)), action_size=1)
        >>> agent.actor(make_params(agent.init(0)), torch.ones(5, 3)).shape
        torch.Size([5, 2])
    """

    def spread(params, mean):
        log_std = params["weights"]["log_std"].expand(*mean.shape[:-1], -1)
        return torch.cat([mean, log_std], -1)

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
    """Normalises observations ``[..., *shape]`` to mean 0 and variance 1, and scales rewards.

    The statistics are in ``params["normalizer"]``: ``collect`` counts, ``update`` adds the counts,
    and ``maths.moments.frozen`` stops both.

    Example:
        >>> agent = normalized(actor_critic(mlp(4, 8, 2), mlp(4, 8, 1)), (4,))
        >>> recipe = ppo(envs.cartpole(4), PPO(num_steps=8, num_minibatches=2), agent=agent)
        >>> learner = Learner(scheme("3cs", recipe), recipe.init(0), target_steps=64, progress=False).run()
        >>> learner.params["normalizer", "observation", "moments"].shape
        torch.Size([3, 4])
    """
    return normalized_parts(agent, {"observation": tuple(shape)})


@checked
def normalized_parts(agent: A, statistics: Mapping[str, tuple[int, ...]]) -> A:
    """Normalises parts of observations to mean 0 and variance 1, and scales rewards.

    Args:
        agent: of observations of one tensor, or of a dictionary of such.
        statistics: shapes of the parts that are normalised, by the names of their statistics: an
            environment's are ``env.observation_spec.statistics``.

    Returns:
        The agent, with statistics in ``params["normalizer"]``.

    Example:
        >>> torso = networks.joined({"angle": mlp(1, 8), "speed": mlp(2, 8)})
        >>> actor, critic = networks.sequential(torso, mlp(16, 2)), networks.sequential(torso, mlp(16, 1))
        >>> agent = networks.normalized_parts(actor_critic(actor, critic), {"observation.speed": (2,)})
        >>> normalizer = agent.normalizer()
        >>> sorted(normalizer.keys()), normalizer["observation.speed", "std"]
        (['observation.speed', 'return'], tensor([1., 1.]))
    """

    def view(params, x):
        return normalize_parts(params["normalizer"], x)

    counted = {**statistics, "return": ()}
    seeing = agent.with_view(view) if statistics else agent
    return seeing._replace(normalizer=lambda: no_moments(**counted))


@checked
def with_reward_scaling(agent: A) -> A:
    """Scales rewards as ``normalized`` does, and leaves observations as they are.

    Example:
        >>> agent = networks.with_reward_scaling(actor_critic(mlp(4, 8, 2), mlp(4, 8, 1)))
        >>> list(agent.normalizer().keys())
        ['return']
    """
    return agent._replace(normalizer=lambda: no_moments(**{"return": ()}))

"""An actor with K critics of actions, continuous or discrete: the agents of SAC, TD3, TQC and REDQ."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.envs.observations import unchanged
from nappo2.maths.masks import MASK, unmasked
from nappo2.networks.network import Network
from nappo2.policies import Apply
from nappo2.seeds import split


@checked
class ActorCritics(NamedTuple):
    """An actor and K critics, as functions.

    Attributes:
        init: ``seed -> weights``, with branches ``actor`` and ``critics``.
        actor: ``(params, observation) -> outputs`` of an action distribution, [..., num_outputs].
        critics: ``(weights of the critics, observation, action) -> values`` [K, ...], or for n
            discrete actions ``(weights of the critics, observation) -> values`` [K, ..., n]; those
            of quantiles give [K, ..., M].
        normalizer: ``() -> statistics`` that the functions read, empty by default.
    """

    init: Callable[[int], TensorDict]
    actor: Apply
    critics: Callable[..., Tensor]
    normalizer: Callable[[], TensorDict] = TensorDict

    def with_masks(self, restrict: Callable[[Tensor, Tensor], Tensor]) -> "ActorCritics":
        """The agent of observations with an ``action_mask``, which its networks do not see.

        ``restrict`` is ``(outputs [..., num_outputs], mask [..., n]) -> outputs``, and makes forbidden
        actions impossible.
        """

        def actor(params, x):
            return restrict(self.actor(params, unmasked(x)), x[MASK])

        def critics(weights, x, *action):
            return self.critics(weights, unmasked(x), *action)

        return self._replace(actor=actor, critics=critics)


View = Callable[[Any], Tensor]
"""``observation -> x``: what networks take in place of an observation."""


@checked
def actor_critics(
    actor: Network, critic: Network, num_critics: int = 2, view: View = unchanged
) -> ActorCritics:
    """An actor of continuous actions and K critics of (observation, action), without shared weights.

    Args:
        actor: of ``view(observation)``, [..., n] to outputs [..., num_outputs].
        critic: of ``view(observation)`` and an action side by side, [..., n + A] to [..., 1].
        num_critics: K.
        view: ``observation -> x`` [..., n], such as ``with_goal``.

    Returns:
        The agent, whose critics give values [K, ...].

    Example:
        >>> agent = networks.actor_critics(mlp(3, 8, 2), mlp(4, 8, 1), num_critics=2)
        >>> weights = agent.init(0)
        >>> agent.critics(weights["critics"], torch.ones(5, 3), torch.ones(5, 1)).shape
        torch.Size([2, 5])
    """
    return single_valued(quantile_actor_critics(actor, critic, num_critics, view))


@checked
def quantile_actor_critics(
    actor: Network, critic: Network, num_critics: int = 2, view: View = unchanged
) -> ActorCritics:
    """``actor_critics`` whose critics have M outputs, quantiles of the return.

    Args:
        actor: of ``view(observation)``, [..., n] to outputs [..., num_outputs].
        critic: of ``view(observation)`` and an action side by side, [..., n + A] to [..., M].
        num_critics: K.
        view: ``observation -> x`` [..., n], such as ``with_goal``.

    Returns:
        The agent, whose critics give quantiles [K, ..., M].

    Example:
        >>> agent = networks.quantile_actor_critics(mlp(3, 8, 2), mlp(4, 8, 25), num_critics=2)
        >>> agent.critics(agent.init(0)["critics"], torch.ones(5, 3), torch.ones(5, 1)).shape
        torch.Size([2, 5, 25])
    """
    values = _values(critic, num_critics)

    def critics(weights, x, action):
        return values(weights, torch.cat([view(x), action], -1))

    return ActorCritics(_init(actor, critic, num_critics), _actor(actor, view), critics)


@checked
def discrete_actor_critics(
    actor: Network, critic: Network, num_critics: int = 2, view: View = unchanged
) -> ActorCritics:
    """An actor of n discrete actions and K critics that value all n, without shared weights.

    Args:
        actor: of ``view(observation)``, to logits [..., n].
        critic: of ``view(observation)``, to values [..., n].
        num_critics: K.
        view: ``observation -> x``, such as ``with_goal``.

    Returns:
        The agent, whose critics give values [K, ..., n].

    Example:
        >>> agent = networks.discrete_actor_critics(mlp(4, 8, 2), mlp(4, 8, 2))
        >>> agent.critics(agent.init(0)["critics"], torch.ones(5, 4)).shape
        torch.Size([2, 5, 2])
    """
    values = _values(critic, num_critics)

    def critics(weights, x):
        return values(weights, view(x))

    return ActorCritics(_init(actor, critic, num_critics), _actor(actor, view), critics)


@checked
def actor_critics_with_torso(
    actor: Network, torso: Network, critic: Network, num_critics: int = 2
) -> ActorCritics:
    """An actor of continuous actions and K critics, each of which sees observations by a torso of its own.

    Args:
        actor: of observations, to outputs [..., num_outputs].
        torso: of observations, to features [..., F], for each critic.
        critic: of features and an action side by side, [..., F + A] to [..., 1].
        num_critics: K.

    Returns:
        The agent, whose critics give values [K, ...].

    Example:
        >>> torso = networks.cnn((1, 10, 10), features=8, layers=networks.YOUNG)
        >>> actor = networks.sequential(torso, mlp(8, 4))
        >>> agent = networks.actor_critics_with_torso(actor, torso, mlp(8 + 2, 1), num_critics=3)
        >>> x, action = torch.zeros(5, 1, 10, 10), torch.zeros(5, 2)
        >>> agent.critics(agent.init(0)["critics"], x, action).shape
        torch.Size([3, 5])
    """
    return single_valued(quantile_actor_critics_with_torso(actor, torso, critic, num_critics))


@checked
def quantile_actor_critics_with_torso(
    actor: Network, torso: Network, critic: Network, num_critics: int = 2
) -> ActorCritics:
    """``actor_critics_with_torso`` whose critics have M outputs, quantiles of the return.

    Args:
        actor: of observations, to outputs [..., num_outputs].
        torso: of observations, to features [..., F], for each critic.
        critic: of features and an action side by side, [..., F + A] to [..., M].
        num_critics: K.

    Returns:
        The agent, whose critics give quantiles [K, ..., M].

    Example:
        >>> agent = networks.quantile_actor_critics_with_torso(mlp(3, 2), mlp(3, 8), mlp(8 + 1, 25))
        >>> weights = agent.init(0)
        >>> sorted(weights["critics", "0"].keys())
        ['head', 'torso']
        >>> agent.critics(weights["critics"], torch.ones(5, 3), torch.ones(5, 1)).shape
        torch.Size([2, 5, 25])
    """

    def init(seed):
        torso_seed, head_seed = split(seed)
        return TensorDict(torso=torso.init(torso_seed), head=critic.init(head_seed))

    def value(weights, pair):
        features = torso.apply(weights["torso"], pair[0])
        return critic.apply(weights["head"], torch.cat([features, pair[1]], -1))

    seeing = Network(init, value)
    values = _values(seeing, num_critics)

    def critics(weights, x, action):
        return values(weights, (x, action))

    return ActorCritics(_init(actor, seeing, num_critics), _actor(actor, unchanged), critics)


@checked
def single_valued(agent: ActorCritics) -> ActorCritics:
    """The agent of ``quantile_actor_critics`` with M = 1, whose critics give [K, ...], not [K, ..., 1].

    Example:
        >>> agent = networks.quantile_actor_critics(mlp(3, 8, 2), mlp(4, 8, 1))
        >>> weights, x, action = agent.init(0)["critics"], torch.ones(5, 3), torch.ones(5, 1)
        >>> agent.critics(weights, x, action).shape
        torch.Size([2, 5, 1])
        >>> networks.single_valued(agent).critics(weights, x, action).shape
        torch.Size([2, 5])
    """
    return agent._replace(critics=lambda *args: agent.critics(*args).squeeze(-1))


def _init(actor, critic, num_critics):
    def init(seed):
        first, *rest = split(seed, 1 + num_critics)
        critics = TensorDict({str(i): critic.init(key) for i, key in enumerate(rest)})
        return TensorDict(actor=actor.init(first), critics=critics)

    return init


def _values(critic, num_critics):
    """``(weights, x) -> values`` [K, ..., n] of all critics, or of those whose weights are given."""
    names = [str(i) for i in range(num_critics)]

    def values(weights, x):
        given = weights.keys()
        return torch.stack([critic.apply(weights[name], x) for name in names if name in given])

    return values


def _actor(actor, view):
    return lambda params, x: actor.apply(params["weights"]["actor"], view(x))

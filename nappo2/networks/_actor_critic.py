"""An actor and a critic that learn together, as functions of one tree of params.

Params are what ``params.make_params`` makes, or a plain dictionary of the same keys; networks read the
branch ``weights``.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tensordict import TensorDict
from torch import Tensor

from nappo2 import trees
from nappo2.batch import only_valid
from nappo2.checks import checked, explained
from nappo2.maths.distributions import Distribution
from nappo2.maths.masks import MASK, unmasked
from nappo2.maths.traced import is_traced
from nappo2.networks.network import Network
from nappo2.policies import Apply, Policy, greedy, stochastic
from nappo2.seeds import split

Restrict = Callable[[Tensor, Tensor], Tensor]
"""``(outputs [..., num_outputs], mask [..., n] bool) -> outputs``, without forbidden actions."""


@checked
class ActorCritic(NamedTuple):
    """An actor and a critic, as functions of whole params and observations ``[..., *shape]``.

    Attributes:
        init: ``seed -> weights``.
        actor: ``(params, observation) -> outputs`` of an action distribution, [..., num_outputs] float32.
        critic: ``(params, observation) -> value``, [...] float32.
        both: ``(params, observation) -> (outputs, value)``, which computes a shared torso once.
        normalizer: ``() -> statistics`` that the functions read, empty by default.
    """

    init: Callable[[int], TensorDict]
    actor: Apply
    critic: Apply
    both: Callable[[Mapping, Tensor], tuple[Tensor, Tensor]]
    normalizer: Callable[[], TensorDict] = TensorDict

    slicing = "transitions"

    def outputs_and_values(self, params: Mapping, batch: Mapping) -> tuple[Tensor, Tensor]:
        """Outputs [M, num_outputs] and values [M] of unmasked transitions, or of all without a mask."""
        return self.both(params, only_valid(batch["observation"], batch))

    def values(self, params: Mapping, rollout: Mapping) -> tuple[Tensor, Tensor]:
        """Values of a rollout's observations and of its next observations, each [T, B] float32."""
        value = self.critic(params, rollout["observation"])
        return value, next_values(self.critic, params, rollout["next"], value)

    def policy(self, dist: Distribution) -> Policy:
        """A policy that samples from the distribution."""
        return stochastic(self.actor, dist)

    def greedy(self, dist: Distribution) -> Policy:
        """A policy that takes the most probable action."""
        return greedy(self.actor, dist)

    def with_heads(self, change: Callable[["ActorCritic"], "ActorCritic"]) -> "ActorCritic":
        """The agent that ``change`` makes of this one; of a recurrent agent it changes the heads only."""
        return change(self)

    def with_masks(self, restrict: Restrict) -> "ActorCritic":
        """The agent of observations with an ``action_mask``, which its networks do not see.

        ``restrict`` is ``(outputs [..., num_outputs], mask [..., n]) -> outputs``, and makes forbidden
        actions impossible.
        """

        def actor(params, x):
            return restrict(self.actor(params, unmasked(x)), x[MASK])

        def both(params, x):
            outputs, value = self.both(params, unmasked(x))
            return restrict(outputs, x[MASK]), value

        def critic(params, x):
            return self.critic(params, unmasked(x))

        return self._replace(actor=actor, critic=critic, both=both)

    def with_view(self, view: Apply) -> "ActorCritic":
        """The agent whose networks take ``view(params, observation)`` in place of an observation."""

        def viewing(fn):
            return lambda params, x: fn(params, view(params, x))

        return self._replace(
            actor=viewing(self.actor), critic=viewing(self.critic), both=viewing(self.both)
        )


@explained
def next_values(critic: Apply, params: Mapping, after: Mapping, value: Tensor) -> Tensor:
    """Values of a rollout's next observations, mostly ``value`` itself, one row on.

    Within an episode the next observation is the next row's, so that observations are valued again only
    where an episode or the rollout ends. Under vmap, where each member has other ends, all are.

    Args:
        critic: ``(params, observation) -> value``.
        params: of the critic.
        after: the rollout's ``next``: ``observation`` ``[T, B, *shape]`` and ``done`` [T, B] bool.
        value: of the rollout's observations, [T, B] float32.

    Returns:
        Values [T, B] float32.

    Example:
        >>> critic = lambda params, x: x.squeeze(-1)
        >>> after = {"observation": torch.tensor([[[1.0]], [[9.0]], [[3.0]]])}  # three steps
        >>> after["done"] = torch.tensor([[False], [True], [False]])
        >>> value = torch.tensor([[0.0], [1.0], [2.0]])
        >>> networks.next_values(critic, {}, after, value).flatten()  # 1 of the next row, 9 and 3 of ends
        tensor([1., 9., 3.])
    """
    observation = after["observation"]
    if is_traced(value):
        return critic(params, observation)
    ends = after["done"].clone()
    ends[-1] = True
    last = trees.map(lambda x: x[ends], observation)
    return value.roll(-1, 0).masked_scatter(ends, critic(params, last))


@checked
def actor_critic(actor: Network, critic: Network) -> ActorCritic:
    """An actor [..., num_outputs] and a critic [..., 1] that share no weights.

    Example:
        >>> agent = actor_critic(mlp(4, 8, 2), mlp(4, 8, 1))
        >>> params = make_params(agent.init(0))
        >>> agent.actor(params, torch.ones(5, 4)).shape, agent.critic(params, torch.ones(5, 4)).shape
        (torch.Size([5, 2]), torch.Size([5]))
    """

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
    """An actor and a critic as heads of one torso.

    Args:
        torso: of observations, to features [..., F].
        actor: of features, to outputs [..., num_outputs].
        critic: of features, to values [..., 1].

    Returns:
        The agent, with the branches ``torso``, ``actor`` and ``critic`` of weights.

    Example:
        >>> agent = networks.shared_actor_critic(mlp(4, 8), mlp(8, 2), mlp(8, 1))
        >>> params, batch = make_params(agent.init(0)), {"observation": torch.ones(5, 4)}
        >>> outputs, value = agent.outputs_and_values(params, batch)
        >>> outputs.shape, value.shape
        (torch.Size([5, 2]), torch.Size([5]))
    """
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

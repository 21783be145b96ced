"""Actors and critics with a memory."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tensordict import TensorDict
from torch import Tensor

from nappo2.batch import only_valid
from nappo2.checks import checked
from nappo2.maths.distributions import Distribution
from nappo2.maths.masks import beside_mask, unmasked
from nappo2.networks._actor_critic import ActorCritic, Restrict, actor_critic
from nappo2.networks.cell import Cell, advanced, side_by_side
from nappo2.networks.network import Network
from nappo2.policies import Apply, Policy, greedy, stochastic, with_memory
from nappo2.seeds import split


@checked
class RecurrentActorCritic(NamedTuple):
    """An actor and a critic of the memory after an observation, as functions of whole params.

    Attributes:
        core: ``seed -> weights`` of the recurrent part.
        perceive: ``(params, observation) -> projected``, for any leading dimensions.
        advance: ``(params, memory, projected) -> memory``, a step.
        heads: an actor and a critic of memories [..., memory_size]; with masks, of mappings in which
            a memory is the ``observation``.
        memory_size: size of a memory, which is 0 where an episode begins.
        normalizer: ``() -> statistics`` that the functions read, empty by default.
    """

    core: Callable[[int], TensorDict]
    perceive: Callable[[Mapping, Tensor], Tensor]
    advance: Callable[[Mapping, Tensor, Tensor], Tensor]
    heads: ActorCritic
    memory_size: int
    normalizer: Callable[[], TensorDict] = TensorDict

    slicing = "sequences"

    def init(self, seed: int) -> TensorDict:
        """The first weights, with a branch ``core``."""
        core, heads = split(seed)
        return self.heads.init(heads).update({"core": self.core(core)})

    def outputs_and_values(self, params: Mapping, batch: Mapping) -> tuple[Tensor, Tensor]:
        """Outputs [M, num_outputs] and values [M] of unmasked transitions, or of all without a mask."""
        memories = beside_mask(self.unroll(params, batch), batch["observation"])
        return self.heads.both(params, only_valid(memories, batch))

    def values(self, params: Mapping, rollout: Mapping) -> tuple[Tensor, Tensor]:
        """Values of a rollout's observations and of its next observations, each [T, B] float32.

        The memory after a next observation is a step on from the one before, without a reset, so
        a truncated episode keeps the value of going on.
        """
        memories, observation = self.unroll(params, rollout), rollout["observation"]
        next_observation = rollout["next"]["observation"]
        following = self.step(params, memories, next_observation)
        pairs = ((memories, observation), (following, next_observation))
        value, next_value = (self.heads.critic(params, beside_mask(*pair)) for pair in pairs)
        return value, next_value

    def policy(self, dist: Distribution) -> Policy:
        """A policy that samples from the distribution."""
        return with_memory(stochastic(self.heads.actor, dist), self.step, self.memory_size)

    def greedy(self, dist: Distribution) -> Policy:
        """A policy that takes the most probable action."""
        return with_memory(greedy(self.heads.actor, dist), self.step, self.memory_size)

    def step(self, params: Mapping, memory: Tensor, observation: Tensor) -> Tensor:
        """The memory after one more observation.

        Args:
            params: of the agent.
            memory: before the step, [..., memory_size].
            observation: ``[..., *shape]``.

        Returns:
            The memory after the step, [..., memory_size].
        """
        return self.advance(params, memory, self.perceive(params, observation))

    def unroll(self, params: Mapping, rollout: Mapping) -> Tensor:
        """Memories after each observation, [T, B, memory_size].

        The first step has the recorded ``memory`` of t = 0; it becomes 0 where ``is_init`` says
        that an episode begins.
        """
        projected = self.perceive(params, rollout["observation"])
        return advanced(
            lambda memory, x: self.advance(params, memory, x),
            rollout["memory"][0],
            projected,
            rollout["is_init"],
        )

    def with_heads(self, change: Callable[[ActorCritic], ActorCritic]) -> "RecurrentActorCritic":
        """The agent with the heads that ``change`` makes of its heads."""
        return self._replace(heads=change(self.heads))

    def with_masks(self, restrict: Restrict) -> "RecurrentActorCritic":
        """The agent of observations with an ``action_mask``; its heads get it beside memories."""

        def perceive(params, x):
            return self.perceive(params, unmasked(x))

        return self._replace(perceive=perceive, heads=self.heads.with_masks(restrict))

    def with_view(self, view: Apply) -> "RecurrentActorCritic":
        """The agent whose cell takes ``view(params, observation)`` in place of an observation."""

        def perceive(params, x):
            return self.perceive(params, view(params, x))

        return self._replace(perceive=perceive)


@checked
def recurrent_actor_critic(cell: Cell, actor: Network, critic: Network) -> RecurrentActorCritic:
    """An actor and a critic as heads of one cell.

    Args:
        cell: of observations, which gives [..., cell.size].
        actor: of what the cell gives, to outputs [..., num_outputs].
        critic: of what the cell gives, to values [..., 1].

    Returns:
        The agent, with the branches ``core``, ``actor`` and ``critic`` of weights.

    Example:
        >>> agent = networks.recurrent_actor_critic(networks.gru(4, 8), mlp(8, 2), mlp(8, 1))
        >>> sorted(agent.init(0).keys())
        ['actor', 'core', 'critic']
    """
    heads = actor_critic(_reading(cell.read, actor), _reading(cell.read, critic))

    def perceive(params, x):
        return cell.project(params["weights"]["core"], x)

    def advance(params, memory, projected):
        return cell.advance(params["weights"]["core"], memory, projected)

    return RecurrentActorCritic(cell.init, perceive, advance, heads, cell.memory_size)


@checked
def separate_recurrent_actor_critic(
    actor_cell: Cell, actor: Network, critic_cell: Cell, critic: Network
) -> RecurrentActorCritic:
    """An actor and a critic with a cell each, without shared weights.

    Args:
        actor_cell: of observations, for the actor.
        actor: of what its cell gives, to outputs [..., num_outputs].
        critic_cell: of observations, for the critic.
        critic: of what its cell gives, to values [..., 1].

    Returns:
        The agent, whose memory is that of both cells side by side.

    Example:
        >>> gru, lstm = networks.gru(4, 8), networks.lstm(4, 6)
        >>> agent = networks.separate_recurrent_actor_critic(gru, mlp(8, 2), lstm, mlp(6, 1))
        >>> agent.memory_size  # 8 of the GRU and 12 of the LSTM
        20
    """
    size = actor_cell.size
    return recurrent_actor_critic(
        side_by_side(actor_cell, critic_cell),
        _reading(lambda y: y[..., :size], actor),
        _reading(lambda y: y[..., size:], critic),
    )


def _reading(read: Callable[[Tensor], Tensor], head: Network) -> Network:
    return Network(head.init, lambda weights, x: head.apply(weights, read(x)))

"""Actors and critics that remember."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.maths.distributions import Distribution
from nappo2.networks._actor_critic import ActorCritic, actor_critic, unmasked
from nappo2.networks.cell import Cell, advanced, beside
from nappo2.networks.network import Network
from nappo2.policies import Apply, Policy, greedy, stochastic, with_memory
from nappo2.seeds import split


@checked
class RecurrentActorCritic(NamedTuple):
    """Functions of whole params; what is acted on, and valued, is the memory after an observation.

    Attributes:
        core: ``seed -> weights`` of what remembers.
        perceive: ``(params, observation) -> seen``, of any leading dimensions.
        advance: ``(params, memory, seen) -> memory``, a step.
        heads: an actor and a critic of memories.
        memory_size: of a memory, [..., memory_size], which is 0 at first.
        normalizer: ``() -> statistics`` that are read, empty where there are none.
    """

    core: Callable[[int], TensorDict]
    perceive: Callable[[Mapping, Tensor], Tensor]
    advance: Callable[[Mapping, Tensor, Tensor], Tensor]
    heads: ActorCritic
    memory_size: int
    normalizer: Callable[[], TensorDict] = TensorDict

    slicing = "sequences"

    def init(self, seed: int) -> TensorDict:
        """The weights."""
        core, heads = split(seed)
        return self.heads.init(heads).update({"core": self.core(core)})

    def outputs_and_values(self, params: Mapping, batch: Mapping) -> tuple[Tensor, Tensor]:
        """The actor's outputs and the values of sequences [T, B], without masked transitions."""
        return self.heads.both(params, unmasked(batch, self.unroll(params, batch)))

    def values(self, params: Mapping, rollout: Mapping) -> tuple[Tensor, Tensor]:
        """The values of what was acted on, and of what was reached, each [T, B].

        The memory of what was reached is one step from that before any reset, so a truncated
        episode has the value that it would have gone on with.
        """
        memories = self.unroll(params, rollout)
        following = self.step(params, memories, rollout["next"]["observation"])
        return self.heads.critic(params, memories), self.heads.critic(params, following)

    def policy(self, dist: Distribution) -> Policy:
        """Samples from the distribution."""
        return with_memory(stochastic(self.heads.actor, dist), self.step, self.memory_size)

    def greedy(self, dist: Distribution) -> Policy:
        """Takes the most probable action."""
        return with_memory(greedy(self.heads.actor, dist), self.step, self.memory_size)

    def step(self, params: Mapping, memory: Tensor, observation: Tensor) -> Tensor:
        """The memory after one observation more, of any leading dimensions."""
        return self.advance(params, memory, self.perceive(params, observation))

    def unroll(self, params: Mapping, rollout: Mapping) -> Tensor:
        """The memories after each observation, [T, B, memory_size].

        Starts from the ``memory`` recorded at t=0, and forgets where ``is_init`` says that an
        episode begins.
        """
        seen, memory = self.perceive(params, rollout["observation"]), rollout["memory"][0]
        return advanced(
            lambda memory, x: self.advance(params, memory, x), memory, seen, rollout["is_init"]
        )

    def with_heads(self, change: Callable[[ActorCritic], ActorCritic]) -> "RecurrentActorCritic":
        """The agent with other heads, which ``change`` makes of these."""
        return self._replace(heads=change(self.heads))

    def with_view(self, view: Apply) -> "RecurrentActorCritic":
        """The agent of what ``view: (params, observation)`` makes of an observation."""

        def perceive(params, x):
            return self.perceive(params, view(params, x))

        return self._replace(perceive=perceive)


@checked
def recurrent_actor_critic(cell: Cell, actor: Network, critic: Network) -> RecurrentActorCritic:
    """An actor and a critic as heads of one cell."""
    heads = actor_critic(_reading(cell.read, actor), _reading(cell.read, critic))

    def perceive(params, x):
        return cell.project(params["weights"]["core"], x)

    def advance(params, memory, seen):
        return cell.advance(params["weights"]["core"], memory, seen)

    return RecurrentActorCritic(cell.init, perceive, advance, heads, cell.memory_size)


@checked
def separate_recurrent_actor_critic(
    actor_cell: Cell, actor: Network, critic_cell: Cell, critic: Network
) -> RecurrentActorCritic:
    """An actor and a critic with a cell each, that share nothing."""
    size = actor_cell.size
    return recurrent_actor_critic(
        beside(actor_cell, critic_cell),
        _reading(lambda y: y[..., :size], actor),
        _reading(lambda y: y[..., size:], critic),
    )


def _reading(read: Callable[[Tensor], Tensor], head: Network) -> Network:
    return Network(head.init, lambda weights, x: head.apply(weights, read(x)))

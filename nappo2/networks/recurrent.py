"""Actors and critics that remember."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.maths.moments import normalize
from nappo2.networks._actor_critic import ActorCritic, actor_critic, normalized, with_log_std
from nappo2.networks.cell import Cell, advanced, beside
from nappo2.networks.network import Network
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
    """

    core: Callable[[int], TensorDict]
    perceive: Callable[[Mapping, Tensor], Tensor]
    advance: Callable[[Mapping, Tensor, Tensor], Tensor]
    heads: ActorCritic
    memory_size: int

    def init(self, seed: int) -> TensorDict:
        """The weights."""
        core, heads = split(seed)
        return self.heads.init(heads).update({"core": self.core(core)})

    def normalizer(self) -> TensorDict:
        """The statistics that are read, empty where there are none."""
        return self.heads.normalizer()

    def fresh(self, num: int) -> Tensor:
        """The memory of nothing, [num, memory_size]."""
        return torch.zeros(num, self.memory_size)

    def begin(self, params: Mapping, observation: Tensor) -> tuple[Tensor, Tensor]:
        """The actor's outputs and the values of observations [B, ...] with which episodes begin."""
        memory = self.step(params, self.fresh(len(observation)), observation)
        return self.heads.both(params, memory)

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

    def read(self, params: Mapping, rollout: Mapping) -> tuple[ActorCritic, dict]:
        """The heads, and a rollout or sequences [T, B] in which they find memories to see.

        Where there is a ``next``, its memory is one step from that before any reset, so a
        truncated episode has the value that it would have gone on with.
        """
        memories = self.unroll(params, rollout)
        seen = {**rollout, "observation": memories}
        if "next" in rollout.keys():
            reached = rollout["next"]
            following = self.step(params, memories, reached["observation"])
            seen["next"] = {**reached, "observation": following}
        return self.heads, seen


Agent = ActorCritic | RecurrentActorCritic
"""With a memory or without."""


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


@with_log_std.register
def _(agent: RecurrentActorCritic, action_size: int, initial: float = 0.0):
    return agent._replace(heads=with_log_std(agent.heads, action_size, initial))


@normalized.register
def _(agent: RecurrentActorCritic, shape: tuple[int, ...]):
    def perceive(params, x):
        return agent.perceive(params, normalize(params["normalizer"]["observation"], x))

    heads = agent.heads._replace(normalizer=normalized(agent.heads, shape).normalizer)
    return agent._replace(perceive=perceive, heads=heads)

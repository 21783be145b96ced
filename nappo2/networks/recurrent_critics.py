"""An actor and K critics with a memory each, for replay of sequences: the agents of recurrent SAC and TD3."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from tensordict import TensorDict
from torch import Tensor

from nappo2.checks import checked
from nappo2.networks._actor_critics import ActorCritics
from nappo2.networks.cell import Cell, after_burn_in, unroll
from nappo2.networks.network import Network
from nappo2.seeds import split


@checked
class RecurrentActorCritics(NamedTuple):
    """An actor and K critics, each side with a cell of its own (Ni et al., https://arxiv.org/abs/2110.05038).

    A memory is that of both cells side by side, the actor's first: whoever acts keeps both, so that a
    replay of sequences has both.

    Attributes:
        init: ``seed -> weights``, with branches ``actor`` and ``critics``, each with its ``cell``.
        actor_cell: of observations.
        critic_cell: of observations.
        heads: of what the cells give: an actor [..., actor_cell.size] to outputs, and critics of
            [..., critic_cell.size] and an action.
    """

    init: Callable[[int], TensorDict]
    actor_cell: Cell
    critic_cell: Cell
    heads: ActorCritics

    @property
    def memory_size(self) -> int:
        """The size of a memory, of both cells."""
        return self.actor_cell.memory_size + self.critic_cell.memory_size

    def step(self, params: Mapping, memory: Tensor, observation: Tensor) -> Tensor:
        """The memory after one more observation.

        Args:
            params: of the agent.
            memory: before the step, [..., memory_size].
            observation: ``[..., *shape]``.

        Returns:
            The memory after the step, [..., memory_size].
        """
        weights = params["weights"]
        sides = zip(
            (self.actor_cell, self.critic_cell),
            (weights["actor"], weights["critics"]),
            self._halves(memory),
            strict=True,
        )
        return torch.cat([cell.apply(w["cell"], m, observation)[0] for cell, w, m in sides], -1)

    def of_memories(self) -> ActorCritics:
        """The actor and critics as functions of memories [..., memory_size] in place of observations."""

        def actor(params, memory):
            return self.heads.actor(params, self.actor_cell.read(self._halves(memory)[0]))

        def critics(weights, memory, action):
            y = self.critic_cell.read(self._halves(memory)[1])
            return self.heads.critics(weights, y, action)

        return ActorCritics(self.init, actor, critics)

    def of_sequences(self, burn_in: int) -> ActorCritics:
        """The actor and critics as functions of sequences, which they give outputs [L - burn_in, N, ...] of.

        A sequence stands in place of an observation: a mapping of ``observation`` [L, N, ...], ``memory``
        [2, N, memory_size], ``is_init`` and ``padding`` [L, N], as ``rolling_windows`` writes them, but
        time first. With ``next`` [L - burn_in, N, ...] outputs are of these observations, one step
        on from each.
        """

        def at(side, cell, weights, sequence):
            memory = self._halves(sequence["memory"])[side]
            return unrolled(cell, weights["cell"], {**sequence, "memory": memory}, burn_in)

        def actor(params, sequence):
            y = at(0, self.actor_cell, params["weights"]["actor"], sequence)
            return self.heads.actor(params, y)

        def critics(weights, sequence, action):
            return self.heads.critics(weights, at(1, self.critic_cell, weights, sequence), action)

        return ActorCritics(self.init, actor, critics)

    def _halves(self, memory: Tensor) -> tuple[Tensor, ...]:
        return memory.split([self.actor_cell.memory_size, self.critic_cell.memory_size], -1)


def unrolled(cell: Cell, weights: Mapping, sequence: Mapping, burn_in: int) -> Tensor:
    """What a cell gives at each step of a sequence that follows the burn-in.

    Args:
        cell: to be run.
        weights: of the cell.
        sequence: as for ``RecurrentActorCritics.of_sequences``.
        burn_in: first steps, which are run without gradient.

    Returns:
        Outputs [L - burn_in, N, cell.size], of the observations or, if there are some, the next ones.
    """

    def run(memory, x, is_init):
        return unroll(cell, weights, memory, x, is_init)[0]

    memories = after_burn_in(run, sequence, burn_in)
    if "next" in sequence:
        return cell.apply(weights, memories, sequence["next"])[1]
    return cell.read(memories)


@checked
def recurrent_actor_critics(
    actor_cell: Cell, actor: Network, critic_cell: Cell, critic: Network, num_critics: int = 2
) -> RecurrentActorCritics:
    """An actor with a cell, and K critics of continuous actions that share another one.

    Args:
        actor_cell: of observations.
        actor: of what its cell gives, to outputs [..., num_outputs].
        critic_cell: of observations.
        critic: of what its cell gives and an action side by side, to [..., 1].
        num_critics: K.

    Returns:
        The agent, whose critics give values [K, ...].

    Example:
        >>> gru = networks.gru(3, 8)
        >>> agent = networks.recurrent_actor_critics(gru, mlp(8, 2), gru, mlp(8 + 1, 1))
        >>> memory, weights = torch.zeros(5, agent.memory_size), agent.init(0)
        >>> values = agent.of_memories().critics(weights["critics"], memory, torch.zeros(5, 1))
        >>> memory.shape, values.shape
        (torch.Size([5, 16]), torch.Size([2, 5]))
    """
    names = [str(i) for i in range(num_critics)]

    def init(seed):
        seeds = split(seed, 3 + num_critics)
        critics = {name: critic.init(key) for name, key in zip(names, seeds[3:], strict=True)}
        return TensorDict(
            actor=TensorDict(cell=actor_cell.init(seeds[0]), head=actor.init(seeds[1])),
            critics=TensorDict({"cell": critic_cell.init(seeds[2]), **critics}),
        )

    def act(params, y):
        return actor.apply(params["weights"]["actor"]["head"], y)

    def values(weights, y, action):
        pair = torch.cat([y, action], -1)
        return torch.stack([critic.apply(weights[name], pair).squeeze(-1) for name in names])

    return RecurrentActorCritics(init, actor_cell, critic_cell, ActorCritics(init, act, values))

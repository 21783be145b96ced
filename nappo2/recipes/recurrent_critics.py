"""Off-policy recipes with a memory: an actor and critics that learn from a replay of sequences."""

from collections.abc import Callable
from typing import Any

import torch

from nappo2 import losses
from nappo2.envs import Env
from nappo2.losses import Loss
from nappo2.networks import (
    ActorCritics,
    Cell,
    Network,
    RecurrentActorCritics,
    mlp,
    recurrent_actor_critics,
    sequential,
    with_torso,
)
from nappo2.policies import Policy, warmup_uniform, with_memory
from nappo2.recipes.annealing import falling_rate
from nappo2.recipes.fit import SQUASHED, check_agent, check_fit
from nappo2.recipes.normalizing import with_normalized_observations
from nappo2.recipes.off_policy import critics_of, first_params, off_policy
from nappo2.recipes.torsos import perceiving
from nappo2.recipes.values import least
from nappo2.stages import Recipe, noise, normal_noise, rolling_windows

COMPATIBLE = SQUASHED._replace(
    agent=("RecurrentActorCritics",),
    reasons={**SQUASHED.reasons, "storage": "it learns from sequences with what they led to"},
)


def of_sequences(
    name: str,
    env: Env,
    config: Any,
    agent: RecurrentActorCritics,
    *,
    num_outputs: int,
    policy: Callable[[ActorCritics], Policy],
    greedy: Callable[[ActorCritics], Policy],
    loss: Callable[[ActorCritics], Loss],
    targets: tuple[str, ...],
    noises: tuple[str, ...],
    **pieces: Any,
) -> Recipe:
    """A recipe of an actor and K critics with a memory, of a loss of transitions.

    Args:
        name: of the recipe.
        env: where the collectors act, with continuous actions.
        config: as ``off_policy`` reads it, and ``length``, ``period``, ``burn_in``, ``normalize``.
        agent: of the environment.
        num_outputs: of the actor.
        policy: how an actor of memories explores, after ``start_steps``.
        greedy: how an actor of memories is evaluated.
        loss: of an actor and critics, such as ``losses.td3``.
        targets: branches of the weights that have targets.
        noises: keys of the noise that the loss reads.
        **pieces: other fields of the ``Recipe``, and arguments of ``off_policy``.

    Returns:
        The recipe.

    Raises:
        ValueError: if the agent does not fit the environment.
    """
    check_agent(name, COMPATIBLE, agent)
    c, size, heads = config, env.action_spec.size, agent.of_memories()
    init = first_params(agent.init, c, *targets)
    check_fit(name, env, init(0), _first_heads(agent, size, num_outputs))

    def remembering(make_policy):
        return with_memory(make_policy(heads), agent.step, agent.memory_size)

    act = remembering(greedy)

    def value(params, observation, memory):
        action, memory = act.act(params, observation, memory, torch.Generator())
        return least(heads.critics(params["weights"]["critics"], memory, action))

    made = off_policy(
        env,
        c,
        name=name,
        compatible=COMPATIBLE,
        init=init,
        policy=warmup_uniform(remembering(policy), env.action_spec.uniform),
        greedy=act,
        value=value,
        loss=losses.over_sequences(loss(agent.of_sequences(c.burn_in)), c.burn_in),
        noise=noise(normal_noise(*noises, size=size, length=c.length)),
        rollouts=rolling_windows(c.length, c.period, c.burn_in),
        after=falling_rate(c, env),
        **pieces,
    )
    return with_normalized_observations(made) if c.normalize else made


def _first_heads(agent: RecurrentActorCritics, size: int, num_outputs: int) -> dict:
    """Actor and critics at the first step of an episode, in the form that ``check_fit`` takes."""
    heads = agent.of_memories()

    def first(params, x):
        return agent.step(params, torch.zeros(2, agent.memory_size), x)

    values, shape = critics_of(heads, size, ())
    return {
        "actor": (lambda params, x: heads.actor(params, first(params, x)), (num_outputs,)),
        "critic": (lambda params, x: values(params, first(params, x)), shape),
    }


def recurrent_critics(
    env: Env,
    cell: Callable[[int, int], Cell],
    hidden: tuple[int, ...],
    actor: Callable[..., Network],
    num_critics: int = 2,
) -> RecurrentActorCritics:
    """ReLU layers, a cell and another layer for an actor, and the same for K critics.

    Args:
        env: whose observations and continuous actions they fit.
        cell: ``(inputs, size) -> Cell``.
        hidden: sizes of the layers, of which the last is the cell's and that of the layer behind it.
        actor: ``(*sizes) -> network`` of what the cell gives, to the outputs of the actor.
        num_critics: K.

    Returns:
        The agent.

    Raises:
        ValueError: if there are fewer than two sizes.
    """
    if len(hidden) < 2:
        raise ValueError(
            f"hidden needs at least two sizes, of a layer and of the cell, not {hidden}"
        )

    def layers(inputs):
        return sequential(mlp(inputs, *hidden[:-1], activation=torch.relu), torch.relu)

    def core():
        return with_torso(perceiving(env, hidden, layers), cell(*hidden[-2:]))

    width, size = hidden[-1], env.action_spec.size
    critic = mlp(width + size, width, 1, activation=torch.relu)
    return recurrent_actor_critics(core(), actor(width, width), core(), critic, num_critics)

"""What is done with an environment in a rollout, step by step."""

from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from nappo2.envs import Env, Outcome, action_size
from nappo2.policies import Decision, Policy, parts_of
from nappo2.seeds import generator
from nappo2.stages.on_bad import finite
from nappo2.stages.stop import current_stop
from nappo2.threads import without_garbage_collection


class CollectState(NamedTuple):
    """Where the environments stand between two rollouts."""

    env: Any
    observation: Any  # [B, ...], or a dictionary of such
    memory: Any
    score: Tensor  # [B], the return of each episode so far
    length: Tensor  # [B], its steps so far
    fresh: Tensor  # [B] bool, whether one begins; of games with lives, whether a life does
    discounted: Tensor  # [B], its discounted return so far, by which rewards are scaled
    seed: int | tuple[int, ...]  # one, or one for each member of a population


def interact(
    env: Env,
    policy: Policy,
    num_steps: int,
    params: dict,
    state: CollectState,
    seed: int | tuple[int, ...],
    limit: float = 0.0,
) -> tuple[CollectState, dict, dict[str, float]]:
    """Acts ``num_steps`` times, and stacks what happened once: a copy per step costs more than it copies.

    Whoever preempts the worker may stop it earlier. Returns the state afterwards, the rollout,
    and for the report the seconds inside of ``env.step``.

    Args:
        seed: of what the policy draws, or one for each member of a population.
        limit: what the policy acts on where an observation is infinite.
    """
    rng = generators(seed)
    env_state, observation, memory = state[:3]
    act, sources = acting(env, policy, num_steps, rng)
    remembers, kept = not nothing(memory), ()
    rows, seconds, stop = [], 0.0, current_stop()
    with torch.inference_mode(), without_garbage_collection():
        for t, source in enumerate(sources):
            if remembers:
                kept = policy.recorded(memory)
            action, memory = act(params, finite(observation, limit), memory, source)
            action, *said = action if isinstance(action, Decision) else (action,)
            start = perf_counter()
            env_state, following, outcome = env.step(env_state, action)
            seconds += perf_counter() - start
            game = outcome.game
            told = () if game is None else (game.reward, game.over)
            before, after = leaves(observation), leaves(outcome[0])
            rows.append((*before, action, *after, *outcome[1:4], *told, *kept, *said))
            if remembers:
                memory = policy.reset(memory, outcome.terminated | outcome.truncated, rng)
            observation = following
            if stop.asked((t + 1) / num_steps):
                break
    stop.arrived()
    columns = [torch.stack(column) for column in zip(*rows, strict=True)]
    env_state, observation, memory = tree_map(ordinary, (env_state, observation, memory))
    num = len(before)
    action, *reached, reward, terminated, truncated = columns[num : 2 * num + 4]
    rollout = {"observation": like(observation, columns[:num]), "action": action}
    reached = (like(observation, reached), reward, terminated, truncated)
    rollout["next"] = dict(zip(Outcome._fields, reached, strict=False))
    if told:
        rollout["game"] = columns[2 * num + 4 : 2 * num + 6]
    if said:
        rollout["action_log_prob"] = columns.pop()
    if kept:
        rollout["memory"] = columns[-1]
    state = state._replace(env=env_state, observation=observation, memory=memory)
    return state, rollout, {"simulator_seconds": seconds}


def generators(seed: int | tuple[int, ...]) -> Any:
    """A generator, or one for each member of a population."""
    return tuple(map(generator, seed)) if isinstance(seed, tuple) else generator(seed)


def acting(env: Env, policy: Policy, num_steps: int, rng: Any) -> tuple[Callable, list]:
    """How to act, and of what in each step: of noise that is drawn before, or of the generator."""
    parts = parts_of(policy)
    if parts is None or parts.place is None:
        return policy.act, [rng] * num_steps
    size = action_size(env.action_space)
    return parts.place, [parts.draw(env.num_envs, size, rng) for _ in range(num_steps)]


def ordinary(x: Any) -> Any:
    """A tensor made in inference mode as one that may be written to, and differentiated, outside of it."""
    return x.clone() if isinstance(x, Tensor) and x.is_inference() else x


def nothing(memory: Any) -> bool:
    """Whether a memory is that of a policy which has none."""
    return isinstance(memory, tuple) and not memory


def leaves(observation: Tensor | dict) -> tuple[Tensor, ...]:
    """The tensors of an observation, which is one, or a dictionary of some."""
    return (observation,) if isinstance(observation, Tensor) else tuple(observation.values())


def like(observation: Tensor | dict, columns: list[Tensor]) -> Tensor | dict:
    """Columns in the form of an observation."""
    if isinstance(observation, Tensor):
        return columns[0]
    return dict(zip(observation, columns, strict=True))

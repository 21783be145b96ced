"""What is done with an environment in a rollout, step by step."""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nappo2 import trees
from nappo2.envs import Env
from nappo2.machine.stop import current_stop
from nappo2.machine.threads import without_garbage_collection
from nappo2.policies import Decision, Policy, sampler_of
from nappo2.seeds import generator
from nappo2.stages.collecting.non_finite import finite


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

    Whoever preempts the worker may stop it earlier. Returns the state afterwards, the rollout as
    ``rollout_of`` makes it, and the seconds inside of ``env.step``, for the report.

    Args:
        seed: of what the policy draws, or one for each member of a population.
        limit: what the policy acts on where an observation is infinite.
    """
    rng = generators(seed)
    env_state, observation, memory = state[:3]
    act, sources = acting(env, policy, num_steps, rng)
    remembers = not is_memoryless(memory)
    rows, seconds, stop = [], 0.0, current_stop()
    with torch.inference_mode(), without_garbage_collection():
        for t, source in enumerate(sources):
            row = dict(zip(MEMORY, policy.recorded(memory), strict=False)) if remembers else {}
            action, memory = act(params, finite(observation, limit), memory, source)
            if isinstance(action, Decision):
                action, row["action_log_prob"] = action
            start = perf_counter()
            env_state, next_observation, outcome = env.step(env_state, action)
            seconds += perf_counter() - start
            row |= {"observation": observation, "action": action}
            row |= zip(REACHED, outcome, strict=False)
            if outcome.game is not None:
                row |= {"raw_reward": outcome.game.reward, "game_over": outcome.game.over}
            rows.append(row)
            if remembers:
                memory = policy.reset(memory, outcome.terminated | outcome.truncated, rng)
            observation = next_observation
            if stop.asked((t + 1) / num_steps):
                break
    stop.arrived()
    columns = {key: trees.stack([row[key] for row in rows]) for key in rows[0]}
    env_state, observation, memory = trees.map(out_of_inference, (env_state, observation, memory))
    state = state._replace(env=env_state, observation=observation, memory=memory)
    return state, rollout_of(columns), {"simulator": seconds}


REACHED = ("reached", "reward", "terminated", "truncated")  # as a Transition begins
OF_NEXT = {name: name for name in ("reward", "terminated", "truncated", "raw_reward", "game_over")}
OF_NEXT["reached"] = "observation"
MEMORY = ("memory",)


def rollout_of(columns: Mapping[str, Any]) -> dict:
    """A rollout of the columns [T, B, ...] of either loop, where ``next`` has what was reached.

    While it is collected it also has ``raw_reward`` and ``game_over`` there, of environments whose
    returns are not of the rewards that are learnt from.
    """
    rollout = {key: x for key, x in columns.items() if key not in OF_NEXT}
    return rollout | {"next": {OF_NEXT[key]: x for key, x in columns.items() if key in OF_NEXT}}


def generators(seed: int | tuple[int, ...]) -> Any:
    """A generator, or one for each member of a population."""
    return tuple(map(generator, seed)) if isinstance(seed, tuple) else generator(seed)


def acting(env: Env, policy: Policy, num_steps: int, rng: Any) -> tuple[Callable, list]:
    """How to act, and of what in each step: of noise that is drawn before, or of the generator."""
    sampler = sampler_of(policy)
    if sampler is None or sampler.sample_from_noise is None:
        return policy.act, [rng] * num_steps
    size = env.action_spec.size
    return sampler.sample_from_noise, [
        sampler.draw_noise(env.num_envs, size, rng) for _ in range(num_steps)
    ]


def out_of_inference(x: Any) -> Any:
    """A tensor made in inference mode as one that may be written to, and differentiated, outside of it."""
    return x.clone() if isinstance(x, Tensor) and x.is_inference() else x


def is_memoryless(memory: Any) -> bool:
    """Whether a memory is that of a policy which has none."""
    return isinstance(memory, tuple) and not memory

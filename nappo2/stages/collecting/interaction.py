"""The eager loop of a rollout: a policy acts in environments, step by step."""

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from nappo2 import trees
from nappo2.envs import Env, Transition, counted, physics_of
from nappo2.machine.stop import current_stop
from nappo2.machine.threads import without_garbage_collection
from nappo2.policies import Decision, FromNoise, Policy, from_noise_of
from nappo2.seeds import generator
from nappo2.stages.collecting.non_finite import finite
from nappo2.stages.collecting.tally import Sums, Tally, sums_of, tally


class CollectState(NamedTuple):
    """The state of environments, policy and counters between two rollouts."""

    env: Any  # of the environments
    observation: Any  # [B, ...], or a dictionary of such
    memory: Any  # of the policy
    score: Tensor  # [B], the return of each episode so far
    length: Tensor  # [B], its steps so far
    fresh: Tensor  # [B] bool, whether an episode begins; of games with lives, whether a life does
    discounted: (
        Tensor  # [B], the discounted return of each episode so far, by which rewards are scaled
    )
    seed: int | tuple[int, ...]  # a tuple has a seed for each member of a population


class Interaction(NamedTuple):
    """A rollout.

    Attributes:
        state: after the rollout, but for the counters of episodes.
        rollout: tensors [T, B, ...], as ``rollout_of`` makes it.
        tally: what is counted of it.
        seconds: by name, for the report.
    """

    state: CollectState
    rollout: dict
    tally: Tally
    seconds: dict[str, float]


def interact(
    env: Env,
    policy: Policy,
    num_steps: int,
    params: dict,
    state: CollectState,
    seed: int | tuple[int, ...],
    limit: float = 0.0,
) -> Interaction:
    """Acts ``num_steps`` times, or fewer where the worker is preempted.

    Steps are stacked once at the end, as copying each into a rollout takes longer.

    Args:
        env: environments in which to act.
        policy: how to act.
        num_steps: of each environment.
        params: of the policy.
        state: before the rollout.
        seed: of what the policy draws; a tuple has a seed for each member of a population.
        limit: replaces infinite numbers in what the policy acts on.

    Returns:
        The rollout as ``rollout_of`` makes it, with its tally, and the seconds inside of ``env.step``.
    """
    rng = generators(seed)
    env_state, observation, memory = state[:3]
    act, sources = acting(env, policy, num_steps, params, rng)
    remembers = not is_memoryless(memory)
    rows, outcomes, seconds, stop = [], [], 0.0, current_stop()
    with torch.inference_mode(), without_garbage_collection():
        for t, source in enumerate(sources):
            row = dict(zip(MEMORY, policy.recorded(memory), strict=False)) if remembers else {}
            action, memory = act(params, finite(observation, limit), memory, source)
            if isinstance(action, Decision):
                action, row["action_log_prob"] = action
            start = perf_counter()
            env_state, after_reset, outcome = env.step(env_state, action)
            seconds += perf_counter() - start
            row |= {"observation": observation, "action": action}
            row |= zip(TRANSITION, outcome, strict=False)
            rows.append(row)
            outcomes.append(outcome)
            if remembers:
                memory = policy.reset(memory, outcome.terminated | outcome.truncated, rng)
            observation = after_reset
            if stop.asked((t + 1) / num_steps):
                break
    stop.arrived()
    columns = {key: trees.stack([row[key] for row in rows]) for key in rows[0]}
    columns |= game_columns(outcomes) | info_columns(outcomes)
    env_state, observation, memory = trees.map(out_of_inference, (env_state, observation, memory))
    rollout = rollout_of(columns)
    result = tally(rollout, state.fresh, sums_of(rollout, Sums(state.score, state.length)))
    state = state._replace(env=env_state, observation=observation, memory=memory)
    return Interaction(state, rollout, result, {"simulator": seconds})


TRANSITION = ("next_observation", "reward", "terminated", "truncated")  # as a Transition begins
FOR_COUNTS = ("raw_reward", "game_over", "info")  # dropped from a rollout when it was counted
OF_NEXT = {name: name for name in ("reward", "terminated", "truncated", *FOR_COUNTS)}
OF_NEXT["next_observation"] = "observation"
MEMORY = ("memory",)


def rollout_of(columns: Mapping[str, Any]) -> dict:
    """A rollout of the columns [T, B, ...] of the eager or the scanned loop, with those of ``next`` under it.

    There it also has ``raw_reward`` and ``game_over`` until it is counted, of environments whose
    returns are not sums of the rewards that are learnt from, and ``info``, what is told of episodes.
    """
    rollout = {key: x for key, x in columns.items() if key not in OF_NEXT}
    return rollout | {"next": {OF_NEXT[key]: x for key, x in columns.items() if key in OF_NEXT}}


def game_columns(outcomes: Sequence[Transition]) -> dict[str, Tensor]:
    """The columns [T, B] of what episode statistics count, if that is not what is learnt from."""
    if all(outcome.game is None for outcome in outcomes):
        return {}
    games = [counted(outcome) for outcome in outcomes]
    points, over = (torch.stack(column) for column in zip(*games, strict=True))
    return {"raw_reward": points, "game_over": over}


def info_columns(outcomes: Sequence[Transition]) -> dict[str, dict[str, Tensor]]:
    """The columns [T, B] of what is told of episodes, NaN where nothing is; none if nothing is at all."""
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.info)
    if not names:
        return {}
    nan = torch.full_like(outcomes[0].reward, torch.nan)
    rows = [outcome.info for outcome in outcomes]
    return {"info": {name: torch.stack([row.get(name, nan) for row in rows]) for name in names}}


def generators(seed: int | tuple[int, ...]) -> Any:
    """A generator of the seed, or a tuple of generators for each member of a population."""
    return tuple(map(generator, seed)) if isinstance(seed, tuple) else generator(seed)


def acting(
    env: Env, policy: Policy, num_steps: int, params: Mapping, rng: Any
) -> tuple[Callable, list]:
    """The function that acts, and the source of randomness of each step: noise, or the generator.

    Noise is drawn before the first step, where the policy is a function of noise.

    Args:
        env: environments in which to act.
        policy: how to act.
        num_steps: of each environment.
        params: of the policy.
        rng: a generator, or one for each member of a population.

    Returns:
        ``(params, observation, memory, source) -> (action, memory)``, and ``num_steps`` sources.
    """
    fixed = from_noise_of(policy)
    if fixed is None:
        return policy.act, [rng] * num_steps
    noise = noise_ahead(env, fixed, num_steps, params, rng)
    columns, structure = tree_flatten(noise)
    rows = zip(*columns, strict=True) if columns else [()] * num_steps
    return fixed.decide, [tree_unflatten(list(row), structure) for row in rows]


def noise_ahead(env: Env, fixed: FromNoise, num_steps: int, params: Mapping, rng: Any) -> Any:
    """The noise of a rollout, a tree of tensors [T, B, ...]; of n members [T, n, B, ...].

    Of environments in torch it is drawn in one call. A step of a simulator takes far longer than its
    draw, so there each step keeps its own: what was measured of simulators stays reproducible.

    Args:
        env: environments in which to act.
        fixed: the policy as a function of noise.
        num_steps: of each environment.
        params: of the policy.
        rng: a generator, or one for each member of a population.

    Returns:
        The noise.
    """
    size = env.action_spec.size
    if physics_of(env):
        return fixed.draw(params, (num_steps, env.num_envs), size, rng)
    return trees.stack([fixed.draw(params, (env.num_envs,), size, rng) for _ in range(num_steps)])


def out_of_inference(x: Any) -> Any:
    """A copy of a tensor [...] of inference mode, which may be written to and differentiated; else x."""
    return x.clone() if isinstance(x, Tensor) and x.is_inference() else x


def is_memoryless(memory: Any) -> bool:
    """Tests whether a memory is (), that of a policy without memory."""
    return isinstance(memory, tuple) and not memory
